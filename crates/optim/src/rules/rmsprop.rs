//! RMSprop.

use gradus_autograd::Float;

use crate::AtRest;
use crate::rule::{Update, flush, rule};

rule! {
    /// ```text
    /// g ← g + λ θ                          λ weight_decay
    /// v ← α v + (1 − α) g²                 running mean of the squared gradient
    /// a ← α a + (1 − α) g, s = v − a²      with centered, else s = v
    /// b ← μ b + g / (√s + ε)               μ momentum
    /// θ ← θ − η b
    /// ```
    ///
    /// Adagrad with a memory that fades, so that steps do not shrink toward 0. Hinton 2012
    /// (<https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf>); centred: Graves 2013
    /// (<https://arxiv.org/abs/1308.0850>). Formula and defaults (α 0.99, ε 10⁻⁸, the others 0) are those of PyTorch's
    /// `RMSprop`; TensorFlow has ε under the root.
    // with `centered` there is always room for a momentum, so that the number of states tells the settings apart
    pub struct RmsProp(
        "rmsprop",
        |rule| if rule.centered { 3 } else { 1 + usize::from(rule.momentum != 0.0) },
        // 0/0 is NaN
        at_rest: match rule.eps as f32 > 0.0 {
            true => AtRest::StaysWhileZero.unless_decayed(rule.weight_decay),
            false => AtRest::Moves,
        }
    ) {
        /// α: how much of the running means each step keeps.
        alpha: f64 = 0.99, in 0.0..=1.0;
        /// ε, which keeps the divisor from 0.
        eps: f64 = 1e-8, in 0.0..f64::INFINITY;
        /// μ: how much of the last step is kept.
        momentum: f64 = 0.0, in 0.0..f64::INFINITY;
        /// Whether to divide by the root of the gradient's variance instead of the root of its mean square.
        centered: bool = false;
        /// The weight decay λ: a pull toward 0 that is part of the gradient.
        weight_decay: f64 = 0.0, in 0.0..f64::INFINITY;
    }
}

impl RmsProp {
    #[inline(always)]
    fn update<T: Float>(&self, u: Update<'_, '_, T>) {
        let [lr, alpha, rest, eps, mu, decay] =
            [u.lr, self.alpha, 1.0 - self.alpha, self.eps, self.momentum, self.weight_decay].map(T::from_f64);
        let (v, more) = u.state.split_first_mut().expect("the mean square");
        let (mut mean, mut momentum) = match more {
            [] => (None, None),
            [b] => (None, Some(b)),
            [a, b, ..] => (Some(a), (self.momentum != 0.0).then_some(b)),
        };
        for (i, ((theta, &g), v)) in u.theta.iter_mut().zip(u.grad).zip(v.iter_mut()).enumerate() {
            let g = g * u.scale + decay * *theta;
            *v = flush(alpha * *v + rest * g * g);
            let mut s = *v;
            if let Some(a) = &mut mean {
                a[i] = flush(alpha * a[i] + rest * g);
                s -= a[i] * a[i];
                if s < T::default() {
                    s = T::default(); // if all gradients are equal, rounding may make it negative
                }
            }
            let mut step = g / (s.sqrt() + eps);
            if let Some(b) = &mut momentum {
                b[i] = flush(mu * b[i] + step);
                step = b[i];
            }
            *theta -= lr * step;
        }
    }
}
