//! Costs of regression: distances between numbers and their targets.

use gradus_autograd::{Float, IntoVar, Var, where_};

use super::{Reduction, same_shape};

/// The mean squared error: `(x − y)²`. The cost of a regression.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Reduction, loss::mse};
/// let tape = Tape::new();
/// let x = tape.var([1.0, 4.0]);
/// assert_eq!(mse(x, &ndarray::array![0.0, 2.0], Reduction::Mean).item(), 2.5);
/// ```
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn mse<'t, T: Float>(input: Var<'t, T>, target: impl IntoVar<'t, T>, reduction: Reduction) -> Var<'t, T> {
    let target = target.into_var(input.tape());
    same_shape("mse", input, target);
    reduction.apply((input - target).square())
}

/// The absolute error: `|x − y|`, with gradient 0 where x and y are equal. Far-off values count less than with [`mse`];
/// its minimum is the median.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Reduction, loss::l1};
/// let tape = Tape::new();
/// assert_eq!(l1(tape.var([1.0, 4.0]), &ndarray::array![0.0, 2.0], Reduction::Sum).item(), 3.0);
/// ```
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn l1<'t, T: Float>(input: Var<'t, T>, target: impl IntoVar<'t, T>, reduction: Reduction) -> Var<'t, T> {
    let target = target.into_var(input.tape());
    same_shape("l1", input, target);
    reduction.apply((input - target).abs())
}

/// `½ d²/β` where `|d| < β`, else `|d| − ½ β`, with d = x − y: round at the bottom, straight outside. β is PyTorch's
/// `beta`, 1 by default there; with β = 0 the cost is [`l1`].
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Reduction, loss::smooth_l1};
/// let tape = Tape::new();
/// assert_eq!(smooth_l1(tape.var([0.5, 4.0]), &ndarray::array![0.0, 2.0], 1.0, Reduction::None).data(), [0.125, 1.5]);
/// ```
///
/// # Panics
/// If the shapes differ, or β is less than 0.
#[track_caller]
pub fn smooth_l1<'t, T: Float>(
    input: Var<'t, T>,
    target: impl IntoVar<'t, T>,
    beta: f64,
    reduction: Reduction,
) -> Var<'t, T> {
    assert!(beta >= 0.0, "smooth_l1: β is {beta}; it must be at least 0");
    if beta == 0.0 {
        return l1(input, target, reduction);
    }
    let target = target.into_var(input.tape());
    same_shape("smooth_l1", input, target);
    let d = input - target;
    let size = d.abs();
    let inside = size.lt(beta);
    let near = where_(inside, d, 0.0); // ∞² and its derivative must not be computed
    reduction.apply(where_(inside, near * (near / beta) * 0.5, size - 0.5 * beta))
}

/// `½ d²` where `|d| ≤ δ`, else `δ (|d| − ½ δ)`, with d = x − y: δ times [`smooth_l1`] with β = δ. Huber 1964
/// (<https://doi.org/10.1214/aoms/1177703732>). PyTorch's δ is 1 by default.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Reduction, loss::huber};
/// let tape = Tape::new();
/// assert_eq!(huber(tape.var([0.5, 4.0]), &ndarray::array![0.0, 2.0], 0.5, Reduction::None).data(), [0.125, 0.875]);
/// ```
///
/// # Panics
/// If the shapes differ, or δ is not above 0.
#[track_caller]
pub fn huber<'t, T: Float>(
    input: Var<'t, T>,
    target: impl IntoVar<'t, T>,
    delta: f64,
    reduction: Reduction,
) -> Var<'t, T> {
    assert!(delta > 0.0, "huber: δ is {delta}; it must be above 0");
    let target = target.into_var(input.tape());
    same_shape("huber", input, target);
    let d = input - target;
    let size = d.abs();
    let inside = size.le(delta);
    let near = where_(inside, d, 0.0); // ∞² and its derivative must not be computed
    reduction.apply(where_(inside, near.square() * 0.5, delta * (size - 0.5 * delta)))
}
