//! The distribution of all eigenvalues of an operator, by stochastic Lanczos quadrature.

use std::f64::consts::PI;
use std::ops::{Bound, RangeBounds};

use ndarray::Array1;

use crate::LinearOperator;
use crate::error::LandscapeError;
use crate::solvers::krylov::Krylov;

/// The spectral density of an operator by stochastic Lanczos quadrature: from each of a few random directions, some
/// steps of Lanczos' method give a small matrix, whose eigenvalues with the squares of their vectors' first entries
/// tell where the operator's eigenvalues are, and how many.
///
/// The largest and smallest eigenvalues come out sharply, and the bulk between them as a few points that stand for
/// many.
///
/// Ubaru, Chen and Saad 2017 (<https://doi.org/10.1137/16M1104974>); for networks Ghorbani, Krishnan and Xiao 2019
/// (<https://arxiv.org/abs/1901.10159>), and PyHessian (<https://arxiv.org/abs/1912.07145>), which takes 100 steps from
/// one direction.
///
/// ```
/// use gradus_landscape::SpectralDensity;
/// use ndarray::{Array1, Array2};
/// let a = Array2::from_diag(&Array1::linspace(-1.0, 3.0, 400));
/// let spectrum = SpectralDensity::new().steps(40).probes(20).run(&a)?;
/// assert!((spectrum.share(..0.0) - 0.25).abs() < 0.02);
/// # Ok::<(), gradus_landscape::LandscapeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct SpectralDensity {
    steps: usize,
    probes: usize,
    seed: u64,
}

impl Default for SpectralDensity {
    fn default() -> Self {
        Self::new()
    }
}

impl SpectralDensity {
    /// 60 steps from each of 8 directions.
    pub fn new() -> Self {
        SpectralDensity { steps: 60, probes: 8, seed: 0 }
    }

    /// Sets the number of Lanczos' steps: how finely the spectrum is resolved.
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn steps(mut self, steps: usize) -> Self {
        assert!(steps > 0, "SpectralDensity: it takes at least one step");
        self.steps = steps;
        self
    }

    /// Sets the number of random directions: how exactly eigenvalues are counted.
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn probes(mut self, probes: usize) -> Self {
        assert!(probes > 0, "SpectralDensity: it takes at least one random direction");
        self.probes = probes;
        self
    }

    /// Sets the seed of the directions. The default is 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Computes the spectrum, with as many products as there are steps for each direction.
    ///
    /// # Errors
    /// If a product cannot be computed or is not finite, or the operator is not symmetric.
    pub fn run(&self, a: &(impl LinearOperator + ?Sized)) -> Result<Spectrum, LandscapeError> {
        let (dim, mut points) = (a.dim(), Vec::new());
        let probes = if dim == 0 { 0 } else { self.probes };
        for probe in 0..probes {
            let capacity = self.steps.min(dim);
            let seed = self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(probe as u64);
            let mut krylov = Krylov::new(dim, capacity, seed);
            krylov.extend(a)?;
            // an invariant space holds all eigenvalues that this direction has a part of
            while krylov.len() < capacity && !krylov.is_invariant() {
                krylov.extend(a)?;
            }
            let (values, vectors) = krylov.ritz();
            points.extend(values.iter().zip(vectors.row(0)).map(|(&value, &first)| (value, first * first)));
        }
        points.iter_mut().for_each(|(_, weight)| *weight /= probes as f64);
        Ok(Spectrum::new(dim, points))
    }
}

/// The distribution of an operator's eigenvalues: points with the share of all eigenvalues that each stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    /// the number of eigenvalues
    pub dim: usize,
    /// an eigenvalue, and the share of all that it stands for; the smallest first
    pub points: Vec<(f64, f64)>,
}

impl Spectrum {
    fn new(dim: usize, mut points: Vec<(f64, f64)>) -> Self {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Spectrum { dim, points }
    }

    /// The exact spectrum, of all eigenvalues.
    ///
    /// ```
    /// use gradus_landscape::Spectrum;
    /// let spectrum = Spectrum::of(&ndarray::array![-1.0, 0.0, 0.0, 5.0]);
    /// assert_eq!((spectrum.share(..0.0), spectrum.minimum_ratio(1e-6)), (0.25, 0.5));
    /// ```
    pub fn of(eigenvalues: &Array1<f64>) -> Self {
        let share = 1.0 / eigenvalues.len() as f64;
        Self::new(eigenvalues.len(), eigenvalues.iter().map(|&value| (value, share)).collect())
    }

    /// The smallest and the largest eigenvalue that was seen; `None` if there are none.
    pub fn extremes(&self) -> Option<(f64, f64)> {
        Some((self.points.first()?.0, self.points.last()?.0))
    }

    /// The share of the eigenvalues that lie in a range: in `..0.0`, say.
    pub fn share(&self, range: impl RangeBounds<f64>) -> f64 {
        self.points.iter().filter(|(value, _)| range.contains(value)).map(|(_, weight)| weight).sum()
    }

    /// The share of positive eigenvalues among those whose size is above `limit`; 1 where there are none. At a minimum
    /// it is 1, and far from one about ½, so it says how close to a minimum the directions of a point are. Eigenvalues
    /// near 0, of which a network has very many, are left out, because rounding decides their sign.
    pub fn minimum_ratio(&self, limit: f64) -> f64 {
        let positive = self.share((Bound::Excluded(limit), Bound::Unbounded));
        let negative = self.share((Bound::Unbounded, Bound::Excluded(-limit)));
        if positive + negative > 0.0 { positive / (positive + negative) } else { 1.0 }
    }

    /// The trace: the sum of all eigenvalues. From a few probes it is a rough estimate;
    /// [`hutch_pp`](crate::hutch_pp) gives a better one, with its error.
    pub fn trace(&self) -> f64 {
        self.dim as f64 * self.points.iter().map(|(value, weight)| value * weight).sum::<f64>()
    }

    /// The density at a place, with every point spread out as a normal distribution of the given standard deviation.
    pub fn density(&self, at: f64, width: f64) -> f64 {
        let bell = |distance: f64| (-0.5 * (distance / width).powi(2)).exp() / (width * (2.0 * PI).sqrt());
        self.points.iter().map(|(value, weight)| weight * bell(at - value)).sum()
    }

    /// The share of the eigenvalues between each two edges. An eigenvalue on an edge belongs to the bin above it, and
    /// the last bin has both of its edges.
    pub fn histogram(&self, edges: &[f64]) -> Vec<f64> {
        let bins = edges.len().saturating_sub(1);
        let of = |k: usize| match k + 1 == bins {
            true => self.share(edges[k]..=edges[k + 1]),
            false => self.share(edges[k]..edges[k + 1]),
        };
        (0..bins).map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    #[test]
    fn moments_and_extremes_are_those_of_the_matrix() {
        let mut values = Array1::linspace(-1.0, 1.0, 500);
        values[499] = 20.0;
        let a = Array2::from_diag(&values);
        let spectrum = SpectralDensity::new().probes(40).run(&a).unwrap();
        assert!((spectrum.extremes().unwrap().1 - 20.0).abs() < 1e-6);
        assert!((spectrum.trace() - values.sum()).abs() < 10.0, "{}", spectrum.trace());
        assert!((spectrum.share(..) - 1.0).abs() < 1e-12);
        assert!((spectrum.share(10.0..) - 0.002).abs() < 0.001, "one of 500");
        let area: f64 = (0..4000).map(|i| spectrum.density(-10.0 + 0.01 * f64::from(i), 0.2) * 0.01).sum();
        assert!((area - 1.0).abs() < 1e-3, "{area}");
    }

    #[test]
    fn histograms_count_each_eigenvalue_once() {
        let spectrum = Spectrum::of(&array![0.0, 1.0, 1.0, 2.0]);
        assert_eq!(spectrum.histogram(&[0.0, 1.0, 2.0]), [0.25, 0.75]);
        assert!(spectrum.histogram(&[]).is_empty() && spectrum.histogram(&[1.0]).is_empty());
    }

    #[test]
    fn an_empty_operator_has_no_spectrum() {
        let spectrum = SpectralDensity::new().run(&Array2::zeros((0, 0))).unwrap();
        assert_eq!((spectrum.extremes(), spectrum.trace(), spectrum.minimum_ratio(0.0)), (None, 0.0, 1.0));
        let zero = SpectralDensity::new().run(&Array2::zeros((9, 9))).unwrap();
        assert_eq!((zero.extremes(), zero.share(..)), (Some((0.0, 0.0)), 1.0));
    }
}
