//! The functions between a network's layers.

use crate::ops::elementwise::elementwise;

/// `selu`'s constants, which make a deep network of normal weights normalise itself (Klambauer et al. 2017,
/// <https://arxiv.org/abs/1706.02515>).
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

elementwise! {
    /// The logistic function: `y = 1 / (1 + e⁻ˣ)`, `dy/dx = y (1 − y)`.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(0.0);
    /// let y = x.sigmoid();
    /// assert_eq!((y.item(), y.backward().wrt(x)[[]]), (0.5, 0.25));
    /// ```
    sigmoid: Sigmoid(x) -> y { value: 1 / ((-x).exp() + 1), derivative: y * (1 - y), check: [-300.0, -2.0, 0.0, 0.7, 30.0] }
    /// Rectified linear unit: `y = max(x, 0)`, `dy/dx = 1` where x > 0, else 0 (also at 0, as in PyTorch).
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var([-1.0, 0.0, 2.0]);
    /// assert_eq!(x.relu().sum().backward().wrt(x), ndarray::array![0.0, 0.0, 1.0].into_dyn());
    /// ```
    relu: Relu(x) -> y { value: x.below(0.0).choose(x.literal(0.0), x), derivative: y.above(0.0), check: [-1.5, 0.7, 2.0] }
    /// `y = x` where x > 0, else `negative_slope · x`, whose derivative is `negative_slope` at 0 too. PyTorch's
    /// default slope is 0.01.
    leaky_relu: LeakyRelu(x; negative_slope) -> y {
        value: x.above(0.0).choose(x, x * negative_slope),
        derivative: x.above(0.0).choose(x.literal(1.0), x.literal(negative_slope)),
        check: (0.1) [-1.5, 0.7, 2.0],
    }
    /// Exponential linear unit: `y = x` where x > 0, else `alpha (eˣ − 1)`; the derivative at 0 is `alpha`.
    /// PyTorch's default `alpha` is 1 (Clevert et al. 2015, <https://arxiv.org/abs/1511.07289>).
    elu: Elu(x; alpha) -> y {
        value: x.above(0.0).choose(x, x.above(0.0).choose(x.literal(0.0), x).exp_m1() * alpha),
        derivative: x.above(0.0).choose(x.literal(1.0), x.above(0.0).choose(x.literal(0.0), x).exp() * alpha),
        check: (0.7) [-300.0, -1.5, 0.7, 2.0],
    }
    /// Scaled [`elu`](Self::elu), whose two constants keep mean 0 and variance 1 through a deep network
    /// (Klambauer et al. 2017, <https://arxiv.org/abs/1706.02515>).
    selu: Selu(x) -> y {
        value: x.above(0.0).choose(x, x.above(0.0).choose(x.literal(0.0), x).exp_m1() * SELU_ALPHA) * SELU_SCALE,
        derivative: x.above(0.0).choose(
            x.literal(SELU_SCALE),
            x.above(0.0).choose(x.literal(0.0), x).exp() * (SELU_SCALE * SELU_ALPHA),
        ),
        check: [-300.0, -1.5, 0.7, 2.0],
    }
    /// Gaussian error linear unit: `y = x Φ(x) = x (1 + erf(x/√2)) / 2` (Hendrycks, Gimpel 2016,
    /// <https://arxiv.org/abs/1606.08415>); `dy/dx = Φ(x) + x φ(x)`.
    gelu: Gelu(x) -> y {
        value: x * 0.5 * ((x * std::f64::consts::FRAC_1_SQRT_2).erf() + 1),
        derivative: 0.5 * ((x * std::f64::consts::FRAC_1_SQRT_2).erf() + 1)
            + x * (x * x * -0.5).exp() * (0.5 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2),
        check: [-3.0, -0.5, 0.0, 0.7, 2.0],
    }
    /// [`gelu`](Self::gelu)'s approximation `y = x (1 + tanh u) / 2`, `u = √(2/π) (x + 0.044715 x³)`.
    gelu_tanh: GeluTanh(x) -> y {
        value: x * 0.5 * ((x * (x * x * 0.044715 + 1) * (2.0 / std::f64::consts::PI).sqrt()).tanh() + 1),
        derivative: {
            let slope = (2.0 / std::f64::consts::PI).sqrt();
            let t = (x * (x * x * 0.044715 + 1) * slope).tanh();
            0.5 * (t + 1) + x * 0.5 * (1 - t * t) * ((x * x * (3.0 * 0.044715) + 1) * slope)
        },
        check: [-3.0, -0.5, 0.0, 0.7, 2.0],
    }
    /// Also called swish: `y = x σ(x)`, `dy/dx = σ(x) (1 + x (1 − σ(x)))` (Elfwing et al. 2017,
    /// <https://arxiv.org/abs/1702.03118>).
    silu: Silu(x) -> y {
        value: x * x.sigmoid(),
        derivative: x.sigmoid() * (x * (1 - x.sigmoid()) + 1),
        check: [-3.0, -0.5, 0.0, 0.7, 2.0],
    }
    /// A smooth [`relu`](Self::relu): `y = ln(1 + eˣ)`, `dy/dx = σ(x)`. Computed as `max(x, 0) + ln(1 + e^(−|x|))`,
    /// so it overflows nowhere (PyTorch switches to `y = x` at 20 instead).
    softplus: Softplus(x) -> y {
        value: x.above(0.0).choose(x, x.literal(0.0)) + (-x.abs()).exp().ln_1p(),
        derivative: x.sigmoid(),
        check: [-800.0, -2.0, 0.0, 1.5, 800.0],
    }
    /// `y = x / (1 + |x|)`, `dy/dx = 1 / (1 + |x|)²`.
    softsign: Softsign(x) -> y {
        value: x / (x.abs() + 1),
        derivative: 1 / (x.abs() + 1).square(),
        check: [-3.0, -0.5, 0.7, 2.0],
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    unary_checks()
}
