//! A rule's numbers, 64 at a time.
//!
//! A rule over [`Block`]s runs each of its operations over 64 numbers that stay in the first-level cache. The loops are
//! compiled here, at this crate's optimisation level and for each instruction set, so a rule written in a user's crate
//! is as fast in a debug build as in a release build, and needs no code of its own for each instruction set.

use super::lane::{AnyLane, Lane};
use super::math::{PRECISE, TRIGONOMETRIC_LIMIT};
use super::simd::dispatch;
use crate::calculus::{Num, Numeric, Real, Rule, primitives};

/// Numbers of a block.
pub(crate) const BLOCK: usize = 64;

/// Numbers that a rule computes with together.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct Block<T>(pub(crate) [T; BLOCK]);

/// The block of a number type, in code that is generic over it.
#[doc(hidden)]
pub trait AnyBlock<T>: Numeric {
    /// Numbers of a slice of 1 to 64; behind them stands the last one.
    fn read(x: &[T]) -> Self;
    /// Writes as many numbers as the slice holds.
    fn write(&self, out: &mut [T]);
}

impl<T: Copy> AnyBlock<T> for Block<T>
where
    Block<T>: Numeric,
{
    fn read(x: &[T]) -> Self {
        if let Ok(x) = x.try_into() {
            return Block(x);
        }
        let mut block = Block([x[x.len() - 1]; BLOCK]);
        block.0[..x.len()].copy_from_slice(x);
        block
    }
    fn write(&self, out: &mut [T]) {
        let len = out.len();
        out.copy_from_slice(&self.0[..len]);
    }
}

#[inline(always)]
fn map<L: AnyLane>(x: Block<L::T>, f: impl Fn(L) -> L) -> Block<L::T> {
    let mut y = x;
    for y in &mut y.0 {
        *y = f(L::new(*y)).get();
    }
    y
}

#[inline(always)]
fn zip<L: AnyLane>(a: Block<L::T>, b: Block<L::T>, f: impl Fn(L, L) -> L) -> Block<L::T> {
    let mut y = a;
    for (y, &b) in y.0.iter_mut().zip(&b.0) {
        *y = f(L::new(*y), L::new(b)).get();
    }
    y
}

macro_rules! functions {
    ($t:ident, one: $($one:ident)*, two: $($two:ident)*, number: $($number:ident)*) => {
        $(fn $one(self) -> Self {
            dispatch!(MODE => map(self, Lane::<$t, MODE>::$one))
        })*
        $(fn $two(self, other: Self) -> Self {
            dispatch!(MODE => zip(self, other, Lane::<$t, MODE>::$two))
        })*
        $(fn $number(self, c: f64) -> Self {
            dispatch!(MODE => map(self, |x: Lane<$t, MODE>| x.$number(c)))
        })*
    };
    ($t:ident [$($function:ident)*] trigonometric [$($trigonometric:ident)*]) => {
        functions!($t, one: abs sqrt $($function)*, two: pow, number: pow_number);
        $(fn $trigonometric(self) -> Self {
            let mut y = dispatch!(MODE => map(self, Lane::<$t, MODE>::$trigonometric));
            for (y, &x) in y.0.iter_mut().zip(&self.0) {
                if x.abs() > TRIGONOMETRIC_LIMIT as $t {
                    *y = Lane::<$t, PRECISE>(x).$trigonometric().0; // decided for each number by itself
                }
            }
            y
        })*
    };
}

macro_rules! block {
    ($($t:ident)*) => {
        $(impl Real for Block<$t> {
            #[inline(always)]
            fn apply<R: Rule<N>, const N: usize>(rule: R, x: [Self; N]) -> Self {
                rule.value(x.map(Num)).0
            }
            fn literal(self, c: f64) -> Self {
                Block([c as $t; BLOCK])
            }
            fn choose(self, yes: Self, no: Self) -> Self {
                dispatch!(MODE => {
                    let mut y = no;
                    for ((y, &yes), &condition) in y.0.iter_mut().zip(&yes.0).zip(&self.0) {
                        *y = Lane::<$t, MODE>(condition).choose(Lane(yes), Lane(*y)).0;
                    }
                    y
                })
            }
            functions!($t, one: neg, two: add sub mul div gt eq, number: shift scale divide_by divide_into above below);
        }
        impl Numeric for Block<$t> {
            primitives!(functions! $t);
        })*
    };
}
block!(f32 f64);
