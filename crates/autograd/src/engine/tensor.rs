//! What the rules of differentiation are written over.
//!
//! There are three kinds of tensors, one for each sweep: [`Value`](crate::Value), an array, where gradients are
//! computed; [`Var`](crate::Var), where they are recorded, to be differentiated again; and `DualValue`, an array that
//! carries its derivative along a direction, where Hessian-vector products are computed.

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::Float;
use crate::calculus::{Expression, Rule};
use crate::engine::operation::Operation;
use crate::places::Places;
use crate::shape::{broadcast_axes, broadcast_shape};
use crate::view::{Output, View};

/// An array ([`Value`](crate::Value)) or a variable ([`Var`](crate::Var)): what [`Operation::vjp`] computes with.
///
/// Arithmetic broadcasts as everywhere in the crate. Some operations are methods, of [`TensorFunctions`]; the others
/// are there by [`Tensor::apply`].
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
    /// A constant of the given shape, written by `fill`, which is handed zeros.
    fn constant(&self, shape: &[usize], fill: impl FnOnce(&mut [T])) -> Self;
    /// The same numbers in another shape.
    fn reshape(self, shape: &[usize]) -> Self;
    /// Repeated along new leading axes and along axes of size 1.
    fn broadcast_to(self, shape: &[usize]) -> Self;
}

/// Operations on tensors, as methods. Every [`Tensor`] has them.
pub trait TensorFunctions<T: Float>: Sized {
    /// Summed over `axes`, which keep size 1.
    fn sum_keep(&self, axes: &[usize]) -> Self;
    /// Axis `k` of the result is axis `axes[k]` of this.
    fn permute(&self, axes: &[usize]) -> Self;
    /// Matrix product over the last two axes, each operand transposed first where asked.
    fn matmul(&self, other: &Self, transposed: [bool; 2]) -> Self;
    /// eˣ
    fn exp(&self) -> Self;
    /// ln x
    fn ln(&self) -> Self;
}

/// What a sweep asks of the tensors that it computes with. It seals [`Tensor`]: nobody outside this crate can name it.
///
/// A node of the tape is told by its number, and `Context` is where its tensors are found.
pub trait Sweep<T: Float>: Sized {
    /// Where a sweep reads the nodes of the tape.
    type Context: Copy;
    /// Gradients of one node that are being added up.
    type Sum: From<Self>;

    /// The value of a node. [`Vjp::input`](crate::Vjp::input) and `output` are this.
    fn load(context: Self::Context, node: u32) -> Self;
    /// Whether a differentiated leaf went into a node.
    fn is_differentiated(context: Self::Context, node: u32) -> bool;
    /// The line of the program that made a node.
    fn location(context: Self::Context, node: u32) -> &'static std::panic::Location<'static>;
    /// [`sum_to`] the shape of a node.
    fn sum_to_node(self, context: Self::Context, node: u32) -> Self;

    /// Adds a gradient to a sum.
    fn accumulate(sum: Self::Sum, term: Self) -> Self::Sum;
    /// `sum + a · b`, each operand transposed first where asked, in the shape of a node.
    fn add_product(
        sum: Option<Self::Sum>,
        operands: [Self; 2],
        transposed: [bool; 2],
        context: Self::Context,
        node: u32,
    ) -> Self::Sum;
    /// Adds to a sum in the shape of a node at some of its places.
    fn add_at(sum: Option<Self::Sum>, places: &Places, part: Self, context: Self::Context, node: u32) -> Self::Sum;
    /// The whole of a sum in the shape of a node.
    fn total(sum: Self::Sum, context: Self::Context, node: u32) -> Self;

    /// The numbers at some places.
    fn take(&self, places: &Places) -> Self;
    /// An array that `compute` writes, given the numbers of others; `None` where derivatives are recorded.
    fn numbers(
        context: Self::Context,
        arrays: &[Self],
        shape: &[usize],
        compute: impl FnOnce(&[View<'_, T>], Output<'_, T>),
    ) -> Option<Self>;
    /// `g · ∂f/∂xᵢ` of an elementwise function.
    fn chain<R: Rule<N>, const N: usize>(rule: R, i: usize, g: Self, x: [Self; N], y: Self) -> Self;
    /// `g · ∂f/∂xᵢ` of a fused expression, whose derivative `slope` was kept. `moving` is the loop for arrays that
    /// move.
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
/// are the inputs, g, and how those of them move that do.
pub(crate) type FusedLoop<R, T> = fn(R, usize, (&[View<'_, T>], &[bool]), &[usize], [&mut [T]; 2]);

/// What undoes broadcasting: the sum over all places that a number was repeated to.
pub(crate) fn sum_to<T: Float, V: Tensor<T>>(x: V, shape: &[usize]) -> V {
    if x.shape() == shape {
        return x;
    }
    if broadcast_shape(x.shape(), shape).is_ok_and(|wide| *wide == *shape) {
        return x.broadcast_to(shape); // a rule may give one number for many
    }
    let axes = broadcast_axes(shape, x.shape());
    if axes.is_empty() { x.reshape(shape) } else { x.sum_keep(&axes).reshape(shape) }
}
