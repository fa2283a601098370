//! Adagrad.

use gradus_autograd::Float;

use crate::AtRest;
use crate::rule::{Update, rule};

rule! {
    /// ```text
    /// g ← g + λ θ                                    λ weight_decay
    /// s ← s + g²                                     s starts at initial_accumulator_value
    /// θ ← θ − η / (1 + (t − 1) lr_decay) · g / (√s + ε)
    /// ```
    ///
    /// Each number's steps shrink with the squares of all its gradients so far: rare features keep large steps, steep
    /// directions get small ones. In long runs all steps shrink toward 0; RMSprop and Adam avoid this. Duchi et al.
    /// 2011 (<https://jmlr.org/papers/v12/duchi11a.html>). Formula and defaults (ε 10⁻¹⁰, the others 0) are those of
    /// PyTorch's `Adagrad`.
    pub struct Adagrad(
        "adagrad",
        |rule| 1,
        // the first step writes the initial value to all states, and 0/0 is NaN
        at_rest: match rule.initial_accumulator_value == 0.0 && rule.eps as f32 > 0.0 {
            true => AtRest::Stays.unless_decayed(rule.weight_decay),
            false => AtRest::Moves,
        }
    ) {
        /// How fast the learning rate falls with the number of steps.
        lr_decay: f64 = 0.0, in 0.0..f64::INFINITY;
        /// The initial value of the sum of squares.
        initial_accumulator_value: f64 = 0.0, in 0.0..f64::INFINITY;
        /// ε, which keeps the divisor from 0.
        eps: f64 = 1e-10, in 0.0..f64::INFINITY;
        /// The weight decay λ: a pull toward 0 that is part of the gradient.
        weight_decay: f64 = 0.0, in 0.0..f64::INFINITY;
    }
}

impl Adagrad {
    #[inline(always)]
    fn update<T: Float>(&self, u: Update<'_, '_, T>) {
        let rate = u.lr / (1.0 + (u.step - 1) as f64 * self.lr_decay);
        let [rate, eps, decay] = [rate, self.eps, self.weight_decay].map(T::from_f64);
        let s = &mut *u.state[0];
        if u.step == 1 {
            s.fill(T::from_f64(self.initial_accumulator_value));
        }
        for ((theta, &g), s) in u.theta.iter_mut().zip(u.grad).zip(s) {
            let g = g * u.scale + decay * *theta;
            *s += g * g;
            *theta -= rate * g / (s.sqrt() + eps);
        }
    }
}
