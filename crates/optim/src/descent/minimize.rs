//! Descent on a plain function, without a model.

use std::fmt;

use gradus_autograd::{Float, Gradients, Param, Tape, Var};
use ndarray::{Array, Dimension};

use crate::Descent;

/// The reason why a descent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// the norm of the gradient is no larger than the tolerance: a critical point, usually a minimum
    Tolerance,
    /// all iterations were made
    Iterations,
    /// the cost ran far away from where it began: up, because steps are too large, or down, because it has no minimum
    Diverged,
    /// the point did not change for ten steps: the steps are smaller than the precision of its numbers, or the learning
    /// rate is 0, or an [`Lbfgs`](crate::Lbfgs) has met its own tolerances
    Stalled,
    /// the cost or its gradient became NaN or infinite
    NonFinite,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stop::Tolerance => "the gradient is as good as 0",
            Stop::Iterations => "all iterations were made",
            Stop::Diverged => "the cost ran far away; the learning rate is too large, or the cost has no minimum",
            Stop::Stalled => "nothing moved any more",
            Stop::NonFinite => "the cost or its gradient is not finite; try a smaller learning rate",
        })
    }
}

/// The result of a descent: where it ended, and how it got there.
#[derive(Clone, Debug, PartialEq)]
pub struct Minimum<T, D: Dimension> {
    /// the point reached
    pub at: Array<T, D>,
    /// every point on the way, including the first and the last
    pub path: Vec<Array<T, D>>,
    /// the cost at each point of `path`
    pub costs: Vec<T>,
    /// the 2-norm of the gradient at each point of `path`
    pub grad_norms: Vec<f64>,
    /// the reason why the descent ended
    pub stop: Stop,
}

impl<T: Float, D: Dimension> Minimum<T, D> {
    /// Returns the cost at the point reached.
    pub fn cost(&self) -> T {
        self.costs[self.costs.len() - 1]
    }

    /// Returns the number of steps made.
    pub fn steps(&self) -> usize {
        self.costs.len() - 1
    }
}

/// The settings of when a descent ends. [`minimize`] is the short form.
///
/// ```
/// use gradus_optim::{Minimize, Sgd, Stop};
/// use ndarray::array;
/// let settings = Minimize { iterations: 1000, tolerance: 1e-3, ..Minimize::default() };
/// let found = settings.run(|t| t.square().sum(), array![5.0], Sgd::new(0.1));
/// assert_eq!((found.stop, found.steps()), (Stop::Tolerance, 42));
/// let found = settings.run(|t| t.square().sum(), array![5.0], Sgd::new(1.1)); // too large a rate
/// assert_eq!(found.stop, Stop::Diverged);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Minimize {
    /// the largest number of steps; 1000 by default
    pub iterations: usize,
    /// the norm of the gradient that counts as 0; 10⁻⁸ by default
    pub tolerance: f64,
    /// how far the cost may move from the first cost, up or down, in units of the first cost's size or 1, whichever is
    /// larger; 10⁶ by default
    pub divergence: f64,
}

/// The number of steps without a change after which a descent has stalled. A single step without a change may be the
/// first step of a warm-up from 0.
const STILL: usize = 10;

impl Default for Minimize {
    fn default() -> Self {
        Minimize { iterations: 1000, tolerance: 1e-8, divergence: 1e6 }
    }
}

impl Minimize {
    /// Runs a descent from the point `start`.
    ///
    /// # Panics
    /// If the function does not return a single number.
    #[track_caller]
    pub fn run<T: Float, D: Dimension>(
        self,
        cost: impl for<'t> Fn(Var<'t, T>) -> Var<'t, T>,
        start: Array<T, D>,
        mut optimizer: impl Descent<T>,
    ) -> Minimum<T, D> {
        let shape = start.raw_dim();
        let mut theta = Param::new(&start);
        let mut tape = Tape::mathematics();
        let (mut path, mut costs, mut grad_norms) = (vec![start], Vec::<T>::new(), Vec::new());
        // records a point; returns the reason to stop, if it is the last one
        let mut note = |cost: T, grads: &Gradients<T>| {
            let norm = grads.norm();
            costs.push(cost);
            grad_norms.push(norm);
            let first = costs[0].to_f64();
            if !cost.is_finite() || !norm.is_finite() {
                Some(Stop::NonFinite)
            } else if (cost.to_f64() - first).abs() > self.divergence * first.abs().max(1.0) {
                Some(Stop::Diverged)
            } else if norm <= self.tolerance {
                Some(Stop::Tolerance)
            } else {
                (costs.len() > self.iterations).then_some(Stop::Iterations)
            }
        };
        let mut still = 0;
        let stop = loop {
            let (value, grads) = tape.gradients(|t| cost(t.param(&theta)));
            if let Some(stop) = note(value, &grads) {
                break stop;
            }
            let mut first = Some((value, grads));
            optimizer
                .descend(&mut theta, |theta| first.take().unwrap_or_else(|| tape.gradients(|t| cost(t.param(theta)))));
            let moved =
                Array::from_shape_vec(shape.clone(), theta.data().to_vec()).expect("a parameter keeps its shape");
            still = if path.last() == Some(&moved) { still + 1 } else { 0 };
            if still == STILL {
                path.truncate(path.len() + 1 - STILL);
                break Stop::Stalled;
            }
            path.push(moved);
        };
        costs.truncate(path.len());
        grad_norms.truncate(path.len());
        let at = path[path.len() - 1].clone();
        Minimum { at, path, costs, grad_norms, stop }
    }
}

/// Minimizes a function of an array by at most `iterations` steps of an optimizer.
///
/// ```
/// use gradus_optim::{Sgd, Stop, minimize};
/// use ndarray::array;
///
/// let target = array![3.0, -1.0];
/// let found = minimize(|t| (t - &target).square().sum(), array![0., 0.], Sgd::new(0.1).momentum(0.9), 500);
/// assert!((&found.at - &target).iter().all(|d: &f64| d.abs() < 1e-6));
/// assert_eq!(found.stop, Stop::Tolerance);
/// assert_eq!(found.path[0], array![0., 0.]);
/// ```
///
/// The descent ends sooner if the gradient is 0 (its norm is at most 10⁻⁸), or if the cost diverges: [`Minimize`] has
/// the settings. A closure that is bound by `let` needs [`differentiable`](gradus_autograd::differentiable).
///
/// # Panics
/// If the function does not return a single number.
#[track_caller]
pub fn minimize<T: Float, D: Dimension>(
    cost: impl for<'t> Fn(Var<'t, T>) -> Var<'t, T>,
    start: Array<T, D>,
    optimizer: impl Descent<T>,
    iterations: usize,
) -> Minimum<T, D> {
    Minimize { iterations, ..Minimize::default() }.run(cost, start, optimizer)
}
