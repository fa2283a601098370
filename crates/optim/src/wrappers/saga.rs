//! Stochastic averaged gradients: SAG and SAGA.

use gradus_autograd::{Float, Gradients, Leaf, Module, Visitor};
use serde::{Deserialize, Serialize};

use super::weights::{of_these_parameters, same_parameters};
use crate::{Descent, NonFiniteGradient, Optimizer, OptimizerState, Rule, Schedule, Sgd, StateError, rules};

/// Steps along the average of the gradients last seen for each sample.
///
/// ```text
/// d ← d + g − gᵢ                     gᵢ: the last gradient of sample i, whose new one is g; d is their sum
/// SAG:   step along d/m              m: samples seen so far
/// SAGA:  step along g − gᵢ + d/m     with d as it was before; the first time a sample is seen as SAG does
/// gᵢ ← g
/// ```
///
/// A step computes the gradient of one sample, like stochastic descent, but the error of the direction falls to 0
/// toward the minimum. So a constant learning rate (1/(16 L) in SAG's theory, 1/(3 L) in SAGA's, L the largest
/// curvature of a sample's cost) reaches the minimum, where stochastic descent scatters. SAG's direction is wrong on
/// average, SAGA's is not. The price is memory: samples × parameters. A sample may also be a mini-batch that always has
/// the same rows.
///
/// SAG: Schmidt, Le Roux, Bach 2013 (<https://arxiv.org/abs/1309.2388>); SAGA: Defazio, Bach, Lacoste-Julien 2014
/// (<https://arxiv.org/abs/1407.0202>). Dividing by the number of samples seen so far is scikit-learn's way of
/// starting.
///
/// The direction goes to an [`Optimizer`] in place of the gradient. The optimizer is [`Sgd`] with [`new`](Self::new),
/// or any other, with its schedule, groups and clipping.
///
/// ```
/// use gradus_autograd::{Param, Tape};
/// use gradus_optim::Saga;
/// let samples = [1.0, 2.0, 6.0]; // the mean minimizes the sum of squares
/// let mut w = Param::new([0.0f64]);
/// let (mut opt, mut tape) = (Saga::new(0.1, samples.len()), Tape::mathematics());
/// for step in 0..300 {
///     let i = step * 7 % 3;
///     let (_, grads) = tape.gradients(|t| (t.param(&w) - samples[i]).square().sum());
///     opt.step(&mut w, i, grads);
/// }
/// assert!((w.data()[0] - 3.0).abs() < 1e-6); // stochastic descent with this rate never rests
/// ```
#[derive(Clone, Debug)]
pub struct SampleAverage<const UNBIASED: bool, R: Rule, T: Float = f32> {
    optimizer: Optimizer<R, T>,
    /// the last gradient of each sample, for all parameters one after the other; empty if the sample was not seen yet
    last: Vec<Vec<T>>,
    /// the sum of the gradients in `last`, in higher precision than theirs
    sum: Vec<f64>,
    seen: usize,
    /// the sample of the next step, for [`Descent`]
    next: usize,
    /// the parameters' paths and lengths
    params: Vec<(String, usize)>,
}

/// Stochastic averaged gradient. See [`SampleAverage`].
pub type Sag<T> = SampleAverage<false, rules::Sgd, T>;
/// Stochastic averaged gradient without bias. See [`SampleAverage`].
pub type Saga<T> = SampleAverage<true, rules::Sgd, T>;

/// The saved state of a [`SampleAverage`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct SampleAverageState<T: Float> {
    /// the state of the optimizer that steps
    pub optimizer: OptimizerState<T>,
    /// the last gradient of each sample, for all parameters one after the other; empty if the sample was not seen yet
    #[serde(with = "gradus_autograd::exact")]
    pub last: Vec<Vec<T>>,
    /// the sum of the gradients in `last`
    #[serde(with = "gradus_autograd::exact")]
    pub sum: Vec<f64>,
    /// the parameters' paths and lengths
    pub params: Vec<(String, usize)>,
}

impl<const UNBIASED: bool, T: Float> SampleAverage<UNBIASED, rules::Sgd, T> {
    /// An average over `samples` samples, with plain steps of the learning rate `lr`.
    pub fn new(lr: f64, samples: usize) -> Self {
        Self::with_optimizer(Sgd::new(lr), samples)
    }
}

impl<const UNBIASED: bool, R: Rule, T: Float> SampleAverage<UNBIASED, R, T> {
    /// An average over `samples` samples, with steps of any optimizer.
    pub fn with_optimizer(optimizer: Optimizer<R, T>, samples: usize) -> Self {
        SampleAverage {
            optimizer,
            last: vec![Vec::new(); samples],
            sum: Vec::new(),
            seen: 0,
            next: 0,
            params: Vec::new(),
        }
    }

    /// Returns the optimizer that steps.
    pub fn optimizer(&self) -> &Optimizer<R, T> {
        &self.optimizer
    }

    /// Returns the number of samples seen so far.
    pub fn seen(&self) -> usize {
        self.seen
    }

    /// Makes one step, with the gradients of the cost of one sample.
    ///
    /// # Panics
    /// If there is no sample of this number, or the model is not the same as before; also where [`Optimizer::step`]
    /// panics.
    #[track_caller]
    pub fn step<M: Module<T> + ?Sized>(&mut self, model: &mut M, sample: usize, mut grads: Gradients<T>) {
        let samples = self.last.len();
        assert!(sample < samples, "SampleAverage::step: sample {sample} of {samples}; they are counted from 0");
        if same_parameters("SampleAverage::step", &mut self.params, model) {
            self.sum = vec![0.0; self.params.iter().map(|(_, len)| len).sum()];
        }
        if model.params().iter().any(|(_, p)| grads.get(p).is_some_and(|g| g.iter().any(|g| !g.is_finite()))) {
            return self.optimizer.step(model, &grads); // it shows in the parameters, but is not kept in the average
        }
        let first = self.last[sample].is_empty();
        if first {
            self.last[sample] = vec![T::default(); self.sum.len()];
            self.seen += 1;
        }
        let (last, unbiased, share) = (&mut self.last[sample], UNBIASED && !first, 1.0 / self.seen as f64);
        let (mut at, sum) = (0, &mut self.sum);
        model.visit(&mut Visitor::new(&mut |_, leaf| {
            if let Leaf::Param(param) = leaf {
                let part = at..at + param.len();
                at = part.end;
                grads.update(param, |grad| {
                    for ((g, last), sum) in grad.iter_mut().zip(&mut last[part.clone()]).zip(&mut sum[part]) {
                        let new = *g;
                        let change = new.to_f64() - last.to_f64();
                        let before = *sum;
                        *sum += change;
                        *g = T::from_f64(if unbiased { change + before * share } else { *sum * share });
                        *last = new;
                    }
                });
            }
        }));
        self.optimizer.step(model, &grads);
    }

    /// Returns the state, to be saved.
    pub fn state(&self) -> SampleAverageState<T> {
        let SampleAverage { optimizer, last, sum, params, .. } = self;
        SampleAverageState {
            optimizer: optimizer.state(),
            last: last.clone(),
            sum: sum.clone(),
            params: params.clone(),
        }
    }

    /// Loads a saved state. The next step is then, bit for bit, the step that would have followed.
    ///
    /// # Errors
    /// If the state is for another number of samples, its parts do not fit together, or it was saved with another
    /// optimizer.
    pub fn load_state(&mut self, state: SampleAverageState<T>) -> Result<(), StateError> {
        let SampleAverageState { optimizer, last, sum, params } = state;
        let (saved, own) = (last.len(), self.last.len());
        if saved != own {
            return Err(StateError::OtherSize { what: "samples", saved, own });
        }
        let own = params.iter().fold(0usize, |sum, (_, len)| sum.saturating_add(*len));
        for saved in last.iter().map(Vec::len).filter(|&len| len > 0).chain([sum.len()]) {
            if saved != own {
                return Err(StateError::OtherSize { what: "numbers of a gradient", saved, own });
            }
        }
        self.optimizer.load_state(optimizer)?;
        self.seen = last.iter().filter(|last| !last.is_empty()).count();
        (self.last, self.sum, self.params) = (last, sum, params);
        Ok(())
    }
}

/// As a [`Descent`], a step uses the sample that [`set_term`](Descent::set_term) named last.
impl<const UNBIASED: bool, R: Rule, T: Float> Descent<T> for SampleAverage<UNBIASED, R, T> {
    type State = SampleAverageState<T>;

    #[track_caller]
    fn descend<M: Module<T>>(&mut self, model: &mut M, mut evaluate: impl FnMut(&M) -> (T, Gradients<T>)) {
        let (_, grads) = evaluate(model);
        self.step(model, self.next, grads);
    }
    #[track_caller]
    fn try_descend<M: Module<T>>(
        &mut self,
        model: &mut M,
        mut evaluate: impl FnMut(&M) -> (T, Gradients<T>),
    ) -> Result<(), NonFiniteGradient> {
        let (_, grads) = evaluate(model);
        self.optimizer.check_finite(model, &grads)?;
        self.step(model, self.next, grads);
        Ok(())
    }
    fn set_term(&mut self, term: usize) {
        self.next = term;
    }
    fn terms(&self) -> Option<usize> {
        Some(self.last.len())
    }
    fn last_norm(&self) -> Option<f64> {
        self.optimizer.last_norm()
    }
    fn steps(&self) -> u64 {
        self.optimizer.steps()
    }
    fn lr(&self) -> f64 {
        self.optimizer.lr()
    }
    fn set_factor(&mut self, factor: f64) {
        self.optimizer.set_factor(factor);
    }
    fn set_schedule(&mut self, schedule: Schedule) {
        self.optimizer.set_schedule(schedule);
    }
    fn state(&self) -> SampleAverageState<T> {
        SampleAverage::state(self)
    }
    fn load_state(&mut self, state: SampleAverageState<T>) -> Result<(), StateError> {
        SampleAverage::load_state(self, state)
    }
    fn state_fits<M: Module<T> + ?Sized>(&self, model: &M) -> Result<(), StateError> {
        of_these_parameters("SampleAverage", &self.params, model)?;
        self.optimizer.state_fits(model)
    }
}
