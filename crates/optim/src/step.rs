//! The trait of everything that moves a model: optimizers, and wrappers around them.

use std::fmt::Debug;
use std::sync::Arc;

use gradus_autograd::internal::debug_as_display;
use gradus_autograd::{Float, Gradients, Module};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Optimizer, OptimizerState, Rule, Schedule, Spread, StateError};

/// The error of a step whose gradient is NaN or infinite.
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[error(
    "step {step}: the gradient of `{path}` is {value} at {index}; nothing was changed. Try a smaller learning rate or \
     warm-up; `Tape::detect_anomaly` finds the operation it comes from"
)]
pub struct NonFiniteGradient {
    /// the number of the step, counted from 0
    pub step: u64,
    /// the path of the first parameter with such a gradient
    pub path: String,
    /// the index of the first such element in this gradient, counted through all axes
    pub index: usize,
    /// the value of this element: NaN or infinite
    pub value: f64,
}
debug_as_display!(NonFiniteGradient);

/// A way to move a model down its cost, one step at a time: an [`Optimizer`], [`Lbfgs`](crate::Lbfgs), which evaluates
/// the cost several times a step, or one of these inside [`Lookahead`](crate::Lookahead) or
/// [`Averaged`](crate::Averaged). These two are a `Descent` themselves, so they can be nested.
///
/// [`minimize`](crate::minimize) and [`descend`](crate::descend()) take any `Descent`, and so does the trainer of
/// `gradus-train`.
///
/// ```
/// use gradus_optim::{Adam, Lookahead, WeightAverage, minimize};
/// use ndarray::array;
/// let opt = WeightAverage::exponential(0.9).around(Lookahead::new(Adam::new(0.1)));
/// let found = minimize(|t| (t - 3.0).square().sum(), array![0.0f64], opt, 500);
/// assert!((found.at[0] - 3.0).abs() < 1e-3);
/// ```
pub trait Descent<T: Float>: Clone + Debug {
    /// The state, as it is saved. It does not contain the settings.
    type State: Serialize + DeserializeOwned;

    /// Makes one step. `evaluate` computes the cost and its gradients for the model that it is given; it must return
    /// the same result for the same model.
    fn descend<M: Module<T>>(&mut self, model: &mut M, evaluate: impl FnMut(&M) -> (T, Gradients<T>));

    /// Makes a step like [`descend`](Self::descend), unless a gradient is NaN or infinite. The default implementation
    /// refuses no gradient: NaN and infinity then show in the parameters.
    ///
    /// # Errors
    /// If a gradient is NaN or infinite; the error names its parameter. Nothing is changed then.
    fn try_descend<M: Module<T>>(
        &mut self,
        model: &mut M,
        evaluate: impl FnMut(&M) -> (T, Gradients<T>),
    ) -> Result<(), NonFiniteGradient> {
        self.descend(model, evaluate);
        Ok(())
    }

    /// Says which term of a sum the next step's cost is, for example which mini-batch of the epoch. Only
    /// [`SampleAverage`](crate::SampleAverage) needs this, because it keeps a gradient for each term.
    fn set_term(&mut self, _term: usize) {}
    /// Returns the number of terms that a gradient is kept for; `None` if no gradients are kept.
    fn terms(&self) -> Option<usize> {
        None
    }

    /// Returns the norm of the gradient at the last step, before clipping; `None` before the first step, or if this
    /// descent does not compute it.
    fn last_norm(&self) -> Option<f64> {
        None
    }

    /// Lets this process and others, which make the same steps, keep the state together: see [`Spread`]. Returns
    /// whether it does so; a descent that keeps its state whole, as the default implementation, is as it was.
    fn set_spread(&mut self, _spread: Arc<dyn Spread<T>>) -> bool {
        false
    }

    /// Returns whether the state is spread over processes, so that all of them must call [`state`](Self::state).
    fn is_spread(&self) -> bool {
        false
    }

    /// Returns the number of steps made.
    fn steps(&self) -> u64;
    /// Returns the learning rate of the next step.
    fn lr(&self) -> f64;
    /// Sets a factor of the learning rate, in addition to the schedule's. With it, code that watches a metric steers
    /// the descent.
    fn set_factor(&mut self, factor: f64);
    /// Replaces the schedule of the learning rate.
    ///
    /// # Panics
    /// If this descent cannot have a schedule.
    fn set_schedule(&mut self, schedule: Schedule);

    /// Returns the state, to be saved.
    fn state(&self) -> Self::State;
    /// Loads a saved state. The next step is then, bit for bit, the step that would have followed.
    ///
    /// # Errors
    /// If the state is damaged, or was saved by a different descent.
    fn load_state(&mut self, state: Self::State) -> Result<(), StateError>;
    /// Checks that a loaded state belongs to this model.
    ///
    /// # Errors
    /// If it does not; the error says what does not fit.
    fn state_fits<M: Module<T> + ?Sized>(&self, _model: &M) -> Result<(), StateError> {
        Ok(())
    }
}

impl<R: Rule, T: Float> Descent<T> for Optimizer<R, T> {
    type State = OptimizerState<T>;

    #[track_caller]
    fn descend<M: Module<T>>(&mut self, model: &mut M, mut evaluate: impl FnMut(&M) -> (T, Gradients<T>)) {
        let (_, grads) = evaluate(model);
        self.step(model, &grads);
    }
    #[track_caller]
    fn try_descend<M: Module<T>>(
        &mut self,
        model: &mut M,
        mut evaluate: impl FnMut(&M) -> (T, Gradients<T>),
    ) -> Result<(), NonFiniteGradient> {
        let (_, grads) = evaluate(model);
        self.try_step(model, &grads)
    }
    fn last_norm(&self) -> Option<f64> {
        Optimizer::last_norm(self)
    }
    fn set_spread(&mut self, spread: Arc<dyn Spread<T>>) -> bool {
        self.spread_over(spread);
        true
    }
    fn is_spread(&self) -> bool {
        self.has_spread()
    }
    fn steps(&self) -> u64 {
        Optimizer::steps(self)
    }
    fn lr(&self) -> f64 {
        Optimizer::lr(self)
    }
    fn set_factor(&mut self, factor: f64) {
        Optimizer::set_factor(self, factor);
    }
    fn set_schedule(&mut self, schedule: Schedule) {
        Optimizer::set_schedule(self, schedule);
    }
    fn state(&self) -> OptimizerState<T> {
        Optimizer::state(self)
    }
    fn load_state(&mut self, state: OptimizerState<T>) -> Result<(), StateError> {
        Optimizer::load_state(self, state)
    }
    fn state_fits<M: Module<T> + ?Sized>(&self, model: &M) -> Result<(), StateError> {
        Optimizer::state_fits(self, model)
    }
}
