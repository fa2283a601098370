//! Lion.

use gradus_autograd::Float;

use crate::AtRest;
use crate::rule::{Update, flush, rule};

rule! {
    /// ```text
    /// c = sign(β₁ m + (1 − β₁) g)
    /// θ ← θ − η (c + λ θ)                  λ weight_decay
    /// m ← β₂ m + (1 − β₂) g
    /// ```
    ///
    /// All numbers get steps of the same size, and the state has one number for each number of the parameter. The rule
    /// was found by a search over programs. Its learning rate is three to ten times smaller than Adam's, and its decay
    /// is larger by the same factor. Chen et al. 2023 (<https://arxiv.org/abs/2302.06675>). Formula and defaults (β 0.9
    /// and 0.99, λ 0) are the paper's; PyTorch has no Lion.
    pub struct Lion(
        "lion",
        |rule| 1,
        at_rest: AtRest::StaysWhileZero.unless_decayed(rule.weight_decay)
    ) {
        /// β₁ and β₂: how much of the momentum counts in the step, and how much of it each step keeps.
        betas: (f64, f64) = (0.9, 0.99), in 0.0..=1.0;
        /// The weight decay λ: a pull toward 0 that is applied apart from the gradient.
        weight_decay: f64 = 0.0, in 0.0..f64::INFINITY;
    }
}

impl Lion {
    #[inline(always)]
    fn update<T: Float>(&self, u: Update<'_, '_, T>) {
        let [b1, c1, b2, c2] = [self.betas.0, 1.0 - self.betas.0, self.betas.1, 1.0 - self.betas.1].map(T::from_f64);
        let [lr, shrink] = [u.lr, 1.0 - u.lr * self.weight_decay].map(T::from_f64);
        let zero = T::default();
        for ((theta, &g), m) in u.theta.iter_mut().zip(u.grad).zip(u.state[0].iter_mut()) {
            let g = g * u.scale;
            let c = b1 * *m + c1 * g;
            *theta = *theta * shrink
                - if c > zero {
                    lr
                } else if c < zero {
                    -lr
                } else {
                    zero
                };
            *m = flush(b2 * *m + c2 * g);
        }
    }
}
