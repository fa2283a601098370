//! What can go wrong.

use gradus_autograd::internal::debug_as_display;
use gradus_data::FileError;

use crate::{Eigenpairs, Solution};

/// The reason why a landscape cannot be examined.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum LandscapeError {
    /// the cost, its gradient, or a product with its Hessian is NaN or infinite
    #[error("{what} is not finite at this point")]
    NotFinite {
        /// which of them
        what: &'static str,
    },
    /// another rank has an error, so this one cannot go on
    #[error("rank {rank}: {reason}")]
    OtherRank {
        /// the number of the rank
        rank: usize,
        /// its error
        reason: String,
    },
    /// there is no direction in which the cost curves downwards
    #[error(
        "the cost curves downwards in no direction here: the smallest eigenvalue of the Hessian is {smallest:e}, and \
         from {limit:e} to 0 it counts as 0"
    )]
    NoDescent {
        /// the smallest eigenvalue
        smallest: f64,
        /// the largest eigenvalue that counts as negative
        limit: f64,
    },
    /// the line search found no lower cost
    #[error("no step along the most negative eigenvector lowers the cost, down to a length of {shortest:e}")]
    NoStep {
        /// the shortest step that was tried
        shortest: f64,
    },
    /// a vector is of another length than the operator
    #[error("{what} has {given} numbers, but the operator is of dimension {dim}")]
    Length {
        /// the vector
        what: &'static str,
        /// its length
        given: usize,
        /// the dimension of the operator
        dim: usize,
    },
    /// the operator is not symmetric
    #[error(
        "the operator is not symmetric: u·Av and v·Au differ by {difference:.3e}, where products are of the size \
         {scale:.3e}; eigenvalues and solutions are computed of symmetric operators only"
    )]
    NotSymmetric {
        /// |u·Av − v·Au|
        difference: f64,
        /// the size of the products
        scale: f64,
    },
    /// eigenpairs were not found within the number of products that was allowed
    #[error(
        "the eigenpairs have not converged after {} products: their residuals are up to {:.3e}, and {limit:.3e} is \
         asked for. `reached` holds them as they are; allow more products, or a larger tolerance",
        reached.products, reached.largest_residual()
    )]
    Eigenpairs {
        /// the pairs as far as they are known
        reached: Box<Eigenpairs>,
        /// the residual that was asked for
        limit: f64,
    },
    /// the conjugate gradients did not come to a solution within the number of steps that was allowed
    #[error(
        "the conjugate gradients have not converged after {} steps: the residual is {:.3e}, and {limit:.3e} is asked \
         for. `reached` holds the solution as it is; allow more steps, a larger tolerance, or more damping",
        reached.steps, reached.residual
    )]
    Solution {
        /// the solution as far as it is known
        reached: Box<Solution>,
        /// the residual that was asked for
        limit: f64,
    },
    /// the operator has a direction of negative curvature, so there is no minimum to solve for
    #[error(
        "the operator, damping included, does not curve upwards ({curvature:.3e}) along a direction that step {step} \
         of the conjugate gradients came to. It needs at least {:.3e} more damping, and often much more; or take the \
         Gauss-Newton matrix of a cost that is convex in the outputs, which curves downwards nowhere",
        -curvature
    )]
    NegativeCurvature {
        /// the step, counted from 1
        step: usize,
        /// `p·(A + damping · I)p / p·p` for the direction p
        curvature: f64,
    },
    /// there are no examples
    #[error("there are no examples, so there is no mean cost")]
    NoExamples,
    /// the task has no outputs from which the cost is computed
    #[error(
        "{what} needs the model's outputs apart from the cost, and the cost computed from them; this task gives the \
         cost alone, or outputs that the cost was not computed from. Use `Classify`, `Regress`, or a task of your own \
         whose `forward` returns both"
    )]
    NoOutputs {
        /// which operator
        what: &'static str,
    },
    /// the outputs do not have an entry for each example
    #[error(
        "the empirical Fisher matrix needs an output for each example along the first axis: the outputs of {examples} \
         examples are {shape:?}"
    )]
    OutputRows {
        /// the number of examples of the batch
        examples: usize,
        /// the shape of the outputs
        shape: Vec<usize>,
    },
    /// the data cannot be read
    #[error(transparent)]
    Data(#[from] FileError),
}
debug_as_display!(LandscapeError);

/// Refuses a number that is not finite.
pub(crate) fn finite(what: &'static str, holds: bool) -> Result<(), LandscapeError> {
    if holds { Ok(()) } else { Err(LandscapeError::NotFinite { what }) }
}
