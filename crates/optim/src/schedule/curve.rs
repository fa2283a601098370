//! Schedules that go through points: flat, straight, or along a wave.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use super::Schedule;

/// How a schedule gets from one point to the next; f runs from 0 to 1 between them, the factor from p to q.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Interpolation {
    /// p until the next point
    Hold,
    /// p + (q − p) f
    Linear,
    /// q + ½ (p − q)(1 + cos πf)
    Cosine,
    /// p (q/p)ᶠ: the same ratio at each step; p and q must be of the same sign
    Geometric,
}

pub(super) fn factor(points: &[(f64, f64)], shape: Interpolation, t: f64) -> f64 {
    let Some(i) = points.iter().position(|&(step, _)| step > t) else {
        return points.last().map_or(1.0, |&(_, factor)| factor);
    };
    if i == 0 {
        return points[0].1;
    }
    let ((start, p), (end, q)) = (points[i - 1], points[i]);
    let f = (t - start) / (end - start);
    match shape {
        Interpolation::Hold => p,
        Interpolation::Linear => p + (q - p) * f,
        Interpolation::Cosine => q + 0.5 * (p - q) * (1.0 + (PI * f).cos()),
        Interpolation::Geometric => p * (q / p).powf(f),
    }
}

pub(super) fn through(points: impl Into<Vec<(f64, f64)>>, shape: Interpolation, steps: u64) -> Schedule {
    Schedule::Curve { points: points.into(), shape, steps: Some(steps) }
}

/// Panics if a factor is negative or not finite, or if equal ratios would have to go through 0.
#[track_caller]
pub(super) fn check(name: &str, factors: &[f64], shape: Interpolation) {
    assert!(
        factors.iter().all(|f| f.is_finite() && *f >= 0.0),
        "{name}: the factors {factors:?} are not all finite and at least 0; with a negative one the descent would climb"
    );
    let one_sign = factors.iter().all(|&f| f > 0.0) || factors.iter().all(|&f| f < 0.0);
    assert!(
        shape != Interpolation::Geometric || one_sign,
        "{name}: equal ratios cannot go through 0 or change the sign: {factors:?}; start from a small factor instead"
    );
}

/// A schedule that keeps the learning rate as it is: factor 1 at every step.
pub fn constant() -> Schedule {
    Schedule::Curve { points: vec![(0.0, 1.0)], shape: Interpolation::Hold, steps: None }
}

/// A straight line from factor `from` at step 0 to `to` at step `steps` (PyTorch's `LinearLR`).
///
/// # Panics
/// If a factor is negative or not finite.
#[track_caller]
pub fn linear(from: f64, to: f64, steps: u64) -> Schedule {
    check("linear", &[from, to], Interpolation::Linear);
    through([(0.0, from), (steps as f64, to)], Interpolation::Linear, steps)
}

/// `(1 − step/steps)^power`: factor 1 at step 0, 0 from step `steps` on (PyTorch's `PolynomialLR`).
///
/// # Panics
/// If there are 0 steps, or the power is negative or not finite.
#[track_caller]
pub fn polynomial(steps: u64, power: f64) -> Schedule {
    assert!(steps > 0, "polynomial: 0 steps; the factor would be 0 from the first step on");
    crate::rule::check("power", &power, crate::rule::NON_NEGATIVE);
    linear(1.0, 0.0, steps).power(power)
}

/// `½ (1 + cos(π step / steps))`: factor 1 at step 0, 0 from step `steps` on (PyTorch's `CosineAnnealingLR`, which
/// rises again past its end; Loshchilov, Hutter 2016, <https://arxiv.org/abs/1608.03983>).
///
/// # Panics
/// If there are 0 steps.
#[track_caller]
pub fn cosine(steps: u64) -> Schedule {
    assert!(steps > 0, "cosine: 0 steps; the factor would be 0 from the first step on");
    through([(0.0, 1.0), (steps as f64, 0.0)], Interpolation::Cosine, steps)
}

/// `(step + 1) / steps`, then 1: the factor is never 0, so that no step is wasted. Let another schedule follow with
/// [`Schedule::then`].
///
/// The steps are small while running means and momenta still know nothing (Goyal et al. 2017,
/// <https://arxiv.org/abs/1706.02677>).
pub fn warmup(steps: u64) -> Schedule {
    warmup_shaped(steps, Interpolation::Linear)
}

/// [`warmup`] with another shape: from factor 0 (which would be at step −1) to 1 at step `steps − 1`. With
/// [`Interpolation::Geometric`] it starts from 1/100.
pub fn warmup_shaped(steps: u64, shape: Interpolation) -> Schedule {
    let from = if shape == Interpolation::Geometric { 0.01 } else { 0.0 };
    through([(-1.0, from), (steps as f64 - 1.0, 1.0)], shape, steps)
}

/// A schedule through the points (step, factor), constant before the first and after the last point.
///
/// ```
/// use gradus_optim::{Interpolation, piecewise};
/// let schedule = piecewise(&[(0, 1.0), (4, 0.5)], Interpolation::Linear);
/// assert_eq!(schedule.values(6), [1.0, 0.875, 0.75, 0.625, 0.5, 0.5]);
/// ```
///
/// # Panics
/// If there are no points, if their steps are not in order, if a factor is negative or not finite, or if
/// [`Interpolation::Geometric`] would go through 0.
#[track_caller]
pub fn piecewise(points: &[(u64, f64)], shape: Interpolation) -> Schedule {
    let Some(&(end, _)) = points.last() else { panic!("piecewise: no points; give at least one (step, factor)") };
    if let Some(pair) = points.windows(2).find(|pair| pair[0].0 > pair[1].0) {
        panic!("piecewise: step {} follows step {}; give the points in the order of steps", pair[1].0, pair[0].0);
    }
    let factors: Vec<f64> = points.iter().map(|p| p.1).collect();
    check("piecewise", &factors, shape);
    through(points.iter().map(|&(step, factor)| (step as f64, factor)).collect::<Vec<_>>(), shape, end)
}
