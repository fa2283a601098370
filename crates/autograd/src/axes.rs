//! How axes are named: counted from the first (0, 1, …) or from the last (−1, −2, …).

use std::ops::RangeFull;

use crate::Shape;

/// One axis (`1`, `-1`), several axes (`[0, 2]`), or all axes (`..`). A reduction drops them, unless they are [`kept`].
///
/// ```
/// use gradus_autograd::{Tape, kept};
/// let tape = Tape::new();
/// let x = tape.constant_with(&[2, 3, 4], |_| {});
/// assert_eq!(x.sum_axis(-1).shape(), [2, 3]);
/// assert_eq!(x.sum_axis([0, 1]).shape(), [4]);
/// assert_eq!(x.sum_axis(kept(..)).shape(), [1, 1, 1]);
/// ```
pub trait Axes {
    /// The axes, counted from the first.
    #[doc(hidden)]
    #[track_caller]
    fn list(&self, name: &str, shape: &[usize]) -> Shape;
    #[doc(hidden)]
    fn show(&self) -> String;
    /// Whether a reduction keeps these axes, with size 1, instead of dropping them.
    #[doc(hidden)]
    fn keeps(&self) -> bool {
        false
    }
}

/// Axes that a reduction keeps, with size 1, so that its result broadcasts against the array that was reduced (NumPy's
/// and PyTorch's `keepdim`).
///
/// ```
/// use gradus_autograd::{Tape, kept};
/// let tape = Tape::new();
/// let x = tape.var(ndarray::array![[1.0, 3.0], [4.0, 8.0]]);
/// assert_eq!((x - x.mean_axis(kept(1))).data(), [-1.0, 1.0, -2.0, 2.0]);
/// ```
pub fn kept<A: Axes>(axes: A) -> Kept<A> {
    Kept(axes)
}

/// Axes that a reduction keeps: see [`kept`].
#[derive(Clone, Copy, Debug)]
pub struct Kept<A>(A);

impl<A: Axes> Axes for Kept<A> {
    #[track_caller]
    fn list(&self, name: &str, shape: &[usize]) -> Shape {
        self.0.list(name, shape)
    }
    fn keeps(&self) -> bool {
        true
    }
    fn show(&self) -> String {
        self.0.show()
    }
}

impl Axes for isize {
    #[track_caller]
    fn list(&self, name: &str, shape: &[usize]) -> Shape {
        [axis_of(name, *self, shape)].as_slice().into()
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Axes for &[isize] {
    #[track_caller]
    fn list(&self, name: &str, shape: &[usize]) -> Shape {
        let mut axes = Shape::new();
        for &axis in self.iter() {
            let place = axis_of(name, axis, shape);
            assert!(!axes.contains(&place), "{name}: {self:?} names axis {place} of {shape:?} twice");
            axes.push(place);
        }
        axes
    }
    fn show(&self) -> String {
        format!("{self:?}")
    }
}

impl<const N: usize> Axes for [isize; N] {
    #[track_caller]
    fn list(&self, name: &str, shape: &[usize]) -> Shape {
        self.as_slice().list(name, shape)
    }
    fn show(&self) -> String {
        self.as_slice().show()
    }
}

/// The axes of a shape that was computed, counted from the first.
impl Axes for &Shape {
    fn list(&self, _: &str, _: &[usize]) -> Shape {
        (*self).clone()
    }
    fn show(&self) -> String {
        format!("{:?}", self.as_slice())
    }
}

impl Axes for RangeFull {
    fn list(&self, _: &str, shape: &[usize]) -> Shape {
        (0..shape.len()).collect()
    }
    fn show(&self) -> String {
        "..".into()
    }
}

/// Converts an axis, which may be negative, to an axis counted from the first.
#[track_caller]
pub(crate) fn axis_of(name: &str, axis: isize, shape: &[usize]) -> usize {
    let place = if axis < 0 { axis + shape.len() as isize } else { axis };
    assert!(
        (0..shape.len() as isize).contains(&place),
        "{name}: {shape:?} has {} axes, so there is no axis {axis}",
        shape.len()
    );
    place as usize
}
