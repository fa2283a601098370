//! The loops of pooling: what is done at each window of an image, and back.
//!
//! Which number of its window an output is, is kept as a number of the array's own type: so numbers of one size are
//! compared and chosen, many at a time.

use super::simd::dispatch;
use super::threads::{GRAIN, pieces, queue};
use crate::windows::Windows;

/// Images that are pooled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planes {
    pub(crate) windows: Windows,
    /// height and width of an image
    pub(crate) size: [usize; 2],
    /// windows down and across
    pub(crate) counts: [usize; 2],
}

impl Planes {
    /// Numbers of an image, and of its windows.
    pub(super) fn of_plane(&self) -> [usize; 2] {
        [self.size[0] * self.size[1], self.counts[0] * self.counts[1]]
    }

    /// Images of a piece of work.
    fn piece(&self) -> usize {
        (GRAIN / 4 / self.of_plane()[0].max(1)).max(1)
    }

    /// Whether windows of two by two numbers lie side by side.
    fn is_two_by_two(&self) -> bool {
        let Windows { kernel, stride, padding, .. } = self.windows;
        (kernel, stride, padding) == ([2, 2], [2, 2], [0, 0])
    }

    /// [`Windows::runs`]
    #[inline(always)]
    fn runs(&self, f: impl FnMut(usize, usize, usize, usize)) {
        self.windows.runs(self.size, self.counts, f);
    }
}

/// Covers the numbers from 0 to n by pieces of K, of which the last may overlap the one before.
#[inline(always)]
fn cover<const K: usize>(n: usize, mut f: impl FnMut(usize)) {
    let mut at = 0;
    loop {
        f(at);
        if at + K >= n {
            return;
        }
        at = (at + K).min(n - K);
    }
}

/// Runs a function that is generic over the numbers of a piece: rows are short, and must not be left to a loop's
/// remainder.
macro_rules! in_pieces {
    ($n:expr, $at:ident => $function:ident($($argument:expr),*)) => {
        match $n {
            0 => {}
            1..4 => cover::<1>($n, #[inline(always)] |$at| $function::<1>($($argument),*)),
            4..8 => cover::<4>($n, #[inline(always)] |$at| $function::<4>($($argument),*)),
            8..16 => cover::<8>($n, #[inline(always)] |$at| $function::<8>($($argument),*)),
            _ => cover::<16>($n, #[inline(always)] |$at| $function::<16>($($argument),*)),
        }
    };
}

macro_rules! compiled {
    ($t:ident, $bits:ident) => {
        pub(crate) mod $t {
            use super::*;

            /// Without short circuits, which would be branches: a NaN is larger than all that is none.
            #[inline(always)]
            #[allow(clippy::eq_op)]
            fn larger(a: $t, b: $t) -> bool {
                (a > b) | ((a != a) & (b == b))
            }

            /// K pairs of a row, as the numbers to the left and those to the right.
            #[inline(always)]
            fn halves<const K: usize>(row: &[[$t; 2]], at: usize) -> [[$t; K]; 2] {
                let pairs: &[[$t; 2]; K] = row[at..at + K].try_into().expect("K pairs");
                let mut halves = [[0.0; K]; 2];
                for k in 0..K {
                    halves[0][k] = pairs[k][0];
                }
                for k in 0..K {
                    halves[1][k] = pairs[k][1];
                }
                halves
            }

            /// Windows of two rows, which are given as pairs of numbers.
            #[inline(always)]
            fn largest_of_four<const K: usize>(at: usize, rows: [&[[$t; 2]]; 2], (y, index): (&mut [$t], &mut [$t])) {
                let ([first, second], [third, fourth]) = (halves::<K>(rows[0], at), halves::<K>(rows[1], at));
                let (mut best, mut place) = (first, [0.0; K]);
                for (x, offset) in [(second, 1.0), (third, 2.0), (fourth, 3.0)] {
                    for k in 0..K {
                        let better = larger(x[k], best[k]);
                        best[k] = if better { x[k] } else { best[k] };
                        place[k] = if better { offset } else { place[k] };
                    }
                }
                y[at..at + K].copy_from_slice(&best);
                index[at..at + K].copy_from_slice(&place);
            }

            #[inline(always)]
            pub(in crate::kernels) fn max_plane(p: &Planes, x: &[$t], y: &mut [$t], index: &mut [$t]) {
                let ([_, width], [_, across]) = (p.size, p.counts);
                if p.is_two_by_two() {
                    let rows = x.chunks_exact(2 * width);
                    for ((x, y), index) in rows.zip(y.chunks_exact_mut(across)).zip(index.chunks_exact_mut(across)) {
                        let rows = [&x[..2 * across], &x[width..][..2 * across]];
                        let rows = rows.map(#[inline(always)] |row| row.as_chunks::<2>().0);
                        in_pieces!(across, at => largest_of_four(at, rows, (&mut *y, &mut *index)));
                    }
                    return;
                }
                index.fill(-1.0);
                let step = p.windows.stride[1];
                p.runs(#[inline(always)] |offset, window, from, count| {
                    let (y, index) = (&mut y[window..][..count], &mut index[window..][..count]);
                    for k in 0..count {
                        let x = x[from + k * step];
                        let better = (index[k] < 0.0) | larger(x, y[k]);
                        y[k] = if better { x } else { y[k] };
                        index[k] = if better { offset as $t } else { index[k] };
                    }
                });
            }

            /// `y ←` the largest number of each window, NaN before all, and which number of the window that is: the
            /// first of those that tie.
            pub(crate) fn max(p: &Planes, x: &[$t], y: &mut [$t], index: &mut [$t]) {
                let ([size, windows], piece) = (p.of_plane(), p.piece());
                let parts = y.chunks_mut(piece * windows).zip(index.chunks_mut(piece * windows));
                let parts = parts.zip(x.chunks(piece * size));
                queue(parts, pieces(x.len(), GRAIN), |((y, index), x)| {
                    dispatch!(_MODE => {
                        let planes = y.chunks_exact_mut(windows).zip(index.chunks_exact_mut(windows));
                        for ((y, index), x) in planes.zip(x.chunks_exact(size)) {
                            max_plane(p, x, y, index);
                        }
                    });
                });
            }

            #[inline(always)]
            fn pick_plane(p: &Planes, [x, index]: [&[$t]; 2], y: &mut [$t]) {
                y.fill(0.0);
                let step = p.windows.stride[1];
                p.runs(#[inline(always)] |offset, window, from, count| {
                    let (y, index) = (&mut y[window..][..count], &index[window..][..count]);
                    for k in 0..count {
                        let x = x[from + k * step];
                        y[k] = if index[k] == offset as $t { x } else { y[k] };
                    }
                });
            }

            /// `y ←` number `index` of each window, or 0 if that lies outside the image.
            pub(crate) fn pick(p: &Planes, x: &[$t], index: &[$t], y: &mut [$t]) {
                let ([size, windows], piece) = (p.of_plane(), p.piece());
                let parts = y.chunks_mut(piece * windows).zip(index.chunks(piece * windows));
                queue(parts.zip(x.chunks(piece * size)), pieces(x.len(), GRAIN), |((y, index), x)| {
                    dispatch!(_MODE => {
                        let planes = y.chunks_exact_mut(windows).zip(index.chunks_exact(windows));
                        for ((y, index), x) in planes.zip(x.chunks_exact(size)) {
                            pick_plane(p, [x, index], y);
                        }
                    });
                });
            }

            /// The numbers g where the index is `offset`, and else 0.
            #[inline(always)]
            fn chosen<const K: usize>(g: &[$t; K], index: &[$t; K], offset: $t) -> [$t; K] {
                let mut chosen = [0.0; K];
                for k in 0..K {
                    // by bits: a choice of numbers would become a branch for each
                    let mask = <$bits>::from(index[k] == offset).wrapping_neg();
                    chosen[k] = <$t>::from_bits(g[k].to_bits() & mask);
                }
                chosen
            }

            /// Numbers of two rows, which are given as pairs.
            #[inline(always)]
            fn place_four<const K: usize>(at: usize, [g, index]: [&[$t]; 2], dx: &mut [&mut [[$t; 2]]; 2]) {
                let g: &[$t; K] = g[at..at + K].try_into().expect("K numbers");
                let index: &[$t; K] = index[at..at + K].try_into().expect("K numbers");
                for (i, dx) in dx.iter_mut().enumerate() {
                    let left = chosen(g, index, (2 * i) as $t);
                    let right = chosen(g, index, (2 * i + 1) as $t);
                    let dx: &mut [[$t; 2]; K] = (&mut dx[at..at + K]).try_into().expect("K pairs");
                    for k in 0..K {
                        dx[k] = [left[k], right[k]];
                    }
                }
            }

            #[inline(always)]
            pub(in crate::kernels) fn place_plane(p: &Planes, [g, index]: [&[$t]; 2], dx: &mut [$t]) {
                let ([_, width], [down, across]) = (p.size, p.counts);
                if p.is_two_by_two() {
                    let windows = g.chunks_exact(across).zip(index.chunks_exact(across));
                    for ((g, index), dx) in windows.zip(dx.chunks_exact_mut(2 * width)) {
                        let (above, below) = dx.split_at_mut(width);
                        let (above, right) = above.split_at_mut(2 * across);
                        right.fill(0.0);
                        below[2 * across..].fill(0.0);
                        let mut rows = [above.as_chunks_mut::<2>().0, below[..2 * across].as_chunks_mut::<2>().0];
                        in_pieces!(across, at => place_four(at, [g, index], &mut rows));
                    }
                    dx[2 * down * width..].fill(0.0);
                    return;
                }
                dx.fill(0.0);
                let step = p.windows.stride[1];
                p.runs(#[inline(always)] |offset, window, to, count| {
                    let (g, index) = (&g[window..][..count], &index[window..][..count]);
                    for k in 0..count {
                        dx[to + k * step] += if index[k] == offset as $t { g[k] } else { 0.0 };
                    }
                });
            }

            /// `dx ←` zeros, with g added at number `index` of each window.
            pub(crate) fn place(p: &Planes, g: &[$t], index: &[$t], dx: &mut [$t]) {
                let ([size, windows], piece, work) = (p.of_plane(), p.piece(), dx.len());
                let parts = g.chunks(piece * windows).zip(index.chunks(piece * windows));
                queue(dx.chunks_mut(piece * size).zip(parts), pieces(work, GRAIN), |(dx, (g, index))| {
                    dispatch!(_MODE => {
                        let planes = g.chunks_exact(windows).zip(index.chunks_exact(windows));
                        for ((g, index), dx) in planes.zip(dx.chunks_exact_mut(size)) {
                            place_plane(p, [g, index], dx);
                        }
                    });
                });
            }

            /// `y ←` the sum of each window.
            pub(crate) fn sum(p: &Planes, x: &[$t], y: &mut [$t]) {
                let ([size, windows], piece, step) = (p.of_plane(), p.piece(), p.windows.stride[1]);
                queue(y.chunks_mut(piece * windows).zip(x.chunks(piece * size)), pieces(x.len(), GRAIN), |(y, x)| {
                    dispatch!(_MODE => for (y, x) in y.chunks_exact_mut(windows).zip(x.chunks_exact(size)) {
                        y.fill(0.0);
                        p.runs(#[inline(always)] |_, window, from, count| {
                            let y = y[window..][..count].iter_mut();
                            y.zip(x[from..].iter().step_by(step)).for_each(|(y, &x)| *y += x);
                        });
                    });
                });
            }

            /// `dx ←` zeros, with g added at all numbers of each window.
            pub(crate) fn spread(p: &Planes, g: &[$t], dx: &mut [$t]) {
                let ([size, windows], piece, step) = (p.of_plane(), p.piece(), p.windows.stride[1]);
                let work = dx.len();
                queue(dx.chunks_mut(piece * size).zip(g.chunks(piece * windows)), pieces(work, GRAIN), |(dx, g)| {
                    dispatch!(_MODE => for (dx, g) in dx.chunks_exact_mut(size).zip(g.chunks_exact(windows)) {
                        dx.fill(0.0);
                        p.runs(#[inline(always)] |_, window, to, count| {
                            let dx = dx[to..].iter_mut().step_by(step);
                            dx.zip(&g[window..][..count]).for_each(|(dx, &g)| *dx += g);
                        });
                    });
                });
            }
        }
    };
}
compiled!(f32, u32);
compiled!(f64, u64);
