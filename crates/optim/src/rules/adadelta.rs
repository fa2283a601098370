//! Adadelta.

use gradus_autograd::Float;

use crate::AtRest;
use crate::rule::{Update, flush, rule};

rule! {
    /// ```text
    /// g ← g + λ θ                          λ weight_decay
    /// v ← ρ v + (1 − ρ) g²                 running mean of the squared gradient
    /// d = √(u + ε) / √(v + ε) · g
    /// u ← ρ u + (1 − ρ) d²                 and of the squared step
    /// θ ← θ − η d
    /// ```
    ///
    /// The step is measured in units of earlier steps, so the learning rate is usually left at 1. Zeiler 2012
    /// (<https://arxiv.org/abs/1212.5701>). Formula and defaults (ρ 0.9, ε 10⁻⁶, λ 0) are those of PyTorch's
    /// `Adadelta`.
    pub struct Adadelta(
        "adadelta",
        |rule| 2,
        // 0/0 is NaN
        at_rest: match rule.eps as f32 > 0.0 {
            true => AtRest::StaysWhileZero.unless_decayed(rule.weight_decay),
            false => AtRest::Moves,
        }
    ) {
        /// ρ: how much of the running means each step keeps.
        rho: f64 = 0.9, in 0.0..=1.0;
        /// ε, which keeps the divisor and the first steps from being 0.
        eps: f64 = 1e-6, in 0.0..f64::INFINITY;
        /// The weight decay λ: a pull toward 0 that is part of the gradient.
        weight_decay: f64 = 0.0, in 0.0..f64::INFINITY;
    }
}

impl Adadelta {
    #[inline(always)]
    fn update<T: Float>(&self, u: Update<'_, '_, T>) {
        let [lr, rho, rest, eps, decay] =
            [u.lr, self.rho, 1.0 - self.rho, self.eps, self.weight_decay].map(T::from_f64);
        let [v, squares] = u.state else { unreachable!("as many slices as states") };
        for (((theta, &g), v), d2) in u.theta.iter_mut().zip(u.grad).zip(v.iter_mut()).zip(squares.iter_mut()) {
            let g = g * u.scale + decay * *theta;
            *v = flush(rho * *v + rest * g * g);
            let d = (*d2 + eps).sqrt() / (*v + eps).sqrt() * g;
            *d2 = flush(rho * *d2 + rest * d * d);
            *theta -= lr * d;
        }
    }
}
