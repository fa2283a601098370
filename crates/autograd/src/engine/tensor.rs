//! The tensors over which the rules of differentiation are written.
//!
//! There are three kinds of tensors, one for each sweep: [`Value`](crate::Value), an array, where gradients are
//! computed; [`Var`](crate::Var), where they are recorded, to be differentiated again; and `DualValue`, an array that
//! carries its derivative along a direction, where Hessian-vector products are computed.
//!
//! A tensor has the operations of `ops/` as methods, so this file alone of the engine imports from there.

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::axes::kept;
use crate::calculus::{Expression, Rule};
use crate::engine::operation::Operation;
use crate::ops::shape::Sizes;
use crate::ops::tensor_functions::TensorFunctions;
use crate::places::Places;
use crate::shape::{broadcast_axes, broadcast_shape};
use crate::view::View;
use crate::{Float, Var};

/// An array ([`Value`](crate::Value)) or a variable ([`Var`](crate::Var)), with which [`Operation::vjp`] computes.
///
/// Arithmetic broadcasts as everywhere in the crate. The operations of a variable are methods of every tensor, under
/// the same names: see [`TensorFunctions`].
pub trait Tensor<T: Float>:
    Sweep<T>
    + TensorFunctions<T>
    + Clone
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Add<f64, Output = Self>
    + Sub<f64, Output = Self>
    + Mul<f64, Output = Self>
    + Div<f64, Output = Self>
{
    /// Applies an operation.
    fn apply<O: Operation<T>>(operation: O, inputs: &[&Self]) -> Self;
    /// The sizes of the axes.
    fn shape(&self) -> &[usize];
    /// A constant of the given shape. `fill` is handed zeros and writes the numbers.
    fn constant(&self, shape: &[usize], fill: impl FnOnce(&mut [T])) -> Self;
    /// Calls a function of variables. So a rule can use whatever variables have: a [`fused!`](crate::fused) function,
    /// [`einsum`](crate::einsum), a function of your own.
    ///
    /// The derivative of the function is part of what is computed, as with any operation. Where plain arrays are
    /// computed, the arrays are copied to a tape of their own; the methods of [`TensorFunctions`] that are a single
    /// operation are not.
    ///
    /// ```
    /// use gradus_autograd::{Float, Operation, Output, Shape, Tape, Tensor, View, Vjp, fused};
    ///
    /// fused! { fn slope(x) { 1 / x.cosh().square() } }
    ///
    /// /// `y = tanh x`, with a rule that calls a fused function
    /// struct Tanh;
    /// impl<T: Float> Operation<T> for Tanh {
    ///     fn name(&self) -> &'static str { "own_tanh" }
    ///     fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> { Ok(inputs[0].into()) }
    ///     fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
    ///         for (y, &x) in output.data().iter_mut().zip(inputs[0].data()) { *y = T::from_f64(x.to_f64().tanh()) }
    ///     }
    ///     fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
    ///         cx.add(0, || cx.grad() * V::function([&cx.input(0)], |[x]| slope(x)));
    ///     }
    /// }
    ///
    /// let x = ndarray::array![0.3, -1.2].into_dyn();
    /// gradus_autograd::gradcheck(|v| v[0].tape().apply(Tanh, [v[0]]), &[x]).unwrap();
    /// ```
    #[track_caller]
    fn function<const N: usize>(inputs: [&Self; N], f: impl for<'t> FnOnce([Var<'t, T>; N]) -> Var<'t, T>) -> Self;
    /// The same numbers in another shape: see [`Var::reshape`].
    #[track_caller]
    fn reshape(self, shape: impl Sizes) -> Self;
    /// Repeats the numbers along new leading axes and along axes of size 1.
    fn broadcast_to(self, shape: &[usize]) -> Self;
}

/// A tensor or a plain number, as the second operand of a tensor's method: `x.maximum(&y)`, `x.maximum(0.0)`.
pub trait IntoTensor<T: Float, V>: Sized {
    /// The operand, if it is a plain number.
    #[doc(hidden)]
    fn number(&self) -> Option<f64> {
        None
    }
    /// The operand as a tensor beside `x`: a number becomes a constant.
    #[doc(hidden)]
    fn into_tensor(self, x: &V) -> V;
}

impl<T: Float, V: Tensor<T>> IntoTensor<T, V> for &V {
    fn into_tensor(self, _: &V) -> V {
        self.clone()
    }
}
impl<T: Float, V: Tensor<T>> IntoTensor<T, V> for f64 {
    fn number(&self) -> Option<f64> {
        Some(*self)
    }
    fn into_tensor(self, x: &V) -> V {
        x.constant(&[], |numbers| numbers.fill(T::from_f64(self)))
    }
}
impl<T: Float, V: Tensor<T>> IntoTensor<T, V> for i32 {
    fn number(&self) -> Option<f64> {
        Some(f64::from(*self))
    }
    fn into_tensor(self, x: &V) -> V {
        f64::from(self).into_tensor(x)
    }
}

/// The functions that a sweep needs of the tensors that it computes with. This trait seals [`Tensor`]: code outside
/// this crate cannot name it.
///
/// A node of the tape is given by its number, and `Context` is the place where a sweep finds its tensors.
pub trait Sweep<T: Float>: Sized {
    /// The place where a sweep reads the nodes of the tape.
    type Context: Copy;
    /// The gradient of one node while it is being added up.
    type Sum: From<Self>;

    /// The value of a node. [`Vjp::input`](crate::Vjp::input) and `output` return it.
    fn load(context: Self::Context, node: u32) -> Self;
    /// Whether a node is a differentiated leaf, or was computed from one.
    fn is_differentiated(context: Self::Context, node: u32) -> bool;
    /// The line of the program that made a node.
    fn location(context: Self::Context, node: u32) -> &'static std::panic::Location<'static>;
    /// Sums a gradient to the shape of a node, as [`sum_to`] does.
    fn sum_to_node(self, context: Self::Context, node: u32) -> Self;

    /// Adds a gradient to a sum.
    fn accumulate(sum: Self::Sum, term: Self) -> Self::Sum;
    /// Returns `sum + a · b` in the shape of a node; `transposed` says which operands are transposed first.
    fn add_product(
        sum: Option<Self::Sum>,
        operands: [Self; 2],
        transposed: [bool; 2],
        context: Self::Context,
        node: u32,
    ) -> Self::Sum;
    /// Adds `part` to a sum in the shape of a node, at some of its places.
    fn add_at(sum: Option<Self::Sum>, places: &Places, part: Self, context: Self::Context, node: u32) -> Self::Sum;
    /// The complete gradient from a sum, in the shape of a node.
    fn total(sum: Self::Sum, context: Self::Context, node: u32) -> Self;

    /// The one number of an array, where numbers are all that is asked for; `None` in sweeps that need its derivative.
    fn number(&self) -> Option<f64>;
    /// The numbers at some places.
    fn take(&self, places: &Places) -> Self;
    /// Arrays that `compute` writes, given the numbers of others; `None` in sweeps that need their derivative.
    fn numbers<const N: usize>(
        context: Self::Context,
        arrays: &[Self],
        shapes: [&[usize]; N],
        compute: impl FnOnce(&[View<'_, T>], [&mut [T]; N]),
    ) -> Option<[Self; N]>;
    /// `g · ∂f/∂xᵢ` of an elementwise function.
    fn chain<R: Rule<N>, const N: usize>(rule: R, i: usize, g: Self, x: [Self; N], y: Self) -> Self;
    /// `g · ∂f/∂xᵢ` of a fused expression, whose derivative `slope` was kept. `moving` is the loop for arrays that
    /// carry a tangent.
    fn chain_fused<R: Expression<N>, const N: usize>(
        rule: R,
        i: usize,
        g: Self,
        x: [Self; N],
        slope: Self,
        moving: FusedLoop<R, T>,
    ) -> Self;
}

/// `g ← g · f′` and `dg ← dg · f′ + g · df′`, where f′ is the derivative of a fused expression by input `i`. The arrays
/// are the inputs, g, and the tangents of those of them that move; the flags say which of them move.
pub(crate) type FusedLoop<R, T> = fn(R, usize, (&[View<'_, T>], &[bool]), &[usize], [&mut [T]; 2]);

/// Undoes broadcasting: sums over all places that a number was repeated to.
pub(crate) fn sum_to<T: Float, V: Tensor<T>>(x: V, shape: &[usize]) -> V {
    if x.shape() == shape {
        return x;
    }
    if broadcast_shape(x.shape(), shape).is_ok_and(|wide| *wide == *shape) {
        return x.broadcast_to(shape); // a rule may give one number for many places
    }
    let axes = broadcast_axes(shape, x.shape());
    if axes.is_empty() { x.reshape(shape) } else { x.sum_axis(kept(&axes)).reshape(shape) }
}
