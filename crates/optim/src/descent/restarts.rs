//! Descent from many starting points, side by side.

use std::cmp::Ordering;

use gradus_autograd::internal::{hint_once, split_by};
use gradus_autograd::{Float, Stream, Var, with_threads};
use ndarray::{Array, Dimension};
use rand::rngs::Xoshiro256PlusPlus;

use crate::{Descent, Minimize, Minimum};

/// The results of descents from several starting points.
#[derive(Clone, Debug, PartialEq)]
pub struct Restarts<T, D: Dimension> {
    /// the result of each descent, in the order of the starting points
    pub runs: Vec<Minimum<T, D>>,
}

impl<T: Float, D: Dimension> Restarts<T, D> {
    /// Returns the run that ended at the lowest cost; if there are several, the first of them. NaN counts as the
    /// highest cost.
    pub fn best(&self) -> &Minimum<T, D> {
        let mut best = &self.runs[0];
        for run in &self.runs {
            if run.cost() < best.cost() || best.cost().to_f64().is_nan() {
                best = run;
            }
        }
        best
    }

    /// Returns the points where runs ended, the lowest cost first and NaN last, each with the number of runs that ended
    /// within `distance` of it.
    pub fn distinct(&self, distance: f64) -> Vec<(&Minimum<T, D>, usize)> {
        let mut sorted: Vec<_> = self.runs.iter().collect();
        let place = |run: &Minimum<T, D>| (run.cost().to_f64().is_nan(), run.cost().to_f64());
        sorted.sort_by(|a, b| place(a).partial_cmp(&place(b)).unwrap_or(Ordering::Equal));
        let mut found: Vec<(&Minimum<T, D>, usize)> = Vec::new();
        for run in sorted {
            let near = |other: &Minimum<T, D>| {
                let squares = other.at.iter().zip(&run.at).map(|(a, b)| (a.to_f64() - b.to_f64()).powi(2));
                squares.sum::<f64>().sqrt() <= distance
            };
            match found.iter_mut().find(|(other, _)| near(other)) {
                Some((_, count)) => *count += 1,
                None => found.push((run, 1)),
            }
        }
        found
    }
}

impl Minimize {
    /// Runs descents from `n` starting points that `sampler` draws, on all cores (see
    /// [`set_threads`](gradus_autograd::set_threads)).
    ///
    /// Each draw has a random generator of its own, made from the seed and the number of the draw. So the result
    /// depends on the seed and not on the threads, and the first starting points stay the same when more are asked for.
    ///
    /// # Panics
    /// If `n` is 0, or the function does not return a single number.
    #[track_caller]
    pub fn random_restarts<T: Float, D: Dimension, O: Descent<T> + Clone + Sync>(
        self,
        cost: impl for<'t> Fn(Var<'t, T>) -> Var<'t, T> + Sync,
        sampler: impl Fn(&mut Xoshiro256PlusPlus) -> Array<T, D> + Sync,
        n: usize,
        optimizer: &O,
        seed: u64,
    ) -> Restarts<T, D> {
        hint_once();
        assert!(n > 0, "random_restarts: 0 starting points");
        let mut runs: Vec<Option<Minimum<T, D>>> = (0..n).map(|_| None).collect();
        split_by(&mut runs, 1, 1, |first, runs| {
            for (k, run) in runs.iter_mut().enumerate() {
                let stream = Stream { seed, step: (first + k) as u64, shard: 0 };
                let start = sampler(&mut stream.rng());
                *run = Some(with_threads(1, || self.run(&cost, start, optimizer.clone())));
            }
        });
        Restarts { runs: runs.into_iter().flatten().collect() }
    }
}

/// Minimizes a function from `n` starting points drawn by `sampler`: the way out of local minima.
///
/// ```
/// use gradus_optim::{Sgd, functions, random_restarts};
/// use ndarray::Array1;
/// use rand::RngExt;
///
/// let anywhere = |rng: &mut rand::rngs::Xoshiro256PlusPlus| Array1::from_shape_fn(2, |_| rng.random_range(-5.0..5.0));
/// let found = random_restarts(functions::himmelblau, anywhere, 40, &Sgd::new(0.005), 2000, 1);
/// assert_eq!(found.distinct(1e-3).len(), 4); // all four minima
/// assert!(found.best().cost() < 1e-12);
/// ```
///
/// See [`Minimize::random_restarts`], which also uses the other settings. A closure that is bound by `let` needs
/// [`differentiable`](gradus_autograd::differentiable).
///
/// # Panics
/// If `n` is 0, or the function does not return a single number.
#[track_caller]
pub fn random_restarts<T: Float, D: Dimension, O: Descent<T> + Clone + Sync>(
    cost: impl for<'t> Fn(Var<'t, T>) -> Var<'t, T> + Sync,
    sampler: impl Fn(&mut Xoshiro256PlusPlus) -> Array<T, D> + Sync,
    n: usize,
    optimizer: &O,
    iterations: usize,
    seed: u64,
) -> Restarts<T, D> {
    Minimize { iterations, ..Minimize::default() }.random_restarts(cost, sampler, n, optimizer, seed)
}
