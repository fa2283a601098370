//! Circular and hyperbolic functions. Angles are in radians.

use crate::kernels::Real;
use crate::kernels::math::TRIGONOMETRIC_LIMIT;
use crate::ops::elementwise::elementwise;

elementwise! {
    /// `y = sin x`, `dy/dx = cos x`.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(0.0);
    /// assert_eq!(x.sin().backward().wrt(x)[[]], 1.0);
    /// ```
    sin: Sin(x) -> y {
        value: x.by(Real::sin), derivative: x.cos(), limit: TRIGONOMETRIC_LIMIT, check: [-300.0, 0.0, 0.7, 2.0]
    }
    /// `y = cos x`, `dy/dx = −sin x`.
    cos: Cos(x) -> y {
        value: x.by(Real::cos), derivative: -x.sin(), limit: TRIGONOMETRIC_LIMIT, check: [-300.0, 0.0, 0.7, 2.0]
    }
    /// Hyperbolic tangent: `y = tanh x`, `dy/dx = 1 − y²`.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(0.0);
    /// assert_eq!(x.tanh().backward().wrt(x)[[]], 1.0);
    /// ```
    tanh: Tanh(x) -> y { value: x.by(Real::tanh), derivative: 1 - y * y, check: [-300.0, 0.0, 0.7, 2.0] }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    unary_checks()
}
