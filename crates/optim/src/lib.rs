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
//!
//! | | |
//! |---|---|
//! | [`Optimizer`] of a rule | [`Sgd`], [`Adagrad`], [`Adadelta`], [`RmsProp`], [`Adam`], [`AdamW`], [`NAdam`], [`RAdam`], [`Adamax`], [`Rprop`], [`Asgd`], [`Lion`], [`Adafactor`], [`Muon`], or a [`Rule`] of your own |
//! | beside it | [`Lbfgs`], [`Sag`], [`Saga`], [`Lookahead`]; [`WeightAverage`], [`Accumulator`] |
//! | learning rates | [`Schedule`] and the functions that make one; [`ReduceOnPlateau`], [`EarlyStopping`], [`find_lr`] |
//! | plain functions | [`minimize`], [`random_restarts`], [`descend`] with [`Rows`]; [`functions`] with known minima |

mod accumulate;
mod adadelta;
mod adafactor;
mod adagrad;
mod adam;
mod adamax;
mod apply;
mod asgd;
mod average;
mod clip;
mod descend;
pub mod functions;
mod lbfgs;
mod line_search;
mod lion;
mod lookahead;
mod minimize;
mod muon;
mod nadam;
mod optimizer;
mod plateau;
mod radam;
mod range_test;
mod restarts;
mod rmsprop;
mod rprop;
pub mod rule;
mod saga;
mod schedule;
mod sgd;
mod slots;
mod state;
mod weights;

pub use accumulate::Accumulator;
pub use average::WeightAverage;
pub use descend::{Rows, descend};
pub use lbfgs::{Lbfgs, LbfgsState};
pub use lookahead::{Lookahead, LookaheadState};
pub use minimize::{Descent, Minimize, Minimum, Stop, minimize};
pub use optimizer::{NonFiniteGradient, Optimizer};
pub use plateau::{EarlyStopping, Goal, Progress, ReduceOnPlateau};
pub use range_test::{RangeTest, find_lr};
pub use restarts::{Restarts, random_restarts};
pub use rule::{Group, Rule, States, Update};
pub use saga::{Sag, Saga, SampleAverage, SampleAverageState};
pub use schedule::{
    Closure, Fade, OneCycle, Schedule, Shape, constant, cosine, cyclic, exponential, inverse_sqrt, linear, multi_step,
    noam, one_cycle, piecewise, polynomial, step_decay, warm_restarts, warmup, warmup_shaped,
};
pub use state::{OptimizerState, ParamState, StateError};
pub use weights::Weights;

/// Gradient descent: batch, stochastic or mini-batch is a matter of what the gradient is taken of. With momentum and
/// Nesterov's variant. See [`rule::Sgd`].
pub type Sgd<T = f32> = Optimizer<rule::Sgd, T>;
/// Steps scaled by running moments of the gradient. See [`rule::Adam`].
pub type Adam<T = f32> = Optimizer<rule::Adam, T>;
/// [`Adam`] with weight decay apart from the gradient. See [`rule::AdamW`].
pub type AdamW<T = f32> = Optimizer<rule::AdamW, T>;
/// Steps measured in earlier steps. See [`rule::Adadelta`].
pub type Adadelta<T = f32> = Optimizer<rule::Adadelta, T>;
/// [`Adam`]'s scaling with a row and a column in place of a matrix of state. See [`rule::Adafactor`].
pub type Adafactor<T = f32> = Optimizer<rule::Adafactor, T>;
/// Steps scaled by all gradients so far. See [`rule::Adagrad`].
pub type Adagrad<T = f32> = Optimizer<rule::Adagrad, T>;
/// [`Adam`] with the largest gradient. See [`rule::Adamax`].
pub type Adamax<T = f32> = Optimizer<rule::Adamax, T>;
/// Descent whose iterates are averaged. See [`rule::Asgd`].
pub type Asgd<T = f32> = Optimizer<rule::Asgd, T>;
/// Steps by the sign of the momentum. See [`rule::Lion`].
pub type Lion<T = f32> = Optimizer<rule::Lion, T>;
/// Steps of equal length along all directions of a matrix. See [`rule::Muon`].
pub type Muon<T = f32> = Optimizer<rule::Muon, T>;
/// [`Adam`] that looks ahead. See [`rule::NAdam`].
pub type NAdam<T = f32> = Optimizer<rule::NAdam, T>;
/// [`Adam`] that warms itself up. See [`rule::RAdam`].
pub type RAdam<T = f32> = Optimizer<rule::RAdam, T>;
/// Steps scaled by the gradients of late. See [`rule::RmsProp`].
pub type RmsProp<T = f32> = Optimizer<rule::RmsProp, T>;
/// Steps by the sign of the gradient, of sizes of their own. See [`rule::Rprop`].
pub type Rprop<T = f32> = Optimizer<rule::Rprop, T>;
