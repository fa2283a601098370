//! Lookahead: an optimizer runs ahead, and slower weights follow.

use gradus_autograd::{Float, Gradients, Module};
use serde::{Deserialize, Serialize};

use crate::{Optimizer, OptimizerState, Rule, StateError, Weights};

/// ```text
/// θ: k steps of the optimizer
/// φ ← φ + α (θ − φ);  θ ← φ
/// ```
///
/// φ starts as θ. What the fast weights do back and forth across a ravine cancels; what they do along it stays. Zhang
/// et al. 2019 (<https://arxiv.org/abs/1907.08610>), whose k of 5 and α of ½ are the defaults; optax has it as
/// `lookahead`, PyTorch has not.
///
/// ```
/// use gradus_optim::{Lookahead, Sgd, minimize};
/// use ndarray::array;
/// let opt = Lookahead::new(Sgd::new(0.1).momentum(0.9)).every(5).alpha(0.5);
/// let found = minimize(|t| (t - 3.0).square().sum(), array![0.0f64], opt, 300);
/// assert!((found.at[0] - 3.0).abs() < 1e-6);
/// ```
#[derive(Clone, Debug)]
pub struct Lookahead<R: Rule, T: Float = f32> {
    inner: Optimizer<R, T>,
    every: u64,
    alpha: f64,
    slow: Option<Weights<T>>,
}

/// The saved state of a [`Lookahead`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct LookaheadState<T: Float> {
    /// of the optimizer that runs ahead
    pub inner: OptimizerState<T>,
    /// φ, from the first step on
    pub slow: Option<Weights<T>>,
}

impl<R: Rule, T: Float> Lookahead<R, T> {
    /// Around an optimizer.
    pub fn new(inner: Optimizer<R, T>) -> Self {
        Lookahead { inner, every: 5, alpha: 0.5, slow: None }
    }

    /// Sets k, after how many steps the slow weights follow.
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn every(mut self, steps: u64) -> Self {
        assert!(steps > 0, "Lookahead: the slow weights cannot follow every 0 steps");
        self.every = steps;
        self
    }

    /// Sets α, how far they follow.
    ///
    /// # Panics
    /// If it is not in 0 … 1.
    #[track_caller]
    pub fn alpha(mut self, alpha: f64) -> Self {
        crate::rule::check("alpha", &alpha, 0.0..=1.0);
        self.alpha = alpha;
        self
    }

    /// The optimizer that runs ahead.
    pub fn inner(&self) -> &Optimizer<R, T> {
        &self.inner
    }

    /// One step: see [`Optimizer::step`].
    #[track_caller]
    pub fn step<M: Module<T> + ?Sized>(&mut self, model: &mut M, grads: &Gradients<T>) {
        let slow = self.slow.get_or_insert_with(|| Weights::of(model));
        if (self.inner.steps() + 1).is_multiple_of(self.every) {
            slow.check(model); // before anything is changed
        }
        self.inner.step(model, grads);
        if self.inner.steps().is_multiple_of(self.every) {
            let alpha = T::from_f64(self.alpha);
            slow.with(model, |slow, fast| {
                for (slow, fast) in slow.iter_mut().zip(fast) {
                    *slow += (*fast - *slow) * alpha;
                    *fast = *slow;
                }
            });
        }
    }

    /// The state, to be saved.
    pub fn state(&self) -> LookaheadState<T> {
        LookaheadState { inner: self.inner.state(), slow: self.slow.clone() }
    }

    /// Takes over a saved state; the next step is then bit for bit the one that would have followed.
    ///
    /// # Errors
    /// If the optimizer inside was another.
    pub fn load_state(&mut self, state: LookaheadState<T>) -> Result<(), StateError> {
        self.inner.load_state(state.inner)?;
        self.slow = state.slow;
        Ok(())
    }
}
