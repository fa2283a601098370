//! Training loops, metrics, checkpoints, and saved models.
//!
//! A loop of your own takes ten lines; [`Trainer`] is the same loop with validation, metrics, progress, shards,
//! checkpoints and more:
//!
//! ```
//! use gradus_nn::Mlp;
//! use gradus_optim::Adam;
//! use gradus_train::Trainer;
//!
//! let digits = gradus_data::digits();
//! let mut model = Mlp::builder([64, 16, 10]).seed(1).build::<f32>();
//! let history = Trainer::new(Adam::new(1e-2)).epochs(2).seed(1).fit(&mut model, &digits.train, Some(&digits.test))?;
//! assert!(history.last().valid.as_ref().unwrap().get("accuracy").unwrap() > 0.8);
//! # Ok::<(), gradus_train::TrainError>(())
//! ```
//!
//! `run/` has the loop and its settings, `learn/` the tasks and metrics, `files/` the checkpoints and saved models,
//! `ranks/` the training by several processes.

mod error;
mod files;
mod learn;
mod ranks;
mod run;
mod sweep;

/// For the other crates of gradus.
#[doc(hidden)]
pub mod internal {
    pub use crate::ranks::arrays::ArraySum;
    /// The order in which parts are added.
    pub mod tree {
        pub use crate::ranks::tree::{subtrees, sum};
    }
}

pub use error::{LoadError, TrainError};
pub use files::checkpoint::{Checkpoints, load_checkpoint, save_checkpoint};
pub use files::container::ContainerError;
pub use files::leaves::Mismatch;
pub use files::model_file::{load, load_partial, load_renamed, save};
pub use gradus_data::{FileError, write_atomically};
pub use learn::confusion::Confusion;
pub use learn::evaluate::{Evaluation, Predictions, Scores, Targets, evaluate, evaluate_distributed, evaluate_task};
pub use learn::metrics::{Metric, auc};
pub use learn::neighbours::{nearest_neighbours, neighbours_accuracy, neighbours_vote};
pub use learn::task::{Classify, ClassifyBinary, CostOf, Labelled, Paired, Regress, Task};
pub use ranks::{LocalRanks, Ranks};
pub use run::fit::AfterStep;
pub use run::history::{Ended, Epoch, History, StepRow};
pub use run::shards::{Shards, parallel};
pub use run::signal::is_asked_to_stop;
pub use run::trainer::Trainer;
pub use sweep::{Outcome, Setting, Sweep, SweepResults, Trial};
