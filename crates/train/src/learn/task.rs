//! Tasks: how a model is run on a batch, the cost of the batch, and the metrics beside the cost.

use gradus_autograd::{Float, Module, Tape, Var};
use gradus_data::{Augment, Batch};
use gradus_nn::{Forward, Reduction, loss};
use ndarray::{Array, Dimension};
use rand::Rng;

use crate::{Metric, Predictions, Targets};

/// The task that a [`Trainer`](crate::Trainer) teaches a model: [`Classify`], [`ClassifyBinary`], [`Regress`], or a
/// task of your own. For a cost alone, [`Trainer::cost`](crate::Trainer::cost) takes a closure.
pub trait Task<T: Float, M: ?Sized, B>: Sync {
    /// Returns the outputs of a model for a batch, and their mean cost over the batch.
    fn forward<'t>(&self, model: &M, tape: &'t Tape<T>, batch: &B) -> (Var<'t, T>, Var<'t, T>);

    /// Returns the targets that metrics compare the outputs with.
    fn targets(&self, _: &B) -> Targets<T> {
        Targets::None
    }

    /// The weight of this batch's mean cost when it is averaged with the costs of other batches, which are parts of a
    /// step or batches of an epoch. The weight is the divisor of the mean: the number of rows, or the sum of the class
    /// weights of the labels that are not ignored.
    fn weight(&self, _: &B, rows: usize) -> f64 {
        rows as f64
    }

    /// The weight of each example in the mean cost of its batch; `None` if all weigh the same. The empirical Fisher
    /// matrix of `gradus-landscape` needs it.
    fn weights(&self, _: &B) -> Option<Vec<f64>> {
        None
    }

    /// Returns the outputs with their targets, or `None` if metrics have nothing to compare.
    fn predictions(&self, outputs: Var<'_, T>, batch: &B) -> Option<Predictions<T>> {
        Predictions::new(outputs, self.targets(batch))
    }

    /// The metrics that are computed beside the cost.
    fn metrics(&self) -> &[Metric<T>] {
        &[]
    }

    /// Changes a batch before a training step sees it. The random numbers depend only on the seed, the step and the
    /// shard.
    fn augment(&self, _: &mut B, _: &mut dyn Rng) {}
}

/// A batch of inputs with labels: of a [`Dataset`](gradus_data::Dataset), or an array of any shape (images, sequences)
/// beside a `Vec<usize>`.
#[diagnostic::on_unimplemented(
    message = "a classifier cannot learn from `{Self}`",
    label = "no labels in `{Self}`",
    note = "`Trainer` classifies unless another task is set: data for it are a `Dataset<{T}>`, or an array of `{T}` \
            beside a `Vec<usize>` of labels",
    note = "for targets that are numbers, set `.task(Regress::new())`, with an array of `{T}` for the inputs and one \
            for the targets; for anything else, set a closure by `.cost(…)`"
)]
pub trait Labelled<T: Float> {
    /// Puts the inputs on a tape.
    fn input<'t>(&self, tape: &'t Tape<T>) -> Var<'t, T>;
    /// The labels.
    fn labels(&self) -> &[usize];
    /// Changes the inputs, which are taken as images, a row each.
    fn augment(&mut self, augment: Augment, rng: &mut dyn Rng);
}

impl<T: Float> Labelled<T> for Batch<T> {
    #[track_caller]
    fn input<'t>(&self, tape: &'t Tape<T>) -> Var<'t, T> {
        tape.constant(&self.x)
    }
    fn labels(&self) -> &[usize] {
        &self.y
    }
    fn augment(&mut self, augment: Augment, mut rng: &mut dyn Rng) {
        augment.apply(&mut self.x, &mut rng);
    }
}

impl<T: Float, D: Dimension> Labelled<T> for (Array<T, D>, Vec<usize>) {
    #[track_caller]
    fn input<'t>(&self, tape: &'t Tape<T>) -> Var<'t, T> {
        tape.constant(&self.0)
    }
    fn labels(&self) -> &[usize] {
        &self.1
    }
    fn augment(&mut self, augment: Augment, mut rng: &mut dyn Rng) {
        let (rows, numbers) = (self.1.len(), self.0.iter().copied().collect());
        let columns = self.0.len() / rows.max(1);
        let mut images = Array::from_shape_vec((rows, columns), numbers).expect("as many numbers as rows have");
        augment.apply(&mut images, &mut rng);
        self.0.iter_mut().zip(&images).for_each(|(to, &x)| *to = x);
    }
}

/// Classifies labelled examples ([`Dataset`](gradus_data::Dataset), or any others that are [`Labelled`]) by a logit for
/// each class; the cost is the cross-entropy. The metric is the accuracy, to which others can be added. Rows whose
/// label the cost ignores count neither in the cost nor in the metrics.
///
/// ```
/// use gradus_data::Augment;
/// use gradus_nn::loss::CrossEntropy;
/// use gradus_train::{Classify, Metric};
/// let task: Classify<f32> = Classify::new()
///     .cost(CrossEntropy::new().label_smoothing(0.1))
///     .metric(Metric::top_k(3))
///     .augment(Augment::images(8, 8).shift(1.0));
/// ```
#[derive(Clone, Debug)]
pub struct Classify<T: Float = f32> {
    cost: loss::CrossEntropy,
    metrics: Vec<Metric<T>>,
    augment: Option<Augment>,
}

impl<T: Float> Default for Classify<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Float> Classify<T> {
    /// A task with plain cross-entropy and the accuracy.
    pub fn new() -> Self {
        Classify { cost: loss::CrossEntropy::new(), metrics: vec![Metric::accuracy()], augment: None }
    }

    /// Sets the cost: cross-entropy with class weights, smoothing or an ignored label. The mean is taken, whatever
    /// reduction the given cost has.
    pub fn cost(mut self, cost: loss::CrossEntropy) -> Self {
        self.cost = cost.reduction(Reduction::Mean);
        self
    }

    /// Adds a metric.
    pub fn metric(mut self, metric: Metric<T>) -> Self {
        self.metrics.push(metric);
        self
    }

    /// Changes the images of each training batch.
    pub fn augment(mut self, augment: Augment) -> Self {
        self.augment = Some(augment);
        self
    }
}

impl<T: Float, M: Forward<T> + ?Sized, B: Labelled<T>> Task<T, M, B> for Classify<T> {
    #[track_caller]
    fn forward<'t>(&self, model: &M, tape: &'t Tape<T>, batch: &B) -> (Var<'t, T>, Var<'t, T>) {
        let (logits, labels) = (model.forward(batch.input(tape)), batch.labels());
        let none_counts = self.cost.weight_of(labels) == 0.0; // a mean of nothing would be NaN
        let cost = if none_counts { self.cost.clone().reduction(Reduction::Sum) } else { self.cost.clone() };
        (logits, cost.of(logits, labels))
    }
    fn targets(&self, batch: &B) -> Targets<T> {
        Targets::Labels(batch.labels().to_vec())
    }
    fn weight(&self, batch: &B, _: usize) -> f64 {
        self.cost.weight_of(batch.labels())
    }
    fn weights(&self, batch: &B) -> Option<Vec<f64>> {
        Some(batch.labels().iter().map(|&label| self.cost.weight_of(&[label])).collect())
    }
    fn predictions(&self, outputs: Var<'_, T>, batch: &B) -> Option<Predictions<T>> {
        let labels = batch.labels();
        if labels.iter().all(|&label| self.cost.counts(label)) {
            return Predictions::new(outputs, Targets::Labels(labels.to_vec()));
        }
        let rows: Vec<usize> = (0..labels.len()).filter(|&row| self.cost.counts(labels[row])).collect();
        let counted = Targets::Labels(rows.iter().map(|&row| labels[row]).collect());
        (!rows.is_empty()).then(|| Predictions::new(outputs.index_select(0, &rows), counted)).flatten()
    }
    fn metrics(&self) -> &[Metric<T>] {
        &self.metrics
    }
    fn augment(&self, batch: &mut B, rng: &mut dyn Rng) {
        if let Some(augment) = self.augment {
            batch.augment(augment, rng);
        }
    }
}

/// Classifies labelled examples of two classes by one logit each (`P(1) = σ(logit)`); the cost is the binary
/// cross-entropy. The metrics are accuracy and AUC, to which others can be added.
///
/// ```
/// use gradus_data::moons;
/// use gradus_nn::Mlp;
/// use gradus_optim::Adam;
/// use gradus_train::{ClassifyBinary, Trainer};
/// let mut model = Mlp::builder([2, 16, 1]).seed(1).build::<f32>();
/// let mut trainer = Trainer::new(Adam::new(0.02)).task(ClassifyBinary::new()).epochs(20);
/// let history = trainer.fit(&mut model, &moons(400, 0.1, 1), None)?;
/// assert!(history.last().train.get("auc").unwrap() > 0.95);
/// # Ok::<(), gradus_train::TrainError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClassifyBinary<T: Float = f32> {
    metrics: Vec<Metric<T>>,
}

impl<T: Float> Default for ClassifyBinary<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Float> ClassifyBinary<T> {
    /// A task with accuracy and AUC.
    pub fn new() -> Self {
        ClassifyBinary { metrics: vec![Metric::accuracy(), Metric::auc()] }
    }

    /// Adds a metric.
    pub fn metric(mut self, metric: Metric<T>) -> Self {
        self.metrics.push(metric);
        self
    }
}

impl<T: Float, M: Forward<T> + ?Sized, B: Labelled<T>> Task<T, M, B> for ClassifyBinary<T> {
    /// # Panics
    /// If the model does not give one number for each example, or a label is neither 0 nor 1.
    #[track_caller]
    fn forward<'t>(&self, model: &M, tape: &'t Tape<T>, batch: &B) -> (Var<'t, T>, Var<'t, T>) {
        let (logits, labels) = (model.forward(batch.input(tape)), batch.labels());
        assert!(
            logits.len() == labels.len(),
            "ClassifyBinary: the model gives {:?} for {} examples; it should give one number each",
            logits.shape(),
            labels.len()
        );
        let target = tape.constant_with(logits.shape(), |numbers| {
            for (row, (to, &label)) in numbers.iter_mut().zip(labels).enumerate() {
                assert!(label < 2, "ClassifyBinary: row {row} has label {label}, which is neither 0 nor 1");
                *to = T::from_f64(label as f64);
            }
        });
        (logits, loss::binary_cross_entropy(logits, target, Reduction::Mean))
    }
    fn targets(&self, batch: &B) -> Targets<T> {
        Targets::Labels(batch.labels().to_vec())
    }
    fn metrics(&self) -> &[Metric<T>] {
        &self.metrics
    }
}

/// Learns from pairs of arrays: the inputs, and the numbers that the outputs should be. The cost is the mean squared
/// error, unless another is set. The metrics are `mae` and `r2`, to which others can be added.
///
/// ```
/// use gradus_nn::{Linear, Reduction, loss, rng};
/// use gradus_optim::Adam;
/// use gradus_train::{Regress, Trainer};
/// use ndarray::Axis;
/// let (x, y) = gradus_data::linear(500, &[2.0, -1.0], 3.0, 0.1, 1);
/// let data = (x, y.insert_axis(Axis(1)));
/// let mut line = Linear::new(2, 1, &mut rng(0));
/// let task = Regress::new().cost(|y, target| loss::huber(y, target, 1.0, Reduction::Mean));
/// Trainer::new(Adam::new(0.05)).task(task).epochs(20).fit(&mut line, &data, None)?;
/// assert!((line.weight.data()[0] - 2.0).abs() < 0.02);
/// # Ok::<(), gradus_train::TrainError>(())
/// ```
pub struct Regress<T: Float = f32> {
    cost: Box<Cost<T>>,
    metrics: Vec<Metric<T>>,
}

type Cost<T> = dyn for<'t> Fn(Var<'t, T>, Var<'t, T>) -> Var<'t, T> + Send + Sync;

impl<T: Float> std::fmt::Debug for Regress<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Regress {:?}", self.metrics)
    }
}

impl<T: Float> Default for Regress<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Float> Regress<T> {
    /// A task with the mean squared error, `mae` and `r2`.
    pub fn new() -> Self {
        let metrics = vec![Metric::mae(), Metric::r2()];
        Regress { cost: Box::new(|y, target| loss::mse(y, target, Reduction::Mean)), metrics }
    }

    /// Sets the cost: a function of outputs and targets that returns the mean over the batch.
    pub fn cost(mut self, cost: impl for<'t> Fn(Var<'t, T>, Var<'t, T>) -> Var<'t, T> + Send + Sync + 'static) -> Self {
        self.cost = Box::new(cost);
        self
    }

    /// Adds a metric.
    pub fn metric(mut self, metric: Metric<T>) -> Self {
        self.metrics.push(metric);
        self
    }
}

/// A batch of inputs beside numbers: two arrays with a row for each example.
#[diagnostic::on_unimplemented(
    message = "`Regress` cannot learn from `{Self}`",
    label = "not a pair of arrays of `{T}`",
    note = "`Regress` learns from an array of inputs beside an array of targets, both of `{T}`; for labels, such as \
            those of a `Dataset`, leave the task out (`Classify`), or set `ClassifyBinary`"
)]
pub trait Paired<T: Float> {
    /// Puts the inputs on a tape.
    fn inputs<'t>(&self, tape: &'t Tape<T>) -> Var<'t, T>;
    /// Puts the targets on a tape.
    fn targets<'t>(&self, tape: &'t Tape<T>) -> Var<'t, T>;
}

impl<T: Float, D: Dimension, E: Dimension> Paired<T> for (Array<T, D>, Array<T, E>) {
    #[track_caller]
    fn inputs<'t>(&self, tape: &'t Tape<T>) -> Var<'t, T> {
        tape.constant(&self.0)
    }
    #[track_caller]
    fn targets<'t>(&self, tape: &'t Tape<T>) -> Var<'t, T> {
        tape.constant(&self.1)
    }
}

impl<T: Float, M: Forward<T> + ?Sized, B: Paired<T>> Task<T, M, B> for Regress<T> {
    /// # Panics
    /// If outputs and targets are not of one shape: broadcasting would compare each output with every target.
    #[track_caller]
    fn forward<'t>(&self, model: &M, tape: &'t Tape<T>, batch: &B) -> (Var<'t, T>, Var<'t, T>) {
        let (outputs, targets) = (model.forward(batch.inputs(tape)), batch.targets(tape));
        let (have, want) = (outputs.shape(), targets.shape());
        assert!(have == want, "Regress: the model gives {have:?}, but the targets are {want:?}; reshape one of them");
        (outputs, (self.cost)(outputs, targets))
    }
    fn targets(&self, batch: &B) -> Targets<T> {
        Targets::Numbers(batch.targets(&Tape::inference()).value().to_owned())
    }
    fn metrics(&self) -> &[Metric<T>] {
        &self.metrics
    }
}

/// A task that is only a cost of your own, without metrics. [`Trainer::cost`](crate::Trainer::cost) makes it.
#[derive(Clone, Copy, Debug)]
pub struct CostOf<F>(F);

impl<F> CostOf<F> {
    /// A task from a closure that returns the mean cost of a batch.
    pub fn new<T: Float, M, B>(cost: F) -> Self
    where
        F: for<'t> Fn(&M, &'t Tape<T>, &B) -> Var<'t, T>,
    {
        CostOf(cost)
    }
}

impl<T: Float, M: Module<T>, B, F> Task<T, M, B> for CostOf<F>
where
    F: for<'t> Fn(&M, &'t Tape<T>, &B) -> Var<'t, T> + Sync,
{
    #[track_caller]
    fn forward<'t>(&self, model: &M, tape: &'t Tape<T>, batch: &B) -> (Var<'t, T>, Var<'t, T>) {
        let cost = (self.0)(model, tape, batch);
        (cost, cost)
    }
}
