//! What the compiler says about common mistakes in a rule.
//!
//! A rule is generic over its numbers, so a comparison has no truth value, and Rust's `max` does not exist. The traits
//! here have no implementations; they are there for their messages.

use std::cmp::Ordering;

use super::rule::{Num, Real};

/// No type has this trait. It is named in the compiler's message about `if x > 0.0` in a rule: a rule is run on whole
/// arrays, in which the condition holds for some numbers and not for others. Write
/// `x.gt(0.0).choose(if_it_is, if_not)`.
pub trait CompareByGtLtEqAndChoose {}

impl<K: Real + CompareByGtLtEqAndChoose> PartialEq for Num<K> {
    fn eq(&self, _: &Self) -> bool {
        unreachable!("no type has the trait")
    }
}
impl<K: Real + CompareByGtLtEqAndChoose> PartialOrd for Num<K> {
    fn partial_cmp(&self, _: &Self) -> Option<Ordering> {
        unreachable!("no type has the trait")
    }
}
impl<K: Real + CompareByGtLtEqAndChoose> PartialEq<f64> for Num<K> {
    fn eq(&self, _: &f64) -> bool {
        unreachable!("no type has the trait")
    }
}
impl<K: Real + CompareByGtLtEqAndChoose> PartialOrd<f64> for Num<K> {
    fn partial_cmp(&self, _: &f64) -> Option<Ordering> {
        unreachable!("no type has the trait")
    }
}

/// No type has this trait. See [`Num::max`].
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "the larger of two numbers is `a.maximum(b)` here, and the smaller is `a.minimum(b)`",
    label = "`max` and `min` belong to Rust's numbers, not to those of a rule"
)]
pub trait Rename {}

impl<K: Real> Num<K> {
    /// It cannot be called: the larger of two numbers is [`maximum`](Self::maximum), as for variables.
    #[doc(hidden)]
    pub fn max(self, _: impl Rename) -> Self {
        self
    }
    /// It cannot be called: the smaller of two numbers is [`minimum`](Self::minimum), as for variables.
    #[doc(hidden)]
    pub fn min(self, _: impl Rename) -> Self {
        self
    }
}
