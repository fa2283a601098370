//! Measures of predictions: plain functions, and [`Metric`]s that a training run computes.

use std::fmt;
use std::sync::Arc;

use gradus_autograd::Float;
use gradus_optim::Goal;

use super::confusion::{Class, overall};
use crate::Predictions;

/// The place of the largest number of each row, the first of those that tie; `None` for a row that holds NaN.
pub(crate) fn largest<T: Float>(numbers: &[T], columns: usize) -> Vec<Option<usize>> {
    let rows = numbers.chunks_exact(columns.max(1));
    let place = |row: &[T]| {
        let best = (1..row.len()).fold(0, |best, j| if row[j] > row[best] { j } else { best });
        row.iter().all(|x| !x.to_f64().is_nan()).then_some(best)
    };
    rows.map(place).collect()
}

/// The area under the ROC curve: the probability that a positive example has a larger score
/// than a negative one, where a tie counts half. NaN if all examples are of one kind. Takes time n log n (Mann and
/// Whitney 1947, <https://doi.org/10.1214/aoms/1177730491>).
///
/// ```
/// use gradus_train::auc;
/// assert_eq!(auc(&[0.1, 0.4, 0.35, 0.8], &[false, false, true, true]), 0.75);
/// ```
///
/// # Panics
/// If `scores` and `positive` differ in length.
#[track_caller]
pub fn auc(scores: &[f64], positive: &[bool]) -> f64 {
    let (s, p) = (scores.len(), positive.len());
    assert!(s == p, "auc: {s} scores for {p} answers");
    if scores.iter().any(|x| x.is_nan()) {
        return f64::NAN;
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (mut below, mut wins) = (0.0, 0.0); // negatives so far; pairs won so far
    for tied in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let ups = tied.iter().filter(|&&i| positive[i]).count() as f64;
        let downs = tied.len() as f64 - ups;
        wins += ups * (below + downs / 2.0);
        below += downs;
    }
    wins / (below * (scores.len() as f64 - below))
}

/// A number that a training run computes beside the cost: its name, whether it should rise or fall, and a function of
/// predictions.
///
/// ```
/// use gradus_optim::Goal;
/// use gradus_train::{Metric, Predictions, Targets};
/// use ndarray::array;
/// let logits = array![[2.0f32, 1.0, 0.0], [0.0, 2.0, 1.0]].into_dyn();
/// let predictions = Predictions { outputs: logits, targets: Targets::Labels(vec![0, 2]) };
/// assert_eq!((Metric::accuracy().of(&predictions), Metric::top_k(2).of(&predictions)), (0.5, 1.0));
/// let wrong = Metric::new("wrong", Goal::Minimize, |p: &Predictions<f32>| 1.0 - p.confusion().accuracy());
/// assert_eq!(wrong.of(&predictions), 0.5);
/// ```
#[derive(Clone)]
pub struct Metric<T: Float> {
    name: String,
    goal: Goal,
    how: How<T>,
}

type Of<T> = dyn Fn(&Predictions<T>) -> f64 + Send + Sync;
type Count<T> = dyn Fn(&Predictions<T>) -> Vec<f64> + Send + Sync;
type Value = dyn Fn(&[f64]) -> f64 + Send + Sync;

/// How a metric is computed.
#[derive(Clone)]
enum How<T: Float> {
    /// a function of all predictions at once
    Of(Arc<Of<T>>),
    /// a function of numbers that are counted for each part and then joined
    Counted { count: Arc<Count<T>>, join: fn(&mut Vec<f64>, &[f64]), value: Arc<Value> },
}

impl<T: Float> fmt::Debug for Metric<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Metric {} ({:?})", self.name, self.goal)
    }
}

/// Adds `more` to `all`, number by number.
fn sum(all: &mut Vec<f64>, more: &[f64]) {
    all.resize(all.len().max(more.len()), 0.0);
    all.iter_mut().zip(more).for_each(|(sum, x)| *sum += x);
}

/// The first number divided by the second.
fn ratio(sums: &[f64]) -> f64 {
    match sums {
        [part, whole, ..] => part / whole,
        _ => f64::NAN,
    }
}

impl<T: Float> Metric<T> {
    /// A metric of your own. In the training column of a log, it is the mean over an epoch's batches, with the weights
    /// that these have in the cost. For a metric that can be counted over the whole epoch, see
    /// [`counted`](Self::counted).
    ///
    /// # Panics
    /// If a log has another column of this name: `loss`, `epoch`, `step`, `lr`, `seconds`, or a name that begins with
    /// `valid_`.
    #[track_caller]
    pub fn new(name: &str, goal: Goal, of: impl Fn(&Predictions<T>) -> f64 + Send + Sync + 'static) -> Self {
        Self::with(name, goal, How::Of(Arc::new(of)))
    }

    /// A metric of your own that follows from sums: `count` computes numbers from a part of the predictions, which are
    /// added up over all parts, and `value` computes the metric from their sums. A part is what is computed at once: a
    /// shard of a batch, or 256 rows of an evaluation. So the numbers of two parts must add up to those of both
    /// together, as hits do and an accuracy does not; then the metric does not depend on the parts. Anything else goes
    /// to [`new`](Self::new).
    ///
    /// ```
    /// use gradus_optim::Goal;
    /// use gradus_train::{Metric, Predictions};
    /// // the share of predictions that are class 0
    /// let zeros = Metric::<f32>::counted(
    ///     "zeros",
    ///     Goal::Minimize,
    ///     |p| vec![p.classes().iter().filter(|class| **class == 0).count() as f64, p.classes().len() as f64],
    ///     |sums| sums[0] / sums[1],
    /// );
    /// ```
    ///
    /// # Panics
    /// As [`new`](Self::new).
    #[track_caller]
    pub fn counted(
        name: &str,
        goal: Goal,
        count: impl Fn(&Predictions<T>) -> Vec<f64> + Send + Sync + 'static,
        value: impl Fn(&[f64]) -> f64 + Send + Sync + 'static,
    ) -> Self {
        Self::with(name, goal, How::Counted { count: Arc::new(count), join: sum, value: Arc::new(value) })
    }

    #[track_caller]
    fn with(name: &str, goal: Goal, how: How<T>) -> Self {
        let taken = ["loss", "epoch", "step", "lr", "seconds"].contains(&name) || name.starts_with("valid_");
        assert!(!taken, "Metric: `{name}` is the name of another column of a log");
        Metric { name: name.to_owned(), goal, how }
    }

    /// The name of the metric in logs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the metric should rise or fall.
    pub fn goal(&self) -> Goal {
        self.goal
    }

    /// Computes the metric.
    ///
    /// # Panics
    /// If the metric is of labels and the targets are numbers, or the reverse.
    #[track_caller]
    pub fn of(&self, predictions: &Predictions<T>) -> f64 {
        match &self.how {
            How::Of(of) => of(predictions),
            How::Counted { count, value, .. } => value(&count(predictions)),
        }
    }

    /// Whether the metric follows from counts. If not, it is a function of all predictions at once.
    pub(crate) fn is_counted(&self) -> bool {
        matches!(self.how, How::Counted { .. })
    }

    /// The counts of a part of the predictions; there are none if the metric is a function of all of them at once.
    #[track_caller]
    pub(crate) fn count(&self, predictions: &Predictions<T>) -> Vec<f64> {
        match &self.how {
            How::Of(_) => Vec::new(),
            How::Counted { count, .. } => count(predictions),
        }
    }

    /// Joins the counts of a part to those of others.
    pub(crate) fn join(&self, all: &mut Vec<f64>, more: &[f64]) {
        if let How::Counted { join, .. } = self.how {
            join(all, more);
        }
    }

    /// Adds a batch of the given weight to the tally of an epoch. `value` is the metric of this batch.
    pub(crate) fn add(&self, tally: &mut Vec<f64>, counts: &[f64], value: impl Fn() -> f64, weight: f64) {
        match &self.how {
            How::Of(_) => match value() {
                value if value.is_nan() => {} // not defined for this batch
                value => sum(tally, &[value * weight, weight]),
            },
            How::Counted { .. } => self.join(tally, counts),
        }
    }

    /// The value of the metric for all batches in the tally.
    pub(crate) fn total(&self, tally: &[f64]) -> f64 {
        match &self.how {
            How::Of(_) => ratio(tally),
            How::Counted { value, .. } if !tally.is_empty() => value(tally),
            How::Counted { .. } => f64::NAN,
        }
    }

    /// `accuracy`: the share of right predictions.
    pub fn accuracy() -> Self {
        let count = |p: &Predictions<T>| {
            let hits = p.decisions().iter().zip(p.matched_labels()).filter(|(p, y)| **p == Some(**y)).count();
            vec![hits as f64, p.labels().len() as f64]
        };
        Metric::counted("accuracy", Goal::Maximize, count, ratio)
    }

    /// `top_k`: the share of examples whose class is among the k classes with the largest logits. Of classes with the
    /// same logit, the first comes first. A row that holds NaN is never a hit. One logit per row stands for two
    /// classes.
    pub fn top_k(k: usize) -> Self {
        let count = move |p: &Predictions<T>| {
            let (labels, classes, decisions) = (p.matched_labels(), p.columns(), p.decisions());
            let hit = |row: usize, label: usize| {
                let logits = &p.numbers()[row * classes..(row + 1) * classes];
                assert!(
                    label < classes.max(2),
                    "top_{k}: row {row} has label {label}, among {} classes",
                    classes.max(2)
                );
                match decisions[row] {
                    None => false,
                    Some(class) if classes == 1 => k >= 2 || (k == 1 && class == label),
                    Some(_) => {
                        let own = logits[label];
                        let before = |(j, x): &(usize, &T)| **x > own || (**x == own && *j < label);
                        logits.iter().enumerate().filter(before).count() < k
                    }
                }
            };
            let hits = labels.iter().enumerate().filter(|&(row, &label)| hit(row, label)).count();
            vec![hits as f64, labels.len() as f64]
        };
        Metric::counted(&format!("top_{k}"), Goal::Maximize, count, ratio)
    }

    /// `precision`: with two classes, the precision of class 1; with more, the mean over the classes that occur in
    /// labels or predictions. See [`Confusion::precision`](crate::Confusion::precision).
    pub fn precision() -> Self {
        Self::of_classes("precision", Class::precision)
    }

    /// `recall`: with two classes, the recall of class 1; with more, the mean over the classes that occur in labels or
    /// predictions. See [`Confusion::recall`](crate::Confusion::recall).
    pub fn recall() -> Self {
        Self::of_classes("recall", Class::recall)
    }

    /// `f1`: with two classes, the score of class 1; with more, the mean over the classes that occur in labels or
    /// predictions, as in scikit-learn's `f1_score` with `average="macro"`. See
    /// [`Confusion::f1`](crate::Confusion::f1).
    pub fn f1() -> Self {
        Self::of_classes("f1", Class::f1)
    }

    fn of_classes(name: &str, of: fn(Class) -> f64) -> Self {
        let count = |p: &Predictions<T>| {
            let confusion = p.confusion();
            let class = |class| {
                let Class { hits, predicted, actual } = confusion.class(class);
                [hits, predicted, actual]
            };
            (0..confusion.matrix.nrows()).flat_map(class).collect()
        };
        let value = move |sums: &[f64]| {
            let class = |&[hits, predicted, actual]: &[f64; 3]| Class { hits, predicted, actual };
            overall(&sums.as_chunks::<3>().0.iter().map(class).collect::<Vec<_>>(), of)
        };
        Metric::counted(name, Goal::Maximize, count, value)
    }

    /// `auc`: [`auc`] of class 1, for two classes. It follows from the order of all scores, not from sums. So the
    /// training column of a log has the mean over an epoch's batches, without the batches that hold only one class.
    pub fn auc() -> Self {
        Metric::new("auc", Goal::Maximize, |p| {
            let score = |row: &[T]| match row {
                [one] => one.to_f64(),
                [no, yes] => yes.to_f64() - no.to_f64(),
                row => panic!("auc: {} outputs an example; it is for two classes", row.len()),
            };
            let scores: Vec<f64> = p.numbers().chunks_exact(p.columns().max(1)).map(score).collect();
            auc(&scores, &p.labels().iter().map(|&y| y == 1).collect::<Vec<_>>())
        })
    }

    /// `mse`: the mean of (y − ŷ)².
    pub fn mse() -> Self {
        Self::mean("mse", |y, t| (y - t).powi(2))
    }

    /// `mae`: the mean of |y − ŷ|.
    pub fn mae() -> Self {
        Self::mean("mae", |y, t| (y - t).abs())
    }

    fn mean(name: &str, f: fn(f64, f64) -> f64) -> Self {
        let count = move |p: &Predictions<T>| {
            let pairs = p.numbers().iter().zip(p.target_numbers());
            vec![pairs.map(|(y, t)| f(y.to_f64(), t.to_f64())).sum(), p.numbers().len() as f64]
        };
        Metric::counted(name, Goal::Minimize, count, ratio)
    }

    /// `r2`: 1 − Σ (y − ŷ)² / Σ (y − ȳ)², the share of the variance that is explained; the mean over the columns if
    /// there are several. As in scikit-learn's `r2_score`, targets that are all the same give 1 if they are met and
    /// else 0, and fewer than two rows give NaN.
    pub fn r2() -> Self {
        let count = |p: &Predictions<T>| {
            let (outputs, targets, columns) = (p.numbers(), p.target_numbers(), p.columns().max(1));
            let column = |j: usize| {
                let of = move |numbers: &[T]| {
                    numbers.iter().skip(j).step_by(columns).map(|x| x.to_f64()).collect::<Vec<_>>()
                };
                let (y, t) = (of(outputs), of(targets));
                let mean = t.iter().sum::<f64>() / t.len() as f64;
                let left: f64 = y.iter().zip(&t).map(|(y, t)| (y - t).powi(2)).sum();
                let all: f64 = t.iter().map(|t| (t - mean).powi(2)).sum();
                [t.len() as f64, mean, all, left]
            };
            (0..columns).flat_map(column).collect()
        };
        let value = |sums: &[f64]| {
            let column = |&[n, _, all, left]: &[f64; 4]| match all {
                _ if n < 2.0 => f64::NAN,
                0.0 => f64::from(u8::from(left == 0.0)),
                _ => 1.0 - left / all,
            };
            let columns = sums.as_chunks::<4>().0;
            columns.iter().map(column).sum::<f64>() / columns.len() as f64
        };
        Self::with(
            "r2",
            Goal::Maximize,
            How::Counted { count: Arc::new(count), join: join_moments, value: Arc::new(value) },
        )
    }
}

/// Joins the sums of two parts of the data, column by column: the count, the mean and the sum of squares around it (T.
/// Chan, G. Golub, R. LeVeque, *Algorithms for computing the sample variance*, The American Statistician 37, 1983), and
/// the sum of squared errors, which is simply added.
fn join_moments(all: &mut Vec<f64>, more: &[f64]) {
    all.resize(all.len().max(more.len()), 0.0);
    for (sums, &[n, mean, squares, left]) in all.as_chunks_mut::<4>().0.iter_mut().zip(more.as_chunks::<4>().0) {
        let [m, own, ..] = *sums;
        if n > 0.0 {
            let (total, apart) = (m + n, mean - own);
            let between = if m > 0.0 { apart * apart * (m * n / total) } else { 0.0 };
            *sums = [total, own + apart * (n / total), sums[2] + squares + between, sums[3] + left];
        }
    }
}

#[cfg(test)]
mod tests;
