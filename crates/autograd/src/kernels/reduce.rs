//! Reductions of an array seen as `outer × n × inner` over its middle axis.
//!
//! Sums run in blocks: within a block in parallel lanes, the blocks' sums added up in pairs, their sums in pairs again,
//! and so on. That is fast, and the rounding error grows with the block's length plus the logarithm of n, not with n.
//! The order is a function of the shape alone.

use super::lane::{AnyLane, Lane};

use super::simd::dispatch;
use super::threads::{GRAIN, split_by};

/// Numbers that a sum adds up before it moves to the next partial sum.
const BLOCK: usize = 512;

/// The sum of terms that come one after the other, added in pairs, pairs of pairs and so on: `levels[k]` holds the sum
/// of 2ᵏ terms wherever the number of terms so far has a one at place k.
pub(crate) struct Pairwise<A> {
    levels: [A; 40],
    terms: usize,
}

impl<A: Copy> Pairwise<A> {
    #[inline(always)]
    pub(crate) fn new(zero: A) -> Self {
        Pairwise { levels: [zero; 40], terms: 0 }
    }
    #[inline(always)]
    pub(crate) fn push(&mut self, term: A, add: impl Fn(A, A) -> A) {
        let (mut sum, mut level) = (term, 0);
        while self.terms >> level & 1 == 1 {
            sum = add(self.levels[level], sum);
            level += 1;
        }
        self.levels[level] = sum;
        self.terms += 1;
    }
    #[inline(always)]
    pub(crate) fn total(&self, zero: A, add: impl Fn(A, A) -> A) -> A {
        let ones = (0..self.levels.len()).filter(|level| self.terms >> level & 1 == 1);
        ones.map(|level| self.levels[level]).reduce(|sum, level| add(level, sum)).unwrap_or(zero)
    }
}
/// The same for columns, of which each is summed one by one.
const ROWS: usize = 128;
/// Columns summed side by side.
const TILE: usize = 64;

#[inline(always)]
pub(in crate::kernels) fn sum_slice<L: AnyLane>(x: &[L::T]) -> L {
    if x.len() <= BLOCK {
        return sum_block(x);
    }
    let mut total = Pairwise::new(L::zero());
    for block in x.chunks(BLOCK) {
        total.push(sum_block(block), L::add);
    }
    total.total(L::zero(), L::add)
}

#[inline(always)]
fn sum_block<L: AnyLane>(block: &[L::T]) -> L {
    let mut lanes = [L::zero(); 16];
    let mut parts = block.chunks_exact(16);
    for part in &mut parts {
        for (lane, &x) in lanes.iter_mut().zip(part) {
            *lane = lane.add(L::new(x));
        }
    }
    let mut sum = fold(lanes);
    for &x in parts.remainder() {
        sum = sum.add(L::new(x));
    }
    sum
}

/// The sum of the lanes, by halves.
#[inline(always)]
pub(crate) fn fold<L: AnyLane>(lanes: [L; 16]) -> L {
    // sizes known to the compiler, and no writing over what is read: it stays in registers
    let (mut eight, mut four) = ([L::zero(); 8], [L::zero(); 4]);
    for i in 0..8 {
        eight[i] = lanes[i].add(lanes[i + 8]);
    }
    for i in 0..4 {
        four[i] = eight[i].add(eight[i + 4]);
    }
    four[0].add(four[2]).add(four[1].add(four[3]))
}

#[inline(always)]
fn sum<L: AnyLane>(x: &[L::T], [outer, n, inner]: [usize; 3], out: &mut [L::T]) {
    if inner == 1 {
        for (o, out) in out.iter_mut().enumerate() {
            *out = sum_slice::<L>(&x[o * n..(o + 1) * n]).get();
        }
        return;
    }
    for o in 0..outer {
        for start in (0..inner).step_by(TILE) {
            let width = TILE.min(inner - start);
            let rows = |first: usize| {
                let mut part = [L::zero(); TILE];
                for k in first..n.min(first + ROWS) {
                    let row = &x[(o * n + k) * inner + start..][..width];
                    for (part, &x) in part[..width].iter_mut().zip(row) {
                        *part = part.add(L::new(x));
                    }
                }
                part
            };
            let total = if n <= ROWS {
                rows(0)
            } else {
                let add = |a: [L; TILE], b: [L; TILE]| std::array::from_fn(|i| a[i].add(b[i]));
                let mut total = Pairwise::new([L::zero(); TILE]);
                (0..n).step_by(ROWS).for_each(|first| total.push(rows(first), add));
                total.total([L::zero(); TILE], add)
            };
            for (out, total) in out[o * inner + start..][..width].iter_mut().zip(total) {
                *out = total.get();
            }
        }
    }
}

/// The largest or smallest along the middle axis; NaN where one is NaN. `n` is at least 1.
#[inline(always)]
fn extreme<L: AnyLane<T: PartialOrd>, const MAX: bool>(x: &[L::T], [outer, n, inner]: [usize; 3], out: &mut [L::T]) {
    for o in 0..outer {
        let out = &mut out[o * inner..(o + 1) * inner];
        out.copy_from_slice(&x[o * n * inner..][..inner]);
        for k in 1..n {
            for (best, &x) in out.iter_mut().zip(&x[(o * n + k) * inner..][..inner]) {
                // `!(x == x)` is a NaN
                let better = if MAX { x > *best } else { x < *best };
                #[allow(clippy::eq_op)]
                if better || !(x == x) {
                    *best = x;
                }
            }
        }
    }
}

macro_rules! compiled {
    ($t:ident) => {
        pub(crate) mod $t {
            use super::*;
            pub(crate) fn sum(x: &[$t], [outer, n, inner]: [usize; 3], out: &mut [$t]) {
                if outer * inner == 1 {
                    out[0] = sum_row(&x[..n]);
                    return;
                }
                // each slice of the output is of one slice of the input: cut between them
                split_by(&mut out[..outer * inner], inner.max(1), (GRAIN / n.max(1)).max(1), |start, out| {
                    let (first, outer) = (start / inner.max(1), out.len() / inner.max(1));
                    let x = &x[first * n * inner..][..outer * n * inner];
                    dispatch!(MODE => super::sum::<Lane<$t, MODE>>(x, [outer, n, inner], out))
                });
            }

            /// The sum of a row: of the sums of its parts, in their order.
            fn sum_row(x: &[$t]) -> $t {
                let part = |x: &[$t]| -> $t { dispatch!(MODE => sum_slice::<Lane<$t, MODE>>(x).get()) };
                if x.len() <= GRAIN {
                    return part(x);
                }
                let mut sums = vec![0.0; x.len().div_ceil(GRAIN)];
                split_by(&mut sums, 1, 4, |start, sums| {
                    for (sum, x) in sums.iter_mut().zip(x[start * GRAIN..].chunks(GRAIN)) {
                        *sum = part(x);
                    }
                });
                sum_row(&sums)
            }
            pub(crate) fn max(x: &[$t], layout: [usize; 3], out: &mut [$t]) {
                dispatch!(MODE => extreme::<Lane<$t, MODE>, true>(x, layout, out))
            }
            pub(crate) fn min(x: &[$t], layout: [usize; 3], out: &mut [$t]) {
                dispatch!(MODE => extreme::<Lane<$t, MODE>, false>(x, layout, out))
            }
        }
    };
}
compiled!(f32);
compiled!(f64);
