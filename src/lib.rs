//! gradus: gradients of any cost, and the variants of gradient descent.
//!
//! This crate only gathers the others; each can be used alone.
//!
//! | crate | what it is for |
//! |---|---|
//! | [`gradus_autograd`] | a tape records tensor operations; gradients of any cost, to any order |
//! | [`gradus_nn`] | layers, losses, initialisers |
//! | [`gradus_optim`] | optimizers, schedules, plain minimization |
//! | [`gradus_data`] | embedded data sets, readers, batches |
//! | [`gradus_train`] | training loops, metrics, saved models |
//! | [`gradus_explorer`] | a page that steps through a program, forward and backward |
//! | [`gradus_landscape`] | critical points, curvature and spectra of whole models, ways off a saddle |
//! | [`gradus_viz`] | plots of functions, descents, classifiers, training runs and landscapes, as SVG |
//!
//! ```
//! use gradus::prelude::*;
//! use ndarray::array;
//!
//! let tape = Tape::new();
//! let x = tape.var(array![1., 2., 3.]);
//! let dx = (x * x).sum().backward().wrt(x);
//! assert_eq!(dx, array![2., 4., 6.].into_dyn());
//! ```

pub use gradus_autograd::*;
pub use gradus_derive::Module;

pub use gradus_data as data;
pub use gradus_explorer as explorer;
pub use gradus_landscape as landscape;
pub use gradus_nn as nn;
pub use gradus_optim as optim;
pub use gradus_train as train;
pub use gradus_viz as viz;
pub use rand;

/// What most programs need: `use gradus::prelude::*`.
pub mod prelude {
    pub use gradus_autograd::{
        Buffer, Float, Gradients, IntoVar, Operation, Output, Param, Shape, Tape, Tensor, Var, View, Vjp, concat,
        differentiable, explain, fused, grad, gradcheck, hessian, kept, stack, value_and_grad, where_,
    };
    pub use gradus_explorer::{SaveHtml, Story};
    pub use gradus_nn::{
        Activation, AvgPool2d, BatchNorm, Conv2d, Dropout, Embedding, Flatten, Forward, Gru, Impute, Init, LayerNorm,
        Linear, MaxPool2d, Mlp, Perceptron, Reduction, Sequential, Standardize, Summarize, lambda, loss, predict,
    };
    pub use gradus_optim::{
        Adam, AdamW, EarlyStopping, Lbfgs, Optimizer, Progress, ReduceOnPlateau, Rows, Schedule, Sgd, WeightAverage,
        cosine, descend, find_lr, minimize, one_cycle, random_restarts, schedule, step_decay, warmup,
    };
    pub use gradus_train::{
        Checkpoints, Classify, ClassifyBinary, Metric, Regress, Sweep, Trainer, evaluate, evaluate_task, load,
        load_partial, load_renamed, save,
    };

    pub use crate::Module;
}

/// The README's examples, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The examples of the chapter on operations of one's own.
#[cfg(doctest)]
#[doc = include_str!("../docs/custom_operations.md")]
struct CustomOperations;

/// The examples of the chapter on descent.
#[cfg(doctest)]
#[doc = include_str!("../docs/descent.md")]
struct Descent;

/// The examples of the guide to models.
#[cfg(doctest)]
#[doc = include_str!("../docs/models.md")]
struct Models;

/// The examples of the guide to data.
#[cfg(doctest)]
#[doc = include_str!("../docs/data.md")]
struct Data;

/// The examples of the guide to training.
#[cfg(doctest)]
#[doc = include_str!("../docs/training.md")]
struct Training;

/// The examples of the chapter on looking at gradients.
#[cfg(doctest)]
#[doc = include_str!("../docs/explorer.md")]
struct Explorer;

/// The examples of the chapter on the landscape of a cost.
#[cfg(doctest)]
#[doc = include_str!("../docs/landscape.md")]
struct Landscape;

/// The examples of the page for users of PyTorch.
#[cfg(doctest)]
#[doc = include_str!("../docs/pytorch.md")]
struct PyTorch;

/// The example of the page for users of burn and candle.
#[cfg(doctest)]
#[doc = include_str!("../docs/burn_candle.md")]
struct BurnAndCandle;

/// The examples of the guide to saving.
#[cfg(doctest)]
#[doc = include_str!("../docs/saving.md")]
struct Saving;
