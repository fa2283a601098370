//! A cost along a line.

use gradus_autograd::{Tape, Var};
use ndarray::Array1;

/// The derivatives of the cost along a line, `dᵏ/dtᵏ f(θ + t v)` at t = 0: the value, then the derivatives of order 1
/// to `order`.
///
/// Each derivative is recorded, and then differentiated again.
///
/// # Panics
/// If the cost is not a single number.
///
/// ```
/// use gradus_landscape::derivatives_along;
/// use ndarray::array;
/// let along = derivatives_along(|x| x.at(0).pow(4.0), &array![0.0], &array![1.0], 4);
/// assert_eq!(along, [0.0, 0.0, 0.0, 0.0, 24.0]);
/// ```
pub fn derivatives_along(
    cost: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>,
    theta: &Array1<f64>,
    direction: &Array1<f64>,
    order: usize,
) -> Vec<f64> {
    let tape = Tape::<f64>::mathematics();
    let t = tape.var(0.0);
    let mut derivative = cost(t * direction + theta);
    let mut found = vec![derivative.item()];
    for _ in 0..order {
        // a derivative that does not depend on t any more is constant: all others are 0
        if !derivative.is_differentiated() {
            found.push(0.0);
            continue;
        }
        [derivative] = derivative.grad([t]);
        found.push(derivative.item());
    }
    found
}
