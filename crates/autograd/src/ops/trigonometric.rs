//! Circular and hyperbolic functions. Angles are in radians.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, LN_2};

use crate::calculus::{Num, Numeric, Real};
use crate::kernels::math::TRIGONOMETRIC_LIMIT;
use crate::ops::elementwise::elementwise;

/// 1 − x². It has all its digits near ±1, and its derivative has them near 0.
#[inline(always)]
fn one_less_square<K: Real>(x: Num<K>) -> Num<K> {
    let between = x.abs().gt(0.5) * x.abs().lt(1.0);
    between.choose((1 - x) * (x + 1), 1 - x * x)
}

/// Returns whether |x| is above 1, and 1/x if it is, else x: a number whose square does not overflow.
#[inline(always)]
fn folded<K: Real>(x: Num<K>) -> (Num<K>, Num<K>) {
    let far = x.abs().gt(1.0);
    (far, far.choose(1 / far.choose(x, 1.0), x))
}

elementwise! {
    trait Trigonometry;

    /// `y = sin x`, `dy/dx = cos x`.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(0.0);
    /// assert_eq!(x.sin().backward().wrt(x)[[]], 1.0);
    /// ```
    sin: Sin(x) -> y {
        value: x.by(Numeric::sin), derivative: x.cos(), limit: TRIGONOMETRIC_LIMIT, check: [-300.0, 0.0, 0.7, 2.0]
    }
    /// `y = cos x`, `dy/dx = −sin x`.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(1.0);
    /// let y = x.cos();
    /// assert!((y.item() - 0.540302).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - -0.841471).abs() < 1e-6);
    /// ```
    cos: Cos(x) -> y {
        value: x.by(Numeric::cos), derivative: -x.sin(), limit: TRIGONOMETRIC_LIMIT, check: [-300.0, 0.0, 0.7, 2.0]
    }
    /// `y = tan x`, `dy/dx = 1 + y²`.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(1.0);
    /// let y = x.tan();
    /// assert!((y.item() - 1.557408).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - 3.425519).abs() < 1e-6);
    /// ```
    tan: Tan(x) -> y {
        value: x.sin() / x.cos(), derivative: y * y + 1, limit: TRIGONOMETRIC_LIMIT, check: [-1.0, 0.0, 0.7, 2.0]
    }
    /// The inverse of the sine: `y = asin x` in −π/2 … π/2, `dy/dx = 1/√(1 − x²)`, which is infinite at ±1. It is NaN
    /// if |x| is above 1.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(0.5);
    /// let y = x.asin();
    /// assert!((y.item() - 0.523599).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - 1.154701).abs() < 1e-6);
    /// ```
    asin: Asin(x) -> y {
        value: 2 * (x / (((1 - x) * (x + 1)).sqrt() + 1)).atan(),
        derivative: 1 / one_less_square(x).sqrt(),
        check: [-0.9, 0.0, 1e-6, 0.7],
    }
    /// The inverse of the cosine: `y = acos x` in 0 … π, `dy/dx = −1/√(1 − x²)`, which is infinite at ±1. It is NaN if
    /// |x| is above 1.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(0.5);
    /// let y = x.acos();
    /// assert!((y.item() - 1.047198).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - -1.154701).abs() < 1e-6);
    /// ```
    acos: Acos(x) -> y {
        value: 2 * ((1 - x) / (x + 1)).sqrt().atan(),
        derivative: -1 / one_less_square(x).sqrt(),
        check: [-0.9, 0.0, 1e-6, 0.7],
    }
    /// The inverse of the tangent: `y = atan x` in −π/2 … π/2, `dy/dx = 1/(1 + x²)`.
    ///
    /// Below tan π/8 it is computed by a quotient of polynomials that equals (atan r − r)/r³ at eight Chebyshev points;
    /// beyond, by the symmetries of the function.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(2.0);
    /// let y = x.atan();
    /// assert!((y.item() - 1.107149).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - 0.200000).abs() < 1e-6);
    /// ```
    atan: Atan(x) -> y {
        value: {
            // atan a = π/4 + atan((a − 1)/(a + 1)) = π/2 − atan(1/a) bring a = |x| within tan π/8
            let a = x.abs();
            let (far, middle) = (a.gt(2.414_213_562_373_095), a.gt(0.414_213_562_373_095_05));
            let r = far.choose(-1 / a, middle.choose((a - 1) / (a + 1), a));
            let z = r * r;
            let numerator = ((z * -0.019_126_147_600_730_436 - 0.199_912_826_145_735_66) * z
                - 0.492_332_666_286_759_7) * z - 0.333_333_333_333_333_2;
            let denominator = (((z * 0.022_756_489_130_048_49 + 0.350_989_284_849_602_94) * z
                + 1.417_365_849_208_772_6) * z + 2.076_997_998_860_062_7) * z + 1;
            let part = r * z * numerator / denominator + r;
            let whole = far.choose(
                part + 6.123_233_995_736_766e-17 + FRAC_PI_2,
                middle.choose(part + 3.061_616_997_868_383e-17 + FRAC_PI_4, part),
            );
            x.lt(0.0).choose(-whole, whole)
        },
        derivative: {
            let (far, r) = folded(x);
            far.choose(r * r, 1.0) / (r * r + 1)
        },
        check: [-3.0, -1.0, 0.0, 0.5, 2.0],
    }
    /// Hyperbolic sine: `y = (eˣ − e⁻ˣ)/2`, `dy/dx = cosh x`.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(1.0);
    /// let y = x.sinh();
    /// assert!((y.item() - 1.175201).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - 1.543081).abs() < 1e-6);
    /// ```
    sinh: Sinh(x) -> y {
        value: {
            let a = x.abs();
            let (e, half) = (a.exp_m1(), (a * 0.5).exp());
            let near = (e + e / (e + 1)) * 0.5; // this keeps all digits of a small x
            let y = a.gt(1.0).choose(half * 0.5 * half - 0.5 / half / half, near); // eᵃ overflows before y does
            x.lt(0.0).choose(-y, y)
        },
        derivative: x.cosh(),
        check: [-3.0, 0.0, 1e-6, 0.7, 2.0],
    }
    /// Hyperbolic cosine: `y = (eˣ + e⁻ˣ)/2`, `dy/dx = sinh x`.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(1.0);
    /// let y = x.cosh();
    /// assert!((y.item() - 1.543081).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - 1.175201).abs() < 1e-6);
    /// ```
    cosh: Cosh(x) -> y {
        value: {
            let half = (x.abs() * 0.5).exp();
            half * 0.5 * half + 0.5 / half / half
        },
        derivative: x.sinh(),
        check: [-3.0, 0.0, 0.7, 2.0],
    }
    /// The inverse of the hyperbolic sine: `y = ln(x + √(x² + 1))`, `dy/dx = 1/√(x² + 1)`.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(1.0);
    /// let y = x.asinh();
    /// assert!((y.item() - 0.881374).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - 0.707107).abs() < 1e-6);
    /// ```
    asinh: Asinh(x) -> y {
        value: {
            let a = x.abs();
            let near = (a + a * a / ((a * a + 1).sqrt() + 1)).ln_1p(); // this keeps all digits of a small x
            let y = a.gt(1e9).choose(a.ln() + LN_2, near); // a² may overflow
            x.lt(0.0).choose(-y, y)
        },
        derivative: {
            let (far, r) = folded(x);
            far.choose(x.lt(0.0).choose(-r, r), 1.0) / (r * r + 1).sqrt()
        },
        check: [-3.0, 0.0, 1e-6, 0.7, 2.0],
    }
    /// The inverse of the hyperbolic cosine: `y = ln(x + √(x² − 1)) ≥ 0`, `dy/dx = 1/√(x² − 1)`, infinite at 1. It is
    /// NaN below 1.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(2.0);
    /// let y = x.acosh();
    /// assert!((y.item() - 1.316958).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - 0.577350).abs() < 1e-6);
    /// ```
    acosh: Acosh(x) -> y {
        value: {
            let t = x - 1;
            // two roots: the product of two negative numbers would have a root, and below −1 the result must be NaN
            x.gt(1e9).choose(x.ln() + LN_2, (t + t.sqrt() * (t + 2).sqrt()).ln_1p())
        },
        derivative: 1 / ((x - 1).sqrt() * (x + 1).sqrt()),
        check: [1.1, 2.0, 30.0],
    }
    /// The inverse of the hyperbolic tangent: `y = ½ ln((1 + x)/(1 − x))`, `dy/dx = 1/(1 − x²)`. It is ±∞ at ±1 and NaN
    /// beyond.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// let x = tape.var(0.5);
    /// let y = x.atanh();
    /// assert!((y.item() - 0.549306).abs() < 1e-6);
    /// assert!((y.backward().wrt(x)[[]] - 1.333333).abs() < 1e-6);
    /// ```
    atanh: Atanh(x) -> y {
        value: {
            let a = x.abs();
            let y = (2 * a / (1 - a)).ln_1p() * 0.5;
            x.lt(0.0).choose(-y, y)
        },
        derivative: 1 / one_less_square(x),
        check: [-0.9, 0.0, 1e-6, 0.7],
    }
    /// Hyperbolic tangent: `y = tanh x`, `dy/dx = 1 − y²`.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(0.0);
    /// assert_eq!(x.tanh().backward().wrt(x)[[]], 1.0);
    /// ```
    tanh: Tanh(x) -> y { value: x.by(Numeric::tanh), derivative: 1 - y * y, check: [-300.0, 0.0, 0.7, 2.0] }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    rows()
}

#[cfg(test)]
mod tests {
    use crate::{Float, Tape};

    /// Compares functions that are made of other functions with the standard library. The relative error is in units of
    /// 2⁻⁵².
    #[test]
    fn compound_functions_keep_their_digits() {
        type Case = (&'static str, fn(crate::Var<'_, f64>) -> crate::Var<'_, f64>, fn(f64) -> f64, [f64; 2], f64);
        let cases: [Case; 9] = [
            ("tan", |x| x.tan(), f64::tan, [-1.5, 1.5], 4.0),
            ("asin", |x| x.asin(), f64::asin, [-1.0, 1.0], 4.0),
            ("acos", |x| x.acos(), f64::acos, [-1.0, 1.0], 4.0),
            ("atan", |x| x.atan(), f64::atan, [-1e4, 1e4], 4.0),
            ("sinh", |x| x.sinh(), f64::sinh, [-710.0, 710.0], 8.0),
            ("cosh", |x| x.cosh(), f64::cosh, [-710.0, 710.0], 8.0),
            ("asinh", |x| x.asinh(), f64::asinh, [-1e12, 1e12], 6.0),
            ("acosh", |x| x.acosh(), f64::acosh, [1.0, 1e12], 6.0),
            ("atanh", |x| x.atanh(), f64::atanh, [-0.5, 0.999], 6.0),
        ];
        for (name, run, exact, [low, high], bound) in cases {
            let uniform = (0..2000).map(|i| low + (high - low) * f64::from(i) / 1999.0);
            let small = (-300..10).flat_map(|e| [-1.3, 1.3].map(|m| m * 10f64.powi(e)));
            let points: Vec<f64> = uniform.chain(small).filter(|x| (low..=high).contains(x)).collect();
            let tape = Tape::mathematics();
            let y = run(tape.var(points.clone()));
            for (&x, &y) in points.iter().zip(y.data()) {
                let want = exact(x);
                let error = (y - want).abs() / (want.abs() * f64::EPSILON).max(f64::MIN_POSITIVE);
                assert!(y == want || error <= bound, "{name} {x:e}: {y:e}, not {want:e}: {error:.1} units");
            }
        }
    }

    fn ends<T: Float>() {
        let tape = Tape::<T>::mathematics();
        let at = |x: f64| tape.var(x);
        let same = |y: crate::Var<'_, T>, want: f64| {
            let y = y.item().to_f64();
            assert!((y - want).abs() < 1e-6 || y == want || (y.is_nan() && want.is_nan()), "{y}, not {want}");
        };
        let infinity = f64::INFINITY;
        same(at(infinity).atan(), std::f64::consts::FRAC_PI_2);
        same(at(-infinity).atan(), -std::f64::consts::FRAC_PI_2);
        same(at(-1.0).acos(), std::f64::consts::PI);
        same(at(1.5).asin(), f64::NAN);
        same(at(1.5).acos(), f64::NAN);
        same(at(-infinity).sinh(), -infinity);
        same(at(-infinity).cosh(), infinity);
        same(at(-infinity).asinh(), -infinity);
        same(at(infinity).acosh(), infinity);
        same(at(0.5).acosh(), f64::NAN);
        same(at(1.0).atanh(), infinity);
        same(at(f64::NAN).atan(), f64::NAN);
    }

    #[test]
    fn compound_functions_end_where_the_mathematics_does() {
        ends::<f32>();
        ends::<f64>();
    }
}
