//! Descent on a plain function, without a model.

use gradus_autograd::{Float, Param, Tape, Var};
use ndarray::{Array, Dimension};

use crate::{Optimizer, Rule};

/// Where a descent ended, and how it went.
#[derive(Clone, Debug, PartialEq)]
pub struct Minimum<T, D: Dimension> {
    /// the point reached
    pub at: Array<T, D>,
    /// the cost before each step, and at the end
    pub costs: Vec<T>,
}

impl<T: Float, D: Dimension> Minimum<T, D> {
    /// The cost at the point reached.
    pub fn cost(&self) -> T {
        self.costs[self.costs.len() - 1]
    }
}

/// Minimizes a function of an array by `steps` steps of an optimizer.
///
/// ```
/// use gradus_optim::{Sgd, minimize};
/// use ndarray::array;
///
/// let target = array![3.0, -1.0];
/// let found = minimize(|t| (t - &target).square().sum(), array![0., 0.], Sgd::new(0.1).momentum(0.9), 200);
/// assert!((&found.at - &target).iter().all(|d: &f64| d.abs() < 1e-3));
/// ```
///
/// # Panics
/// If the function does not return a single number.
#[track_caller]
pub fn minimize<T: Float, D: Dimension, R: Rule>(
    cost: impl for<'t> Fn(Var<'t, T>) -> Var<'t, T>,
    start: Array<T, D>,
    mut optimizer: Optimizer<R, T>,
    steps: usize,
) -> Minimum<T, D> {
    let mut theta = Param::new(&start);
    let mut tape = Tape::mathematics();
    let mut costs = Vec::with_capacity(steps + 1);
    for _ in 0..steps {
        let (value, grads) = tape.gradients(|t| cost(t.param(&theta)));
        costs.push(value);
        optimizer.step(&mut theta, &grads);
    }
    tape.clear();
    costs.push(cost(tape.param(&theta)).item());
    let at = theta.value().to_owned().into_dimensionality().expect("a parameter keeps its shape");
    Minimum { at, costs }
}
