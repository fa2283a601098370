//! Which rows an epoch shows, and in which order.

use std::collections::BTreeMap;

use gradus_autograd::internal::epoch_rng;
use rand::RngExt;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

/// How the rows of an epoch are drawn. The same seed and epoch draw the same rows.
///
/// ```
/// use gradus_data::Sampling;
/// assert_eq!(Sampling::InOrder.rows(3, 1, 0), [0, 1, 2]);
/// assert_ne!(Sampling::Shuffled.rows(100, 1, 0), Sampling::Shuffled.rows(100, 1, 1));
/// // three of four examples are of class 0, but half of those drawn are of class 1
/// let labels = [0, 0, 0, 1];
/// let rows = Sampling::balanced(&labels).rows(labels.len(), 1, 0);
/// assert_eq!(rows.len(), 4);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Sampling {
    /// each row once, in the order of the data
    InOrder,
    /// each row once, shuffled
    #[default]
    Shuffled,
    /// as many draws as there are rows, with replacement and with these weights, one for each row
    Weighted(Vec<f64>),
}

impl Sampling {
    /// Draws every class equally often on average: the weight of a row is 1 over the number of rows with its label.
    pub fn balanced(labels: &[usize]) -> Self {
        let mut counts = BTreeMap::new();
        labels.iter().for_each(|&label| *counts.entry(label).or_insert(0.0) += 1.0);
        Sampling::Weighted(labels.iter().map(|label| 1.0 / counts[label]).collect())
    }

    /// Draws the row numbers of an epoch, for data of `rows` rows.
    ///
    /// # Panics
    /// If there are not as many weights as rows, or a weight is negative or not finite, or all weights are 0.
    #[track_caller]
    pub fn rows(&self, rows: usize, seed: u64, epoch: u64) -> Vec<usize> {
        let rng = || epoch_rng(seed, epoch);
        let mut order: Vec<usize> = (0..rows).collect();
        match self {
            Sampling::InOrder => {}
            Sampling::Shuffled => order.shuffle(&mut rng()),
            Sampling::Weighted(weights) => {
                let (count, mut sum) = (weights.len(), 0.0);
                assert!(count == rows, "Sampling: {count} weights for {rows} rows");
                let sums: Vec<f64> = weights
                    .iter()
                    .map(|&w| {
                        assert!(w >= 0.0 && w.is_finite(), "Sampling: {w} is no weight");
                        sum += w;
                        sum
                    })
                    .collect();
                assert!(rows == 0 || sum > 0.0 && sum.is_finite(), "Sampling: the weights add up to {sum}");
                let last = weights.iter().rposition(|&w| w > 0.0).unwrap_or(0);
                let mut rng = rng();
                // takes the first row whose running sum is above the draw, so rows of weight 0 are never drawn
                let mut draw = |_| {
                    let at = rng.random::<f64>() * sum;
                    sums.partition_point(|&s| s <= at).min(last) // a product of tiny numbers may round up to the sum
                };
                order = (0..rows).map(&mut draw).collect();
            }
        }
        order
    }
}

/// An iterator over the row numbers of each batch of one epoch.
#[derive(Clone, Debug)]
pub struct RowBatches {
    order: Vec<usize>,
    size: usize,
    next: usize,
}

impl RowBatches {
    /// Batches of `size` rows in the given order; the last batch may be smaller.
    ///
    /// # Panics
    /// If `size` is 0.
    #[track_caller]
    pub fn new(order: Vec<usize>, size: usize) -> Self {
        assert!(size > 0, "batches: a batch of 0 examples");
        RowBatches { order, size, next: 0 }
    }

    /// Sets whether the last batch is left out if it is smaller than the others.
    pub fn drop_last(mut self, drop_last: bool) -> Self {
        if drop_last {
            self.order.truncate(self.order.len() / self.size * self.size);
        }
        self
    }

    /// Skips the first `batches` batches, which were seen before a run was stopped.
    pub fn from_batch(mut self, batches: usize) -> Self {
        self.next = batches.saturating_mul(self.size).min(self.order.len());
        self
    }
}

impl Iterator for RowBatches {
    type Item = Vec<usize>;

    fn next(&mut self) -> Option<Vec<usize>> {
        let end = self.order.len().min(self.next.saturating_add(self.size));
        let rows = self.order[self.next..end].to_vec();
        self.next = end;
        (!rows.is_empty()).then_some(rows)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.order.len() - self.next).div_ceil(self.size);
        (left, Some(left))
    }
}

impl ExactSizeIterator for RowBatches {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_drawn_as_often_as_their_weights_say() {
        let weights = [0.0, 1.0, 3.0, 0.0, 4.0, 0.0];
        let sampling = Sampling::Weighted(weights.to_vec());
        let mut counts = [0.0; 6];
        (0..2000).flat_map(|epoch| sampling.rows(6, 5, epoch)).for_each(|row| counts[row] += 1.0);
        for (count, weight) in counts.into_iter().zip(weights) {
            let expected: f64 = 12000.0 * weight / 8.0;
            assert!((count - expected).abs() <= 4.0 * expected.sqrt(), "{counts:?}");
        }
        let labels: Vec<usize> = (0..1000).map(|i| usize::from(i % 10 == 0)).collect();
        let rare = Sampling::balanced(&labels).rows(1000, 3, 0).into_iter().filter(|&row| labels[row] == 1).count();
        assert!((430..570).contains(&rare), "{rare}");
        assert!(Sampling::Weighted(Vec::new()).rows(0, 0, 0).is_empty());
    }

    #[test]
    fn batches_go_on_from_any_of_them() {
        let all: Vec<Vec<usize>> = RowBatches::new((0..11).collect(), 3).collect();
        for start in 0..6 {
            let left = RowBatches::new((0..11).collect(), 3).from_batch(start);
            assert_eq!(left.len(), all.len().saturating_sub(start));
            assert_eq!(left.collect::<Vec<_>>(), all[start.min(4)..]);
        }
        assert_eq!(RowBatches::new((0..11).collect(), 3).drop_last(true).len(), 3);
    }

    #[test]
    #[should_panic(expected = "Sampling: NaN is no weight")]
    fn weights_that_are_none_are_refused() {
        let _ = Sampling::Weighted(vec![1.0, f64::NAN]).rows(2, 0, 0);
    }
}
