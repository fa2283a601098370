//! Exponentials of a row relative to its largest number, so that none overflows.

use super::lane::{Element, Lane};
use super::reduce::fold;
use super::simd::dispatch;

const WIDTH: usize = 16;

/// The largest of a row, NaN if one is NaN, −∞ if there is none.
#[inline(always)]
fn largest<L: Element<T: PartialOrd>>(row: &[L::T]) -> L::T {
    let lowest = L::zero().literal(f64::NEG_INFINITY).get();
    let mut lanes = [lowest; WIDTH];
    let parts = row.chunks_exact(WIDTH);
    let rest = parts.remainder();
    for part in parts {
        for (best, &x) in lanes.iter_mut().zip(part) {
            *best = larger(*best, x);
        }
    }
    let mut best = lowest;
    for &x in lanes.iter().chain(rest) {
        best = larger(best, x);
    }
    best
}

/// `!(x == x)` is a NaN, which stays.
#[inline(always)]
#[allow(clippy::eq_op)]
fn larger<T: PartialOrd + Copy>(best: T, x: T) -> T {
    if x > best || !(x == x) { x } else { best }
}

/// The largest of a row and the logarithm of the sum of exponentials relative to it. A row of only −∞ has (0, −∞), one
/// with ∞ has (∞, 0).
#[inline(always)]
fn log_sum_exp<L: Element<T: PartialOrd>>(row: &[L::T]) -> (L::T, L::T) {
    let zero = L::zero();
    let max = L::new(largest::<L>(row));
    if max.get() == zero.literal(f64::INFINITY).get() {
        return (max.get(), zero.get());
    }
    let max = if max.get() == zero.literal(f64::NEG_INFINITY).get() { zero } else { max };
    let mut lanes = [zero; WIDTH];
    let parts = row.chunks_exact(WIDTH);
    let rest = parts.remainder();
    for part in parts {
        for (sum, &x) in lanes.iter_mut().zip(part) {
            *sum = sum.add(L::new(x).sub(max).exp());
        }
    }
    // the numbers behind the last whole block, as a block of their own
    let mut block = [zero.literal(f64::NEG_INFINITY).get(); WIDTH];
    block[..rest.len()].copy_from_slice(rest);
    for (sum, x) in lanes.iter_mut().zip(block) {
        *sum = sum.add(L::new(x).sub(max).exp());
    }
    (max.get(), fold(lanes).ln().get())
}

/// `yᵢ = e^(xᵢ − ln Σ e^xⱼ)`
#[inline(always)]
fn softmax<L: Element<T: PartialOrd>>(x: &[L::T], y: &mut [L::T]) {
    let (max, log) = log_sum_exp::<L>(x);
    for (y, &x) in y.iter_mut().zip(x) {
        *y = L::new(x).sub(L::new(max)).sub(L::new(log)).exp().get();
    }
}

macro_rules! compiled {
    ($t:ident) => {
        pub(crate) mod $t {
            use super::*;
            pub(crate) fn log_sum_exp(row: &[$t]) -> ($t, $t) {
                dispatch!(MODE => super::log_sum_exp::<Lane<$t, MODE>>(row))
            }
            pub(crate) fn softmax(x: &[$t], y: &mut [$t]) {
                dispatch!(MODE => super::softmax::<Lane<$t, MODE>>(x, y))
            }
        }
    };
}
compiled!(f32);
compiled!(f64);
