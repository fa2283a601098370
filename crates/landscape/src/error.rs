//! What can go wrong.

/// The reason why a point of the landscape cannot be examined.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LandscapeError {
    /// the cost, its gradient or its Hessian is NaN or infinite
    #[error("{what} is not finite at this point")]
    NotFinite {
        /// which of them
        what: &'static str,
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
}
