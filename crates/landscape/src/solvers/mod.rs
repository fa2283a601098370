//! What is computed from an operator's products alone.

mod conjugate;
mod eigenpairs;
mod krylov;
mod lanczos;
mod power;
mod spectrum;
mod trace;

use ndarray::{Array1, Array2};
use rand::rngs::Xoshiro256PlusPlus;
use rand_distr::{Distribution, StandardNormal};

pub use conjugate::{ConjugateGradients, Solution};
pub use eigenpairs::Eigenpairs;
pub use lanczos::Lanczos;
pub use power::PowerIteration;
pub use spectrum::{SpectralDensity, Spectrum};
pub use trace::{Estimate, hutch_pp, hutchinson};

/// A direction of length 1 that is equally likely in every direction.
pub(crate) fn random_direction(dim: usize, rng: &mut Xoshiro256PlusPlus) -> Array1<f64> {
    let v = Array1::from_shape_simple_fn(dim, || StandardNormal.sample(rng));
    let norm = norm(&v);
    if norm > 0.0 { v / norm } else { v }
}

/// The 2-norm.
pub(crate) fn norm(v: &Array1<f64>) -> f64 {
    gradus_autograd::internal::norm(|f| f(v.as_slice_memory_order().expect("an array that owns its numbers")))
}

/// Takes the parts along orthonormal directions out of a vector (Gram and Schmidt's method), and returns the length of
/// what is left. It is done twice, since rounding leaves a part the first time.
pub(crate) fn remove<'q>(basis: impl Iterator<Item = &'q Array1<f64>> + Clone, v: &mut Array1<f64>) -> f64 {
    for _ in 0..2 {
        for q in basis.clone() {
            let along = q.dot(v);
            v.scaled_add(-along, q);
        }
    }
    norm(v)
}

/// An orthonormal basis of the space that the columns span. Columns that depend on those before them are left out.
pub(crate) fn orthonormal(columns: &Array2<f64>) -> Vec<Array1<f64>> {
    let mut basis: Vec<Array1<f64>> = Vec::new();
    for column in columns.columns() {
        let mut v = column.to_owned();
        let before = norm(&v);
        let left = remove(basis.iter(), &mut v);
        if left > 1e-10 * before {
            basis.push(v / left);
        }
    }
    basis
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn norms_are_right_at_the_ends_of_the_range() {
        for scale in [1e-300, 1e-170, 1.0, 1e170, 1e300] {
            assert!((norm(&array![3.0 * scale, 4.0 * scale]) / (5.0 * scale) - 1.0).abs() < 1e-15, "{scale}");
        }
        assert_eq!(norm(&array![0.0, 0.0]), 0.0);
        assert!(norm(&array![f64::NAN, 1.0]).is_nan() && norm(&array![1.0, f64::NAN]).is_nan());
        assert!(norm(&array![f64::INFINITY, 1.0]).is_infinite());
    }
}
