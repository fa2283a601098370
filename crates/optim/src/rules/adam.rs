//! Adam and AdamW: one rule, with a switch for where the weight decay is applied.

use gradus_autograd::Float;

use crate::AtRest;
use crate::rule::{Update, flush, rule};

rule! {
    /// ```text
    /// g ← g + λ θ                                Adam; λ weight_decay
    /// θ ← θ (1 − η λ)                            AdamW: apart from the gradient
    /// m ← β₁ m + (1 − β₁) g                      running mean of the gradient
    /// v ← β₂ v + (1 − β₂) g²                     and of its square
    /// w ← max(w, v)                              with amsgrad; w in place of v below
    /// θ ← θ − η · m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε)
    /// ```
    ///
    /// t counts the parameter's steps from 1; the divisors undo the bias of the start at 0. Each number gets a step
    /// size of its own, about η, which carries the descent through a ravine. `AdamW` applies the decay apart from the
    /// gradient, so that the decay is not divided by √v.
    ///
    /// Kingma, Ba 2014 (<https://arxiv.org/abs/1412.6980>); AdamW: Loshchilov, Hutter 2017
    /// (<https://arxiv.org/abs/1711.05101>); AMSGrad: Reddi et al. 2018 (<https://openreview.net/forum?id=ryQu7f-RZ>).
    /// Formula and defaults (β 0.9 and 0.999, ε 10⁻⁸, λ 0 for Adam and 10⁻² for AdamW) are those of PyTorch's `Adam`
    /// and `AdamW`.
    pub struct AdamRule<const DECOUPLED: bool>(
        if DECOUPLED { "adamw" } else { "adam" },
        |rule| 2 + usize::from(rule.amsgrad),
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
        /// The weight decay λ: a pull toward 0. It is part of the gradient for Adam, and applied apart from the
        /// gradient for AdamW.
        weight_decay: f64 = if DECOUPLED { 1e-2 } else { 0.0 }, in 0.0..f64::INFINITY;
        /// Whether to divide by the largest mean square so far, so that the divisor never shrinks (AMSGrad).
        amsgrad: bool = false;
    }
}

/// [`AdamRule`] with the weight decay in the gradient.
pub type Adam = AdamRule<false>;
/// [`AdamRule`] with the weight decay apart from the gradient.
pub type AdamW = AdamRule<true>;

impl<const DECOUPLED: bool> AdamRule<DECOUPLED> {
    #[inline(always)]
    fn update<T: Float>(&self, u: Update<'_, '_, T>) {
        let AdamRule { betas, eps, weight_decay, .. } = *self;
        let (l2, shrink) = if DECOUPLED { (0.0, 1.0 - u.lr * weight_decay) } else { (weight_decay, 1.0) };
        let t = u.step.min(i32::MAX as u64) as i32; // at this limit both powers are 0
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
}
