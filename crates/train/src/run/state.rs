//! The state of a training run: all that a checkpoint holds beside model and optimizer.

use gradus_autograd::{Float, Leaf, Module, Visitor};
use gradus_optim::{EarlyStopping, Goal, Progress, ReduceOnPlateau};
use serde::{Deserialize, Serialize};

use crate::files::leaves::Leaves;
use crate::learn::seen::Seen;
use crate::run::fixed::Fixed;
use crate::run::settings::{Length, Settings};
use crate::{Epoch, History, Metric, Scores, StepRow, TrainError};

/// The state of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct State<T: Float> {
    pub(crate) fixed: Fixed,
    /// the number of whole epochs made
    pub(crate) epoch: u64,
    /// the number of steps made in the epoch after these
    pub(crate) batch: u64,
    /// the number of steps of the random streams
    pub(crate) passes: u64,
    sums: Sums,
    pub(crate) history: History,
    pub(crate) stopping: Option<EarlyStopping>,
    pub(crate) plateau: Option<ReduceOnPlateau>,
    best: Option<Best<T>>,
    /// whether the run stopped early
    pub(crate) over: bool,
    /// the number of calls of `fit` that ended before this one
    pub(crate) calls: u64,
    /// the numbers of epochs and steps that were made when this call began
    pub(crate) begun: [u64; 2],
    /// whether the history has the note that the watched metric is no number
    pub(crate) noted: bool,
}

/// The sums over an epoch.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Sums {
    weight: f64,
    loss: f64,
    /// the counts of each metric, by its name
    #[serde(with = "gradus_autograd::exact")]
    metrics: Vec<(String, Vec<f64>)>,
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
    /// The state before the first step, with the numbers of rows of the training and the validation data.
    pub(crate) fn new(settings: &Settings, goal: Goal, rows: usize, valid: Option<usize>) -> Self {
        let fixed = settings.fixed(rows, valid);
        let stopping = settings.stopping.clone().map(|stopping| stopping.goal(goal));
        let plateau = settings.plateau.clone().map(|plateau| plateau.goal(goal));
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
            calls: 0,
            begun: [0, 0],
            noted: false,
        }
    }

    pub(crate) fn step(&self) -> u64 {
        self.history.steps.len() as u64
    }

    /// Adds a step whose mean cost has the given weight in the epoch's mean.
    pub(crate) fn add(&mut self, row: StepRow, weight: f64, seen: Option<&Seen<T>>, metrics: &[Metric<T>]) {
        self.history.steps.push(row);
        self.batch += 1;
        self.sums.weight += weight;
        self.sums.loss += row.loss * weight;
        let Some(seen) = seen else { return };
        let same = self.sums.metrics.iter().map(|(name, _)| &**name).eq(metrics.iter().map(Metric::name));
        if !same {
            self.sums.metrics = metrics.iter().map(|metric| (metric.name().to_owned(), Vec::new())).collect();
        }
        seen.add_to(self.sums.metrics.iter_mut().map(|(_, tally)| tally), metrics, weight);
    }

    pub(crate) fn took(&mut self, seconds: f64) {
        self.sums.seconds += seconds;
    }

    /// The row of the epoch so far.
    pub(crate) fn row(&self, valid: Option<Scores>, metrics: &[Metric<T>]) -> Epoch {
        let Sums { weight, loss, metrics: sums, seconds } = &self.sums;
        let value =
            |(metric, (_, tally)): (&Metric<T>, &(String, Vec<f64>))| (metric.name().to_owned(), metric.total(tally));
        Epoch {
            epoch: self.epoch + 1,
            step: self.step(),
            train: Scores { loss: loss / weight, metrics: metrics.iter().zip(sums).map(value).collect() },
            valid,
            lr: self.history.steps.last().map_or(f64::NAN, |row| row.lr),
            grad_norm: self.mean_norm(),
            seconds: *seconds,
        }
    }

    /// The mean norm of the gradients of the epoch so far.
    fn mean_norm(&self) -> f64 {
        let steps = &self.history.steps;
        let own = &steps[steps.len().saturating_sub(self.batch as usize)..];
        own.iter().map(|row| row.grad_norm).sum::<f64>() / own.len() as f64
    }

    /// Begins the next epoch.
    pub(crate) fn advance(&mut self) {
        (self.epoch, self.batch, self.sums) = (self.epoch + 1, 0, Sums::default());
    }

    /// Returns whether the run is over, by the epochs or steps that were made since its call began.
    pub(crate) fn is_complete(&self, settings: &Settings) -> bool {
        let [epochs_before, steps_before] = self.begun;
        self.over
            || match settings.length {
                Length::Epochs(epochs) => self.epoch >= epochs.saturating_add(epochs_before),
                Length::Steps(steps) => self.step() >= steps.saturating_add(steps_before),
            }
    }

    /// Records an epoch: does what follows from the watched metric, and keeps the model if it is the best so far.
    /// Returns the factor of the learning rate, if `reduce_on_plateau` is set.
    ///
    /// # Errors
    /// If the epoch lacks the watched metric.
    pub(crate) fn observe<M: Module<T> + ?Sized>(
        &mut self,
        settings: &Settings,
        epoch: &Epoch,
        goal: Goal,
        model: &M,
    ) -> Result<Option<f64>, TrainError> {
        let (watched, name) = (epoch.valid.as_ref().unwrap_or(&epoch.train), settings.watched());
        let Some(value) = watched.get(name) else {
            // the task has this metric, but there was nothing to compute it from
            return Err(TrainError::Watch { name: name.to_owned(), known: vec!["loss".to_owned()] });
        };
        self.history.epochs.push(epoch.clone());
        if value.is_nan() && settings.decides() && !self.noted {
            self.noted = true;
            let of = if epoch.valid.is_some() { "the validation data" } else { "the training data" };
            self.history.notes.push(format!(
                "what is watched is no number: `{name}` of {of} is NaN in epoch {}; that counts as no better than any \
                 epoch",
                epoch.epoch
            ));
        }
        if settings.keep_best && goal.is_better(value, self.best.as_ref().map_or(f64::NAN, |best| best.value)) {
            self.best = Some(Best { value, model: Leaves::of(model) });
            self.history.best = Some(self.epoch + 1);
        }
        if let Some(stopping) = &mut self.stopping {
            self.over = stopping.observe(value) == Progress::Stop;
        }
        Ok(self.plateau.as_mut().map(|plateau| plateau.observe(value)))
    }

    /// The note at the end of a run that was to keep its best model but had none.
    pub(crate) fn without_best(&self, settings: &Settings) -> Option<String> {
        let name = settings.watched();
        (settings.keep_best && self.best.is_none() && !self.history.epochs.is_empty())
            .then(|| format!("no epoch was the best, since `{name}` was never a number: the model is the last step's"))
    }

    /// Gives a model the numbers of the best epoch, if they were kept.
    ///
    /// # Errors
    /// If the numbers cannot be written into the model.
    pub(crate) fn restore_best<M: Module<T> + ?Sized>(&self, model: &mut M) -> Result<(), TrainError> {
        let written = self.best.as_ref().map_or(Ok(0), |best| best.model.write_to(model));
        written.map(drop).map_err(|reason| TrainError::Model { reason })
    }

    /// Describes a flaw of a loaded state that no run could have saved, if there is one.
    pub(crate) fn flaw<M: Module<T> + ?Sized>(&self, new: &Self, steps_per_epoch: u64, model: &M) -> Option<String> {
        const MANY: u64 = 1 << 53; // more than any run counts, so that counting on is safe
        if self.batch >= steps_per_epoch {
            return Some(format!("it has made {} of the {steps_per_epoch} steps of an epoch", self.batch));
        }
        let (steps, batch) = (self.history.steps.len() as u64, self.batch);
        if batch > steps {
            return Some(format!("it has made {batch} steps of an epoch, and its history holds {steps}"));
        }
        if self.history.steps_before > MANY {
            return Some(format!("its history begins after {} steps", self.history.steps_before));
        }
        if self.epoch > MANY || self.passes > MANY || self.calls > MANY || self.begun.iter().any(|&n| n > MANY) {
            return Some(format!("it counts {} epochs and {} passes", self.epoch, self.passes));
        }
        let factor = self.plateau.as_ref().map_or(1.0, ReduceOnPlateau::current);
        if !factor.is_finite() || factor < 0.0 {
            return Some(format!("its plateau's factor is {factor}"));
        }
        let plateaus = self.plateau.as_ref().zip(new.plateau.as_ref()).is_none_or(|(a, b)| a.has_settings_of(b));
        let stoppings = self.stopping.as_ref().zip(new.stopping.as_ref()).is_none_or(|(a, b)| a.has_settings_of(b));
        let there =
            (self.plateau.is_some(), self.stopping.is_some()) == (new.plateau.is_some(), new.stopping.is_some());
        if !plateaus || !stoppings || !there {
            return Some("its plateau or early stopping has other settings than it says".into());
        }
        let best = self.best.as_ref()?;
        best.model.flaw().or_else(|| {
            let mismatch = best.model.compare(model);
            (!mismatch.is_empty()).then(|| format!("its best model does not fit{mismatch}"))
        })
    }

    /// The state in which another call of `fit`, the one after `calls` calls, goes on: with the settings of `new`, and
    /// the epochs that were made. The best model is dropped if the data or the settings are others.
    pub(crate) fn go_on(self, new: Self, calls: u64) -> Self {
        if self.calls >= calls && self.fixed == new.fixed {
            return self; // it was resumed from a checkpoint of that call, or of a later one
        }
        let same = self.fixed == new.fixed;
        let begun = u64::from(!same && self.batch > 0); // an epoch of other data is not completed
        let factor = self.plateau.as_ref().map(ReduceOnPlateau::current);
        let steps = self.step();
        State {
            fixed: new.fixed,
            epoch: self.epoch + begun,
            batch: if same { self.batch } else { 0 },
            passes: self.passes,
            sums: if same { self.sums } else { Sums::default() },
            history: self.history,
            stopping: if same && !self.over { self.stopping } else { new.stopping },
            plateau: match factor {
                Some(factor) if !same => new.plateau.map(|plateau| plateau.from_factor(factor)),
                Some(_) => self.plateau,
                None => new.plateau,
            },
            best: self.best.filter(|_| same),
            over: false,
            calls,
            begun: [self.epoch + begun, steps],
            noted: false,
        }
    }
}

/// The first parameter that is not frozen and holds a number that is not finite, with that number. (Buffers are not
/// checked, because they may hold such numbers on purpose: a mask, say.)
pub(crate) fn first_not_finite<T: Float, M: Module<T> + ?Sized>(model: &M) -> Option<(String, f64)> {
    let mut found = None;
    model.visit(&mut Visitor::new(&mut |path, leaf| {
        if found.is_none()
            && let Leaf::Param(leaf) = leaf
            && !leaf.is_frozen()
            && let Some(x) = leaf.data().iter().find(|x| !x.is_finite())
        {
            found = Some((path.to_string(), x.to_f64()));
        }
    }));
    found
}
