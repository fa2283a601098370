//! Training loops, metrics, checkpoints, and saved models.
//!
//! A loop of your own takes ten lines; [`Trainer`] is the same loop with validation, metrics, progress, shards,
//! checkpoints and what else one wants of it:
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
//! The loop is `fit.rs`; `trainer.rs` and `options.rs` have its settings, `state.rs` where a run stands, `task.rs` what is
//! learned, `parallel.rs` the shards, `evaluate.rs` and `metrics.rs` what is measured, `history.rs` the rows and logs.
//! `checkpoint.rs`, `model_file.rs` and `safetensors_file.rs` are what is saved, `container.rs` the format of our own,
//! `leaves.rs` a model's numbers by path.

mod checkpoint;
mod container;
mod error;
mod evaluate;
mod fit;
mod history;
mod leaves;
mod metrics;
mod model_file;
mod options;
mod parallel;
mod progress;
mod safetensors_file;
mod signal;
mod state;
mod task;
mod trainer;

pub use checkpoint::{Checkpoints, load_checkpoint, save_checkpoint};
pub use container::LoadError;
pub use error::TrainError;
pub use evaluate::{Evaluation, Predictions, Scores, Targets, evaluate, evaluate_task};
pub use fit::Moment;
pub use gradus_data::{FileError, write_atomically};
pub use history::{Ended, Epoch, History, StepRow};
pub use leaves::Mismatch;
pub use metrics::{Confusion, Metric, auc};
pub use model_file::{load, load_partial, load_renamed, save};
pub use parallel::{Shards, parallel};
pub use task::{Classify, ClassifyBinary, CostOf, Labelled, Regress, Task};
pub use trainer::Trainer;
