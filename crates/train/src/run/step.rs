//! One step: its rows, read in parts; its cost and gradients; and the error if it cannot be made.

use std::ops::Range;
use std::path::{Path, PathBuf};

use gradus_autograd::{Float, Gradients, Module, Stream, Tape};
use gradus_data::{Examples, FileError};

use crate::learn::seen::Seen;
use crate::run::settings::Settings;
use crate::run::shards::{Draw, Shards, ranges};
use crate::run::state::State;
use crate::{Task, TrainError};

/// A part of a step, for one shard.
pub(crate) struct Part<B> {
    batch: B,
    /// the weight of this part's mean cost in the mean cost of the step
    weight: f64,
}

/// A step, with the data that this process needs.
pub(crate) struct Step<B> {
    /// the number of its parts, with those that other ranks have
    parts: usize,
    /// the number of waves, which are the batches that one step accumulates
    waves: u64,
    /// the parts of this process
    own: Vec<(Draw, Part<B>)>,
    /// the weight of all parts together
    pub(crate) weight: f64,
}

impl<B> Step<B> {
    /// Reads the rows of a step, in parts: those that `share` gives to this process, of so many.
    pub(crate) fn load<T: Float, M: ?Sized, E: Examples<Batch = B>>(
        settings: &Settings,
        share: impl Fn(usize) -> Range<usize>,
        task: &impl Task<T, M, B>,
        examples: &E,
        (rows, step): (&[usize], u64),
    ) -> Result<Self, FileError> {
        let waves = ranges(rows.len(), settings.accumulate);
        let parts = (0..).zip(&waves).flat_map(|(wave, rows_of_it)| {
            let shards = (0..).zip(ranges(rows_of_it.len(), settings.shards));
            shards.map(move |(shard, range)| (Draw { wave, shard }, &rows[rows_of_it.clone()][range]))
        });
        let parts: Vec<_> = parts.collect();
        let own = share(parts.len());
        let load = |(number, (draw, rows)): (usize, &(Draw, &[usize]))| {
            let mut batch = examples.pick(rows)?;
            // the seed is not that of the tapes, so that augmentation and dropout do not draw the same numbers
            task.augment(&mut batch, &mut Stream { seed: !settings.seed, step, shard: number as u64 }.rng());
            let weight = task.weight(&batch, rows.len());
            Ok((*draw, Part { batch, weight }))
        };
        let loaded = own.clone().zip(&parts[own]).map(load).collect::<Result<Vec<_>, FileError>>()?;
        let weight = loaded.iter().map(|(_, part)| part.weight).sum();
        Ok(Step { parts: parts.len(), waves: waves.len() as u64, own: loaded, weight })
    }

    /// The weights of the parts of this process.
    pub(crate) fn own_weights(&self) -> Vec<f64> {
        self.own.iter().map(|(_, part)| part.weight).collect()
    }
}

/// Computes the mean cost of a step, what the metrics need of its predictions, and the gradients.
pub(crate) fn gradients<T: Float, M: Module<T>, B: Send + Sync>(
    shards: &mut Shards<T>,
    task: &impl Task<T, M, B>,
    model: &M,
    step: &Step<B>,
) -> (f64, Option<Seen<T>>, Gradients<T>) {
    let distributed = shards.is_distributed();
    let tell = |seen: &[Option<Seen<T>>]| if distributed { encode(seen) } else { Vec::new() };
    let (loss, own, gradients, told) = shards.sum(
        (step.parts, step.waves),
        &step.own,
        |tape, part| {
            let (outputs, cost) = task.forward(model, tape, &part.batch);
            let share = if step.weight > 0.0 { part.weight / step.weight } else { 0.0 };
            let seen = Seen::of(task, outputs, &part.batch, false);
            (if share == 1.0 { cost } else { cost * share }, seen)
        },
        tell,
    );
    let seen = if distributed { told.iter().flat_map(|told| decode(told)).collect() } else { own };
    (loss.to_f64(), Seen::join(seen.into_iter().flatten(), task.metrics()), gradients)
}

fn encode<T: Float>(seen: &[Option<Seen<T>>]) -> Vec<u8> {
    bincode::serde::encode_to_vec(seen, bincode::config::standard()).expect("numbers can be encoded")
}

fn decode<T: Float>(told: &[u8]) -> Vec<Option<Seen<T>>> {
    let decoded = bincode::serde::decode_from_slice(told, bincode::config::standard());
    decoded.expect("all ranks send one form").0
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

/// Describes the first operation of this process's parts that made a number that is not finite.
pub(crate) fn explain<T: Float, M: Module<T>, B>(
    task: &impl Task<T, M, B>,
    model: &M,
    parts: &Step<B>,
    seed: u64,
    step: u64,
) -> Option<String> {
    let mut tape = Tape::training(seed);
    tape.name_parameters(model);
    parts.own.iter().find_map(|(Draw { wave, shard }, part)| {
        tape.set_stream(Stream { seed, step: step + wave, shard: *shard });
        tape.find_anomaly(|t| task.forward(model, t, &part.batch).1).map(without_own_lines)
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
