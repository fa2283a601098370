//! Scaling of columns.

use gradus_autograd::Float;
use ndarray::{Array1, Array2, Axis};
use serde::{Deserialize, Serialize};

/// Computes `(x − shift) / scale`, with a shift and a scale for each column.
///
/// Fit the scaler on the training data alone, because a measurement on other data is only honest if nothing was fitted
/// on that data. Save it with the model; it implements the traits of serde. A column whose numbers are all the same
/// becomes 0.
///
/// ```
/// use gradus_data::Scaler;
/// use ndarray::array;
/// let train = array![[1.0, 100.0], [3.0, 300.0]];
/// let scaler = Scaler::standard(&train);
/// assert_eq!(scaler.apply(&train), array![[-1.0, -1.0], [1.0, 1.0]]);
/// assert_eq!(scaler.apply(&array![[2.0, 500.0]]), array![[0.0, 3.0]]);
/// assert_eq!(Scaler::min_max(&train).apply(&train), array![[0.0, 0.0], [1.0, 1.0]]);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaler {
    /// the number that is taken off each column
    pub shift: Vec<f64>,
    /// the number that each column is divided by
    pub scale: Vec<f64>,
}

impl Scaler {
    /// Fits a scaler that brings each column to mean 0 and (population) standard deviation 1.
    ///
    /// # Panics
    /// If a number is not finite; the message says where it is.
    #[track_caller]
    pub fn standard<T: Float>(x: &Array2<T>) -> Self {
        Self::by_column(x, |column| {
            let n = column.len().max(1) as f64;
            if same(&column) {
                return (column.first().copied().unwrap_or(0.0), 0.0); // exact, where a mean is rounded
            }
            let mean = column.sum() / n;
            (mean, (column.mapv(|x| (x - mean).powi(2)).sum() / n).sqrt())
        })
    }

    /// Fits a scaler that brings each column to the range 0 … 1.
    ///
    /// # Panics
    /// If a number is not finite; the message says where it is.
    #[track_caller]
    pub fn min_max<T: Float>(x: &Array2<T>) -> Self {
        Self::by_column(x, |column| {
            let (low, high) = column.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &x| (a.min(x), b.max(x)));
            (low, high - low)
        })
    }

    /// Fits one shift and one scale that bring all columns together to mean 0 and (population) standard deviation 1.
    /// This suits pixels, some of which are nearly always 0.
    ///
    /// ```
    /// use gradus_data::{Scaler, digits};
    /// let digits = digits();
    /// let scaler = Scaler::overall(digits.train.x());
    /// assert!(digits.train.scaled(&scaler).x().mean().unwrap().abs() < 1e-4);
    /// ```
    ///
    /// # Panics
    /// If a number is not finite; the message says where it is (all numbers are counted row by row, as one column).
    #[track_caller]
    pub fn overall<T: Float>(x: &Array2<T>) -> Self {
        let n = x.len().max(1) as f64;
        let mean = x.iter().map(|x| x.to_f64()).sum::<f64>() / n;
        let variance = x.iter().map(|x| (x.to_f64() - mean).powi(2)).sum::<f64>() / n;
        let all = Array1::from_iter(x.iter().map(|x| x.to_f64()));
        check(0, &all);
        let (shift, scale) =
            if same(&all) { (all.first().copied().unwrap_or(0.0), 1.0) } else { (mean, variance.sqrt()) };
        Scaler { shift: vec![shift; x.ncols()], scale: vec![scale; x.ncols()] }
    }

    #[track_caller]
    fn by_column<T: Float>(x: &Array2<T>, of: impl Fn(Array1<f64>) -> (f64, f64)) -> Self {
        let (shift, scale) = x
            .axis_iter(Axis(1))
            .enumerate()
            .map(|(j, column)| {
                let column = column.mapv(|x| x.to_f64());
                check(j, &column);
                let (shift, scale) = of(column);
                if shift.is_finite() { (shift, if scale > 0.0 { scale } else { 1.0 }) } else { (0.0, 1.0) }
            })
            .unzip();
        Scaler { shift, scale }
    }

    /// Returns the scaled rows.
    ///
    /// # Panics
    /// If there are more or fewer columns than the scaler was fitted on.
    #[track_caller]
    pub fn apply<T: Float>(&self, x: &Array2<T>) -> Array2<T> {
        self.columns(x, |x, shift, scale| (x - shift) / scale)
    }

    /// Undoes the scaling: `x · scale + shift`.
    ///
    /// # Panics
    /// If there are more or fewer columns than the scaler was fitted on.
    #[track_caller]
    pub fn undo<T: Float>(&self, x: &Array2<T>) -> Array2<T> {
        self.columns(x, |x, shift, scale| x * scale + shift)
    }

    #[track_caller]
    fn columns<T: Float>(&self, x: &Array2<T>, f: impl Fn(f64, f64, f64) -> f64) -> Array2<T> {
        let (own, have) = (self.shift.len(), x.ncols());
        assert!(own == have, "Scaler: it was fitted on {own} columns, but there are {have}");
        let mut y = x.clone();
        for ((mut column, &shift), &scale) in y.columns_mut().into_iter().zip(&self.shift).zip(&self.scale) {
            column.mapv_inplace(|x| T::from_f64(f(x.to_f64(), shift, scale)));
        }
        y
    }
}

fn same(column: &Array1<f64>) -> bool {
    column.iter().all(|&x| x == column[0])
}

#[track_caller]
fn check(j: usize, column: &Array1<f64>) {
    if let Some((i, x)) = column.iter().enumerate().find(|(_, x)| !x.is_finite()) {
        panic!("Scaler: number {i} of column {j} is {x}; leave out what is missing, or fill it in, before scaling");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn columns_of_one_value_and_empty_tables_do_no_harm() {
        let x = array![[5.0f32, 1.0], [5.0, 2.0]];
        for value in [0.1, 98.6] {
            let constant = Array2::from_elem((303, 1), value); // the rounded mean is not the value
            for scaler in [Scaler::standard(&constant), Scaler::overall(&constant), Scaler::min_max(&constant)] {
                assert_eq!(scaler.apply(&constant), Array2::<f64>::zeros((303, 1)));
                assert!(scaler.apply(&array![[value + 0.01]])[[0, 0]] < 0.02);
            }
        }
        for scaler in [Scaler::standard(&x), Scaler::min_max(&x)] {
            assert_eq!(scaler.apply(&x).column(0), array![0.0, 0.0]);
            assert_eq!(scaler.undo(&scaler.apply(&x)), x);
        }
        let empty = Array2::<f64>::zeros((0, 2));
        assert_eq!(Scaler::standard(&empty).apply(&empty), empty);
        assert_eq!(Scaler::min_max(&empty), Scaler { shift: vec![0.0; 2], scale: vec![1.0; 2] });
    }

    #[test]
    #[should_panic(expected = "Scaler: number 1 of column 1 is NaN")]
    fn gaps_are_not_scaled_over() {
        let _ = Scaler::standard(&array![[1.0, 2.0], [3.0, f64::NAN]]);
    }

    #[test]
    #[should_panic(expected = "Scaler: it was fitted on 2 columns, but there are 1")]
    fn other_columns_are_refused() {
        let _ = Scaler::standard(&Array2::<f64>::zeros((3, 2))).apply(&Array2::<f64>::zeros((3, 1)));
    }
}
