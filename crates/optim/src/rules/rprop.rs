//! Rprop.

use gradus_autograd::Float;

use crate::rule::{Update, rule};

rule! {
    /// ```text
    /// s starts at η
    /// s ← η⁺ s where g has the sign of the last gradient, η⁻ s (and g ← 0) where it has the other
    ///                                        s stays within its bounds
    /// θ ← θ − s sign g
    /// ```
    ///
    /// Only the sign of a gradient counts; each number has a step size of its own, which grows while the sign stays the
    /// same. The rule is for full batches, because the noise of small batches flips signs. Riedmiller, Braun 1993
    /// (<https://doi.org/10.1109/ICNN.1993.298623>). Formula and defaults (factors 0.5 and 1.2, steps of 10⁻⁶ to 50)
    /// are those of PyTorch's `Rprop`. A schedule has no effect after the first step.
    pub struct Rprop("rprop", |_rule| 2) {
        /// η⁻ and η⁺, the factors by which step sizes shrink and grow.
        etas: (f64, f64) = (0.5, 1.2), in 0.0..f64::INFINITY;
        /// The smallest and the largest step size.
        step_sizes: (f64, f64) = (1e-6, 50.0), in 0.0..f64::INFINITY;
    }
}

impl Rprop {
    #[inline(always)]
    fn update<T: Float>(&self, u: Update<'_, '_, T>) {
        let [shrink, grow, least, most] =
            [self.etas.0, self.etas.1, self.step_sizes.0, self.step_sizes.1].map(T::from_f64);
        let zero = T::default();
        let [size, last] = u.state else { unreachable!("as many slices as states") };
        if u.step == 1 {
            size.fill(T::from_f64(u.lr));
        }
        for (((theta, &g), size), last) in u.theta.iter_mut().zip(u.grad).zip(size.iter_mut()).zip(last.iter_mut()) {
            let g = g * u.scale;
            let agreement = g * *last;
            let turned = agreement < zero;
            let moved = *size
                * if agreement > zero {
                    grow
                } else if turned {
                    shrink
                } else {
                    T::from_f64(1.0)
                };
            *size = if moved < least {
                least
            } else if moved > most {
                most
            } else {
                moved
            };
            let g = if turned { zero } else { g };
            *theta -= if g > zero {
                *size
            } else if g < zero {
                -*size
            } else {
                zero
            };
            *last = g;
        }
    }
}
