//! Extreme eigenpairs by Lanczos' method.

use ndarray::{Array1, Array2};

use crate::error::LandscapeError;
use crate::operators::product;
use crate::solvers::krylov::Krylov;
use crate::solvers::norm;
use crate::{Eigenpairs, LinearOperator};

/// How many products look for other copies of the eigenvalues that were found.
const SEARCH: usize = 10;

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
/// One direction's products see an eigenvalue once, though it may occur several times. So when the pairs have
/// converged, a few products from a new direction, at right angles to them, look for others. Copies of eigenvalues near
/// the ends are found; in a spectrum without gaps they can be missed.
///
/// Products of an `f32` model are right to about a millionth of the largest eigenvalue, and so are residuals.
///
/// Lanczos 1950 (<https://doi.org/10.6028/jres.045.026>), with the restart of Wu and Simon 2000
/// (<https://doi.org/10.1137/S0895479898334605>). SciPy has it as `eigsh`, by ARPACK.
///
/// ```
/// use gradus_landscape::Lanczos;
/// use ndarray::{Array1, Array2};
/// let a = Array2::from_diag(&Array1::linspace(-3.0, 10.0, 500));
/// let top = Lanczos::largest(2).run(&a)?;
/// assert!((top.values[0] - 10.0).abs() < 1e-6 && top.products < 300);
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
        Lanczos { pairs, which, tolerance: 1e-5, max_products: 1000, basis: None, seed: 0 }
    }

    /// Sets the residual to come to, as a share of the largest eigenvalue in size. The default is 10⁻⁵. An eigenvalue
    /// is right to about the square of it, if it is apart from the others.
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Sets after how many products to give up, besides one for each pair that computes its residual. The default is
    /// 1000.
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
            return Ok(Eigenpairs { values, vectors: Array2::zeros((dim, 0)), residuals, scale: 0.0, products: 0 });
        }
        let capacity = self.basis.unwrap_or(30.max(3 * pairs)).max(pairs + 2).min(dim);
        let mut krylov = Krylov::new(dim, capacity, self.seed);
        // the products since the search for other copies began, and whether it has found something
        let mut search = None::<(usize, bool)>;
        for products in 1.. {
            krylov.extend(a)?;
            if krylov.len() < pairs {
                continue;
            }
            let (values, vectors) = krylov.ritz();
            let order = self.order(&values);
            let scale = values.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
            let (limit, last) = (self.tolerance * scale, krylov.len() - 1);
            // half the limit, since rounding can make the measured residual larger than this estimate
            let converged = order[..pairs].iter().all(|&k| krylov.beta() * vectors[[last, k]].abs() <= 0.5 * limit);
            if let Some((since, found)) = &mut search {
                (*since, *found) = (*since + 1, *found || !converged);
            }
            let searched = search.is_some_and(|(since, found)| since >= SEARCH && !found);
            if krylov.is_complete() || (converged && searched) || products >= self.max_products {
                let found = self.finish(a, &krylov, &order[..pairs], (&values, &vectors), (scale, products))?;
                let reached = converged || krylov.is_complete();
                return if reached && found.largest_residual() <= limit.max(f64::EPSILON * scale * 100.0) {
                    Ok(found)
                } else {
                    Err(LandscapeError::Eigenpairs { reached: Box::new(found), limit })
                };
            }
            if converged && search.is_none_or(|(_, found)| found) {
                krylov.restart_anew(&order[..pairs], &values, &vectors);
                search = Some((0, false));
            } else if krylov.len() == capacity {
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
        (scale, products): (f64, usize),
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
        Ok(Eigenpairs { values, vectors, residuals, scale, products: products + order.len() })
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

    /// One direction's products alone would find the first of them, then 1 or 9, and stop.
    #[test]
    fn eigenvalues_that_occur_several_times_are_found_as_often() {
        let mut values = Array1::linspace(0.0, 1.0, 60);
        values.slice_mut(ndarray::s![..3]).fill(5.0);
        let found = Lanczos::largest(4).run(&with_eigenvalues(&values)).unwrap();
        assert!((&found.values - &array![5.0, 5.0, 5.0, 1.0]).iter().all(|d| d.abs() < 1e-6), "{found}");
        for (n, bulk) in [(100, 1e-3), (1000, 1.0)] {
            let mut values = Array1::linspace(-bulk, bulk, n);
            (values[0], values[1], values[2]) = (10.0, 9.0, 10.0);
            let a = Array2::from_diag(&values);
            for seed in 0..3 {
                let found = Lanczos::largest(2).seed(seed).run(&a).unwrap();
                assert!((&found.values - 10.0).iter().all(|d| d.abs() < 1e-6), "{n}, seed {seed}: {found}");
            }
        }
        let identity = Lanczos::largest(3).run(&Array2::eye(50)).unwrap();
        assert!(identity.values.iter().all(|x| (x - 1.0).abs() < 1e-14) && identity.values.len() == 3);
    }

    #[test]
    fn a_small_basis_restarts_and_finds_the_same() {
        let values = Array1::from_shape_fn(400, |i| ((i * i) as f64 * 0.37).sin() * (1.0 + i as f64));
        let a = with_eigenvalues(&values);
        let whole = Lanczos::largest(3).tolerance(1e-9).basis(400).run(&a).unwrap();
        for basis in [5, 8, 12] {
            let found = Lanczos::largest(3).tolerance(1e-9).basis(basis).max_products(5000).run(&a).unwrap();
            assert!((&found.values - &whole.values).iter().all(|d| d.abs() < 1e-6), "{basis}: {found}");
        }
    }

    #[test]
    fn sizes_near_the_ends_of_the_range_are_told() {
        let large = Lanczos::largest(1).run(&Array2::from_diag(&array![1e200, 2e200, 3.0]));
        assert!(large.is_ok_and(|found| (found.values[0] / 2e200 - 1.0).abs() < 1e-9));
        let small = Lanczos::largest(1).run(&Array2::from_diag(&array![1e-170, 2e-170, 3e-175])).unwrap();
        assert!((small.values[0] / 2e-170 - 1.0).abs() < 1e-9);
    }

    #[test]
    fn of_low_rank_the_rest_is_0() {
        let v = Array1::from_shape_fn(80, |i| (i as f64).cos());
        let rank_one = operator(80, |x| &v * v.dot(&x));
        let found = Lanczos::largest(5).run(&rank_one).unwrap();
        assert!((found.values[0] - v.dot(&v)).abs() < 1e-10 && found.products < 30, "{found}");
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
