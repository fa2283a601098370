//! The parts of a rule of differentiation: numbers of any kind, functions of them, and dual numbers.
//!
//! Nothing here knows of arrays, tapes or loops. A rule such as `1 - y * y` is written once, over [`Num<K>`], and the
//! kind of number K decides what it does:
//!
//! - a lane of a loop, or a block of lanes, computes numbers (`kernels/`);
//! - a [`Dual`] of another kind carries the derivative along;
//! - a [`Var`](crate::Var) records operations on its tape, so that the derivative can be differentiated again.

mod dual;
mod expression;
mod mistakes;
mod num;
mod rule;

pub(crate) use dual::Dual;
pub use expression::Expression;
pub use num::IntoNum;
pub(crate) use rule::{Compiled, Loops, Moving, Numeric, Rule, primitives};
pub use rule::{Num, Real};
