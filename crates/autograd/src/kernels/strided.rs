//! Copies between a contiguous array and a strided view of another: transposes, slices and broadcasts.

use std::ops::AddAssign;

use super::copy::copy;
use super::threads::{GRAIN, split_by};
use crate::shape::{Offsets, Shape, join_axes};

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
pub(crate) fn read<T: Copy + Send + Sync>(at: &Strided<'_>, storage: &[T], out: &mut [T]) {
    let (Some(&first), Some(&stride), true) = (at.shape.first(), at.strides.first(), out.len() >= 2 * GRAIN) else {
        return read_rows(at, storage, out);
    };
    let slice = (out.len() / first.max(1)).max(1);
    split_by(out, slice, GRAIN, |start, out| {
        let shape: Shape = std::iter::once(out.len() / slice).chain(at.shape[1..].iter().copied()).collect();
        let offset = (at.offset as isize + (start / slice) as isize * stride) as usize;
        read_rows(&Strided { shape: &shape, offset, ..*at }, storage, out);
    });
}

fn read_rows<T: Copy>(at: &Strided<'_>, storage: &[T], out: &mut [T]) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::threads::with_threads;

    #[test]
    fn a_copy_is_the_same_in_pieces() {
        let storage: Vec<f32> = (0..200_000).map(|i| i as f32).collect();
        // a transpose, a reversal, a repetition along each axis, and one axis alone
        let cases: [(&[usize], &[isize], usize); 5] = [
            (&[400, 500], &[1, 400], 0),
            (&[500, 400], &[-400, 1], 199_600),
            (&[3, 100_000], &[0, 2], 0),
            (&[500, 3, 100], &[100, 0, 1], 7),
            (&[100_000], &[2], 1),
        ];
        for (shape, strides, offset) in cases {
            let at = Strided { shape, strides, offset };
            let copied = |threads| {
                let mut out = vec![0.0; shape.iter().product()];
                with_threads(threads, || read(&at, &storage, &mut out));
                out
            };
            let one = copied(1);
            assert_eq!(one[one.len() - 1], {
                let last = shape.iter().zip(strides).map(|(&n, &stride)| (n - 1) as isize * stride).sum::<isize>();
                storage[(offset as isize + last) as usize]
            });
            assert!([2, 3, 7].iter().all(|&threads| copied(threads) == one), "{shape:?}");
        }
    }
}
