//! Sums, differences, products, quotients: between arrays, and with plain numbers. `operators.rs` applies them.

use crate::calculus::Rule;
use crate::ops::elementwise::{elementwise, forward};
use crate::shape::broadcast_shape;
use crate::{Float, Jvp, Operation, Output, Shape, Tensor, Value, View, Vjp};

elementwise! {
    trait Arithmetic;

    /// The reciprocal: `y = 1 / x`, `dy/dx = −y²`. It is infinite at 0.
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

// Operators with a number have rules of their own, so that a literal never becomes a leaf.
elementwise! { operators
    /// `y = x + c` for a plain number c, `dy/dx = 1`.
    add_number: AddNumber(x; number) -> y { value: x + number, linear: 1.0, check: (0.3) [-1.5, 2.0] }
    /// `y = c · x` for a plain number c, `dy/dx = c`.
    mul_number: MulNumber(x; number) -> y { value: x * number, linear: number, check: (0.3) [-1.5, 2.0] }
    /// `y = x / c` for a plain number c, `dy/dx = 1/c`.
    div_number: DivNumber(x; number) -> y { value: x / number, linear: 1.0 / number, check: (0.3) [-1.5, 2.0] }
    /// `y = c − x` for a plain number c, `dy/dx = −1`.
    sub_from: SubFrom(x; number) -> y { value: number - x, linear: -1.0, check: (0.3) [-1.5, 2.0] }
    /// `y = c / x` for a plain number c, `dy/dx = −y/x`.
    div_into: DivInto(x; number) -> y { value: number / x, derivative: -(y / x), check: (0.3) [-1.5, 2.0] }
    /// `y = −x`, `dy/dx = −1`.
    negative: Neg(x) -> y { value: -x, linear: -1.0, check: [-1.5, 2.0] }
    /// `y = a + b`, `∂y/∂a = 1`, `∂y/∂b = 1`.
    add: Add(a, b) -> y { value: a + b, derivative: a.literal(1.0); a.literal(1.0), check: [[1.5, 0.7], [-2.0, -1.3]] }
    /// `y = a − b`, `∂y/∂a = 1`, `∂y/∂b = −1`.
    sub: Sub(a, b) -> y { value: a - b, derivative: a.literal(1.0); a.literal(-1.0), check: [[1.5, 0.7], [-2.0, -1.3]] }
    /// `y = a · b`, `∂y/∂a = b`, `∂y/∂b = a`.
    mul: Mul(a, b) -> y { value: a * b, derivative: b; a, check: [[1.5, 0.7], [-2.0, -1.3]] }
    /// `y = a / b`, `∂y/∂a = 1/b`, `∂y/∂b = −a/b²`.
    div: Div(a, b) -> y { value: a / b, derivative: 1 / b; -(a / (b * b)), check: [[1.5, 0.7], [-2.0, -1.3]] }
}

macro_rules! between {
    ($($name:literal $Type:ident |$cx:ident| $by_a:expr, $by_b:expr; $jvp:expr;)*) => {
        $(crate::engine::erased::compiled_here!($Type);
        impl<T: Float> Operation<T> for $Type {
            crate::engine::erased::compiled_here!(@erase T);
            fn name(&self) -> &'static str {
                $name
            }
            fn formula(&self) -> &'static str {
                <$Type as Rule<2>>::DOC.trim()
            }
            fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
                broadcast_shape(inputs[0], inputs[1])
            }
            fn forward(&self, inputs: &[View<'_, T>], output: Output<'_, T>) {
                forward(*self, [inputs[0], inputs[1]], output);
            }
            fn vjp<V: Tensor<T>>(&self, $cx: &Vjp<'_, T, V>) {
                $cx.add(0, || $by_a);
                $cx.add(1, || $by_b);
            }
            fn jvp<'s>(&self, $cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
                $jvp
            }
        })*
    };
}
// Between arrays, the gradients are written with operations rather than element by element: the gradient of a sum is
// the incoming gradient itself, and the other rules broadcast without writing out the repeated operand.
between! {
    "add" Add |cx| cx.grad(), cx.grad();
        cx.sum([cx.tangent(0), cx.tangent(1)].into_iter().flatten());
    "sub" Sub |cx| cx.grad(), -cx.grad();
        cx.sum([cx.tangent(0), cx.tangent(1).map(std::ops::Neg::neg)].into_iter().flatten());
    "mul" Mul |cx| cx.grad() * cx.input(1), cx.grad() * cx.input(0);
        cx.multilinear(&Mul {});
    "div" Div |cx| cx.grad() / cx.input(1), -(cx.grad() * cx.output() / cx.input(1)); {
        let by_a = cx.tangent(0).map(|a| a / cx.input(1));
        cx.sum([by_a, cx.tangent(1).map(|b| -(b * cx.output() / cx.input(1)))].into_iter().flatten())
    };
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    use ndarray::array;
    let pair = || vec![array![[1.5, -2.0], [0.3, 4.0]].into_dyn(), array![0.7, -1.3].into_dyn()];
    let column = || vec![array![[1.5], [-0.4]].into_dyn(), array![0.7, -1.3, 2.0].into_dyn()];
    let mut checks = rows();
    checks.extend(operators());
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
