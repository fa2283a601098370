//! Why a training run failed.

use std::path::PathBuf;

use gradus_data::FileError;

use crate::LoadError;

/// Why a training run failed. The model is as its last step left it; a step along a gradient that is not finite is not
/// made.
#[derive(thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum TrainError {
    /// The loss, or a gradient, became NaN or infinite, and that step was not made; or the step before made a parameter
    /// so.
    #[error(
        "{cause} at step {step} (epoch {epoch}), with learning rate {lr}: {advice}{}{}",
        report.as_ref().map_or(String::new(), |text| format!("\n  where it began: {text}")),
        checkpoint.as_ref().map_or(String::new(), |path| format!("\n  the last checkpoint: {}", path.display()))
    )]
    Diverged {
        /// counted from 0
        step: u64,
        /// counted from 1
        epoch: u64,
        /// the number that is not finite
        cause: String,
        /// the advice: what can be done
        advice: &'static str,
        /// the learning rate of that step
        lr: f64,
        /// the first operation that made a number that is not finite, and its line
        report: Option<String>,
        /// the checkpoint at which the run can be taken up again
        checkpoint: Option<PathBuf>,
    },
    #[error("the training data holds no examples, or fewer than the one batch that is kept")]
    Empty,
    /// The model cannot be saved, or its best numbers not be given back.
    #[error("{reason}")]
    Model {
        /// the fault of the model
        reason: String,
    },
    #[error("`watch`: there is no metric `{name}`; there are {}", known.join(", "))]
    Watch { name: String, known: Vec<String> },
    #[error(
        "{}: there are checkpoints of a run (the last: {last}); `resume()` goes on with it, another folder begins a \
         new one",
        folder.display()
    )]
    Occupied { folder: PathBuf, last: String },
    /// The last checkpoint cannot be read, but the one before may.
    #[error("{error}\n  without this file, the run goes on from {}", older.display())]
    Damaged {
        /// the fault of the file
        error: Box<LoadError>,
        /// the one before
        older: PathBuf,
    },
    #[error("Ctrl-C cannot be listened to: {0}")]
    Signal(String),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// As for `Display`: `unwrap`, and a `main` that returns the error, then say what is wrong.
impl std::fmt::Debug for TrainError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
