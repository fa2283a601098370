//! Exponentials of a row relative to its largest number, so that none overflows.

use super::lane::{AnyLane, Lane};
use super::matmul::dot;
use super::reduce::{Pairwise, fold, sum_slice};
use super::simd::dispatch;
use super::threads::{GRAIN, split_by};

const WIDTH: usize = 16;
/// Exponentials added up before they are paired with those of the next block.
const BLOCK: usize = 1024;

/// The largest of a row, NaN if one is NaN, −∞ if there is none.
#[inline(always)]
fn largest<L: AnyLane<T: PartialOrd>>(row: &[L::T]) -> L::T {
    let lowest = L::zero().literal(f64::NEG_INFINITY).get();
    let mut lanes = [lowest; WIDTH];
    let parts = row.chunks_exact(WIDTH);
    let rest = parts.remainder();
    for part in parts {
        for (best, &x) in lanes.iter_mut().zip(part) {
            *best = larger(*best, x);
        }
    }
    let mut width = WIDTH / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = larger(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    rest.iter().fold(lanes[0], |best, &x| larger(best, x))
}

/// `!(x == x)` is a NaN, which stays. There is no short circuit, which would be a branch.
#[inline(always)]
#[allow(clippy::eq_op)]
fn larger<T: PartialOrd + Copy>(best: T, x: T) -> T {
    if (x > best) | !(x == x) { x } else { best }
}

/// The largest of a row and the logarithm of the sum of exponentials relative to it. A row of only −∞ has (0, −∞), one
/// with ∞ has (∞, 0).
#[inline(always)]
fn log_sum_exp<L: AnyLane<T: PartialOrd>>(row: &[L::T]) -> (L::T, L::T) {
    let zero = L::zero();
    let max = L::new(largest::<L>(row));
    if max.get() == zero.literal(f64::INFINITY).get() {
        return (max.get(), zero.get());
    }
    let max = if max.get() == zero.literal(f64::NEG_INFINITY).get() { zero } else { max };
    if row.len() <= BLOCK {
        return (max.get(), exponentials(row, max).ln().get());
    }
    let mut total = Pairwise::new(zero);
    for block in row.chunks(BLOCK) {
        total.push(exponentials(block, max), L::add);
    }
    (max.get(), total.total(zero, L::add).ln().get())
}

/// The sum of the exponentials of numbers relative to the largest.
#[inline(always)]
fn exponentials<L: AnyLane>(x: &[L::T], max: L) -> L {
    let mut lanes = [L::zero(); WIDTH];
    let parts = x.chunks_exact(WIDTH);
    let rest = parts.remainder();
    for part in parts {
        for (sum, &x) in lanes.iter_mut().zip(part) {
            *sum = sum.add(L::new(x).sub(max).exp());
        }
    }
    if !rest.is_empty() {
        // the numbers behind the last whole block, as a block of their own
        let mut block = [max.literal(f64::NEG_INFINITY).get(); WIDTH];
        block[..rest.len()].copy_from_slice(rest);
        for (sum, x) in lanes.iter_mut().zip(block) {
            *sum = sum.add(L::new(x).sub(max).exp());
        }
    }
    fold(lanes)
}

/// `yᵢ = e^(xᵢ − max) / Σ e^(xⱼ − max)`, within 6 ulp and one more for each unit that xᵢ lies below the largest. A
/// number that is ∞ gives NaN in its place and 0 in the others; a row of only −∞ gives NaN.
#[inline(always)]
fn softmax<L: AnyLane<T: PartialOrd>>(x: &[L::T], y: &mut [L::T]) {
    let max = L::new(largest::<L>(x));
    let infinite = |of: f64| max.get() == max.literal(of).get();
    if infinite(f64::INFINITY) || infinite(f64::NEG_INFINITY) {
        let (max, log) = log_sum_exp::<L>(x);
        for (y, &x) in y.iter_mut().zip(x) {
            *y = L::new(x).sub(L::new(max)).sub(L::new(log)).exp().get();
        }
        return;
    }
    let (blocks, rest) = y.as_chunks_mut::<WIDTH>();
    let (x_blocks, x_rest) = x.as_chunks::<WIDTH>();
    for (y, x) in blocks.iter_mut().zip(x_blocks) {
        for i in 0..WIDTH {
            y[i] = L::new(x[i]).sub(max).exp().get();
        }
    }
    if !rest.is_empty() {
        let mut block = [max.get(); WIDTH];
        block[..rest.len()].copy_from_slice(x_rest);
        for x in &mut block {
            *x = L::new(*x).sub(max).exp().get();
        }
        rest.copy_from_slice(&block[..rest.len()]);
    }
    let sum = sum_slice::<L>(y);
    for y in y {
        *y = L::new(*y).div(sum).get();
    }
}

macro_rules! compiled {
    ($t:ident) => {
        pub(crate) mod $t {
            use super::*;
            pub(crate) fn log_sum_exp(row: &[$t]) -> ($t, $t) {
                dispatch!(MODE => super::log_sum_exp::<Lane<$t, MODE>>(row))
            }
            /// Each row of n numbers.
            pub(crate) fn softmax(n: usize, x: &[$t], y: &mut [$t]) {
                split_by(y, n, GRAIN / 4, |start, y| {
                    dispatch!(MODE => for (x, y) in x[start..].chunks_exact(n).zip(y.chunks_exact_mut(n)) {
                        super::softmax::<Lane<$t, MODE>>(x, y);
                    });
                });
            }
            /// `dx ← y · (g − Σ g y)` for each row of n numbers.
            pub(crate) fn softmax_by_input(n: usize, y: &[$t], g: &[$t], dx: &mut [$t]) {
                split_by(dx, n, GRAIN / 4, |start, dx| {
                    let rows = y[start..].chunks_exact(n).zip(g[start..].chunks_exact(n));
                    dispatch!(MODE => for ((y, g), dx) in rows.zip(dx.chunks_exact_mut(n)) {
                        let sum = dot::<Lane<$t, MODE>>(y, g).get();
                        dx.iter_mut().zip(y).zip(g).for_each(|((dx, &y), &g)| *dx = y * (g - sum));
                    });
                });
            }
        }
    };
}
compiled!(f32);
compiled!(f64);

#[cfg(test)]
mod tests {
    use super::*;

    /// The probabilities of a row with the standard library's functions of f64.
    fn exact(x: &[f64]) -> Vec<f64> {
        let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = x.iter().map(|x| (x - max).exp()).sum();
        x.iter().map(|x| (x - max).exp() / total).collect()
    }

    /// The argument of the exponential is rounded, which costs as many units as it is large.
    #[test]
    fn probabilities_are_within_6_ulp_and_one_more_for_each_unit_below_the_largest() {
        for n in [1, 2, 10, 15, 16, 17, 100, 1000] {
            for scale in [0.1, 3.0, 30.0] {
                let x: Vec<f32> = (0..n).map(|i| ((i * 7919 % 1013) as f32 / 506.0 - 1.0) * scale).collect();
                let wide: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
                let max = wide.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let mut y = vec![0.0; n];
                f32::softmax(x.len(), &x, &mut y);
                let mut double = vec![0.0; n];
                f64::softmax(wide.len(), &wide, &mut double);
                for (i, exact) in exact(&wide).into_iter().enumerate() {
                    let bound = 6.0 + max - wide[i];
                    let single = (f64::from(y[i]) - exact).abs() / exact / f64::from(f32::EPSILON);
                    let double = (double[i] - exact).abs() / exact / f64::EPSILON;
                    assert!(single <= bound, "{n} numbers, {i}: {single} ulp, stated {bound}");
                    assert!(double <= 2.0 * bound, "{n} numbers in f64, {i}: {double} ulp, stated {bound}");
                }
            }
        }
    }
}
