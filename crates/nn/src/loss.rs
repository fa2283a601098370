//! Costs. Each returns one number for each element (or row), reduced as asked.
//!
//! Why is there no softmax in a classifier's last layer? Because the cost needs its logarithm. `ln softmax(x)` computed
//! in one piece is `x − ln Σ eˣ`, finite for every x; in two pieces the softmax underflows to 0 and the logarithm of
//! that is −∞, with a gradient that is NaN. So the model gives logits, and the cost holds the softmax. The label with
//! the largest logit is the one with the largest probability.

use gradus_autograd::{Float, IntoVar, Var};
use serde::{Deserialize, Serialize};

/// How the numbers of a loss become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reduction {
    /// their mean
    #[default]
    Mean,
    /// their sum
    Sum,
    /// not at all
    None,
}

impl Reduction {
    /// Reduces.
    #[track_caller]
    pub fn apply<'t, T: Float>(self, losses: Var<'t, T>) -> Var<'t, T> {
        match self {
            Reduction::Mean => losses.mean(),
            Reduction::Sum => losses.sum(),
            Reduction::None => losses,
        }
    }
}

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
/// If the shapes differ: `[n]` against `[n, 1]` would broadcast to n × n differences, which nobody means.
#[track_caller]
pub fn mse<'t, T: Float>(input: Var<'t, T>, target: impl IntoVar<'t, T>, reduction: Reduction) -> Var<'t, T> {
    let target = target.into_var(input.tape());
    same_shape("mse", input, target);
    reduction.apply((input - target).square())
}

/// The cross-entropy of logits (examples × classes) against integer labels: `ln Σⱼ e^xᵢⱼ − xᵢₗ` for each row.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Reduction, loss::cross_entropy};
/// let tape = Tape::new();
/// let logits = tape.var(ndarray::array![[2.0, 2.0]]);
/// assert_eq!(cross_entropy(logits, &[1], Reduction::Mean).item(), 2f32.ln());
/// ```
///
/// # Panics
/// If there are not as many labels as rows, or one is no class; the message names row and label.
#[track_caller]
pub fn cross_entropy<'t, T: Float>(logits: Var<'t, T>, labels: &[usize], reduction: Reduction) -> Var<'t, T> {
    reduction.apply(logits.cross_entropy_rows(labels))
}

/// The binary cross-entropy of logits x against targets y in 0..=1: `−y ln σ(x) − (1 − y) ln(1 − σ(x))`, computed as
/// `y softplus(−x) + (1 − y) softplus(x)`, which is finite and exact for every logit.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Reduction, loss::binary_cross_entropy};
/// let tape = Tape::new();
/// let x = tape.var([0.0, -1e4]);
/// let losses = binary_cross_entropy(x, &ndarray::array![1.0, 0.0], Reduction::None);
/// assert_eq!(losses.data(), [2f32.ln(), 0.0]);
/// ```
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn binary_cross_entropy<'t, T: Float>(
    logits: Var<'t, T>,
    target: impl IntoVar<'t, T>,
    reduction: Reduction,
) -> Var<'t, T> {
    let y = target.into_var(logits.tape());
    same_shape("binary_cross_entropy", logits, y);
    reduction.apply(y * (-logits).softplus() + (1 - y) * logits.softplus())
}

#[track_caller]
fn same_shape<T: Float>(name: &str, input: Var<'_, T>, target: Var<'_, T>) {
    let (x, y) = (input.shape(), target.shape());
    let hint = if x.iter().product::<usize>() == y.iter().product::<usize>() {
        "; bring one into the other's shape with `reshape`"
    } else {
        ""
    };
    assert!(x == y, "{name}: the input is {x:?} and the target {y:?}; they must be the same{hint}");
}
