//! Choosing between numbers (the larger, the smaller, by a condition), and comparing numbers.

use crate::calculus::Numeric;
use crate::ops::elementwise::elementwise;
use crate::shape::broadcast_shape;
use crate::{Float, IntoVar, Jvp, Operand, Operation, Output, Shape, Tensor, Value, Var, View, Vjp};

elementwise! {
    trait Choices;

    /// `y = |x|`, `dy/dx = sign x`, which is 0 at 0.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var([-2.0, 0.0, 3.0]);
    /// assert_eq!(x.abs().sum().backward().wrt(x), ndarray::array![-1.0, 0.0, 1.0].into_dyn());
    /// ```
    abs: Abs(x) -> y { value: x.by(Numeric::abs), derivative: x.gt(0.0) - x.lt(0.0), check: [-1.5, 0.7] }
    /// `y = 1` where x > 0, −1 where x < 0, 0 at 0; NaN stays NaN. Its derivative is 0 everywhere.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// assert_eq!(tape.var([-3.0, 0.0, 2.0]).sign().data(), [-1.0, 0.0, 1.0]);
    /// ```
    sign: Sign(x) -> y {
        value: x.eq(x).choose(x.gt(0.0) - x.lt(0.0), x), derivative: x.literal(0.0), check: [-1.5, 0.7]
    }
    /// `y = min(max(x, low), high)`, `dy/dx = 1` strictly between the bounds, 0 at them and outside (PyTorch since
    /// 2.14). NaN stays NaN. If you need only one bound, give ±∞ as the other, or use [`maximum`](Self::maximum).
    ///
    /// With −1 and 1 it is the activation that PyTorch calls `hardtanh`, with 0 and 6 `relu6`.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var([-3.0, 0.5, 1.0]);
    /// assert_eq!(x.clamp(-1.0, 1.0).data(), [-1.0, 0.5, 1.0]);
    /// assert_eq!(x.clamp(-1.0, 1.0).sum().backward().wrt(x), ndarray::array![0.0, 1.0, 0.0].into_dyn());
    /// ```
    clamp: Clamp(x; low, high) -> y {
        value: {
            let raised = x.lt(low).choose(low, x);
            raised.gt(high).choose(high, raised)
        },
        derivative: x.gt(low) * x.lt(high),
        check: (-0.5, 1.0) [-1.5, 0.7, 2.0],
    }
    /// The larger of two numbers, element by element. Where they are equal, each gets half the gradient. The result is
    /// NaN where either number is.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let (a, b) = (tape.var([1.0, 2.0]), tape.var([0.0, 2.0]));
    /// assert_eq!(a.maximum(b).sum().backward().wrt(a), ndarray::array![1.0, 0.5].into_dyn());
    /// ```
    maximum: Maximum(a, b) -> y {
        value: a.gt(b).choose(a, b.eq(b).choose(a.eq(a).choose(b, a), b)),
        derivative: a.gt(b) + a.eq(b) * 0.5; b.gt(a) + a.eq(b) * 0.5,
        check: [[1.0, 2.0], [2.0, -1.0]],
    }
    /// The smaller of two numbers, element by element. Where they are equal, each gets half the gradient. The result is
    /// NaN where either number is.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// assert_eq!(tape.var([1.0, 2.0]).minimum(1.5).data(), [1.0, 1.5]);
    /// ```
    minimum: Minimum(a, b) -> y {
        value: b.gt(a).choose(a, b.eq(b).choose(a.eq(a).choose(b, a), b)),
        derivative: b.gt(a) + a.eq(b) * 0.5; a.gt(b) + a.eq(b) * 0.5,
        check: [[1.0, 2.0], [2.0, -1.0]],
    }
}

macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident |$a:ident, $b:ident| $holds:expr;)*) => {
        impl<'t, T: Float> Var<'t, T> {
            $($(#[$doc])*
            ///
            /// The result is a constant: a comparison has no derivative.
            #[track_caller]
            pub fn $name(self, other: impl IntoVar<'t, T>) -> Self {
                self.compare(stringify!($name), other, |$a, $b| $holds)
            }
            )*
        }
    };
}
comparisons! {
    /// 1 where this is greater than `other`, else 0.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// assert_eq!(tape.var([1.0, 3.0]).gt(2.0).data(), [0.0, 1.0]);
    /// ```
    gt |a, b| a > b;
    /// 1 where this is less than `other`, else 0.
    lt |a, b| a < b;
    /// 1 where this is greater than `other` or equal, else 0.
    ge |a, b| a >= b;
    /// 1 where this is less than `other` or equal, else 0.
    le |a, b| a <= b;
    /// 1 where this equals `other`, else 0.
    eq |a, b| a == b;
}

impl<'t, T: Float> Var<'t, T> {
    #[track_caller]
    fn compare(self, name: &str, other: impl IntoVar<'t, T>, holds: impl Fn(T, T) -> bool) -> Self {
        let truth = |a, b| if holds(a, b) { T::from_f64(1.0) } else { T::default() };
        let a = self.data();
        match other.operand(self.tape()) {
            Operand::Number(c) => {
                let c = T::from_f64(c);
                self.tape().constant_with(self.shape(), |out| {
                    out.iter_mut().zip(a).for_each(|(out, &a)| *out = truth(a, c));
                })
            }
            Operand::Var(b) => {
                let shape = match broadcast_shape(self.shape(), b.shape()) {
                    Ok(shape) => shape,
                    Err(reason) => panic!("{name}: {reason}"),
                };
                let (a, b) = (self.detach().broadcast_to(&shape).data(), b.detach().broadcast_to(&shape).data());
                self.tape().constant_with(&shape, |out| {
                    out.iter_mut().zip(a).zip(b).for_each(|((out, &a), &b)| *out = truth(a, b));
                })
            }
        }
    }
}

/// `y = a` where the condition is not 0, else `y = b`. The gradient goes to the operand that was chosen.
pub(crate) struct Where {}

crate::engine::erased::compiled_here!(Where);
impl<T: Float> Operation<T> for Where {
    crate::engine::erased::compiled_here!(@erase T);
    fn name(&self) -> &'static str {
        "where"
    }
    fn formula(&self) -> &'static str {
        "`y = a` where the condition is not 0, else `y = b`. The gradient goes to the operand that was chosen."
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        broadcast_shape(inputs[0], inputs[1]).and_then(|shape| broadcast_shape(&shape, inputs[2]))
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let zero = T::default();
        if inputs.iter().all(|x| x.shape() == output.shape()) {
            let [condition, a, b] = [inputs[0].data(), inputs[1].data(), inputs[2].data()];
            for (i, out) in output.data().iter_mut().enumerate() {
                *out = if condition[i] != zero { a[i] } else { b[i] };
            }
            return;
        }
        let spread = |i: usize| inputs[i].array();
        let (condition, a, b) = (spread(0), spread(1), spread(2));
        let wide = |x: &ndarray::ArrayViewD<'_, T>| {
            x.broadcast(output.shape()).expect("a shape that fits the others").to_owned()
        };
        let (condition, a, b) = (wide(&condition), wide(&a), wide(&b));
        for (out, ((c, a), b)) in output.data().iter_mut().zip(condition.iter().zip(a.iter()).zip(b.iter())) {
            *out = if *c != zero { *a } else { *b };
        }
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        // chosen, not multiplied by 0: an infinite gradient on the other side must not turn into NaN
        let zero = || cx.grad().constant(&[], |_| {});
        cx.none(0);
        cx.add(1, || V::apply(Where {}, &[&cx.input(0), &cx.grad(), &zero()]));
        cx.add(2, || V::apply(Where {}, &[&cx.input(0), &zero(), &cx.grad()]));
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        if cx.tangent(1).is_none() && cx.tangent(2).is_none() {
            return None; // the condition may move, but this changes nothing
        }
        let moved = |i: usize| cx.tangent(i).unwrap_or_else(|| cx.input(i).zeros());
        Some(Value::run(self, &[&cx.input(0), &moved(1), &moved(2)]))
    }
}

/// `a` where `condition` is not 0, else `b`, element by element, broadcasting. The condition, usually a comparison, is
/// not differentiated; an operand gets a gradient of exactly 0 where it was not chosen.
///
/// A trap: `where_(x.gt(0.0), x.sqrt(), 0.0 * x)` has gradient NaN at 0, since the derivative of the root there is
/// infinite and 0 · ∞ is NaN. Make the argument safe first, then choose: `where_(x.gt(0.0), where_(x.gt(0.0), x,
/// 1.0).sqrt(), 0.0)`.
///
/// ```
/// use gradus_autograd::{Tape, where_};
/// let tape = Tape::new();
/// let x = tape.var([-2.0, 3.0]);
/// let y = where_(x.gt(0.0), x * 10.0, -x);
/// assert_eq!(y.data(), [2.0, 30.0]);
/// assert_eq!(y.sum().backward().wrt(x), ndarray::array![-1.0, 10.0].into_dyn());
/// ```
#[track_caller]
pub fn where_<'t, T: Float>(condition: Var<'t, T>, a: impl IntoVar<'t, T>, b: impl IntoVar<'t, T>) -> Var<'t, T> {
    let tape = condition.tape();
    let (a, b) = (a.into_var(tape), b.into_var(tape));
    tape.apply(Where {}, [condition.detach(), a, b])
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    use ndarray::array;
    let mut checks = rows();
    let inputs = vec![array![[1.5, -2.0], [0.3, 4.0]].into_dyn(), array![0.7, -1.3].into_dyn()];
    checks.push(check!("where", inputs, |v| {
        where_(v[0].tape().constant(array![[1.0, 0.0], [0.0, 1.0]]), v[0] * v[0], v[1] * v[1] * v[0])
    }));
    checks
}
