//! Imputation as the first layer of a model.

use gradus_autograd::{Buffer, Float, Var, concat, where_};
use gradus_derive::Module;

use crate::Forward;

/// Fills missing inputs (NaN) with a number for each column (the last axis). Columns that have an indicator get one
/// more column each, after all others: 1 where the input was missing, else 0. The numbers are not learned. With this
/// layer, a saved model takes inputs with gaps.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Forward, Impute};
/// use ndarray::array;
/// // what `gradus_data::Imputer::median` finds for ages and incomes: its `fill` and its `indicated()`
/// let layer = Impute::new(&[40.0, 30_000.0], &[1]);
/// let tape = Tape::new();
/// let filled = layer.forward(tape.constant(array![[50.0, f32::NAN], [f32::NAN, 20_000.0]]));
/// assert_eq!(filled.value(), array![[50.0, 30_000.0, 1.0], [40.0, 20_000.0, 0.0]].into_dyn());
/// ```
///
/// Before a saved model is loaded into it, a layer needs the right number of columns and of indicators; which columns
/// they are is loaded.
#[derive(Clone, Debug, Module)]
#[module(crate = gradus_autograd)]
pub struct Impute<T: Float = f32> {
    /// the number that fills each column
    pub fill: Buffer<T>,
    /// the columns that have an indicator
    pub indicated: Buffer<T>,
}

impl<T: Float> Impute<T> {
    /// A layer with the number that fills each column, and the columns that have an indicator.
    ///
    /// # Panics
    /// If a number is not finite, or there is no such column.
    #[track_caller]
    pub fn new(fill: &[f64], indicated: &[usize]) -> Self {
        if let Some((k, x)) = fill.iter().enumerate().find(|(_, x)| !T::from_f64(**x).is_finite()) {
            panic!("Impute: column {k} would be filled with {x}");
        }
        let n = fill.len();
        if let Some(k) = indicated.iter().find(|k| **k >= n) {
            panic!("Impute: there is no column {k} among {n} for an indicator");
        }
        let buffer = |numbers: &mut dyn Iterator<Item = f64>| Buffer::new(numbers.map(T::from_f64).collect::<Vec<T>>());
        Impute { fill: buffer(&mut fill.iter().copied()), indicated: buffer(&mut indicated.iter().map(|&k| k as f64)) }
    }
}

impl<T: Float> Forward<T> for Impute<T> {
    /// # Panics
    /// If the last axis has a different number of columns.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let (shape, own) = (x.shape(), self.fill.shape()[0]);
        assert!(shape.last() == Some(&own), "Impute: {shape:?} does not end in {own} columns");
        let there = x.eq(x); // NaN equals nothing
        let filled = where_(there, x, x.tape().buffer(&self.fill));
        let columns: Vec<usize> = self.indicated.value().iter().map(|k| k.to_f64() as usize).collect();
        match columns.is_empty() {
            true => filled,
            false => concat(&[filled, 1.0 - there.index_select(-1, &columns)], -1),
        }
    }
}
