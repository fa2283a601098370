//! Activation functions, which stand between the layers of a network.

use crate::calculus::{Num, Real};
use crate::ops::elementwise::elementwise;

/// The constants of `selu`, with which a deep network of normally distributed weights normalises itself (Klambauer et
/// al. 2017, <https://arxiv.org/abs/1706.02515>).
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

/// σ(x) and σ(−x). Each has all its digits where it is tiny, and so have their derivatives.
#[inline(always)]
fn logistic<K: Real>(x: Num<K>) -> [Num<K>; 2] {
    let positive = x.gt(0.0);
    let t = positive.choose(-x, x).exp();
    let [one, total] = [t.literal(1.0), t + 1];
    [positive.choose(one, t) / total, positive.choose(t, one) / total]
}

/// x, but 0 where |x| is above [`FAR`]. It is for products with functions that fall off like e^−|x|, so that ∞ times 0
/// is never formed.
#[inline(always)]
fn near<K: Real>(x: Num<K>) -> Num<K> {
    x.abs().gt(FAR).choose(0.0, x)
}

/// Like [`near`], but on the negative side only.
#[inline(always)]
fn not_far_below<K: Real>(x: Num<K>) -> Num<K> {
    x.lt(-FAR).choose(0.0, x)
}

/// `tanh(ln(1 + eˣ))` and its derivative, computed from t = e^−|x|: both have all digits where they are tiny.
#[inline(always)]
fn mish_gate<K: Real>(x: Num<K>) -> [Num<K>; 2] {
    let positive = x.gt(0.0);
    let t = positive.choose(-x, x).exp();
    let total = positive.choose(2 * t * (t + 1) + 1, t * (t + 2) + 2);
    let gate = positive.choose(1 - 2 * t * t / total, t * (t + 2) / total);
    [gate, 4 * positive.choose(t * t, t) * (t + 1) / (total * total)]
}

/// e^−750 is 0, in `f64` too.
const FAR: f64 = 750.0;

elementwise! {
    trait Activations;

    /// The logistic function: `y = 1 / (1 + e⁻ˣ)`, `dy/dx = y (1 − y)`.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(0.0);
    /// let y = x.sigmoid();
    /// assert_eq!((y.item(), y.backward().wrt(x)[[]]), (0.5, 0.25));
    /// ```
    sigmoid: Sigmoid(x) -> y {
        value: 1 / ((-x).exp() + 1), derivative: y * (1 - y), check: [-300.0, -2.0, 0.0, 0.7, 30.0]
    }
    /// Rectified linear unit: `y = max(x, 0)`, `dy/dx = 1` where x > 0, else 0 (also at 0, as in PyTorch).
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var([-1.0, 0.0, 2.0]);
    /// assert_eq!(x.relu().sum().backward().wrt(x), ndarray::array![0.0, 0.0, 1.0].into_dyn());
    /// ```
    relu: Relu(x) -> y { value: x.lt(0.0).choose(0.0, x), derivative: y.gt(0.0), check: [-1.5, 0.7, 2.0] }
    /// `y = x` where x > 0, else `negative_slope · x`; the derivative at 0 is `negative_slope`. PyTorch's default slope
    /// is 0.01.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(-2.0);
    /// let y = x.leaky_relu(0.1);
    /// assert!((y.item() - -0.200000).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - 0.100000).abs() < 1e-6);
    /// ```
    leaky_relu: LeakyRelu(x; negative_slope) -> y {
        value: x.gt(0.0).choose(x, x * negative_slope),
        derivative: x.gt(0.0).choose(1.0, negative_slope),
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
        value: x.gt(0.0).choose(x, x.gt(0.0).choose(0.0, x).exp_m1() * alpha),
        derivative: x.gt(0.0).choose(1.0, x.gt(0.0).choose(0.0, x).exp() * alpha),
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
        value: x.gt(0.0).choose(x, x.gt(0.0).choose(0.0, x).exp_m1() * SELU_ALPHA) * SELU_SCALE,
        derivative: x.gt(0.0).choose(
            x.literal(SELU_SCALE),
            x.gt(0.0).choose(0.0, x).exp() * (SELU_SCALE * SELU_ALPHA),
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
        value: not_far_below(x) * 0.5 * ((x * std::f64::consts::FRAC_1_SQRT_2).erf() + 1),
        derivative: {
            let z = near(x);
            0.5 * ((x * std::f64::consts::FRAC_1_SQRT_2).erf() + 1)
                + z * (z * z * -0.5).exp() * (0.5 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2)
        },
        check: [-3.0, -0.5, 0.0, 0.7, 2.0],
    }
    /// The approximation of [`gelu`](Self::gelu) `y = x (1 + tanh u) / 2 = x σ(2u)`, `u = √(2/π) (x + 0.044715 x³)`.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(1.0);
    /// let y = x.gelu_tanh();
    /// assert!((y.item() - 0.841192).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - 1.082964).abs() < 1e-6);
    /// ```
    gelu_tanh: GeluTanh(x) -> y {
        value: {
            let z = x.clamp(-FAR, FAR);
            not_far_below(x) * logistic(z * (z * z * 0.044715 + 1) * (8.0 / std::f64::consts::PI).sqrt())[0]
        },
        derivative: {
            let (z, slope) = (x.clamp(-FAR, FAR), (8.0 / std::f64::consts::PI).sqrt());
            let [s, rest] = logistic(z * (z * z * 0.044715 + 1) * slope);
            s + z * s * rest * ((z * z * (3.0 * 0.044715) + 1) * slope)
        },
        check: [-3.0, -0.5, 0.0, 0.7, 2.0],
    }
    /// Sigmoid linear unit, also called swish: `y = x σ(x)`, `dy/dx = σ(x) (1 + x (1 − σ(x)))` (Elfwing et al. 2017,
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
        value: not_far_below(x) * x.sigmoid(),
        derivative: {
            let [s, rest] = logistic(x);
            s * (near(x) * rest + 1)
        },
        check: [-3.0, -0.5, 0.0, 0.7, 2.0],
    }
    /// A smooth [`relu`](Self::relu): `y = ln(1 + eˣ)`, `dy/dx = σ(x)`. Computed as `max(x, 0) + ln(1 + e^(−|x|))`, so
    /// that it never overflows (PyTorch switches to `y = x` at 20 instead).
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(1.0);
    /// let y = x.softplus();
    /// assert!((y.item() - 1.313262).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - 0.731059).abs() < 1e-6);
    /// ```
    softplus: Softplus(x) -> y {
        value: x.gt(0.0).choose(x, 0.0) + (-x.abs()).exp().ln_1p(),
        derivative: logistic(x)[0],
        check: [-800.0, -2.0, 0.0, 1.5, 800.0],
    }
    /// The logarithm of [`sigmoid`](Self::sigmoid): `y = −ln(1 + e⁻ˣ)`, `dy/dx = σ(−x)`. It is finite where the sigmoid
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
        derivative: logistic(x)[1],
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
        value: not_far_below(x) * mish_gate(x)[0],
        derivative: {
            let [gate, slope] = mish_gate(x);
            gate + near(x) * slope
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
        value: {
            let a = x.abs();
            let y = a.gt(1.0).choose(1 / (1 / a + 1), a / (a + 1)); // ∞/∞ must not be formed
            x.lt(0.0).choose(-y, y)
        },
        derivative: {
            let r = 1 / (x.abs() + 1);
            r * r
        },
        check: [-3.0, -0.5, 0.7, 2.0],
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    rows()
}
