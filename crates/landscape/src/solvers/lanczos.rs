//! Extreme eigenpairs by Lanczos' method.

use ndarray::{Array1, Array2};

use crate::error::LandscapeError;
use crate::operators::product;
use crate::solvers::krylov::Krylov;
use crate::solvers::norm;
use crate::{Eigenpairs, LinearOperator};

/// Which eigenvalues are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Largest,
    Smallest,
    Magnitude,
}

/// Extreme eigenpairs of an operator by Lanczos' method, with full reorthogonalisation and thick restarts.
///
/// Products with the operator build a basis of directions (Krylov space), and the eigenpairs of the operator within it
/// (Ritz pairs) come close to the extreme ones soon: some thirty products find the largest eigenvalues of a network's
/// Hessian. It stops when the residual of every pair, the length of `A v − λ v`, is at most `tolerance` times the
/// largest eigenvalue in size. A residual is estimated on the way, and computed by a product of its own at the end.
///
/// Lanczos 1950 (<https://doi.org/10.6028/jres.045.026>), with the restart of Wu and Simon 2000
/// (<https://doi.org/10.1137/S0895479898334605>). SciPy has it as `eigsh`, by ARPACK.
///
/// ```
/// use gradus_landscape::Lanczos;
/// use ndarray::{Array1, Array2};
/// let a = Array2::from_diag(&Array1::linspace(-3.0, 10.0, 500));
/// let top = Lanczos::largest(2).run(&a)?;
/// assert!((top.values[0] - 10.0).abs() < 1e-6 && top.products < 500);
/// let lowest = Lanczos::smallest(1).run(&a)?;
/// assert!((lowest.values[0] + 3.0).abs() < 1e-6);
/// # Ok::<(), gradus_landscape::LandscapeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Lanczos {
    pairs: usize,
    which: Which,
    tolerance: f64,
    max_products: usize,
    basis: Option<usize>,
    seed: u64,
}

impl Lanczos {
    /// Asks for the largest eigenvalues, the largest first.
    pub fn largest(pairs: usize) -> Self {
        Self::new(pairs, Which::Largest)
    }

    /// Asks for the smallest eigenvalues, the smallest (most negative) first.
    pub fn smallest(pairs: usize) -> Self {
        Self::new(pairs, Which::Smallest)
    }

    /// Asks for the eigenvalues of the largest size, whatever their sign, the largest first.
    pub fn largest_magnitude(pairs: usize) -> Self {
        Self::new(pairs, Which::Magnitude)
    }

    fn new(pairs: usize, which: Which) -> Self {
        Lanczos { pairs, which, tolerance: 1e-6, max_products: 1000, basis: None, seed: 0 }
    }

    /// Sets the residual to come to, as a share of the largest eigenvalue in size. The default is 10⁻⁶.
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Sets after how many products to give up. The default is 1000.
    pub fn max_products(mut self, products: usize) -> Self {
        self.max_products = products;
        self
    }

    /// Sets how many vectors are kept before a restart. The default is 30, or three times the number of pairs if that
    /// is more. More vectors take more memory, and fewer products.
    pub fn basis(mut self, vectors: usize) -> Self {
        self.basis = Some(vectors);
        self
    }

    /// Sets the seed of the first direction. The default is 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Finds the pairs: as many as were asked for, or all if the operator has fewer.
    ///
    /// # Errors
    /// If the pairs have not converged after the number of products that is allowed; the error holds what was reached.
    /// If a product cannot be computed or is not finite, or the operator is not symmetric.
    pub fn run(&self, a: &(impl LinearOperator + ?Sized)) -> Result<Eigenpairs, LandscapeError> {
        let dim = a.dim();
        let pairs = self.pairs.min(dim);
        if pairs == 0 {
            let (values, residuals) = (Array1::zeros(0), Array1::zeros(0));
            return Ok(Eigenpairs { values, vectors: Array2::zeros((dim, 0)), residuals, products: 0 });
        }
        let capacity = self.basis.unwrap_or(30.max(3 * pairs)).max(pairs + 2).min(dim);
        let mut krylov = Krylov::new(dim, capacity, self.seed);
        let mut was_invariant = false;
        for products in 1.. {
            krylov.extend(a)?;
            let full = krylov.len() == capacity;
            if krylov.len() < pairs {
                continue;
            }
            let (values, vectors) = krylov.ritz();
            let order = self.order(&values);
            let limit = self.tolerance * values.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
            let last = krylov.len() - 1;
            let converged = order[..pairs].iter().all(|&k| krylov.beta() * vectors[[last, k]].abs() <= limit);
            // an invariant space can lack eigenvalues that occur twice: a drawn direction finds them
            let surprised = krylov.is_invariant() && !was_invariant && !krylov.is_complete();
            was_invariant = krylov.is_invariant();
            let over = products >= self.max_products;
            if krylov.is_complete() || (converged && !surprised) || over {
                let found = self.finish(a, &krylov, &order[..pairs], (&values, &vectors), products)?;
                let missed = over && !converged && !krylov.is_complete();
                return if missed {
                    Err(LandscapeError::Eigenpairs { reached: Box::new(found), limit })
                } else {
                    Ok(found)
                };
            }
            if full {
                let keep = (pairs + (capacity - pairs) / 3).min(capacity - 1);
                krylov.restart(&order[..keep], &values, &vectors);
            }
        }
        unreachable!("the loop ends within the products that are allowed")
    }

    /// The places of the eigenvalues, those that are asked for first in front.
    fn order(&self, values: &Array1<f64>) -> Vec<usize> {
        let mut order: Vec<usize> = (0..values.len()).collect();
        let key = |k: usize| match self.which {
            Which::Largest => -values[k],
            Which::Smallest => values[k],
            Which::Magnitude => -values[k].abs(),
        };
        order.sort_by(|&a, &b| key(a).total_cmp(&key(b)));
        order
    }

    fn finish(
        &self,
        a: &(impl LinearOperator + ?Sized),
        krylov: &Krylov,
        order: &[usize],
        (ritz, coordinates): (&Array1<f64>, &Array2<f64>),
        products: usize,
    ) -> Result<Eigenpairs, LandscapeError> {
        let mut vectors = Array2::zeros((a.dim(), order.len()));
        let mut residuals = Array1::zeros(order.len());
        for (place, &k) in order.iter().enumerate() {
            let mut v = krylov.vector(coordinates.column(k));
            v /= norm(&v);
            let mut residual = product(a, v.view())?;
            residual.scaled_add(-ritz[k], &v);
            residuals[place] = norm(&residual);
            vectors.column_mut(place).assign(&v);
        }
        let values = order.iter().map(|&k| ritz[k]).collect();
        Ok(Eigenpairs { values, vectors, residuals, products: products + order.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{eigenvalues, operator};
    use ndarray::{Array2, array};

    /// A symmetric matrix with given eigenvalues: a diagonal one, seen through two reflections.
    fn with_eigenvalues(values: &Array1<f64>) -> Array2<f64> {
        let n = values.len();
        let reflection = |seed: f64| {
            let v = Array1::from_shape_fn(n, |i| ((i + 1) as f64 * seed).sin());
            let outer = Array2::from_shape_fn((n, n), |(i, j)| v[i] * v[j]);
            Array2::eye(n) - outer * (2.0 / v.dot(&v))
        };
        let q = reflection(0.7).dot(&reflection(1.3));
        q.dot(&Array2::from_diag(values)).dot(&q.t())
    }

    #[test]
    fn pairs_agree_with_the_dense_solver() {
        let values = Array1::from_shape_fn(300, |i| ((i * i) as f64 * 0.37).sin() * (1.0 + i as f64));
        let a = with_eigenvalues(&values);
        let all = eigenvalues(&a).unwrap();
        let scale = all[299].abs().max(all[0].abs());
        let close = |found: &Array1<f64>, expected: Vec<f64>| {
            found.iter().zip(&expected).for_each(|(f, e)| assert!((f - e).abs() < 1e-9 * scale, "{f} and {e}"));
        };
        let largest = Lanczos::largest(4).tolerance(1e-8).run(&a).unwrap();
        close(&largest.values, all.iter().rev().take(4).copied().collect());
        close(&Lanczos::smallest(4).tolerance(1e-8).run(&a).unwrap().values, all.iter().take(4).copied().collect());
        let mut by_size = all.to_vec();
        by_size.sort_by(|x, y| y.abs().total_cmp(&x.abs()));
        close(&Lanczos::largest_magnitude(4).tolerance(1e-8).run(&a).unwrap().values, by_size[..4].to_vec());
        assert!(largest.largest_residual() < 2e-8 * scale, "{largest}");
        let gram = largest.vectors.t().dot(&largest.vectors) - Array2::<f64>::eye(4);
        assert!(gram.iter().all(|d| d.abs() < 1e-12));
    }

    #[test]
    fn eigenvalues_that_occur_twice_are_found_twice() {
        let mut values = Array1::linspace(0.0, 1.0, 60);
        values.slice_mut(ndarray::s![..3]).fill(5.0);
        let found = Lanczos::largest(4).run(&with_eigenvalues(&values)).unwrap();
        assert!((&found.values - &array![5.0, 5.0, 5.0, 1.0]).iter().all(|d| d.abs() < 1e-6), "{found}");
        let identity = Lanczos::largest(3).run(&Array2::eye(50)).unwrap();
        assert!(identity.values.iter().all(|x| (x - 1.0).abs() < 1e-14) && identity.values.len() == 3);
    }

    #[test]
    fn of_low_rank_the_rest_is_0() {
        let v = Array1::from_shape_fn(80, |i| (i as f64).cos());
        let rank_one = operator(80, |x| &v * v.dot(&x));
        let found = Lanczos::largest(5).run(&rank_one).unwrap();
        assert!((found.values[0] - v.dot(&v)).abs() < 1e-10 && found.products < 20, "{found}");
        assert!(found.values.iter().skip(1).all(|x| x.abs() < 1e-10));
        assert_eq!(Lanczos::largest(2).run(&Array2::zeros((6, 6))).unwrap().values, array![0.0, 0.0]);
    }

    #[test]
    fn small_and_empty_operators_have_fewer_pairs() {
        let one = Lanczos::largest(5).run(&array![[7.0]]).unwrap();
        assert_eq!((one.values, one.residuals), (array![7.0], array![0.0]));
        assert_eq!(Lanczos::largest(5).run(&Array2::zeros((0, 0))).unwrap().values.len(), 0);
        assert_eq!(Lanczos::largest(0).run(&array![[7.0]]).unwrap().values.len(), 0);
    }

    #[test]
    fn what_does_not_converge_says_how_far_it_came() {
        let a = Array2::from_diag(&Array1::linspace(1.0, 1.001, 2000));
        let error = Lanczos::largest(3).tolerance(1e-12).max_products(40).run(&a).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("the eigenpairs have not converged after 43 products: their residuals are"), "{text}");
        let LandscapeError::Eigenpairs { reached, limit } = error else { panic!("{text}") };
        assert!(reached.largest_residual() > limit && (reached.values[0] - 1.001).abs() < 1e-4);
    }

    #[test]
    fn an_operator_that_is_not_symmetric_is_refused() {
        let mut a = with_eigenvalues(&Array1::linspace(1.0, 2.0, 50));
        a[[3, 7]] += 0.5;
        assert!(matches!(Lanczos::largest(3).run(&a), Err(LandscapeError::NotSymmetric { .. })));
    }
}
