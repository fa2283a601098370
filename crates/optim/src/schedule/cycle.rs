//! Schedules that repeat, and a schedule of a single cycle.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use super::Schedule;
use super::curve::{Interpolation, check, through};

/// Half waves of [`cosine`](super::cosine) from 1 toward 0, each `growth` times as long as the one before. The first
/// has `period` steps; the factor is 1 at step 0 and at each restart (PyTorch's `CosineAnnealingWarmRestarts`;
/// Loshchilov, Hutter 2016, <https://arxiv.org/abs/1608.03983>).
///
/// # Panics
/// If `period` or `growth` is 0.
#[track_caller]
pub fn warm_restarts(period: u64, growth: u64) -> Schedule {
    assert!(period > 0 && growth > 0, "warm_restarts: period {period}, growth {growth}; both must be at least 1");
    Schedule::WarmRestarts { period, growth }
}

pub(super) fn restarts_factor(step: u64, period: u64, growth: u64) -> f64 {
    let (mut t, mut period) = (step, period.max(1));
    if growth <= 1 {
        t %= period;
    } else {
        while t >= period {
            t -= period;
            period = period.saturating_mul(growth); // at most 64 times
        }
    }
    0.5 * (1.0 + (PI * t as f64 / period as f64).cos())
}

/// How the peaks of [`cyclic`] change from cycle to cycle.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Fade {
    /// all peaks have the same height (PyTorch's `triangular`)
    Never,
    /// each peak rises half as far as the one before (`triangular2`)
    Halve,
    /// the part above `low` is multiplied by this number to the power of the step (`exp_range`)
    By(f64),
}

/// Straight lines up from `low` to 1 in `up` steps and down again in `down` steps, over and over; the factor at step 0
/// is `low`. It is PyTorch's `CyclicLR` with `low` = base_lr/max_lr and a learning rate of max_lr. Smith 2015
/// (<https://arxiv.org/abs/1506.01186>).
///
/// # Panics
/// If `up + down` is 0, `low` is negative or not finite, or the number of [`Fade::By`] is not in 0 … 1.
#[track_caller]
pub fn cyclic(low: f64, up: u64, down: u64, fade: Fade) -> Schedule {
    assert!(up > 0 || down > 0, "cyclic: a cycle of 0 steps; give the steps up and the steps down");
    check("cyclic", &[low], Interpolation::Linear);
    if let Fade::By(gamma) = fade {
        crate::rule::check("cyclic, fade", &gamma, 0.0..=1.0);
    }
    Schedule::Cyclic { low, up, down, fade }
}

pub(super) fn cyclic_factor(step: u64, low: f64, up: u64, down: u64, fade: Fade) -> f64 {
    let length = up.saturating_add(down).max(1);
    let (cycle, t) = (step / length, step % length);
    let height = if t < up { t as f64 / up as f64 } else { (length - t) as f64 / down.max(1) as f64 };
    let share = match fade {
        Fade::Never => 1.0,
        Fade::Halve => 0.5f64.powf(cycle as f64),
        Fade::By(gamma) => gamma.powf(step as f64),
    };
    low + (1.0 - low) * height * share
}

/// [`OneCycle`] with PyTorch's defaults: up from 1/25 to 1 in 30 % of the steps, then down to 1/250,000.
///
/// # Panics
/// If there are no steps.
#[track_caller]
pub fn one_cycle(steps: u64) -> Schedule {
    OneCycle::default().over(steps)
}

/// A schedule that goes up from `start` to 1, then down to `end`, once: the rates are large in the middle of a run
/// (PyTorch's `OneCycleLR` with a learning rate of max_lr; Smith, Topin 2017, <https://arxiv.org/abs/1708.07120>).
///
/// ```
/// use gradus_optim::{OneCycle, Interpolation};
/// let shape = Interpolation::Linear;
/// let schedule = OneCycle { rise: 0.5, start: 0.0, end: 0.5, shape, ..OneCycle::default() }.over(6);
/// assert_eq!([0, 1, 2, 5, 99].map(|step| schedule.factor(step)), [0.0, 0.5, 1.0, 0.5, 0.5]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OneCycle {
    /// the share of the steps until the peak (PyTorch's `pct_start`)
    pub rise: f64,
    /// the factor at step 0 (`1 / div_factor`)
    pub start: f64,
    /// the factor at the last step (`1 / (div_factor · final_div_factor)`)
    pub end: f64,
    /// the shape of the curves up and down
    pub shape: Interpolation,
    /// whether to go down to `start` as fast as up, then on to `end`
    pub three_phase: bool,
}

impl Default for OneCycle {
    fn default() -> Self {
        OneCycle { rise: 0.3, start: 1.0 / 25.0, end: 1.0 / 25e4, shape: Interpolation::Cosine, three_phase: false }
    }
}

impl OneCycle {
    /// Returns the schedule over `steps` steps. The peak is at step `rise · steps − 1`, which need not be a whole
    /// number.
    ///
    /// # Panics
    /// If there are no steps, if `rise` is not in 0 … 1 (0 … 0.5 with `three_phase`), if a factor is negative or not
    /// finite, or if [`Interpolation::Geometric`] would start or end at 0.
    #[track_caller]
    pub fn over(self, steps: u64) -> Schedule {
        let OneCycle { rise, start, end, shape, three_phase } = self;
        let most = if three_phase { 0.5 } else { 1.0 };
        assert!(steps > 0, "OneCycle: a cycle of 0 steps");
        assert!((0.0..=most).contains(&rise), "OneCycle: `rise` is {rise}, not a share in 0 … {most} of the steps");
        check("OneCycle", &[start, 1.0, end], shape);
        let (last, peak) = (steps as f64 - 1.0, (rise * steps as f64 - 1.0).max(0.0));
        let mut points = vec![(0.0, start), (peak, 1.0), (last, end)];
        if three_phase {
            points.insert(2, (2.0 * peak, start));
        }
        through(points, shape, steps)
    }
}
