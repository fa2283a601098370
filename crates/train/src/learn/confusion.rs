//! The confusion of classes by a model, and the scores that follow from it for each class.

use std::fmt;

use ndarray::Array2;

/// The counts of one class.
#[derive(Clone, Copy)]
pub(super) struct Class {
    /// the number of examples of the class that were taken for it
    pub(super) hits: f64,
    /// the number of examples that were taken for the class
    pub(super) predicted: f64,
    /// the number of examples of the class
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

/// The score `of` over all classes. With two classes, it is that of class 1; with more, the mean over the classes that
/// occur in labels or predictions, as in scikit-learn. NaN if no class occurs.
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

/// Counts of how often class i was taken for class j, and the scores that follow from them.
///
/// ```
/// use gradus_train::Confusion;
/// let confusion = Confusion::new(&[0, 1, 1, 1], &[0, 1, 0, 1], 2); // predictions, labels, classes
/// assert_eq!(confusion.matrix, ndarray::array![[1, 1], [0, 2]]);
/// assert_eq!((confusion.accuracy(), confusion.precision(1), confusion.recall(1)), (0.75, 2.0 / 3.0, 1.0));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    /// the counts; the row is the label, the column the prediction
    pub matrix: Array2<usize>,
    /// for each label, the number of examples that were taken for no class, because an output was NaN
    pub undecided: Vec<usize>,
    /// the names of the classes, which the matrix shows in place of their numbers; empty if they have none
    pub names: Vec<String>,
}

impl Confusion {
    /// Counts predictions by label.
    ///
    /// # Panics
    /// If there are not as many predictions as labels, or a prediction or a label is not below `classes`.
    #[track_caller]
    pub fn new(predictions: &[usize], labels: &[usize], classes: usize) -> Self {
        let decisions: Vec<Option<usize>> = predictions.iter().copied().map(Some).collect();
        Self::of(&decisions, labels, classes)
    }

    /// Does the same for decisions, which are `None` where there was no prediction.
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
        Confusion { matrix, undecided, names: Vec::new() }
    }

    /// Gives the classes names.
    ///
    /// ```
    /// use gradus_train::Confusion;
    /// let confusion = Confusion::new(&[0, 1, 1, 1], &[0, 1, 0, 1], 2).named(["cat", "dog"]);
    /// assert_eq!(confusion.to_string(), "       cat  dog\n  cat    1    1\n  dog    ·    2");
    /// ```
    ///
    /// # Panics
    /// If there are not as many names as classes.
    #[track_caller]
    pub fn named<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.names = names.into_iter().map(Into::into).collect();
        let (have, want) = (self.names.len(), self.matrix.nrows());
        assert!(have == want, "Confusion: {have} names for {want} classes");
        self
    }

    /// What stands for a class: its name, or its number.
    fn name(&self, class: usize) -> String {
        self.names.get(class).map_or_else(|| class.to_string(), |name| name.replace(['\n', '\r'], " "))
    }

    pub(super) fn class(&self, class: usize) -> Class {
        Class {
            hits: self.matrix[[class, class]] as f64,
            predicted: self.matrix.column(class).sum() as f64,
            actual: (self.matrix.row(class).sum() + self.undecided[class]) as f64,
        }
    }

    /// The share of right predictions; NaN if there are no examples.
    pub fn accuracy(&self) -> f64 {
        let all = self.matrix.sum() + self.undecided.iter().sum::<usize>();
        self.matrix.diag().sum() as f64 / all as f64
    }

    /// The share of the examples taken for a class that are of this class: TP / (TP + FP); 0 if no example was taken
    /// for it.
    pub fn precision(&self, class: usize) -> f64 {
        self.class(class).precision()
    }

    /// The share of the examples of a class that were taken for it: TP / (TP + FN); 0 if the class has no examples.
    pub fn recall(&self, class: usize) -> f64 {
        self.class(class).recall()
    }

    /// The harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN); 0 if all three counts are 0.
    pub fn f1(&self, class: usize) -> f64 {
        self.class(class).f1()
    }
}

impl fmt::Display for Confusion {
    /// Writes a row for each label and a column for each prediction, with a dot for 0.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes = self.matrix.nrows();
        let undecided = self.undecided.iter().any(|&n| n > 0);
        let names: Vec<String> = (0..classes).map(|class| self.name(class)).collect();
        let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let numbers = self.matrix.iter().chain(&self.undecided).chain([&classes]);
        let width = numbers.map(|n| n.to_string().len()).max().unwrap_or(1).max(if undecided { 3 } else { 1 });
        let (first, width) = ((longest + 2).max(5), width.max(if self.names.is_empty() { 1 } else { longest }) + 2);
        write!(f, "{:>first$}", "")?;
        names.iter().try_for_each(|name| write!(f, "{name:>width$}"))?;
        if undecided {
            write!(f, "{:>width$}", "NaN")?;
        }
        for (class, row) in self.matrix.rows().into_iter().enumerate() {
            write!(f, "\n{:>first$}", names[class])?;
            row.iter().chain(undecided.then_some(&self.undecided[class])).try_for_each(|&n| {
                let text = if n == 0 { "·".to_owned() } else { n.to_string() };
                write!(f, "{text:>width$}")
            })?;
        }
        Ok(())
    }
}
