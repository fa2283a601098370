//! Picking places by index, and adding to places by index.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::axes::axis_of;
use crate::ops::places::{Put, Take};
use crate::places::Places;
use crate::{Float, IntoVar, Shape, Var};

impl<'t, T: Float> Var<'t, T> {
    /// Takes the places `index` of an axis, in that order. A place that is named twice gets the sum of both gradients.
    ///
    /// # Panics
    /// If an index is out of range.
    ///
    /// ```
    /// use ndarray::array;
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(array![[1.0, 2.0], [3.0, 4.0]]);
    /// let y = x.index_select(0, &[1, 0, 1]);
    /// assert_eq!(y.shape(), [3, 2]);
    /// assert_eq!(y.sum().backward().wrt(x), array![[1.0, 1.0], [2.0, 2.0]].into_dyn());
    /// ```
    #[track_caller]
    pub fn index_select(self, axis: isize, index: &[usize]) -> Self {
        let axis = axis_of("index_select", axis, self.shape());
        self.unary(Take { places: Places::Along { axis, index: index.into(), most: index.len() } })
    }

    /// Takes one number for each index along an axis: for axis 1 of three axes, `y[i][j][k] = x[i][index[i][j][k]][k]`.
    /// A place that is read twice gets the sum of both gradients.
    ///
    /// # Panics
    /// If an index is out of range, or the shapes do not fit.
    ///
    /// ```
    /// use ndarray::array;
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(array![[1.0, 2.0], [3.0, 4.0]]);
    /// let y = x.gather(1, &array![[1], [0]]);
    /// assert_eq!(y.data(), [2.0, 3.0]);
    /// ```
    #[track_caller]
    pub fn gather<S: ndarray::Data<Elem = usize>, D: ndarray::Dimension>(
        self,
        axis: isize,
        index: &ndarray::ArrayBase<S, D>,
    ) -> Self {
        let axis = axis_of("gather", axis, self.shape());
        let most = index.shape().get(axis).copied().unwrap_or(1);
        self.gather_most(axis, index, most)
    }

    /// Like [`gather`](Self::gather), for places that are each named at most `most` times.
    #[track_caller]
    pub(crate) fn gather_most<S: ndarray::Data<Elem = usize>, D: ndarray::Dimension>(
        self,
        axis: usize,
        index: &ndarray::ArrayBase<S, D>,
        most: usize,
    ) -> Self {
        let (shape, index) = (index.shape().into(), index.iter().copied().collect());
        self.unary(Take { places: Places::Each { axis, shape, index, most } })
    }

    /// Adds each number of `source` to this array, at the place where [`gather`](Self::gather) would read it: for axis
    /// 0 of two axes, `y[index[i][j]][j] += source[i][j]`. A place that is named twice gets both numbers. If the source
    /// is larger than the index, its leading part is used.
    ///
    /// # Panics
    /// If an index is out of range, or the shapes do not fit.
    ///
    /// ```
    /// use ndarray::array;
    /// let tape = gradus_autograd::Tape::new();
    /// let (x, source) = (tape.var([10.0, 20.0, 30.0]), tape.var([1.0, 2.0, 3.0]));
    /// let y = x.scatter_add(0, &array![2, 0, 2], source);
    /// assert_eq!(y.data(), [12.0, 20.0, 34.0]);
    /// ```
    #[track_caller]
    pub fn scatter_add<S: ndarray::Data<Elem = usize>, D: ndarray::Dimension>(
        self,
        axis: isize,
        index: &ndarray::ArrayBase<S, D>,
        source: impl IntoVar<'t, T>,
    ) -> Self {
        let axis = axis_of("scatter_add", axis, self.shape());
        let (mut part, shape) = (source.into_var(self.tape()), index.shape());
        let fits = part.ndim() == shape.len() && shape.iter().zip(part.shape()).all(|(index, source)| index <= source);
        assert!(
            fits,
            "scatter_add: an index of shape {shape:?} for a source of shape {:?}, which lacks places",
            part.shape()
        );
        for (k, &len) in shape.iter().enumerate() {
            if part.shape()[k] != len {
                part = part.narrow(k as isize, 0, len);
            }
        }
        let places = Places::Each {
            axis,
            shape: shape.into(),
            index: index.iter().copied().collect(),
            most: shape.get(axis).copied().unwrap_or(1),
        };
        let put = Put { places: SmallVec::from_iter([places]), whole: self.shape().into() };
        self.tape().apply(put, [part, self])
    }

    /// Looks up rows of this table (V × D), one for each whole number of an array of any shape. The shape of the result
    /// is the shape of that array, followed by D. The gradients of a row that is read several times add up.
    ///
    /// # Panics
    /// If this is not a matrix, or there is no row for an index.
    ///
    /// ```
    /// use ndarray::array;
    /// let tape = gradus_autograd::Tape::new();
    /// let table = tape.var(array![[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]);
    /// let words = table.embedding(&array![[2, 0], [2, 1]]);
    /// assert_eq!(words.shape(), [2, 2, 2]);
    /// assert_eq!(words.sum().backward().wrt(table), array![[1.0, 1.0], [1.0, 1.0], [2.0, 2.0]].into_dyn());
    /// ```
    #[track_caller]
    pub fn embedding<S: ndarray::Data<Elem = usize>, D: ndarray::Dimension>(
        self,
        index: &ndarray::ArrayBase<S, D>,
    ) -> Self {
        let &[rows, width] = self.shape() else {
            panic!("embedding: the table is {:?}; it must be a matrix of rows × numbers a row", self.shape())
        };
        if let Some((place, row)) = index.iter().enumerate().find(|(_, row)| **row >= rows) {
            panic!("embedding: index number {place} is {row}, but the table {:?} has {rows} rows", self.shape());
        }
        let most = index.len();
        let flat: Arc<[usize]> = index.iter().copied().collect();
        let shape: Shape = index.shape().iter().copied().chain([width]).collect();
        self.unary(Take { places: Places::Along { axis: 0, index: flat, most } }).reshape(&*shape)
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    use ndarray::array;
    let x = || vec![array![[1.5, -0.2, 0.3], [0.4, 2.0, -1.0]].into_dyn()];
    vec![
        check!("index_select", x(), |v| v[0].square().index_select(1, &[2, 0, 2, 2])),
        check!("gather", x(), |v| v[0].square().gather(1, &array![[2, 2, 0, 2], [1, 1, 1, 1]])),
        check!("scatter_add", x(), |v| { v[0].square().scatter_add(1, &array![[2, 2], [0, 1]], v[0].exp()) }),
        check!("embedding", x(), |v| v[0].square().embedding(&array![[1, 0, 1], [1, 1, 0]])),
    ]
}
