//! The convention for modules of one input and one output.

use gradus_autograd::{Float, IntoArray, Leaf, LeafMut, Module, Tape, Var, Visitor};
use ndarray::ArrayD;

/// A module that maps one variable to one variable. Models of other signatures use methods of their own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no `forward` for variables of `{T}`",
    note = "implement `Forward<{T}>`, or wrap a closure: `lambda(|x| x.tanh())`"
)]
pub trait Forward<T: Float = f32>: Module<T> {
    /// Returns the output for an input. Parameters are only read, so one model serves many threads.
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T>;
}

/// Returns a model's output for an input, as an array. The computation uses an inference tape of its own, which is gone
/// afterwards.
///
/// For many predictions, one after the other, [`Tape::value_of`](gradus_autograd::Tape::value_of) does the same with
/// one tape, and reuses its memory.
///
/// ```
/// use gradus_nn::{Mlp, predict};
/// use ndarray::array;
/// let model = Mlp::builder([2, 8, 3]).dropout(0.5).build::<f32>();
/// let logits = predict(&model, array![[1.0, 2.0], [3.0, 4.0]]); // dropout passes everything on
/// assert_eq!(logits.shape(), [2, 3]);
/// ```
#[track_caller]
pub fn predict<T: Float>(model: &(impl Forward<T> + ?Sized), x: impl IntoArray<T>) -> ArrayD<T> {
    let tape = Tape::inference();
    model.forward(tape.constant(x)).value().to_owned()
}

impl<T: Float, F: Forward<T> + ?Sized> Forward<T> for Box<F> {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        (**self).forward(x)
    }
}

impl<T: Float, F: Forward<T>> Forward<T> for Vec<F> {
    /// Applies the layers one after the other.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        self.iter().fold(x, |x, layer| layer.forward(x))
    }
}

/// A closure as a layer without parameters. Made by [`lambda`].
#[derive(Clone, Copy, Debug)]
pub struct Lambda<F>(F);

/// Makes a layer from a closure.
///
/// ```
/// use gradus_autograd::{Tape, Var};
/// use gradus_nn::{Forward, lambda};
/// let double = lambda(|x: Var<'_>| x * 2.0);
/// let tape = Tape::new();
/// assert_eq!(double.forward(tape.var(3.0)).item(), 6.0);
/// ```
pub fn lambda<T: Float, F: for<'t> Fn(Var<'t, T>) -> Var<'t, T> + Send + Sync>(f: F) -> Lambda<F> {
    Lambda(f)
}

/// Implements `Module`, for every number type, for types without parameters.
macro_rules! without_parameters {
    ($($type:ty),*) => {
        $(impl<T: gradus_autograd::Float> gradus_autograd::Module<T> for $type {
            fn visit<'a>(&'a self, _: &mut gradus_autograd::Visitor<'_, gradus_autograd::Leaf<'a, T>>) {}
            fn visit_mut<'a>(&'a mut self, _: &mut gradus_autograd::Visitor<'_, gradus_autograd::LeafMut<'a, T>>) {}
        })*
    };
}
pub(crate) use without_parameters;

impl<T: Float, F: Send + Sync> Module<T> for Lambda<F> {
    fn visit<'a>(&'a self, _: &mut Visitor<'_, Leaf<'a, T>>) {}
    fn visit_mut<'a>(&'a mut self, _: &mut Visitor<'_, LeafMut<'a, T>>) {}
}

impl<T: Float, F: for<'t> Fn(Var<'t, T>) -> Var<'t, T> + Send + Sync> Forward<T> for Lambda<F> {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        (self.0)(x)
    }
}
