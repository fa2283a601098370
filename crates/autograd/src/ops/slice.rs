//! Parts of an array.

use ndarray::SliceInfoElem;
use smallvec::SmallVec;

use crate::axes::axis_of;
use crate::ops::places::Take;
use crate::ops::shape::Reshape;
use crate::places::{Places, Range};
use crate::{Float, Shape, Var};

/// Converts an index of a slice, which may be negative, to a place counted from the first. It must be at most `limit`.
#[track_caller]
fn place(i: isize, size: usize, limit: usize, axis: usize, shape: &[usize]) -> usize {
    let place = if i < 0 { i + size as isize } else { i };
    assert!((0..=limit as isize).contains(&place), "slice: {i} is outside axis {axis} of {shape:?}");
    place as usize
}

/// A place in an array: one index for each axis, from the first axis on. Fewer indices than axes name a whole part.
pub trait Place {
    /// The indices.
    fn indices(&self) -> &[usize];
}
impl Place for usize {
    fn indices(&self) -> &[usize] {
        std::slice::from_ref(self)
    }
}
impl<const N: usize> Place for [usize; N] {
    fn indices(&self) -> &[usize] {
        self
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// The part that the ranges name, one range for each axis.
    #[track_caller]
    pub(crate) fn ranges(self, ranges: SmallVec<[Range; 4]>) -> Self {
        self.unary(Take { places: Places::Ranges(ranges) })
    }

    /// The part that `ndarray`'s `s!` names: ranges with steps, negative indices, single indices (which drop their
    /// axis), `NewAxis`.
    ///
    /// # Panics
    /// If an index is out of range.
    ///
    /// ```
    /// use ndarray::{array, s};
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    /// assert_eq!(x.slice(s![.., ..;2]).data(), [1.0, 3.0, 4.0, 6.0]);
    /// assert_eq!(x.slice(s![-1, 1..]).data(), [5.0, 6.0]);
    /// ```
    #[track_caller]
    pub fn slice(self, part: impl AsRef<[SliceInfoElem]>) -> Self {
        let (own, part) = (self.shape(), part.as_ref());
        let named = part.iter().filter(|e| !matches!(e, SliceInfoElem::NewAxis)).count();
        assert!(named <= own.len(), "slice: {named} ranges for the {} axes of {own:?}", own.len());
        let (mut ranges, mut shape) = (SmallVec::<[Range; 4]>::new(), Shape::new());
        for element in part {
            let size = own.get(ranges.len()).copied().unwrap_or(0);
            let axis = ranges.len();
            assert!(!matches!(element, SliceInfoElem::Slice { step: 0, .. }), "slice: the step of axis {axis} is 0");
            match *element {
                SliceInfoElem::NewAxis => shape.push(1),
                SliceInfoElem::Index(i) => {
                    let start = place(i, size, size.wrapping_sub(1), axis, own);
                    ranges.push(Range { start, step: 1, len: 1 });
                }
                SliceInfoElem::Slice { start, end, step } => {
                    let (start, end) = (start, end.unwrap_or(size as isize));
                    let (start, end) = (place(start, size, size, axis, own), place(end, size, size, axis, own));
                    let count = end.saturating_sub(start);
                    let len = count.div_ceil(step.unsigned_abs());
                    let start = if step < 0 && count > 0 { end - 1 } else { start };
                    ranges.push(Range { start, step, len });
                    shape.push(len);
                }
            }
        }
        for &len in &own[ranges.len()..] {
            ranges.push(Range { start: 0, step: 1, len });
            shape.push(len);
        }
        let sliced = self.ranges(ranges);
        if sliced.shape() == &*shape {
            sliced
        } else {
            self.tape().alias(Reshape { shape: shape.clone() }, sliced, &shape)
        }
    }

    /// Takes `len` places of an axis, from `start` on.
    ///
    /// # Panics
    /// If the axis does not have all of these places.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(ndarray::array![[1.0, 5.0], [3.0, 2.0]]);
    /// assert_eq!(x.narrow(0, 1, 1).data(), [3.0, 2.0]);
    /// ```
    #[track_caller]
    pub fn narrow(self, axis: isize, start: usize, len: usize) -> Self {
        let shape = self.shape();
        let axis = axis_of("narrow", axis, shape);
        let size = shape[axis];
        assert!(
            start.checked_add(len).is_some_and(|end| end <= size),
            "narrow: {start}..{start}+{len} is outside axis {axis} of {shape:?}"
        );
        let range = |(k, &size): (usize, &usize)| match k == axis {
            true => Range { start, step: 1, len },
            false => Range { start: 0, step: 1, len: size },
        };
        self.ranges(shape.iter().enumerate().map(range).collect())
    }

    /// The number, or the part, at an index: `w.at(0)`, `x.at([1, 2])`. Each index drops its axis.
    ///
    /// # Panics
    /// If the index is out of range.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let w = tape.var([3.0, 5.0]);
    /// assert_eq!((w.at(0) * w.at(1)).backward().wrt(w), ndarray::array![5.0, 3.0].into_dyn());
    /// ```
    #[track_caller]
    pub fn at(self, place: impl Place) -> Self {
        let (indices, own) = (place.indices(), self.shape());
        assert!(indices.len() <= own.len(), "at: {indices:?} has more indices than {own:?} has axes");
        for (axis, (&i, &size)) in indices.iter().zip(own).enumerate() {
            assert!(i < size, "at: index {i} is outside axis {axis} of {own:?}");
        }
        let range = |(axis, &size): (usize, &usize)| match indices.get(axis) {
            Some(&start) => Range { start, step: 1, len: 1 },
            None => Range { start: 0, step: 1, len: size },
        };
        let part = self.ranges(own.iter().enumerate().map(range).collect());
        let shape: Shape = own[indices.len()..].into();
        self.tape().alias(Reshape { shape: shape.clone() }, part, &shape)
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    use ndarray::{array, s};
    let x = || vec![array![[[1.5, -0.2, 0.3], [0.4, 2.0, -1.0]], [[0.1, 0.9, -0.7], [1.1, 0.6, -0.3]]].into_dyn()];
    vec![
        check!("slice", x(), |v| v[0].square().slice(s![..;-1, 1, 0..3;2])),
        check!("at", x(), |v| v[0].square().at([1, 0])),
    ]
}
