//! Averaged stochastic gradient descent.

use gradus_autograd::Float;

use crate::rule::{Update, rule};

rule! {
    /// ```text
    /// g ← g + w θ                                        w weight_decay
    /// ηₜ = η / (1 + λ η (t − 1))^α
    /// θ ← θ (1 − λ ηₜ) − ηₜ g
    /// a ← a + (θ − a) / max(1, t − t₀)                   the average
    /// ```
    ///
    /// The iterates of stochastic descent scatter about the minimum; their average is nearer to it. The model's
    /// parameters are θ; at the end, take the average from [`state`](crate::Optimizer::state). Polyak, Juditsky 1992
    /// (<https://doi.org/10.1137/0330046>). Formula for θ and defaults (λ 10⁻⁴, α 0.75, t₀ 10⁶) are those of PyTorch's
    /// `ASGD`, but there the weights of the average, and the effect of a schedule on the learning rate, are those of
    /// the step before.
    pub struct Asgd("asgd", |_rule| 1) {
        /// λ: how fast the parameters and the learning rate decay.
        lambd: f64 = 1e-4, in 0.0..f64::INFINITY;
        /// α, the power with which the learning rate falls.
        alpha: f64 = 0.75, in 0.0..f64::INFINITY;
        /// The step t₀ from which on the iterates are averaged.
        t0: f64 = 1e6, in 0.0..f64::INFINITY;
        /// The weight decay w: a pull toward 0 that is part of the gradient.
        weight_decay: f64 = 0.0, in 0.0..f64::INFINITY;
    }
}

impl Asgd {
    #[inline(always)]
    fn update<T: Float>(&self, u: Update<'_, '_, T>) {
        let eta = u.lr / (1.0 + self.lambd * u.lr * (u.step - 1) as f64).powf(self.alpha);
        let share = 1.0 / (u.step as f64 - self.t0).max(1.0);
        let [eta, shrink, share, decay] = [eta, 1.0 - self.lambd * eta, share, self.weight_decay].map(T::from_f64);
        for ((theta, &g), average) in u.theta.iter_mut().zip(u.grad).zip(u.state[0].iter_mut()) {
            let g = g * u.scale + decay * *theta;
            *theta = *theta * shrink - eta * g;
            *average += (*theta - *average) * share;
        }
    }
}
