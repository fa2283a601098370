//! The types that may stand beside a variable: another variable, a number, a parameter, a buffer, an array.

use ndarray::{ArrayBase, Data, Dimension};

use crate::{Buffer, Float, Param, Tape, Var};

/// The right-hand side of an operator.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'t, T: Float> {
    /// a plain number, which does not become a leaf
    Number(f64),
    /// a variable
    Var(Var<'t, T>),
}

/// Something that can stand beside a variable: `Var`, `f64`, `f32`, `i32`, `&Param`, `&Buffer`, `&Array`.
///
/// ```
/// use gradus_autograd::{Param, Tape};
/// use ndarray::array;
///
/// let (tape, w, a) = (Tape::new(), Param::new([3.0, 4.0]), array![10.0, 20.0]);
/// let x = tape.var([1.0, 2.0]);
/// assert_eq!((2.0 * x * &w + &a - 1).data(), [15.0, 35.0]);
/// assert_eq!((&w * x - 1).data(), [2.0, 7.0]); // on the left too
/// assert_eq!((&a - x).data(), [9.0, 18.0]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand beside a variable of `{T}`",
    note = "a variable, `f64`, `i32`, `&Param`, `&Buffer` or `&Array` of `{T}` can; borrow parameters and arrays with \
            `&`"
)]
pub trait IntoVar<'t, T: Float>: Sized {
    /// Converts to an operand. Numbers stay numbers.
    #[track_caller]
    fn operand(self, tape: &'t Tape<T>) -> Operand<'t, T>;

    /// Converts to a variable.
    #[track_caller]
    fn into_var(self, tape: &'t Tape<T>) -> Var<'t, T> {
        match self.operand(tape) {
            Operand::Number(number) => tape.constant(number),
            Operand::Var(var) => var,
        }
    }
}

impl<'t, T: Float> IntoVar<'t, T> for Var<'t, T> {
    fn operand(self, _: &'t Tape<T>) -> Operand<'t, T> {
        Operand::Var(self)
    }
}

impl<'t, T: Float> IntoVar<'t, T> for f64 {
    fn operand(self, _: &'t Tape<T>) -> Operand<'t, T> {
        Operand::Number(self)
    }
}

impl<'t, T: Float> IntoVar<'t, T> for f32 {
    fn operand(self, _: &'t Tape<T>) -> Operand<'t, T> {
        Operand::Number(f64::from(self))
    }
}

impl<'t, T: Float> IntoVar<'t, T> for i32 {
    fn operand(self, _: &'t Tape<T>) -> Operand<'t, T> {
        Operand::Number(f64::from(self))
    }
}

impl<'t, T: Float> IntoVar<'t, T> for &Param<T> {
    #[track_caller]
    fn operand(self, tape: &'t Tape<T>) -> Operand<'t, T> {
        Operand::Var(tape.param(self))
    }
}

impl<'t, T: Float> IntoVar<'t, T> for &Buffer<T> {
    #[track_caller]
    fn operand(self, tape: &'t Tape<T>) -> Operand<'t, T> {
        Operand::Var(tape.buffer(self))
    }
}

impl<'t, T: Float, S: Data<Elem = T>, D: Dimension> IntoVar<'t, T> for &ArrayBase<S, D> {
    #[track_caller]
    fn operand(self, tape: &'t Tape<T>) -> Operand<'t, T> {
        Operand::Var(tape.constant(self))
    }
}
