//! Reverse-mode automatic differentiation of tensor operations, on a tape, to any order.
//!
//! A [`Tape`] records operations in the order in which they ran. In that order, every operation comes after the
//! operations whose results it uses. So one loop back through the record, from the cost to the leaves, computes all
//! gradients. Each operation is handed the gradient of the cost by its output, and by the chain rule it adds its part
//! to the gradients of its inputs.
//!
//! ```
//! use gradus_autograd::Tape;
//! use ndarray::array;
//!
//! let tape = Tape::new();
//! let x = tape.var(array![1.0, 2.0, 3.0]);
//! let cost = (x * x).sum();
//! assert_eq!(cost.backward().wrt(x), array![2.0, 4.0, 6.0].into_dyn());
//! ```
//!
//! # To read the crate
//!
//! `engine/tape.rs` (the record), `var.rs` (its handles), `operation.rs` (the definition of an operation), `sweep.rs`
//! (the chain rule) and `gradients.rs` (the result of a sweep) are under 1,500 lines, comments included. They show how
//! backpropagation works here, and a learner can stop there. A reader who wants to know more goes on with:
//!
//! - `calculus/`, the numbers in which a rule of differentiation is written, and then any family of operations in
//!   `ops/`;
//! - `engine/tensor.rs` and `value.rs`, the tensors that rules compute with, and the rest of `engine/`;
//! - `model/`, the parts of a model, and `tools/`, the functions that are built on the engine.
//!
//! `kernels/` and `memory/` are about speed, and the rest can be read without them. Each file imports from its own
//! layer or from lower layers. The layers, from the lowest, are: `shape` and `view`, `calculus`, `kernels`, `scalar`,
//! `memory`, `model`, `engine`, `ops`, `tools`. There is one exception: the tensors of `engine/` have the operations of
//! `ops/` as methods, because rules compute with them.

mod array;
mod axes;
mod calculus;
mod engine;
mod errors;
#[doc(hidden)]
pub mod exact;
mod exact_sum;
mod id_hasher;
mod kernels;
mod memory;
mod model;
mod ops;
mod places;
mod scalar;
mod shape;
mod stream;
mod tools;
mod unoptimised;
mod view;
mod windows;

pub use array::IntoArray;
pub use axes::{Axes, Kept, kept};
pub use calculus::{Expression, IntoNum, Num, Real};
#[doc(hidden)]
pub use engine::elsewhere::BufferUpdate;
pub use engine::gradients::{Differentiable, Gradients};
pub use engine::operand::{IntoVar, Operand};
pub use engine::operation::{Jvp, Operation, Vjp};
pub use engine::step::Memory;
pub use engine::tape::{Mode, Tape};
pub use engine::tensor::{IntoTensor, Tensor};
pub use engine::value::Value;
pub use engine::var::Var;
pub use functions::where_;
pub use kernels::{set_threads, with_threads};
pub use model::module::{Leaf, LeafMut, Module, Path, Segment, Visitor, path_fits};
pub use model::param::{Buffer, Param, ParamId};
pub use ops::batch_norm::NormThen;
pub use ops::convolution::Convolution;
pub use ops::einsum::einsum;
pub use ops::join::{concat, stack};
pub use ops::pooling::Pooling;
pub use ops::shape::Sizes;
pub use ops::slice::Place;
pub use ops::tensor_functions::TensorFunctions;
pub use scalar::Float;
pub use shape::Shape;
pub use stream::Stream;
pub use tools::checkpoint::Part;
pub use tools::derivatives::{
    differentiable, grad, hessian, hvp, jacobian, jvp, per_example_gradients, value_and_grad, vjp,
};
pub use tools::explain::explain;
pub use tools::gradcheck::{GradCheckError, gradcheck};
pub use tools::slopes::Slope;
pub use tools::trace::{Blocks, Input, Numbers, Step, Trace};
pub use view::{Output, View};

/// The elementwise operations as functions, for calls such as `.map(tanh)`.
///
/// ```
/// use gradus_autograd::{Tape, functions::tanh};
/// let tape = Tape::new();
/// let y: Vec<f32> = [tape.var(0.0), tape.var(1.0)].map(tanh).iter().map(|y| y.item()).collect();
/// assert_eq!(y[0], 0.0);
/// ```
pub mod functions {
    pub use crate::ops::activation::*;
    pub use crate::ops::arithmetic::*;
    pub use crate::ops::choose::*;
    pub use crate::ops::exponential::*;
    pub use crate::ops::trigonometric::*;
}

/// The traits that give every [`Tensor`] the operations of a [`Var`] as methods.
///
/// A rule that is written over any tensor, [`Operation::vjp`], has them without an import. For a [`Value`], in
/// [`Operation::jvp`], import all of them.
pub mod tensor_functions {
    pub use crate::TensorFunctions;
    pub use crate::ops::activation::Activations;
    pub use crate::ops::arithmetic::Arithmetic;
    pub use crate::ops::choose::Choices;
    pub use crate::ops::exponential::Exponentials;
    pub use crate::ops::trigonometric::Trigonometry;
}

/// Items that the other crates of the workspace need and that are not for users.
#[doc(hidden)]
pub mod internal {
    pub use crate::debug_as_display;
    pub use crate::kernels::add_assign;
    pub use crate::kernels::norm::{blocks_of, norm};
    pub use crate::kernels::threads::{split_by, split_many};
    pub use crate::kernels::vectorize;
    pub use crate::model::module::fits_none;
    pub use crate::scalar::Typed;
    pub use crate::stream::epoch_rng;
    pub use crate::unoptimised::hint_once;
}
