//! The training loop of a classifier.

use std::fmt;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use gradus_autograd::{Float, Gradients};
use gradus_data::{Batch, Dataset};
use gradus_nn::Forward;
use gradus_optim::{Optimizer, Rule};
use indicatif::{ProgressBar, ProgressStyle};
use ndarray::s;

use crate::evaluate::{Evaluation, evaluate, largest};
use crate::parallel::Shards;

/// Trains a classifier with cross-entropy on mini-batches, shuffled afresh each epoch.
///
/// What it does is this loop, which you may as well write yourself:
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Forward, Mlp};
/// use gradus_optim::Adam;
///
/// let digits = gradus_data::digits();
/// let mut model = Mlp::builder([64, 16, 10]).build();
/// let mut tape = Tape::training(0);
/// let mut opt = Adam::new(1e-2);
/// for epoch in 0..2 {
///     for batch in digits.train.batches(32).shuffle(epoch) {
///         let (_loss, grads) = tape.gradients(|t| model.forward(t.constant(&batch.x)).cross_entropy(&batch.y));
///         opt.step(&mut model, &grads);
///     }
/// }
/// assert!(gradus_train::evaluate(&model, &digits.test).accuracy > 0.8);
/// ```
pub struct Trainer<R: Rule, T: Float = f32> {
    optimizer: Optimizer<R, T>,
    epochs: usize,
    batch_size: usize,
    seed: u64,
    shards: usize,
    threads: usize,
    progress: bool,
    on_epoch: OnEpoch,
}

impl<R: Rule, T: Float> fmt::Debug for Trainer<R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Trainer { epochs, batch_size, seed, shards, threads, .. } = self;
        let settings = (epochs, batch_size, seed, shards, threads);
        write!(f, "Trainer (epochs, batch size, seed, shards, threads) {settings:?}")
    }
}

/// What is called after each epoch.
type OnEpoch = Box<dyn FnMut(&Epoch) -> ControlFlow<()>>;

/// One epoch of a training run.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch {
    /// from 1
    pub epoch: usize,
    /// mean loss of its batches, each before its step
    pub loss: f64,
    /// share of right predictions in them
    pub accuracy: f64,
    /// on the validation data, after the epoch
    pub valid: Option<Evaluation>,
    /// the learning rate of its last step
    pub lr: f64,
    /// how long it took, validation included
    pub time: Duration,
}

/// One step of a training run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepRow {
    /// of the batch, before the step
    pub loss: f64,
    /// of the step
    pub lr: f64,
}

/// How a training run went.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// a row an epoch
    pub epochs: Vec<Epoch>,
    /// a row a step
    pub steps: Vec<StepRow>,
}

/// Why a training run stopped.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The loss became NaN or infinite.
    #[error(
        "the loss is {loss} at step {step} (epoch {epoch}), with learning rate {lr}: the descent diverged; try a \
         smaller learning rate, warm-up, or `clip_norm`"
    )]
    Diverged {
        /// from 0
        step: usize,
        /// from 1
        epoch: usize,
        /// NaN or infinite
        loss: f64,
        /// of that step
        lr: f64,
    },
    /// There are no examples.
    #[error("the training data holds no examples")]
    Empty,
}

impl<R: Rule, T: Float> Trainer<R, T> {
    /// With 10 epochs, batches of 32, seed 0, one shard, one thread, no progress shown.
    pub fn new(optimizer: Optimizer<R, T>) -> Self {
        Trainer {
            optimizer,
            epochs: 10,
            batch_size: 32,
            seed: 0,
            shards: 1,
            threads: 1,
            progress: false,
            on_epoch: Box::new(|_| ControlFlow::Continue(())),
        }
    }

    /// How often the training data is gone through.
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.epochs = epochs;
        self
    }

    /// How many examples a step takes.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size;
        self
    }

    /// Fixes the order of the examples and what dropout draws.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Into how many parts a batch is split. They are computed apart and added in order, so their number changes
    /// results in the last bits.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = shards;
        self
    }

    /// How many threads work on the shards. Changes nothing but the speed.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Shows a bar for each epoch, on a terminal.
    pub fn progress(mut self, progress: bool) -> Self {
        self.progress = progress;
        self
    }

    /// Calls `f` after each epoch; `ControlFlow::Break` ends the training.
    pub fn on_epoch(mut self, f: impl FnMut(&Epoch) -> ControlFlow<()> + 'static) -> Self {
        self.on_epoch = Box::new(f);
        self
    }

    /// Trains the model.
    ///
    /// # Errors
    /// If there is no data, or the loss becomes NaN or infinite.
    ///
    /// # Panics
    /// If a setting is 0, or the model does not give one logit for each class.
    #[track_caller]
    pub fn fit<M: Forward<T>>(
        &mut self,
        model: &mut M,
        train: &Dataset<T>,
        valid: Option<&Dataset<T>>,
    ) -> Result<History, TrainError> {
        if train.is_empty() {
            return Err(TrainError::Empty);
        }
        let mut shards = Shards::new(self.shards, self.threads, self.seed);
        shards.name_parameters(model);
        let mut history = History::default();
        for epoch in 1..=self.epochs {
            let start = Instant::now();
            let (mut loss, mut right, mut lr) = (0.0, 0, 0.0);
            let order = self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(epoch as u64);
            let batches = train.batches(self.batch_size).shuffle(order);
            let bar = self.bar(epoch, batches.len());
            for batch in batches {
                let (value, hits, grads) = gradients(&mut shards, model, &batch);
                lr = self.optimizer.lr();
                history.steps.push(StepRow { loss: value, lr });
                if !value.is_finite() {
                    return Err(TrainError::Diverged { step: history.steps.len() - 1, epoch, loss: value, lr });
                }
                self.optimizer.step(model, &grads);
                loss += value * batch.y.len() as f64;
                right += hits;
                bar.inc(1);
            }
            bar.finish_and_clear();
            let (loss, accuracy) = (loss / train.len() as f64, right as f64 / train.len() as f64);
            let valid = valid.map(|data| evaluate(model, data));
            let row = Epoch { epoch, loss, accuracy, valid, lr, time: start.elapsed() };
            let flow = (self.on_epoch)(&row);
            history.epochs.push(row);
            if flow.is_break() {
                break;
            }
        }
        Ok(history)
    }

    fn bar(&self, epoch: usize, steps: usize) -> ProgressBar {
        if !self.progress {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("epoch {prefix} {bar:40} {pos}/{len} steps, {per_sec}, {eta} left");
        ProgressBar::new(steps as u64)
            .with_style(style.expect("a template of known keys"))
            .with_prefix(format!("{epoch}/{}", self.epochs))
    }
}

/// The mean loss of a batch, how many of its predictions are right, and the gradients.
fn gradients<T: Float, M: Forward<T>>(
    shards: &mut Shards<T>,
    model: &M,
    batch: &Batch<T>,
) -> (f64, usize, Gradients<T>) {
    let n = batch.y.len();
    let (loss, right, grads) = shards.gradients(n, |tape, rows| {
        let labels = &batch.y[rows.clone()];
        let logits = model.forward(tape.constant(batch.x.slice(s![rows, ..])));
        let right = largest(logits).iter().zip(labels).filter(|(p, y)| p == y).count();
        (logits.cross_entropy_rows(labels).sum() / n as f64, right)
    });
    (loss.to_f64(), right.iter().sum(), grads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_autograd::Module;
    use gradus_nn::Mlp;
    use gradus_optim::{Adam, Sgd};

    fn trained(shards: usize, threads: usize) -> Vec<u32> {
        let digits = gradus_data::digits();
        let mut model = Mlp::builder([64, 24, 10]).dropout(0.2).seed(3).build::<f32>();
        let mut trainer = Trainer::new(Adam::new(1e-3)).epochs(2).seed(5).shards(shards).threads(threads);
        trainer.fit(&mut model, &digits.test, None).unwrap();
        model.params().iter().flat_map(|(_, p)| p.data().iter().map(|x| x.to_bits())).collect()
    }

    #[test]
    fn one_two_and_four_threads_give_the_same_model_bit_for_bit() {
        let one = trained(4, 1);
        assert_eq!(one, trained(4, 2));
        assert_eq!(one, trained(4, 4));
        assert_ne!(one, trained(2, 2), "shards are part of the settings");
    }

    #[test]
    fn divergence_stops_with_its_step() {
        let digits = gradus_data::digits();
        let mut model = Mlp::builder([64, 16, 10]).build::<f32>();
        let error = Trainer::new(Sgd::new(1e30)).fit(&mut model, &digits.train, None).map(|_| ()).unwrap_err();
        assert!(matches!(error, TrainError::Diverged { epoch: 1, .. }), "{error}");
        assert!(error.to_string().contains("smaller learning rate"));
    }

    #[test]
    fn a_callback_can_end_the_training() {
        let digits = gradus_data::digits();
        let mut model = Mlp::builder([64, 8, 10]).build::<f32>();
        let mut trainer = Trainer::new(Sgd::new(1e-3)).epochs(9).on_epoch(|row| match row.epoch {
            2 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        assert_eq!(trainer.fit(&mut model, &digits.test, None).unwrap().epochs.len(), 2);
    }
}
