//! Which classes a model takes for which, and what follows for each.

use std::fmt;

use ndarray::Array2;

/// How a class fared.
#[derive(Clone, Copy)]
pub(super) struct Class {
    /// the examples of the class that were taken for it
    pub(super) hits: f64,
    /// the examples that were taken for it
    pub(super) predicted: f64,
    /// the examples of it
    pub(super) actual: f64,
}

impl Class {
    pub(super) fn precision(self) -> f64 {
        share(self.hits, self.predicted)
    }
    pub(super) fn recall(self) -> f64 {
        share(self.hits, self.actual)
    }
    pub(super) fn f1(self) -> f64 {
        share(2.0 * self.hits, self.predicted + self.actual)
    }
    pub(super) fn occurs(self) -> bool {
        self.predicted + self.actual > 0.0
    }
}

/// Of two classes, what `of` says of class 1; of more, its mean over those that occur, in labels or predictions, as
/// scikit-learn has it. NaN if none does.
pub(super) fn overall(classes: &[Class], of: fn(Class) -> f64) -> f64 {
    if let [no, yes] = classes {
        return if no.occurs() || yes.occurs() { of(*yes) } else { f64::NAN };
    }
    let occurring = || classes.iter().filter(|class| class.occurs());
    occurring().map(|&class| of(class)).sum::<f64>() / occurring().count() as f64
}

pub(super) fn share(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
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
    /// of each label, how many were taken for no class, because an output was NaN
    pub undecided: Vec<usize>,
}

impl Confusion {
    /// Counts predictions by label.
    ///
    /// # Panics
    /// If there are not as many of both, or one is no class.
    #[track_caller]
    pub fn new(predictions: &[usize], labels: &[usize], classes: usize) -> Self {
        let decisions: Vec<Option<usize>> = predictions.iter().copied().map(Some).collect();
        Self::of(&decisions, labels, classes)
    }

    /// The same, of predictions of which some were none.
    #[track_caller]
    pub(crate) fn of(decisions: &[Option<usize>], labels: &[usize], classes: usize) -> Self {
        let (p, y) = (decisions.len(), labels.len());
        assert!(p == y, "Confusion: {p} predictions for {y} labels");
        let (mut matrix, mut undecided) = (Array2::zeros((classes, classes)), vec![0; classes]);
        for (row, (&p, &y)) in decisions.iter().zip(labels).enumerate() {
            let taken = p.map_or("none".to_owned(), |p| p.to_string());
            assert!(
                p.is_none_or(|p| p < classes) && y < classes,
                "Confusion: row {row}: {y} taken for {taken}, among {classes} classes"
            );
            match p {
                Some(p) => matrix[[y, p]] += 1,
                None => undecided[y] += 1,
            }
        }
        Confusion { matrix, undecided }
    }

    pub(super) fn class(&self, class: usize) -> Class {
        Class {
            hits: self.matrix[[class, class]] as f64,
            predicted: self.matrix.column(class).sum() as f64,
            actual: (self.matrix.row(class).sum() + self.undecided[class]) as f64,
        }
    }

    /// The share of right predictions; NaN of none.
    pub fn accuracy(&self) -> f64 {
        let all = self.matrix.sum() + self.undecided.iter().sum::<usize>();
        self.matrix.diag().sum() as f64 / all as f64
    }

    /// Of those taken for a class, the share that is of it: TP / (TP + FP); 0 if none was.
    pub fn precision(&self, class: usize) -> f64 {
        self.class(class).precision()
    }

    /// Of those of a class, the share that was taken for it: TP / (TP + FN); 0 if there are none.
    pub fn recall(&self, class: usize) -> f64 {
        self.class(class).recall()
    }

    /// The harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN); 0 if there is nothing to share.
    pub fn f1(&self, class: usize) -> f64 {
        self.class(class).f1()
    }
}

impl fmt::Display for Confusion {
    /// A row a label, a column a prediction; a dot for 0.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes = self.matrix.nrows();
        let undecided = self.undecided.iter().any(|&n| n > 0);
        let numbers = self.matrix.iter().chain(&self.undecided).chain([&classes]);
        let width = numbers.map(|n| n.to_string().len()).max().unwrap_or(1).max(if undecided { 3 } else { 1 }) + 2;
        write!(f, "{:>5}", "")?;
        (0..classes).try_for_each(|class| write!(f, "{class:>width$}"))?;
        if undecided {
            write!(f, "{:>width$}", "NaN")?;
        }
        for (class, row) in self.matrix.rows().into_iter().enumerate() {
            write!(f, "\n{class:>5}")?;
            row.iter().chain(undecided.then_some(&self.undecided[class])).try_for_each(|&n| {
                let text = if n == 0 { "·".to_owned() } else { n.to_string() };
                write!(f, "{text:>width$}")
            })?;
        }
        Ok(())
    }
}
