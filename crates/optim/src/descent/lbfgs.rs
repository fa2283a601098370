//! L-BFGS: curvature from the gradients of the last steps.

use std::collections::VecDeque;

use gradus_autograd::internal::norm;
use gradus_autograd::{Float, Gradients, Leaf, LeafMut, Module, Visitor};
use serde::{Deserialize, Serialize};

use super::line_search::{Point, strong_wolfe};
use crate::rule::{NON_NEGATIVE, check};
use crate::wrappers::{of_these_parameters, same_parameters};
use crate::{Descent, NonFiniteGradient, Schedule, StateError};

/// ```text
/// s = θₖ₊₁ − θₖ,  y = gₖ₊₁ − gₖ                          the last pairs with yᵀs > 10⁻¹⁰ are kept
/// d = −H g,  H₀ = (yᵀs/yᵀy) I                            by the two-loop recursion; d = −g at first
/// θ ← θ + α d                                            α from the line search, or the learning rate
/// ```
///
/// H stands for the inverse Hessian, so steps are Newton's as far as the pairs show the curvature. The method is for
/// costs without noise (full batches) of up to some ten thousand parameters. Liu, Nocedal 1989
/// (<https://doi.org/10.1007/BF01589116>). The line search for the strong Wolfe conditions (constants 10⁻⁴ and 0.9) and
/// the recursion are those of Nocedal, Wright 2006, algorithms 3.5, 3.6 and 7.4.
///
/// The meaning of a step, and the defaults (20 iterations, 25 evaluations, tolerances 10⁻⁷ and 10⁻⁹, history 100), are
/// those of PyTorch's `LBFGS`. But PyTorch makes no line search unless asked to, and brackets by other rules when it
/// does, so that the paths differ after some steps. The tolerances end a step long before the last digit is exact; for
/// the last digit, set both to 0.
///
/// ```
/// use gradus_autograd::{Param, Tape};
/// use gradus_optim::{Lbfgs, functions};
/// let mut theta = Param::new([-1.2, 1.0]);
/// let (mut opt, mut tape) = (Lbfgs::new(1.0), Tape::<f64>::mathematics());
/// for _ in 0..3 {
///     opt.step(&mut theta, |theta| tape.gradients(|t| functions::rosenbrock(t.param(theta))));
/// }
/// assert!(theta.data().iter().all(|x| (x - 1.0).abs() < 1e-4));
/// ```
#[derive(Clone, Debug)]
pub struct Lbfgs<T: Float = f32> {
    lr: f64,
    max_iter: usize,
    max_eval: Option<usize>,
    tolerance_grad: f64,
    tolerance_change: f64,
    history_size: usize,
    line_search: bool,
    /// the norm of the gradient at the beginning of the last step
    last_norm: Option<f64>,
    state: LbfgsState<T>,
}

/// The saved state of an [`Lbfgs`]: everything but its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct LbfgsState<T: Float> {
    /// the number of steps made
    pub steps: u64,
    /// the factor that [`Descent::set_factor`] set
    #[serde(with = "gradus_autograd::exact")]
    pub factor: f64,
    /// the number of iterations made
    pub iterations: u64,
    /// the parameters' paths and lengths
    pub params: Vec<(String, usize)>,
    /// the last direction, for all parameters one after the other
    #[serde(with = "gradus_autograd::exact")]
    pub direction: Vec<T>,
    /// how far the last iteration went along `direction`
    #[serde(with = "gradus_autograd::exact")]
    pub length: f64,
    /// the gradient at the point where `direction` was computed
    #[serde(with = "gradus_autograd::exact")]
    pub gradient: Vec<T>,
    /// the pairs (s, y)
    #[serde(with = "gradus_autograd::exact")]
    pub pairs: VecDeque<(Vec<T>, Vec<T>)>,
}

impl<T: Float> Lbfgs<T> {
    /// An L-BFGS with a strong Wolfe line search that tries the step length `lr` first; 1 is the length of Newton's
    /// step.
    ///
    /// # Panics
    /// If `lr` is negative or not finite.
    #[track_caller]
    pub fn new(lr: f64) -> Self {
        check("lr", &lr, NON_NEGATIVE);
        let state = LbfgsState {
            steps: 0,
            factor: 1.0,
            iterations: 0,
            params: Vec::new(),
            direction: Vec::new(),
            length: 0.0,
            gradient: Vec::new(),
            pairs: VecDeque::new(),
        };
        Lbfgs {
            lr,
            max_iter: 20,
            max_eval: None,
            tolerance_grad: 1e-7,
            tolerance_change: 1e-9,
            history_size: 100,
            line_search: true,
            last_norm: None,
            state,
        }
    }

    /// Sets the largest number of iterations in a step.
    pub fn max_iter(mut self, max_iter: usize) -> Self {
        self.max_iter = max_iter;
        self
    }

    /// Sets the number of evaluations of the cost after which a step ends; if not set, 5/4 of the largest number of
    /// iterations.
    pub fn max_eval(mut self, max_eval: usize) -> Self {
        self.max_eval = Some(max_eval);
        self
    }

    /// Sets the tolerance of the gradient: a step ends where no element of the gradient is larger.
    pub fn tolerance_grad(mut self, tolerance: f64) -> Self {
        self.tolerance_grad = tolerance;
        self
    }

    /// Sets the tolerance of changes: a step ends when the cost changes by less, or no parameter changes by more.
    pub fn tolerance_change(mut self, tolerance: f64) -> Self {
        self.tolerance_change = tolerance;
        self
    }

    /// Sets how many pairs (s, y) are kept.
    pub fn history_size(mut self, pairs: usize) -> Self {
        self.history_size = pairs;
        self
    }

    /// Sets whether to search along the line, or to take the step length from the learning rate alone.
    pub fn line_search(mut self, line_search: bool) -> Self {
        self.line_search = line_search;
        self
    }

    /// Returns the step length that is tried first.
    pub fn lr(&self) -> f64 {
        self.lr * self.state.factor
    }

    /// Returns the number of iterations made.
    pub fn iterations(&self) -> u64 {
        self.state.iterations
    }

    /// Makes one step of several iterations, and returns the cost before the step. Each iteration evaluates the cost
    /// and its gradients as often as it needs.
    ///
    /// Parameters without a gradient stay as they are. Buffers are updated as the first evaluation recorded. If the
    /// cost or a gradient is not finite at the start, no parameter is changed. If it is not finite further along the
    /// line, the line search treats that point as too far.
    ///
    /// # Panics
    /// If the parameters are not the same as at the step before.
    #[track_caller]
    pub fn step<M: Module<T> + ?Sized>(
        &mut self,
        model: &mut M,
        mut evaluate: impl FnMut(&M) -> (T, Gradients<T>),
    ) -> T {
        same_parameters("Lbfgs::step", &mut self.state.params, model);
        self.state.steps = self.state.steps.saturating_add(1);
        let (cost_before, grads) = evaluate(model);
        model.visit_mut(&mut Visitor::new(&mut |_, leaf| {
            if let LeafMut::Buffer(buffer) = leaf {
                grads.update_buffer(buffer);
            }
        }));
        let mut point = Point { length: 0.0, cost: cost_before.to_f64(), slope: 0.0, gradient: gather(model, &grads) };
        drop(grads);
        self.last_norm = Some(norm(|f| f(&point.gradient)));
        let finite = point.cost.is_finite() && point.gradient.iter().all(|g| g.is_finite());
        if !finite || largest(&point.gradient) <= self.tolerance_grad {
            return cost_before;
        }
        let max_eval = self.max_eval.unwrap_or(self.max_iter * 5 / 4);
        let mut evaluations = 1;
        for iteration in 1..=self.max_iter {
            self.state.turn(&point.gradient, self.history_size);
            point.slope = dot(&point.gradient, &self.state.direction);
            if point.slope.is_nan() || point.slope > -self.tolerance_change {
                break;
            }
            let first = self.state.iterations == 1;
            let length = self.lr() * if first { (1.0 / sum_abs(&point.gradient)).min(1.0) } else { 1.0 };
            let (start, direction, before) = (values(model), &self.state.direction, point.cost);
            let mut probe = |length: f64| {
                evaluations += 1;
                move_to(model, &start, direction, length);
                let (cost, grads) = evaluate(model);
                let gradient = gather(model, &grads);
                Point { length, cost: cost.to_f64(), slope: dot(&gradient, direction), gradient }
            };
            if self.line_search {
                point.length = 0.0;
                let narrow = self.tolerance_change / largest(direction);
                point = strong_wolfe(&mut probe, point, length, narrow);
                move_to(model, &start, direction, point.length);
            } else if iteration < self.max_iter {
                point = probe(length);
            } else {
                move_to(model, &start, direction, length);
                point.length = length;
            }
            self.state.length = point.length;
            let change = point.length * largest(direction);
            if evaluations >= max_eval
                || largest(&point.gradient) <= self.tolerance_grad
                || change <= self.tolerance_change
                || (point.cost - before).abs() < self.tolerance_change
            {
                break;
            }
        }
        cost_before
    }

    /// Returns the state, to be saved.
    pub fn state(&self) -> &LbfgsState<T> {
        &self.state
    }

    /// Loads a saved state. The next step is then, bit for bit, the step that would have followed.
    ///
    /// # Errors
    /// If the parts of the state differ in length, or its factor of the learning rate is negative or not finite.
    pub fn load_state(&mut self, state: LbfgsState<T>) -> Result<(), StateError> {
        if !state.factor.is_finite() || state.factor < 0.0 {
            let reason = format!("its factor of the learning rate is {}", state.factor);
            return Err(StateError::Damaged { reason });
        }
        let own = state.params.iter().fold(0usize, |sum, (_, len)| sum.saturating_add(*len));
        let pairs = state.pairs.iter().flat_map(|(s, y)| [s.len(), y.len()]);
        let used = state.iterations > 0;
        for saved in pairs.chain([state.direction.len(), state.gradient.len()].into_iter().filter(|_| used)) {
            if saved != own {
                return Err(StateError::OtherSize { what: "numbers of a gradient", saved, own });
            }
        }
        self.state = state;
        Ok(())
    }
}

impl<T: Float> Descent<T> for Lbfgs<T> {
    type State = LbfgsState<T>;

    #[track_caller]
    fn descend<M: Module<T>>(&mut self, model: &mut M, evaluate: impl FnMut(&M) -> (T, Gradients<T>)) {
        self.step(model, evaluate);
    }
    #[track_caller]
    fn try_descend<M: Module<T>>(
        &mut self,
        model: &mut M,
        mut evaluate: impl FnMut(&M) -> (T, Gradients<T>),
    ) -> Result<(), NonFiniteGradient> {
        let (cost, grads) = evaluate(model);
        let mut found = None;
        model.visit(&mut Visitor::new(&mut |path, leaf| {
            if found.is_none()
                && let Leaf::Param(param) = leaf
                && let Some(grad) = grads.get(param)
                && let Some((index, value)) = grad.iter().enumerate().find(|(_, g)| !g.is_finite())
            {
                let (step, path, value) = (self.state.steps, path.to_string(), value.to_f64());
                found = Some(NonFiniteGradient { step, path, index, value });
            }
        }));
        if let Some(error) = found {
            return Err(error);
        }
        let mut first = Some((cost, grads));
        self.step(model, |model| first.take().unwrap_or_else(|| evaluate(model)));
        Ok(())
    }
    fn last_norm(&self) -> Option<f64> {
        self.last_norm
    }
    fn steps(&self) -> u64 {
        self.state.steps
    }
    fn lr(&self) -> f64 {
        Lbfgs::lr(self)
    }
    fn set_factor(&mut self, factor: f64) {
        check("set_factor", &factor, NON_NEGATIVE);
        self.state.factor = factor;
    }
    #[track_caller]
    fn set_schedule(&mut self, _: Schedule) {
        panic!("Lbfgs: it has no schedule; its line search finds how far to go, from `lr` on");
    }
    fn state(&self) -> LbfgsState<T> {
        self.state.clone()
    }
    fn load_state(&mut self, state: LbfgsState<T>) -> Result<(), StateError> {
        Lbfgs::load_state(self, state)
    }
    fn state_fits<M: Module<T> + ?Sized>(&self, model: &M) -> Result<(), StateError> {
        of_these_parameters("Lbfgs", &self.state.params, model)
    }
}

impl<T: Float> LbfgsState<T> {
    /// Adds the pair (s, y) of the last iteration, and computes a new direction.
    fn turn(&mut self, gradient: &[T], history_size: usize) {
        self.iterations = self.iterations.saturating_add(1);
        if self.iterations > 1 {
            let y: Vec<T> = gradient.iter().zip(&self.gradient).map(|(&new, &old)| new - old).collect();
            let s: Vec<T> = self.direction.iter().map(|d| T::from_f64(d.to_f64() * self.length)).collect();
            if dot(&y, &s) > 1e-10 {
                self.pairs.push_back((s, y));
            }
        }
        while self.pairs.len() > history_size {
            self.pairs.pop_front();
        }
        self.gradient = gradient.to_vec();
        let mut d: Vec<T> = gradient.iter().map(|&g| -g).collect();
        let add = |to: &mut [T], what: &[T], factor: f64| {
            to.iter_mut().zip(what).for_each(|(x, w)| *x = T::from_f64(x.to_f64() + factor * w.to_f64()));
        };
        let inverse: Vec<f64> = self.pairs.iter().map(|(s, y)| 1.0 / dot(y, s)).collect();
        let mut alphas = vec![0.0; self.pairs.len()];
        for (i, (s, y)) in self.pairs.iter().enumerate().rev() {
            alphas[i] = dot(s, &d) * inverse[i];
            add(&mut d, y, -alphas[i]);
        }
        if let Some((s, y)) = self.pairs.back() {
            let scale = T::from_f64(dot(y, s) / dot(y, y));
            d.iter_mut().for_each(|d| *d *= scale);
        }
        for (i, (s, y)) in self.pairs.iter().enumerate() {
            let beta = dot(y, &d) * inverse[i];
            add(&mut d, s, alphas[i] - beta);
        }
        self.direction = d;
    }
}

/// Returns the gradients of all parameters, one after the other.
fn gather<T: Float, M: Module<T> + ?Sized>(model: &M, grads: &Gradients<T>) -> Vec<T> {
    let mut all = Vec::new();
    model.visit(&mut Visitor::new(&mut |_, leaf| {
        if let Leaf::Param(param) = leaf {
            match grads.get(param) {
                Some(grad) => all.extend(grad.iter()),
                None => all.resize(all.len() + param.len(), T::default()),
            }
        }
    }));
    all
}

/// Returns the numbers of all parameters, one after the other.
fn values<T: Float, M: Module<T> + ?Sized>(model: &M) -> Vec<T> {
    model.params().iter().flat_map(|(_, param)| param.data()).copied().collect()
}

/// Sets the parameters to `start + length · direction`.
fn move_to<T: Float, M: Module<T> + ?Sized>(model: &mut M, start: &[T], direction: &[T], length: f64) {
    let mut numbers = start.iter().zip(direction);
    model.visit_mut(&mut Visitor::new(&mut |_, leaf| {
        if let LeafMut::Param(param) = leaf {
            param.update(|theta| {
                for (theta, (x, d)) in theta.iter_mut().zip(&mut numbers) {
                    *theta = T::from_f64(x.to_f64() + length * d.to_f64());
                }
            });
        }
    }));
}

fn dot<T: Float>(a: &[T], b: &[T]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a.to_f64() * b.to_f64()).sum()
}

fn largest<T: Float>(x: &[T]) -> f64 {
    x.iter().map(|x| x.to_f64().abs()).fold(0.0, f64::max)
}

fn sum_abs<T: Float>(x: &[T]) -> f64 {
    x.iter().map(|x| x.to_f64().abs()).sum()
}
