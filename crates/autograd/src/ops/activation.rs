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
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(-2.0);
    /// let y = x.leaky_relu(0.1);
    /// assert!((y.item() - -0.200000).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - 0.100000).abs() < 1e-6);
    /// ```
    leaky_relu: LeakyRelu(x; negative_slope) -> y {
        value: x.above(0.0).choose(x, x * negative_slope),
        derivative: x.above(0.0).choose(x.literal(1.0), x.literal(negative_slope)),
        check: (0.1) [-1.5, 0.7, 2.0],
    }
    /// Exponential linear unit: `y = x` where x > 0, else `alpha (eˣ − 1)`; the derivative at 0 is `alpha`.
    /// PyTorch's default `alpha` is 1 (Clevert et al. 2015, <https://arxiv.org/abs/1511.07289>).
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(-1.0);
    /// let y = x.elu(1.0);
    /// assert!((y.item() - -0.632121).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - 0.367879).abs() < 1e-6);
    /// ```
    elu: Elu(x; alpha) -> y {
        value: x.above(0.0).choose(x, x.above(0.0).choose(x.literal(0.0), x).exp_m1() * alpha),
        derivative: x.above(0.0).choose(x.literal(1.0), x.above(0.0).choose(x.literal(0.0), x).exp() * alpha),
        check: (0.7) [-300.0, -1.5, 0.7, 2.0],
    }
    /// Scaled [`elu`](Self::elu), whose two constants keep mean 0 and variance 1 through a deep network
    /// (Klambauer et al. 2017, <https://arxiv.org/abs/1706.02515>).
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(-1.0);
    /// let y = x.selu();
    /// assert!((y.item() - -1.111331).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - 0.646769).abs() < 1e-6);
    /// ```
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
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(1.0);
    /// let y = x.gelu();
    /// assert!((y.item() - 0.841345).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - 1.083315).abs() < 1e-6);
    /// ```
    gelu: Gelu(x) -> y {
        value: x * 0.5 * ((x * std::f64::consts::FRAC_1_SQRT_2).erf() + 1),
        derivative: 0.5 * ((x * std::f64::consts::FRAC_1_SQRT_2).erf() + 1)
            + x * (x * x * -0.5).exp() * (0.5 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2),
        check: [-3.0, -0.5, 0.0, 0.7, 2.0],
    }
    /// [`gelu`](Self::gelu)'s approximation `y = x (1 + tanh u) / 2`, `u = √(2/π) (x + 0.044715 x³)`.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(1.0);
    /// let y = x.gelu_tanh();
    /// assert!((y.item() - 0.841192).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - 1.082964).abs() < 1e-6);
    /// ```
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
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(1.0);
    /// let y = x.silu();
    /// assert!((y.item() - 0.731059).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - 0.927671).abs() < 1e-6);
    /// ```
    silu: Silu(x) -> y {
        value: x * x.sigmoid(),
        derivative: x.sigmoid() * (x * (1 - x.sigmoid()) + 1),
        check: [-3.0, -0.5, 0.0, 0.7, 2.0],
    }
    /// A smooth [`relu`](Self::relu): `y = ln(1 + eˣ)`, `dy/dx = σ(x)`. Computed as `max(x, 0) + ln(1 + e^(−|x|))`,
    /// so it overflows nowhere (PyTorch switches to `y = x` at 20 instead).
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(1.0);
    /// let y = x.softplus();
    /// assert!((y.item() - 1.313262).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - 0.731059).abs() < 1e-6);
    /// ```
    softplus: Softplus(x) -> y {
        value: x.above(0.0).choose(x, x.literal(0.0)) + (-x.abs()).exp().ln_1p(),
        derivative: x.sigmoid(),
        check: [-800.0, -2.0, 0.0, 1.5, 800.0],
    }
    /// The logarithm of [`sigmoid`](Self::sigmoid): `y = −ln(1 + e⁻ˣ)`, `dy/dx = σ(−x)`. Finite where the sigmoid
    /// underflows.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(1.0);
    /// let y = x.logsigmoid();
    /// assert!((y.item() - -0.313262).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - 0.268941).abs() < 1e-6);
    /// ```
    logsigmoid: Logsigmoid(x) -> y {
        value: -(-x).softplus(),
        derivative: (-x).sigmoid(),
        check: [-800.0, -2.0, 0.0, 1.5, 800.0],
    }
    /// `y = x tanh(ln(1 + eˣ))` (Misra 2019, <https://arxiv.org/abs/1908.08681>); with `t = tanh(ln(1 + eˣ))`,
    /// `dy/dx = t + x (1 − t²) σ(x)`.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(1.0);
    /// let y = x.mish();
    /// assert!((y.item() - 0.865098).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - 1.049036).abs() < 1e-6);
    /// ```
    mish: Mish(x) -> y {
        value: x * x.softplus().tanh(),
        derivative: {
            let t = x.softplus().tanh();
            t + x * (1 - t * t) * x.sigmoid()
        },
        check: [-3.0, -0.5, 0.0, 0.7, 2.0],
    }
    /// `y = x / (1 + |x|)`, `dy/dx = 1 / (1 + |x|)²`.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(3.0);
    /// let y = x.softsign();
    /// assert!((y.item() - 0.750000).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - 0.062500).abs() < 1e-6);
    /// ```
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
