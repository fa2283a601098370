//! The errors of training runs and of loading.

use std::path::{Path, PathBuf};

use gradus_autograd::internal::debug_as_display;
use gradus_data::FileError;

use crate::{ContainerError, Mismatch};

/// The error of a training run. The model is as its last step left it; a step along a gradient that is not finite is
/// not made.
#[derive(thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum TrainError {
    /// The loss or a gradient became NaN or infinite, and that step was not made; or the last step made a parameter NaN
    /// or infinite.
    #[error(
        "{cause} at step {step} (epoch {epoch}), with learning rate {lr}: {advice}{}{}",
        report.as_ref().map_or(String::new(), |text| format!("\n  where it began: {text}")),
        checkpoint.as_ref().map_or(String::new(), |path| format!("\n  the last checkpoint: {}", path.display()))
    )]
    Diverged {
        /// the step, counted from 0
        step: u64,
        /// the epoch, counted from 1
        epoch: u64,
        /// the number that is not finite
        cause: String,
        /// the advice: what can be done
        advice: &'static str,
        /// the learning rate of that step
        lr: f64,
        /// the first operation that made a number that is not finite, and its line
        report: Option<String>,
        /// the checkpoint from which the run can go on
        checkpoint: Option<PathBuf>,
    },
    #[error("the training data holds no examples, or fewer than the one batch that is kept")]
    Empty,
    /// The model cannot be saved, or cannot be given back the numbers of its best epoch.
    #[error("{reason}")]
    Model {
        /// the fault of the model
        reason: String,
    },
    #[error("`watch`: there is no metric `{name}`; there are {}", known.join(", "))]
    Watch { name: String, known: Vec<String> },
    #[error(
        "{}: there are checkpoints of a run (the last: {last}); `resume(true)` goes on with it, another folder begins \
         a new one",
        folder.display()
    )]
    Occupied { folder: PathBuf, last: String },
    /// The last checkpoint cannot be read, but there is an older one.
    #[error("{error}\n  without this file, the run goes on from {}", older.display())]
    Damaged {
        /// the fault of the file
        error: Box<LoadError>,
        /// the checkpoint before it
        older: PathBuf,
    },
    #[error("Ctrl-C cannot be listened to: {0}")]
    Signal(String),
    /// The ranks cannot train one model together.
    #[error("{reason}")]
    Ranks {
        /// what does not fit
        reason: String,
    },
    /// Another rank has an error, so this one cannot go on.
    #[error("rank {rank}: {reason}")]
    OtherRank {
        /// the number of the rank
        rank: usize,
        /// its error
        reason: String,
    },
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Load(#[from] LoadError),
}

debug_as_display!(TrainError);

/// The error of a model or a checkpoint that was not loaded. The model and the optimizer that should have taken it are
/// then unchanged.
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
    /// The model cannot take the numbers, or `load_renamed` made two names the same.
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

    /// The error that the file at this path is damaged.
    pub(crate) fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        Self::at(path)(ContainerError::Content { reason: reason.into() })
    }
}
