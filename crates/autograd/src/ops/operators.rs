//! The operators `+ − × ÷` on every kind of tensor.

use std::ops::{Add, Div, Mul, Neg, Sub};

use ndarray::{ArrayBase, Data, Dimension};

use crate::engine::dual_value::DualValue;
use crate::ops::arithmetic::{self, AddNumber, DivInto, DivNumber, MulNumber, SubFrom};
use crate::ops::elementwise::Row;
use crate::{Buffer, Float, IntoVar, Operand, Param, Tensor, Value, Var};

macro_rules! var {
    ($Trait:ident $method:ident $operation:expr, |$x:ident, $c:ident| $right:expr, $left:expr) => {
        impl<'t, T: Float, R: IntoVar<'t, T>> $Trait<R> for Var<'t, T> {
            type Output = Var<'t, T>;
            #[track_caller]
            fn $method(self, other: R) -> Var<'t, T> {
                match other.operand(self.tape()) {
                    Operand::Number($c) => {
                        let $x = self;
                        $right
                    }
                    Operand::Var(other) => self.tape().apply($operation, [self, other]),
                }
            }
        }
        var!(@left f64 $Trait $method |$x, $c| $left);
        var!(@left i32 $Trait $method |$x, $c| $left);
        // a parameter, a buffer or an array on the left: it knows its tape by the variable on the right
        var!(@leaf [] &Param<T>, $Trait $method);
        var!(@leaf [] &Buffer<T>, $Trait $method);
        var!(@leaf [S: Data<Elem = T>, D: Dimension] &ArrayBase<S, D>, $Trait $method);
    };
    (@leaf [$($generics:tt)*] $Leaf:ty, $Trait:ident $method:ident) => {
        impl<'t, T: Float, $($generics)*> $Trait<Var<'t, T>> for $Leaf {
            type Output = Var<'t, T>;
            #[track_caller]
            fn $method(self, x: Var<'t, T>) -> Var<'t, T> {
                $Trait::$method(self.into_var(x.tape()), x)
            }
        }
    };
    (@left $number:ident $Trait:ident $method:ident |$x:ident, $c:ident| $left:expr) => {
        impl<'t, T: Float> $Trait<Var<'t, T>> for $number {
            type Output = Var<'t, T>;
            #[track_caller]
            fn $method(self, $x: Var<'t, T>) -> Var<'t, T> {
                let $c = f64::from(self);
                $left
            }
        }
    };
}
var!(Add add arithmetic::Add {}, |x, c| x.by(AddNumber { number: c }), x.by(AddNumber { number: c }));
var!(Sub sub arithmetic::Sub {}, |x, c| x.by(AddNumber { number: -c }), x.by(SubFrom { number: c }));
var!(Mul mul arithmetic::Mul {}, |x, c| x.by(MulNumber { number: c }), x.by(MulNumber { number: c }));
var!(Div div arithmetic::Div {}, |x, c| x.by(DivNumber { number: c }), x.by(DivInto { number: c }));

impl<'t, T: Float> Neg for Var<'t, T> {
    type Output = Var<'t, T>;
    #[track_caller]
    fn neg(self) -> Var<'t, T> {
        self.by(arithmetic::Neg {})
    }
}

impl<T: Float> Var<'_, T> {
    /// Applies the rule of an operator.
    #[track_caller]
    fn by<R: Row<1>>(self, rule: R) -> Self {
        self.tape().elementwise(rule, [self])
    }
}

macro_rules! arrays {
    ($($Trait:ident $method:ident $operation:expr, $number:ident, |$x:ident, $c:ident| $moved:expr;)*) => {
        $(impl<T: Float> $Trait for Value<'_, T> {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                Self::apply($operation, &[&self, &other])
            }
        }
        impl<T: Float> $Trait<f64> for Value<'_, T> {
            type Output = Self;
            fn $method(self, c: f64) -> Self {
                self.with_number(T::kernels().$number, T::from_f64(c))
            }
        }
        impl<T: Float> $Trait for DualValue<'_, T> {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                Self::apply($operation, &[&self, &other])
            }
        }
        impl<T: Float> $Trait<f64> for DualValue<'_, T> {
            type Output = Self;
            fn $method(self, $c: f64) -> Self {
                DualValue { value: $Trait::$method(self.value, $c), tangent: self.tangent.map(|$x| $moved) }
            }
        })*
    };
}
arrays! {
    Add add arithmetic::Add {}, add_number, |x, _c| x;
    Sub sub arithmetic::Sub {}, sub_number, |x, _c| x;
    Mul mul arithmetic::Mul {}, mul_number, |x, c| x * c;
    Div div arithmetic::Div {}, div_number, |x, c| x / c;
}

impl<T: Float> Neg for Value<'_, T> {
    type Output = Self;
    fn neg(self) -> Self {
        self * -1.0
    }
}

impl<T: Float> Neg for DualValue<'_, T> {
    type Output = Self;
    fn neg(self) -> Self {
        self.map(Neg::neg)
    }
}
