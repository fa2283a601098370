//! Bringing numbers to mean 0 and standard deviation 1.

use gradus_autograd::Float;
use ndarray::Array2;

use crate::Dataset;

/// `(x − mean) / std` with one mean and one standard deviation for all numbers, as fits pixels.
///
/// Fit it on the training data alone; what is measured on the test data must not have seen it.
///
/// ```
/// use gradus_data::{Normalizer, digits};
/// let digits = digits();
/// let normalizer = Normalizer::fit(digits.train.x());
/// let train = normalizer.apply(digits.train);
/// assert!(train.x().mean().unwrap().abs() < 1e-4);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalizer {
    /// what is taken off
    pub mean: f64,
    /// what is divided by; 1 if all numbers are the same
    pub std: f64,
}

impl Normalizer {
    /// The mean and the (population) standard deviation of all numbers.
    pub fn fit<T: Float>(x: &Array2<T>) -> Self {
        let n = x.len().max(1) as f64;
        let mean = x.iter().map(|x| x.to_f64()).sum::<f64>() / n;
        let variance = x.iter().map(|x| (x.to_f64() - mean).powi(2)).sum::<f64>() / n;
        Normalizer { mean, std: if variance > 0.0 { variance.sqrt() } else { 1.0 } }
    }

    /// The data set normalized.
    pub fn apply<T: Float>(&self, data: Dataset<T>) -> Dataset<T> {
        data.map(|x| T::from_f64((x.to_f64() - self.mean) / self.std))
    }
}
