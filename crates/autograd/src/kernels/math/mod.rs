//! `exp`, `ln`, `tanh`, `sin`, `cos`, `erf` without branches, so that a loop over them vectorises.
//!
//! Their errors, in units in the last place against the exact value, stand at each function and are held by the tests
//! below over the whole range. In mode `PRECISE` every function is the standard library's.

pub(crate) mod double;
pub(crate) mod single;

/// The largest |x| for which `sin` and `cos` keep their accuracy; loops take mode `PRECISE` past it.
pub(crate) const TRIGONOMETRIC_LIMIT: f64 = 8192.0;

/// The standard library's functions, one call a number: exact over the whole range, and slow.
pub(crate) const PRECISE: u8 = 0;
/// Branch-free polynomials that a loop can vectorise.
pub(crate) const POLYNOMIAL: u8 = 1;
/// The same with hardware multiply-add. Without the hardware `mul_add` is a library call of 75 ns, so this mode
/// only stands inside a dispatched loop.
pub(crate) const FMA: u8 = 2;
/// What may be used where no instruction set was asked for.
pub(crate) const BASELINE: u8 = if cfg!(target_arch = "aarch64") { FMA } else { POLYNOMIAL };

#[cfg(test)]
mod tests;
