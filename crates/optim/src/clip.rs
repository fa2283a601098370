//! Norms of gradients, and the clipping of gradients.

use gradus_autograd::Float;
use gradus_autograd::internal::vectorize;
use gradus_autograd::internal::{Typed, split_by};
use smallvec::SmallVec;

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

/// The number of elements in a block, whose squares are summed before the sums of all blocks are added.
const BLOCK: usize = 1 << 15;

/// Returns the 2-norm of several arrays together; `each` calls its argument with every array. Even if squares overflow
/// or underflow, the result is right whenever the norm itself fits into `f64`.
pub(crate) fn norm<T: Float>(each: impl Fn(&mut dyn FnMut(&[T]))) -> f64 {
    let mut sum = 0.0;
    each(&mut |x| sum += squares(x));
    if sum.is_finite() && sum > 1e-280 {
        return f64::sqrt(sum);
    }
    let mut largest = 0.0;
    each(&mut |x| {
        for x in x.iter().map(|x| x.to_f64().abs()) {
            largest = if x > largest || x.is_nan() { x } else { largest };
        }
    });
    if largest == 0.0 || !f64::is_finite(largest) {
        return if sum.is_nan() { sum } else { largest };
    }
    sum = 0.0;
    each(&mut |x| sum += x.iter().map(|x| (x.to_f64() / largest).powi(2)).sum::<f64>());
    largest * sum.sqrt()
}

/// Returns the sum of squares. The sums of the blocks are added in order, so that the result does not depend on the
/// number of threads.
pub(crate) fn squares<T: Float>(x: &[T]) -> f64 {
    let mut sums: SmallVec<[f64; 8]> = SmallVec::from_elem(0.0, x.len().div_ceil(BLOCK));
    split_by(&mut sums, 1, 8, |start, sums| {
        for (sum, x) in sums.iter_mut().zip(x[start * BLOCK..].chunks(BLOCK)) {
            *sum = match T::typed(x) {
                Typed::F32(x) => match squares_f32(x) {
                    // large and tiny numbers have squares beyond the range of f32
                    sum if sum.is_finite() && sum > 1e-25 => sum,
                    _ => x.iter().map(|&x| f64::from(x).powi(2)).sum(),
                },
                Typed::F64(x) => x.iter().map(|x| x * x).sum(),
            };
        }
    });
    sums.iter().sum()
}

/// Sums squares in 16 lanes, which is fast, and in blocks, which keeps the rounding error small.
fn squares_f32(x: &[f32]) -> f64 {
    vectorize(
        #[inline(always)]
        || {
            let mut total = 0.0;
            for block in x.chunks(4096) {
                let mut lanes = [0f32; 16];
                for part in block.chunks(16) {
                    for (lane, &x) in lanes.iter_mut().zip(part) {
                        *lane += x * x;
                    }
                }
                total += lanes.iter().map(|&x| f64::from(x)).sum::<f64>();
            }
            total
        },
    )
}
