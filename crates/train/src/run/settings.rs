//! The settings of a training run that do not depend on optimizer and task, and the values that follow from them.

use std::path::PathBuf;
use std::sync::Arc;

use gradus_autograd::Float;
use gradus_data::{RowBatches, Sampling};
use gradus_optim::{EarlyStopping, Goal, ReduceOnPlateau, Schedule};

use crate::run::fixed::Fixed;
use crate::{Checkpoints, Metric, Ranks, TrainError};

/// All settings but optimizer and task.
#[derive(Debug)]
pub(crate) struct Settings {
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
    pub(crate) ranks: Option<Arc<dyn Ranks>>,
    pub(crate) shard_optimizer: bool,
    pub(crate) overlap: Option<bool>,
}

/// The length of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Length {
    Epochs(u64),
    Steps(u64),
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
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
            ranks: None,
            shard_optimizer: false,
            overlap: None,
        }
    }
}

impl Settings {
    /// The settings that determine a run's numbers, by name: a run that goes on must have the same. All of them are
    /// listed here, and nowhere else.
    pub(crate) fn fixed(&self, rows: usize, valid: Option<usize>) -> Fixed {
        fn checksum(settings: &impl serde::Serialize) -> String {
            let bytes = bincode::serde::encode_to_vec(settings, bincode::config::standard());
            crc32fast::hash(&bytes.expect("settings encode")).to_string()
        }
        let decides = (&self.watch, self.keep_best, &self.stopping, &self.plateau);
        Fixed::new([
            ("rows of training data", rows.to_string()),
            ("rows of validation data", valid.map_or("none".to_owned(), |rows| rows.to_string())),
            ("the seed", self.seed.to_string()),
            ("the batch size", self.batch_size.to_string()),
            ("accumulated batches", self.accumulate.to_string()),
            ("shards", self.shards.to_string()),
            ("dropping the last batch", self.drop_last.to_string()),
            ("how rows are drawn (checksum)", checksum(&self.sampling)),
            ("`watch`, `keep_best`, `early_stopping` or `reduce_on_plateau` (checksum)", checksum(&decides)),
        ])
    }

    /// The settings for people, by name: those that every run has, and those that differ from the default.
    pub(crate) fn described(&self) -> Vec<(&'static str, String)> {
        let length = match self.length {
            Length::Epochs(1) => "1 epoch".to_owned(),
            Length::Epochs(epochs) => format!("{epochs} epochs"),
            Length::Steps(steps) => format!("{steps} steps"),
        };
        let mut rows = vec![("length", length), ("batch size", self.batch_size.to_string())];
        let mut unusual = |name, value: Option<String>| rows.extend(value.map(|value| (name, value)));
        unusual("batches added up for a step", (self.accumulate > 1).then(|| self.accumulate.to_string()));
        unusual("last batch of an epoch", self.drop_last.then(|| "left out if it is smaller".to_owned()));
        // the name alone: weights are as many as rows
        let sampling = format!("{:?}", self.sampling).split(['(', ' ', '{']).next().map(str::to_owned);
        unusual("rows", sampling.filter(|_| self.sampling != Sampling::Shuffled));
        unusual("schedule by epoch", self.schedule.as_ref().map(|schedule| format!("{schedule:?}")));
        unusual("watched", self.decides().then(|| self.watched().to_owned()));
        unusual("early stopping", self.stopping.as_ref().map(|stopping| format!("{stopping:?}")));
        unusual("lower rate on a plateau", self.plateau.as_ref().map(|plateau| format!("{plateau:?}")));
        unusual("optimizer's state", self.shard_optimizer.then(|| "spread over the ranks".to_owned()));
        unusual("overlap", self.overlap.map(|overlap| overlap.to_string()));
        unusual("kept model", self.keep_best.then(|| "that of the best epoch".to_owned()));
        rows.extend(
            [("seed", self.seed), ("shards", self.shards as u64), ("threads", self.threads as u64)]
                .map(|(name, number)| (name, number.to_string())),
        );
        rows
    }

    pub(crate) fn batches(&self, order: Vec<usize>) -> RowBatches {
        RowBatches::new(order, self.batch_size.saturating_mul(self.accumulate)).drop_last(self.drop_last)
    }

    /// The number of steps in an epoch of `examples` examples.
    ///
    /// # Errors
    /// If there are none.
    pub(crate) fn steps_per_epoch(&self, examples: usize) -> Result<u64, TrainError> {
        match self.batches((0..examples).collect()).len() {
            0 => Err(TrainError::Empty),
            steps => Ok(steps as u64),
        }
    }

    /// Returns whether anything depends on the watched metric.
    pub(crate) fn decides(&self) -> bool {
        self.keep_best || self.stopping.is_some() || self.plateau.is_some() || self.watch.is_some()
    }

    /// The name of the watched metric.
    pub(crate) fn watched(&self) -> &str {
        self.watch.as_deref().unwrap_or("loss")
    }

    /// Whether the watched metric should rise or fall.
    ///
    /// # Panics
    /// If two metrics have the same name.
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
}
