//! Mirrored, padded, diagonal and triangular arrays: combinations of slices and choices.

use smallvec::SmallVec;

use crate::axes::Axes;
use crate::ops::choose::where_;
use crate::ops::places::Put;
use crate::places::{Places, Range};
use crate::{Float, Shape, Var};

/// The operation that makes zeros of shape `whole` with its input at the places that the ranges name.
fn put(ranges: SmallVec<[Range; 4]>, whole: Shape) -> Put {
    Put { places: SmallVec::from_iter([Places::Ranges(ranges)]), whole }
}

impl<'t, T: Float> Var<'t, T> {
    /// Reverses the order along one or more axes.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// assert_eq!(tape.var([1.0, 2.0, 3.0]).flip(0).data(), [3.0, 2.0, 1.0]);
    /// ```
    #[track_caller]
    pub fn flip(self, axes: impl Axes) -> Self {
        let (shape, axes) = (self.shape(), axes.list("flip", self.shape()));
        let range = |(axis, &len): (usize, &usize)| match axes.contains(&axis) && len > 0 {
            true => Range { start: len - 1, step: -1, len },
            false => Range { start: 0, step: 1, len },
        };
        self.ranges(shape.iter().enumerate().map(range).collect())
    }

    /// Puts `value` around the array: `widths[k]` is the number of places before and after it on axis k.
    ///
    /// # Panics
    /// If there is not one pair for each axis.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var([1.0, 2.0]);
    /// assert_eq!(x.pad(&[[1, 2]], 0.0).data(), [0.0, 1.0, 2.0, 0.0, 0.0]);
    /// ```
    #[track_caller]
    pub fn pad(self, widths: &[[usize; 2]], value: f64) -> Self {
        let own = self.shape();
        assert!(widths.len() == own.len(), "pad: {} pairs for the {} axes of {own:?}", widths.len(), own.len());
        let ranges = || widths.iter().zip(own).map(|(w, &len)| Range { start: w[0], step: 1, len }).collect();
        let shape: Shape = widths.iter().zip(own).map(|(w, &len)| w[0] + len + w[1]).collect();
        let placed = self.unary(put(ranges(), shape.clone()));
        if value == 0.0 {
            return placed;
        }
        let ones = self.tape().constant_with(own, |ones| ones.fill(T::from_f64(1.0)));
        where_(ones.unary(put(ranges(), shape)), placed, value)
    }

    /// For a matrix, returns the diagonal that lies `offset` places above the main diagonal (below it, if negative).
    /// For a vector, returns the square matrix with the vector on that diagonal and zeros elsewhere.
    ///
    /// # Panics
    /// If there are other than one or two axes.
    ///
    /// ```
    /// use ndarray::array;
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(array![[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.diag(0).data(), [1.0, 4.0]);
    /// assert_eq!(x.diag(1).diag(1).value(), array![[0.0, 2.0], [0.0, 0.0]].into_dyn());
    /// ```
    #[track_caller]
    pub fn diag(self, offset: isize) -> Self {
        let (above, below) = (offset.max(0) as usize, offset.min(0).unsigned_abs());
        match *self.shape() {
            [rows, columns] => {
                let len = rows.saturating_sub(below).min(columns.saturating_sub(above));
                let start = if len == 0 { 0 } else { above + below * columns };
                let range = Range { start, step: columns as isize + 1, len };
                self.flatten().ranges(SmallVec::from_iter([range]))
            }
            [len] => {
                let size = len + above + below;
                let start = if len == 0 { 0 } else { above + below * size };
                let ranges = SmallVec::from_iter([Range { start, step: size as isize + 1, len }]);
                let shape = Shape::from_slice(&[size * size]);
                self.unary(put(ranges, shape)).reshape([size, size])
            }
            _ => panic!("diag: {:?} is neither a vector nor a matrix", self.shape()),
        }
    }

    /// The lower triangle of a matrix, or of each matrix in a batch. Numbers more than `diagonal` places above the main
    /// diagonal become 0.
    ///
    /// # Panics
    /// If there are fewer than two axes.
    ///
    /// ```
    /// use ndarray::array;
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(array![[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.tril(0).value(), array![[1.0, 0.0], [3.0, 4.0]].into_dyn());
    /// ```
    #[track_caller]
    pub fn tril(self, diagonal: isize) -> Self {
        self.triangle("tril", |row, column| column - row <= diagonal)
    }

    /// The upper triangle of a matrix, or of each matrix in a batch. Numbers below the diagonal that lies `diagonal`
    /// places above the main diagonal become 0.
    ///
    /// # Panics
    /// If there are fewer than two axes.
    ///
    /// ```
    /// use ndarray::array;
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(array![[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.triu(0).value(), array![[1.0, 2.0], [0.0, 4.0]].into_dyn());
    /// ```
    #[track_caller]
    pub fn triu(self, diagonal: isize) -> Self {
        self.triangle("triu", |row, column| column - row >= diagonal)
    }

    #[track_caller]
    fn triangle(self, name: &str, inside: impl Fn(isize, isize) -> bool) -> Self {
        let shape = self.shape();
        let &[.., rows, columns] = shape else { panic!("{name}: {shape:?} has no rows and columns") };
        let mask = self.tape().constant_with(&[rows, columns], |mask| {
            for (i, mask) in mask.iter_mut().enumerate() {
                let inside = inside((i / columns) as isize, (i % columns) as isize);
                *mask = if inside { T::from_f64(1.0) } else { T::default() };
            }
        });
        where_(mask, self, 0.0) // not a product: 0 · ∞ is NaN
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    use ndarray::array;
    let x = || vec![array![[1.5, -0.2, 0.3], [0.4, 2.0, -1.0]].into_dyn()];
    let row = || vec![array![1.5, -0.2, 0.3].into_dyn()];
    vec![
        check!("flip", x(), |v| v[0].square().flip([0, -1])),
        check!("pad", x(), |v| v[0].square().pad(&[[1, 0], [2, 1]], 0.0)),
        check!("pad", x(), |v| v[0].square().pad(&[[0, 1], [1, 0]], -3.0)),
        check!("diag", x(), |v| v[0].square().diag(1)),
        check!("diag", x(), |v| v[0].square().diag(-1)),
        check!("diag", row(), |v| v[0].square().diag(-2)),
        check!("tril", x(), |v| v[0].square().tril(0)),
        check!("triu", x(), |v| v[0].square().triu(1)),
    ]
}

#[cfg(test)]
mod tests {
    use crate::Tape;
    use ndarray::array;

    #[test]
    fn diagonals_outside_a_matrix_are_empty() {
        let tape = Tape::new();
        let x = tape.var(array![[1.0, 2.0], [3.0, 4.0]]);
        assert!(x.diag(2).is_empty() && x.diag(-5).is_empty());
        assert_eq!(x.diag(-1).diag(0).data(), [3.0]);
        assert_eq!(x.diag(-5).diag(2).shape(), [2, 2]);
    }

    #[test]
    fn infinity_outside_a_triangle_is_no_nan() {
        let tape = Tape::new();
        let x = tape.var(array![[1.0, f32::INFINITY], [3.0, 4.0]]);
        assert_eq!(x.tril(0).sum().item(), 8.0);
        assert_eq!(x.tril(0).sum().backward().wrt(x), array![[1.0, 0.0], [1.0, 1.0]].into_dyn());
        assert_eq!(tape.var([1.0]).pad(&[[1, 0]], f64::NEG_INFINITY).data(), [f32::NEG_INFINITY, 1.0]);
    }
}
