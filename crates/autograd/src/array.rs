//! The types that can be put on a tape or into a parameter: `ndarray` arrays, slices, numbers.

use ndarray::{ArrayBase, Data, Dimension};

use crate::Float;
use crate::kernels::threads::{GRAIN, split};
use crate::shape::Shape;

/// A value with a shape and numbers: an `ndarray` array or view, owned or borrowed, a `Vec`, an array, a number.
///
/// ```
/// use gradus_autograd::Tape;
/// let tape = Tape::new();
/// assert_eq!(tape.var(2.0).shape(), []);
/// assert_eq!(tape.var([1.0, 2.0]).shape(), [2]);
/// assert_eq!(tape.var(&ndarray::array![[1.0], [2.0]]).shape(), [2, 1]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot become a tensor of `{T}`",
    note = "give a number, a `Vec`, an array, or an `ndarray` array whose elements are `{T}`"
)]
pub trait IntoArray<T: Float> {
    /// The sizes of the axes.
    fn shape(&self) -> Shape;
    /// Writes the numbers, row by row.
    fn write(&self, out: &mut [T]);
}

/// Copies a batch onto the tape, a long one on several threads.
fn copy<T: Float>(numbers: &[T], out: &mut [T]) {
    assert_eq!(numbers.len(), out.len());
    split(out, GRAIN, |start, out| out.copy_from_slice(&numbers[start..start + out.len()]));
}

impl<T: Float, S: Data<Elem = T>, D: Dimension> IntoArray<T> for &ArrayBase<S, D> {
    fn shape(&self) -> Shape {
        Shape::from_slice(self.raw_dim().slice())
    }
    fn write(&self, out: &mut [T]) {
        match self.as_slice() {
            Some(numbers) => copy(numbers, out),
            None => out.iter_mut().zip(self.iter()).for_each(|(out, &x)| *out = x),
        }
    }
}

impl<T: Float, S: Data<Elem = T>, D: Dimension> IntoArray<T> for ArrayBase<S, D> {
    fn shape(&self) -> Shape {
        IntoArray::shape(&self)
    }
    fn write(&self, out: &mut [T]) {
        IntoArray::write(&self, out);
    }
}

impl<T: Float> IntoArray<T> for f64 {
    fn shape(&self) -> Shape {
        Shape::new()
    }
    fn write(&self, out: &mut [T]) {
        out[0] = T::from_f64(*self);
    }
}

impl<T: Float> IntoArray<T> for f32 {
    fn shape(&self) -> Shape {
        Shape::new()
    }
    fn write(&self, out: &mut [T]) {
        out[0] = T::from_f64(f64::from(*self));
    }
}

impl<T: Float> IntoArray<T> for &[T] {
    fn shape(&self) -> Shape {
        [self.len()].as_slice().into()
    }
    fn write(&self, out: &mut [T]) {
        copy(self, out);
    }
}

impl<T: Float> IntoArray<T> for Vec<T> {
    fn shape(&self) -> Shape {
        self.as_slice().shape()
    }
    fn write(&self, out: &mut [T]) {
        self.as_slice().write(out);
    }
}

impl<T: Float, const N: usize> IntoArray<T> for [T; N] {
    fn shape(&self) -> Shape {
        self.as_slice().shape()
    }
    fn write(&self, out: &mut [T]) {
        self.as_slice().write(out);
    }
}
