//! The norm of several arrays together.

use smallvec::SmallVec;

use crate::Float;
use crate::kernels::threads::split_by;
use crate::kernels::vectorize;
use crate::scalar::Typed;

/// The number of elements in a block, whose squares are summed before the sums of all blocks are added.
const BLOCK: usize = 1 << 15;

/// Returns the 2-norm of several arrays together; `each` calls its argument with every array. Even if squares overflow
/// or underflow, the result is right whenever the norm itself fits into `f64`.
pub fn norm<T: Float>(each: impl Fn(&mut dyn FnMut(&[T]))) -> f64 {
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
fn squares<T: Float>(x: &[T]) -> f64 {
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
