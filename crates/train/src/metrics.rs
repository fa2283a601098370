//! How good predictions are: plain functions, and [`Metric`]s that a training run computes.

use std::fmt;
use std::sync::Arc;

use gradus_autograd::Float;
use gradus_optim::Goal;
use ndarray::Array2;

use crate::Predictions;

/// The place of the largest number of each row; the first of those that tie.
pub(crate) fn largest<T: Float>(numbers: &[T], columns: usize) -> Vec<usize> {
    let rows = numbers.chunks_exact(columns.max(1));
    rows.map(|row| (1..row.len()).fold(0, |best, j| if row[j] > row[best] { j } else { best })).collect()
}

/// How often class i was taken for class j, and what follows from it.
///
/// ```
/// use gradus_train::Confusion;
/// let confusion = Confusion::new(&[0, 1, 1, 1], &[0, 1, 0, 1], 2); // predictions, labels, classes
/// assert_eq!(confusion.matrix, ndarray::array![[1, 1], [0, 2]]);
/// assert_eq!((confusion.accuracy(), confusion.precision(1), confusion.recall(1)), (0.75, 2.0 / 3.0, 1.0));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    /// row: the label; column: the prediction
    pub matrix: Array2<usize>,
}

impl Confusion {
    /// Counts predictions by label.
    ///
    /// # Panics
    /// If there are not as many of both, or one is no class.
    #[track_caller]
    pub fn new(predictions: &[usize], labels: &[usize], classes: usize) -> Self {
        let (p, y) = (predictions.len(), labels.len());
        assert!(p == y, "Confusion: {p} predictions for {y} labels");
        let mut matrix = Array2::zeros((classes, classes));
        for (row, (&p, &y)) in predictions.iter().zip(labels).enumerate() {
            assert!(p < classes && y < classes, "Confusion: row {row}: {y} taken for {p}, among {classes} classes");
            matrix[[y, p]] += 1;
        }
        Confusion { matrix }
    }

    fn classes(&self) -> usize {
        self.matrix.nrows()
    }

    /// The share of right predictions; NaN of none.
    pub fn accuracy(&self) -> f64 {
        self.matrix.diag().sum() as f64 / self.matrix.sum() as f64
    }

    /// Of those taken for a class, the share that is of it: TP / (TP + FP); 0 if none was.
    pub fn precision(&self, class: usize) -> f64 {
        share(self.matrix[[class, class]], self.matrix.column(class).sum())
    }

    /// Of those of a class, the share that was taken for it: TP / (TP + FN); 0 if there are none.
    pub fn recall(&self, class: usize) -> f64 {
        share(self.matrix[[class, class]], self.matrix.row(class).sum())
    }

    /// The harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN); 0 if there is nothing to share.
    pub fn f1(&self, class: usize) -> f64 {
        let true_positives = self.matrix[[class, class]];
        share(2 * true_positives, self.matrix.column(class).sum() + self.matrix.row(class).sum())
    }

    /// Of two classes, what `of` says of class 1; of more, its mean over the classes.
    fn overall(&self, of: impl Fn(usize) -> f64) -> f64 {
        match self.classes() {
            2 => of(1),
            classes => (0..classes).map(of).sum::<f64>() / classes as f64,
        }
    }
}

impl fmt::Display for Confusion {
    /// A row a label, a column a prediction; a dot for 0.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.matrix.iter().chain([&self.classes()]).map(|n| n.to_string().len()).max().unwrap_or(1) + 2;
        write!(f, "{:>5}", "")?;
        (0..self.classes()).try_for_each(|class| write!(f, "{class:>width$}"))?;
        for (class, row) in self.matrix.rows().into_iter().enumerate() {
            write!(f, "\n{class:>5}")?;
            row.iter().try_for_each(|&n| {
                let text = if n == 0 { "·".to_owned() } else { n.to_string() };
                write!(f, "{text:>width$}")
            })?;
        }
        Ok(())
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The area under the receiver's curve: how likely a positive example has a larger score than a negative one, a tie
/// counting half. NaN if all are of one kind. Time n log n (Mann and Whitney 1947,
/// <https://doi.org/10.1214/aoms/1177730491>).
///
/// ```
/// use gradus_train::auc;
/// assert_eq!(auc(&[0.1, 0.4, 0.35, 0.8], &[false, false, true, true]), 0.75);
/// ```
///
/// # Panics
/// If there are not as many scores as answers.
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

/// What a training run computes beside the cost: a name, the way it is to go, and a function of predictions.
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
    of: Arc<Of<T>>,
}

type Of<T> = dyn Fn(&Predictions<T>) -> f64 + Send + Sync;

impl<T: Float> fmt::Debug for Metric<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Metric {} ({:?})", self.name, self.goal)
    }
}

impl<T: Float> Metric<T> {
    /// One of your own.
    ///
    /// # Panics
    /// If the name is that of another column of a log: `loss`, `epoch`, `step`, `lr`, `seconds`, or one that begins with
    /// `valid_`.
    #[track_caller]
    pub fn new(name: &str, goal: Goal, of: impl Fn(&Predictions<T>) -> f64 + Send + Sync + 'static) -> Self {
        let taken = ["loss", "epoch", "step", "lr", "seconds"].contains(&name) || name.starts_with("valid_");
        assert!(!taken, "Metric: `{name}` is the name of another column of a log");
        Metric { name: name.to_owned(), goal, of: Arc::new(of) }
    }

    /// What it is called in logs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which way it is to go.
    pub fn goal(&self) -> Goal {
        self.goal
    }

    /// Its value.
    ///
    /// # Panics
    /// If it is of labels and the targets are numbers, or the reverse.
    #[track_caller]
    pub fn of(&self, predictions: &Predictions<T>) -> f64 {
        (self.of)(predictions)
    }

    /// `accuracy`: the share of right predictions.
    pub fn accuracy() -> Self {
        Metric::new("accuracy", Goal::Maximize, Predictions::accuracy)
    }

    /// `top_k`: the share of examples whose class is among the k with the largest logits. A tie at the k-th place
    /// counts as among them only if it stands before.
    pub fn top_k(k: usize) -> Self {
        Metric::new(&format!("top_{k}"), Goal::Maximize, move |p| {
            let (labels, classes) = (p.labels(), p.columns());
            let hit = |(row, &label): (&[T], &usize)| {
                let before = |(j, x): (usize, &T)| *x > row[label] || (*x == row[label] && j < label);
                row.iter().copied().enumerate().filter(|(j, x)| before((*j, x))).count() < k
            };
            let rows = p.numbers().chunks_exact(classes.max(1));
            rows.zip(labels).filter(|&(row, label)| hit((row, label))).count() as f64 / labels.len() as f64
        })
    }

    /// `precision`: of two classes, that of class 1; of more, the mean over the classes. See [`Confusion::precision`].
    pub fn precision() -> Self {
        Metric::new("precision", Goal::Maximize, |p| {
            let confusion = p.confusion();
            confusion.overall(|class| confusion.precision(class))
        })
    }

    /// `recall`: of two classes, that of class 1; of more, the mean over the classes. See [`Confusion::recall`].
    pub fn recall() -> Self {
        Metric::new("recall", Goal::Maximize, |p| {
            let confusion = p.confusion();
            confusion.overall(|class| confusion.recall(class))
        })
    }

    /// `f1`: of two classes, that of class 1; of more, the mean over the classes. See [`Confusion::f1`].
    pub fn f1() -> Self {
        Metric::new("f1", Goal::Maximize, |p| {
            let confusion = p.confusion();
            confusion.overall(|class| confusion.f1(class))
        })
    }

    /// `auc`: [`auc`] of class 1 among two classes.
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
        Metric::new("mse", Goal::Minimize, |p| mean(p, |y, t| (y - t).powi(2)))
    }

    /// `mae`: the mean of |y − ŷ|.
    pub fn mae() -> Self {
        Metric::new("mae", Goal::Minimize, |p| mean(p, |y, t| (y - t).abs()))
    }

    /// `r2`: 1 − Σ (y − ŷ)² / Σ (y − ȳ)², the share of the variance that is explained; the mean over the columns if there
    /// are several. Of targets that are all the same it is 1 if they are met and else 0, and of fewer than two rows NaN, as
    /// scikit-learn's `r2_score` has it.
    pub fn r2() -> Self {
        Metric::new("r2", Goal::Maximize, |p| {
            let (outputs, targets, columns) = (p.numbers(), p.target_numbers(), p.columns().max(1));
            let column = |j: usize| {
                let of = move |numbers: &[T]| {
                    numbers.iter().skip(j).step_by(columns).map(|x| x.to_f64()).collect::<Vec<_>>()
                };
                let (y, t) = (of(outputs), of(targets));
                let mean = t.iter().sum::<f64>() / t.len() as f64;
                let left: f64 = y.iter().zip(&t).map(|(y, t)| (y - t).powi(2)).sum();
                let all: f64 = t.iter().map(|t| (t - mean).powi(2)).sum();
                match all {
                    _ if t.len() < 2 => f64::NAN,
                    0.0 => f64::from(u8::from(left == 0.0)),
                    _ => 1.0 - left / all,
                }
            };
            (0..columns).map(column).sum::<f64>() / columns as f64
        })
    }
}

fn mean<T: Float>(p: &Predictions<T>, f: impl Fn(f64, f64) -> f64) -> f64 {
    let pairs = p.numbers().iter().zip(p.target_numbers());
    pairs.map(|(y, t)| f(y.to_f64(), t.to_f64())).sum::<f64>() / p.numbers().len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Targets;
    use ndarray::{ArrayD, array};
    use proptest::prelude::*;

    fn labelled(outputs: ArrayD<f64>, labels: &[usize]) -> Predictions<f64> {
        Predictions { outputs, targets: Targets::Labels(labels.to_vec()) }
    }

    /// Against scikit-learn 1.5: `precision_score`, `recall_score`, `f1_score` (macro), `top_k_accuracy_score`.
    #[test]
    fn of_classes() {
        let logits = array![
            [3.0, 1.0, 2.0],
            [1.0, 3.0, 2.0],
            [2.0, 1.0, 3.0],
            [1.0, 2.0, 3.0],
            [3.0, 2.0, 1.0],
            [1.0, 3.0, 2.0]
        ];
        let p = labelled(logits.into_dyn(), &[0, 1, 2, 1, 1, 2]);
        let close = |metric: Metric<f64>, value: f64| {
            assert!((metric.of(&p) - value).abs() < 1e-12, "{} {}", metric.name(), metric.of(&p));
        };
        close(Metric::accuracy(), 0.5);
        close(Metric::top_k(1), 0.5);
        close(Metric::top_k(2), 1.0);
        close(Metric::precision(), (0.5 + 0.5 + 0.5) / 3.0);
        close(Metric::recall(), (1.0 + 1.0 / 3.0 + 0.5) / 3.0);
        close(Metric::f1(), (2.0 / 3.0 + 0.4 + 0.5) / 3.0);
        assert_eq!(p.confusion().to_string(), "       0  1  2\n    0  1  ·  ·\n    1  1  1  1\n    2  ·  1  1");
        let ties = labelled(array![[1.0, 1.0]].into_dyn(), &[1]);
        assert_eq!((Metric::top_k(1).of(&ties), Metric::top_k(2).of(&ties)), (0.0, 1.0));
    }

    #[test]
    fn of_two_classes_by_one_or_two_outputs() {
        let one = labelled(array![-1.0, 2.0, 0.5, -3.0, 0.0].into_dyn(), &[0, 1, 0, 1, 1]);
        let two = array![[1.0, 0.0], [0.0, 2.0], [0.0, 0.5], [3.0, 0.0], [0.0, 0.0]];
        let two = labelled(two.into_dyn(), &[0, 1, 0, 1, 1]);
        for metric in [Metric::accuracy(), Metric::precision(), Metric::recall(), Metric::f1(), Metric::auc()] {
            assert_eq!(metric.of(&one), metric.of(&two), "{}", metric.name());
        }
        // TP 1, FP 1, FN 2; pairs won: (2 > −1), (2 > 0.5), (0 > −1)
        assert_eq!((Metric::precision().of(&one), Metric::recall().of(&one)), (0.5, 1.0 / 3.0));
        assert_eq!((Metric::f1().of(&one), Metric::auc().of(&one)), (0.4, 0.5));
        assert!(Metric::auc().of(&labelled(array![1.0].into_dyn(), &[1])).is_nan());
    }

    #[test]
    fn of_numbers() {
        let p =
            |outputs: ArrayD<f64>, targets: ArrayD<f64>| Predictions { outputs, targets: Targets::Numbers(targets) };
        // scikit-learn's own example: r2_score([[0.5, 1], [-1, 1], [7, -6]], [[0, 2], [-1, 2], [8, -5]]) is 0.936…
        let pair = p(
            array![[0.0, 2.0], [-1.0, 2.0], [8.0, -5.0]].into_dyn(),
            array![[0.5, 1.0], [-1.0, 1.0], [7.0, -6.0]].into_dyn(),
        );
        assert!((Metric::r2().of(&pair) - 0.936_800_526_662_277_9).abs() < 1e-12);
        assert!((Metric::mse().of(&pair) - 4.25 / 6.0).abs() < 1e-12);
        assert!((Metric::mae().of(&pair) - 0.75).abs() < 1e-12);
        assert!(Metric::r2().of(&p(array![2.0].into_dyn(), array![2.0].into_dyn())).is_nan());
        assert!(Metric::r2().of(&p(array![2.0, 1.0].into_dyn(), array![f64::NAN, 1.0].into_dyn())).is_nan());
        let same = array![2.0, 2.0].into_dyn();
        assert_eq!(Metric::r2().of(&p(same.clone(), same.clone())), 1.0);
        assert_eq!(Metric::r2().of(&p(array![2.0, 3.0].into_dyn(), same)), 0.0);
    }

    #[test]
    fn of_sequences_every_place_counts() {
        let logits = array![[[2.0, 1.0, 0.0], [0.0, 1.0, 2.0]], [[0.0, 3.0, 1.0], [5.0, 1.0, 1.0]]];
        let p = labelled(logits.into_dyn(), &[0, 2, 1, 1]);
        assert_eq!((p.accuracy(), Metric::top_k(2).of(&p), p.confusion().matrix.sum()), (0.75, 1.0, 4));
    }

    #[test]
    #[should_panic(expected = "outputs of shape [2, 3] are 2 predictions, but there are 4 labels")]
    fn labels_that_are_not_as_many_are_refused() {
        labelled(array![[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]].into_dyn(), &[0, 1, 2, 0]).accuracy();
    }

    #[test]
    #[should_panic(expected = "`valid_loss` is the name of another column")]
    fn names_of_other_columns_are_refused() {
        let _ = Metric::<f32>::new("valid_loss", Goal::Minimize, |_| 0.0);
    }

    #[test]
    #[should_panic(expected = "the targets are numbers; this metric is of labels")]
    fn metrics_of_labels_refuse_numbers() {
        let outputs = array![1.0].into_dyn();
        Metric::accuracy().of(&Predictions { targets: Targets::Numbers(outputs.clone()), outputs });
    }

    proptest! {
        #[test]
        fn auc_is_the_share_of_pairs_won(pairs in proptest::collection::vec((0u8..8, any::<bool>()), 0..40)) {
            let (scores, positive): (Vec<f64>, Vec<bool>) = pairs.iter().map(|&(s, p)| (f64::from(s), p)).unzip();
            let (mut won, mut all) = (0.0, 0.0);
            for (a, _) in scores.iter().zip(&positive).filter(|(_, p)| **p) {
                for (b, _) in scores.iter().zip(&positive).filter(|(_, p)| !**p) {
                    won += if a > b { 1.0 } else { f64::from(u8::from(a == b)) / 2.0 };
                    all += 1.0;
                }
            }
            let found = auc(&scores, &positive);
            let right = if all == 0.0 { found.is_nan() } else { (found - won / all).abs() < 1e-12 };
            prop_assert!(right);
        }
    }
}
