//! Gradient descent with momentum.

use gradus_autograd::Float;

use crate::AtRest;
use crate::rule::{Update, flush, rule};

rule! {
    /// ```text
    /// g ← g + λ θ                          λ weight_decay
    /// b ← μ b + (1 − τ) g                  μ momentum, τ dampening; b starts at the first g
    /// g ← g + μ b with nesterov, else b
    /// θ ← θ − η g                          η learning rate
    /// ```
    ///
    /// Without momentum it is plain descent, `θ ← θ − η g`. Momentum: Polyak 1964; Nesterov's variant as in Sutskever
    /// et al. 2013 (<https://proceedings.mlr.press/v28/sutskever13.html>). Formula and defaults (all 0) are those of
    /// PyTorch's `SGD`.
    pub struct Sgd(
        "sgd",
        |rule| usize::from(rule.momentum != 0.0),
        at_rest: match rule.momentum {
            0.0 => AtRest::Stays.unless_decayed(rule.weight_decay),
            _ => AtRest::StaysWhileZero.unless_decayed(rule.weight_decay),
        }
    ) {
        /// μ: how much of the last step's direction is kept.
        momentum: f64 = 0.0, in 0.0..f64::INFINITY;
        /// τ: how much of the gradient is left out of the momentum.
        dampening: f64 = 0.0, in 0.0..f64::INFINITY;
        /// Whether to look ahead along the momentum. Without momentum, this changes nothing.
        nesterov: bool = false;
        /// The weight decay λ: a pull toward 0 that is part of the gradient.
        weight_decay: f64 = 0.0, in 0.0..f64::INFINITY;
    }
}

impl Sgd {
    #[inline(always)]
    fn update<T: Float>(&self, u: Update<'_, '_, T>) {
        let [lr, mu, decay] = [u.lr, self.momentum, self.weight_decay].map(T::from_f64);
        if self.momentum == 0.0 {
            for (theta, &g) in u.theta.iter_mut().zip(u.grad) {
                let g = g * u.scale + decay * *theta;
                *theta -= lr * g;
            }
            return;
        }
        let kept = T::from_f64(if u.step == 1 { 1.0 } else { 1.0 - self.dampening });
        let (ahead, straight) = if self.nesterov { (T::from_f64(1.0), mu) } else { (T::default(), T::from_f64(1.0)) };
        for ((theta, &g), b) in u.theta.iter_mut().zip(u.grad).zip(u.state[0].iter_mut()) {
            let g = g * u.scale + decay * *theta;
            *b = flush(mu * *b + kept * g);
            *theta -= lr * (ahead * g + straight * *b);
        }
    }
}
