//! Rules recorded over variables: this is what makes a derivative differentiable again.

use crate::calculus::{Real, Rule};
use crate::{Float, Var, where_};

impl<T: Float> Real for Var<'_, T> {
    fn apply<R: Rule<N>, const N: usize>(rule: R, x: [Self; N]) -> Self {
        x[0].tape().elementwise(rule, x)
    }
    fn literal(self, c: f64) -> Self {
        self.tape().constant_with(self.shape(), |numbers| numbers.fill(T::from_f64(c)))
    }
    fn add(self, other: Self) -> Self {
        self + other
    }
    fn sub(self, other: Self) -> Self {
        self - other
    }
    fn mul(self, other: Self) -> Self {
        self * other
    }
    fn div(self, other: Self) -> Self {
        self / other
    }
    fn neg(self) -> Self {
        -self
    }
    fn shift(self, c: f64) -> Self {
        self + c
    }
    fn scale(self, c: f64) -> Self {
        self * c
    }
    fn divide_by(self, c: f64) -> Self {
        self / c
    }
    fn divide_into(self, c: f64) -> Self {
        c / self
    }
    fn gt(self, other: Self) -> Self {
        Var::gt(self, other)
    }
    fn eq(self, other: Self) -> Self {
        Var::eq(self, other)
    }
    fn above(self, c: f64) -> Self {
        Var::gt(self, c)
    }
    fn below(self, c: f64) -> Self {
        Var::lt(self, c)
    }
    fn choose(self, yes: Self, no: Self) -> Self {
        where_(self, yes, no)
    }
}
