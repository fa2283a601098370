//! Operators made of operators.

use ndarray::{Array1, Array2, ArrayView1};

use crate::LinearOperator;
use crate::error::LandscapeError;
use crate::operators::{check_length, product};
use crate::solvers::{orthonormal, remove};

/// A linear combination of operators, `c I + Σ cᵢ Aᵢ`. With a Hessian and a positive multiple of the identity it is the
/// damped Hessian of Levenberg and Marquardt.
///
/// ```
/// use gradus_landscape::{Combination, LinearOperator};
/// use ndarray::array;
/// let (a, b) = (array![[1.0, 2.0], [2.0, 1.0]], array![[0.0, 1.0], [1.0, 0.0]]);
/// let both = Combination::of(1.0, &a).plus(-2.0, &b).plus_identity(10.0);
/// assert_eq!(both.apply(array![1.0, 0.0].view())?, array![11.0, 0.0]);
/// # Ok::<(), gradus_landscape::LandscapeError>(())
/// ```
#[derive(Clone)]
pub struct Combination<'o> {
    terms: Vec<(f64, &'o dyn LinearOperator)>,
    identity: f64,
}

impl std::fmt::Debug for Combination<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let factors: Vec<f64> = self.terms.iter().map(|(factor, _)| *factor).collect();
        write!(f, "Combination {factors:?} + {} I", self.identity)
    }
}

impl<'o> Combination<'o> {
    /// A multiple of an operator.
    pub fn of(factor: f64, a: &'o dyn LinearOperator) -> Self {
        Combination { terms: vec![(factor, a)], identity: 0.0 }
    }

    /// Adds a multiple of another operator.
    ///
    /// # Panics
    /// If the two are of different dimensions.
    #[track_caller]
    pub fn plus(mut self, factor: f64, a: &'o dyn LinearOperator) -> Self {
        let (ours, theirs) = (self.dim(), a.dim());
        assert!(ours == theirs, "Combination: operators of dimensions {ours} and {theirs} cannot be added");
        self.terms.push((factor, a));
        self
    }

    /// Adds a multiple of the identity.
    pub fn plus_identity(mut self, factor: f64) -> Self {
        self.identity += factor;
        self
    }
}

impl LinearOperator for Combination<'_> {
    fn dim(&self) -> usize {
        self.terms[0].1.dim()
    }
    fn apply(&self, v: ArrayView1<'_, f64>) -> Result<Array1<f64>, LandscapeError> {
        let mut sum = &v * self.identity;
        for (factor, a) in &self.terms {
            sum.scaled_add(*factor, &product(*a, v)?);
        }
        Ok(sum)
    }
}

/// An operator without some directions: `P A P`, where `P = I − Q Qᵀ` removes them. What is left has the eigenvalue 0
/// along them and, if they were eigenvectors, all other eigenpairs unchanged: so the next pairs can be asked for.
///
/// ```
/// use gradus_landscape::{Deflated, Lanczos};
/// use ndarray::{Array2, array};
/// let a = Array2::from_diag(&array![5.0, 4.0, 3.0, 2.0]);
/// let first = Lanczos::largest(1).run(&a)?;
/// let second = Lanczos::largest(1).run(&Deflated::new(&a, &first.vectors))?;
/// assert!((second.values[0] - 4.0).abs() < 1e-9);
/// # Ok::<(), gradus_landscape::LandscapeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Deflated<O> {
    operator: O,
    basis: Vec<Array1<f64>>,
}

impl<O: LinearOperator> Deflated<O> {
    /// Takes the columns of `directions` out of an operator. They need not be at right angles.
    ///
    /// # Panics
    /// If they are not of the operator's dimension.
    #[track_caller]
    pub fn new(operator: O, directions: &Array2<f64>) -> Self {
        let basis = basis(&operator, directions);
        Deflated { operator, basis }
    }

    fn without(&self, v: ArrayView1<'_, f64>) -> Array1<f64> {
        let mut left = v.to_owned();
        remove(self.basis.iter(), &mut left);
        left
    }
}

impl<O: LinearOperator> LinearOperator for Deflated<O> {
    fn dim(&self) -> usize {
        self.operator.dim()
    }
    fn apply(&self, v: ArrayView1<'_, f64>) -> Result<Array1<f64>, LandscapeError> {
        check_length("the vector", v.len(), self.dim())?;
        Ok(self.without(product(&self.operator, self.without(v).view())?.view()))
    }
}

/// An operator seen within a few directions only: `Qᵀ A Q`, of as many rows as there are directions. Its eigenvalues
/// are the curvatures that a descent meets which stays within them.
///
/// ```
/// use gradus_landscape::{Restricted, dense};
/// use ndarray::array;
/// let a = array![[2.0, 0.0, 7.0], [0.0, 3.0, 7.0], [7.0, 7.0, 7.0]];
/// let plane = Restricted::new(&a, &array![[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]);
/// assert_eq!(dense(&plane)?, array![[2.0, 0.0], [0.0, 3.0]]);
/// # Ok::<(), gradus_landscape::LandscapeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Restricted<O> {
    operator: O,
    basis: Vec<Array1<f64>>,
}

impl<O: LinearOperator> Restricted<O> {
    /// Restricts an operator to the space that the columns of `directions` span. They need not be at right angles;
    /// those that depend on the ones before them are left out.
    ///
    /// # Panics
    /// If they are not of the operator's dimension.
    #[track_caller]
    pub fn new(operator: O, directions: &Array2<f64>) -> Self {
        let basis = basis(&operator, directions);
        Restricted { operator, basis }
    }
}

impl<O: LinearOperator> LinearOperator for Restricted<O> {
    fn dim(&self) -> usize {
        self.basis.len()
    }
    fn apply(&self, v: ArrayView1<'_, f64>) -> Result<Array1<f64>, LandscapeError> {
        check_length("the vector", v.len(), self.dim())?;
        let mut full = Array1::zeros(self.operator.dim());
        self.basis.iter().zip(v).for_each(|(q, &along)| full.scaled_add(along, q));
        let product = product(&self.operator, full.view())?;
        Ok(self.basis.iter().map(|q| q.dot(&product)).collect())
    }
}

#[track_caller]
fn basis(operator: &impl LinearOperator, directions: &Array2<f64>) -> Vec<Array1<f64>> {
    let (rows, dim) = (directions.nrows(), operator.dim());
    assert!(rows == dim, "the directions have {rows} numbers each, but the operator is of dimension {dim}");
    orthonormal(directions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dense, eigenvalues};
    use ndarray::array;

    fn symmetric() -> Array2<f64> {
        Array2::from_shape_fn((6, 6), |(i, j)| ((i.min(j) * 7 + i.max(j)) as f64).sin())
    }

    #[test]
    fn directions_that_are_taken_out_have_the_eigenvalue_0() {
        let a = symmetric();
        let directions = array![[1.0, 1.0], [2.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [1.0, -1.0]];
        let rest = dense(&Deflated::new(&a, &directions)).unwrap();
        assert!(rest.dot(&directions).iter().all(|x| x.abs() < 1e-14));
        let off = array![0.0, 0.0, 0.0, 0.0, 1.0, 0.0]; // at right angles to both
        assert!((off.dot(&rest.dot(&off)) - a[[4, 4]]).abs() < 1e-14);
    }

    #[test]
    fn within_an_invariant_space_the_eigenvalues_are_kept() {
        let a = Array2::from_diag(&array![5.0, 4.0, 3.0]);
        let plane = Restricted::new(&a, &array![[1.0, 1.0, 2.0], [0.0, 0.0, 0.0], [1.0, -1.0, 0.0]]);
        assert_eq!(plane.dim(), 2, "the third direction depends on the others");
        assert!((&eigenvalues(&plane).unwrap() - &array![3.0, 5.0]).iter().all(|d| d.abs() < 1e-14));
        let error = plane.apply(Array1::zeros(3).view()).unwrap_err().to_string();
        assert_eq!(error, "the vector has 3 numbers, but the operator is of dimension 2");
        assert!(Deflated::new(&a, &Array2::zeros((3, 1))).apply(Array1::zeros(2).view()).is_err());
    }

    #[test]
    fn a_combination_is_the_sum_of_the_matrices() {
        let (a, b) = (symmetric(), Array2::from_diag(&Array1::linspace(1.0, 6.0, 6)));
        let both = dense(&Combination::of(2.0, &a).plus(-0.5, &b).plus_identity(3.0)).unwrap();
        let expected = &a * 2.0 - &b * 0.5 + Array2::<f64>::eye(6) * 3.0;
        assert!((both - expected).iter().all(|d| d.abs() < 1e-14));
    }

    #[test]
    #[should_panic(expected = "operators of dimensions 6 and 2 cannot be added")]
    fn operators_of_other_dimensions_cannot_be_added() {
        let _ = Combination::of(1.0, &symmetric()).plus(1.0, &Array2::eye(2));
    }
}
