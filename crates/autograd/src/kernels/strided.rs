//! Copies between a contiguous array and a strided view of another: transposes, slices and broadcasts.

use std::ops::AddAssign;

use super::copy::copy;
use crate::shape::{Offsets, join_axes};

/// Where the elements of an array of `shape` lie in another's storage: element `i` at `offset + Σ i·strides`.
#[derive(Clone, Copy)]
pub(crate) struct Strided<'a> {
    pub(crate) shape: &'a [usize],
    pub(crate) strides: &'a [isize],
    pub(crate) offset: usize,
}

impl Strided<'_> {
    /// Calls `row(position in the contiguous array, position in the storage, stride, length)` for each run along
    /// the last axis.
    fn rows(&self, mut row: impl FnMut(usize, usize, isize, usize)) {
        let (shape, [strides]) = join_axes(self.shape, [self.strides]);
        let Some((&length, outer)) = shape.split_last() else { return row(0, self.offset, 0, 1) };
        for (r, [at]) in Offsets::new(outer, [&strides]).enumerate() {
            row(r * length, (self.offset as isize + at) as usize, strides[outer.len()], length);
        }
    }
}

/// `out ← storage`, read through the strides. A stride of 0 repeats.
pub(crate) fn read<T: Copy>(at: &Strided<'_>, storage: &[T], out: &mut [T]) {
    at.rows(|to, from, stride, length| match stride {
        _ if length == 0 => {}
        1 => copy(&storage[from..from + length], &mut out[to..to + length]),
        0 => out[to..to + length].fill(storage[from]),
        _ => {
            for (i, out) in out[to..to + length].iter_mut().enumerate() {
                *out = storage[(from as isize + i as isize * stride) as usize];
            }
        }
    });
}

/// `storage ← storage + x`, through the strides.
pub(crate) fn add<T: Copy + AddAssign>(at: &Strided<'_>, x: &[T], storage: &mut [T]) {
    at.rows(|from, to, stride, length| match stride {
        _ if length == 0 => {}
        1 => storage[to..to + length].iter_mut().zip(&x[from..from + length]).for_each(|(y, &x)| *y += x),
        _ => {
            for (i, &x) in x[from..from + length].iter().enumerate() {
                storage[(to as isize + i as isize * stride) as usize] += x;
            }
        }
    });
}
