//! The form in which an operation is handed arrays: a slice of the numbers, row by row, and the shape.

use ndarray::{ArrayViewD, ArrayViewMutD};

/// An array that an operation reads. The numbers are contiguous, row by row.
#[derive(Clone, Copy, Debug)]
pub struct View<'a, T> {
    padded: &'a [T],
    shape: &'a [usize],
}

impl<'a, T> View<'a, T> {
    #[inline]
    pub(crate) fn new(padded: &'a [T], shape: &'a [usize]) -> Self {
        View { padded, shape }
    }
    /// The sizes of the axes.
    #[inline]
    pub fn shape(&self) -> &'a [usize] {
        self.shape
    }
    /// The numbers, row by row.
    #[inline]
    pub fn data(&self) -> &'a [T] {
        &self.padded[..self.shape.iter().product()]
    }
    /// The numbers and the padding after them, for loops that run over whole blocks only.
    #[inline]
    pub(crate) fn padded(&self) -> &'a [T] {
        self.padded
    }
    /// The same array as an `ndarray` view.
    pub fn array(&self) -> ArrayViewD<'a, T> {
        ArrayViewD::from_shape(self.shape, self.data()).expect("as many numbers as the shape says")
    }
}

/// The array that an operation writes. The numbers are contiguous, row by row, and the operation must write every one
/// of them: before, they are NaN in debug builds, and numbers of earlier steps in release builds.
#[derive(Debug)]
pub struct Output<'a, T> {
    padded: &'a mut [T],
    shape: &'a [usize],
}

impl<'a, T> Output<'a, T> {
    #[inline]
    pub(crate) fn new(padded: &'a mut [T], shape: &'a [usize]) -> Self {
        Output { padded, shape }
    }
    /// The sizes of the axes, as [`Operation::shape`](crate::Operation::shape) gave them.
    #[inline]
    pub fn shape(&self) -> &'a [usize] {
        self.shape
    }
    /// The numbers to write, row by row.
    #[inline]
    pub fn data(&mut self) -> &mut [T] {
        let len = self.shape.iter().product();
        &mut self.padded[..len]
    }
    #[inline]
    pub(crate) fn padded(&mut self) -> &mut [T] {
        self.padded
    }
    /// The same array as an `ndarray` view.
    pub fn array(&mut self) -> ArrayViewMutD<'_, T> {
        let shape = self.shape;
        ArrayViewMutD::from_shape(shape, self.data()).expect("as many numbers as the shape says")
    }
}
