//! The trait of operators, and operators from closures.

use ndarray::{Array1, Array2, ArrayView1};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use crate::critical::eigen;
use crate::error::{LandscapeError, finite};
use crate::solvers::{norm, random_direction};

/// A symmetric matrix that is known by its products with vectors: the Hessian of a model, say, which has too many
/// numbers to be formed. SciPy calls it `LinearOperator`, and PyHessian-like tools a curvature operator.
///
/// Vectors are of `f64`, whatever numbers the model computes with, because the solvers add up many of them.
pub trait LinearOperator {
    /// The number of rows, which is the number of columns.
    fn dim(&self) -> usize;

    /// The product `A v`.
    ///
    /// # Errors
    /// If it cannot be computed: the data cannot be read, say.
    fn apply(&self, v: ArrayView1<'_, f64>) -> Result<Array1<f64>, LandscapeError>;
}

impl<O: LinearOperator + ?Sized> LinearOperator for &O {
    fn dim(&self) -> usize {
        (**self).dim()
    }
    fn apply(&self, v: ArrayView1<'_, f64>) -> Result<Array1<f64>, LandscapeError> {
        (**self).apply(v)
    }
}

/// A matrix is an operator too.
///
/// # Panics
/// If it is not square.
impl LinearOperator for Array2<f64> {
    #[track_caller]
    fn dim(&self) -> usize {
        let (rows, columns) = self.dim();
        assert!(rows == columns, "a matrix of {rows} × {columns} numbers is no operator: it must be square");
        rows
    }
    fn apply(&self, v: ArrayView1<'_, f64>) -> Result<Array1<f64>, LandscapeError> {
        check_length("the vector", v.len(), self.ncols())?;
        Ok(self.dot(&v))
    }
}

/// An operator from a closure. Made by [`operator`].
#[derive(Clone, Copy, Debug)]
pub struct Closure<F> {
    dim: usize,
    times: F,
}

/// Makes an operator of dimension `dim` from a closure that multiplies a vector.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_landscape::{Lanczos, operator};
/// use ndarray::{Array1, ArrayView1};
/// // the Hessian of Σ xᵢ³ at x = (1, 2, … 1000), by Hessian-vector products
/// let at = Array1::from_iter((1..=1000).map(f64::from));
/// let hessian = operator(1000, |v: ArrayView1<'_, f64>| {
///     let tape = Tape::<f64>::mathematics();
///     let x = tape.var(&at);
///     let product = x.pow(3.0).sum().hvp([(x, v)]).wrt(x);
///     Array1::from_iter(product)
/// });
/// let top = Lanczos::largest(1).run(&hessian)?;
/// assert!((top.values[0] - 6000.0).abs() < 1e-2);
/// # Ok::<(), gradus_landscape::LandscapeError>(())
/// ```
pub fn operator<F: Fn(ArrayView1<'_, f64>) -> Array1<f64>>(dim: usize, times: F) -> Closure<F> {
    Closure { dim, times }
}

impl<F: Fn(ArrayView1<'_, f64>) -> Array1<f64>> LinearOperator for Closure<F> {
    fn dim(&self) -> usize {
        self.dim
    }
    fn apply(&self, v: ArrayView1<'_, f64>) -> Result<Array1<f64>, LandscapeError> {
        Ok((self.times)(v))
    }
}

/// The product, after checks that the vectors fit the operator and that all numbers are finite.
pub(crate) fn product(
    a: &(impl LinearOperator + ?Sized),
    v: ArrayView1<'_, f64>,
) -> Result<Array1<f64>, LandscapeError> {
    check_length("the vector", v.len(), a.dim())?;
    let product = a.apply(v)?;
    check_length("the product", product.len(), a.dim())?;
    finite("a product with the operator", product.iter().all(|x| x.is_finite()))?;
    Ok(product)
}

pub(crate) fn check_length(what: &'static str, given: usize, dim: usize) -> Result<(), LandscapeError> {
    if given == dim { Ok(()) } else { Err(LandscapeError::Length { what, given, dim }) }
}

/// The largest difference between `u·Av` and `v·Au` that is taken for rounding, as a share of the size of the products.
/// Products of `f32` models differ by some 10⁻⁶.
pub(crate) const ASYMMETRY: f64 = 1e-3;

/// Refuses an operator for which `u·Av` and `v·Au` differ, for two random vectors.
pub(crate) fn check_symmetric(a: &(impl LinearOperator + ?Sized), seed: u64) -> Result<(), LandscapeError> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(!seed);
    let (u, v) = (random_direction(a.dim(), &mut rng), random_direction(a.dim(), &mut rng));
    let (au, av) = (product(a, u.view())?, product(a, v.view())?);
    let difference = (u.dot(&av) - v.dot(&au)).abs();
    let scale = norm(&au).max(norm(&av));
    // u and v are almost at right angles, so both products are of the size ‖A‖ / √n
    let limit = ASYMMETRY * scale / (a.dim().max(1) as f64).sqrt().max(1.0);
    if difference <= limit.max(f64::MIN_POSITIVE) {
        Ok(())
    } else {
        Err(LandscapeError::NotSymmetric { difference, scale })
    }
}

/// The operator as a matrix, column by column: as many products as it has columns. For small models and for tests.
///
/// ```
/// use gradus_landscape::{dense, operator};
/// use ndarray::array;
/// let swap = operator(2, |v| array![v[1], v[0]]);
/// assert_eq!(dense(&swap)?, array![[0.0, 1.0], [1.0, 0.0]]);
/// # Ok::<(), gradus_landscape::LandscapeError>(())
/// ```
///
/// # Errors
/// If a product cannot be computed or is not finite.
pub fn dense(a: &(impl LinearOperator + ?Sized)) -> Result<Array2<f64>, LandscapeError> {
    let n = a.dim();
    let mut matrix = Array2::zeros((n, n));
    for k in 0..n {
        let mut unit = Array1::zeros(n);
        unit[k] = 1.0;
        matrix.column_mut(k).assign(&product(a, unit.view())?);
    }
    Ok(matrix)
}

/// All eigenvalues of an operator, the smallest first. The matrix is formed, so this is for up to some thousand
/// numbers: a solver's work grows with the cube of their number.
///
/// ```
/// use ndarray::array;
/// let values = gradus_landscape::eigenvalues(&array![[0.0, -2.0], [-2.0, 0.0]])?;
/// assert!((&values - &array![-2.0, 2.0]).iter().all(|d| d.abs() < 1e-14));
/// # Ok::<(), gradus_landscape::LandscapeError>(())
/// ```
///
/// # Errors
/// If a product cannot be computed or is not finite, or the operator is not symmetric.
pub fn eigenvalues(a: &(impl LinearOperator + ?Sized)) -> Result<Array1<f64>, LandscapeError> {
    let matrix = dense(a)?;
    let scale = matrix.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
    let difference = (&matrix - &matrix.t()).iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
    if difference > ASYMMETRY * scale {
        return Err(LandscapeError::NotSymmetric { difference, scale });
    }
    Ok(eigen(&matrix).0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn vectors_that_do_not_fit_are_refused() {
        let a = array![[1.0, 0.0], [0.0, 1.0]];
        let error = product(&a, Array1::zeros(3).view()).unwrap_err().to_string();
        assert_eq!(error, "the vector has 3 numbers, but the operator is of dimension 2");
        let short = operator(3, |_| Array1::zeros(2));
        let error = product(&short, Array1::zeros(3).view()).unwrap_err().to_string();
        assert_eq!(error, "the product has 2 numbers, but the operator is of dimension 3");
        let lost = operator(1, |_| array![f64::NAN]);
        let error = product(&lost, Array1::zeros(1).view()).unwrap_err().to_string();
        assert_eq!(error, "a product with the operator is not finite at this point");
    }

    #[test]
    fn what_is_not_symmetric_is_refused() {
        for n in [2, 30, 400] {
            let mut a = Array2::from_shape_fn((n, n), |(i, j)| ((i * j) as f64).sin());
            check_symmetric(&a, 0).unwrap();
            eigenvalues(&a).unwrap();
            a[[0, 1]] += 3.0 * (n as f64);
            assert!(matches!(check_symmetric(&a, 0), Err(LandscapeError::NotSymmetric { .. })), "{n}");
            assert!(matches!(eigenvalues(&a), Err(LandscapeError::NotSymmetric { .. })));
        }
        assert!(check_symmetric(&Array2::zeros((4, 4)), 0).is_ok());
        assert!(check_symmetric(&Array2::zeros((0, 0)), 0).is_ok());
    }
}
