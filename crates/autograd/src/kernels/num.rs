//! The numbers that an elementwise rule is written over.
//!
//! A rule such as `1 - y * y` is written once, over [`Num<K>`]. What `K` is decides what the rule does: a lane of
//! a fused loop ([`Lane`](super::lane::Lane)) computes numbers, a [`Var`](crate::Var) records operations.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// What a rule can do with its numbers. Literals stay literals (`shift`, `scale`, `over`): on a tape they never
/// become leaves.
#[allow(missing_docs)]
pub trait Real: Copy {
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;
    fn neg(self) -> Self;
    /// `x + c`
    fn shift(self, c: f64) -> Self;
    /// `x · c`
    fn scale(self, c: f64) -> Self;
    /// `x / c`
    fn per(self, c: f64) -> Self;
    /// `c / x`
    fn over(self, c: f64) -> Self;
    /// 1 where `x > other`, else 0. A constant on a tape.
    fn gt(self, other: Self) -> Self;
    /// 1 where `x = other`, else 0. A constant on a tape.
    fn is(self, other: Self) -> Self;
    /// 1 where `x > c`, else 0. A constant on a tape.
    fn above(self, c: f64) -> Self;
    /// 1 where `x < c`, else 0. A constant on a tape.
    fn below(self, c: f64) -> Self;
    /// `yes` where this is not 0, else `no`.
    fn choose(self, yes: Self, no: Self) -> Self;
    fn abs(self) -> Self;
    fn exp(self) -> Self;
    fn exp_m1(self) -> Self;
    fn ln(self) -> Self;
    fn ln_1p(self) -> Self;
    fn sqrt(self) -> Self;
    fn sin(self) -> Self;
    fn cos(self) -> Self;
    fn tanh(self) -> Self;
    fn erf(self) -> Self;
    fn sigmoid(self) -> Self;
    fn pow(self, exponent: Self) -> Self;
    fn pow_number(self, exponent: f64) -> Self;
}

/// A number of a rule, with operators between numbers and `f64` or `i32` literals.
#[derive(Clone, Copy, Debug)]
pub struct Num<K>(pub K);

macro_rules! binary_operator {
    ($trait:ident $op:ident |$x:ident, $c:ident| $right:expr, $left:expr) => {
        impl<K: Real> $trait for Num<K> {
            type Output = Self;
            #[inline(always)]
            fn $op(self, other: Self) -> Self {
                Num(Real::$op(self.0, other.0))
            }
        }
        binary_operator!(@literal f64 $trait $op |$x, $c| $right, $left);
        binary_operator!(@literal i32 $trait $op |$x, $c| $right, $left);
    };
    (@literal $number:ident $trait:ident $op:ident |$x:ident, $c:ident| $right:expr, $left:expr) => {
        impl<K: Real> $trait<$number> for Num<K> {
            type Output = Self;
            #[inline(always)]
            fn $op(self, c: $number) -> Self {
                let ($x, $c) = (self.0, c as f64);
                Num($right)
            }
        }
        impl<K: Real> $trait<Num<K>> for $number {
            type Output = Num<K>;
            #[inline(always)]
            fn $op(self, x: Num<K>) -> Num<K> {
                let ($x, $c) = (x.0, self as f64);
                Num($left)
            }
        }
    };
}
binary_operator!(Add add |x, c| x.shift(c), x.shift(c));
binary_operator!(Sub sub |x, c| x.shift(-c), x.neg().shift(c));
binary_operator!(Mul mul |x, c| x.scale(c), x.scale(c));
binary_operator!(Div div |x, c| x.per(c), x.over(c));

impl<K: Real> Neg for Num<K> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Num(self.0.neg())
    }
}

macro_rules! functions {
    ($($name:ident)*) => {
        $(#[inline(always)]
        pub(crate) fn $name(self) -> Self {
            Num(self.0.$name())
        })*
    };
}

#[allow(missing_docs)]
impl<K: Real> Num<K> {
    functions!(abs exp exp_m1 ln ln_1p sqrt sin cos tanh erf sigmoid);

    #[inline(always)]
    pub(crate) fn square(self) -> Self {
        self * self
    }
    #[inline(always)]
    pub(crate) fn pow(self, exponent: Self) -> Self {
        Num(self.0.pow(exponent.0))
    }
    #[inline(always)]
    pub(crate) fn pow_number(self, exponent: f64) -> Self {
        Num(self.0.pow_number(exponent))
    }
    #[inline(always)]
    pub(crate) fn gt(self, other: Self) -> Self {
        Num(self.0.gt(other.0))
    }
    #[inline(always)]
    pub(crate) fn is(self, other: Self) -> Self {
        Num(self.0.is(other.0))
    }
    #[inline(always)]
    pub(crate) fn above(self, c: f64) -> Self {
        Num(self.0.above(c))
    }
    #[inline(always)]
    pub(crate) fn below(self, c: f64) -> Self {
        Num(self.0.below(c))
    }
    #[inline(always)]
    pub(crate) fn choose(self, yes: Self, no: Self) -> Self {
        Num(self.0.choose(yes.0, no.0))
    }
    /// A literal, of the same kind as this number.
    #[inline(always)]
    pub(crate) fn literal(self, c: f64) -> Self {
        self.above(f64::INFINITY) + c
    }
}
