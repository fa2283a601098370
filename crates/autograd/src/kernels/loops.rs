//! The fused loops that a rule compiles to, and the table in which a rule keeps them.
//!
//! Every function here is instantiated by the rules of this crate, at this crate's optimisation level; user code
//! calls them through pointers. Slices are padded to whole blocks of 16, so no loop has a tail.

use super::block::{BLOCK, Block, Lanes};
use super::dual::Dual;
use super::lane::{Element, Lane, PRECISE};
use super::num::Num;
use super::num::Real;
use super::simd::dispatch;
use crate::{Float, Var};

/// An elementwise function of one number, written once over [`Num`].
#[doc(hidden)]
pub trait UnaryRule: Copy + Send + Sync + 'static {
    /// The largest |x| for which the polynomials it calls keep their accuracy.
    const LIMIT: f64 = f64::INFINITY;
    fn value<K: Real>(self, x: Num<K>) -> Num<K>;
    /// dy/dx, given x and y.
    fn derivative<K: Real>(self, x: Num<K>, y: Num<K>) -> Num<K>;
    /// The rule as an operation on a tape.
    fn record<T: Float>(self, x: Var<'_, T>) -> Var<'_, T>;
    fn loops() -> &'static UnaryLoops<Self>;
}

/// An elementwise function of two numbers, written once over [`Num`].
#[doc(hidden)]
pub trait BinaryRule: Copy + Send + Sync + 'static {
    fn value<K: Real>(self, a: Num<K>, b: Num<K>) -> Num<K>;
    /// dy/da, given a, b and y.
    fn derivative_a<K: Real>(self, a: Num<K>, b: Num<K>, y: Num<K>) -> Num<K>;
    /// dy/db, given a, b and y.
    fn derivative_b<K: Real>(self, a: Num<K>, b: Num<K>, y: Num<K>) -> Num<K>;
    /// The rule as an operation on a tape.
    fn record<'t, T: Float>(self, a: Var<'t, T>, b: Var<'t, T>) -> Var<'t, T>;
    fn loops() -> &'static BinaryLoops<Self>;
}

/// Numbers, and how fast they move: `None` if they stand still, which is not the same as moving by 0 where a derivative
/// is infinite or NaN.
pub(crate) type Moving<'a, T> = (&'a [T], Option<&'a [T]>);

/// Changes a gradient and how fast it moves, given arrays. Whether the gradient moved at first is said; if it did not,
/// `dg` holds nothing yet.
type Second<R, T, const N: usize> = fn(R, [Moving<'_, T>; N], &mut [T], (&mut [T], bool));

/// The compiled loops of a unary rule for one number type.
#[doc(hidden)]
pub struct UnaryKernels<R, T> {
    /// `y ← f(x)`
    pub(crate) forward: fn(R, &[T], &mut [T]),
    /// `g ← g · f′(x, y)`
    pub(crate) backward: fn(R, &[T], &[T], &mut [T]),
    /// `g ← g · f′` and `dg ← dg · f′ + g · df′`, given x and y
    pub(crate) second: Second<R, T, 2>,
}

/// The compiled loops of a unary rule.
#[doc(hidden)]
pub struct UnaryLoops<R> {
    pub(crate) f32: UnaryKernels<R, f32>,
    pub(crate) f64: UnaryKernels<R, f64>,
}

/// `g ← g · slope(a, b, y)`
type Chain<R, T> = fn(R, &[T], &[T], &[T], &mut [T]);

/// The compiled loops of a binary rule for one number type.
#[doc(hidden)]
pub struct BinaryKernels<R, T> {
    /// `y ← f(a, b)`
    pub(crate) forward: fn(R, &[T], &[T], &mut [T]),
    /// `y ← f(a, b)` with one number b
    pub(crate) forward_right: fn(R, &[T], T, &mut [T]),
    /// `y ← f(a, b)` with one number a
    pub(crate) forward_left: fn(R, T, &[T], &mut [T]),
    /// `g ← g · ∂f/∂a`
    pub(crate) backward_a: Chain<R, T>,
    /// `g ← g · ∂f/∂b`
    pub(crate) backward_b: Chain<R, T>,
    /// `g ← g · f′` and `dg ← dg · f′ + g · df′` with `f′ = ∂f/∂a`, given a, b and y
    pub(crate) second_a: Second<R, T, 3>,
    /// the same with `f′ = ∂f/∂b`
    pub(crate) second_b: Second<R, T, 3>,
}

/// The compiled loops of a binary rule.
#[doc(hidden)]
pub struct BinaryLoops<R> {
    pub(crate) f32: BinaryKernels<R, f32>,
    pub(crate) f64: BinaryKernels<R, f64>,
}

/// Runs a body for each place of some slices. Arrays of one line of 16 numbers, which small models are made of, take
/// straight code that becomes one vector; a loop would take them for its remainder and go number by number.
macro_rules! each {
    ($out:ident $(, $x:ident)* => $body:block) => {
        if $out.len() == $crate::storage::PAD {
            let $out: &mut [_; $crate::storage::PAD] = $out.try_into().expect("as many as just counted");
            $(let $x: &[_; $crate::storage::PAD] = $x[..$crate::storage::PAD].try_into().expect("as many as the output");)*
            for i in 0..$crate::storage::PAD {
                let ($out, $($x),*) = (&mut $out[i], $($x[i]),*);
                $body
            }
        } else {
            let len = $out.len();
            $(let $x = &$x[..len];)*
            for i in 0..len {
                let ($out, $($x),*) = (&mut $out[i], $($x[i]),*);
                $body
            }
        }
    };
}
pub(crate) use each;

/// Numbers looked at before a loop with a limit runs over them.
const CHUNK: usize = 1024;

/// `y ← f(x)`. Says whether some |x| was past the rule's limit.
#[inline(always)]
fn value<L: Element, R: UnaryRule>(rule: R, x: &[L::T], y: &mut [L::T]) -> bool {
    let mut past = false;
    each!(y, x => {
        past |= is_past::<L, R>(x);
        *y = rule.value(Num(L::new(x))).0.get();
    });
    past
}

/// `y ← f(x)` again, for the numbers past the rule's limit alone: what is computed of a number never depends on its
/// neighbours, and so not on where an array is cut for threads.
#[inline(always)]
fn value_past<L: Element, R: UnaryRule>(rule: R, x: &[L::T], y: &mut [L::T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        if is_past::<L, R>(x) {
            *y = rule.value(Num(L::new(x))).0.get();
        }
    }
}

#[inline(always)]
fn is_past<L: Element, R: UnaryRule>(x: L::T) -> bool {
    R::LIMIT < f64::INFINITY && L::new(x).abs().exceeds(R::LIMIT)
}

#[inline(always)]
fn any_past<L: Element, R: UnaryRule>(x: &[L::T]) -> bool {
    R::LIMIT < f64::INFINITY && x.iter().fold(false, |past, &x| past | is_past::<L, R>(x))
}

/// `g ← g · f′(x, y)`
#[inline(always)]
fn chain<L: Element, R: UnaryRule>(rule: R, x: &[L::T], y: &[L::T], g: &mut [L::T]) {
    each!(g, x, y => {
        let slope = rule.derivative(Num(L::new(x)), Num(L::new(y))).0;
        *g = L::new(*g).mul(slope).get();
    });
}

/// [`chain`] where some numbers are past the rule's limit: those take the lane P.
#[inline(always)]
fn chain_past<L: Element, P: Element<T = L::T>, R: UnaryRule>(rule: R, x: &[L::T], y: &[L::T], g: &mut [L::T]) {
    for ((g, x), y) in g.iter_mut().zip(x).zip(y) {
        let number = std::slice::from_ref;
        let one = std::slice::from_mut(g);
        if is_past::<L, R>(*x) {
            chain::<P, R>(rule, number(x), number(y), one);
        } else {
            chain::<L, R>(rule, number(x), number(y), one);
        }
    }
}

#[inline(always)]
fn value2<L: Element, R: BinaryRule>(rule: R, a: &[L::T], b: &[L::T], y: &mut [L::T]) {
    each!(y, a, b => {
        *y = rule.value(Num(L::new(a)), Num(L::new(b))).0.get();
    });
}

#[inline(always)]
fn value2_right<L: Element, R: BinaryRule>(rule: R, a: &[L::T], b: L::T, y: &mut [L::T]) {
    each!(y, a => {
        *y = rule.value(Num(L::new(a)), Num(L::new(b))).0.get();
    });
}

#[inline(always)]
fn value2_left<L: Element, R: BinaryRule>(rule: R, a: L::T, b: &[L::T], y: &mut [L::T]) {
    each!(y, b => {
        *y = rule.value(Num(L::new(a)), Num(L::new(b))).0.get();
    });
}

#[inline(always)]
fn chain2<L: Element, const A: bool, R: BinaryRule>(rule: R, a: &[L::T], b: &[L::T], y: &[L::T], g: &mut [L::T]) {
    each!(g, a, b, y => {
        let (a, b, y) = (Num(L::new(a)), Num(L::new(b)), Num(L::new(y)));
        let slope = if A { rule.derivative_a(a, b, y) } else { rule.derivative_b(a, b, y) };
        *g = L::new(*g).mul(slope.0).get();
    });
}

/// `g ← g · f′` and `dg ← dg · f′ + g · df′`, where `slope` makes f′ of blocks of the arrays.
#[inline(always)]
fn second<T, B: Lanes<T>, const N: usize>(
    arrays: [Moving<'_, T>; N],
    g: &mut [T],
    (dg, moves): (&mut [T], bool),
    slope: impl Fn([Num<Dual<B, 1>>; N]) -> Num<Dual<B, 1>>,
) {
    for start in (0..g.len()).step_by(BLOCK) {
        let range = start..g.len().min(start + BLOCK);
        let read = |x: &[T]| B::read(&x[range.clone()]);
        let slope = slope(arrays.map(|(x, dx)| Num(Dual { value: read(x), slopes: [dx.map(read)] }))).0;
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
        pub(crate) mod $t {
            use super::*;

            fn forward<R: UnaryRule>(rule: R, x: &[$t], y: &mut [$t]) {
                let past = dispatch!(MODE => value::<Lane<$t, MODE>, R>(rule, x, y));
                if past {
                    value_past::<Lane<$t, PRECISE>, R>(rule, x, y);
                }
            }

            fn backward<R: UnaryRule>(rule: R, x: &[$t], y: &[$t], g: &mut [$t]) {
                if R::LIMIT == f64::INFINITY {
                    return dispatch!(MODE => chain::<Lane<$t, MODE>, R>(rule, x, y, g));
                }
                for ((x, y), g) in x.chunks(CHUNK).zip(y.chunks(CHUNK)).zip(g.chunks_mut(CHUNK)) {
                    dispatch!(MODE => if any_past::<Lane<$t, MODE>, R>(x) {
                        chain_past::<Lane<$t, MODE>, Lane<$t, PRECISE>, R>(rule, x, y, g);
                    } else {
                        chain::<Lane<$t, MODE>, R>(rule, x, y, g);
                    });
                }
            }

            fn second<R: UnaryRule>(rule: R, arrays: [Moving<'_, $t>; 2], g: &mut [$t], dg: (&mut [$t], bool)) {
                super::second::<$t, Block<$t>, 2>(arrays, g, dg, |[x, y]| rule.derivative(x, y));
            }

            pub(crate) const fn unary<R: UnaryRule>() -> UnaryKernels<R, $t> {
                UnaryKernels { forward: forward::<R>, backward: backward::<R>, second: second::<R> }
            }

            fn forward2<R: BinaryRule>(rule: R, a: &[$t], b: &[$t], y: &mut [$t]) {
                dispatch!(MODE => value2::<Lane<$t, MODE>, R>(rule, a, b, y))
            }
            fn forward2_right<R: BinaryRule>(rule: R, a: &[$t], b: $t, y: &mut [$t]) {
                dispatch!(MODE => value2_right::<Lane<$t, MODE>, R>(rule, a, b, y))
            }
            fn forward2_left<R: BinaryRule>(rule: R, a: $t, b: &[$t], y: &mut [$t]) {
                dispatch!(MODE => value2_left::<Lane<$t, MODE>, R>(rule, a, b, y))
            }
            fn backward2<const A: bool, R: BinaryRule>(rule: R, a: &[$t], b: &[$t], y: &[$t], g: &mut [$t]) {
                dispatch!(MODE => chain2::<Lane<$t, MODE>, A, R>(rule, a, b, y, g))
            }

            fn second2<const A: bool, R: BinaryRule>(
                rule: R,
                arrays: [Moving<'_, $t>; 3],
                g: &mut [$t],
                dg: (&mut [$t], bool),
            ) {
                super::second::<$t, Block<$t>, 3>(arrays, g, dg, |[a, b, y]| {
                    if A { rule.derivative_a(a, b, y) } else { rule.derivative_b(a, b, y) }
                });
            }

            pub(crate) const fn binary<R: BinaryRule>() -> BinaryKernels<R, $t> {
                BinaryKernels {
                    forward: forward2::<R>,
                    forward_right: forward2_right::<R>,
                    forward_left: forward2_left::<R>,
                    backward_a: backward2::<true, R>,
                    backward_b: backward2::<false, R>,
                    second_a: second2::<true, R>,
                    second_b: second2::<false, R>,
                }
            }
        }
    };
}
compiled!(f32);
compiled!(f64);

impl<R: UnaryRule> UnaryLoops<R> {
    pub(crate) const fn new() -> Self {
        UnaryLoops { f32: f32::unary(), f64: f64::unary() }
    }
}

impl<R: BinaryRule> BinaryLoops<R> {
    pub(crate) const fn new() -> Self {
        BinaryLoops { f32: f32::binary(), f64: f64::binary() }
    }
}
