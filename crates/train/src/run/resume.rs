//! Going on with a saved run.

use std::path::{Path, PathBuf};

use gradus_autograd::{Float, Module};
use gradus_optim::Descent;

use crate::files::checkpoint::load_checked;
use crate::run::state::State;
use crate::{Checkpoints, ContainerError, LoadError, TrainError};

/// Refuses a folder that holds checkpoints of more steps than this run has made: they are of another run.
pub(crate) fn check_folder(checkpoints: &Checkpoints, steps: u64) -> Result<(), TrainError> {
    match checkpoints.list()?.pop().filter(|(step, _)| *step > steps) {
        None => Ok(()),
        Some((step, path)) => {
            let folder = path.parent().unwrap_or(&path).to_owned();
            Err(TrainError::Occupied { folder, last: format!("step {step}") })
        }
    }
}

/// Loads the last checkpoint in the folder, if there is one. Returns the state of the saved run and the path.
pub(crate) fn last<T: Float, M: Module<T>, D: Descent<T>>(
    checkpoints: &Checkpoints,
    new: &State<T>,
    steps_per_epoch: u64,
    model: &mut M,
    optimizer: &mut D,
) -> Result<Option<(State<T>, PathBuf)>, TrainError> {
    let mut all = checkpoints.list()?;
    let Some((step, path)) = all.pop() else { return Ok(None) };
    if !checkpoints.resumes() {
        let folder = path.parent().unwrap_or(&path).to_owned();
        return Err(TrainError::Occupied { folder, last: format!("step {step}") });
    }
    let saved = load_checked(&path, model, optimizer, |saved: &State<T>, model| {
        let differences = new.fixed.differences(&saved.fixed);
        if !differences.is_empty() {
            return Err(LoadError::Settings { path: path.clone(), differences });
        }
        let damaged = |reason: String| Err(LoadError::damaged(&path, reason));
        saved.flaw(new, steps_per_epoch, model).map_or(Ok(()), damaged)
    });
    match (saved, all.pop()) {
        (Ok(saved), _) => Ok(Some((saved, path))),
        // a file with another number type is not damaged, nor is one that does not fit the model, the optimizer or the
        // settings
        (Err(error @ LoadError::Container { error: ContainerError::Scalar { .. }, .. }), _) => Err(error.into()),
        (Err(error @ (LoadError::Container { .. } | LoadError::File(_))), Some((_, older))) => {
            Err(TrainError::Damaged { error: Box::new(error), older })
        }
        (Err(error), _) => Err(error.into()),
    }
}

/// The message for a run that was interrupted.
pub(crate) fn how_to_go_on(step: u64, checkpoint: Option<&Path>) -> String {
    match checkpoint {
        Some(path) => {
            format!("stopped after step {step}, saved as {}; run it again with `resume(true)` to go on", path.display())
        }
        None => format!("stopped after step {step}; nothing was saved, since no checkpoints were asked for"),
    }
}
