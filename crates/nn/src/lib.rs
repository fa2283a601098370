//! Layers, losses and initialisers. A model is plain data: a struct of layers, with `#[derive(Module)]` and a
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
//! The last layer of a classifier gives logits; its cost, [`loss::cross_entropy`], contains the softmax.

mod activation;
mod conv2d;
mod dropout;
mod embedding;
mod flatten;
mod forward;
mod gru;
mod impute;
mod init;
mod linear;
pub mod loss;
mod mlp;
mod norm;
mod perceptron;
mod pool2d;
mod sequential;
mod standardize;
mod summary;

pub use activation::{Activation, UnknownActivation};
pub use conv2d::Conv2d;
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use flatten::Flatten;
pub use forward::{Forward, Lambda, lambda, predict};
pub use gru::Gru;
pub use impute::Impute;
pub use init::{Fan, Init, Statistics, rng};
pub use linear::Linear;
pub use loss::Reduction;
pub use mlp::{Mlp, MlpBuilder};
pub use norm::{BatchNorm, BatchNorm1d, BatchNorm2d, LayerNorm};
pub use perceptron::Perceptron;
pub use pool2d::{AvgPool2d, MaxPool2d};
pub use sequential::{Layer, Sequential};
pub use standardize::Standardize;
pub use summary::{Summarize, Summary, SummaryRow};
