//! Imputation: numbers for the gaps of a table.

use gradus_autograd::Float;
use gradus_autograd::internal::debug_as_display;
use ndarray::{Array2, Axis, concatenate};
use serde::{Deserialize, Serialize};

/// Fills missing numbers (NaN), with one number for each column, and marks where they were missing.
///
/// Fit the imputer on the training data alone, as a [`Scaler`](crate::Scaler), and save it with the model: as the first
/// layer of the model (`Impute` of `gradus-nn`), or by serde.
///
/// ```
/// use gradus_data::{Imputer, Table};
/// use ndarray::array;
/// let table = Table::parse("age,bmi\n40,21\n,30\n61,NA\n70,24\n", "people.csv")?;
/// let x = table.gaps_as_nan().matrix::<f64>(&["age", "bmi"])?;
/// let imputer = Imputer::median(&x)?;
/// assert_eq!(imputer.fill, [61.0, 24.0]);
/// assert_eq!(imputer.apply(&x).row(1), array![61.0, 30.0]);
/// // with a column of 0 and 1 for each column that had gaps in the training data
/// assert_eq!(imputer.indicators(true).apply(&x).row(1), array![61.0, 30.0, 1.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// With scikit-learn, it is `SimpleImputer`, and `add_indicator=True` for the columns of indicators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Imputer {
    /// the number that fills the gaps of each column
    pub fill: Vec<f64>,
    /// the columns that had gaps when the imputer was fitted
    gaps: Vec<usize>,
    /// whether these columns have indicators
    indicators: bool,
}

/// The error of a column from which no number to fill in can be computed.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImputeError {
    /// A column has gaps only.
    #[error(
        "column {column} has no number, so none can fill its gaps; leave the column out, or fill it with a constant"
    )]
    Empty {
        /// the column, counted from 0
        column: usize,
    },
    /// A number is infinite.
    #[error("number {row} of column {column} is infinite, which is not a gap")]
    Infinite {
        /// the row, counted from 0
        row: usize,
        /// the column, counted from 0
        column: usize,
    },
}
debug_as_display!(ImputeError);

impl Imputer {
    /// Fits an imputer that fills gaps with the mean of their column.
    ///
    /// # Errors
    /// If a column has no number, or a number is infinite.
    pub fn mean<T: Float>(x: &Array2<T>) -> Result<Self, ImputeError> {
        Self::fit(x, |numbers| numbers.iter().sum::<f64>() / numbers.len() as f64)
    }

    /// Fits an imputer that fills gaps with the median of their column: the middle number, or the mean of the two in
    /// the middle.
    ///
    /// # Errors
    /// If a column has no number, or a number is infinite.
    pub fn median<T: Float>(x: &Array2<T>) -> Result<Self, ImputeError> {
        Self::fit(x, |numbers| {
            let middle = numbers.len() / 2;
            if numbers.len() % 2 == 1 { numbers[middle] } else { 0.5 * numbers[middle - 1] + 0.5 * numbers[middle] }
        })
    }

    /// Fits an imputer that fills gaps with the most frequent number of their column; with the smallest of these, if
    /// several are equally frequent. It suits categories that are numbers.
    ///
    /// # Errors
    /// If a column has no number, or a number is infinite.
    pub fn most_frequent<T: Float>(x: &Array2<T>) -> Result<Self, ImputeError> {
        Self::fit(x, |numbers| {
            let runs = numbers.chunk_by(|a, b| a == b);
            runs.rev().max_by_key(|run| run.len()).map_or(f64::NAN, |run| run[0])
        })
    }

    /// An imputer that fills the gaps of all columns with one number.
    pub fn constant<T: Float>(x: &Array2<T>, fill: f64) -> Self {
        Imputer { fill: vec![fill; x.ncols()], gaps: gaps(x), indicators: false }
    }

    /// Computes the fill of each column from its numbers, in order of size.
    fn fit<T: Float>(x: &Array2<T>, of: impl Fn(&[f64]) -> f64) -> Result<Self, ImputeError> {
        let fill = |(column, numbers): (usize, ndarray::ArrayView1<'_, T>)| {
            if let Some(row) = numbers.iter().position(|x| x.to_f64().is_infinite()) {
                return Err(ImputeError::Infinite { row, column });
            }
            let mut sorted: Vec<f64> = numbers.iter().map(|x| x.to_f64()).filter(|x| !x.is_nan()).collect();
            sorted.sort_unstable_by(f64::total_cmp);
            if sorted.is_empty() { Err(ImputeError::Empty { column }) } else { Ok(of(&sorted)) }
        };
        let fill = x.axis_iter(Axis(1)).enumerate().map(fill).collect::<Result<_, _>>()?;
        Ok(Imputer { fill, gaps: gaps(x), indicators: false })
    }

    /// Sets whether each column that had gaps when the imputer was fitted gets an indicator: one more column, which is
    /// 1 where a number was missing and else 0. That a number is missing may itself say something.
    pub fn indicators(mut self, indicators: bool) -> Self {
        self.indicators = indicators;
        self
    }

    /// The columns that have an indicator, in the order of the indicators. They stand after all other columns.
    pub fn indicated(&self) -> &[usize] {
        if self.indicators { &self.gaps } else { &[] }
    }

    /// Returns the rows without gaps, with the indicators after the other columns.
    ///
    /// # Panics
    /// If there are more or fewer columns than the imputer was fitted on.
    #[track_caller]
    pub fn apply<T: Float>(&self, x: &Array2<T>) -> Array2<T> {
        let (own, have) = (self.fill.len(), x.ncols());
        assert!(own == have, "Imputer: it was fitted on {own} columns, but there are {have}");
        let mut y = x.clone();
        for (mut column, &fill) in y.columns_mut().into_iter().zip(&self.fill) {
            column.mapv_inplace(|x| if x.to_f64().is_nan() { T::from_f64(fill) } else { x });
        }
        let missing = |column: &usize| x.select(Axis(1), &[*column]).mapv(|x| indicator(x.to_f64().is_nan()));
        let indicators: Vec<Array2<T>> = self.indicated().iter().map(missing).collect();
        let all: Vec<_> = std::iter::once(y.view()).chain(indicators.iter().map(|column| column.view())).collect();
        concatenate(Axis(1), &all).expect("columns of equal length")
    }
}

fn indicator<T: Float>(missing: bool) -> T {
    T::from_f64(f64::from(u8::from(missing)))
}

/// The columns with gaps.
fn gaps<T: Float>(x: &Array2<T>) -> Vec<usize> {
    let has_gap = |k: &usize| x.column(*k).iter().any(|x| x.to_f64().is_nan());
    (0..x.ncols()).filter(has_gap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn each_way_fills_what_it_says() {
        let nan = f64::NAN;
        let x = array![[1.0, 5.0], [nan, 5.0], [4.0, 7.0], [10.0, nan], [1.0, 7.0]];
        assert_eq!(Imputer::mean(&x).unwrap().fill, [4.0, 6.0]);
        assert_eq!(Imputer::median(&x).unwrap().fill, [2.5, 6.0]);
        assert_eq!(Imputer::most_frequent(&x).unwrap().fill, [1.0, 5.0], "the smaller of 5 and 7");
        let constant = Imputer::constant(&x, -1.0).indicators(true);
        assert_eq!(constant.apply(&x).row(3), array![10.0, -1.0, 0.0, 1.0]);
        let full = array![[2.0, 3.0]];
        assert_eq!(constant.apply(&full), array![[2.0, 3.0, 0.0, 0.0]], "as many columns as in training");
        assert_eq!(Imputer::mean(&full).unwrap().indicators(true).apply(&array![[nan, 1.0]]), array![[2.0, 1.0]]);
    }

    #[test]
    fn columns_that_cannot_be_filled_are_named() {
        let x = array![[1.0, f64::NAN], [2.0, f64::NAN]];
        assert!(Imputer::median(&x).unwrap_err().to_string().starts_with("column 1 has no number"));
        let x = array![[1.0], [f64::INFINITY]];
        assert_eq!(Imputer::mean(&x).unwrap_err().to_string(), "number 1 of column 0 is infinite, which is not a gap");
    }
}
