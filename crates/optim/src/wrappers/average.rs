//! Averages of a model along its descent.

use gradus_autograd::{Float, Gradients, Module};
use serde::{Deserialize, Serialize};

use crate::{Descent, NonFiniteGradient, Schedule, StateError, Weights};

/// The average of a model's parameters over the steps of a descent. It is often better than the last parameters,
/// because it lies in the middle of the region over which stochastic steps scatter.
///
/// ```text
/// exponential:  a ← d a + (1 − d) θ           EMA; Polyak, Juditsky 1992 (<https://doi.org/10.1137/0330046>)
/// equal:        a ← a + (θ − a)/(n + 1)       SWA; Izmailov et al. 2018 (<https://arxiv.org/abs/1803.05407>)
/// ```
///
/// a starts as the first θ, as in PyTorch's `AveragedModel`. Buffers are not averaged. Serde can save the average.
///
/// ```
/// use gradus_autograd::{Param, Tape};
/// use gradus_optim::{Sgd, WeightAverage};
/// let mut w = Param::new([1.0f64]);
/// let (mut opt, mut average, mut tape) = (Sgd::new(1.9), WeightAverage::equal(), Tape::training(0));
/// for _ in 0..40 {
///     let (_, grads) = tape.gradients(|t| 0.5 * t.param(&w).square().sum());
///     opt.step(&mut w, &grads); // jumps from side to side
///     average.update(&w);
/// }
/// assert!(average.applied_to(&w).data()[0].abs() < w.data()[0].abs());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct WeightAverage<T: Float> {
    decay: Option<f64>,
    count: u64,
    weights: Weights<T>,
}

impl<T: Float> WeightAverage<T> {
    /// An exponential average: each update keeps the share `decay` of it.
    ///
    /// # Panics
    /// If `decay` is not in 0 … 1.
    #[track_caller]
    pub fn exponential(decay: f64) -> Self {
        assert!((0.0..=1.0).contains(&decay), "WeightAverage: a decay of {decay} is not in 0 … 1; 0.999 is usual");
        WeightAverage { decay: Some(decay), count: 0, weights: Weights { params: Vec::new() } }
    }

    /// An average that gives every update the same weight.
    pub fn equal() -> Self {
        WeightAverage { decay: None, count: 0, weights: Weights { params: Vec::new() } }
    }

    /// Adds the model's parameters to the average.
    ///
    /// # Panics
    /// If the parameters of earlier updates had other paths or sizes.
    #[track_caller]
    pub fn update<M: Module<T> + ?Sized>(&mut self, model: &M) {
        self.count = self.count.saturating_add(1);
        if self.count == 1 {
            self.weights = Weights::of(model);
            return;
        }
        let share = T::from_f64(self.decay.map_or(1.0 / self.count as f64, |decay| 1.0 - decay));
        self.weights.follow(model, |average, theta| {
            average.iter_mut().zip(theta).for_each(|(a, &theta)| *a += (theta - *a) * share);
        });
    }

    /// Wraps an optimizer, or any other [`Descent`], so that the average is updated after each of its steps.
    pub fn around<D: Descent<T>>(self, inner: D) -> Averaged<D, T> {
        Averaged { inner, average: self }
    }

    /// Returns the number of updates.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the averaged parameters.
    pub fn weights(&self) -> &Weights<T> {
        &self.weights
    }

    /// Returns a copy of the model with the averaged parameters, and buffers as they are. So the running statistics of
    /// batch norm are still those of the last parameters: compute them again by a pass over the training data.
    ///
    /// # Panics
    /// If there was no update, or the updates were of another model.
    #[track_caller]
    pub fn applied_to<M: Module<T> + Clone>(&self, model: &M) -> M {
        assert!(self.count > 0, "WeightAverage::applied_to: there is no average yet; call `update` after each step");
        let mut copy = model.clone();
        self.weights.clone().write_to(&mut copy);
        copy
    }
}

/// An optimizer, or any other [`Descent`], with the average of the parameters over its steps. The steps are the same as
/// without the average. See [`WeightAverage::around`].
///
/// ```
/// use gradus_autograd::{Param, Tape};
/// use gradus_optim::{Descent, Sgd, WeightAverage};
/// let mut w = Param::new([1.0f64]);
/// let (mut opt, mut tape) = (WeightAverage::equal().around(Sgd::new(1.9)), Tape::training(0));
/// for _ in 0..40 {
///     opt.descend(&mut w, |w| tape.gradients(|t| 0.5 * t.param(w).square().sum()));
/// }
/// assert!(opt.average().applied_to(&w).data()[0].abs() < w.data()[0].abs());
/// ```
#[derive(Clone, Debug)]
pub struct Averaged<D, T: Float = f32> {
    inner: D,
    average: WeightAverage<T>,
}

/// The saved state of an [`Averaged`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "S: Serialize", deserialize = "S: Deserialize<'de>"))]
pub struct AveragedState<S, T: Float> {
    /// the state of the wrapped optimizer
    pub inner: S,
    /// the average so far
    pub average: WeightAverage<T>,
}

impl<D, T: Float> Averaged<D, T> {
    /// Returns the wrapped optimizer.
    pub fn inner(&self) -> &D {
        &self.inner
    }

    /// Returns the average so far.
    pub fn average(&self) -> &WeightAverage<T> {
        &self.average
    }
}

impl<D: Descent<T>, T: Float> Descent<T> for Averaged<D, T> {
    type State = AveragedState<D::State, T>;

    #[track_caller]
    fn descend<M: Module<T>>(&mut self, model: &mut M, evaluate: impl FnMut(&M) -> (T, Gradients<T>)) {
        self.inner.descend(model, evaluate);
        self.average.update(model);
    }
    #[track_caller]
    fn try_descend<M: Module<T>>(
        &mut self,
        model: &mut M,
        evaluate: impl FnMut(&M) -> (T, Gradients<T>),
    ) -> Result<(), NonFiniteGradient> {
        self.inner.try_descend(model, evaluate)?;
        self.average.update(model);
        Ok(())
    }
    fn state_fits<M: Module<T> + ?Sized>(&self, model: &M) -> Result<(), StateError> {
        if self.average.count > 0 {
            self.average.weights.fit(model)?;
        }
        self.inner.state_fits(model)
    }
    fn state(&self) -> Self::State {
        AveragedState { inner: self.inner.state(), average: self.average.clone() }
    }
    fn load_state(&mut self, state: Self::State) -> Result<(), StateError> {
        self.inner.load_state(state.inner)?;
        self.average = state.average;
        Ok(())
    }
    super::inner!();
}
