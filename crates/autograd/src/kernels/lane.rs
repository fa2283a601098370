//! One number of a fused loop: `f32` or `f64`, with the functions that vectorise.

use super::math::{FMA, double, single};
use crate::calculus::{Num, Numeric, Real, Rule, primitives};

/// A number of a loop, with the arithmetic it may use.
#[derive(Clone, Copy)]
#[doc(hidden)]
#[derive(Debug)]
pub struct Lane<T, const MODE: u8>(pub(crate) T);

/// What the loops need of a lane beside the mathematics.
#[doc(hidden)]
#[allow(missing_docs)]
pub trait AnyLane: Numeric {
    type T: Copy + Default;
    fn new(value: Self::T) -> Self;
    fn get(self) -> Self::T;
    fn zero() -> Self;
    /// Whether it is greater than c.
    fn exceeds(self, c: f64) -> bool;
    /// `a · b + c`
    fn mul_add(self, b: Self, c: Self) -> Self;
}

macro_rules! lane {
    ($t:ident $module:ident [$($function:ident)*] trigonometric [$($trigonometric:ident)*]) => {
        impl<const MODE: u8> AnyLane for Lane<$t, MODE> {
            type T = $t;
            #[inline(always)]
            fn new(value: $t) -> Self {
                Lane(value)
            }
            #[inline(always)]
            fn get(self) -> $t {
                self.0
            }
            #[inline(always)]
            fn zero() -> Self {
                Lane(0.0)
            }
            #[inline(always)]
            fn exceeds(self, c: f64) -> bool {
                self.0 > c as $t
            }
            #[inline(always)]
            fn mul_add(self, b: Self, c: Self) -> Self {
                Lane(if MODE == FMA { self.0.mul_add(b.0, c.0) } else { self.0 * b.0 + c.0 })
            }
        }

        impl<const MODE: u8> Real for Lane<$t, MODE> {
            #[inline(always)]
            fn apply<R: Rule<N>, const N: usize>(rule: R, x: [Self; N]) -> Self {
                rule.value(x.map(Num)).0
            }
            #[inline(always)]
            fn literal(self, c: f64) -> Self {
                Lane(c as $t)
            }
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                Lane(self.0 + other.0)
            }
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                Lane(self.0 - other.0)
            }
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                Lane(self.0 * other.0)
            }
            #[inline(always)]
            fn div(self, other: Self) -> Self {
                Lane(self.0 / other.0)
            }
            #[inline(always)]
            fn neg(self) -> Self {
                Lane(-self.0)
            }
            #[inline(always)]
            fn shift(self, c: f64) -> Self {
                Lane(self.0 + c as $t)
            }
            #[inline(always)]
            fn scale(self, c: f64) -> Self {
                Lane(self.0 * c as $t)
            }
            #[inline(always)]
            fn divide_by(self, c: f64) -> Self {
                Lane(self.0 / c as $t)
            }
            #[inline(always)]
            fn divide_into(self, c: f64) -> Self {
                Lane(c as $t / self.0)
            }
            #[inline(always)]
            fn gt(self, other: Self) -> Self {
                Lane(if self.0 > other.0 { 1.0 } else { 0.0 })
            }
            #[inline(always)]
            fn eq(self, other: Self) -> Self {
                Lane(if self.0 == other.0 { 1.0 } else { 0.0 })
            }
            #[inline(always)]
            fn above(self, c: f64) -> Self {
                Lane(if self.0 > c as $t { 1.0 } else { 0.0 })
            }
            #[inline(always)]
            fn below(self, c: f64) -> Self {
                Lane(if self.0 < c as $t { 1.0 } else { 0.0 })
            }
            #[inline(always)]
            fn choose(self, yes: Self, no: Self) -> Self {
                Lane(if self.0 != 0.0 { yes.0 } else { no.0 })
            }
        }

        impl<const MODE: u8> Numeric for Lane<$t, MODE> {
            #[inline(always)]
            fn abs(self) -> Self {
                Lane(self.0.abs())
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                Lane(self.0.sqrt())
            }
            #[inline(always)]
            fn pow(self, exponent: Self) -> Self {
                Lane(self.0.powf(exponent.0))
            }
            #[inline(always)]
            fn pow_number(self, exponent: f64) -> Self {
                Lane(self.0.powf(exponent as $t))
            }
            $(#[inline(always)]
            fn $function(self) -> Self {
                Lane($module::$function::<MODE>(self.0))
            })*
            $(#[inline(always)]
            fn $trigonometric(self) -> Self {
                Lane($module::$trigonometric::<MODE>(self.0))
            })*
        }
    };
}

primitives!(lane! f32 single);
primitives!(lane! f64 double);
