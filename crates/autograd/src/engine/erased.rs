//! Operations without their types, as a tape keeps them.
//!
//! This file, `operation.rs`, `tape.rs` and `var.rs` import each other, and must: a tape keeps operations, an operation
//! says how it loses its type, one of its sweeps records variables, and a variable is a handle of its tape.

use std::marker::PhantomData;

use crate::engine::dual_value::DualValue;
use crate::engine::operation::{Jvp, Operation, Vjp};
use crate::engine::tensor::Tensor;
use crate::engine::value::Value;
use crate::engine::var::Var;
use crate::scalar::Choice;
use crate::view::{Output, View};
use crate::{Float, Shape};

/// An operation without its type, as the tape keeps it. Its one rule `vjp` serves three sweeps.
///
/// The trait is public because [`Operation::erase`] names it, and cannot be named outside of this crate.
pub trait AnyOperation<T: Float>: Send {
    /// [`Operation::name`], as a method with another name
    fn title(&self) -> &'static str;
    /// [`Operation::formula`]
    fn about(&self) -> &'static str;
    /// [`Operation::settings`]
    fn details(&self) -> String;
    /// [`Operation::forward`]
    fn run(&self, inputs: &[View<'_, T>], output: Output<'_, T>);
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
    fn about(&self) -> &'static str {
        self.formula()
    }
    fn details(&self) -> String {
        self.settings()
    }
    fn run(&self, inputs: &[View<'_, T>], output: Output<'_, T>) {
        self.forward(inputs, output);
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

/// What a tape keeps.
pub(crate) type Erased<T> = dyn AnyOperation<T>;

/// An operation of this crate, whose sweeps are compiled in this crate, for both number types.
///
/// Generic code is compiled where its types are known, which is the program that uses it: each program would compile
/// the rules of all operations again, for ten seconds and more. The functions are not generic, so what they lead to
/// is compiled here, once.
pub(crate) trait CompiledHere: Sized {
    fn erase_f32(operation: &mut Self) -> &mut Erased<f32>;
    fn erase_f64(operation: &mut Self) -> &mut Erased<f64>;
    /// [`Operation::forward`]
    fn forward_f32(operation: &Self, inputs: &[View<'_, f32>], output: Output<'_, f32>);
    fn forward_f64(operation: &Self, inputs: &[View<'_, f64>], output: Output<'_, f64>);
}

struct Erase<'a, O>(&'a mut O);

impl<'a, O: CompiledHere> Choice for Erase<'a, O> {
    type Of<T: Float> = &'a mut Erased<T>;
    fn f32(self) -> &'a mut Erased<f32> {
        O::erase_f32(self.0)
    }
    fn f64(self) -> &'a mut Erased<f64> {
        O::erase_f64(self.0)
    }
}

/// [`Operation::erase`] of an operation that is compiled here.
pub(crate) fn erase<T: Float, O: CompiledHere>(operation: &mut O) -> &mut Erased<T> {
    T::choose(Erase(operation))
}

struct Forward<O>(PhantomData<O>);

impl<O: CompiledHere> Choice for Forward<O> {
    type Of<T: Float> = fn(&O, &[View<'_, T>], Output<'_, T>);
    fn f32(self) -> Self::Of<f32> {
        O::forward_f32
    }
    fn f64(self) -> Self::Of<f64> {
        O::forward_f64
    }
}

/// [`Operation::forward`] of an operation that is compiled here.
pub(crate) fn forward<T: Float, O: CompiledHere>(operation: &O, inputs: &[View<'_, T>], output: Output<'_, T>) {
    T::choose(Forward(PhantomData))(operation, inputs, output);
}

/// An operation that is [`CompiledHere`], though its type does not say so itself.
pub(crate) struct Here<O>(pub(crate) O);

impl<T: Float, O: Operation<T> + CompiledHere> Operation<T> for Here<O> {
    fn erase(&mut self) -> &mut Erased<T> {
        erase(&mut self.0)
    }
    fn name(&self) -> &'static str {
        self.0.name()
    }
    fn formula(&self) -> &'static str {
        self.0.formula()
    }
    fn settings(&self) -> String {
        self.0.settings()
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        self.0.shape(inputs)
    }
    fn forward(&self, inputs: &[View<'_, T>], output: Output<'_, T>) {
        forward(&self.0, inputs, output);
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        self.0.vjp(cx);
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        self.0.jvp(cx)
    }
}

/// Implements [`CompiledHere`] for an operation; `@erase T` stands in its `impl<T: Float> Operation<T>` and leads
/// there.
macro_rules! compiled_here {
    (@erase $T:ident) => {
        fn erase(&mut self) -> &mut $crate::engine::erased::Erased<$T> {
            $crate::engine::erased::erase(self)
        }
    };
    (@functions $Operation:ty) => {
        // not inlined: that would compile them in the program again
        #[inline(never)]
        fn erase_f32(operation: &mut $Operation) -> &mut $crate::engine::erased::Erased<f32> {
            operation
        }
        #[inline(never)]
        fn erase_f64(operation: &mut $Operation) -> &mut $crate::engine::erased::Erased<f64> {
            operation
        }
        #[inline(never)]
        fn forward_f32(operation: &$Operation, inputs: &[$crate::View<'_, f32>], output: $crate::Output<'_, f32>) {
            $crate::Operation::<f32>::forward(operation, inputs, output);
        }
        #[inline(never)]
        fn forward_f64(operation: &$Operation, inputs: &[$crate::View<'_, f64>], output: $crate::Output<'_, f64>) {
            $crate::Operation::<f64>::forward(operation, inputs, output);
        }
    };
    ($Operation:ty) => {
        impl $crate::engine::erased::CompiledHere for $Operation {
            $crate::engine::erased::compiled_here!(@functions Self);
        }
    };
}
pub(crate) use compiled_here;
