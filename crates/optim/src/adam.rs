//! Adam and AdamW.

use gradus_autograd::Float;
use serde::{Deserialize, Serialize};

use crate::rule::{Update, flush, rule, settings};

/// ```text
/// g ← g + λ θ                                λ weight_decay
/// m ← β₁ m + (1 − β₁) g                      running mean of the gradient
/// v ← β₂ v + (1 − β₂) g²                     and of its square
/// w ← max(w, v)                              with amsgrad; w in place of v below
/// θ ← θ − η · m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε)
/// ```
///
/// t counts the parameter's steps from 1; the divisors undo the start at 0. Each number gets a step of its own size,
/// about η, which is what brings it through a ravine. Kingma, Ba 2014 (<https://arxiv.org/abs/1412.6980>); AMSGrad: Reddi et al. 2018
/// (<https://openreview.net/forum?id=ryQu7f-RZ>). Formula and
/// defaults (β 0.9 and 0.999, ε 10⁻⁸, λ 0) are those of PyTorch's `Adam`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdamRule {
    /// β₁ and β₂
    pub betas: (f64, f64),
    /// ε: keeps the divisor from 0
    pub eps: f64,
    /// λ: pull toward 0, as part of the gradient
    pub weight_decay: f64,
    /// divide by the largest mean square so far
    pub amsgrad: bool,
}

impl Default for AdamRule {
    fn default() -> Self {
        AdamRule { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, amsgrad: false }
    }
}

settings!(AdamRule {
    /// Sets β₁ and β₂, how much of the running means is kept.
    betas: (f64, f64) => 0.0..1.0,
    /// Sets ε, which keeps the divisor from 0.
    eps: f64 => 0.0..f64::INFINITY,
    /// Sets λ, the pull toward 0, as part of the gradient.
    weight_decay: f64 => 0.0..f64::INFINITY,
    /// Divides by the largest mean square so far, so that the divisor never shrinks (AMSGrad).
    amsgrad: bool,
});

/// [`AdamRule`] with `θ ← θ (1 − η λ)` before the step instead of λ θ in the gradient, so that the decay is not divided
/// by √v. Loshchilov, Hutter 2017 (<https://arxiv.org/abs/1711.05101>). Defaults as PyTorch's `AdamW`: those of Adam,
/// and λ 10⁻².
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdamWRule {
    /// β₁ and β₂
    pub betas: (f64, f64),
    /// ε: keeps the divisor from 0
    pub eps: f64,
    /// λ: pull toward 0, apart from the gradient
    pub weight_decay: f64,
    /// divide by the largest mean square so far
    pub amsgrad: bool,
}

impl Default for AdamWRule {
    fn default() -> Self {
        AdamWRule { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 1e-2, amsgrad: false }
    }
}

settings!(AdamWRule {
    /// Sets β₁ and β₂, how much of the running means is kept.
    betas: (f64, f64) => 0.0..1.0,
    /// Sets ε, which keeps the divisor from 0.
    eps: f64 => 0.0..f64::INFINITY,
    /// Sets λ, the pull toward 0, apart from the gradient.
    weight_decay: f64 => 0.0..f64::INFINITY,
    /// Divides by the largest mean square so far, so that the divisor never shrinks (AMSGrad).
    amsgrad: bool,
});

/// The loop of both. `l2` stands in the gradient, `shrink` before the step.
#[inline(always)]
fn update<T: Float>(u: Update<'_, '_, T>, betas: (f64, f64), eps: f64, l2: f64, shrink: f64) {
    let t = u.step.min(i32::MAX as u64) as i32; // by then both powers are 0
    let (unbias_m, unbias_v) = (1.0 - betas.0.powi(t), (1.0 - betas.1.powi(t)).sqrt());
    let [b1, c1, b2, c2] = [betas.0, 1.0 - betas.0, betas.1, 1.0 - betas.1].map(T::from_f64);
    let [rate, unbias_v, eps, l2, shrink] = [u.lr / unbias_m, 1.0 / unbias_v, eps, l2, shrink].map(T::from_f64);
    if let [m, v, most] = u.state {
        let state = m.iter_mut().zip(v.iter_mut()).zip(most.iter_mut());
        for ((theta, &g), ((m, v), most)) in u.theta.iter_mut().zip(u.grad).zip(state) {
            let g = g * u.scale + l2 * *theta;
            *m = flush(b1 * *m + c1 * g);
            *v = flush(b2 * *v + c2 * g * g);
            *most = if *v > *most { *v } else { *most };
            *theta = *theta * shrink - rate * *m / (most.sqrt() * unbias_v + eps);
        }
        return;
    }
    let [m, v] = u.state else { unreachable!("two or three slices") };
    for (((theta, &g), m), v) in u.theta.iter_mut().zip(u.grad).zip(m.iter_mut()).zip(v.iter_mut()) {
        let g = g * u.scale + l2 * *theta;
        *m = flush(b1 * *m + c1 * g);
        *v = flush(b2 * *v + c2 * g * g);
        *theta = *theta * shrink - rate * *m / (v.sqrt() * unbias_v + eps);
    }
}

rule!(AdamRule, "adam", |rule| 2 + usize::from(rule.amsgrad));
rule!(AdamWRule, "adamw", |rule| 2 + usize::from(rule.amsgrad));

impl AdamRule {
    #[inline(always)]
    fn update<T: Float>(&self, u: Update<'_, '_, T>) {
        update(u, self.betas, self.eps, self.weight_decay, 1.0);
    }
}

impl AdamWRule {
    #[inline(always)]
    fn update<T: Float>(&self, u: Update<'_, '_, T>) {
        let shrink = 1.0 - u.lr * self.weight_decay;
        update(u, self.betas, self.eps, 0.0, shrink);
    }
}
