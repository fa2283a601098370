//! Variants of gradient descent.
//!
//! An [`Optimizer`] is a [`Rule`] (one update formula, such as [`rules::Sgd`] or [`rules::Adam`]) with a learning rate,
//! a [`Schedule`], groups of parameters with settings of their own, and clipping:
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
//! Formulas, references and settings are in [`rules`], one file for each rule. Formulas and defaults are those of
//! PyTorch.
//!
//! | | |
//! |---|---|
//! | [`Optimizer`] of a rule | [`Sgd`], [`Adagrad`], [`Adadelta`], [`RmsProp`], [`Adam`], [`AdamW`], [`NAdam`], [`RAdam`], [`Adamax`], [`Rprop`], [`Asgd`], [`Lion`], [`Adafactor`], [`Muon`], or a [`Rule`] of your own |
//! | beside an optimizer | [`Lbfgs`], [`Sag`], [`Saga`]; [`Lookahead`] and [`Averaged`], which wrap any [`Descent`]; [`Sam`], which wraps any [`Optimizer`]; [`WeightAverage`], [`Accumulator`] |
//! | learning rates | [`Schedule`] and the functions that make one; [`ReduceOnPlateau`], [`EarlyStopping`], [`find_lr`] |
//! | plain functions | [`minimize`], [`random_restarts`], [`descend`] with [`Rows`]; [`functions`] with known minima |

mod apply;
mod clip;
mod descent;
mod optimizer;
pub mod rule;
pub mod rules;
pub mod schedule;
mod slots;
mod spread;
mod state;
mod step;
mod updates;
mod wrappers;

pub use descent::functions;
pub use descent::{
    Lbfgs, LbfgsState, Minimize, Minimum, RangeTest, Restarts, Rows, Stop, descend, find_lr, minimize, random_restarts,
};
pub use optimizer::Optimizer;
pub use rule::{AtRest, Group, Rule, Settings, States, Update};
pub use rules::optimizers::*;
pub use schedule::{
    Closure, Fade, Interpolation, OneCycle, Schedule, constant, cosine, cyclic, exponential, inverse_sqrt, linear,
    multi_step, noam, one_cycle, piecewise, polynomial, step_decay, warm_restarts, warmup, warmup_shaped,
};
pub use schedule::{EarlyStopping, Goal, Progress, ReduceOnPlateau};
pub use spread::Spread;
pub use state::{OptimizerState, ParamState, StateError};
pub use step::{Descent, NonFiniteGradient};
pub use wrappers::{
    Accumulator, Averaged, AveragedState, Lookahead, LookaheadState, Sag, Saga, Sam, SampleAverage, SampleAverageState,
    WeightAverage, Weights,
};
