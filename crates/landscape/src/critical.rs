//! Critical points, told apart by the eigenvalues of the Hessian.

use std::fmt;

use gradus_autograd::{Var, hessian, value_and_grad};
use nalgebra::DMatrix;
use ndarray::{Array1, Array2, ArrayView1};

use crate::derivatives_along;
use crate::error::{LandscapeError, finite};
use crate::solvers::norm;

/// What kind of point it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// all eigenvalues are positive: the cost rises in every direction
    Minimum,
    /// all eigenvalues are negative: the cost falls in every direction
    Maximum,
    /// there are positive and negative eigenvalues: the cost rises in some directions and falls in others
    Saddle,
    /// some eigenvalues are 0, and those that are not have one sign: the second order cannot tell. See
    /// [`CriticalPoint::along_null_space`].
    Degenerate,
    /// the gradient is not 0
    NotCritical,
}

/// What counts as 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerances {
    /// The point is critical if the norm of its gradient is at most this, times the largest of 1 and the size of the
    /// cost.
    pub gradient: f64,
    /// An eigenvalue counts as 0 if its size is at most this, times the largest of 1 and the size of the largest one.
    pub eigenvalue: f64,
}

impl Default for Tolerances {
    /// 10⁻⁶ for the gradient, to which descent comes, and 10⁻⁸ for eigenvalues, which are computed to 10⁻¹⁵ or so.
    fn default() -> Self {
        Tolerances { gradient: 1e-6, eigenvalue: 1e-8 }
    }
}

/// A point of the landscape, with all that second order says about it. Printed, it is a short report.
#[derive(Clone, Debug, PartialEq)]
pub struct CriticalPoint {
    /// the point
    pub theta: Array1<f64>,
    /// the cost there
    pub cost: f64,
    /// the gradient there
    pub gradient: Array1<f64>,
    /// the matrix of second derivatives
    pub hessian: Array2<f64>,
    /// the eigenvalues of the Hessian, the smallest first
    pub eigenvalues: Array1<f64>,
    /// the eigenvectors, of length 1: column k belongs to eigenvalue k
    pub eigenvectors: Array2<f64>,
    /// the verdict
    pub kind: Kind,
    /// the norm of the gradient up to which the point counts as critical
    pub gradient_limit: f64,
    /// the size up to which an eigenvalue counts as 0
    pub eigenvalue_limit: f64,
}

/// Examines a point: the gradient, the Hessian and its eigenvalues say what kind it is, within the default
/// [`Tolerances`].
///
/// The Hessian is formed, so this is for functions of up to some hundred numbers. The eigenvalues are those of
/// `nalgebra`'s solver for symmetric matrices. A closure that is bound by `let` needs
/// [`differentiable`](gradus_autograd::differentiable).
///
/// # Errors
/// If the cost or one of its derivatives is not finite.
///
/// # Panics
/// If the cost is not a single number.
///
/// ```
/// use gradus_landscape::{Kind, critical_point};
/// use ndarray::array;
/// let bowl = critical_point(|x| x.square().sum(), &array![0.0, 0.0])?;
/// assert_eq!((bowl.kind, &bowl.eigenvalues), (Kind::Minimum, &array![2.0, 2.0]));
/// let slope = critical_point(|x| x.square().sum(), &array![3.0, 0.0])?;
/// assert_eq!((slope.kind, slope.newton_step().unwrap()), (Kind::NotCritical, array![-3.0, 0.0]));
/// # Ok::<(), gradus_landscape::LandscapeError>(())
/// ```
pub fn critical_point(
    cost: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>,
    theta: &Array1<f64>,
) -> Result<CriticalPoint, LandscapeError> {
    critical_point_within(cost, theta, Tolerances::default())
}

/// [`critical_point`] within other tolerances.
///
/// # Errors
/// If the cost or one of its derivatives is not finite.
///
/// # Panics
/// If the cost is not a single number.
pub fn critical_point_within(
    cost: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>,
    theta: &Array1<f64>,
    tolerances: Tolerances,
) -> Result<CriticalPoint, LandscapeError> {
    let (value, gradient) = value_and_grad(&cost, theta);
    finite("the cost", value.is_finite())?;
    finite("the gradient", gradient.iter().all(|g| g.is_finite()))?;
    let second = hessian(&cost, theta);
    finite("the Hessian", second.iter().all(|h| h.is_finite()))?;
    let (eigenvalues, eigenvectors) = eigen(&second);
    let gradient_limit = tolerances.gradient * value.abs().max(1.0);
    let largest = eigenvalues.iter().fold(1.0f64, |largest, e| largest.max(e.abs()));
    let mut point = CriticalPoint {
        theta: theta.clone(),
        cost: value,
        gradient,
        hessian: second,
        eigenvalues,
        eigenvectors,
        kind: Kind::NotCritical,
        gradient_limit,
        eigenvalue_limit: tolerances.eigenvalue * largest,
    };
    if point.gradient_norm() <= gradient_limit {
        point.kind = point.by_eigenvalues();
    }
    Ok(point)
}

/// The eigenvalues of a symmetric matrix, the smallest first, and its eigenvectors as columns. Rounding can make a
/// Hessian a little unsymmetric, so the mean of both halves is taken.
pub(crate) fn eigen(matrix: &Array2<f64>) -> (Array1<f64>, Array2<f64>) {
    let n = matrix.nrows();
    if n == 0 {
        return (Array1::zeros(0), Array2::zeros((0, 0))); // the solver takes no empty matrix
    }
    let symmetric = DMatrix::from_fn(n, n, |i, j| 0.5 * (matrix[[i, j]] + matrix[[j, i]]));
    let solved = symmetric.symmetric_eigen();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| solved.eigenvalues[a].total_cmp(&solved.eigenvalues[b]));
    let values = order.iter().map(|&k| solved.eigenvalues[k]).collect();
    let vectors = Array2::from_shape_fn((n, n), |(i, k)| solved.eigenvectors[(i, order[k])]);
    (values, vectors)
}

impl CriticalPoint {
    /// The 2-norm of the gradient.
    pub fn gradient_norm(&self) -> f64 {
        norm(&self.gradient)
    }

    /// How many eigenvalues are negative, count as 0, and are positive.
    pub fn signs(&self) -> [usize; 3] {
        let limit = self.eigenvalue_limit;
        let count = |holds: &dyn Fn(f64) -> bool| self.eigenvalues.iter().filter(|e| holds(**e)).count();
        [count(&|e| e < -limit), count(&|e| e.abs() <= limit), count(&|e| e > limit)]
    }

    /// An eigenvalue's vector.
    pub fn eigenvector(&self, k: usize) -> ArrayView1<'_, f64> {
        self.eigenvectors.column(k)
    }

    /// Newton's step to the critical point of the second-order model, `−H⁻¹ ∇f`: an estimate of how far the next
    /// critical point is. `None` if an eigenvalue counts as 0.
    pub fn newton_step(&self) -> Option<Array1<f64>> {
        if self.signs()[1] > 0 {
            return None;
        }
        let along = self.eigenvectors.t().dot(&self.gradient) / &self.eigenvalues;
        Some(-self.eigenvectors.dot(&along))
    }

    /// Where the second order cannot tell: the derivatives of the cost along each direction whose eigenvalue counts as
    /// 0, of order 2 to 4. A third derivative that is not 0 means that the cost falls on one side. If it is 0, the sign
    /// of the fourth tells whether the cost rises or falls on both.
    ///
    /// The directions are the eigenvectors; where several eigenvalues are 0, others in between can differ.
    pub fn along_null_space(&self, cost: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>) -> Vec<[f64; 3]> {
        let flat = (0..self.eigenvalues.len()).filter(|&k| self.eigenvalues[k].abs() <= self.eigenvalue_limit);
        let derivatives = |k| derivatives_along(&cost, &self.theta, &self.eigenvector(k).to_owned(), 4);
        flat.map(|k| derivatives(k)[2..].try_into().expect("three orders")).collect()
    }

    fn by_eigenvalues(&self) -> Kind {
        match self.signs() {
            [negative, _, positive] if negative > 0 && positive > 0 => Kind::Saddle,
            [negative, 0, 0] if negative > 0 => Kind::Maximum,
            [0, 0, positive] if positive > 0 => Kind::Minimum,
            _ => Kind::Degenerate,
        }
    }
}

impl fmt::Display for CriticalPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [negative, zero, positive] = self.signs();
        let verdict = match self.kind {
            Kind::Minimum => "a minimum: the cost rises in every direction".to_owned(),
            Kind::Maximum => "a maximum: the cost falls in every direction".to_owned(),
            Kind::Saddle => "a saddle: the cost falls in some directions and rises in others".to_owned(),
            Kind::Degenerate => "degenerate: the second order cannot tell what kind it is".to_owned(),
            Kind::NotCritical => match self.newton_step() {
                Some(step) => format!(
                    "not critical: the cost still slopes; Newton's step to a critical point has the length {:.3e}",
                    norm(&step)
                ),
                None => "not critical: the cost still slopes".to_owned(),
            },
        };
        writeln!(f, "cost      {:.6}", self.cost)?;
        writeln!(f, "gradient  norm {:.3e}; up to {:.1e} counts as 0", self.gradient_norm(), self.gradient_limit)?;
        write!(f, "Hessian   {negative} negative, {zero} zero, {positive} positive eigenvalues")?;
        match self.eigenvalues.as_slice() {
            Some([first, .., last]) => write!(f, ", from {first:.3e} to {last:.3e}")?,
            Some([only]) => write!(f, ": {only:.3e}")?,
            _ => {}
        }
        writeln!(f, "; up to {:.1e} counts as 0", self.eigenvalue_limit)?;
        writeln!(f, "verdict   {verdict}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn kind(cost: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>, theta: &Array1<f64>) -> Kind {
        critical_point(cost, theta).unwrap().kind
    }

    #[test]
    fn kinds_are_told_apart() {
        let zero = array![0.0, 0.0];
        assert_eq!(kind(|x| x.square().sum(), &zero), Kind::Minimum);
        assert_eq!(kind(|x| -x.square().sum(), &zero), Kind::Maximum);
        assert_eq!(kind(|x| x.at(0).square() - x.at(1).square(), &zero), Kind::Saddle);
        assert_eq!(kind(|x| x.pow(4.0).sum(), &zero), Kind::Degenerate);
        assert_eq!(kind(|x| x.at(0).square() + x.at(1).pow(3.0), &zero), Kind::Degenerate);
        assert_eq!(kind(|x| -x.at(0).square() + 0.0 * x.at(1), &zero), Kind::Degenerate);
        assert_eq!(kind(|x| x.square().sum(), &array![1.0, 0.0]), Kind::NotCritical);
        // a saddle with a flat direction is a saddle: the cost falls on one side and rises on another
        let three = array![0.0, 0.0, 0.0];
        assert_eq!(kind(|x| x.at(0).square() - x.at(1).square() + 0.0 * x.at(2), &three), Kind::Saddle);
    }

    /// No direction, no verdict.
    #[test]
    fn a_point_without_numbers_is_degenerate() {
        assert_eq!(kind(|x| x.sum() + 1.0, &Array1::zeros(0)), Kind::Degenerate);
    }

    #[test]
    fn eigenpairs_are_those_of_the_hessian() {
        let point = critical_point(|w| (1.0 - w.at(0) * w.at(1)).square(), &array![0.0, 0.0]).unwrap();
        assert!((&point.eigenvalues - &array![-2.0, 2.0]).iter().all(|d| d.abs() < 1e-14));
        for k in 0..2 {
            let v = point.eigenvector(k);
            let residual = point.hessian.dot(&v) - &v * point.eigenvalues[k];
            assert!(residual.iter().all(|r| r.abs() < 1e-14) && (v.dot(&v) - 1.0).abs() < 1e-14);
        }
        let text = point.to_string();
        assert!(text.contains("1 negative, 0 zero, 1 positive eigenvalues, from -2.000e0 to 2.000e0"), "{text}");
        assert!(text.contains("verdict   a saddle"), "{text}");
    }

    #[test]
    fn where_second_order_cannot_tell_higher_orders_are_shown() {
        // the monkey saddle: three valleys meet
        fn cost(x: Var<'_, f64>) -> Var<'_, f64> {
            x.at(0).pow(3.0) - 3.0 * x.at(0) * x.at(1).square()
        }
        let point = critical_point(cost, &array![0.0, 0.0]).unwrap();
        assert_eq!(point.kind, Kind::Degenerate);
        let thirds: Vec<f64> = point.along_null_space(cost).iter().map(|d| d[1].abs()).collect();
        assert_eq!(thirds, [6.0, 0.0]); // along x it is x³, along y it is level
        let quartic = critical_point(|x| x.at(0).pow(4.0), &array![0.0]).unwrap();
        assert_eq!(quartic.along_null_space(|x| x.at(0).pow(4.0)), [[0.0, 0.0, 24.0]]);
    }

    #[test]
    fn a_point_beside_a_minimum_says_how_far_it_is() {
        let point = critical_point(|x| (x - 1.0).square().sum() + x.at(0).pow(4.0), &array![0.5, 1.0]).unwrap();
        assert_eq!(point.kind, Kind::NotCritical);
        assert!(point.to_string().contains("Newton's step to a critical point has the length 1.000e-1"), "{point}");
    }

    #[test]
    fn what_is_not_finite_is_named() {
        let error =
            |cost: fn(Var<'_, f64>) -> Var<'_, f64>| critical_point(cost, &array![0.0]).unwrap_err().to_string();
        assert_eq!(error(|x| x.ln().sum()), "the cost is not finite at this point");
        assert_eq!(error(|x| x.sqrt().sum()), "the gradient is not finite at this point");
        assert_eq!(error(|x| x.pow(1.5).sum()), "the Hessian is not finite at this point");
    }
}
