//! Training loops, metrics, and saved models.
//!
//! A loop of your own takes ten lines; [`Trainer`] is the same loop with validation, progress, shards and a callback:
//!
//! ```
//! use gradus_nn::Mlp;
//! use gradus_optim::Adam;
//! use gradus_train::Trainer;
//!
//! let digits = gradus_data::digits();
//! let mut model = Mlp::builder([64, 16, 10]).seed(1).build::<f32>();
//! let history = Trainer::new(Adam::new(1e-2)).epochs(2).seed(1).fit(&mut model, &digits.train, Some(&digits.test))?;
//! assert!(history.epochs[1].valid.as_ref().unwrap().accuracy > 0.8);
//! # Ok::<(), gradus_train::TrainError>(())
//! ```

mod evaluate;
mod file;
mod model_file;
mod parallel;
mod trainer;

pub use evaluate::{Evaluation, confusion, evaluate};
pub use file::{FileError, write_atomically};
pub use model_file::{LoadError, load, save};
pub use parallel::{Shards, parallel};
pub use trainer::{Epoch, History, StepRow, TrainError, Trainer};
