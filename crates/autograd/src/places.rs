//! Sets of places in an array, which a slice or an index reads from and writes to.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::Float;
use crate::exact_sum::add_in_order;
use crate::kernels::strided::Strided;
use crate::shape::{Shape, offset, strides};
use crate::view::View;

/// The places that a slice reads along one axis: `len` places from `start` on, `step` apart.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct Range {
    pub(crate) start: usize,
    pub(crate) step: isize,
    pub(crate) len: usize,
}

/// Some places of an array, in an order and a shape. `most` is a known upper bound on how often the same place is
/// named.
#[derive(Clone, Debug)]
#[doc(hidden)]
pub enum Places {
    /// one range for each axis
    Ranges(SmallVec<[Range; 4]>),
    /// number `y[…, j, …]` of the part is at `x[…, index[j], …]` of the whole, with j on the axis
    Along { axis: usize, index: Arc<[usize]>, most: usize },
    /// one number for each index along an axis: for axis 0 of two axes, `y[i][j]` is at `x[index[i][j]][j]`
    Each { axis: usize, shape: Shape, index: Arc<[usize]>, most: usize },
}

/// Rows from which on an array is large.
const LARGE: usize = 1024;

/// A shape as `outer × size × inner`: the axes before an axis, the axis itself, and the axes after it.
fn around(shape: &[usize], axis: usize) -> [usize; 3] {
    [shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product()]
}

impl Places {
    /// The name in messages of the operation that takes these places.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Places::Ranges(_) => "slice",
            Places::Along { .. } => "index_select",
            Places::Each { .. } => "gather",
        }
    }

    /// The shape of the part, or the reason why an array of shape `whole` does not have these places.
    pub(crate) fn shape(&self, whole: &[usize]) -> Result<Shape, String> {
        match self {
            Places::Ranges(ranges) => Ok(ranges.iter().map(|r| r.len).collect()),
            Places::Along { axis, index, .. } => {
                let size = whole[*axis];
                if let Some((place, &i)) = index.iter().enumerate().find(|(_, i)| **i >= size) {
                    return Err(format!("index[{place}] is {i}, but axis {axis} of {whole:?} has size {size}"));
                }
                let mut shape = Shape::from_slice(whole);
                shape[*axis] = index.len();
                Ok(shape)
            }
            Places::Each { axis, shape, index, .. } => {
                if shape.len() != whole.len() || (0..whole.len()).any(|k| k != *axis && shape[k] > whole[k]) {
                    return Err(format!(
                        "an index of shape {:?} into {whole:?} along axis {axis}: both need as many axes, and off that \
                         axis the index may not be larger",
                        &**shape
                    ));
                }
                match index.iter().enumerate().find(|(_, i)| **i >= whole[*axis]) {
                    Some((place, i)) => Err(format!(
                        "index number {place} is {i}, but axis {axis} of {whole:?} has size {}",
                        whole[*axis]
                    )),
                    None => Ok(shape.clone()),
                }
            }
        }
    }

    /// The rows of a large array that these places lie in, if they are few.
    pub(crate) fn few_rows(&self, whole: &[usize]) -> Option<&[usize]> {
        match self {
            Places::Along { axis: 0, index, .. } if whole[0] >= LARGE && index.len() < whole[0] / 4 => Some(index),
            _ => None,
        }
    }

    /// An upper bound on how often the same place is named.
    fn most(&self) -> usize {
        match self {
            Places::Ranges(_) => 1,
            Places::Along { most, .. } | Places::Each { most, .. } => *most,
        }
    }

    /// Calls `f(position in the part, position in the whole, length)` for each run of numbers that are contiguous in
    /// both. It is for places that may repeat; ranges are read through strides.
    fn runs(&self, whole: &[usize], mut f: impl FnMut(usize, usize, usize)) {
        match self {
            Places::Ranges(_) => unreachable!("ranges go through strides"),
            Places::Along { axis, index, .. } => {
                let [outer, size, inner] = around(whole, *axis);
                for o in 0..outer {
                    for (j, &i) in index.iter().enumerate() {
                        f((o * index.len() + j) * inner, (o * size + i) * inner, inner);
                    }
                }
            }
            Places::Each { axis, shape, index, .. } => {
                let mut others = strides(whole);
                let along = std::mem::take(&mut others[*axis]) as usize;
                for (position, &i) in index.iter().enumerate() {
                    f(position, offset(position, shape, &others) as usize + i * along, 1);
                }
            }
        }
    }

    fn strided<R>(ranges: &[Range], whole: &[usize], f: impl FnOnce(&Strided<'_>) -> R) -> R {
        let own = strides(whole);
        let steps: SmallVec<[isize; 4]> = ranges.iter().zip(&own).map(|(r, s)| r.step * s).collect();
        let shape: Shape = ranges.iter().map(|r| r.len).collect();
        let offset = ranges.iter().zip(&own).map(|(r, &s)| r.start * s as usize).sum();
        f(&Strided { shape: &shape, strides: &steps, offset })
    }

    /// `part ← whole` at these places
    pub(crate) fn take<T: Float>(&self, whole: View<'_, T>, part: &mut [T]) {
        if part.is_empty() {
            return;
        }
        let x = whole.data();
        match self {
            Places::Ranges(ranges) => Self::strided(ranges, whole.shape(), |at| (T::kernels().read)(at, x, part)),
            _ => self.runs(whole.shape(), |to, from, len| match len {
                1 => part[to] = x[from],
                _ => part[to..to + len].copy_from_slice(&x[from..from + len]),
            }),
        }
    }

    /// `whole ← whole + part` at these places. A place named many times gets a sum that is as exact as
    /// [`Var::sum`](crate::Var::sum)'s.
    pub(crate) fn add<T: Float>(&self, part: &[T], shape: &[usize], whole: &mut [T]) {
        if part.is_empty() {
            return;
        }
        match self {
            Places::Ranges(ranges) => Self::strided(ranges, shape, |at| (T::kernels().add_strided)(at, part, whole)),
            _ => add_in_order(whole, part, self.most(), |f| self.runs(shape, f)),
        }
    }
}
