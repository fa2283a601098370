//! Variants of gradient descent.
//!
//! An [`Optimizer`] is a [`Rule`] (one update formula: [`rule::Sgd`], [`rule::Adam`], [`rule::AdamW`]) with a learning
//! rate, a [`Schedule`], groups of parameters with settings of their own, and clipping:
//!
//! ```
//! use gradus_autograd::{Param, Tape};
//! use gradus_optim::{Adam, cosine, warmup};
//!
//! let mut w = Param::new([5.0, -3.0]);
//! let mut opt = Adam::new(0.1).schedule(warmup(10).then(cosine(190))).clip_norm(1.0);
//! let mut tape = Tape::training(0);
//! for _ in 0..200 {
//!     let (_, grads) = tape.gradients(|t| t.param(&w).square().sum());
//!     opt.step(&mut w, &grads);
//! }
//! assert!(w.data().iter().all(|w: &f32| w.abs() < 1e-2));
//! ```
//!
//! One file for each rule, with its formula and reference. Formulas and defaults are PyTorch's.

mod adam;
mod minimize;
mod optimizer;
mod schedule;
mod sgd;

pub use minimize::{Minimum, minimize};
pub use optimizer::{Group, Optimizer, OptimizerState, ParamState, Rule, StateError, Update};
pub use schedule::{Schedule, constant, cosine, linear, step_decay, warmup};

/// The update formulas.
pub mod rule {
    pub use crate::adam::{AdamRule as Adam, AdamWRule as AdamW};
    pub use crate::sgd::SgdRule as Sgd;
}

/// Gradient descent: batch, stochastic or mini-batch is a matter of what the gradient is taken of. With momentum and
/// Nesterov's variant. See [`rule::Sgd`].
pub type Sgd<T> = Optimizer<rule::Sgd, T>;
/// Steps scaled by running moments of the gradient. See [`rule::Adam`].
pub type Adam<T> = Optimizer<rule::Adam, T>;
/// [`Adam`] with weight decay apart from the gradient. See [`rule::AdamW`].
pub type AdamW<T> = Optimizer<rule::AdamW, T>;
