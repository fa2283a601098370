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

pub(crate) fn norm(v: &Array1<f64>) -> f64 {
    v.dot(v).sqrt()
}

/// An orthonormal basis of the space that the columns span, by Gram and Schmidt's method, applied twice to each column.
/// Columns that depend on those before them are left out.
pub(crate) fn orthonormal(columns: &Array2<f64>) -> Array2<f64> {
    let mut basis: Vec<Array1<f64>> = Vec::new();
    for column in columns.columns() {
        let mut v = column.to_owned();
        let before = norm(&v);
        for _ in 0..2 {
            for q in &basis {
                let along = q.dot(&v);
                v.scaled_add(-along, q);
            }
        }
        let length = norm(&v);
        if length > 1e-10 * before {
            basis.push(v / length);
        }
    }
    let mut matrix = Array2::zeros((columns.nrows(), basis.len()));
    basis.iter().enumerate().for_each(|(k, q)| matrix.column_mut(k).assign(q));
    matrix
}
