//! Reverse-mode automatic differentiation of tensor operations, on a tape, to any order.
//!
//! A [`Tape`] records operations in the order in which they ran. Because that order puts every operation after what it
//! needs, gradients are swept back through the record in one loop, from the cost to the leaves: each operation is
//! handed the gradient of the cost by its output and adds, by the chain rule, what that means for its inputs.
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
//! `engine/tape.rs` (the record), `var.rs` (its handles), `operation.rs` (what an operation is), `sweep.rs` (the chain
//! rule) and `gradients.rs` (what a sweep returns) are under 1,500 lines, comments included. They are how
//! backpropagation works here, and a learner can stop there. Who wants to know more goes on with:
//!
//! - `calculus/`, what a rule of differentiation is written in, and then any family of operations in `ops/`;
//! - `engine/tensor.rs` and `value.rs`, what rules compute with, and the rest of `engine/`;
//! - `model/`, what a model is made of, and `tools/`, what is built on the engine.
//!
//! `kernels/` and `memory/` are about speed, and the rest reads without them. Each file imports from its own floor or
//! from those below: `shape` and `view`, `calculus`, `kernels`, `scalar`, `memory`, `model`, `engine`, `ops`, `tools`.

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
mod view;

pub use array::IntoArray;
pub use axes::{Axes, Kept, kept};
pub use calculus::{Expression, IntoNum, Num, Real};
pub use engine::gradients::{Differentiable, Gradients};
pub use engine::operand::{IntoVar, Operand};
pub use engine::operation::{Jvp, Operation, Vjp};
pub use engine::step::Memory;
pub use engine::tape::{Mode, Tape};
pub use engine::tensor::{Tensor, TensorFunctions};
pub use engine::value::Value;
pub use engine::var::Var;
pub use functions::where_;
pub use kernels::{set_threads, with_threads};
pub use model::module::{Leaf, LeafMut, Module, Path, Segment, Visitor, path_fits};
pub use model::param::{Buffer, Param, ParamId};
pub use ops::einsum::einsum;
pub use ops::join::{concat, stack};
pub use ops::shape::Sizes;
pub use ops::slice::Place;
pub use ops::window::{Convolution, Pooling};
pub use scalar::Float;
pub use shape::Shape;
pub use stream::Stream;
pub use tools::checkpoint::Part;
pub use tools::derivatives::{grad, hessian, hvp, jacobian, jvp, per_example_gradients, value_and_grad, vjp};
pub use tools::explain::{Input, Numbers, Step, Trace, explain};
pub use tools::gradcheck::{GradCheckError, gradcheck};
pub use view::{Output, View};

/// The elementwise operations as functions, for `.map(tanh)` and its kind.
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

/// Parts that the other crates of the workspace need, and that are not for users.
#[doc(hidden)]
pub mod internal {
    pub use crate::debug_as_display;
    pub use crate::kernels::threads::{split_by, split_many};
    pub use crate::kernels::vectorize;
    pub use crate::scalar::Typed;
    pub use crate::stream::epoch_rng;
}
