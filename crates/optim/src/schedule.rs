//! Schedules: the learning rate as a pure function of the step.

use serde::{Deserialize, Serialize};

/// A factor of the learning rate for each step, from step 0 on.
///
/// There is no counter inside, so nothing can be off by one and a resumed run is on the right rate by itself. Every
/// schedule is defined for every step; past its end it holds its last value.
///
/// ```
/// use gradus_optim::{cosine, warmup};
/// let schedule = warmup(4).then(cosine(100));
/// let factors: Vec<f64> = [0, 3, 4, 54, 104, 9999].map(|t| schedule.factor(t)).into();
/// assert_eq!(factors, [0.25, 1.0, 1.0, 0.5, 0.0, 0.0]);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Schedule {
    /// always the same
    Constant {
        /// the factor
        factor: f64,
    },
    /// in a straight line, then level
    Linear {
        /// factor at step 0
        from: f64,
        /// factor from step `steps` on
        to: f64,
        /// length
        steps: u64,
    },
    /// a factor `gamma` less every `every` steps
    Step {
        /// steps between two drops
        every: u64,
        /// what each drop multiplies by
        gamma: f64,
    },
    /// half a wave of the cosine from 1 down to 0, then level
    Cosine {
        /// length
        steps: u64,
    },
    /// up to 1 in equal parts, the first of them at step 0
    Warmup {
        /// length
        steps: u64,
    },
    /// one schedule, then another
    Then {
        /// in force for `steps` steps
        first: Box<Schedule>,
        /// when the next takes over
        steps: u64,
        /// counts its steps from there
        next: Box<Schedule>,
    },
}

/// The learning rate as it is. Factor 1 at step 0.
pub fn constant() -> Schedule {
    Schedule::Constant { factor: 1.0 }
}

/// From factor `from` at step 0 in a straight line to `to` at step `steps`.
pub fn linear(from: f64, to: f64, steps: u64) -> Schedule {
    Schedule::Linear { from, to, steps }
}

/// `gamma^⌊step / every⌋`: factor 1 at step 0 (PyTorch's `StepLR`).
///
/// # Panics
/// If `every` is 0.
#[track_caller]
pub fn step_decay(every: u64, gamma: f64) -> Schedule {
    assert!(every > 0, "step_decay: `every` is 0; give the number of steps between two drops");
    Schedule::Step { every, gamma }
}

/// `½ (1 + cos(π step / steps))`: factor 1 at step 0, 0 from step `steps` on (PyTorch's `CosineAnnealingLR`, which
/// rises again past its end).
pub fn cosine(steps: u64) -> Schedule {
    Schedule::Cosine { steps }
}

/// `(step + 1) / steps`, then 1: never 0, so that no step is wasted. Follow it by [`Schedule::then`].
pub fn warmup(steps: u64) -> Schedule {
    Schedule::Warmup { steps }
}

impl Schedule {
    /// The factor of the learning rate at a step.
    pub fn factor(&self, step: u64) -> f64 {
        match self {
            Schedule::Constant { factor } => *factor,
            Schedule::Linear { to, steps, .. } if step >= *steps => *to,
            Schedule::Linear { from, to, steps } => from + (to - from) * (step as f64 / *steps as f64),
            Schedule::Step { every, gamma } => gamma.powf((step / (*every).max(1)) as f64),
            Schedule::Cosine { steps } if step >= *steps => 0.0,
            Schedule::Cosine { steps } => 0.5 * (1.0 + (std::f64::consts::PI * step as f64 / *steps as f64).cos()),
            Schedule::Warmup { steps } if step >= *steps => 1.0,
            Schedule::Warmup { steps } => (step + 1) as f64 / *steps as f64,
            Schedule::Then { first, steps, .. } if step < *steps => first.factor(step),
            Schedule::Then { steps, next, .. } => next.factor(step - steps),
        }
    }

    /// How many steps it takes until it stays level, if it does.
    pub fn steps(&self) -> Option<u64> {
        match self {
            Schedule::Constant { .. } | Schedule::Step { .. } => None,
            Schedule::Linear { steps, .. } | Schedule::Cosine { steps } | Schedule::Warmup { steps } => Some(*steps),
            Schedule::Then { steps, next, .. } => next.steps().map(|n| n + steps),
        }
    }

    /// This schedule to its end, then another.
    ///
    /// # Panics
    /// If this one has no end: use [`after`](Schedule::after).
    #[track_caller]
    pub fn then(self, next: Schedule) -> Schedule {
        match self.steps() {
            Some(steps) => self.after(steps, next),
            None => panic!("then: {self:?} has no end; say when the next takes over with `after(steps, next)`"),
        }
    }

    /// This schedule for `steps` steps, then another.
    pub fn after(self, steps: u64, next: Schedule) -> Schedule {
        Schedule::Then { first: Box::new(self), steps, next: Box::new(next) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_schedule_states_its_first_and_last_value() {
        let table: [(Schedule, &[(u64, f64)]); 6] = [
            (constant(), &[(0, 1.0), (u64::MAX, 1.0)]),
            (linear(0.5, 2.0, 10), &[(0, 0.5), (5, 1.25), (10, 2.0), (u64::MAX, 2.0)]),
            (step_decay(3, 0.5), &[(0, 1.0), (2, 1.0), (3, 0.5), (8, 0.25), (u64::MAX, 0.0)]),
            (cosine(8), &[(0, 1.0), (4, 0.5), (8, 0.0), (12, 0.0), (u64::MAX, 0.0)]),
            (warmup(5), &[(0, 0.2), (4, 1.0), (5, 1.0), (u64::MAX, 1.0)]),
            (warmup(2).then(step_decay(2, 0.1)), &[(0, 0.5), (1, 1.0), (2, 1.0), (4, 0.1), (6, 0.010000000000000002)]),
        ];
        for (schedule, values) in table {
            for &(step, factor) in values {
                assert!((schedule.factor(step) - factor).abs() < 1e-15, "{schedule:?} at {step}");
            }
        }
        for empty in [linear(0.5, 2.0, 0), cosine(0), warmup(0)] {
            assert!(empty.factor(0).is_finite(), "{empty:?}");
        }
    }

    #[test]
    #[should_panic(expected = "has no end")]
    fn what_has_no_end_has_no_then() {
        let _ = constant().then(cosine(3));
    }
}
