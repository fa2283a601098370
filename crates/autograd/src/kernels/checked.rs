//! A lane that notices when a function is asked for a number past the range in which its polynomial holds.
//!
//! The loop that it runs in is then run again with the standard library's functions. An expression without such
//! functions carries no check: the compiler sees that it never fails.

use super::lane::AnyLane;
use super::math::TRIGONOMETRIC_LIMIT;
use crate::calculus::{Num, Numeric, Real, Rule, primitives};

/// A lane, and whether something that went into it was past a polynomial's range.
#[derive(Clone, Copy)]
pub(crate) struct Checked<L> {
    pub(crate) lane: L,
    pub(crate) past: bool,
}

macro_rules! functions {
    (one: $($one:ident)*, two: $($two:ident)*, number: $($number:ident)*) => {
        $(#[inline(always)]
        fn $one(self) -> Self {
            Checked { lane: self.lane.$one(), ..self }
        })*
        $(#[inline(always)]
        fn $two(self, other: Self) -> Self {
            Checked { lane: self.lane.$two(other.lane), past: self.past | other.past }
        })*
        $(#[inline(always)]
        fn $number(self, c: f64) -> Self {
            Checked { lane: self.lane.$number(c), ..self }
        })*
    };
    ([$($function:ident)*] trigonometric [$($trigonometric:ident)*]) => {
        functions!(one: abs sqrt $($function)*, two: pow, number: pow_number);
        $(#[inline(always)]
        fn $trigonometric(self) -> Self {
            let past = self.past | self.lane.abs().exceeds(TRIGONOMETRIC_LIMIT);
            Checked { lane: self.lane.$trigonometric(), past }
        })*
    };
}

impl<L: AnyLane> Real for Checked<L> {
    #[inline(always)]
    fn apply<R: Rule<N>, const N: usize>(rule: R, x: [Self; N]) -> Self {
        rule.value(x.map(Num)).0
    }
    #[inline(always)]
    fn literal(self, c: f64) -> Self {
        Checked { lane: self.lane.literal(c), past: false }
    }
    #[inline(always)]
    fn choose(self, yes: Self, no: Self) -> Self {
        Checked { lane: self.lane.choose(yes.lane, no.lane), past: self.past | yes.past | no.past }
    }
    functions!(one: neg, two: add sub mul div gt eq, number: shift scale divide_by divide_into above below);
}

impl<L: AnyLane> Numeric for Checked<L> {
    primitives!(functions!);
}
