//! Products with the inverse of an operator, by conjugate gradients.

use ndarray::{Array1, ArrayView1};

use crate::LinearOperator;
use crate::error::{LandscapeError, finite};
use crate::operators::{ASYMMETRY, product};
use crate::solvers::norm;

/// Products with the inverse of an operator: solves `(A + damping · I) x = b` by the method of conjugate gradients,
/// which needs nothing but products. In exact arithmetic it is done after as many steps as there are different
/// eigenvalues, and it is close after far fewer.
///
/// The operator must curve upwards everywhere (be positive definite): a Hessian at a minimum, a Gauss-Newton operator,
/// or one with enough damping. If it does not, the solver says so.
///
/// Hestenes and Stiefel 1952 (<https://doi.org/10.6028/jres.049.044>). SciPy has it as `cg`.
///
/// ```
/// use gradus_landscape::ConjugateGradients;
/// use ndarray::array;
/// let solution = ConjugateGradients::new().solve(&array![[4.0, 1.0], [1.0, 3.0]], array![1.0, 2.0].view())?;
/// assert!((&solution.x - &array![1.0 / 11.0, 7.0 / 11.0]).iter().all(|d| d.abs() < 1e-12));
/// # Ok::<(), gradus_landscape::LandscapeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ConjugateGradients {
    damping: f64,
    tolerance: f64,
    max_steps: usize,
}

/// The solution of a system, with what is known about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// the solution
    pub x: Array1<f64>,
    /// the length of `b − (A + damping · I) x`
    pub residual: f64,
    /// the number of steps, each a product with the operator; one more computes the residual
    pub steps: usize,
}

impl Default for ConjugateGradients {
    fn default() -> Self {
        Self::new()
    }
}

impl ConjugateGradients {
    /// No damping, a residual of 10⁻⁶ times the length of b, and up to 1000 steps.
    pub fn new() -> Self {
        ConjugateGradients { damping: 0.0, tolerance: 1e-6, max_steps: 1000 }
    }

    /// Adds a multiple of the identity to the operator.
    pub fn damping(mut self, damping: f64) -> Self {
        self.damping = damping;
        self
    }

    /// Sets the residual to come to, as a share of the length of b.
    ///
    /// # Panics
    /// If it is not a positive number.
    #[track_caller]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        assert!(tolerance > 0.0, "ConjugateGradients: a tolerance of {tolerance} is never reached");
        self.tolerance = tolerance;
        self
    }

    /// Sets after how many steps to give up.
    pub fn max_steps(mut self, steps: usize) -> Self {
        self.max_steps = steps;
        self
    }

    /// Solves `(A + damping · I) x = b`.
    ///
    /// # Errors
    /// If a step meets a direction along which the operator does not curve upwards, or is not symmetric; if there is no
    /// solution after the number of steps that is allowed, where the error holds what was reached; if b is of another
    /// length than the operator; or if a product cannot be computed or is not finite.
    pub fn solve(
        &self,
        a: &(impl LinearOperator + ?Sized),
        b: ArrayView1<'_, f64>,
    ) -> Result<Solution, LandscapeError> {
        let dim = a.dim();
        if b.len() != dim {
            return Err(LandscapeError::Length { what: "the right side", given: b.len(), dim });
        }
        let b = b.to_owned();
        let mut solution = Solution { x: Array1::zeros(dim), residual: norm(&b), steps: 0 };
        finite("the right side", solution.residual.is_finite())?;
        let limit = self.tolerance * solution.residual;
        let (mut r, mut p) = (b.clone(), b.clone());
        let mut before: Option<(Array1<f64>, Array1<f64>)> = None; // the last direction, and its product
        let mut scale = 0.0f64; // the size of the operator, as far as it was seen
        while solution.residual > limit {
            if solution.steps >= self.max_steps {
                return Err(LandscapeError::Solution { reached: Box::new(solution), limit });
            }
            solution.steps += 1;
            let mut ap = product(a, p.view())?;
            ap.scaled_add(self.damping, &p);
            scale = scale.max(norm(&ap) / norm(&p));
            if let Some((q, aq)) = &before {
                let difference = (q.dot(&ap) - p.dot(aq)).abs();
                let scale = scale * norm(q) * norm(&p);
                if difference > ASYMMETRY * scale {
                    return Err(LandscapeError::NotSymmetric { difference, scale });
                }
            }
            let (along, rr) = (p.dot(&ap), r.dot(&r));
            finite("a product with the operator", along.is_finite() && rr.is_finite())?;
            if along <= 0.0 {
                let curvature = along / p.dot(&p);
                return Err(LandscapeError::NegativeCurvature { step: solution.steps, curvature });
            }
            solution.x.scaled_add(rr / along, &p);
            r.scaled_add(-rr / along, &ap);
            solution.residual = norm(&r);
            let next = &r + &(&p * (r.dot(&r) / rr));
            before = Some((std::mem::replace(&mut p, next), ap));
        }
        // the residual so far was carried along from step to step
        let mut residual = b - product(a, solution.x.view())?;
        residual.scaled_add(-self.damping, &solution.x);
        solution.residual = norm(&residual);
        Ok(solution)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    #[test]
    fn as_many_steps_as_different_eigenvalues() {
        let values = Array1::from_shape_fn(90, |i| 1.0 + (i % 3) as f64);
        let b = Array1::from_shape_fn(90, |i| (i as f64).sin());
        let solution = ConjugateGradients::new().tolerance(1e-12).solve(&Array2::from_diag(&values), b.view()).unwrap();
        assert_eq!(solution.steps, 3);
        assert!((&solution.x * &values - &b).iter().all(|d| d.abs() < 1e-11));
    }

    #[test]
    fn negative_curvature_is_told_and_damped() {
        let (a, b) = (array![[1.0, 0.0], [0.0, -0.5]], array![1.0, 1.0]);
        let error = ConjugateGradients::new().solve(&a, b.view()).unwrap_err().to_string();
        assert!(error.starts_with("the operator, damping included, does not curve upwards (-"), "{error}");
        let damped = ConjugateGradients::new().damping(1.0).solve(&a, b.view()).unwrap();
        assert!((&damped.x - &array![0.5, 2.0]).iter().all(|d| d.abs() < 1e-9));
    }

    #[test]
    fn what_cannot_be_solved_is_told() {
        let b = Array1::ones(200);
        let hard = Array2::from_diag(&Array1::from_shape_fn(200, |i| 10f64.powf(i as f64 / 20.0)));
        let error = ConjugateGradients::new().max_steps(10).solve(&hard, b.view()).unwrap_err();
        assert!(matches!(&error, LandscapeError::Solution { reached, .. } if reached.steps == 10), "{error}");
        let crooked = array![[2.0, 1.0, 0.0], [0.0, 2.0, 1.0], [0.5, 0.0, 2.0]];
        let error = ConjugateGradients::new().solve(&crooked, array![1.0, 2.0, 5.0].view()).unwrap_err();
        assert!(matches!(error, LandscapeError::NotSymmetric { .. }), "{error}");
        let short = ConjugateGradients::new().solve(&crooked, array![1.0].view()).unwrap_err().to_string();
        assert_eq!(short, "the right side has 1 numbers, but the operator is of dimension 3");
        for lost in [f64::NAN, f64::INFINITY] {
            let error = ConjugateGradients::new().solve(&crooked, array![lost, 0.0, 0.0].view()).unwrap_err();
            assert_eq!(error.to_string(), "the right side is not finite at this point");
        }
        let zero = ConjugateGradients::new().solve(&crooked, Array1::zeros(3).view()).unwrap();
        assert_eq!((zero.x, zero.steps), (Array1::zeros(3), 0));
    }
}
