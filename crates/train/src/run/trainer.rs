//! What trains a model: its settings.

use std::fmt;
use std::path::Path;

use gradus_autograd::{Float, Module, ParamId, Tape, Var};
use gradus_data::Sampling;
use gradus_optim::{Descent, EarlyStopping, ReduceOnPlateau, Schedule};

use crate::learn::task::CostOf;
use crate::run::settings::{Length, Settings};
use crate::run::state::State;
use crate::{Checkpoints, Classify};

/// Trains a model on mini-batches, shuffled afresh each epoch: a classifier with cross-entropy, or whatever a
/// [`task`](Self::task) or a [`cost`](Self::cost) says.
///
/// What it does is this loop, which you may as well write yourself; the rest is what one adds to it in time.
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
/// assert!(gradus_train::evaluate(&model, &digits.test).accuracy() > 0.8);
/// ```
pub struct Trainer<D, T: Float = f32, K = Classify<T>> {
    /// as it was given: a run of a new model begins with a copy of it
    pub(crate) optimizer: D,
    /// the optimizer and the state as the last run left them
    pub(crate) last: Option<Last<D, T>>,
    pub(crate) task: K,
    pub(crate) settings: Settings,
}

/// What a run left.
pub(crate) struct Last<D, T: Float> {
    pub(crate) optimizer: D,
    /// where it stands; nothing after an error
    pub(crate) state: Option<State<T>>,
    /// the identities of the model's parameters
    pub(crate) model: Vec<ParamId>,
    /// how often it was trained
    pub(crate) calls: u64,
}

impl<D, T: Float, K> fmt::Debug for Trainer<D, T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trainer {:?}", self.settings)
    }
}

impl<D: Descent<T>, T: Float> Trainer<D, T> {
    /// A classifier's, with an optimizer or any other [`Descent`], 10 epochs, batches of 32, seed 0, one shard, one
    /// thread, nothing shown or saved.
    pub fn new(optimizer: D) -> Self {
        Trainer { optimizer, last: None, task: Classify::new(), settings: Settings::default() }
    }
}

/// What is learned.
impl<D: Descent<T>, T: Float, K> Trainer<D, T, K> {
    /// Another task than plain classification: see [`Task`](crate::Task).
    pub fn task<L>(self, task: L) -> Trainer<D, T, L> {
        Trainer { optimizer: self.optimizer, last: self.last, task, settings: self.settings }
    }

    /// A cost of your own: the mean over a batch.
    ///
    /// ```
    /// use gradus_autograd::Param;
    /// use gradus_optim::Sgd;
    /// use gradus_train::Trainer;
    /// use ndarray::{Array1, array};
    /// // y = m x + b
    /// let data = (array![0.0f32, 1.0, 2.0, 3.0], array![1.0, 3.0, 5.0, 7.0]);
    /// let mut line = (Param::new(0.0), Param::new(0.0));
    /// let mut trainer = Trainer::new(Sgd::new(0.1)).epochs(200).batch_size(4).cost(
    ///     |(m, b): &(Param, Param), t, (x, y): &(Array1<f32>, Array1<f32>)| (t.param(m) * x + b - y).square().mean(),
    /// );
    /// trainer.fit(&mut line, &data, None)?;
    /// assert!((line.0.data()[0] - 2.0).abs() < 1e-3 && (line.1.data()[0] - 1.0).abs() < 1e-3);
    /// # Ok::<(), gradus_train::TrainError>(())
    /// ```
    pub fn cost<M: Module<T>, B, F>(self, cost: F) -> Trainer<D, T, CostOf<F>>
    where
        F: for<'t> Fn(&M, &'t Tape<T>, &B) -> Var<'t, T> + Sync,
    {
        self.task(CostOf(cost))
    }
}

/// How long, on which batches, with how many threads.
impl<D: Descent<T>, T: Float, K> Trainer<D, T, K> {
    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// How often the training data is gone through by each [`fit`](Self::fit).
    pub fn epochs(self, epochs: u64) -> Self {
        self.with(|o| o.length = Length::Epochs(epochs))
    }

    /// How many steps are made, instead of a number of epochs. An epoch that they do not complete has a row too, of
    /// what was made of it.
    pub fn steps(self, steps: u64) -> Self {
        self.with(|o| o.length = Length::Steps(steps))
    }

    /// How many examples a step takes.
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn batch_size(self, size: usize) -> Self {
        assert!(size > 0, "Trainer: a batch size of 0");
        self.with(|o| o.batch_size = size)
    }

    /// Lets a step take this many batches, one after the other, and add up their gradients: a batch as large as you
    /// like in the memory of a small one. The cost is then the mean over all of them.
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn accumulate(self, batches: usize) -> Self {
        assert!(batches > 0, "Trainer: 0 batches are accumulated");
        self.with(|o| o.accumulate = batches)
    }

    /// Whether the last batch of an epoch is left out if it is smaller than the others.
    pub fn drop_last(self, drop_last: bool) -> Self {
        self.with(|o| o.drop_last = drop_last)
    }

    /// How the rows of an epoch are drawn; [`Sampling::Shuffled`] if not set.
    pub fn sampling(self, sampling: Sampling) -> Self {
        self.with(|o| o.sampling = sampling)
    }

    /// Fixes the order of the examples, what dropout draws, and how images are changed.
    pub fn seed(self, seed: u64) -> Self {
        self.with(|o| o.seed = seed)
    }

    /// Into how many parts a batch is split. They are computed apart and added in order, so their number changes
    /// results in the last bits (and what dropout draws, and the batches that batch normalisation sees).
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn shards(self, shards: usize) -> Self {
        assert!(shards > 0, "Trainer: 0 shards");
        self.with(|o| o.shards = shards)
    }

    /// How many threads work on the shards. Changes nothing but the speed; more than shards are of no use.
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn threads(self, threads: usize) -> Self {
        assert!(threads > 0, "Trainer: 0 threads");
        self.with(|o| o.threads = threads)
    }

    /// Reads, and changes, so many batches ahead, on a thread of their own: for data from a disk.
    pub fn prefetch(self, batches: usize) -> Self {
        self.with(|o| o.prefetch = batches)
    }

    /// A schedule of the learning rate that moves on with each epoch, instead of the optimizer's own, which moves on
    /// with each step.
    pub fn schedule_by_epoch(self, schedule: Schedule) -> Self {
        self.with(|o| o.schedule = Some(schedule))
    }
}

/// What is looked at, kept, shown and saved.
impl<D: Descent<T>, T: Float, K> Trainer<D, T, K> {
    /// The metric that decides what is best, when to stop, and when the learning rate falls: `loss`, if not set, or a
    /// metric's name; on the validation data, if there is any.
    pub fn watch(self, metric: &str) -> Self {
        self.with(|o| o.watch = Some(metric.to_owned()))
    }

    /// Ends the run when the metric that is [watched](Self::watch) gets no better. Its goal is the metric's.
    pub fn early_stopping(self, stopping: EarlyStopping) -> Self {
        self.with(|o| o.stopping = Some(stopping))
    }

    /// Lowers the learning rate when the metric that is [watched](Self::watch) gets no better. Its goal is the
    /// metric's.
    pub fn reduce_on_plateau(self, plateau: ReduceOnPlateau) -> Self {
        self.with(|o| o.plateau = Some(plateau))
    }

    /// Whether the model gets back, in the end, the numbers that it had after its best epoch, by the metric that is
    /// [watched](Self::watch).
    pub fn keep_best(self, keep_best: bool) -> Self {
        self.with(|o| o.keep_best = keep_best)
    }

    /// Whether to show a bar for each epoch on a terminal, and a line for each everywhere, on the error stream.
    pub fn progress(self, progress: bool) -> Self {
        self.with(|o| o.progress = progress)
    }

    /// Writes a row an epoch into a file: JSON lines if its name ends in `.jsonl`, else comma-separated values. More
    /// than one may be asked for.
    pub fn log(self, path: impl AsRef<Path>) -> Self {
        self.with(|o| o.logs.push(path.as_ref().to_owned()))
    }

    /// Saves the run as it goes, and takes it up again.
    pub fn checkpoints(self, checkpoints: Checkpoints) -> Self {
        self.with(|o| o.checkpoints = Some(checkpoints))
    }

    /// Whether Ctrl-C (or a request to end the process) lets the step finish, saves, and ends the run with
    /// [`Ended::Interrupted`](crate::Ended::Interrupted). The second one ends the process at once.
    pub fn stop_on_ctrl_c(self, stop: bool) -> Self {
        self.with(|o| o.ctrl_c = stop)
    }

    /// The optimizer, as the last run left it.
    pub fn optimizer(&self) -> &D {
        self.last.as_ref().map_or(&self.optimizer, |last| &last.optimizer)
    }

    /// Lets the next [`fit`](Self::fit) begin anew, with the optimizer as it was given and from epoch 1, though it be
    /// of the model that was trained last.
    pub fn start_anew(&mut self) {
        self.last = None;
    }
}
