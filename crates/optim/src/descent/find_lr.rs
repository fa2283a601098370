//! The learning-rate range test.

use std::ops::RangeInclusive;

use gradus_autograd::internal::hint_once;
use gradus_autograd::{Float, Module, Tape, Var};

use crate::{Interpolation, Optimizer, Rule, descend, piecewise};

/// The result of a learning-rate range test.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeTest {
    /// the learning rate of each step
    pub rates: Vec<f64>,
    /// the cost of each step's batch, before the step
    pub costs: Vec<f64>,
    /// the running mean of the costs, `m ← 0.9 m + 0.1 c`, without the bias of its start at 0
    pub smoothed: Vec<f64>,
    /// a tenth of the rate at which the running mean was least; `None` if this was the first rate (every rate was too
    /// large) or the last one (no rate was too large: widen the range, or give more batches)
    pub suggestion: Option<f64>,
}

/// Tries learning rates from small to large on a copy of a model, and suggests one.
///
/// The rate grows by the same factor at each of `steps` steps. While the rate is too small, the cost hardly falls; then
/// it falls faster and faster; when the rate is too large, the cost rises. The test ends when the running mean of the
/// cost is more than four times its least value so far, or not finite. The suggestion is a tenth of the rate with the
/// least mean, where the descent was still stable. Smith 2015 (<https://arxiv.org/abs/1506.01186>); running mean and
/// rule of thumb as in fastai's `lr_find`.
///
/// The model and the optimizer are copied and stay as they are; the optimizer's schedule is not used. `batches` should
/// have at least `steps` batches: for a data set, use `(0..).flat_map(|epoch| data.batches(32).shuffle(epoch))`. (For
/// `Rprop`, whose learning rate counts in its first step only, the test means nothing.)
///
/// ```
/// use gradus_autograd::Param;
/// use gradus_optim::{Sgd, find_lr, functions};
///
/// let start = Param::new([1.0f64, 3.0]);
/// let test = find_lr(&start, &Sgd::new(1.0), 1e-5..=10.0, 100, std::iter::repeat(()), |theta, t, ()| {
///     functions::ravine(t.param(theta))
/// });
/// let rate = test.suggestion.unwrap();
/// assert!(rate > 5e-4 && rate < 0.02, "{rate}"); // descent diverges from 0.02 on
/// ```
///
/// # Panics
/// If `rates` is not a range of positive numbers, the optimizer's own rate is 0, or there are fewer than two steps.
#[track_caller]
pub fn find_lr<T: Float, R: Rule, M: Module<T> + Clone, B>(
    model: &M,
    optimizer: &Optimizer<R, T>,
    rates: RangeInclusive<f64>,
    steps: usize,
    batches: impl IntoIterator<Item = B>,
    cost: impl for<'t> Fn(&M, &'t Tape<T>, &B) -> Var<'t, T>,
) -> RangeTest {
    hint_once();
    let (low, high) = (*rates.start(), *rates.end());
    assert!(low > 0.0 && low < high && high.is_finite(), "find_lr: {low} … {high} is no range of positive rates");
    assert!(steps > 1, "find_lr: {steps} steps cannot go through a range");
    let base = optimizer.base_lr();
    assert!(base > 0.0, "find_lr: the optimizer's learning rate is 0; give any other");
    let growth = piecewise(&[(0, low / base), (steps as u64 - 1, high / base)], Interpolation::Geometric);
    let mut optimizer = optimizer.clone().schedule(growth.clone()).restarted();
    let mut model = model.clone();
    let mut test = RangeTest { rates: Vec::new(), costs: Vec::new(), smoothed: Vec::new(), suggestion: None };
    let (mut mean, mut least) = (0.0, (0, f64::INFINITY));
    for (i, cost) in descend(&mut model, &mut optimizer, batches.into_iter().take(steps), cost).enumerate() {
        let cost = cost.to_f64();
        mean = 0.9 * mean + 0.1 * cost;
        let smooth = mean / (1.0 - 0.9f64.powi(i as i32 + 1));
        test.rates.push(base * growth.factor(i as u64));
        test.costs.push(cost);
        test.smoothed.push(smooth);
        if smooth < least.1 {
            least = (i, smooth);
        }
        if !smooth.is_finite() || smooth - least.1 > 3.0 * least.1.abs() {
            break;
        }
    }
    test.suggestion = (least.0 > 0 && least.0 + 1 < test.rates.len()).then(|| test.rates[least.0] / 10.0);
    test
}
