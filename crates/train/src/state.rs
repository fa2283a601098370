//! Where a training run stands: what a checkpoint holds beside model and optimizer.

use gradus_autograd::{Float, Module};
use gradus_optim::{EarlyStopping, Goal, Progress, ReduceOnPlateau};
use serde::{Deserialize, Serialize};

use crate::leaves::Leaves;
use crate::{Epoch, History, Metric, Predictions, Scores, StepRow};

/// The settings that a run cannot change when it goes on, since they set its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fixed {
    pub(crate) rows: u64,
    pub(crate) seed: u64,
    pub(crate) batch_size: u64,
    pub(crate) accumulate: u64,
    pub(crate) shards: u64,
    pub(crate) drop_last: bool,
    /// of how rows are drawn
    pub(crate) sampling: u32,
    /// rows of validation data
    pub(crate) valid: Option<u64>,
    /// of what is watched and what follows from it
    pub(crate) decides: u32,
}

impl Fixed {
    /// What is other than in a saved run, a line each.
    pub(crate) fn differences(&self, saved: &Self) -> Vec<String> {
        let text = |fixed: &Self| {
            let Fixed { rows, seed, batch_size, accumulate, shards, drop_last, sampling, valid, decides } = fixed;
            let valid = valid.map_or("none".to_owned(), |rows| rows.to_string());
            [
                ("rows of training data", rows.to_string()),
                ("rows of validation data", valid),
                ("the seed", seed.to_string()),
                ("the batch size", batch_size.to_string()),
                ("accumulated batches", accumulate.to_string()),
                ("shards", shards.to_string()),
                ("dropping the last batch", drop_last.to_string()),
                ("how rows are drawn (checksum)", sampling.to_string()),
                ("`watch`, `keep_best`, `early_stopping` or `reduce_on_plateau` (checksum)", decides.to_string()),
            ]
        };
        let pairs = text(self).into_iter().zip(text(saved)).filter(|(own, saved)| own != saved);
        pairs.map(|((name, own), (_, saved))| format!("\n  {name}: {saved} in the checkpoint, {own} here")).collect()
    }
}

/// Where a run stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct State<T: Float> {
    pub(crate) fixed: Fixed,
    /// whole epochs made
    pub(crate) epoch: u64,
    /// steps made in the next one
    pub(crate) batch: u64,
    /// steps of the random streams
    pub(crate) passes: u64,
    sums: Sums,
    pub(crate) history: History,
    pub(crate) stopping: Option<EarlyStopping>,
    pub(crate) plateau: Option<ReduceOnPlateau>,
    best: Option<Best<T>>,
    /// whether it stopped early
    pub(crate) over: bool,
}

/// What is added up over an epoch.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Sums {
    weight: f64,
    loss: f64,
    /// each with the weight of what it was defined for
    metrics: Vec<(f64, f64)>,
    seconds: f64,
}

/// The model of the best epoch so far.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
struct Best<T: Float> {
    value: f64,
    model: Leaves<T>,
}

impl<T: Float> State<T> {
    pub(crate) fn new(fixed: Fixed, stopping: Option<EarlyStopping>, plateau: Option<ReduceOnPlateau>) -> Self {
        State {
            fixed,
            epoch: 0,
            batch: 0,
            passes: 0,
            sums: Sums::default(),
            history: History::default(),
            stopping,
            plateau,
            best: None,
            over: false,
        }
    }

    pub(crate) fn step(&self) -> u64 {
        self.history.steps.len() as u64
    }

    /// A step was made, whose mean counts so much in the epoch's.
    pub(crate) fn add(&mut self, row: StepRow, weight: f64, seen: Option<&Predictions<T>>, metrics: &[Metric<T>]) {
        self.history.steps.push(row);
        self.batch += 1;
        self.sums.weight += weight;
        self.sums.loss += row.loss * weight;
        let Some(seen) = seen else { return };
        self.sums.metrics.resize(metrics.len(), (0.0, 0.0));
        for ((sum, of), metric) in self.sums.metrics.iter_mut().zip(metrics) {
            let value = metric.of(seen);
            if !value.is_nan() {
                (*sum, *of) = (*sum + value * weight, *of + weight);
            }
        }
    }

    pub(crate) fn took(&mut self, seconds: f64) {
        self.sums.seconds += seconds;
    }

    /// The epoch so far as a row.
    pub(crate) fn row(&self, valid: Option<Scores>, metrics: &[Metric<T>]) -> Epoch {
        let Sums { weight, loss, metrics: sums, seconds } = &self.sums;
        let value = |(metric, (sum, of)): (&Metric<T>, &(f64, f64))| (metric.name().to_owned(), sum / of);
        Epoch {
            epoch: self.epoch + 1,
            step: self.step(),
            train: Scores { loss: loss / weight, metrics: metrics.iter().zip(sums).map(value).collect() },
            valid,
            lr: self.history.steps.last().map_or(f64::NAN, |row| row.lr),
            seconds: *seconds,
        }
    }

    /// The next epoch begins.
    pub(crate) fn advance(&mut self) {
        (self.epoch, self.batch, self.sums) = (self.epoch + 1, 0, Sums::default());
    }

    /// Takes note of the metric that is watched. Returns the factor of the learning rate, if it is steered.
    pub(crate) fn observe<M: Module<T> + ?Sized>(&mut self, value: f64, goal: Goal, kept: Option<&M>) -> Option<f64> {
        if let Some(model) = kept {
            let better = match (&self.best, goal) {
                (None, _) => !value.is_nan(),
                (Some(best), Goal::Minimize) => value < best.value,
                (Some(best), Goal::Maximize) => value > best.value,
            };
            if better {
                self.best = Some(Best { value, model: Leaves::of(model) });
                self.history.best = Some(self.epoch + 1);
            }
        }
        if let Some(stopping) = &mut self.stopping {
            self.over = stopping.observe(value) == Progress::Stop;
        }
        self.plateau.as_mut().map(|plateau| plateau.observe(value))
    }

    /// Gives a model the numbers of the best epoch, if they were kept.
    pub(crate) fn restore_best<M: Module<T> + ?Sized>(&self, model: &mut M) {
        if let Some(best) = &self.best {
            best.model.write_to(model);
        }
    }
}
