//! Descent on data: full-batch, stochastic, mini-batch, online.

use gradus_autograd::internal::epoch_rng;
use gradus_autograd::{Float, Module, Tape, Var};
use rand::seq::SliceRandom;

use crate::Descent;

/// The rows that each step uses: an endless iterator of lists of row numbers.
///
/// The three variants of gradient descent (full-batch, stochastic, mini-batch) differ in nothing else.
///
/// ```
/// use gradus_optim::Rows;
/// assert_eq!(Rows::full(4).next(), Some(vec![0, 1, 2, 3]));
/// let sizes: Vec<usize> = Rows::mini(5, 2, 0).epochs(2).map(|rows| rows.len()).collect();
/// assert_eq!(sizes, [2, 2, 1, 2, 2, 1]);
/// ```
#[derive(Clone, Debug)]
pub struct Rows {
    size: usize,
    /// the seed of the shuffles; `None` if the rows stay in their order
    seed: Option<u64>,
    order: Vec<usize>,
    at: usize,
    epoch: u64,
}

impl Rows {
    /// All rows at every step: full-batch descent. The gradient is exact, but expensive.
    ///
    /// # Panics
    /// If there are no rows.
    #[track_caller]
    pub fn full(rows: usize) -> Self {
        Self::new(rows, rows, None)
    }

    /// One row for each step, in an order that is shuffled again each epoch: stochastic descent. The gradient is cheap
    /// and right on average, but its noise scatters the steps.
    ///
    /// # Panics
    /// If there are no rows.
    #[track_caller]
    pub fn stochastic(rows: usize, seed: u64) -> Self {
        Self::new(rows, 1, Some(seed))
    }

    /// `size` rows for each step, shuffled again each epoch: mini-batch descent. The last step of an epoch may have
    /// fewer rows. The mean over `size` rows has a √`size`th of the noise of one row.
    ///
    /// # Panics
    /// If there are no rows, or `size` is 0.
    #[track_caller]
    pub fn mini(rows: usize, size: usize, seed: u64) -> Self {
        Self::new(rows, size, Some(seed))
    }

    #[track_caller]
    fn new(rows: usize, size: usize, seed: Option<u64>) -> Self {
        assert!(rows > 0 && size > 0, "Rows: batches of {size} of {rows} rows; there must be at least one");
        let mut rows = Rows { size, seed, order: (0..rows).collect(), at: 0, epoch: 0 };
        rows.shuffle();
        rows
    }

    /// Shuffles the rows for an epoch, if there is a seed. The order depends on the seed and the epoch only.
    fn shuffle(&mut self) {
        if let Some(seed) = self.seed {
            self.order.sort_unstable();
            self.order.shuffle(&mut epoch_rng(seed, self.epoch));
        }
    }

    /// Returns the number of steps in an epoch.
    pub fn steps_per_epoch(&self) -> usize {
        self.order.len().div_ceil(self.size)
    }

    /// Returns an iterator over the rows of each step that ends after `epochs` epochs.
    pub fn epochs(self, epochs: usize) -> impl Iterator<Item = Vec<usize>> {
        let steps = self.steps_per_epoch().saturating_mul(epochs);
        self.take(steps)
    }
}

impl Iterator for Rows {
    type Item = Vec<usize>;

    fn next(&mut self) -> Option<Vec<usize>> {
        if self.at == self.order.len() {
            (self.at, self.epoch) = (0, self.epoch + 1);
            self.shuffle();
        }
        let end = self.order.len().min(self.at.saturating_add(self.size));
        let rows = self.order[self.at..end].to_vec();
        self.at = end;
        Some(rows)
    }
}

/// Steps a model along a stream of batches. Each item of the returned iterator is the cost of a step's batch, before
/// the step.
///
/// A batch is any value that `cost` can use: row numbers from [`Rows`], or samples from an endless source, which is
/// online learning. The iterator is lazy: a step is made when its item is asked for.
///
/// ```
/// use gradus_autograd::Param;
/// use gradus_optim::{Rows, Sgd, descend};
/// use ndarray::{Array1, Axis};
///
/// let x = Array1::linspace(-1.0, 1.0, 20);
/// let y = x.mapv(|x| 3.0 * x + 1.0);
/// for rows in [Rows::full(20), Rows::stochastic(20, 0), Rows::mini(20, 5, 0)] {
///     let mut line = (Param::new([0.0]), Param::new([0.0])); // y = mx + b
///     let costs: Vec<f64> = descend(&mut line, &mut Sgd::new(0.2), rows.epochs(100), |(m, b), t, rows| {
///         let (x, y) = (x.select(Axis(0), rows), y.select(Axis(0), rows));
///         (t.param(m) * &x + b - &y).square().mean()
///     })
///     .collect();
///     assert!((line.0.data()[0] - 3.0).abs() < 1e-3 && costs[0] > 1.0);
/// }
/// ```
pub fn descend<'a, T: Float, M: Module<T>, B>(
    model: &'a mut M,
    optimizer: &'a mut impl Descent<T>,
    batches: impl IntoIterator<Item = B, IntoIter: 'a>,
    cost: impl for<'t> Fn(&M, &'t Tape<T>, &B) -> Var<'t, T> + 'a,
) -> impl Iterator<Item = T> + 'a
where
    B: 'a,
{
    let mut tape = Tape::training(0);
    batches.into_iter().map(move |batch| {
        let mut before = None;
        optimizer.descend(model, |model| {
            let (value, grads) = tape.gradients(|t| cost(model, t, &batch));
            before.get_or_insert(value);
            (value, grads)
        });
        before.expect("a descent evaluates its cost")
    })
}
