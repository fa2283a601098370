//! Division of rows into training, validation and test data; cross-validation.

use std::collections::BTreeMap;

use gradus_autograd::Float;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;

use crate::Dataset;

/// Divides row numbers into two parts, a share of `share` in the first, after shuffling them by a seed. Both parts are
/// in the shuffled order.
///
/// ```
/// let (train, test) = gradus_data::split_rows(10, 0.8, 1);
/// assert_eq!((train.len(), test.len()), (8, 2));
/// ```
///
/// # Panics
/// If the share is not in 0..=1.
#[track_caller]
pub fn split_rows(rows: usize, share: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    split_by_label(&vec![0; rows], share, seed)
}

/// Divides row numbers into two parts so that the first has a share of `share` of each label's rows, up to rounding.
///
/// # Panics
/// If the share is not in 0..=1.
#[track_caller]
pub fn split_by_label(labels: &[usize], share: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    assert!((0.0..=1.0).contains(&share), "split: a share of {share} is not in 0..=1");
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let mut seen = 0;
    for rows in by_label(labels, seed) {
        // the total over the labels so far is rounded, so that the rounding errors of the labels do not add up
        seen += rows.len();
        let due = (share * seen as f64).round() as usize - first.len();
        let (a, b) = rows.split_at(due.min(rows.len()));
        first.extend(a);
        second.extend(b);
    }
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(!seed);
    first.shuffle(&mut rng);
    second.shuffle(&mut rng);
    (first, second)
}

/// Returns `k` pairs of row numbers (to train on, to validate on), shuffled by a seed: each row is validated on once.
/// The sizes of the validation parts differ by at most one row.
///
/// ```
/// let folds = gradus_data::k_fold_rows(10, 5, 1);
/// assert!(folds.iter().all(|(train, valid)| train.len() == 8 && valid.len() == 2));
/// ```
///
/// # Panics
/// If there are fewer than two folds, or fewer rows than folds.
#[track_caller]
pub fn k_fold_rows(rows: usize, k: usize, seed: u64) -> Vec<(Vec<usize>, Vec<usize>)> {
    k_fold_by_label(&vec![0; rows], k, seed)
}

/// Does the same as [`k_fold_rows`], but spreads each label evenly over the folds (stratified): the numbers of rows
/// that two folds have of a label differ by at most one.
///
/// # Panics
/// If there are fewer than two folds, or fewer rows than folds.
#[track_caller]
pub fn k_fold_by_label(labels: &[usize], k: usize, seed: u64) -> Vec<(Vec<usize>, Vec<usize>)> {
    let rows = labels.len();
    assert!(
        k >= 2 && rows >= k,
        "k-fold: {rows} rows in {k} folds; there must be two folds or more, none of them empty"
    );
    let mut fold = vec![0; rows];
    // rows are dealt out like cards, label by label
    by_label(labels, seed).concat().into_iter().enumerate().for_each(|(i, row)| fold[row] = i % k);
    let mut order: Vec<usize> = (0..rows).collect();
    order.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(!seed));
    (0..k).map(|i| order.iter().partition(|&&row| fold[row] != i)).collect()
}

/// The row numbers of each label, shuffled.
fn by_label(labels: &[usize], seed: u64) -> Vec<Vec<usize>> {
    let mut of = BTreeMap::<usize, Vec<usize>>::new();
    labels.iter().enumerate().for_each(|(row, &label)| of.entry(label).or_default().push(row));
    let mut rows: Vec<Vec<usize>> = of.into_values().collect();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    rows.iter_mut().for_each(|rows| rows.shuffle(&mut rng));
    rows
}

impl<T: Float> Dataset<T> {
    /// Divides the set into two, with a share of `share` of each class in the first: for training and validation.
    ///
    /// ```
    /// let digits = gradus_data::digits();
    /// let (train, valid) = digits.train.split(0.8, 1);
    /// assert_eq!(train.len() + valid.len(), digits.train.len());
    /// assert!(valid.label_counts().iter().all(|&n| n > 60));
    /// ```
    ///
    /// # Panics
    /// If the share is not in 0..=1.
    #[track_caller]
    pub fn split(&self, share: f64, seed: u64) -> (Self, Self) {
        let (first, second) = split_by_label(self.y(), share, seed);
        (self.subset(&first), self.subset(&second))
    }

    /// Returns `k` pairs of sets (to train on, to validate on) for cross-validation, with each class spread evenly.
    ///
    /// # Panics
    /// If there are fewer than two folds, or fewer examples than folds.
    #[track_caller]
    pub fn k_folds(&self, k: usize, seed: u64) -> impl Iterator<Item = (Self, Self)> + '_ {
        let folds = k_fold_by_label(self.y(), k, seed);
        folds.into_iter().map(|(train, valid)| (self.subset(&train), self.subset(&valid)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_row_is_in_one_part(
            labels in proptest::collection::vec(0usize..4, 0..60),
            share in 0.0f64..=1.0,
            seed: u64,
        ) {
            let (first, second) = split_by_label(&labels, share, seed);
            let mut all = [first.clone(), second].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..labels.len()).collect::<Vec<_>>());
            prop_assert_eq!(first.len(), (share * labels.len() as f64).round() as usize);
            for label in 0..4 {
                let of = |rows: &[usize]| rows.iter().filter(|&&row| labels[row] == label).count() as f64;
                let whole: Vec<usize> = (0..labels.len()).collect();
                prop_assert!((of(&first) - share * of(&whole)).abs() <= 1.0, "label {}", label);
            }
        }

        #[test]
        fn every_row_is_validated_on_once(
            labels in proptest::collection::vec(0usize..4, 7..60),
            k in 2usize..7,
            seed: u64,
        ) {
            let folds = k_fold_by_label(&labels, k, seed);
            let mut all: Vec<usize> = folds.iter().flat_map(|(_, valid)| valid.clone()).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..labels.len()).collect::<Vec<_>>());
            for (train, valid) in &folds {
                prop_assert_eq!(train.len() + valid.len(), labels.len());
                prop_assert!(train.iter().all(|row| !valid.contains(row)));
            }
            for label in 0..4 {
                let counts: Vec<usize> =
                    folds.iter().map(|(_, valid)| valid.iter().filter(|&&row| labels[row] == label).count()).collect();
                prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{:?}", counts);
            }
            prop_assert_eq!(&folds, &k_fold_by_label(&labels, k, seed));
        }
    }

    #[test]
    #[should_panic(expected = "k-fold: 3 rows in 4 folds")]
    fn folds_without_rows_are_refused() {
        let _ = k_fold_rows(3, 4, 0);
    }
}
