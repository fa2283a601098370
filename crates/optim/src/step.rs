//! What moves a model: the one trait of optimizers and of what goes around them.

use std::fmt::Debug;

use gradus_autograd::internal::debug_as_display;
use gradus_autograd::{Float, Gradients, Module};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Optimizer, OptimizerState, Rule, Schedule, StateError};

/// A gradient that no step can be made along.
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[error(
    "step {step}: the gradient of `{path}` is {value} at {index}; nothing was changed. Try a smaller learning rate or \
     warm-up; `Tape::detect_anomaly` finds the operation it comes from"
)]
pub struct NonFiniteGradient {
    /// counted from 0
    pub step: u64,
    /// the path of the first parameter with such a gradient
    pub path: String,
    /// the index of its first such number, counted through all axes
    pub index: usize,
    /// NaN or infinite
    pub value: f64,
}
debug_as_display!(NonFiniteGradient);

/// Whatever moves a model down its cost, one step at a time: an [`Optimizer`], [`Lbfgs`](crate::Lbfgs), which evaluates
/// the cost several times a step, or one of these inside [`Lookahead`](crate::Lookahead) or
/// [`Averaged`](crate::Averaged). What goes around is again a `Descent`, so they go around each other too.
///
/// [`minimize`](crate::minimize) and [`descend`](crate::descend()) take any of them for plain functions, the trainer of
/// `gradus-train` for models.
///
/// ```
/// use gradus_optim::{Adam, Lookahead, WeightAverage, minimize};
/// use ndarray::array;
/// let opt = WeightAverage::exponential(0.9).around(Lookahead::new(Adam::new(0.1)));
/// let found = minimize(|t| (t - 3.0).square().sum(), array![0.0f64], opt, 500);
/// assert!((found.at[0] - 3.0).abs() < 1e-3);
/// ```
pub trait Descent<T: Float>: Clone + Debug {
    /// What it remembers, as it is saved. Its settings are not in it.
    type State: Serialize + DeserializeOwned;

    /// One step. `evaluate` computes the cost and its gradients at the model as it then is, and gives the same answer
    /// for the same model.
    fn descend<M: Module<T>>(&mut self, model: &mut M, evaluate: impl FnMut(&M) -> (T, Gradients<T>));

    /// [`descend`](Self::descend), unless a gradient is NaN or infinite. By default nothing is refused: it shows in the
    /// parameters.
    ///
    /// # Errors
    /// Which parameter's gradient it is. Nothing was changed then.
    fn try_descend<M: Module<T>>(
        &mut self,
        model: &mut M,
        evaluate: impl FnMut(&M) -> (T, Gradients<T>),
    ) -> Result<(), NonFiniteGradient> {
        self.descend(model, evaluate);
        Ok(())
    }

    /// Says which term of a sum the next step's cost is: which mini-batch of the epoch, say. Only
    /// [`SampleAverage`](crate::SampleAverage) needs it, which keeps a gradient for each.
    fn set_term(&mut self, _term: usize) {}
    /// How many terms it keeps a gradient for, if it does.
    fn terms(&self) -> Option<usize> {
        None
    }

    /// Steps made.
    fn steps(&self) -> u64;
    /// The learning rate of the next step.
    fn lr(&self) -> f64;
    /// Sets a factor of the learning rate, beside the schedule's: how something that looks at a metric steers the
    /// descent.
    fn set_factor(&mut self, factor: f64);
    /// Replaces the schedule of the learning rate.
    ///
    /// # Panics
    /// If it can have none.
    fn set_schedule(&mut self, schedule: Schedule);

    /// What it remembers, to be saved.
    fn state(&self) -> Self::State;
    /// Takes over a saved state. The next step is then, bit for bit, the one that would have followed.
    ///
    /// # Errors
    /// If the state is damaged, or of something else.
    fn load_state(&mut self, state: Self::State) -> Result<(), StateError>;
    /// Whether a state that was loaded is this model's.
    ///
    /// # Errors
    /// What does not fit.
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
