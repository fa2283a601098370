//! Why a training run failed, and why a file was not loaded.

use std::path::{Path, PathBuf};

use gradus_autograd::internal::debug_as_display;
use gradus_data::FileError;

use crate::{ContainerError, Mismatch};

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
        "{}: there are checkpoints of a run (the last: {last}); `resume(true)` goes on with it, another folder begins a \
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

debug_as_display!(TrainError);

/// Why a model or a checkpoint was not loaded. What it should have been loaded into is then as it was.
#[derive(thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum LoadError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{}: {error}", path.display())]
    Container {
        path: PathBuf,
        /// the fault of the file's content
        error: ContainerError,
    },
    #[error("{}: {reason}", path.display())]
    Type { path: PathBuf, reason: String },
    #[error("{}: does not fit this model{mismatch}", path.display())]
    Architecture { path: PathBuf, mismatch: Mismatch },
    #[error("{}: the optimizer's state does not fit: {reason}", path.display())]
    Optimizer { path: PathBuf, reason: String },
    #[error("{}: saved by a run with other settings{}", path.display(), differences.concat())]
    Settings { path: PathBuf, differences: Vec<String> },
    /// The model itself is at fault.
    #[error("{}: cannot be loaded: {reason}", path.display())]
    Model { path: PathBuf, reason: String },
    /// `load_partial` found nothing in the file that fits.
    #[error("{}: nothing in it fits this model, so nothing was loaded{mismatch}{hint}", path.display())]
    Nothing { path: PathBuf, mismatch: Mismatch, hint: String },
}
debug_as_display!(LoadError);

impl LoadError {
    /// The error of the file at this path.
    pub(crate) fn at(path: &Path) -> impl Fn(ContainerError) -> LoadError {
        move |error| match error {
            ContainerError::Io(source) => FileError { path: path.into(), source }.into(),
            error => LoadError::Container { path: path.into(), error },
        }
    }

    /// That the file at this path is damaged.
    pub(crate) fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        Self::at(path)(ContainerError::Content { reason: reason.into() })
    }
}
