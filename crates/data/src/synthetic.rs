//! Data sets drawn at random. Their form is known, so one can see what a model makes of it.

use std::f64::consts::{PI, TAU};

use ndarray::{Array1, Array2};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};

use crate::Dataset;

/// `count` points in the plane. Point i has the place and the label that `point(i, rng)` returns; normal noise is added
/// to the place.
#[track_caller]
fn points(
    count: usize,
    classes: usize,
    noise: f64,
    seed: u64,
    mut point: impl FnMut(usize, &mut Xoshiro256PlusPlus) -> ([f64; 2], usize),
) -> Dataset {
    assert!(noise >= 0.0 && noise.is_finite(), "the noise is {noise}; it is a standard deviation");
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let (mut x, mut y) = (Array2::zeros((count, 2)), Vec::with_capacity(count));
    for (i, mut row) in x.rows_mut().into_iter().enumerate() {
        let (place, label) = point(i, &mut rng);
        for (to, at) in row.iter_mut().zip(place) {
            let z: f64 = StandardNormal.sample(&mut rng);
            *to = (at + noise * z) as f32;
        }
        y.push(label);
    }
    Dataset::new(x, y, classes).expect("labels are counted")
}

/// Two half circles that reach into each other, so that no straight line separates them.
///
/// Class 0 is `(cos t, sin t)`, class 1 `(1 − cos t, ½ − sin t)`, with t drawn uniformly from 0 to π; then normal noise
/// of the given standard deviation is added. The same as scikit-learn's `make_moons`, except that t is drawn.
///
/// ```
/// let moons = gradus_data::moons(200, 0.1, 1);
/// assert_eq!(moons.label_counts(), [100, 100]);
/// ```
///
/// # Panics
/// If the noise is negative or not finite.
#[track_caller]
pub fn moons(count: usize, noise: f64, seed: u64) -> Dataset {
    points(count, 2, noise, seed, |i, rng| {
        let (sin, cos) = (PI * rng.random::<f64>()).sin_cos();
        if i % 2 == 0 { ([cos, sin], 0) } else { ([1.0 - cos, 0.5 - sin], 1) }
    })
}

/// A circle of radius 1 (class 0) and a circle of radius ½ inside it (class 1).
///
/// ```
/// let circles = gradus_data::circles(200, 0.0, 1);
/// assert!((circles.x().row(1).map(|x| x * x).sum().sqrt() - 0.5).abs() < 1e-6);
/// ```
///
/// # Panics
/// If the noise is negative or not finite.
#[track_caller]
pub fn circles(count: usize, noise: f64, seed: u64) -> Dataset {
    points(count, 2, noise, seed, |i, rng| {
        let (sin, cos) = (TAU * rng.random::<f64>()).sin_cos();
        let radius = if i % 2 == 0 { 1.0 } else { 0.5 };
        ([radius * cos, radius * sin], i % 2)
    })
}

/// The arms of a spiral, each a class. A point has a radius r drawn uniformly from 0.1 to 1, and the angle `2π (arm /
/// arms + 0.8 r)`.
///
/// ```
/// let spirals = gradus_data::spirals(300, 3, 0.02, 1);
/// assert_eq!(spirals.label_counts(), [100, 100, 100]);
/// ```
///
/// # Panics
/// If there are no arms, or the noise is negative or not finite.
#[track_caller]
pub fn spirals(count: usize, arms: usize, noise: f64, seed: u64) -> Dataset {
    assert!(arms > 0, "spirals: there are no arms");
    points(count, arms, noise, seed, |i, rng| {
        let (arm, radius) = (i % arms, 0.1 + 0.9 * rng.random::<f64>());
        let (sin, cos) = (TAU * (arm as f64 / arms as f64 + 0.8 * radius)).sin_cos();
        ([radius * cos, radius * sin], arm)
    })
}

/// A cloud of points for each centre, normally distributed about it with the given standard deviation. Each cloud is a
/// class.
///
/// ```
/// let blobs = gradus_data::blobs(90, &[[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]], 0.5, 1);
/// assert_eq!(blobs.classes(), 3);
/// ```
///
/// # Panics
/// If there are no centres, or the deviation is negative or not finite.
#[track_caller]
pub fn blobs(count: usize, centers: &[[f64; 2]], std: f64, seed: u64) -> Dataset {
    assert!(!centers.is_empty(), "blobs: there are no centres");
    points(count, centers.len(), std, seed, |i, _| (centers[i % centers.len()], i % centers.len()))
}

/// Inputs x, standard normal, and targets `y = w · x + b`, with normal noise of the given standard deviation.
///
/// ```
/// let (x, y) = gradus_data::linear(50, &[2.0, -1.0], 3.0, 0.0, 1);
/// assert!((2.0 * x[[7, 0]] - x[[7, 1]] + 3.0 - y[7]).abs() < 1e-5);
/// ```
///
/// # Panics
/// If the noise is negative or not finite.
#[track_caller]
pub fn linear(count: usize, weights: &[f64], bias: f64, noise: f64, seed: u64) -> (Array2<f32>, Array1<f32>) {
    assert!(noise >= 0.0 && noise.is_finite(), "linear: the noise is {noise}; it is a standard deviation");
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
    let (mut x, mut y) = (Array2::zeros((count, weights.len())), Array1::zeros(count));
    for (mut row, target) in x.rows_mut().into_iter().zip(&mut y) {
        let mut sum = bias;
        for (to, w) in row.iter_mut().zip(weights) {
            let z = normal();
            *to = z as f32;
            sum += w * z;
        }
        *target = (sum + noise * normal()) as f32;
    }
    (x, y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_lie_where_they_should() {
        for (x, &label) in moons(99, 0.0, 3).x().rows().into_iter().zip(moons(99, 0.0, 3).y()) {
            let (u, v) = if label == 0 { (x[0], x[1]) } else { (1.0 - x[0], 0.5 - x[1]) };
            assert!((u * u + v * v - 1.0).abs() < 1e-5 && v >= 0.0);
        }
        for (x, &label) in circles(50, 0.0, 3).x().rows().into_iter().zip(circles(50, 0.0, 3).y()) {
            let radius = if label == 0 { 1.0 } else { 0.5 };
            assert!((x[0].hypot(x[1]) - radius).abs() < 1e-6);
        }
        for (x, &label) in spirals(70, 7, 0.0, 3).x().rows().into_iter().zip(spirals(70, 7, 0.0, 3).y()) {
            let (radius, angle) = (f64::from(x[0].hypot(x[1])), f64::from(x[1].atan2(x[0])));
            let turns = angle / TAU - label as f64 / 7.0 - 0.8 * radius;
            assert!((turns - turns.round()).abs() < 1e-5 && (0.1..=1.0 + 1e-6).contains(&radius));
        }
    }

    #[test]
    fn noise_has_the_deviation_that_was_asked_for_and_repeats_by_its_seed() {
        let blobs = |seed| blobs(4000, &[[10.0, -10.0]], 2.0, seed);
        let x = blobs(1).x().column(0).to_owned();
        let mean = x.mean().unwrap();
        let std = x.mapv(|x| (x - mean).powi(2)).mean().unwrap().sqrt();
        assert!((mean - 10.0).abs() < 0.2 && (std - 2.0).abs() < 0.1, "{mean} {std}");
        assert_eq!(blobs(1), blobs(1));
        assert_ne!(blobs(1), blobs(2));
        assert_eq!(linear(5, &[1.0], 0.0, 0.3, 4), linear(5, &[1.0], 0.0, 0.3, 4));
        assert!(moons(0, 0.1, 1).is_empty());
    }
}
