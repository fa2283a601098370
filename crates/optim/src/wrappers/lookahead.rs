//! Lookahead: an optimizer runs ahead, and slower weights follow.

use gradus_autograd::{Float, Gradients, Module};
use serde::{Deserialize, Serialize};

use crate::{Descent, NonFiniteGradient, Optimizer, Rule, Schedule, StateError, Weights};

/// ```text
/// θ: k steps of the optimizer
/// φ ← φ + α (θ − φ);  θ ← φ
/// ```
///
/// θ are the fast weights and φ the slow ones, which start as θ. Moves of the fast weights back and forth across a
/// ravine cancel out; moves along it remain. Zhang et al. 2019 (<https://arxiv.org/abs/1907.08610>), whose k of 5 and α
/// of ½ are the defaults. Optax has it as `lookahead`; PyTorch does not have it.
///
/// ```
/// use gradus_optim::{Lookahead, Sgd, minimize};
/// use ndarray::array;
/// let opt = Lookahead::new(Sgd::new(0.1).momentum(0.9)).every(5).alpha(0.5);
/// let found = minimize(|t| (t - 3.0).square().sum(), array![0.0f64], opt, 300);
/// assert!((found.at[0] - 3.0).abs() < 1e-6);
/// ```
#[derive(Clone, Debug)]
pub struct Lookahead<D, T: Float = f32> {
    inner: D,
    every: u64,
    alpha: f64,
    slow: Option<Weights<T>>,
}

/// The saved state of a [`Lookahead`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "S: Serialize", deserialize = "S: Deserialize<'de>"))]
pub struct LookaheadState<S, T: Float> {
    /// the state of the optimizer that runs ahead
    pub inner: S,
    /// the slow weights φ, from the first step on
    pub slow: Option<Weights<T>>,
}

impl<D: Descent<T>, T: Float> Lookahead<D, T> {
    /// A lookahead around an optimizer, or any other [`Descent`].
    pub fn new(inner: D) -> Self {
        Lookahead { inner, every: 5, alpha: 0.5, slow: None }
    }

    /// Sets k, the number of steps after which the slow weights follow.
    ///
    /// # Panics
    /// If `steps` is 0.
    #[track_caller]
    pub fn every(mut self, steps: u64) -> Self {
        assert!(steps > 0, "Lookahead: the slow weights cannot follow every 0 steps");
        self.every = steps;
        self
    }

    /// Sets α, how far the slow weights follow.
    ///
    /// # Panics
    /// If `alpha` is not in 0 … 1.
    #[track_caller]
    pub fn alpha(mut self, alpha: f64) -> Self {
        crate::rule::check("alpha", &alpha, 0.0..=1.0);
        self.alpha = alpha;
        self
    }

    /// Returns the optimizer that runs ahead.
    pub fn inner(&self) -> &D {
        &self.inner
    }

    /// Prepares a step of the inner optimizer.
    #[track_caller]
    fn begin<M: Module<T> + ?Sized>(&mut self, model: &M) {
        let slow = self.slow.get_or_insert_with(|| Weights::of(model));
        if (self.inner.steps() + 1).is_multiple_of(self.every) {
            slow.check(model); // before anything is changed
        }
    }

    /// Lets the slow weights follow after a step of the inner optimizer, if it was the k-th.
    #[track_caller]
    fn follow<M: Module<T> + ?Sized>(&mut self, model: &mut M) {
        let Some(slow) = self.slow.as_mut().filter(|_| self.inner.steps().is_multiple_of(self.every)) else { return };
        let alpha = T::from_f64(self.alpha);
        slow.with(model, |slow, fast| {
            for (slow, fast) in slow.iter_mut().zip(fast) {
                *slow += (*fast - *slow) * alpha;
                *fast = *slow;
            }
        });
    }
}

impl<R: Rule, T: Float> Lookahead<Optimizer<R, T>, T> {
    /// Makes one step: see [`Optimizer::step`].
    #[track_caller]
    pub fn step<M: Module<T> + ?Sized>(&mut self, model: &mut M, grads: &Gradients<T>) {
        self.begin(model);
        self.inner.step(model, grads);
        self.follow(model);
    }
}

impl<D: Descent<T>, T: Float> Descent<T> for Lookahead<D, T> {
    type State = LookaheadState<D::State, T>;

    #[track_caller]
    fn descend<M: Module<T>>(&mut self, model: &mut M, evaluate: impl FnMut(&M) -> (T, Gradients<T>)) {
        self.begin(model);
        self.inner.descend(model, evaluate);
        self.follow(model);
    }
    #[track_caller]
    fn try_descend<M: Module<T>>(
        &mut self,
        model: &mut M,
        evaluate: impl FnMut(&M) -> (T, Gradients<T>),
    ) -> Result<(), NonFiniteGradient> {
        let first = self.slow.is_none();
        self.begin(model);
        if let Err(error) = self.inner.try_descend(model, evaluate) {
            self.slow = self.slow.take().filter(|_| !first);
            return Err(error);
        }
        self.follow(model);
        Ok(())
    }
    fn state_fits<M: Module<T> + ?Sized>(&self, model: &M) -> Result<(), StateError> {
        self.slow.as_ref().map_or(Ok(()), |slow| slow.fit(model))?;
        self.inner.state_fits(model)
    }
    fn state(&self) -> Self::State {
        LookaheadState { inner: self.inner.state(), slow: self.slow.clone() }
    }
    fn load_state(&mut self, state: Self::State) -> Result<(), StateError> {
        self.inner.load_state(state.inner)?;
        self.slow = state.slow;
        Ok(())
    }
    super::inner!();
}
