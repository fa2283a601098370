//! Schedules: the learning rate as a pure function of the step.
//!
//! `curve.rs` has the schedules that go through points, `decay.rs` those that fall for ever, `cycle.rs` those that
//! repeat.

mod curve;
mod cycle;
mod decay;
mod plateau;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::rule::{NON_NEGATIVE, check};

pub use curve::{Interpolation, constant, cosine, linear, piecewise, polynomial, warmup, warmup_shaped};
pub use cycle::{Fade, OneCycle, cyclic, one_cycle, warm_restarts};
pub use decay::{exponential, inverse_sqrt, multi_step, noam, step_decay};
pub use plateau::{EarlyStopping, Goal, Progress, ReduceOnPlateau};

/// A factor of the learning rate for each step, from step 0 on.
///
/// A schedule has no counter inside, so nothing can be off by one, and a resumed run has the right rate by itself.
/// Every schedule is defined for every step; past its end it keeps its last value. Schedules are plain data that serde
/// can save, except for [`custom`](Self::custom) ones.
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
    /// a curve through points, then constant
    Curve {
        /// points (step, factor) in the order of the steps, which need not be whole numbers
        points: Vec<(f64, f64)>,
        /// how the factor gets from one point to the next
        shape: Interpolation,
        /// the step at which another schedule may take over; `None` if this one has no end
        steps: Option<u64>,
    },
    /// `gamma^(step / every)`
    Exponential {
        /// the number of steps that make one power
        every: u64,
        /// the number that is raised to the power
        gamma: f64,
        /// whether only whole powers are taken
        stairs: bool,
    },
    /// up in proportion to the step, then down with its square root
    InverseSqrt {
        /// the number of steps up, after which the factor is 1
        warmup: u64,
    },
    /// half waves of the cosine from 1 toward 0, each `growth` times as long as the one before
    WarmRestarts {
        /// the number of steps of the first half wave
        period: u64,
        /// how many times as long each next half wave is
        growth: u64,
    },
    /// up from `low` to 1 and down again, over and over
    Cyclic {
        /// the least factor
        low: f64,
        /// the number of steps up
        up: u64,
        /// the number of steps down
        down: u64,
        /// how later peaks differ from the first
        fade: Fade,
    },
    /// one schedule, then another
    Then {
        /// the schedule of the first `steps` steps
        first: Box<Schedule>,
        /// the step at which `next` takes over
        steps: u64,
        /// the schedule that follows, which counts its steps from there
        next: Box<Schedule>,
    },
    /// a schedule of which each step lasts `steps` steps
    Every {
        /// the schedule whose steps last longer
        schedule: Box<Schedule>,
        /// how many steps each of its steps lasts
        steps: u64,
    },
    /// `from + (to − from) · factor`
    Between {
        /// the schedule whose factor is mapped
        schedule: Box<Schedule>,
        /// the result for factor 0
        from: f64,
        /// the result for factor 1
        to: f64,
    },
    /// `factor^exponent`
    Power {
        /// the schedule whose factor is raised to the power
        schedule: Box<Schedule>,
        /// the power that the factor is raised to
        exponent: f64,
    },
    /// `min(max(factor, low), high)`
    Clamp {
        /// the schedule whose factor is kept between the bounds
        schedule: Box<Schedule>,
        /// the least factor
        #[serde(with = "gradus_autograd::exact")]
        low: f64,
        /// the largest factor
        #[serde(with = "gradus_autograd::exact")]
        high: f64,
    },
    /// the product of two schedules
    Times {
        /// the first schedule
        first: Box<Schedule>,
        /// the second schedule
        second: Box<Schedule>,
    },
    /// a closure, which cannot be saved
    #[serde(skip)]
    Custom(Closure),
}

/// A function of the step, given by the user.
#[derive(Clone)]
pub struct Closure(Arc<dyn Fn(u64) -> f64 + Send + Sync>);

impl fmt::Debug for Closure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a closure")
    }
}

/// Compares whether both are the same closure; closures that do the same are not equal.
impl PartialEq for Closure {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Schedule {
    /// A schedule by a function of your own. Saving it with serde is an error; everything else works.
    ///
    /// ```
    /// use gradus_optim::Schedule;
    /// let halved_after_noon = Schedule::custom(|step| if step < 12 { 1.0 } else { 0.5 });
    /// assert_eq!(halved_after_noon.values(14)[10..], [1.0, 1.0, 0.5, 0.5]);
    /// ```
    pub fn custom(factor: impl Fn(u64) -> f64 + Send + Sync + 'static) -> Schedule {
        Schedule::Custom(Closure(Arc::new(factor)))
    }

    /// Returns the factor of the learning rate at a step.
    pub fn factor(&self, step: u64) -> f64 {
        match self {
            Schedule::Curve { points, shape, .. } => curve::factor(points, *shape, step as f64),
            Schedule::Exponential { every, gamma, stairs } => decay::exponential_factor(step, *every, *gamma, *stairs),
            Schedule::InverseSqrt { warmup } => decay::inverse_sqrt_factor(step, *warmup),
            Schedule::WarmRestarts { period, growth } => cycle::restarts_factor(step, *period, *growth),
            Schedule::Cyclic { low, up, down, fade } => cycle::cyclic_factor(step, *low, *up, *down, *fade),
            Schedule::Then { first, steps, .. } if step < *steps => first.factor(step),
            Schedule::Then { steps, next, .. } => next.factor(step - steps),
            Schedule::Every { schedule, steps } => schedule.factor(step / (*steps).max(1)),
            Schedule::Between { schedule, from, to } => from + (to - from) * schedule.factor(step),
            Schedule::Power { schedule, exponent } => schedule.factor(step).powf(*exponent),
            Schedule::Clamp { schedule, low, high } => schedule.factor(step).max(*low).min(*high),
            Schedule::Times { first, second } => first.factor(step) * second.factor(step),
            Schedule::Custom(closure) => (closure.0)(step),
        }
    }

    /// Returns the factors of the steps before `steps`, for any plotter.
    ///
    /// ```
    /// assert_eq!(gradus_optim::linear(0.0, 1.0, 4).values(6), [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]);
    /// ```
    pub fn values(&self, steps: u64) -> Vec<f64> {
        (0..steps).map(|step| self.factor(step)).collect()
    }

    /// Returns the number of steps after which the factor stays constant; `None` if the schedule has no end.
    pub fn steps(&self) -> Option<u64> {
        match self {
            Schedule::Curve { steps, .. } => *steps,
            Schedule::Then { steps, next, .. } => next.steps().map(|n| n.saturating_add(*steps)),
            Schedule::Every { schedule, steps } => schedule.steps().map(|n| n.saturating_mul(*steps)),
            Schedule::Between { schedule, .. }
            | Schedule::Power { schedule, .. }
            | Schedule::Clamp { schedule, .. } => schedule.steps(),
            Schedule::Times { first, second } => Some(first.steps()?.max(second.steps()?)),
            Schedule::Exponential { .. }
            | Schedule::InverseSqrt { .. }
            | Schedule::WarmRestarts { .. }
            | Schedule::Cyclic { .. }
            | Schedule::Custom(_) => None,
        }
    }

    /// Follows this schedule to its end, then `next`, which counts its steps from there.
    ///
    /// # Panics
    /// If this schedule has no end: use [`after`](Schedule::after).
    #[track_caller]
    pub fn then(self, next: Schedule) -> Schedule {
        match self.steps() {
            Some(steps) => self.after(steps, next),
            None => panic!("then: {self:?} has no end; say when the next takes over with `after(steps, next)`"),
        }
    }

    /// Follows this schedule for `steps` steps, then `next`, which counts its steps from there.
    pub fn after(self, steps: u64, next: Schedule) -> Schedule {
        Schedule::Then { first: Box::new(self), steps, next: Box::new(next) }
    }

    /// Makes each step of this schedule last `steps` steps. So a schedule of epochs serves an optimizer that counts
    /// steps.
    ///
    /// ```
    /// let by_epoch = gradus_optim::linear(1.0, 0.0, 2).every(3);
    /// assert_eq!(by_epoch.values(7), [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.0]);
    /// ```
    ///
    /// # Panics
    /// If `steps` is 0.
    #[track_caller]
    pub fn every(self, steps: u64) -> Schedule {
        assert!(steps > 0, "every: 0 steps; give the number of steps of an epoch");
        Schedule::Every { schedule: Box::new(self), steps }
    }

    /// Multiplies every factor by `factor`.
    ///
    /// ```
    /// assert_eq!(gradus_optim::linear(1.0, 0.0, 2).scale(0.5).values(3), [0.5, 0.25, 0.0]);
    /// ```
    ///
    /// # Panics
    /// If `factor` is negative or not finite: the learning rate would be so too, and the descent would climb.
    #[track_caller]
    pub fn scale(self, factor: f64) -> Schedule {
        check("scale", &factor, NON_NEGATIVE);
        self.between(0.0, factor)
    }

    /// Maps every factor to `from + (to − from) · factor`: 0 becomes `from`, 1 becomes `to`. For example, a cosine that
    /// ends at a tenth:
    ///
    /// ```
    /// let schedule = gradus_optim::cosine(10).between(0.1, 1.0);
    /// assert_eq!([schedule.factor(0), schedule.factor(10)], [1.0, 0.1]);
    /// ```
    ///
    /// # Panics
    /// If `from` or `to` is negative or not finite.
    #[track_caller]
    pub fn between(self, from: f64, to: f64) -> Schedule {
        check("between", &(from, to), NON_NEGATIVE);
        Schedule::Between { schedule: Box::new(self), from, to }
    }

    /// Raises every factor to a power: `factor^exponent`.
    ///
    /// # Panics
    /// If the exponent is negative or not finite.
    #[track_caller]
    pub fn power(self, exponent: f64) -> Schedule {
        check("power", &exponent, NON_NEGATIVE);
        Schedule::Power { schedule: Box::new(self), exponent }
    }

    /// Keeps every factor between `low` and `high`.
    ///
    /// ```
    /// assert_eq!(gradus_optim::exponential(1, 0.5).clamp(0.2, 0.8).values(4), [0.8, 0.5, 0.25, 0.2]);
    /// ```
    ///
    /// # Panics
    /// If `low` is more than `high`, or one of them is NaN.
    #[track_caller]
    pub fn clamp(self, low: f64, high: f64) -> Schedule {
        assert!(low <= high, "clamp: there is nothing between {low} and {high}; give the smaller one first");
        Schedule::Clamp { schedule: Box::new(self), low, high }
    }

    /// Multiplies the factors of two schedules (PyTorch's `ChainedScheduler`).
    ///
    /// ```
    /// use gradus_optim::{exponential, warmup};
    /// assert_eq!(warmup(2).times(exponential(1, 0.5)).values(4), [0.5, 0.5, 0.25, 0.125]);
    /// ```
    pub fn times(self, other: Schedule) -> Schedule {
        Schedule::Times { first: Box::new(self), second: Box::new(other) }
    }
}

#[cfg(test)]
mod tests;
