//! Operators: something that multiplies a direction, such as a Hessian that is never formed.

mod combine;
mod linear;

pub use combine::{Combination, Deflated, Restricted};
pub(crate) use linear::{ASYMMETRY, check_length, check_symmetric, product};
pub use linear::{Closure, LinearOperator, dense, eigenvalues, operator};
