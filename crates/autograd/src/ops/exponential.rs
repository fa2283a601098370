//! Powers, roots, exponentials, logarithms.

use crate::calculus::{IntoNum, Num, Numeric, Real};
use crate::ops::elementwise::elementwise;
use crate::{Float, IntoVar, Operand, Var};

elementwise! {
    trait Exponentials;

    /// `y = eˣ`, `dy/dx = y`. It overflows to infinity past 88 (`f32`) or 709 (`f64`).
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(0.0);
    /// let y = x.exp();
    /// assert_eq!((y.item(), y.backward().wrt(x)[[]]), (1.0, 1.0));
    /// ```
    exp: Exp(x) -> y { value: x.by(Numeric::exp), derivative: y, check: [-300.0, -1.0, 0.0, 2.0] }
    /// `y = eˣ − 1`, accurate for tiny x; `dy/dx = eˣ`.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(1.0);
    /// let y = x.exp_m1();
    /// assert!((y.item() - 1.718282).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - 2.718282).abs() < 1e-6);
    /// ```
    exp_m1: ExpM1(x) -> y { value: x.by(Numeric::exp_m1), derivative: x.exp(), check: [-3.0, 0.0, 1e-6, 2.0] }
    /// The natural logarithm: `y = ln x`, `dy/dx = 1/x`. It is −∞ at 0 and NaN below.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(2.0);
    /// assert_eq!(x.ln().backward().wrt(x)[[]], 0.5);
    /// ```
    ln: Ln(x) -> y { value: x.by(Numeric::ln), derivative: 1 / x, check: [0.1, 1.0, 30.0] }
    /// `y = ln(1 + x)`, accurate for tiny x; `dy/dx = 1/(1 + x)`.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(1.0);
    /// let y = x.ln_1p();
    /// assert!((y.item() - 0.693147).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - 0.500000).abs() < 1e-6);
    /// ```
    ln_1p: Ln1p(x) -> y { value: x.by(Numeric::ln_1p), derivative: 1 / (x + 1), check: [-0.7, 0.0, 1e-6, 30.0] }
    /// `y = √x`, `dy/dx = 1/(2y)`, which is infinite at 0. The root is NaN below 0.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(2.0);
    /// let y = x.sqrt();
    /// assert!((y.item() - 1.414214).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - 0.353553).abs() < 1e-6);
    /// ```
    sqrt: Sqrt(x) -> y { value: x.by(Numeric::sqrt), derivative: 0.5 / y, check: [0.2, 1.0, 9.0] }
    /// `y = 1/√x`, `dy/dx = −y³/2`. It is infinite at 0 and NaN below.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(2.0);
    /// let y = x.rsqrt();
    /// assert!((y.item() - 0.707107).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - -0.176777).abs() < 1e-6);
    /// ```
    rsqrt: Rsqrt(x) -> y { value: 1 / x.sqrt(), derivative: y * y * y * -0.5, check: [0.2, 1.0, 9.0] }
    /// `y = x²`, `dy/dx = 2x`.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(3.0);
    /// assert_eq!(x.square().backward().wrt(x)[[]], 6.0);
    /// ```
    square: Square(x) -> y { value: x * x, derivative: 2 * x, check: [-1.5, 0.0, 2.0] }
    /// The error function: `y = 2/√π ∫₀ˣ e^(−t²) dt`, `dy/dx = 2/√π e^(−x²)`.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(0.5);
    /// let y = x.erf();
    /// assert!((y.item() - 0.520500).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - 0.878783).abs() < 1e-6);
    /// ```
    erf: Erf(x) -> y {
        value: x.by(Numeric::erf),
        derivative: {
            let z = x.clamp(-40.0, 40.0); // e^−1600 is 0, and ∞ times 0 is never formed
            (-(z * z)).exp() * std::f64::consts::FRAC_2_SQRT_PI
        },
        check: [-1.2, 0.0, 0.8, 2.0],
    }
}

// The two rules of `pow`.
elementwise! { operators
    /// `y = xᵖ` for a plain number p, `dy/dx = p xᵖ⁻¹`. With p = 0 the value is 1 and the derivative 0, also at 0.
    pow_number: PowNumber(x; exponent) -> y {
        value: if exponent == 2.0 { x * x } else { x.by(|x| x.pow_number(exponent)) },
        derivative: if exponent == 0.0 {
            x.literal(0.0)
        } else if exponent == 1.0 {
            x.literal(1.0)
        } else if exponent == 2.0 {
            x * 2
        } else {
            x.pow(exponent - 1.0) * exponent
        },
        check: (3.0) [-1.5, 0.0, 2.0],
    }
    /// `y = aᵇ`, `∂y/∂a = b aᵇ⁻¹`, `∂y/∂b = y ln a`.
    pow_var: Pow(a, b) -> y {
        value: Num(a.0.pow(b.0)),
        // 0⁰⁻¹ must not be formed: it is infinite, and b times it is NaN
        derivative: b * (b.eq(0.0) * a.eq(0.0)).choose(1.0, a).pow(b - 1);
        {
            // 0ᵇ is 0 for every b ≥ 0 (0⁰ is 1), so its logarithm must not be formed
            let zero = (a.eq(0.0) * (1 - b.lt(0.0)) + y.eq(0.0)).gt(0.0);
            zero.choose(0.0, y * zero.choose(1.0, a).ln())
        },
        check: [[1.5, 2.5], [0.4, -1.2], [2.0, 3.0], [2.0, 0.0]],
    }
}

impl<K: Real> Num<K> {
    /// [`Var::pow`](crate::Var::pow) of numbers.
    #[inline(always)]
    pub fn pow(self, exponent: impl IntoNum<K>) -> Self {
        match exponent.as_literal() {
            Some(exponent) => Num(K::apply(PowNumber { exponent }, [self.0])),
            None => Num(K::apply(Pow {}, [self.0, exponent.into_num(self).0])),
        }
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// `y = aᵇ`, with a number, a variable, a parameter or an array as exponent: `∂y/∂a = b aᵇ⁻¹`,
    /// `∂y/∂b = y ln a`.
    ///
    /// With b = 0 the value is 1 and the gradient by the base is 0, also at base 0. The gradient by the exponent is 0
    /// where the base is 0 and the exponent is not negative (PyTorch does the same), and NaN for negative bases.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(2.0);
    /// assert_eq!(x.pow(3).backward().wrt(x)[[]], 12.0);
    /// ```
    #[track_caller]
    pub fn pow(self, exponent: impl IntoVar<'t, T>) -> Self {
        match exponent.operand(self.tape()) {
            Operand::Number(exponent) => self.tape().elementwise(PowNumber { exponent }, [self]),
            Operand::Var(exponent) => self.tape().elementwise(Pow {}, [self, exponent]),
        }
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    let mut checks = rows();
    checks.extend(operators());
    for exponent in [-1.5, 0.0, 0.5, 1.0, 2.0, 4.0] {
        let x = vec![ndarray::arr1(&[0.3, 1.7]).into_dyn()];
        checks.push(check!("pow_number", x, move |v| v[0].pow(exponent)).elementwise());
    }
    checks
}
