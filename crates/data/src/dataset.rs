//! Labelled examples, and batches of them.

use std::sync::Arc;

use gradus_autograd::Float;
use gradus_autograd::internal::debug_as_display;
use ndarray::{Array2, Axis};

use crate::examples::check_rows;
use crate::{Imputer, RowBatches, Sampling, Scaler};

/// Examples, a row each, with their labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset<T = f32> {
    x: Array2<T>,
    y: Vec<usize>,
    classes: usize,
    /// the names of the classes, if they have names
    names: Arc<[String]>,
}

/// The error of labels that do not fit their examples.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// The number of labels is not the number of examples.
    #[error("there are {examples} examples but {labels} labels")]
    Count {
        /// the number of rows
        examples: usize,
        /// the number of labels
        labels: usize,
    },
    /// A label is not in `0..classes`.
    #[error("row {row} has label {label}, but there are {classes} classes (labels count from 0)")]
    Label {
        /// the first row with such a label
        row: usize,
        /// the label of that row
        label: usize,
        /// the number of classes
        classes: usize,
    },
}
debug_as_display!(LabelError);

impl<T: Float> Dataset<T> {
    /// A data set of examples (one per row) with labels in `0..classes`.
    ///
    /// # Errors
    /// If there are not as many labels as rows, or a label is not in `0..classes`.
    pub fn new(x: Array2<T>, y: Vec<usize>, classes: usize) -> Result<Self, LabelError> {
        if x.nrows() != y.len() {
            return Err(LabelError::Count { examples: x.nrows(), labels: y.len() });
        }
        match y.iter().enumerate().find(|(_, label)| **label >= classes) {
            Some((row, &label)) => Err(LabelError::Label { row, label, classes }),
            None => Ok(Dataset { x, y, classes, names: Arc::new([]) }),
        }
    }

    /// The examples, one per row.
    pub fn x(&self) -> &Array2<T> {
        &self.x
    }

    /// The labels of the examples.
    pub fn y(&self) -> &[usize] {
        &self.y
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Gives the classes names, in the order of their numbers. [`Table::dataset`](crate::Table::dataset) does it by
    /// itself. An evaluation shows them in the confusion matrix.
    ///
    /// # Panics
    /// If there are not as many names as classes.
    #[track_caller]
    pub fn named<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> Self {
        let names: Arc<[String]> = names.into_iter().map(Into::into).collect();
        assert!(names.len() == self.classes, "Dataset: {} names for {} classes", names.len(), self.classes);
        Dataset { names, ..self }
    }

    /// The names of the classes in the order of their numbers; empty if they have none.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The number of examples.
    pub fn len(&self) -> usize {
        self.y.len()
    }

    /// Returns whether there are no examples.
    pub fn is_empty(&self) -> bool {
        self.y.is_empty()
    }

    /// The number of examples of each class.
    pub fn label_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        self.y.iter().for_each(|&label| counts[label] += 1);
        counts
    }

    /// Converts the examples to another number type.
    ///
    /// ```
    /// let doubles = gradus_data::iris().cast::<f64>();
    /// assert_eq!(doubles.x()[[0, 0]], f64::from(5.1f32));
    /// ```
    pub fn cast<U: Float>(&self) -> Dataset<U> {
        let x = self.x.mapv(|x| U::from_f64(x.to_f64()));
        Dataset { x, y: self.y.clone(), classes: self.classes, names: self.names.clone() }
    }

    /// Scales the examples.
    ///
    /// ```
    /// use gradus_data::{Scaler, iris};
    /// let (train, test) = iris().split(0.8, 1);
    /// let scaler = Scaler::standard(train.x()); // the test data must not be seen
    /// let (train, test) = (train.scaled(&scaler), test.scaled(&scaler));
    /// assert!(train.x().column(2).mean().unwrap().abs() < 1e-5);
    /// ```
    ///
    /// # Panics
    /// If the scaler was fitted on more or fewer columns.
    #[track_caller]
    pub fn scaled(self, scaler: &Scaler) -> Self {
        Dataset { x: scaler.apply(&self.x), ..self }
    }

    /// Fills the gaps of the examples, which are NaN. [`Imputer`] shows how it is fitted.
    ///
    /// # Panics
    /// If the imputer was fitted on more or fewer columns.
    #[track_caller]
    pub fn imputed(self, imputer: &Imputer) -> Self {
        Dataset { x: imputer.apply(&self.x), ..self }
    }

    /// Returns the given rows as a batch, in that order.
    ///
    /// # Panics
    /// If a row number is not below the number of examples.
    #[track_caller]
    pub fn select(&self, rows: &[usize]) -> Batch<T> {
        check_rows(rows, self.len());
        Batch { x: self.x.select(Axis(0), rows), y: rows.iter().map(|&row| self.y[row]).collect() }
    }

    /// Returns the given rows as a data set of its own, in that order.
    ///
    /// # Panics
    /// If a row number is not below the number of examples.
    #[track_caller]
    pub fn subset(&self, rows: &[usize]) -> Self {
        let Batch { x, y } = self.select(rows);
        Dataset { x, y, classes: self.classes, names: self.names.clone() }
    }

    /// Returns batches of `size` examples in the order of the set; the last batch may be smaller.
    ///
    /// # Panics
    /// If `size` is 0.
    #[track_caller]
    pub fn batches(&self, size: usize) -> Batches<'_, T> {
        Batches { data: self, rows: RowBatches::new((0..self.len()).collect(), size), size }
    }
}

/// A few examples with their labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch<T = f32> {
    /// the examples, a row each
    pub x: Array2<T>,
    /// the labels of these examples
    pub y: Vec<usize>,
}

/// An iterator over the batches of one epoch.
#[derive(Clone, Debug)]
pub struct Batches<'d, T = f32> {
    data: &'d Dataset<T>,
    rows: RowBatches,
    size: usize,
}

impl<T: Float> Batches<'_, T> {
    /// Shuffles the examples by a seed. Give each epoch a seed of its own.
    ///
    /// ```
    /// let digits = gradus_data::digits();
    /// let first = |seed| digits.train.batches(8).shuffle(seed).next().unwrap().y;
    /// assert_eq!(first(1), first(1));
    /// assert_ne!(first(1), first(2));
    /// ```
    pub fn shuffle(self, seed: u64) -> Self {
        self.sample(&Sampling::Shuffled, seed)
    }

    /// Draws the rows by `sampling`, from a seed. Give each epoch a seed of its own.
    ///
    /// # Panics
    /// If `sampling` has weights that do not fit: see [`Sampling::rows`].
    #[track_caller]
    pub fn sample(self, sampling: &Sampling, seed: u64) -> Self {
        Batches { rows: RowBatches::new(sampling.rows(self.data.len(), 0, seed), self.size), ..self }
    }

    /// Sets whether the last batch is left out if it is smaller than the others.
    pub fn drop_last(self, drop_last: bool) -> Self {
        Batches { rows: self.rows.drop_last(drop_last), ..self }
    }
}

impl<T: Float> Iterator for Batches<'_, T> {
    type Item = Batch<T>;

    fn next(&mut self) -> Option<Batch<T>> {
        self.rows.next().map(|rows| self.data.select(&rows))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rows.size_hint()
    }
}

impl<T: Float> ExactSizeIterator for Batches<'_, T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbered(n: usize) -> Dataset {
        Dataset::new(Array2::from_shape_fn((n, 1), |(i, _)| i as f32), (0..n).map(|i| i % 3).collect(), 3).unwrap()
    }

    proptest! {
        #[test]
        fn an_epoch_shows_every_example_once(n in 0usize..40, size in 1usize..12, seed: u64) {
            let data = numbered(n);
            let batches: Vec<Batch> = data.batches(size).shuffle(seed).collect();
            prop_assert_eq!(batches.len(), data.batches(size).len());
            let mut seen: Vec<usize> = batches.iter().flat_map(|b| b.x.iter().map(|&x| x as usize)).collect();
            prop_assert!(batches.iter().all(|b| b.x.iter().zip(&b.y).all(|(&x, &y)| x as usize % 3 == y)));
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..n).collect::<Vec<_>>());
            prop_assert!(data.batches(size).drop_last(true).all(|b| b.y.len() == size));
        }
    }

    #[test]
    fn one_batch_may_be_the_whole_set() {
        assert_eq!(numbered(5).batches(usize::MAX).map(|b| b.y.len()).collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn labels_that_do_not_fit_are_named() {
        let x = Array2::<f32>::zeros((2, 1));
        let error = Dataset::new(x.clone(), vec![0, 5], 3).unwrap_err();
        assert_eq!(error.to_string(), "row 1 has label 5, but there are 3 classes (labels count from 0)");
        assert_eq!(Dataset::new(x, vec![0], 3).unwrap_err(), LabelError::Count { examples: 2, labels: 1 });
    }
}
