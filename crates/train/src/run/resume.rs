//! Going on with a saved run.

use std::path::{Path, PathBuf};

use gradus_autograd::{Float, Module};
use gradus_optim::Descent;

use crate::files::checkpoint::{load_content, read};
use crate::ranks::team::Team;
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

/// The last checkpoint in a folder, which was read and not understood yet.
pub(crate) struct Last {
    path: PathBuf,
    /// the checkpoint before it
    older: Option<PathBuf>,
    content: Result<Vec<u8>, LoadError>,
}

/// Reads the last checkpoint in the folder, if there is one.
pub(crate) fn read_last(checkpoints: &Checkpoints) -> Result<Option<Last>, TrainError> {
    let mut all = checkpoints.list()?;
    let Some((step, path)) = all.pop() else { return Ok(None) };
    if !checkpoints.resumes() {
        let folder = path.parent().unwrap_or(&path).to_owned();
        return Err(TrainError::Occupied { folder, last: format!("step {step}") });
    }
    Ok(Some(Last { older: all.pop().map(|(_, path)| path), content: read(&path), path }))
}

/// Does the same for all ranks: the first one reads, and tells the others.
pub(crate) fn read_last_for_all(checkpoints: &Checkpoints, team: &Team) -> Result<Option<Last>, TrainError> {
    let own = if team.rank() == 0 { read_last(checkpoints) } else { Ok(None) };
    let own = own.and_then(|last| {
        let Some(Last { path, older, content }) = last else { return Ok(None) };
        match content {
            Ok(content) => Ok(Some((path, older, content))),
            Err(error) => Err(refusal(error, older)),
        }
    });
    let read = team.gather(&team.agree(own)?).swap_remove(0);
    Ok(read.map(|(path, older, content)| Last { path, older, content: Ok(content) }))
}

/// Loads a checkpoint that was read. Returns the state of the saved run and the path.
pub(crate) fn load<T: Float, M: Module<T>, D: Descent<T>>(
    Last { path, older, content }: Last,
    new: &State<T>,
    steps_per_epoch: u64,
    model: &mut M,
    optimizer: &mut D,
) -> Result<(State<T>, PathBuf), TrainError> {
    let check = |saved: &State<T>, model: &M| {
        let differences = new.fixed.differences(&saved.fixed);
        if !differences.is_empty() {
            return Err(LoadError::Settings { path: path.clone(), differences });
        }
        let damaged = |reason: String| Err(LoadError::damaged(&path, reason));
        saved.flaw(new, steps_per_epoch, model).map_or(Ok(()), damaged)
    };
    let saved = content.and_then(|content| load_content(&content, &path, model, optimizer, check));
    saved.map(|saved| (saved, path)).map_err(|error| refusal(error, older))
}

/// The error of a checkpoint that cannot be loaded, with the one before it if that may help.
fn refusal(error: LoadError, older: Option<PathBuf>) -> TrainError {
    match (error, older) {
        // a file with another number type is not damaged, nor is one that does not fit the model, the optimizer or the
        // settings
        (error @ LoadError::Container { error: ContainerError::Scalar { .. }, .. }, _) => error.into(),
        (error @ (LoadError::Container { .. } | LoadError::File(_)), Some(older)) => {
            TrainError::Damaged { error: Box::new(error), older }
        }
        (error, _) => error.into(),
    }
}

/// The advice for a run of which a rank was lost.
pub(crate) fn after_a_loss(checkpoint: Option<&Path>) -> String {
    match checkpoint {
        Some(path) => format!(
            "The run is saved as {}; start it again, with any number of ranks and `resume(true)`, to go on from there",
            path.display()
        ),
        None => "Nothing was saved yet; `.checkpoints(…)` with `resume(true)` lets a run go on after a loss".to_owned(),
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
