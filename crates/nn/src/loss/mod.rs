//! Costs. Each cost computes one number for each element (or row), and reduces the numbers as asked. The formulas are
//! PyTorch's.
//!
//! `regression.rs` has the costs between numbers, `binary.rs` the costs of two classes and between distributions,
//! `classes.rs` cross-entropy, `margin.rs` the costs with targets of ±1, `distance.rs` those of distances.
//!
//! Why is there no softmax in a classifier's last layer? Because the cost needs its logarithm. `ln softmax(x)` computed
//! in one piece is `x − ln Σ eˣ`, finite for every x; in two pieces the softmax underflows to 0 and the logarithm of
//! that is −∞, with a gradient that is NaN. So the model gives logits, and the cost contains the softmax. The label
//! with the largest logit is the one with the largest probability. The same holds for a sigmoid and
//! [`binary_cross_entropy`]; if there are only probabilities, [`binary_cross_entropy_of_probabilities`] and [`nll`] are
//! as exact as they can be.

mod binary;
mod classes;
mod distance;
mod margin;
mod regression;

use gradus_autograd::{Float, Var, where_};
use serde::{Deserialize, Serialize};

pub use binary::{BinaryCrossEntropy, binary_cross_entropy, binary_cross_entropy_of_probabilities, kl_div};
pub use classes::{CrossEntropy, cross_entropy, nll};
pub use distance::{contrastive, pairwise_distances, triplet};
pub use margin::{cosine_embedding, hinge_embedding, soft_margin};
pub use regression::{huber, l1, mse, smooth_l1};

/// How the numbers of a loss are reduced to one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reduction {
    /// the mean of the numbers
    #[default]
    Mean,
    /// the sum of the numbers
    Sum,
    /// no reduction: the numbers stay as they are
    None,
}

impl Reduction {
    /// Reduces the numbers of a loss.
    #[track_caller]
    pub fn apply<'t, T: Float>(self, losses: Var<'t, T>) -> Var<'t, T> {
        match self {
            Reduction::Mean => losses.mean(),
            Reduction::Sum => losses.sum(),
            Reduction::None => losses,
        }
    }
}

/// Returns `factor · value`, which is 0 where the factor is 0, even if the value is infinite: 0 · ln 0 is 0 in a cost.
#[track_caller]
fn share<'t, T: Float>(factor: Var<'t, T>, value: Var<'t, T>) -> Var<'t, T> {
    if value.data().iter().all(|x| x.abs() != T::from_f64(f64::INFINITY)) {
        return factor * value;
    }
    let nothing = factor.eq(0.0) * value.abs().eq(f64::INFINITY);
    where_(nothing, 0.0, factor * where_(nothing, 0.0, value))
}

/// Panics if the shapes differ: `[n]` against `[n, 1]` would broadcast to n × n differences, which nobody intends.
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
