//! The trainer of a model, and its settings.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use gradus_autograd::{Float, Module, ParamId, Tape, Var};
use gradus_data::Sampling;
use gradus_optim::{Descent, EarlyStopping, ReduceOnPlateau, Schedule};

use crate::learn::task::CostOf;
use crate::run::settings::{Length, Settings};
use crate::run::state::State;
use crate::{Checkpoints, Classify, Ranks};

/// Trains a model on mini-batches, shuffled afresh each epoch: a classifier with cross-entropy, or anything else that a
/// [`task`](Self::task) or a [`cost`](Self::cost) describes.
///
/// It runs the following loop, which you may as well write yourself; the settings add what one comes to need beside it.
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
    /// the optimizer as it was given; a run of a new model begins with a copy of it
    pub(crate) optimizer: D,
    /// the optimizer and the state as the last run left them
    pub(crate) last: Option<Last<D, T>>,
    pub(crate) task: K,
    pub(crate) settings: Settings,
}

/// The things that a run left.
pub(crate) struct Last<D, T: Float> {
    pub(crate) optimizer: D,
    /// the state of the run; `None` after an error
    pub(crate) state: Option<State<T>>,
    /// the identities of the model's parameters
    pub(crate) model: Vec<ParamId>,
    /// the number of times that the model was trained
    pub(crate) calls: u64,
}

impl<D, T: Float, K> fmt::Debug for Trainer<D, T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trainer {:?}", self.settings)
    }
}

impl<D: Descent<T>, T: Float> Trainer<D, T> {
    /// A trainer of a classifier, with an optimizer or any other [`Descent`]: 10 epochs, batches of 32, seed 0, one
    /// shard, one thread, nothing shown or saved.
    pub fn new(optimizer: D) -> Self {
        Trainer { optimizer, last: None, task: Classify::new(), settings: Settings::default() }
    }
}

/// Settings of the task.
impl<D: Descent<T>, T: Float, K> Trainer<D, T, K> {
    /// Sets another task than plain classification: see [`Task`](crate::Task).
    pub fn task<L>(self, task: L) -> Trainer<D, T, L> {
        Trainer { optimizer: self.optimizer, last: self.last, task, settings: self.settings }
    }

    /// Sets a cost of your own, which must be the mean over a batch.
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
        self.task(CostOf::new(cost))
    }
}

/// Settings of the length of a run, its batches and its threads.
impl<D: Descent<T>, T: Float, K> Trainer<D, T, K> {
    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Sets how many times each [`fit`](Self::fit) goes through the training data.
    pub fn epochs(self, epochs: u64) -> Self {
        self.with(|o| o.length = Length::Epochs(epochs))
    }

    /// Sets how many steps each [`fit`](Self::fit) makes, instead of a number of epochs. An epoch that these steps do
    /// not complete has a row too, for its part that was made.
    pub fn steps(self, steps: u64) -> Self {
        self.with(|o| o.length = Length::Steps(steps))
    }

    /// Sets how many examples a step takes.
    ///
    /// # Panics
    /// If `size` is 0.
    #[track_caller]
    pub fn batch_size(self, size: usize) -> Self {
        assert!(size > 0, "Trainer: a batch size of 0");
        self.with(|o| o.batch_size = size)
    }

    /// Lets a step take this many batches, one after the other, and add up their gradients: a batch as large as you
    /// like in the memory of a small one. The cost is then the mean over all of them.
    ///
    /// # Panics
    /// If `batches` is 0.
    #[track_caller]
    pub fn accumulate(self, batches: usize) -> Self {
        assert!(batches > 0, "Trainer: 0 batches are accumulated");
        self.with(|o| o.accumulate = batches)
    }

    /// Sets whether the last batch of an epoch is left out if it is smaller than the others.
    pub fn drop_last(self, drop_last: bool) -> Self {
        self.with(|o| o.drop_last = drop_last)
    }

    /// Sets how the rows of an epoch are drawn. The default is [`Sampling::Shuffled`].
    pub fn sampling(self, sampling: Sampling) -> Self {
        self.with(|o| o.sampling = sampling)
    }

    /// Sets the seed, which fixes the order of the examples, the draws of dropout, and the changes of images.
    pub fn seed(self, seed: u64) -> Self {
        self.with(|o| o.seed = seed)
    }

    /// Sets into how many parts a batch is split. The parts are computed separately and added in order, so their number
    /// changes the results in the last bits. It also changes the draws of dropout, and the batches that batch
    /// normalisation sees.
    ///
    /// # Panics
    /// If `shards` is 0.
    #[track_caller]
    pub fn shards(self, shards: usize) -> Self {
        assert!(shards > 0, "Trainer: 0 shards");
        self.with(|o| o.shards = shards)
    }

    /// Sets how many threads work on the shards. This changes only the speed; more threads than shards are of no use.
    ///
    /// # Panics
    /// If `threads` is 0.
    #[track_caller]
    pub fn threads(self, threads: usize) -> Self {
        assert!(threads > 0, "Trainer: 0 threads");
        self.with(|o| o.threads = threads)
    }

    /// Lets several processes train one model together: each of the [`Ranks`] computes its share of the shards of each
    /// batch, on its own [`threads`](Self::threads). The result is, bit for bit, that of one process with as many
    /// shards.
    ///
    /// All ranks run the same program: the same settings, the same data (each reads only its share of the rows), and a
    /// model with the same numbers; [`fit`](Self::fit) checks this before the first step. Rank 0 shows progress, and
    /// writes checkpoints and logs, for all. A checkpoint of any number of ranks can go on with any other.
    ///
    /// The steps of a callback ([`fit_with`](Self::fit_with)) run on every rank, and must do the same on each. If it
    /// ends the run on one rank, all ranks stop after the same step.
    ///
    /// A request to end any of the processes (Ctrl-C, or `SIGTERM`, which a cluster sends before it ends a job) ends
    /// the run on all ranks after the same step, as with [`stop_on_ctrl_c`](Self::stop_on_ctrl_c), unless the program
    /// has a handler of its own for it.
    ///
    /// See [`LocalRanks`](crate::LocalRanks) for an example.
    pub fn distributed(self, ranks: &(impl Ranks + Clone + 'static)) -> Self {
        self.with(|o| o.ranks = Some(Arc::new(ranks.clone())))
    }

    /// Sets whether large gradients travel to the other ranks while the sweep still computes the others. Without this
    /// setting, both ways are tried in the first eight steps, and the faster one is kept. It takes memory for another
    /// gradient for each shard of a rank, and a second thread; see [`Shards::overlap`](crate::Shards::overlap).
    pub fn overlap(self, overlap: bool) -> Self {
        self.with(|o| o.overlap = Some(overlap))
    }

    /// Sets whether each rank keeps and updates only its slice of the optimizer's state of large parameters (those of
    /// 16,384 numbers or more), instead of all of it. This divides the memory for the state by the number of ranks, and
    /// changes no bit of the result. After each step, the ranks tell each other the slices of the parameters, so a rank
    /// sends half as much again. It is stage 1 of ZeRO (Rajbhandari et al. 2019, <https://arxiv.org/abs/1910.02054>).
    ///
    /// It has an effect with [`distributed`](Self::distributed) only. A rule that needs the whole parameter (`Muon`,
    /// `Adafactor`), and rows that rest (`lazy`), are kept whole. Checkpoints are as without it; while one is saved or
    /// loaded, each rank has the whole state. After the run, the optimizer and its clones still share their work: all
    /// ranks must call `optimizer().state()`, or make a step with them, together.
    pub fn shard_optimizer(self, shard: bool) -> Self {
        self.with(|o| o.shard_optimizer = shard)
    }

    /// Reads and augments up to `batches` batches ahead, on a thread of their own: for data from a disk.
    pub fn prefetch(self, batches: usize) -> Self {
        self.with(|o| o.prefetch = batches)
    }

    /// Sets a schedule of the learning rate that moves on with each epoch. It replaces the optimizer's own schedule,
    /// which moves on with each step.
    pub fn schedule_by_epoch(self, schedule: Schedule) -> Self {
        self.with(|o| o.schedule = Some(schedule))
    }
}

/// Settings of the things that are watched, kept, shown and saved.
impl<D: Descent<T>, T: Float, K> Trainer<D, T, K> {
    /// Sets the metric that decides which epoch is the best, when to stop, and when the learning rate falls: the name
    /// of a metric, or `loss`, which is the default. It is measured on the validation data, if there is any.
    pub fn watch(self, metric: &str) -> Self {
        self.with(|o| o.watch = Some(metric.to_owned()))
    }

    /// Ends the run when the [watched](Self::watch) metric gets no better. Whether it should rise or fall follows from
    /// the metric.
    pub fn early_stopping(self, stopping: EarlyStopping) -> Self {
        self.with(|o| o.stopping = Some(stopping))
    }

    /// Lowers the learning rate when the [watched](Self::watch) metric gets no better. Whether it should rise or fall
    /// follows from the metric.
    pub fn reduce_on_plateau(self, plateau: ReduceOnPlateau) -> Self {
        self.with(|o| o.plateau = Some(plateau))
    }

    /// Sets whether the model gets back, at the end, the numbers that it had after its best epoch by the
    /// [watched](Self::watch) metric.
    pub fn keep_best(self, keep_best: bool) -> Self {
        self.with(|o| o.keep_best = keep_best)
    }

    /// Sets whether to show progress on the error stream: a bar for each epoch on a terminal, and a line for each epoch
    /// everywhere.
    pub fn progress(self, progress: bool) -> Self {
        self.with(|o| o.progress = progress)
    }

    /// Writes a row for each epoch into a file: JSON lines if its name ends in `.jsonl`, else comma-separated values.
    /// Call this several times for several files.
    pub fn log(self, path: impl AsRef<Path>) -> Self {
        self.with(|o| o.logs.push(path.as_ref().to_owned()))
    }

    /// Saves the run as it goes, and goes on with a saved run.
    pub fn checkpoints(self, checkpoints: Checkpoints) -> Self {
        self.with(|o| o.checkpoints = Some(checkpoints))
    }

    /// Sets whether Ctrl-C (or a request to end the process) ends the run with
    /// [`Ended::Interrupted`](crate::Ended::Interrupted), after the step is finished and the run is saved. The second
    /// Ctrl-C ends the process at once.
    pub fn stop_on_ctrl_c(self, stop: bool) -> Self {
        self.with(|o| o.ctrl_c = stop)
    }

    /// The settings that decide the result, by name, for a report: the optimizer as it was given, the length, and all
    /// others that every run has or that differ from the default.
    ///
    /// ```
    /// use gradus_optim::Adam;
    /// use gradus_train::Trainer;
    /// let settings = Trainer::<_, f32>::new(Adam::new(1e-3)).epochs(5).seed(7).describe();
    /// assert!(settings.contains(&("length".to_owned(), "5 epochs".to_owned())));
    /// assert!(settings.contains(&("seed".to_owned(), "7".to_owned())));
    /// ```
    pub fn describe(&self) -> Vec<(String, String)> {
        let optimizer = ("optimizer", format!("{:?}", self.optimizer));
        let rows = std::iter::once(optimizer).chain(self.settings.described());
        rows.map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The settings that must be the same on all ranks.
    pub(crate) fn described_for_ranks(&self) -> Vec<(String, String)> {
        let saved = self.settings.checkpoints.as_ref().map_or("none".to_owned(), Checkpoints::rhythm);
        let own = [
            ("the version of gradus", env!("CARGO_PKG_VERSION").to_owned()),
            ("checkpoints", saved),
            ("logs", format!("{} files", self.settings.logs.len())),
            // a state is compared by its steps alone: it may be large
            ("steps of the optimizer", self.optimizer.steps().to_string()),
            ("optimizer", if self.optimizer.steps() == 0 { format!("{:?}", self.optimizer) } else { String::new() }),
        ];
        let described = self.settings.described().into_iter().filter(|(name, _)| *name != "threads");
        own.into_iter().chain(described).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The optimizer, as the last run left it.
    pub fn optimizer(&self) -> &D {
        self.last.as_ref().map_or(&self.optimizer, |last| &last.optimizer)
    }

    /// Makes the next [`fit`](Self::fit) begin anew, with the optimizer as it was given and from epoch 1, even with the
    /// model that was trained last.
    pub fn start_anew(&mut self) {
        self.last = None;
    }
}
