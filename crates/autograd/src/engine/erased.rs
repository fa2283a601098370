//! Operations without their types, as a tape keeps them.
//!
//! This file, `tape.rs` and `var.rs` import each other, and must: a tape keeps operations, one of an operation's sweeps
//! records variables, and a variable is a handle of its tape.

use crate::Float;
use crate::engine::dual_value::DualValue;
use crate::engine::operation::{Jvp, Operation, Vjp};
use crate::engine::value::Value;
use crate::engine::var::Var;

/// An operation without its type, as the tape keeps it. Its one rule `vjp` serves three sweeps.
pub(crate) trait AnyOperation<T: Float>: Send {
    /// [`Operation::name`], as a method with another name
    fn title(&self) -> &'static str;
    #[cfg(test)]
    fn type_name(&self) -> &'static str {
        std::any::type_name::<Self>()
    }
    fn vjp_values<'s>(&self, cx: &Vjp<'_, T, Value<'s, T>>);
    fn vjp_vars<'t>(&self, cx: &Vjp<'_, T, Var<'t, T>>);
    fn vjp_duals<'s>(&self, cx: &Vjp<'_, T, DualValue<'s, T>>);
    fn jvp_values<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>>;
}

impl<T: Float, O: Operation<T>> AnyOperation<T> for O {
    fn title(&self) -> &'static str {
        self.name()
    }
    fn vjp_values<'s>(&self, cx: &Vjp<'_, T, Value<'s, T>>) {
        self.vjp(cx);
        cx.check(self.name());
    }
    fn vjp_vars<'t>(&self, cx: &Vjp<'_, T, Var<'t, T>>) {
        self.vjp(cx);
        cx.check(self.name());
    }
    fn vjp_duals<'s>(&self, cx: &Vjp<'_, T, DualValue<'s, T>>) {
        self.vjp(cx);
        cx.check(self.name());
    }
    fn jvp_values<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        self.jvp(cx)
    }
}
