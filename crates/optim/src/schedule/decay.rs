//! Schedules that fall: in stairs, by powers, or with the square root.

use super::Schedule;
use super::curve::{Interpolation, through};

/// `gamma^⌊step / every⌋`: factor 1 at step 0 (PyTorch's `StepLR`).
///
/// # Panics
/// If `every` is 0, or `gamma` is negative or not finite.
#[track_caller]
pub fn step_decay(every: u64, gamma: f64) -> Schedule {
    assert!(every > 0, "step_decay: `every` is 0; give the number of steps between two drops");
    crate::rule::check("gamma", &gamma, crate::rule::NON_NEGATIVE);
    Schedule::Exponential { every, gamma, stairs: true }
}

/// `gamma^(step / every)`: factor 1 at step 0 (PyTorch's `ExponentialLR` if `every` is 1).
///
/// # Panics
/// If `every` is 0, or `gamma` is negative or not finite.
#[track_caller]
pub fn exponential(every: u64, gamma: f64) -> Schedule {
    assert!(every > 0, "exponential: `every` is 0; give the number of steps that multiply by {gamma}");
    crate::rule::check("gamma", &gamma, crate::rule::NON_NEGATIVE);
    Schedule::Exponential { every, gamma, stairs: false }
}

pub(super) fn exponential_factor(step: u64, every: u64, gamma: f64, stairs: bool) -> f64 {
    let powers = step as f64 / every.max(1) as f64;
    gamma.powf(if stairs { powers.floor() } else { powers })
}

/// Factor 1, multiplied by `gamma` from each of the milestones on; a milestone that is given twice counts twice
/// (PyTorch's `MultiStepLR`).
///
/// ```
/// assert_eq!(gradus_optim::multi_step(&[1, 3], 0.5).values(5), [1.0, 0.5, 0.5, 0.25, 0.25]);
/// ```
pub fn multi_step(milestones: &[u64], gamma: f64) -> Schedule {
    let mut sorted = milestones.to_vec();
    sorted.sort_unstable();
    let mut points = vec![(0.0, 1.0)];
    points.extend(sorted.iter().zip(1..).map(|(&step, drops)| (step as f64, gamma.powi(drops))));
    through(points, Interpolation::Hold, sorted.last().copied().unwrap_or(0))
}

/// `min((step + 1)/warmup, √(warmup/(step + 1)))`: up to 1 at step `warmup − 1`, then down with the square root; the
/// factor at step 0 is 1/warmup. Vaswani et al. 2017 (<https://arxiv.org/abs/1706.03762>), scaled so that the largest
/// factor is 1.
pub fn inverse_sqrt(warmup: u64) -> Schedule {
    Schedule::InverseSqrt { warmup }
}

pub(super) fn inverse_sqrt_factor(step: u64, warmup: u64) -> f64 {
    let (t, warmup) = (step as f64 + 1.0, warmup.max(1) as f64);
    (t / warmup).min((warmup / t).sqrt())
}

/// `width^(−½) · min((step + 1)^(−½), (step + 1) · warmup^(−3/2))`: [`inverse_sqrt`] with the scale of the
/// Transformer's paper, for a learning rate of 1 and a model of that width.
///
/// # Panics
/// If `width` or `warmup` is 0.
#[track_caller]
pub fn noam(width: u64, warmup: u64) -> Schedule {
    assert!(width > 0 && warmup > 0, "noam: width {width}, warm-up {warmup}; both must be at least 1");
    inverse_sqrt(warmup).scale(1.0 / (width as f64 * warmup as f64).sqrt())
}
