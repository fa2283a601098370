//! RAdam.

use gradus_autograd::Float;

use crate::AtRest;
use crate::rule::{Update, flush, rule};

rule! {
    /// ```text
    /// g ← g + λ θ                          λ weight_decay
    /// m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²,  m̂ = m / (1 − β₁ᵗ)
    /// ρ∞ = 2/(1 − β₂) − 1,  ρ = ρ∞ − 2 t β₂ᵗ / (1 − β₂ᵗ)
    /// ρ > 5:  r = √((ρ − 4)(ρ − 2) ρ∞ / ((ρ∞ − 4)(ρ∞ − 2) ρ)),  θ ← θ − η m̂ r √(1 − β₂ᵗ) / (√v + ε)
    /// else:   θ ← θ − η m̂
    /// ```
    ///
    /// Adam that warms itself up: as long as the mean of only a few squared gradients says little, the rule steps by
    /// momentum alone. Liu et al. 2019 (<https://arxiv.org/abs/1908.03265>). Formula and defaults (β 0.9 and 0.999, ε
    /// 10⁻⁸, λ 0) are those of PyTorch's `RAdam`.
    pub struct RAdam(
        "radam",
        |rule| 2,
        // 0/0 is NaN
        at_rest: match rule.eps as f32 > 0.0 {
            true => AtRest::StaysWhileZero.unless_decayed(rule.weight_decay),
            false => AtRest::Moves,
        }
    ) {
        /// β₁ and β₂: how much of the running means each step keeps.
        betas: (f64, f64) = (0.9, 0.999), in 0.0..1.0;
        /// ε, which keeps the divisor from 0.
        eps: f64 = 1e-8, in 0.0..f64::INFINITY;
        /// The weight decay λ: a pull toward 0 that is part of the gradient.
        weight_decay: f64 = 0.0, in 0.0..f64::INFINITY;
    }
}

impl RAdam {
    #[inline(always)]
    fn update<T: Float>(&self, u: Update<'_, '_, T>) {
        let t = u.step as f64;
        let (left_m, left_v) = (1.0 - self.betas.0.powf(t), 1.0 - self.betas.1.powf(t));
        let most = 2.0 / (1.0 - self.betas.1) - 1.0;
        let rho = most - 2.0 * t * (1.0 - left_v) / left_v;
        let rectified = rho > 5.0;
        let r = ((rho - 4.0) * (rho - 2.0) * most / ((most - 4.0) * (most - 2.0) * rho)).max(0.0).sqrt();
        let rate = u.lr / left_m * if rectified { r * left_v.sqrt() } else { 1.0 };
        let [b1, c1, b2, c2] = [self.betas.0, 1.0 - self.betas.0, self.betas.1, 1.0 - self.betas.1].map(T::from_f64);
        let [rate, eps, decay, one] = [rate, self.eps, self.weight_decay, 1.0].map(T::from_f64);
        let [m, v] = u.state else { unreachable!("as many slices as states") };
        for (((theta, &g), m), v) in u.theta.iter_mut().zip(u.grad).zip(m.iter_mut()).zip(v.iter_mut()) {
            let g = g * u.scale + decay * *theta;
            *m = flush(b1 * *m + c1 * g);
            *v = flush(b2 * *v + c2 * g * g);
            *theta -= rate * *m / if rectified { v.sqrt() + eps } else { one };
        }
    }
}
