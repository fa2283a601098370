//! Layers, losses and initialisers. A model is plain data: a struct of these, with `#[derive(Module)]` and a
//! [`forward`](Forward).
//!
//! ```
//! use gradus_autograd::Tape;
//! use gradus_nn::{Activation, Forward, Mlp};
//! use ndarray::Array2;
//!
//! let model = Mlp::builder([64, 32, 10]).activation(Activation::Relu).seed(7).build::<f32>();
//! let tape = Tape::inference();
//! let logits = model.forward(tape.constant(Array2::zeros((5, 64))));
//! assert_eq!(logits.shape(), [5, 10]);
//! ```
//!
//! The last layer of a classifier gives logits; its cost, [`loss::cross_entropy`], holds the softmax.

mod activation;
mod dropout;
mod forward;
mod init;
mod linear;
pub mod loss;
mod mlp;
mod perceptron;
mod sequential;

pub use activation::{Activation, UnknownActivation};
pub use dropout::Dropout;
pub use forward::{Forward, Lambda, lambda};
pub use init::{Init, rng};
pub use linear::Linear;
pub use loss::Reduction;
pub use mlp::{Mlp, MlpBuilder};
pub use perceptron::Perceptron;
pub use sequential::{Layer, Sequential};
