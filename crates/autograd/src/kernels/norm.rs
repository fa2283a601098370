//! The norm of several arrays together.

use std::ops::Range;

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
    each(&mut |x| sum = add_squares(sum, x));
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
    each(&mut |x| {
        for block in x.chunks(BLOCK) {
            sum += block.iter().map(|x| (x.to_f64() / largest).powi(2)).sum::<f64>();
        }
    });
    largest * sum.sqrt()
}

/// Returns the blocks of an array of `len` numbers in which the given rows of `width` numbers lie, in order. If all
/// other numbers are 0, [`norm`] gives for these blocks, bit for bit, what it gives for the whole array.
pub fn blocks_of(rows: &[usize], width: usize, len: usize) -> impl Iterator<Item = Range<usize>> {
    let mut next = 0;
    let rows = rows.iter().filter(move |_| width > 0);
    let blocks = rows.flat_map(move |row| {
        let own = (row * width / BLOCK).max(next)..(row * width + width - 1) / BLOCK + 1;
        next = next.max(own.end);
        own
    });
    blocks.map(move |block| block * BLOCK..((block + 1) * BLOCK).min(len))
}

/// Adds squares to a sum. The sums of the blocks are added in order, so that the result does not depend on the number
/// of threads, nor on blocks of zeros.
fn add_squares<T: Float>(sum: f64, x: &[T]) -> f64 {
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
    sums.iter().fold(sum, |sum, block| sum + block)
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
