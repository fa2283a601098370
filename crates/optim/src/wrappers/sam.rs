//! Sharpness-aware minimization: the gradient is taken where the cost is highest nearby.

use gradus_autograd::internal::norm;
use gradus_autograd::{Float, Gradients, LeafMut, Module, Visitor};

use crate::{Descent, NonFiniteGradient, Optimizer, OptimizerState, Rule, Schedule, StateError, Weights, rule, rules};

/// ```text
/// g = ∇f(θ);  θ' = θ + ρ g / ‖g‖;  a step of the optimizer from θ along ∇f(θ')
/// ```
///
/// The gradient is taken a way of length ρ uphill, at about the highest point within that distance. So it leads to
/// points around which the cost is low everywhere: to flat minima rather than sharp ones. A step takes two gradients.
/// Foret, Kleiner, Mobahi and Neyshabur 2021 (<https://arxiv.org/abs/2010.01412>), whose ρ of 0.05 is the default.
/// PyTorch does not have it.
///
/// [`adaptive`](Self::adaptive) measures the way in units of the parameters' sizes, `θ' = θ + ρ T² g / ‖T g‖` with
/// `T = |θ| + 0.01`, so that scaling one layer up and the next one down changes
/// almost nothing: ASAM, Kwon et al. 2021
/// (<https://arxiv.org/abs/2102.11600>), who take a ρ of 0.5.
///
/// Both gradients of a step must be of the same cost: with the same random numbers, if there is dropout. The trainer
/// sees to it. In a loop of your own, set the tape's stream before each evaluation:
///
/// ```
/// use gradus_autograd::{Param, Tape};
/// use gradus_optim::{Descent, Sam, Sgd};
/// let (mut w, mut tape, mut opt) = (Param::new([3.0f32]), Tape::training(1), Sam::new(Sgd::new(0.1)));
/// for _ in 0..50 {
///     let stream = tape.stream();
///     opt.descend(&mut w, |w| {
///         tape.set_stream(stream);
///         tape.gradients(|t| t.param(w).square().sum())
///     });
/// }
/// assert!(w.data()[0].abs() < 0.1);
/// ```
///
/// Clipping and weight decay are the optimizer's, and act on the second gradient. Parameters in frozen groups stay
/// where they are in both. Buffers are updated as the first forward pass recorded, at θ itself.
///
/// ```
/// use gradus_optim::{Sam, Sgd, minimize};
/// use ndarray::array;
/// let found = minimize(|t| (t - 3.0).square().sum(), array![0.0f64], Sam::new(Sgd::new(0.1)).rho(0.01), 300);
/// assert!((found.at[0] - 3.0).abs() < 0.02);
/// ```
#[derive(Clone, Debug)]
pub struct Sam<R: Rule = rules::Sgd, T: Float = f32> {
    inner: Optimizer<R, T>,
    rho: f64,
    adaptive: bool,
}

/// Added to the sizes of parameters, so that those near 0 are moved too: η in ASAM's paper.
const SIZE: f64 = 0.01;

impl<R: Rule, T: Float> Sam<R, T> {
    /// Sharpness-aware steps of an optimizer.
    pub fn new(inner: Optimizer<R, T>) -> Self {
        Sam { inner, rho: 0.05, adaptive: false }
    }

    /// Sets ρ, the length of the way uphill.
    ///
    /// # Panics
    /// If `rho` is negative or not finite.
    #[track_caller]
    pub fn rho(mut self, rho: f64) -> Self {
        rule::check("rho", &rho, rule::NON_NEGATIVE);
        self.rho = rho;
        self
    }

    /// Sets whether the way is measured in units of the parameters' sizes.
    pub fn adaptive(mut self, adaptive: bool) -> Self {
        self.adaptive = adaptive;
        self
    }

    /// Returns the optimizer that steps.
    pub fn inner(&self) -> &Optimizer<R, T> {
        &self.inner
    }

    /// The gradients uphill, by a second evaluation; the model is left as it was. Where the gradient is 0 or not
    /// finite, there is no way uphill, and the gradients stay as they are.
    #[track_caller]
    fn uphill<M: Module<T>>(
        &self,
        model: &mut M,
        here: Gradients<T>,
        mut evaluate: impl FnMut(&M) -> (T, Gradients<T>),
    ) -> Gradients<T> {
        let size = |x: T| if self.adaptive { x.to_f64().abs() + SIZE } else { 1.0 };
        let norm = norm(|f| {
            self.inner.each_gradient(model, &here, |_, param, grad| match self.adaptive {
                false => f(grad),
                true => f(&param.data().iter().zip(grad).map(|(&x, &g)| g * T::from_f64(size(x))).collect::<Vec<_>>()),
            });
        });
        if norm == 0.0 || !norm.is_finite() {
            return here;
        }
        let mut before = Weights::of(model);
        model.visit_mut(&mut Visitor::new(&mut |path, leaf| {
            if let LeafMut::Param(param) = leaf
                && !self.inner.is_frozen(path)
                && let Some(grad) = here.padded(param)
            {
                param.update(|numbers| {
                    for (x, g) in numbers.iter_mut().zip(grad) {
                        *x += T::from_f64(self.rho / norm * size(*x).powi(2) * g.to_f64());
                    }
                });
            }
        }));
        let (_, mut there) = evaluate(model);
        before.write_to(model);
        there.take_updates_of(here);
        there
    }
}

impl<R: Rule, T: Float> Descent<T> for Sam<R, T> {
    type State = OptimizerState<T>;

    #[track_caller]
    fn descend<M: Module<T>>(&mut self, model: &mut M, mut evaluate: impl FnMut(&M) -> (T, Gradients<T>)) {
        let (_, here) = evaluate(model);
        let there = self.uphill(model, here, evaluate);
        self.inner.step(model, &there);
    }
    #[track_caller]
    fn try_descend<M: Module<T>>(
        &mut self,
        model: &mut M,
        mut evaluate: impl FnMut(&M) -> (T, Gradients<T>),
    ) -> Result<(), NonFiniteGradient> {
        let (_, here) = evaluate(model);
        let there = self.uphill(model, here, evaluate);
        self.inner.try_step(model, &there)
    }
    fn state_fits<M: Module<T> + ?Sized>(&self, model: &M) -> Result<(), StateError> {
        self.inner.state_fits(model)
    }
    fn state(&self) -> OptimizerState<T> {
        self.inner.state()
    }
    fn load_state(&mut self, state: OptimizerState<T>) -> Result<(), StateError> {
        self.inner.load_state(state)
    }
    super::inner!();
}
