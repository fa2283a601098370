//! Nearest neighbours: a look at embeddings, and the simplest classifier.

use gradus_autograd::Float;
use gradus_autograd::internal::split_by;
use ndarray::{Array2, ArrayView1, Axis};

/// The numbers of the `k` points that are nearest to each query, the nearest first, by Euclidean distance. Of points at
/// one distance, the first comes first. A point at a distance that is NaN comes last.
///
/// It computes all distances, on all threads of [`set_threads`](gradus_autograd::set_threads).
///
/// ```
/// use gradus_train::nearest_neighbours;
/// use ndarray::array;
/// let points = array![[0.0], [10.0], [1.0]];
/// assert_eq!(nearest_neighbours(&points, &array![[0.4], [8.0]], 2), array![[0, 2], [1, 2]]);
/// ```
///
/// # Panics
/// If there are fewer than `k` points, or points and queries differ in the number of columns.
#[track_caller]
pub fn nearest_neighbours<T: Float>(points: &Array2<T>, queries: &Array2<T>, k: usize) -> Array2<usize> {
    let (n, (have, want)) = (points.nrows(), (points.ncols(), queries.ncols()));
    assert!(k <= n, "nearest_neighbours: {k} neighbours among {n} points");
    assert!(have == want, "nearest_neighbours: the points have {have} columns, the queries {want}");
    let mut found: Vec<Vec<usize>> = vec![Vec::new(); queries.nrows()];
    split_by(&mut found, 1, 8, |first, found| {
        let mut near: Vec<(f64, usize)> = Vec::with_capacity(n);
        for (i, found) in found.iter_mut().enumerate() {
            let query = queries.row(first + i);
            near.clear();
            near.extend(points.axis_iter(Axis(0)).map(|point| squared_distance(point, query)).zip(0..));
            if k > 0 && k < n {
                near.select_nth_unstable_by(k - 1, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            }
            near.truncate(k);
            near.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            found.extend(near.iter().map(|(_, point)| *point));
        }
    });
    Array2::from_shape_vec((queries.nrows(), k), found.concat()).expect("k neighbours for each query")
}

fn squared_distance<T: Float>(a: ArrayView1<'_, T>, b: ArrayView1<'_, T>) -> f64 {
    let sum: f64 = a.iter().zip(b).map(|(a, b)| (a.to_f64() - b.to_f64()).powi(2)).sum();
    if sum.is_nan() { f64::NAN } else { sum } // NaN with a sign would come first
}

/// The class of each query by its `k` nearest neighbours: the most frequent of their labels, or of those that are
/// equally frequent, that of the nearest neighbour.
///
/// # Panics
/// As [`nearest_neighbours`], and if there is not one label for each point, or `k` is 0.
#[track_caller]
pub fn neighbours_vote<T: Float>(points: &Array2<T>, labels: &[usize], queries: &Array2<T>, k: usize) -> Vec<usize> {
    let (n, given) = (points.nrows(), labels.len());
    assert!(n == given, "neighbours_vote: {given} labels for {n} points");
    assert!(k > 0, "neighbours_vote: nobody votes among 0 neighbours");
    let vote = |neighbours: ArrayView1<'_, usize>| {
        let votes = |label: usize| neighbours.iter().filter(|&&point| labels[point] == label).count();
        let by_votes = |&point: &usize| votes(labels[point]);
        // the last of the largest, seen from the far end, is the nearest
        labels[*neighbours.iter().rev().max_by_key(|&point| by_votes(point)).expect("a neighbour")]
    };
    nearest_neighbours(points, queries, k).rows().into_iter().map(vote).collect()
}

/// The share of queries whose class is that of the [vote](neighbours_vote) of their `k` nearest neighbours: the usual
/// score of an embedding. NaN without queries.
///
/// ```
/// use gradus_data::digits;
/// use gradus_train::neighbours_accuracy;
/// let digits = digits();
/// let (train, test) = (digits.train.select(&(0..1000).collect::<Vec<_>>()), digits.test);
/// let pixels = neighbours_accuracy((&train.x, &train.y), (test.x(), test.y()), 3);
/// assert!(pixels > 0.9); // of the pixels themselves
/// ```
///
/// # Panics
/// As [`neighbours_vote`], and if there is not one label for each query.
#[track_caller]
pub fn neighbours_accuracy<T: Float>(
    (points, labels): (&Array2<T>, &[usize]),
    (queries, truth): (&Array2<T>, &[usize]),
    k: usize,
) -> f64 {
    let (n, given) = (queries.nrows(), truth.len());
    assert!(n == given, "neighbours_accuracy: {given} labels for {n} queries");
    let voted = neighbours_vote(points, labels, queries, k);
    voted.iter().zip(truth).filter(|(a, b)| a == b).count() as f64 / n as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_autograd::with_threads;
    use ndarray::array;

    #[test]
    fn ties_go_to_the_nearest_and_then_to_the_first() {
        let points = array![[0.0], [2.0], [2.0], [5.0]];
        assert_eq!(nearest_neighbours(&points, &array![[1.0]], 4), array![[0, 1, 2, 3]]);
        assert_eq!(neighbours_vote(&points, &[7, 3, 3, 7], &array![[4.4]], 2), [7], "one vote each");
        assert_eq!(neighbours_vote(&points, &[7, 3, 3, 7], &array![[1.1]], 4), [3], "two votes each");
        let gap = array![[f64::NAN], [-f64::NAN], [9.0]];
        assert_eq!(nearest_neighbours(&gap, &array![[0.0]], 1), array![[2]]);
        assert_eq!(nearest_neighbours(&points, &Array2::zeros((0, 1)), 2).dim(), (0, 2));
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let x = Array2::from_shape_fn((200, 5), |(i, j)| ((i * 7 + j * 13) % 31) as f32);
        let of = |threads| with_threads(threads, || nearest_neighbours(&x, &x, 6));
        assert_eq!(of(1), of(3));
    }
}
