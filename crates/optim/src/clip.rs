//! The clipping of gradients.

use gradus_autograd::Float;

/// The bounds that the gradients of a step are clipped to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Clip {
    /// the largest norm of all gradients together
    pub(crate) norm: Option<f64>,
    /// the largest norm of each parameter's gradient
    pub(crate) each: Option<f64>,
    /// the largest absolute value of each element
    pub(crate) value: Option<f64>,
}

/// Returns the factor that brings a norm within its bound, `min(1, max / (norm + 10⁻⁶))`. If the norm is NaN, the
/// factor is too, so that NaN shows in the parameters.
pub(crate) fn factor(norm: f64, max: f64) -> f64 {
    let factor = max / (norm + 1e-6);
    if factor > 1.0 { 1.0 } else { factor }
}

/// Sets `clipped` to `min(max(scale · grad, −limit), limit)`. NaN stays NaN.
pub(crate) fn by_value<T: Float>(grad: &[T], scale: f64, limit: f64, clipped: &mut Vec<T>) {
    let [scale, low, high] = [scale, -limit, limit].map(T::from_f64);
    let within = |g: &T| {
        let g = *g * scale;
        if g > high {
            high
        } else if g < low {
            low
        } else {
            g
        }
    };
    clipped.clear();
    clipped.extend(grad.iter().map(within));
}
