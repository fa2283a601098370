//! Arithmetic and comparisons on the numbers of a rule.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::rule::{Num, Numeric, Real};

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
binary_operator!(Div div |x, c| x.divide_by(c), x.divide_into(c));

impl<K: Real> Neg for Num<K> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Num(self.0.neg())
    }
}

/// The types that may stand beside a number of a rule: another such number, or an `f64` or `i32`, which stays a
/// literal.
pub trait IntoNum<K: Real>: Copy {
    /// Converts to a number of the same kind as `like`.
    fn into_num(self, like: Num<K>) -> Num<K>;
    /// The value, if this is a literal.
    fn as_literal(self) -> Option<f64> {
        None
    }
}

impl<K: Real> IntoNum<K> for Num<K> {
    #[inline(always)]
    fn into_num(self, _: Num<K>) -> Num<K> {
        self
    }
}

macro_rules! literals {
    ($($number:ident)*) => {
        $(impl<K: Real> IntoNum<K> for $number {
            #[inline(always)]
            fn into_num(self, like: Num<K>) -> Num<K> {
                like.literal(self as f64)
            }
            #[inline(always)]
            fn as_literal(self) -> Option<f64> {
                Some(self as f64)
            }
        })*
    };
}
literals!(f64 i32);

/// The rows that define the functions of one and two numbers add these functions as methods.
impl<K: Real> Num<K> {
    /// The number c as a number of the rule, for places where a literal is not accepted.
    #[inline(always)]
    pub fn literal(self, c: f64) -> Self {
        Num(self.0.literal(c))
    }
    /// 1 where this is greater than `other`, else 0. Its derivative is 0.
    #[inline(always)]
    pub fn gt(self, other: impl IntoNum<K>) -> Self {
        match other.as_literal() {
            Some(c) => Num(self.0.above(c)),
            None => Num(self.0.gt(other.into_num(self).0)),
        }
    }
    /// 1 where this is less than `other`, else 0. Its derivative is 0.
    #[inline(always)]
    pub fn lt(self, other: impl IntoNum<K>) -> Self {
        match other.as_literal() {
            Some(c) => Num(self.0.below(c)),
            None => Num(other.into_num(self).0.gt(self.0)),
        }
    }
    /// 1 where this is greater than `other` or equal, else 0. Its derivative is 0.
    #[inline(always)]
    pub fn ge(self, other: impl IntoNum<K>) -> Self {
        self.gt(other) + self.eq(other)
    }
    /// 1 where this is less than `other` or equal, else 0. Its derivative is 0.
    #[inline(always)]
    pub fn le(self, other: impl IntoNum<K>) -> Self {
        self.lt(other) + self.eq(other)
    }
    /// 1 where this equals `other`, else 0. Its derivative is 0.
    #[inline(always)]
    pub fn eq(self, other: impl IntoNum<K>) -> Self {
        Num(self.0.eq(other.into_num(self).0))
    }
    /// `yes` where this is not 0, else `no`. Both are computed, which can be a trap: see [`where_`](crate::where_).
    #[inline(always)]
    pub fn choose(self, yes: impl IntoNum<K>, no: impl IntoNum<K>) -> Self {
        Num(self.0.choose(yes.into_num(self).0, no.into_num(self).0))
    }
}

impl<K: Numeric> Num<K> {
    /// Applies a function that the kind of number K has itself; the rule of that function is made of it.
    #[inline(always)]
    pub(crate) fn by(self, function: impl FnOnce(K) -> K) -> Self {
        Num(function(self.0))
    }
}
