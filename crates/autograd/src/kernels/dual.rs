//! Dual numbers: a value, and how fast it changes when something else does.

use super::num::{Num, Real};
use super::{BinaryRule, UnaryRule};
use crate::ops::{arithmetic, choose, exponential, trigonometric};

/// A number with its derivatives by N others; `None` is a derivative of 0 that is never computed.
///
/// `(a + a′ε) (b + b′ε) = ab + (ab′ + a′b) ε`, since ε² = 0: arithmetic on such numbers carries the chain rule along
/// (Clifford 1873). Functions take their derivatives from their own rules. K may be dual again: that gives second
/// derivatives.
#[derive(Clone, Copy, Debug)]
pub struct Dual<K, const N: usize> {
    /// the number
    pub value: K,
    /// its derivatives
    pub slopes: [Option<K>; N],
}

/// A sum in which `None` is 0.
#[inline(always)]
fn sum<K: Real>(a: Option<K>, b: Option<K>) -> Option<K> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.add(b)),
        (a, b) => a.or(b),
    }
}

impl<K: Real, const N: usize> Dual<K, N> {
    /// A number that does not change.
    #[inline(always)]
    pub(crate) fn constant(value: K) -> Self {
        Dual { value, slopes: [None; N] }
    }
    /// This value, with each derivative changed by f.
    #[inline(always)]
    fn with(self, value: K, f: impl Fn(K) -> K) -> Self {
        Dual { value, slopes: self.slopes.map(|slope| slope.map(&f)) }
    }
    #[inline(always)]
    fn zip(self, other: Self, value: K, f: impl Fn(Option<K>, Option<K>) -> Option<K>) -> Self {
        Dual { value, slopes: std::array::from_fn(|i| f(self.slopes[i], other.slopes[i])) }
    }
    #[inline(always)]
    fn changes(&self) -> bool {
        self.slopes.iter().any(Option::is_some)
    }
}

macro_rules! functions {
    ($($name:ident $rule:expr;)*) => {
        $(#[inline(always)]
        fn $name(self) -> Self {
            self.unary($rule)
        })*
    };
}

impl<K: Real, const N: usize> Real for Dual<K, N> {
    #[inline(always)]
    fn unary<R: UnaryRule>(self, rule: R) -> Self {
        let x = Num(self.value);
        let y = Num(self.value.unary(rule));
        if !self.changes() {
            return Self::constant(y.0);
        }
        let slope = rule.derivative(x, y).0;
        self.with(y.0, |s| s.mul(slope))
    }
    #[inline(always)]
    fn binary<R: BinaryRule>(self, other: Self, rule: R) -> Self {
        let (a, b) = (Num(self.value), Num(other.value));
        let y = Num(self.value.binary(other.value, rule));
        let by_a = self.changes().then(|| rule.derivative_a(a, b, y).0);
        let by_b = other.changes().then(|| rule.derivative_b(a, b, y).0);
        let term = |s: Option<K>, slope: Option<K>| s.zip(slope).map(|(s, slope)| s.mul(slope));
        self.zip(other, y.0, |s, t| sum(term(s, by_a), term(t, by_b)))
    }
    #[inline(always)]
    fn literal(self, c: f64) -> Self {
        Self::constant(self.value.literal(c))
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, self.value.add(other.value), sum)
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, self.value.sub(other.value), |s, t| match (s, t) {
            (Some(s), Some(t)) => Some(s.sub(t)),
            (s, t) => s.or(t.map(K::neg)),
        })
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        let (a, b) = (self.value, other.value);
        self.zip(other, a.mul(b), |s, t| sum(s.map(|s| s.mul(b)), t.map(|t| a.mul(t))))
    }
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.binary(other, arithmetic::Div {})
    }
    #[inline(always)]
    fn neg(self) -> Self {
        self.with(self.value.neg(), K::neg)
    }
    #[inline(always)]
    fn shift(self, c: f64) -> Self {
        Dual { value: self.value.shift(c), ..self }
    }
    #[inline(always)]
    fn scale(self, c: f64) -> Self {
        self.with(self.value.scale(c), |s| s.scale(c))
    }
    #[inline(always)]
    fn per(self, c: f64) -> Self {
        self.with(self.value.per(c), |s| s.per(c))
    }
    #[inline(always)]
    fn over(self, c: f64) -> Self {
        self.unary(arithmetic::Over { number: c })
    }
    #[inline(always)]
    fn gt(self, other: Self) -> Self {
        Self::constant(self.value.gt(other.value))
    }
    #[inline(always)]
    fn is(self, other: Self) -> Self {
        Self::constant(self.value.is(other.value))
    }
    #[inline(always)]
    fn above(self, c: f64) -> Self {
        Self::constant(self.value.above(c))
    }
    #[inline(always)]
    fn below(self, c: f64) -> Self {
        Self::constant(self.value.below(c))
    }
    #[inline(always)]
    fn choose(self, yes: Self, no: Self) -> Self {
        let condition = self.value;
        let zero = |s: Option<K>| s.unwrap_or_else(|| condition.literal(0.0));
        yes.zip(no, condition.choose(yes.value, no.value), |s, t| {
            (s.is_some() || t.is_some()).then(|| condition.choose(zero(s), zero(t)))
        })
    }
    #[inline(always)]
    fn pow(self, exponent: Self) -> Self {
        self.binary(exponent, exponential::Pow {})
    }
    #[inline(always)]
    fn pow_number(self, exponent: f64) -> Self {
        self.unary(exponential::PowNumber { exponent })
    }
    functions! {
        abs choose::Abs {};
        exp exponential::Exp {};
        exp_m1 exponential::ExpM1 {};
        ln exponential::Ln {};
        ln_1p exponential::Ln1p {};
        sqrt exponential::Sqrt {};
        sin trigonometric::Sin {};
        cos trigonometric::Cos {};
        tanh trigonometric::Tanh {};
        erf exponential::Erf {};
    }
}
