//! NAdam.

use gradus_autograd::Float;

use crate::rule::{Update, flush, rule};

rule! {
    /// ```text
    /// g ← g + λ θ                          λ weight_decay
    /// m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²
    /// μₜ = β₁ (1 − ½ · 0.96^(t ψ)),  Mₜ = μ₁ ⋯ μₜ                ψ momentum_decay
    /// d = √(v / (1 − β₂ᵗ)) + ε
    /// θ ← θ − η (1 − μₜ)/(1 − Mₜ) · g/d − η μₜ₊₁/(1 − Mₜ μₜ₊₁) · m/d
    /// ```
    ///
    /// Adam that looks ahead along its momentum, as Nesterov's variant of plain momentum does. Dozat 2016
    /// (<https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ>). Formula and defaults (β 0.9 and 0.999, ε 10⁻⁸, ψ
    /// 0.004, λ 0) are those of PyTorch's `NAdam`.
    pub struct NAdam("nadam", |_rule| 3) {
        /// β₁ and β₂: how much of the running means each step keeps.
        betas: (f64, f64) = (0.9, 0.999), in 0.0..1.0;
        /// ε, which keeps the divisor from 0.
        eps: f64 = 1e-8, in 0.0..f64::INFINITY;
        /// ψ, how fast the momentum rises to β₁.
        momentum_decay: f64 = 4e-3, in 0.0..f64::INFINITY;
        /// The weight decay λ: a pull toward 0 that is part of the gradient.
        weight_decay: f64 = 0.0, in 0.0..f64::INFINITY;
    }
}

impl NAdam {
    #[inline(always)]
    fn update<T: Float>(&self, u: Update<'_, '_, T>) {
        let t = u.step as f64;
        let momentum = |t: f64| self.betas.0 * (1.0 - 0.5 * 0.96f64.powf(t * self.momentum_decay));
        let (now, next) = (momentum(t), momentum(t + 1.0));
        let [m, v, product] = u.state else { unreachable!("as many slices as states") };
        // the product is the same for all numbers of a parameter; as part of the state, it is saved with the other
        // states
        let before = if u.step == 1 { 1.0 } else { product.first().map_or(1.0, |p| p.to_f64()) };
        let so_far = before * now;
        product.fill(T::from_f64(so_far));
        let unbias = 1.0 / (1.0 - self.betas.1.powf(t)).sqrt();
        let [b1, c1, b2, c2] = [self.betas.0, 1.0 - self.betas.0, self.betas.1, 1.0 - self.betas.1].map(T::from_f64);
        let (fresh, kept) = (u.lr * (1.0 - now) / (1.0 - so_far), u.lr * next / (1.0 - so_far * next));
        let [fresh, kept, unbias, eps, decay] = [fresh, kept, unbias, self.eps, self.weight_decay].map(T::from_f64);
        for (((theta, &g), m), v) in u.theta.iter_mut().zip(u.grad).zip(m.iter_mut()).zip(v.iter_mut()) {
            let g = g * u.scale + decay * *theta;
            *m = flush(b1 * *m + c1 * g);
            *v = flush(b2 * *v + c2 * g * g);
            *theta -= (fresh * g + kept * *m) / (v.sqrt() * unbias + eps);
        }
    }
}
