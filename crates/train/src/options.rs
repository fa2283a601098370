//! The settings of a training run that do not depend on optimizer and task, and what follows from them.

use std::path::PathBuf;

use gradus_autograd::{Float, Module, Stream};
use gradus_data::{Examples, FileError, RowBatches, Sampling};
use gradus_optim::{EarlyStopping, Goal, ReduceOnPlateau, Schedule};

use crate::parallel::ranges;
use crate::state::{Fixed, State};
use crate::{Checkpoints, Epoch, Metric, Task, TrainError};

/// All settings but optimizer and task.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) length: Length,
    pub(crate) batch_size: usize,
    pub(crate) accumulate: usize,
    pub(crate) drop_last: bool,
    pub(crate) sampling: Sampling,
    pub(crate) seed: u64,
    pub(crate) shards: usize,
    pub(crate) threads: usize,
    pub(crate) prefetch: usize,
    pub(crate) progress: bool,
    pub(crate) watch: Option<String>,
    pub(crate) stopping: Option<EarlyStopping>,
    pub(crate) plateau: Option<ReduceOnPlateau>,
    pub(crate) keep_best: bool,
    pub(crate) schedule: Option<Schedule>,
    pub(crate) logs: Vec<PathBuf>,
    pub(crate) checkpoints: Option<Checkpoints>,
    pub(crate) ctrl_c: bool,
}

/// How long a run is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Length {
    Epochs(u64),
    Steps(u64),
}

impl Default for Options {
    fn default() -> Self {
        Options {
            length: Length::Epochs(10),
            batch_size: 32,
            accumulate: 1,
            drop_last: false,
            sampling: Sampling::Shuffled,
            seed: 0,
            shards: 1,
            threads: 1,
            prefetch: 0,
            progress: false,
            watch: None,
            stopping: None,
            plateau: None,
            keep_best: false,
            schedule: None,
            logs: Vec::new(),
            checkpoints: None,
            ctrl_c: false,
        }
    }
}

/// A part of a step, for one shard.
pub(crate) struct Part<B> {
    pub(crate) batch: B,
    /// what its mean counts in the step's
    pub(crate) weight: f64,
}

/// A step.
pub(crate) struct Step<B> {
    /// of all its parts
    pub(crate) weight: f64,
    /// its parts, which are computed side by side, wave by wave
    pub(crate) waves: Vec<Vec<Part<B>>>,
}

impl Options {
    pub(crate) fn fixed(&self, rows: usize, valid: Option<usize>) -> Fixed {
        fn checksum(settings: &impl serde::Serialize) -> u32 {
            let bytes = bincode::serde::encode_to_vec(settings, bincode::config::standard());
            crc32fast::hash(&bytes.expect("settings encode"))
        }
        let decides = (&self.watch, self.keep_best, &self.stopping, &self.plateau);
        Fixed {
            rows: rows as u64,
            seed: self.seed,
            batch_size: self.batch_size as u64,
            accumulate: self.accumulate as u64,
            shards: self.shards as u64,
            drop_last: self.drop_last,
            sampling: checksum(&self.sampling),
            valid: valid.map(|rows| rows as u64),
            decides: checksum(&decides),
        }
    }

    pub(crate) fn batches(&self, order: Vec<usize>) -> RowBatches {
        let batches = RowBatches::new(order, self.batch_size.saturating_mul(self.accumulate));
        if self.drop_last { batches.drop_last() } else { batches }
    }

    /// Whether a run is over, by what was made since its call began.
    pub(crate) fn is_complete<T: Float>(&self, state: &State<T>) -> bool {
        let [epochs_before, steps_before] = state.begun;
        state.over
            || match self.length {
                Length::Epochs(epochs) => state.epoch >= epochs.saturating_add(epochs_before),
                Length::Steps(steps) => state.step() >= steps.saturating_add(steps_before),
            }
    }

    /// Takes note of an epoch: what decides, and whether it is the best. Returns the factor of the learning rate, if it
    /// is steered.
    pub(crate) fn observe<T: Float, M: Module<T>>(
        &self,
        state: &mut State<T>,
        epoch: &Epoch,
        goal: Goal,
        model: &M,
    ) -> Result<Option<f64>, TrainError> {
        let (watched, name) = (epoch.valid.as_ref().unwrap_or(&epoch.train), self.watch.as_deref().unwrap_or("loss"));
        let Some(value) = watched.get(name) else {
            // there is such a metric, but nothing that it could be computed of
            return Err(TrainError::Watch { name: name.to_owned(), known: vec!["loss".to_owned()] });
        };
        state.history.epochs.push(epoch.clone());
        if value.is_nan() && self.decides() && !state.noted {
            state.noted = true;
            let of = if epoch.valid.is_some() { "the validation data" } else { "the training data" };
            state.history.notes.push(format!(
                "what is watched is no number: `{name}` of {of} is NaN in epoch {}; that counts as no better than any epoch",
                epoch.epoch
            ));
        }
        Ok(state.observe(value, goal, self.keep_best.then_some(model)))
    }

    /// Whether anything follows from the metric that is watched.
    fn decides(&self) -> bool {
        self.keep_best || self.stopping.is_some() || self.plateau.is_some() || self.watch.is_some()
    }

    /// What to note at the end of a run whose best model was to be kept, but that had none.
    pub(crate) fn without_best<T: Float>(&self, state: &State<T>) -> Option<String> {
        let name = self.watch.as_deref().unwrap_or("loss");
        (self.keep_best && !state.has_best() && !state.history.epochs.is_empty())
            .then(|| format!("no epoch was the best, since `{name}` was never a number: the model is the last step's"))
    }

    /// Which way the metric that is watched is to go.
    ///
    /// # Panics
    /// If two metrics have one name.
    #[track_caller]
    pub(crate) fn goal<T: Float>(&self, metrics: &[Metric<T>]) -> Result<Goal, TrainError> {
        let names: Vec<&str> = metrics.iter().map(Metric::name).collect();
        let twice = (1..names.len()).find(|&k| names[..k].contains(&names[k]));
        assert!(twice.is_none(), "Trainer: two metrics are called `{}`", names[twice.unwrap_or(0)]);
        let Some(name) = self.watch.as_deref().filter(|name| *name != "loss") else { return Ok(Goal::Minimize) };
        let found = metrics.iter().find(|metric| metric.name() == name);
        found.map(Metric::goal).ok_or_else(|| TrainError::Watch {
            name: name.to_owned(),
            known: ["loss".to_owned()].into_iter().chain(metrics.iter().map(|m| m.name().to_owned())).collect(),
        })
    }

    /// Reads the rows of a step, in parts.
    pub(crate) fn load<T: Float, M: ?Sized, E: Examples>(
        &self,
        task: &impl Task<T, M, E::Batch>,
        examples: &E,
        rows: &[usize],
        step: u64,
    ) -> Result<Step<E::Batch>, FileError> {
        let mut shard = 0;
        let mut part = |rows_of_it: &[usize]| {
            let mut batch = examples.pick(rows_of_it)?;
            // another seed than the tapes': what changes images is not what dropout draws
            task.augment(&mut batch, &mut Stream { seed: !self.seed, step, shard }.rng());
            shard += 1;
            let weight = task.weight(&batch, rows_of_it.len());
            Ok(Part { batch, weight })
        };
        let waves = ranges(rows.len(), self.accumulate).into_iter().map(|wave| {
            let rows = &rows[wave];
            ranges(rows.len(), self.shards).into_iter().map(|range| part(&rows[range])).collect()
        });
        let waves = waves.collect::<Result<Vec<Vec<Part<E::Batch>>>, FileError>>()?;
        Ok(Step { weight: waves.iter().flatten().map(|part| part.weight).sum(), waves })
    }
}
