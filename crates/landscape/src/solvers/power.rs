//! Eigenpairs by power iteration, the simplest method.

use ndarray::{Array1, Array2};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use crate::error::LandscapeError;
use crate::operators::{check_symmetric, product};
use crate::solvers::{norm, random_direction, remove};
use crate::{Eigenpairs, LinearOperator};

/// The eigenpairs of the largest size by power iteration: multiply a direction by the operator, scale it to length 1,
/// and repeat. The part along the eigenvalue of the largest size grows most in each product, until only it is left.
/// Once it is found, it is taken out of all products ("deflation"), and the next one is sought.
///
/// This is the method to learn from. [`Lanczos`](crate::Lanczos) needs far fewer products, since it keeps all of them.
/// How many this one needs depends on the ratio of the eigenvalue to the next one in size. If two have one size and
/// opposite signs, it does not converge.
///
/// ```
/// use gradus_landscape::PowerIteration;
/// use ndarray::{Array2, array};
/// let a = Array2::from_diag(&array![1.0, -8.0, 4.0]);
/// let found = PowerIteration::new(2).run(&a)?;
/// assert!((&found.values - &array![-8.0, 4.0]).iter().all(|d| d.abs() < 1e-6));
/// # Ok::<(), gradus_landscape::LandscapeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PowerIteration {
    pairs: usize,
    tolerance: f64,
    max_products: usize,
    seed: u64,
}

impl PowerIteration {
    /// Asks for this many pairs.
    pub fn new(pairs: usize) -> Self {
        PowerIteration { pairs, tolerance: 1e-6, max_products: 1000, seed: 0 }
    }

    /// Sets the residual to come to, as a share of the first eigenvalue's size. The default is 10⁻⁶.
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Sets after how many products for one pair to give up. The default is 1000.
    pub fn max_products(mut self, products: usize) -> Self {
        self.max_products = products;
        self
    }

    /// Sets the seed of the first directions. The default is 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Finds the pairs: as many as were asked for, or all if the operator has fewer.
    ///
    /// # Errors
    /// If a pair has not converged after the number of products that is allowed; the error holds what was reached. If a
    /// product cannot be computed or is not finite, or the operator is not symmetric.
    pub fn run(&self, a: &(impl LinearOperator + ?Sized)) -> Result<Eigenpairs, LandscapeError> {
        let dim = a.dim();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let (mut values, mut vectors, mut residuals) = (Vec::new(), Vec::<Array1<f64>>::new(), Vec::new());
        let mut products = 2;
        check_symmetric(a, self.seed)?;
        for _ in 0..self.pairs.min(dim) {
            let mut v = random_direction(dim, &mut rng);
            let left = remove(vectors.iter(), &mut v);
            v /= left;
            let scale = |value: f64| values.first().copied().unwrap_or(value).abs();
            let (mut value, mut residual, mut converged) = (0.0, f64::INFINITY, false);
            for _ in 0..self.max_products {
                let product = product(a, v.view())?;
                products += 1;
                value = v.dot(&product); // Rayleigh's quotient: the best λ for this v
                residual = norm(&(&product - &(&v * value)));
                converged = residual <= self.tolerance * scale(value);
                let mut next = product;
                let left = remove(vectors.iter(), &mut next);
                if converged || left == 0.0 {
                    break;
                }
                v = next / left;
            }
            let limit = self.tolerance * scale(value);
            values.push(value);
            residuals.push(residual);
            vectors.push(v);
            if !converged {
                let reached = Box::new(pairs(dim, values, &vectors, residuals, products));
                return Err(LandscapeError::Eigenpairs { reached, limit });
            }
        }
        Ok(pairs(dim, values, &vectors, residuals, products))
    }
}

fn pairs(dim: usize, values: Vec<f64>, vectors: &[Array1<f64>], residuals: Vec<f64>, products: usize) -> Eigenpairs {
    let mut matrix = Array2::zeros((dim, vectors.len()));
    vectors.iter().enumerate().for_each(|(k, v)| matrix.column_mut(k).assign(v));
    let scale = values.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    Eigenpairs { values: values.into(), vectors: matrix, residuals: residuals.into(), scale, products }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lanczos;
    use ndarray::array;

    #[test]
    fn it_finds_what_lanczos_finds_with_more_products() {
        let a = Array2::from_shape_fn((60, 60), |(i, j)| 1.0 / (1.0 + i as f64 + j as f64)); // Hilbert's matrix
        let (power, lanczos) =
            (PowerIteration::new(4).run(&a).unwrap(), Lanczos::largest_magnitude(4).run(&a).unwrap());
        assert!((&power.values - &lanczos.values).iter().all(|d| d.abs() < 1e-9), "{power}{lanczos}");
        assert!(power.products > lanczos.products);
    }

    #[test]
    fn of_low_rank_the_rest_is_0() {
        let v = Array1::from_shape_fn(40, |i| (i as f64).cos());
        let found = PowerIteration::new(3).run(&crate::operator(40, |x| &v * v.dot(&x))).unwrap();
        assert!((found.values[0] - v.dot(&v)).abs() < 1e-9 && found.values[1].abs() < 1e-9, "{found}");
    }

    #[test]
    fn two_of_one_size_and_opposite_signs_do_not_converge() {
        let error = PowerIteration::new(1).run(&array![[0.0, -2.0], [-2.0, 0.0]]).unwrap_err().to_string();
        assert!(error.starts_with("the eigenpairs have not converged after 1002 products"), "{error}");
    }

    #[test]
    fn all_pairs_and_none_can_be_asked_for() {
        assert_eq!(PowerIteration::new(3).run(&Array2::zeros((2, 2))).unwrap().values, array![0.0, 0.0]);
        assert_eq!(PowerIteration::new(3).run(&Array2::zeros((0, 0))).unwrap().values.len(), 0);
        let not_symmetric = array![[0.0, 1.0], [-1.0, 0.0]];
        assert!(matches!(PowerIteration::new(1).run(&not_symmetric), Err(LandscapeError::NotSymmetric { .. })));
    }
}
