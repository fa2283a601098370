//! Shapes, and how arrays of different shapes are combined: aligned at their last axes, with sizes of 1 repeated, as in
//! numpy.

use smallvec::SmallVec;

/// The sizes of an array's axes.
pub type Shape = SmallVec<[usize; 4]>;

/// The slice among `shapes` that equals `shape`.
#[inline]
pub(crate) fn known<'s>(shape: &[usize], shapes: &[&'s [usize]]) -> Option<&'s [usize]> {
    shapes.iter().find(|s| **s == shape).copied()
}

/// The number of elements of an array of this shape.
///
/// # Panics
/// If that many numbers do not fit into memory, so that no size that is computed from a shape wraps around.
#[track_caller]
pub(crate) fn count(shape: &[usize]) -> usize {
    match shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size)).filter(|&n| n <= isize::MAX as usize / 16) {
        Some(count) => count,
        None => panic!("an array of shape {shape:?} does not fit into memory"),
    }
}

/// The shape that two shapes broadcast to, aligned at their last axes as in numpy.
pub(crate) fn broadcast_shape(a: &[usize], b: &[usize]) -> Result<Shape, String> {
    if a == b {
        return Ok(Shape::from_slice(a));
    }
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    let skip = long.len() - short.len();
    let mut shape = Shape::from_slice(long);
    for (i, &size) in short.iter().enumerate() {
        let other = &mut shape[skip + i];
        match (*other, size) {
            (x, y) if x == y => {}
            (1, y) => *other = y,
            (_, 1) => {}
            (x, y) => {
                let axis = skip + i;
                let hint = if a.len() == 2 && b.len() == 1 && a[0] == b[0] {
                    "; to run along the first axis, make the second a column: `b.reshape([-1, 1])`"
                } else {
                    ""
                };
                return Err(format!(
                    "shapes {a:?} and {b:?} do not broadcast: sizes {x} and {y} on axis {axis} differ and neither is \
                     1{hint}"
                ));
            }
        }
    }
    Ok(shape)
}

/// Checks that an array of shape `from` can be repeated to shape `to`; the error says why it cannot.
pub(crate) fn check_broadcast(from: &[usize], to: &[usize]) -> Result<(), String> {
    match broadcast_shape(from, to) {
        Ok(shape) if *shape == *to => Ok(()),
        _ => Err(format!("{from:?} does not broadcast to {to:?}: aligned at the last axis, sizes must be equal or 1")),
    }
}

/// The axes of `wide` along which `narrow` was repeated to reach it.
pub(crate) fn broadcast_axes(narrow: &[usize], wide: &[usize]) -> Shape {
    let skip = wide.len() - narrow.len();
    (0..wide.len()).filter(|&k| k < skip || (narrow[k - skip] == 1 && wide[k] != 1)).collect()
}

/// The distance in memory, counted in numbers, between neighbours along each axis.
pub(crate) type Strides = SmallVec<[isize; 4]>;

/// Strides that read an array of shape `narrow` as if it had shape `wide`.
pub(crate) fn broadcast_strides(narrow: &[usize], wide: &[usize]) -> Strides {
    let skip = wide.len() - narrow.len();
    let own = strides(narrow);
    (0..wide.len()).map(|k| if k < skip || narrow[k - skip] == 1 { 0 } else { own[k - skip] }).collect()
}

/// The strides of a contiguous array.
pub(crate) fn strides(shape: &[usize]) -> Strides {
    let mut strides: Strides = SmallVec::from_elem(1, shape.len());
    for k in (1..shape.len()).rev() {
        strides[k - 1] = strides[k] * shape[k] as isize;
    }
    strides
}

/// Converts a position, counted row by row, to an index: yields `(axis, index)` from the last axis to the first.
#[inline]
pub(crate) fn index_of(position: usize, shape: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    let mut rest = position;
    shape.iter().enumerate().rev().map(move |(axis, &size)| {
        let index = rest % size;
        rest /= size;
        (axis, index)
    })
}

/// The offset in memory of the number at a position of an array with this shape and these strides.
#[inline]
pub(crate) fn offset(position: usize, shape: &[usize], strides: &[isize]) -> isize {
    index_of(position, shape).map(|(axis, index)| index as isize * strides[axis]).sum()
}

/// Joins neighbouring axes that are, in the memory of each of N arrays, one axis; axes of size 1 are left out.
pub(crate) fn join_axes<const N: usize>(shape: &[usize], strides: [&[isize]; N]) -> (Shape, [Strides; N]) {
    let (mut joined, mut own): (Shape, [Strides; N]) = (Shape::new(), std::array::from_fn(|_| Strides::new()));
    for (k, &size) in shape.iter().enumerate().filter(|(_, size)| **size != 1) {
        let one = |(own, strides): (&Strides, &[isize])| own.last() == Some(&(strides[k] * size as isize));
        if own.iter().zip(strides).all(one) && !joined.is_empty() {
            *joined.last_mut().expect("an axis") *= size;
            own.iter_mut().zip(strides).for_each(|(own, strides)| *own.last_mut().expect("an axis") = strides[k]);
        } else {
            joined.push(size);
            own.iter_mut().zip(strides).for_each(|(own, strides)| own.push(strides[k]));
        }
    }
    (joined, own)
}

/// The offsets in the memory of N arrays of each position of a shape, in order: those of [`offset`], without a
/// division.
pub(crate) struct Offsets<'a, const N: usize> {
    shape: &'a [usize],
    strides: [&'a [isize]; N],
    index: Shape,
    at: [isize; N],
    left: usize,
}

impl<'a, const N: usize> Offsets<'a, N> {
    pub(crate) fn new(shape: &'a [usize], strides: [&'a [isize]; N]) -> Self {
        Offsets { shape, strides, index: SmallVec::from_elem(0, shape.len()), at: [0; N], left: count(shape) }
    }
}

impl<const N: usize> Iterator for Offsets<'_, N> {
    type Item = [isize; N];

    #[inline]
    fn next(&mut self) -> Option<[isize; N]> {
        self.left = self.left.checked_sub(1)?;
        let here = self.at;
        for axis in (0..self.shape.len()).rev() {
            self.index[axis] += 1;
            for i in 0..N {
                self.at[i] += self.strides[i][axis];
            }
            if self.index[axis] < self.shape[axis] {
                break;
            }
            for i in 0..N {
                self.at[i] -= self.strides[i][axis] * self.shape[axis] as isize;
            }
            self.index[axis] = 0;
        }
        Some(here)
    }
}
