//! Where a training run stands: what a checkpoint holds beside model and optimizer.

use gradus_autograd::{Float, Module, Visitor};
use gradus_optim::{EarlyStopping, Goal, Progress, ReduceOnPlateau};
use serde::{Deserialize, Serialize};

use crate::leaves::Leaves;
use crate::{Epoch, History, Metric, Predictions, Scores, StepRow, TrainError};

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
    /// what each metric counts
    metrics: Vec<Vec<f64>>,
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
        self.sums.metrics.resize(metrics.len(), Vec::new());
        for (tally, metric) in self.sums.metrics.iter_mut().zip(metrics) {
            metric.add(tally, seen, weight);
        }
    }

    pub(crate) fn took(&mut self, seconds: f64) {
        self.sums.seconds += seconds;
    }

    /// The epoch so far as a row.
    pub(crate) fn row(&self, valid: Option<Scores>, metrics: &[Metric<T>]) -> Epoch {
        let Sums { weight, loss, metrics: sums, seconds } = &self.sums;
        let value = |(metric, tally): (&Metric<T>, &Vec<f64>)| (metric.name().to_owned(), metric.total(tally));
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
            if goal.is_better(value, self.best.as_ref().map_or(f64::NAN, |best| best.value)) {
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
    ///
    /// # Errors
    /// If the model does not let them be written.
    pub(crate) fn restore_best<M: Module<T> + ?Sized>(&self, model: &mut M) -> Result<(), TrainError> {
        let written = self.best.as_ref().map_or(Ok(0), |best| best.model.write_to(model));
        written.map(drop).map_err(|reason| TrainError::Model { reason })
    }

    pub(crate) fn has_best(&self) -> bool {
        self.best.is_some()
    }

    /// What is wrong in itself, in a state that no run saved.
    pub(crate) fn flaw<M: Module<T> + ?Sized>(&self, steps_per_epoch: u64, model: &M) -> Option<String> {
        const MANY: u64 = 1 << 53; // more than any run counts, so that counting on is safe
        if self.batch >= steps_per_epoch {
            return Some(format!("it has made {} of the {steps_per_epoch} steps of an epoch", self.batch));
        }
        if self.epoch > MANY || self.passes > MANY {
            return Some(format!("it counts {} epochs and {} passes", self.epoch, self.passes));
        }
        let factor = self.plateau.as_ref().map_or(1.0, ReduceOnPlateau::current);
        if !factor.is_finite() || factor < 0.0 {
            return Some(format!("its plateau's factor is {factor}"));
        }
        let best = self.best.as_ref()?;
        best.model.flaw().or_else(|| {
            let mismatch = best.model.compare(model);
            (!mismatch.is_empty()).then(|| format!("its best model does not fit{mismatch}"))
        })
    }

    /// Goes on in another call: with these settings, and the whole epochs that were made.
    pub(crate) fn go_on(self, new: Self) -> Self {
        let same = self.fixed == new.fixed;
        let begun = u64::from(!same && self.batch > 0); // an epoch of other data is not completed
        let decides = self.fixed.decides == new.fixed.decides;
        State {
            fixed: new.fixed,
            epoch: self.epoch + begun,
            batch: if same { self.batch } else { 0 },
            passes: self.passes,
            sums: if same { self.sums } else { Sums::default() },
            history: self.history,
            stopping: if decides && !self.over { self.stopping } else { new.stopping },
            plateau: if decides { self.plateau } else { new.plateau },
            best: self.best.filter(|_| decides),
            over: false,
        }
    }
}

/// The first parameter or buffer of a model that holds a number that is not finite, and that number.
pub(crate) fn first_not_finite<T: Float, M: Module<T> + ?Sized>(model: &M) -> Option<(String, f64)> {
    let mut found = None;
    model.visit(&mut Visitor::new(&mut |path, leaf| {
        if found.is_none()
            && let Some(x) = leaf.data().iter().find(|x| !x.is_finite())
        {
            found = Some((path.to_string(), x.to_f64()));
        }
    }));
    found
}
