//! The trace of an operator, estimated from random products.

use std::fmt;

use ndarray::{Array1, Array2};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::LinearOperator;
use crate::error::LandscapeError;
use crate::operators::product;
use crate::solvers::{orthonormal, remove};

/// An estimate with its error: in about 95 of 100 cases the true number is within `value ± error`. With few samples it
/// is in fewer cases where one direction dominates, since a few samples may not show how much they can differ: 82 of
/// 100 with 4 samples, 90 with 20 and 93 with 60, for Hutchinson's estimate of a matrix of rank one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// the estimate
    pub value: f64,
    /// half the width of the 95 % confidence interval, by Student's distribution of the samples' mean
    pub error: f64,
    /// the number of products with the operator that it took
    pub products: usize,
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.5e} ± {:.1e}", self.value, self.error)
    }
}

/// The fewest samples whose spread tells an error.
const FEWEST: usize = 4;

/// The trace of an operator, `Σ λ`, by Hutchinson's estimator: the mean of `zᵀ A z` over vectors z of random signs.
/// The error falls with the square root of the number of samples.
///
/// Hutchinson 1989 (<https://doi.org/10.1080/03610918908812806>).
///
/// ```
/// use ndarray::{Array1, Array2};
/// let a = Array2::from_diag(&Array1::linspace(0.0, 1.0, 101)) + 0.01;
/// let trace = gradus_landscape::hutchinson(&a, 200, 0)?;
/// assert!((trace.value - 51.51).abs() < trace.error);
/// # Ok::<(), gradus_landscape::LandscapeError>(())
/// ```
///
/// # Panics
/// If there are fewer than 4 samples, whose spread tells no error.
///
/// # Errors
/// If a product cannot be computed or is not finite.
#[track_caller]
pub fn hutchinson(a: &(impl LinearOperator + ?Sized), samples: usize, seed: u64) -> Result<Estimate, LandscapeError> {
    assert!(samples >= FEWEST, "hutchinson: {samples} samples; it takes at least {FEWEST} to tell the error");
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut seen = Vec::with_capacity(samples);
    for _ in 0..samples {
        let z = signs(a.dim(), &mut rng);
        seen.push(z.dot(&product(a, z.view())?));
    }
    let (value, error) = mean(&seen);
    Ok(Estimate { value, error, products: samples })
}

/// The trace of an operator by Hutch++: a third of the products finds the directions in which the operator is large,
/// whose trace is computed exactly with another third; [`hutchinson`] estimates the rest. Where a few eigenvalues are
/// much larger than all others, as in the Hessian of a network, the error is much smaller for the same number of
/// products.
///
/// Meyer, Musco, Musco and Woodruff 2021 (<https://arxiv.org/abs/2010.09649>).
///
/// ```
/// use gradus_landscape::{hutch_pp, hutchinson, operator};
/// use ndarray::Array1;
/// // the identity, and one direction that is much larger
/// let v = Array1::linspace(0.0, 1.0, 101);
/// let a = operator(101, |x| &x + &(&v * (1000.0 * v.dot(&x))));
/// let (plain, better) = (hutchinson(&a, 60, 0)?, hutch_pp(&a, 60, 0)?);
/// assert!((better.value - 101.0 - 1000.0 * v.dot(&v)).abs() <= better.error);
/// assert!(better.error < 1e-3 * plain.error);
/// # Ok::<(), gradus_landscape::LandscapeError>(())
/// ```
///
/// # Panics
/// If there are fewer than 12 products, whose spread tells no error.
///
/// # Errors
/// If a product cannot be computed or is not finite.
#[track_caller]
pub fn hutch_pp(a: &(impl LinearOperator + ?Sized), products: usize, seed: u64) -> Result<Estimate, LandscapeError> {
    let third = products / 3;
    assert!(third >= FEWEST, "hutch_pp: {products} products; it takes at least {} to tell the error", 3 * FEWEST);
    let (dim, mut rng) = (a.dim(), Xoshiro256PlusPlus::seed_from_u64(seed));
    let mut sketch = Array2::zeros((dim, third));
    for mut column in sketch.columns_mut() {
        column.assign(&product(a, signs(dim, &mut rng).view())?);
    }
    let basis = orthonormal(&sketch);
    let mut large = 0.0;
    for q in &basis {
        large += q.dot(&product(a, q.view())?);
    }
    let mut seen = Vec::with_capacity(third);
    for _ in 0..third {
        let mut z = signs(dim, &mut rng);
        remove(basis.iter(), &mut z);
        seen.push(z.dot(&product(a, z.view())?));
    }
    let (rest, error) = mean(&seen);
    Ok(Estimate { value: large + rest, error, products: 2 * third + basis.len() })
}

fn signs(dim: usize, rng: &mut Xoshiro256PlusPlus) -> Array1<f64> {
    Array1::from_shape_simple_fn(dim, || if rng.random::<bool>() { 1.0 } else { -1.0 })
}

/// The mean of samples, and half the width of its 95 % confidence interval.
fn mean(samples: &[f64]) -> (f64, f64) {
    let n = samples.len() as f64;
    let mean = samples.iter().sum::<f64>() / n;
    let variance = samples.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, student(n - 1.0) * (variance / n).sqrt())
}

/// The 97.5 % point of Student's distribution, by its expansion in the inverse of the degrees of freedom (Abramowitz
/// and Stegun 1964, 26.7.5). It is within 1 % from 3 degrees on.
fn student(degrees: f64) -> f64 {
    const Z: f64 = 1.959_963_984_540_054;
    let z = |power| Z.powi(power);
    let terms = [
        z(1),
        (z(3) + z(1)) / 4.0,
        (5.0 * z(5) + 16.0 * z(3) + 3.0 * z(1)) / 96.0,
        (3.0 * z(7) + 19.0 * z(5) + 17.0 * z(3) - 15.0 * z(1)) / 384.0,
    ];
    terms.iter().rev().fold(0.0, |sum, term| sum / degrees + term)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator;

    /// The values are those of a table of Student's distribution.
    #[test]
    fn students_points_are_those_of_the_tables() {
        for (degrees, expected) in [(3.0, 3.182), (5.0, 2.571), (10.0, 2.228), (30.0, 2.042), (120.0, 1.980)] {
            assert!((student(degrees) - expected).abs() < 0.01 * expected, "{degrees}: {}", student(degrees));
        }
    }

    /// The stated error holds as often as it says: counted over 400 seeds.
    #[test]
    fn traces_lie_within_their_stated_error_in_95_of_100_seeds() {
        let n = 150;
        let a = Array2::from_shape_fn((n, n), |(i, j)| {
            let (i, j) = (i.min(j) as f64, i.max(j) as f64);
            (i * 1.7 + j * 0.3).sin() + if i == j { 40.0 / (1.0 + i) } else { 0.0 }
        });
        let trace = a.diag().sum();
        type Method = fn(&Array2<f64>, usize, u64) -> Result<Estimate, LandscapeError>;
        for (name, method) in [("hutchinson", hutchinson as Method), ("hutch_pp", hutch_pp)] {
            let within = (0..400)
                .filter(|&seed| {
                    let estimate = method(&a, 60, seed).unwrap();
                    (estimate.value - trace).abs() <= estimate.error
                })
                .count();
            // 95 % of 400 are 380, with a standard deviation of 4.4
            assert!((366..=394).contains(&within), "{name}: {within} of 400");
        }
    }

    #[test]
    fn hutch_pp_is_exact_where_all_large_directions_are_found() {
        let v = Array1::from_shape_fn(100, |i| (i as f64).sin());
        let rank_one = operator(100, |x| &v * v.dot(&x));
        let (plain, better) = (hutchinson(&rank_one, 30, 1).unwrap(), hutch_pp(&rank_one, 30, 1).unwrap());
        assert!((better.value - v.dot(&v)).abs() < 1e-10 && better.error < 1e-10, "{better}");
        assert!(plain.error > 1.0 && better.products < 30);
        assert_eq!(hutch_pp(&Array2::zeros((7, 7)), 12, 0).unwrap().value, 0.0);
    }
}
