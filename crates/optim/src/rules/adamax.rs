//! Adamax.

use gradus_autograd::Float;

use crate::rule::{Update, flush, rule};

rule! {
    /// ```text
    /// g ← g + λ θ                          λ weight_decay
    /// m ← β₁ m + (1 − β₁) g
    /// u ← max(β₂ u, |g| + ε)               the largest gradient, fading
    /// θ ← θ − η / (1 − β₁ᵗ) · m / u
    /// ```
    ///
    /// Adam with the largest gradient in place of the root mean square of the gradients. Kingma, Ba 2014
    /// (<https://arxiv.org/abs/1412.6980>, section 7). Formula and defaults (β 0.9 and 0.999, ε 10⁻⁸, λ 0) are those of
    /// PyTorch's `Adamax`.
    pub struct Adamax("adamax", |_rule| 2) {
        /// β₁ and β₂: how much of the running means each step keeps.
        betas: (f64, f64) = (0.9, 0.999), in 0.0..1.0;
        /// ε, which keeps the divisor from 0.
        eps: f64 = 1e-8, in 0.0..f64::INFINITY;
        /// The weight decay λ: a pull toward 0 that is part of the gradient.
        weight_decay: f64 = 0.0, in 0.0..f64::INFINITY;
    }
}

impl Adamax {
    #[inline(always)]
    fn update<T: Float>(&self, u: Update<'_, '_, T>) {
        let rate = u.lr / (1.0 - self.betas.0.powf(u.step as f64));
        let [b1, c1, b2] = [self.betas.0, 1.0 - self.betas.0, self.betas.1].map(T::from_f64);
        let [rate, eps, decay] = [rate, self.eps, self.weight_decay].map(T::from_f64);
        let [m, largest] = u.state else { unreachable!("as many slices as states") };
        for (((theta, &g), m), largest) in u.theta.iter_mut().zip(u.grad).zip(m.iter_mut()).zip(largest.iter_mut()) {
            let g = g * u.scale + decay * *theta;
            *m = flush(b1 * *m + c1 * g);
            let (faded, fresh) = (b2 * *largest, g.abs() + eps);
            *largest = flush(if faded > fresh { faded } else { fresh });
            *theta -= rate * *m / *largest;
        }
    }
}
