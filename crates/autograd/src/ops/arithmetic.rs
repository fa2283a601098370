//! Sums, differences, products, quotients: between variables, and with plain numbers.

use std::ops::{Add as AddOp, Div as DivOp, Mul as MulOp, Neg as NegOp, Sub as SubOp};

use crate::ops::broadcast::broadcast_shape;
use crate::ops::elementwise::{elementwise, elementwise_binary, forward_binary};
use crate::{Float, IntoVar, Jvp, Operand, Operation, Output, Shape, Tensor, Value, Var, View, Vjp};

// With numbers. They are rules of their own, so a literal never becomes a leaf.
elementwise! {
    #[doc(hidden)]
    /// `y = x + number`, `dy/dx = 1`. Written `x + 2.0`.
    add_number: Shift(x; number) -> y { value: x + number, linear: 1.0, check: (0.3) [-1.5, 2.0] }
    #[doc(hidden)]
    /// `y = x · number`. Written `x * 2.0`.
    mul_number: Scale(x; number) -> y { value: x * number, linear: number, check: (0.3) [-1.5, 2.0] }
    #[doc(hidden)]
    /// `y = x / number`. Written `x / 2.0`.
    div_number: Divide(x; number) -> y { value: x / number, linear: 1.0 / number, check: (0.3) [-1.5, 2.0] }
    #[doc(hidden)]
    /// `y = number − x`, `dy/dx = −1`. Written `2.0 - x`.
    sub_from: SubFrom(x; number) -> y { value: number - x, linear: -1.0, check: (0.3) [-1.5, 2.0] }
    #[doc(hidden)]
    /// `y = number / x`, `dy/dx = −y / x`. Written `2.0 / x`.
    div_into: Over(x; number) -> y { value: number / x, derivative: -(y / x), check: (0.3) [-1.5, 2.0] }
    /// `y = −x`. Written `-x`.
    negative: Neg(x) -> y { value: -x, linear: -1.0, check: [-1.5, 2.0] }
    /// The reciprocal: `y = 1 / x`, `dy/dx = −y²`. Infinite at 0.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(4.0);
    /// let y = x.recip();
    /// assert_eq!(y.item(), 0.25);
    /// assert_eq!(y.backward().wrt(x).first(), Some(&-0.0625));
    /// ```
    recip: Recip(x) -> y { value: 1 / x, derivative: -(y * y), check: [-1.5, 0.5] }
}

macro_rules! between {
    ($($name:ident $Type:ident($a:ident, $b:ident) { $value:expr, { $da:expr, $db:expr } } |$cx:ident| { $ga:expr, $gb:expr } $jvp:expr;)*) => {
        $(
            elementwise_binary!(@rule $name, $Type($a, $b) -> y, $value, $da, $db);

            impl<T: Float> Operation<T> for $Type {
                fn name(&self) -> &'static str {
                    stringify!($name)
                }
                fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
                    broadcast_shape(inputs[0], inputs[1])
                }
                fn forward(&self, inputs: &[View<'_, T>], output: Output<'_, T>) {
                    forward_binary(*self, inputs, output);
                }
                fn vjp<V: Tensor<T>>(&self, $cx: &Vjp<'_, T, V>) {
                    $cx.add(0, || $ga);
                    $cx.add(1, || $gb);
                }
                fn jvp<'s>(&self, $cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
                    $jvp
                }
            }
        )*
    };
}
// The gradients are written with operations rather than element by element: that of a sum is the incoming gradient
// itself, and the others broadcast without writing the repeated operand out.
between! {
    add Add(a, b) { a + b, { a.literal(1.0), a.literal(1.0) } } |cx| { cx.grad(), cx.grad() }
        cx.sum([cx.tangent(0), cx.tangent(1)].into_iter().flatten());
    sub Sub(a, b) { a - b, { a.literal(1.0), a.literal(-1.0) } } |cx| { cx.grad(), -cx.grad() }
        cx.sum([cx.tangent(0), cx.tangent(1).map(NegOp::neg)].into_iter().flatten());
    mul Mul(a, b) { a * b, { b, a } } |cx| { cx.grad() * cx.input(1), cx.grad() * cx.input(0) }
        cx.multilinear(&Mul {});
    div Div(a, b) { a / b, { 1 / b, -(a / (b * b)) } } |cx| {
        cx.grad() / cx.input(1),
        -(cx.grad() * cx.output() / cx.input(1))
    } {
        let by_a = cx.tangent(0).map(|a| a / cx.input(1));
        cx.sum([by_a, cx.tangent(1).map(|b| -(b * cx.output() / cx.input(1)))].into_iter().flatten())
    };
}

macro_rules! operator {
    ($Trait:ident $method:ident $Type:ident, |$x:ident, $c:ident| $right:expr, $left:expr) => {
        impl<'t, T: Float, R: IntoVar<'t, T>> $Trait<R> for Var<'t, T> {
            type Output = Var<'t, T>;
            #[track_caller]
            fn $method(self, other: R) -> Var<'t, T> {
                match other.operand(self.tape()) {
                    Operand::Number($c) => {
                        let $x = self;
                        $right
                    }
                    Operand::Var(other) => self.tape().apply($Type {}, [self, other]),
                }
            }
        }
        operator!(@left f64 $Trait $method |$x, $c| $left);
        operator!(@left i32 $Trait $method |$x, $c| $left);
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
operator!(AddOp add Add, |x, c| x.add_number(c), x.add_number(c));
operator!(SubOp sub Sub, |x, c| x.add_number(-c), x.sub_from(c));
operator!(MulOp mul Mul, |x, c| x.mul_number(c), x.mul_number(c));
operator!(DivOp div Div, |x, c| x.div_number(c), x.div_into(c));

impl<'t, T: Float> NegOp for Var<'t, T> {
    type Output = Var<'t, T>;
    #[track_caller]
    fn neg(self) -> Var<'t, T> {
        self.tape().elementwise(Neg {}, self)
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    use ndarray::array;
    let pair = || vec![array![[1.5, -2.0], [0.3, 4.0]].into_dyn(), array![0.7, -1.3].into_dyn()];
    let column = || vec![array![[1.5], [-0.4]].into_dyn(), array![0.7, -1.3, 2.0].into_dyn()];
    let mut checks = unary_checks();
    checks.extend([
        check!("add", pair(), |v| v[0] + v[1]).elementwise(),
        check!("sub", pair(), |v| v[0] - v[1]).elementwise(),
        check!("mul", pair(), |v| v[0] * v[1]).elementwise(),
        check!("mul", column(), |v| v[0] * v[1]),
        check!("mul", vec![array![2.0, 3.0].into_dyn()], |v| v[0] * v[0] * v[0]),
        check!("div", pair(), |v| v[0] / v[1]).elementwise(),
        check!("div", column(), |v| v[0] / v[1]),
    ]);
    checks
}
