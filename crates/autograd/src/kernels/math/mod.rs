//! `exp`, `ln`, `tanh`, `sin`, `cos`, `erf` without branches, so that a loop over them vectorises.
//!
//! Their errors, in units in the last place against the exact value, stand at each function and are held by the tests
//! below over the whole range. In mode `PRECISE` every function is the standard library's.

pub(crate) mod double;
pub(crate) mod single;

/// The largest |x| for which `sin` and `cos` keep their accuracy; loops take mode `PRECISE` past it.
pub(crate) const TRIGONOMETRIC_LIMIT: f64 = 8192.0;

#[cfg(test)]
mod tests;
