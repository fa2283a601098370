//! Scaling as the first layer of a model.

use gradus_autograd::{Buffer, Float, Var};
use gradus_derive::Module;

use crate::Forward;

/// `(x − shift) / scale` for each column (the last axis), with numbers that are not learned. With this layer, a saved
/// model takes inputs as they are measured, and nobody can forget how the training data were scaled.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Forward, Standardize};
/// use ndarray::array;
/// // what `gradus_data::Scaler::standard` finds for ages and incomes
/// let layer = Standardize::new(&[40.0, 30_000.0], &[10.0, 8_000.0]);
/// let tape = Tape::new();
/// let scaled = layer.forward(tape.constant(array![[50.0, 30_000.0]]));
/// assert_eq!(scaled.value(), array![[1.0, 0.0]].into_dyn());
/// ```
#[derive(Clone, Debug, Module)]
#[module(crate = gradus_autograd)]
pub struct Standardize<T: Float = f32> {
    /// the shift of each column
    pub shift: Buffer<T>,
    /// the scale of each column
    pub scale: Buffer<T>,
}

impl<T: Float> Standardize<T> {
    /// A layer with a shift and a scale for each column.
    ///
    /// # Panics
    /// If the numbers of shifts and scales differ, or a scale is 0 or not finite.
    #[track_caller]
    pub fn new(shift: &[f64], scale: &[f64]) -> Self {
        let (n, m) = (shift.len(), scale.len());
        assert!(n == m, "Standardize: {n} shifts and {m} scales");
        if let Some((k, s)) = scale.iter().enumerate().find(|(_, s)| !(s.is_finite() && **s != 0.0)) {
            panic!("Standardize: the scale of column {k} is {s}, which cannot be divided by");
        }
        let buffer = |numbers: &[f64]| Buffer::new(numbers.iter().map(|&x| T::from_f64(x)).collect::<Vec<T>>());
        Standardize { shift: buffer(shift), scale: buffer(scale) }
    }

    /// A layer that changes nothing until numbers are loaded into it.
    pub fn identity(columns: usize) -> Self {
        Self::new(&vec![0.0; columns], &vec![1.0; columns])
    }
}

impl<T: Float> Forward<T> for Standardize<T> {
    /// # Panics
    /// If the last axis has a different number of columns.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let (shape, own) = (x.shape(), self.shift.shape()[0]);
        assert!(shape.last() == Some(&own), "Standardize: {shape:?} does not end in {own} columns");
        (x - x.tape().buffer(&self.shift)) / x.tape().buffer(&self.scale)
    }
}
