//! Some eigenpairs of an operator.

use std::fmt;

use ndarray::{Array1, Array2, ArrayView1};

/// Some eigenpairs of an operator, those that were asked for first in front. Printed, they are a small table.
#[derive(Clone, Debug, PartialEq)]
pub struct Eigenpairs {
    /// the eigenvalues
    pub values: Array1<f64>,
    /// the eigenvectors, of length 1: column k belongs to eigenvalue k
    pub vectors: Array2<f64>,
    /// how far each pair is from being one: the length of `A v − λ v`. An eigenvalue lies within this distance of λ.
    pub residuals: Array1<f64>,
    /// the size of the operator: the largest eigenvalue in size that was seen, whether or not it was asked for
    pub scale: f64,
    /// the number of products with the operator that it took
    pub products: usize,
}

impl Eigenpairs {
    /// The eigenvector of an eigenvalue.
    pub fn vector(&self, k: usize) -> ArrayView1<'_, f64> {
        self.vectors.column(k)
    }

    /// The largest of the residuals; 0 if there are none.
    pub fn largest_residual(&self) -> f64 {
        self.residuals.iter().copied().fold(0.0, f64::max)
    }
}

impl fmt::Display for Eigenpairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  eigenvalue    residual")?;
        for (value, residual) in self.values.iter().zip(&self.residuals) {
            writeln!(f, "{value:>12.5e}  {residual:>10.1e}")?;
        }
        writeln!(f, "after {} products", self.products)
    }
}
