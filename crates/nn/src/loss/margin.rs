//! Costs of pairs that belong together (1) or not (−1).

use gradus_autograd::{Float, IntoVar, Var, where_};

use super::{Reduction, same_shape};

/// The loss of distances x: `x` where y is 1, `max(0, margin − x)` where it is −1. PyTorch's margin is 1 by default.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Reduction, loss::hinge_embedding};
/// let tape = Tape::new();
/// let losses = hinge_embedding(tape.var([0.3, 0.3, 2.0]), &ndarray::array![1.0, -1.0, -1.0], 1.0, Reduction::None);
/// assert_eq!(losses.data(), [0.3, 0.7, 0.0]);
/// ```
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn hinge_embedding<'t, T: Float>(
    input: Var<'t, T>,
    target: impl IntoVar<'t, T>,
    margin: f64,
    reduction: Reduction,
) -> Var<'t, T> {
    let y = target.into_var(input.tape());
    same_shape("hinge_embedding", input, y);
    reduction.apply(where_(y.gt(0.0), input, (margin - input).relu()))
}

/// `ln(1 + e^(−y x))` for targets y of ±1: [`binary_cross_entropy`](super::binary_cross_entropy) for classes −1 and 1
/// instead of 0 and 1.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Reduction, loss::soft_margin};
/// let tape = Tape::new();
/// let losses = soft_margin(tape.var([0.0, -1e4]), &ndarray::array![1.0, 1.0], Reduction::None);
/// assert_eq!(losses.data(), [2f32.ln(), 1e4]);
/// ```
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn soft_margin<'t, T: Float>(input: Var<'t, T>, target: impl IntoVar<'t, T>, reduction: Reduction) -> Var<'t, T> {
    let y = target.into_var(input.tape());
    same_shape("soft_margin", input, y);
    reduction.apply((-y * input).softplus())
}

/// The loss of rows a and b with one target for each row: `1 − cos(a, b)` where the target is 1, `max(0, cos(a, b) −
/// margin)` where it is −1, with `cos = a·b / √((a·a + ε)(b·b + ε))`, ε 10⁻¹². PyTorch's margin is 0 by default.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Reduction, loss::cosine_embedding};
/// use ndarray::array;
/// let tape = Tape::new();
/// let (a, b) = (tape.var(array![[1.0, 0.0], [3.0, 4.0]]), tape.var(array![[0.0, 2.0], [3.0, 4.0]]));
/// let losses = cosine_embedding(a, b, &array![1.0, -1.0], 0.25, Reduction::None);
/// assert!((losses.data()[0] - 1.0).abs() < 1e-6 && (losses.data()[1] - 0.75).abs() < 1e-6);
/// ```
///
/// # Panics
/// If the two are not of one shape, or there is not one target for each row.
#[track_caller]
pub fn cosine_embedding<'t, T: Float>(
    a: Var<'t, T>,
    b: Var<'t, T>,
    target: impl IntoVar<'t, T>,
    margin: f64,
    reduction: Reduction,
) -> Var<'t, T> {
    same_shape("cosine_embedding", a, b);
    let y = target.into_var(a.tape());
    let rows = &a.shape()[..a.ndim().saturating_sub(1)];
    assert!(
        y.shape() == rows,
        "cosine_embedding: {:?} targets for rows of {:?}; there must be one a row, {rows:?}",
        y.shape(),
        a.shape()
    );
    let product = |a: Var<'t, T>, b: Var<'t, T>| (a * b).sum_axis(-1);
    // two roots, because the product of two squared lengths overflows far earlier than each of them
    let cosine = product(a, b) * (product(a, a) + 1e-12).rsqrt() * (product(b, b) + 1e-12).rsqrt();
    reduction.apply(where_(y.gt(0.0), 1 - cosine, (cosine - margin).relu()))
}
