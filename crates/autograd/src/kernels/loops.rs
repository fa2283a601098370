//! The loops over arrays that an elementwise rule compiles to.
//!
//! Every function here is instantiated by the rules of this crate, at this crate's optimisation level; user code
//! calls them through pointers. Slices are padded to whole blocks of 16, so no loop has a tail.

use super::block::{AnyBlock, BLOCK, Block};
use super::each::each;
use super::lane::{AnyLane, Lane};
use super::math::PRECISE;
use super::simd::dispatch;
use crate::calculus::{Compiled, Dual, Loops, Moving, Num, Real, Rule};

/// Numbers looked at before a loop with a limit runs over them.
const CHUNK: usize = 1024;

/// Whether a number is past the range in which the rule's polynomials keep their accuracy.
#[inline(always)]
fn is_past<L: AnyLane, R: Rule<N>, const N: usize>(x: [L::T; N]) -> bool {
    let mut past = false;
    if const { R::LIMIT < f64::INFINITY } {
        for x in x {
            past |= L::new(x).abs().exceeds(R::LIMIT);
        }
    }
    past
}

/// The numbers of a place as those of the rule.
#[inline(always)]
fn numbers<L: AnyLane, const N: usize>(x: [L::T; N]) -> [Num<L>; N] {
    let mut numbers = [Num(L::zero()); N];
    for k in 0..N {
        numbers[k] = Num(L::new(x[k]));
    }
    numbers
}

/// `f(x)` of one place
#[inline(always)]
fn value_at<L: AnyLane, R: Rule<N>, const N: usize>(rule: R, x: [L::T; N]) -> L::T {
    rule.value(numbers::<L, N>(x)).0.get()
}

/// `y ← f(x)`. Says whether some |x| was past the rule's limit.
#[inline(always)]
fn value<L: AnyLane, R: Rule<N>, const N: usize>(rule: R, x: [&[L::T]; N], y: &mut [L::T]) -> bool {
    let mut past = false;
    each(
        x,
        [],
        y,
        #[inline(always)]
        |x, [], y: &mut L::T| {
            past |= is_past::<L, R, N>(x);
            *y = value_at::<L, R, N>(rule, x);
        },
    );
    past
}

/// `y ← f(x)` again, for the numbers past the rule's limit alone: what is computed of a number never depends on its
/// neighbours, and so not on where an array is cut for threads.
#[inline(always)]
fn value_past<L: AnyLane, R: Rule<N>, const N: usize>(rule: R, x: [&[L::T]; N], y: &mut [L::T]) {
    each(
        x,
        [],
        y,
        #[inline(always)]
        |x, [], y: &mut L::T| {
            if is_past::<L, R, N>(x) {
                *y = value_at::<L, R, N>(rule, x);
            }
        },
    );
}

/// `y ← f(x)` where operand i is one number for all places.
#[inline(always)]
fn value_beside<L: AnyLane, R: Rule<N>, const N: usize>(rule: R, i: usize, x: [&[L::T]; N], y: &mut [L::T]) {
    let one = x[i][0];
    let mut along = x;
    along[i] = x[N - 1 - i]; // read in its place, and not used
    each(
        along,
        [],
        y,
        #[inline(always)]
        |mut x: [L::T; N], [], y: &mut L::T| {
            x[i] = one;
            *y = value_at::<L, R, N>(rule, x);
        },
    );
}

/// `g ← g · ∂f/∂xᵢ` of one place
#[inline(always)]
fn chain_at<L: AnyLane, R: Rule<N>, const N: usize>(rule: R, i: usize, x: [L::T; N], y: L::T, g: &mut L::T) {
    let slope = rule.slope(i, numbers::<L, N>(x), Num(L::new(y)));
    *g = L::new(*g).mul(slope.0).get();
}

/// `g ← g · ∂f/∂xᵢ`. The places past the rule's limit take lane P, if there may be any.
#[inline(always)]
fn chain<L: AnyLane, P: AnyLane<T = L::T>, R: Rule<N>, const N: usize>(
    rule: R,
    i: usize,
    (x, y): ([&[L::T]; N], &[L::T]),
    g: &mut [L::T],
    past: bool,
) {
    each(
        x,
        [y],
        g,
        #[inline(always)]
        |x, [y]: [L::T; 1], g: &mut L::T| {
            if past && is_past::<L, R, N>(x) {
                chain_at::<P, R, N>(rule, i, x, y, g);
            } else {
                chain_at::<L, R, N>(rule, i, x, y, g);
            }
        },
    );
}

#[inline(always)]
fn any_past<L: AnyLane, R: Rule<N>, const N: usize>(x: [&[L::T]; N]) -> bool {
    R::LIMIT < f64::INFINITY && x.iter().any(|x| x.iter().fold(false, |past, &x| past | is_past::<L, R, N>([x; N])))
}

/// A block of numbers, and how they move.
type MovingBlock<B> = Num<Dual<B, 1>>;

/// `g ← g · f′` and `dg ← dg · f′ + g · df′`, where `slope` computes f′ and df′ of a block by dual numbers. It does not
/// know the rule, since it would be compiled anew for each.
fn chain_moving<T, B: AnyBlock<T>, const N: usize>(
    slope: &dyn Fn([MovingBlock<B>; N], MovingBlock<B>) -> MovingBlock<B>,
    (x, y): ([Moving<'_, T>; N], Moving<'_, T>),
    (g, dg): (&mut [T], &mut [T]),
    moves: bool,
) {
    for start in (0..g.len()).step_by(BLOCK) {
        let range = start..g.len().min(start + BLOCK);
        let read = |x: &[T]| B::read(&x[range.clone()]);
        let dual = |(x, dx): Moving<'_, T>| Num(Dual { value: read(x), slopes: [dx.map(read)] });
        let slope = slope(x.map(dual), dual(y)).0;
        let (g, dg) = (&mut g[range.clone()], &mut dg[range.clone()]);
        let g_was = B::read(g);
        let dg_was = moves.then(|| B::read(dg));
        product_rule(g_was, dg_was, slope).unwrap_or_else(|| g_was.literal(0.0)).write(dg);
        g_was.mul(slope.value).write(g);
    }
}

/// How `g · f′` moves: `dg · f′ + g · df′`, of which what stands still has no part.
pub(crate) fn product_rule<B: Real>(g: B, dg: Option<B>, slope: Dual<B, 1>) -> Option<B> {
    let by_gradient = dg.map(|dg| dg.mul(slope.value));
    let by_slope = slope.slopes[0].map(|curvature| g.mul(curvature));
    match (by_gradient, by_slope) {
        (Some(a), Some(b)) => Some(a.add(b)),
        (a, b) => a.or(b),
    }
}

macro_rules! compiled {
    ($t:ident) => {
        /// The loops of the rules, compiled for this number type.
        mod $t {
            use super::*;

            fn value<R: Rule<N>, const N: usize>(rule: R, x: [&[$t]; N], y: &mut [$t]) {
                let past = dispatch!(MODE => super::value::<Lane<$t, MODE>, R, N>(rule, x, y));
                if const { R::LIMIT < f64::INFINITY } && past {
                    super::value_past::<Lane<$t, PRECISE>, R, N>(rule, x, y);
                }
            }

            fn value_beside<R: Rule<N>, const N: usize>(rule: R, i: usize, x: [&[$t]; N], y: &mut [$t]) {
                // constants, so that what cannot be reached is not compiled
                if const { N == 2 } {
                    return match i {
                        0 => dispatch!(MODE => super::value_beside::<Lane<$t, MODE>, R, N>(rule, 0, x, y)),
                        _ => dispatch!(MODE => super::value_beside::<Lane<$t, MODE>, R, N>(rule, 1, x, y)),
                    };
                }
                unreachable!("only a rule of two numbers has another operand")
            }

            /// One operand's loop: called with a literal, so that each is compiled by itself.
            #[inline(always)]
            fn by<R: Rule<N>, const N: usize>(rule: R, i: usize, (x, y): ([&[$t]; N], &[$t]), g: &mut [$t]) {
                if const { R::LIMIT == f64::INFINITY } {
                    return dispatch!(MODE => {
                        super::chain::<Lane<$t, MODE>, Lane<$t, PRECISE>, R, N>(rule, i, (x, y), g, false)
                    });
                }
                for (chunk, g) in g.chunks_mut(CHUNK).enumerate() {
                    let range = chunk * CHUNK..chunk * CHUNK + g.len();
                    let (x, y) = (x.map(|x| &x[range.clone()]), &y[range.clone()]);
                    dispatch!(MODE => {
                        let past = any_past::<Lane<$t, MODE>, R, N>(x);
                        if past {
                            super::chain::<Lane<$t, MODE>, Lane<$t, PRECISE>, R, N>(rule, i, (x, y), g, true);
                        } else {
                            super::chain::<Lane<$t, MODE>, Lane<$t, PRECISE>, R, N>(rule, i, (x, y), g, false);
                        }
                    });
                }
            }

            fn chain<R: Rule<N>, const N: usize>(rule: R, i: usize, x: [&[$t]; N], y: &[$t], g: &mut [$t]) {
                if const { N == 1 } {
                    return by(rule, 0, (x, y), g);
                }
                match i {
                    0 => by(rule, 0, (x, y), g),
                    1 => by(rule, 1, (x, y), g),
                    _ => unreachable!("a row has one or two numbers"),
                }
            }

            fn chain_moving<R: Rule<N>, const N: usize>(
                rule: R,
                i: usize,
                arrays: ([Moving<'_, $t>; N], Moving<'_, $t>),
                gradient: (&mut [$t], &mut [$t]),
                moves: bool,
            ) {
                super::chain_moving::<$t, Block<$t>, N>(&|x, y| rule.slope(i, x, y), arrays, gradient, moves);
            }

            pub(crate) const fn loops<R: Rule<N>, const N: usize>() -> Loops<R, $t, N> {
                Loops { value, value_beside, chain, chain_moving }
            }
        }
    };
}
compiled!(f32);
compiled!(f64);

impl<R: Rule<N>, const N: usize> Compiled<R, N> {
    pub(crate) const fn new() -> Self {
        Compiled { f32: f32::loops(), f64: f64::loops() }
    }
}
