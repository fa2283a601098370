//! Averages of a model along its descent.

use gradus_autograd::{Float, Module};
use serde::{Deserialize, Serialize};

use crate::Weights;

/// The average of a model's parameters over the steps of a descent: often better than the last of them, because it lies
/// in the middle of what stochastic steps scatter about.
///
/// ```text
/// exponential:  a ← d a + (1 − d) θ           EMA; Polyak, Juditsky 1992 (<https://doi.org/10.1137/0330046>)
/// equal:        a ← a + (θ − a)/(n + 1)       SWA; Izmailov et al. 2018 (<https://arxiv.org/abs/1803.05407>)
/// ```
///
/// a starts as the first θ, as in PyTorch's `AveragedModel`. Buffers are not averaged. It saves with serde.
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
    /// Keeps `decay` of the average at each update.
    ///
    /// # Panics
    /// If `decay` is not in 0 … 1.
    #[track_caller]
    pub fn exponential(decay: f64) -> Self {
        assert!((0.0..=1.0).contains(&decay), "WeightAverage: a decay of {decay} is not in 0 … 1; 0.999 is usual");
        WeightAverage { decay: Some(decay), count: 0, weights: Weights { params: Vec::new() } }
    }

    /// Gives every update the same weight.
    pub fn equal() -> Self {
        WeightAverage { decay: None, count: 0, weights: Weights { params: Vec::new() } }
    }

    /// Takes the model's parameters in.
    ///
    /// # Panics
    /// If earlier ones had other paths or sizes.
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

    /// How many updates there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The averaged parameters.
    pub fn weights(&self) -> &Weights<T> {
        &self.weights
    }

    /// A copy of the model with the averaged parameters, and buffers as they are. Running statistics of batch norm are
    /// those of the last parameters: gather them anew by a pass over the training data.
    ///
    /// # Panics
    /// If there was no update, or of another model.
    #[track_caller]
    pub fn applied_to<M: Module<T> + Clone>(&self, model: &M) -> M {
        assert!(self.count > 0, "WeightAverage::applied_to: there is no average yet; call `update` after each step");
        let mut copy = model.clone();
        self.weights.clone().write_to(&mut copy);
        copy
    }
}
