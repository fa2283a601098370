//! One step: its rows, read in parts; its cost and gradients; and the error if it cannot be made.

use std::path::{Path, PathBuf};

use gradus_autograd::{Float, Gradients, Module, Stream, Tape};
use gradus_data::{Examples, FileError};

use crate::run::settings::Settings;
use crate::run::shards::{Shards, ranges};
use crate::run::state::State;
use crate::{Predictions, Task, TrainError};

/// A part of a step, for one shard.
pub(crate) struct Part<B> {
    pub(crate) batch: B,
    /// the weight of this part's mean cost in the mean cost of the step
    pub(crate) weight: f64,
}

/// A step, with its data.
pub(crate) struct Step<B> {
    /// the weight of all its parts together
    pub(crate) weight: f64,
    /// the waves, which are computed one after the other; the parts of a wave are computed side by side
    pub(crate) waves: Vec<Vec<Part<B>>>,
}

impl<B> Step<B> {
    /// Reads the rows of a step, in parts.
    pub(crate) fn load<T: Float, M: ?Sized, E: Examples<Batch = B>>(
        settings: &Settings,
        task: &impl Task<T, M, B>,
        examples: &E,
        rows: &[usize],
        step: u64,
    ) -> Result<Self, FileError> {
        let mut shard = 0;
        let mut part = |rows_of_it: &[usize]| {
            let mut batch = examples.pick(rows_of_it)?;
            // the seed is not that of the tapes, so that augmentation and dropout do not draw the same numbers
            task.augment(&mut batch, &mut Stream { seed: !settings.seed, step, shard }.rng());
            shard += 1;
            let weight = task.weight(&batch, rows_of_it.len());
            Ok(Part { batch, weight })
        };
        let waves = ranges(rows.len(), settings.accumulate).into_iter().map(|wave| {
            let rows = &rows[wave];
            ranges(rows.len(), settings.shards).into_iter().map(|range| part(&rows[range])).collect()
        });
        let waves = waves.collect::<Result<Vec<Vec<Part<B>>>, FileError>>()?;
        Ok(Step { weight: waves.iter().flatten().map(|part| part.weight).sum(), waves })
    }
}

/// Computes the mean cost of a step, the predictions for the metrics, and the gradients.
pub(crate) fn gradients<T: Float, M: Module<T>, B: Send + Sync>(
    shards: &mut Shards<T>,
    task: &impl Task<T, M, B>,
    model: &M,
    step: &Step<B>,
) -> (f64, Option<Predictions<T>>, Gradients<T>) {
    let (mut loss, mut seen, mut sum) = (0.0, Vec::new(), None::<Gradients<T>>);
    for wave in &step.waves {
        let (value, predictions, gradients) = shards.gradients_of(wave, |tape, part| {
            let (outputs, cost) = task.forward(model, tape, &part.batch);
            let share = if step.weight > 0.0 { part.weight / step.weight } else { 0.0 };
            (if share == 1.0 { cost } else { cost * share }, task.predictions(outputs, &part.batch))
        });
        loss += value.to_f64();
        seen.extend(predictions.into_iter().flatten());
        match &mut sum {
            None => sum = Some(gradients),
            Some(sum) => sum.add(&gradients),
        }
    }
    (loss, (!seen.is_empty()).then(|| Predictions::concat(seen)), sum.expect("a step has a part"))
}

/// The error of a step that cannot be made.
pub(crate) fn diverged<T: Float>(
    state: &State<T>,
    cause: String,
    lr: f64,
    report: Option<String>,
    checkpoint: Option<PathBuf>,
) -> TrainError {
    // parameters were finite at the last check, so a leaf that is not finite now is most likely an input
    let advice = if report.as_ref().is_some_and(|text| text.starts_with("a leaf made")) {
        "the data hold it; look for what is missing (an `Imputer` fills gaps) or too large"
    } else {
        "the descent diverged; try a smaller learning rate, warm-up, or `clip_norm`"
    };
    TrainError::Diverged { step: state.step(), epoch: state.epoch + 1, cause, advice, lr, report, checkpoint }
}

/// Describes the first operation of a step that made a number that is not finite.
pub(crate) fn explain<T: Float, M: Module<T>, B>(
    task: &impl Task<T, M, B>,
    model: &M,
    waves: &[Vec<Part<B>>],
    seed: u64,
    step: u64,
) -> Option<String> {
    let mut tape = Tape::training(seed);
    tape.name_parameters(model);
    (step..).zip(waves).find_map(|(step, wave)| {
        (0..).zip(wave).find_map(|(shard, part)| {
            tape.set_stream(Stream { seed, step, shard });
            tape.find_anomaly(|t| task.forward(model, t, &part.batch).1).map(without_own_lines)
        })
    })
}

/// Removes the source lines of this crate from a report: the place where a built-in task calls a layer tells a user
/// nothing.
fn without_own_lines(mut report: String) -> String {
    let own = Path::new(file!()).ancestors().nth(2).map_or(String::new(), |folder| format!(" ({}", folder.display()));
    while let Some(start) = report.find(&own).filter(|_| own.len() > 2) {
        let end = report[start..].find(')').map_or(report.len(), |end| start + end + 1);
        report.replace_range(start..end, "");
    }
    report
}
