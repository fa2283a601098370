//! The way off a saddle: along the direction in which the cost curves downwards most.

use gradus_autograd::{Tape, Var};
use ndarray::Array1;

use crate::critical::critical_point;
use crate::error::LandscapeError;

/// The result of [`escape_saddle`].
#[derive(Clone, Debug, PartialEq)]
pub struct Escape {
    /// the point that was reached
    pub theta: Array1<f64>,
    /// the cost there
    pub cost: f64,
    /// the cost at the saddle
    pub cost_before: f64,
    /// the direction: the eigenvector of the smallest eigenvalue, in the sense that was chosen, of length 1
    pub direction: Array1<f64>,
    /// the length of the step
    pub step: f64,
    /// the smallest eigenvalue of the Hessian at the saddle
    pub curvature: f64,
}

/// The first step that is tried, and the shortest and the longest.
const FIRST: f64 = 1e-2;
const SHORTEST: f64 = 1e-10;
const LONGEST: f64 = 1e6;

/// Walks off a saddle, where the gradient is 0 and plain descent stays put for ever: along the eigenvector v of the
/// most negative eigenvalue λ of the Hessian, in which the cost falls like `½ λ t²`.
///
/// Both senses are tried. In each, the step is doubled as long as the cost falls (and halved before, if even the first
/// step is too long), and the lower of the two ends is taken.
///
/// # Errors
/// If no eigenvalue is negative, if no step lowers the cost, or if the cost or a derivative is not finite.
///
/// # Panics
/// If the cost is not a single number.
///
/// ```
/// use gradus_landscape::escape_saddle;
/// use ndarray::array;
/// let escape = escape_saddle(|x| x.at(0).square() - x.at(1).square() + x.at(1).pow(4.0), &array![0.0, 0.0])?;
/// assert!((escape.cost + 0.25).abs() < 0.02); // the minima are −¼, at y = ±1/√2
/// assert!(escape_saddle(|x| x.square().sum(), &array![0.0]).is_err());
/// # Ok::<(), gradus_landscape::LandscapeError>(())
/// ```
pub fn escape_saddle(
    cost: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>,
    theta: &Array1<f64>,
) -> Result<Escape, LandscapeError> {
    let point = critical_point(&cost, theta)?;
    let (smallest, limit) = (point.eigenvalues.first().copied().unwrap_or(0.0), point.eigenvalue_limit);
    if smallest >= -limit {
        return Err(LandscapeError::NoDescent { smallest, limit: -limit });
    }
    walk_off(theta, point.cost, &point.eigenvector(0).to_owned(), smallest, |at| {
        let tape = Tape::<f64>::mathematics();
        cost(tape.constant(at)).item()
    })
}

/// Walks along a direction of negative curvature, in both senses, and takes the lower end.
pub(crate) fn walk_off(
    theta: &Array1<f64>,
    cost_before: f64,
    direction: &Array1<f64>,
    curvature: f64,
    mut cost: impl FnMut(&Array1<f64>) -> f64,
) -> Result<Escape, LandscapeError> {
    let mut along = |sense: f64| {
        let direction = direction * sense;
        let (step, cost) = lowest(|step| cost(&(theta + &(&direction * step))), cost_before, curvature)?;
        let theta = theta + &(&direction * step);
        Some(Escape { theta, cost, cost_before, direction, step, curvature })
    };
    let ends = [along(1.0), along(-1.0)].into_iter().flatten();
    ends.min_by(|a, b| a.cost.total_cmp(&b.cost)).ok_or(LandscapeError::NoStep { shortest: SHORTEST })
}

/// The step with the lowest cost among doublings of a first one. The first one lowers the cost by at least a tenth of
/// what the curvature promises, `½ |λ| t²`, since less may be rounding.
fn lowest(mut cost: impl FnMut(f64) -> f64, before: f64, curvature: f64) -> Option<(f64, f64)> {
    let mut step = FIRST;
    let mut best = cost(step);
    let falls = |cost: f64, step: f64| cost < before && before - cost >= 0.05 * curvature.abs() * step * step;
    while !falls(best, step) {
        step /= 2.0;
        if step < SHORTEST {
            return None;
        }
        best = cost(step);
    }
    while step < LONGEST {
        let next = cost(2.0 * step);
        if next >= best || next.is_nan() {
            break;
        }
        (step, best) = (2.0 * step, next);
    }
    Some((step, best))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_better_side_is_taken() {
        // both sides fall, and one falls deeper
        fn cost(x: Var<'_, f64>) -> Var<'_, f64> {
            -x.at(0).square() + x.at(0).pow(4.0) - 0.3 * x.at(0).pow(3.0) + x.at(1).square()
        }
        let escape = escape_saddle(cost, &array![0.0, 0.0]).unwrap();
        assert!(escape.theta[0] > 0.5 && escape.theta[1] == 0.0, "{escape:?}");
        assert!(escape.cost < -0.25 && (escape.curvature + 2.0).abs() < 1e-12);
        assert!((&escape.direction * escape.step - &escape.theta).iter().all(|d| d.abs() < 1e-15));
    }

    #[test]
    fn a_minimum_has_no_way_down() {
        let error = escape_saddle(|x| x.square().sum(), &array![0.0, 0.0]).unwrap_err();
        assert!(error.to_string().starts_with("the cost curves downwards in no direction here"), "{error}");
        let flat = escape_saddle(|x| 0.0 * x.sum(), &array![0.0]).unwrap_err();
        assert!(matches!(flat, LandscapeError::NoDescent { .. }));
    }

    #[test]
    fn a_narrow_saddle_takes_a_short_step() {
        // the cost falls only within |x| < 10⁻⁶
        fn cost(x: Var<'_, f64>) -> Var<'_, f64> {
            -x.square().sum() + 1e12 * x.pow(4.0).sum()
        }
        let escape = escape_saddle(cost, &array![0.0]).unwrap();
        assert!(escape.step < 1e-6 && escape.cost < 0.0, "{escape:?}");
    }

    #[test]
    fn a_cost_without_end_is_left_somewhere() {
        let escape = escape_saddle(|x| -x.square().sum(), &array![0.0]).unwrap();
        assert!(escape.step >= LONGEST && escape.cost.is_finite());
    }
}
