//! Dual numbers: a value, and how fast it changes when other numbers change.

use super::rule::{Num, Real, Rule};

/// A number with its derivatives by N other numbers; `None` is a derivative of 0 that is never computed.
///
/// `(a + a′ε) (b + b′ε) = ab + (ab′ + a′b) ε`, since ε² = 0: arithmetic on such numbers carries the chain rule along
/// (Clifford 1873). Functions take their derivatives from their own rules. K may itself be dual, which gives second
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

// Plain loops: the standard library's `map` and `from_fn` are compiled anew for each closure, and this file is compiled
// for every function of every program that differentiates one.
impl<K: Real, const N: usize> Dual<K, N> {
    /// A number that does not change.
    #[inline(always)]
    pub(crate) fn constant(value: K) -> Self {
        Dual { value, slopes: [None; N] }
    }
    /// This value, with each derivative changed by f.
    #[inline(always)]
    fn with(self, value: K, f: impl Fn(K) -> K) -> Self {
        let mut slopes = self.slopes;
        for k in 0..N {
            slopes[k] = slopes[k].map(&f);
        }
        Dual { value, slopes }
    }
    #[inline(always)]
    fn zip(self, other: Self, value: K, f: impl Fn(Option<K>, Option<K>) -> Option<K>) -> Self {
        let mut slopes = self.slopes;
        for k in 0..N {
            slopes[k] = f(slopes[k], other.slopes[k]);
        }
        Dual { value, slopes }
    }
    #[inline(always)]
    fn changes(&self) -> bool {
        self.slopes.iter().any(Option::is_some)
    }
}

impl<K: Real, const N: usize> Real for Dual<K, N> {
    /// `y′ = Σ ∂y/∂xᵢ xᵢ′`
    #[inline(always)]
    fn apply<R: Rule<M>, const M: usize>(rule: R, x: [Self; M]) -> Self {
        let mut values = [x[0].value; M];
        for i in 0..M {
            values[i] = x[i].value;
        }
        let y = Num(K::apply(rule, values));
        let mut slopes = [None; N];
        for i in 0..M {
            if x[i].changes() {
                let slope = rule.slope(i, values.map(Num), y).0;
                for k in 0..N {
                    slopes[k] = sum(slopes[k], x[i].slopes[k].map(|s| s.mul(slope)));
                }
            }
        }
        Dual { value: y.0, slopes }
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
        let (a, b) = (self.value, other.value);
        self.zip(other, a.div(b), |s, t| {
            sum(s.map(|s| s.mul(b.divide_into(1.0))), t.map(|t| t.mul(a.div(b.mul(b)).neg())))
        })
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
    fn divide_by(self, c: f64) -> Self {
        self.with(self.value.divide_by(c), |s| s.divide_by(c))
    }
    #[inline(always)]
    fn divide_into(self, c: f64) -> Self {
        let y = self.value.divide_into(c);
        self.with(y, |s| s.mul(y.div(self.value).neg()))
    }
    #[inline(always)]
    fn gt(self, other: Self) -> Self {
        Self::constant(self.value.gt(other.value))
    }
    #[inline(always)]
    fn eq(self, other: Self) -> Self {
        Self::constant(self.value.eq(other.value))
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
}
