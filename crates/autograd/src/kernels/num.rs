//! The numbers that an elementwise rule is written over.
//!
//! A rule such as `1 - y * y` is written once, over [`Num<K>`]. What `K` is decides what the rule does: a lane of
//! a fused loop ([`Lane`](super::lane::Lane)) or a block of lanes computes numbers, a [`Var`](crate::Var) records
//! operations, a [`Dual`](super::dual::Dual) of any of these computes or records the derivative beside the value.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::{BinaryRule, UnaryRule};

/// What a rule can do with its numbers. Literals stay literals (`shift`, `scale`, `over`): on a tape they never
/// become leaves.
#[allow(missing_docs)]
pub trait Real: Copy {
    /// Applies a rule of one number, with its own derivative.
    fn unary<R: UnaryRule>(self, rule: R) -> Self;
    /// Applies a rule of two numbers, with its own derivatives.
    fn binary<R: BinaryRule>(self, other: Self, rule: R) -> Self;
    /// The number c, of the same kind as this.
    fn literal(self, c: f64) -> Self;
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
    /// 1 where `x > other`, else 0. Its derivative is 0.
    fn gt(self, other: Self) -> Self;
    /// 1 where `x = other`, else 0. Its derivative is 0.
    fn is(self, other: Self) -> Self;
    /// 1 where `x > c`, else 0. Its derivative is 0.
    fn above(self, c: f64) -> Self;
    /// 1 where `x < c`, else 0. Its derivative is 0.
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
    fn pow(self, exponent: Self) -> Self;
    fn pow_number(self, exponent: f64) -> Self;
}

/// A number of an elementwise rule or of a [`fused!`](crate::fused) function.
///
/// It has operators between numbers and with `f64` or `i32` literals, and every elementwise function that a
/// [`Var`](crate::Var) has, by the same name.
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

/// The functions of one and two numbers are added by the rows that define them.
impl<K: Real> Num<K> {
    /// Applies one of the kind's own functions: what the rule of that function is made of.
    #[inline(always)]
    pub(crate) fn by(self, function: impl FnOnce(K) -> K) -> Self {
        Num(function(self.0))
    }
    /// 1 where this is greater than `other`, else 0. Its derivative is 0.
    #[inline(always)]
    pub fn gt(self, other: Self) -> Self {
        Num(self.0.gt(other.0))
    }
    /// 1 where this equals `other`, else 0. Its derivative is 0.
    #[inline(always)]
    pub fn is(self, other: Self) -> Self {
        Num(self.0.is(other.0))
    }
    /// 1 where this is greater than c, else 0. Its derivative is 0.
    #[inline(always)]
    pub fn above(self, c: f64) -> Self {
        Num(self.0.above(c))
    }
    /// 1 where this is less than c, else 0. Its derivative is 0.
    #[inline(always)]
    pub fn below(self, c: f64) -> Self {
        Num(self.0.below(c))
    }
    /// `yes` where this is not 0, else `no`. Both are computed; see [`where_`](crate::where_) for the trap in that.
    #[inline(always)]
    pub fn choose(self, yes: Self, no: Self) -> Self {
        Num(self.0.choose(yes.0, no.0))
    }
    /// The number c, to stand where a number of the rule is asked for.
    #[inline(always)]
    pub fn literal(self, c: f64) -> Self {
        Num(self.0.literal(c))
    }
    /// `xᵖ` for a plain number p.
    #[inline(always)]
    pub fn pow(self, exponent: f64) -> Self {
        self.pow_number(exponent)
    }
}
