//! Convolution of small images with many channels, as products of matrices.
//!
//! Where an image has few windows, tiles of them would be mostly rests. So the numbers of the windows of several images
//! are written out as the columns of a matrix, channels · kernel × windows, and multiplied by the library.

use super::{PIECE, Sizes};
use crate::kernels::matmul::{self, Product};
use crate::kernels::threads::{self, with_threads};
use crate::windows::Windows;

/// Windows of an image from which on tiles are full enough, forward and for the gradient by the input.
const TILED: usize = 2 * super::LANES;
/// The same for the gradient by the weight, whose tiles have to add up their lanes in the end.
const TILED_BY_WEIGHT: usize = 100;
/// Windows that one product takes at least.
const TOGETHER: usize = 256;

/// Whether an image has few windows, and the matrices are large.
fn fits(s: &Sizes, most: usize) -> bool {
    let [channels, outputs] = s.of_group();
    s.windows[0] * s.windows[1] < most && outputs >= 32 && channels * s.taps() >= 128
}

pub(super) fn fits_windows(s: &Sizes) -> bool {
    fits(s, TILED) && s.image[0] * s.image[1] < 4 * TILED
}

pub(super) fn fits_weight(s: &Sizes) -> bool {
    fits(s, TILED_BY_WEIGHT)
}

/// What a product computes with: one group of some images.
struct Columns<'a> {
    s: &'a Sizes,
    windows: Windows,
    group: usize,
    images: usize,
}

impl Columns<'_> {
    /// Windows of an image.
    fn of_image(&self) -> usize {
        self.s.windows[0] * self.s.windows[1]
    }
    /// Columns of the matrix.
    fn count(&self) -> usize {
        self.images * self.of_image()
    }
    /// Rows of the matrix: numbers of a window.
    fn rows(&self) -> usize {
        self.s.of_group()[0] * self.s.taps()
    }
    /// Calls `f(place in the matrix, place in the images, how many)` for each row of windows and each number of them.
    fn runs(&self, mut f: impl FnMut(usize, usize, usize)) {
        let (s, [channels, _]) = (self.s, self.s.of_group());
        for (image, c) in (0..self.images).flat_map(|image| (0..channels).map(move |c| (image, c))) {
            let plane = (image * s.channels + self.group * channels + c) * s.image[0] * s.image[1];
            self.windows.runs(s.image, s.windows, |offset, window, place, count| {
                let row = c * s.taps() + offset;
                f((row * self.images + image) * self.of_image() + window, plane + place, count);
            });
        }
    }
    /// Calls `f(place in a matrix of outputs × windows, place in the outputs, how many)`.
    fn outputs(&self, mut f: impl FnMut(usize, usize, usize)) {
        let (size, [_, outputs]) = (self.of_image(), self.s.of_group());
        for (image, o) in (0..self.images).flat_map(|image| (0..outputs).map(move |o| (image, o))) {
            let output = image * self.s.outputs + self.group * outputs + o;
            f((o * self.images + image) * size, output * size, size);
        }
    }
}

/// Images of a piece of work.
fn piece(s: &Sizes) -> usize {
    TOGETHER.div_ceil(s.windows[0] * s.windows[1]).max(PIECE)
}

macro_rules! compiled {
    ($t:ident) => {
        pub(crate) mod $t {
            use super::*;
            use crate::kernels::scratch::$t::with_scratch;

            /// `c ← a · b`, or the same added to c, where either may be stored as its transpose.
            fn multiply(
                [m, k, n]: [usize; 3],
                (a, ta): (&[$t], bool),
                (b, tb): (&[$t], bool),
                c: &mut [$t],
                add: bool,
            ) {
                let (a_transposed, b_transposed, accumulate) = (ta, tb, add);
                let product = Product { m, k, n, a, a_transposed, b, b_transposed, c, accumulate };
                with_threads(1, || matmul::$t::product(product));
            }

            /// The columns of some images, and what stands beside them: a matrix of outputs × windows.
            fn each_group(
                s: &Sizes,
                images: usize,
                mut f: impl FnMut(&Columns<'_>, &[usize; 2], &mut [$t], &mut [$t]),
            ) {
                let Sizes { kernel, stride, padding, dilation, .. } = *s;
                for group in 0..s.groups {
                    let windows = Windows { kernel, stride, padding, dilation };
                    let columns = Columns { s, windows, group, images };
                    let (n, rows, outputs) = (columns.count(), columns.rows(), s.of_group()[1]);
                    with_scratch((rows + outputs) * n, |memory| {
                        let (matrix, beside) = memory.split_at_mut(rows * n);
                        f(&columns, &[rows, outputs], matrix, beside);
                    });
                }
            }

            fn write_columns(columns: &Columns<'_>, x: &[$t], matrix: &mut [$t]) {
                let step = columns.s.stride[1];
                columns.runs(|to, from, count| {
                    let from = x[from..].iter().step_by(step);
                    matrix[to..to + count].iter_mut().zip(from).for_each(|(to, &from)| *to = from);
                });
            }

            pub(crate) fn forward(s: &Sizes, x: &[$t], weight: &[$t], bias: Option<&[$t]>, y: &mut [$t]) {
                let ([of_image, of_output], images) = (s.of_image(), piece(s));
                let parts = y.chunks_mut(images * of_output).zip(x.chunks(images * of_image));
                threads::queue(parts, threads::pieces(s.work(), super::super::GRAIN), |(y, x)| {
                    each_group(s, x.len() / of_image, |columns, &[k, m], matrix, products| {
                        write_columns(columns, x, matrix);
                        let own = &weight[columns.group * m * k..][..m * k];
                        multiply([m, k, columns.count()], (own, false), (matrix, false), products, false);
                        columns.outputs(|from, to, count| {
                            let add = bias.map_or(0.0, |bias| bias[to / count % s.outputs]);
                            let from = &products[from..from + count];
                            y[to..to + count].iter_mut().zip(from).for_each(|(y, &x)| *y = x + add);
                        });
                    });
                });
            }

            /// The gradient in the order of the matrix.
            fn gather(columns: &Columns<'_>, g: &[$t], beside: &mut [$t]) {
                columns.outputs(|to, from, count| beside[to..to + count].copy_from_slice(&g[from..from + count]));
            }

            pub(crate) fn by_input(s: &Sizes, weight: &[$t], g: &[$t], dx: &mut [$t]) {
                let ([of_image, of_output], images, step) = (s.of_image(), piece(s), s.stride[1]);
                let parts = dx.chunks_mut(images * of_image).zip(g.chunks(images * of_output));
                threads::queue(parts, threads::pieces(s.work(), super::super::GRAIN), |(dx, g)| {
                    dx.fill(0.0);
                    each_group(s, g.len() / of_output, |columns, &[k, m], matrix, beside| {
                        gather(columns, g, beside);
                        let own = &weight[columns.group * m * k..][..m * k];
                        multiply([k, m, columns.count()], (own, true), (beside, false), matrix, false);
                        columns.runs(|from, to, count| {
                            let to = dx[to..].iter_mut().step_by(step);
                            to.zip(&matrix[from..from + count]).for_each(|(to, &from)| *to += from);
                        });
                    });
                });
            }

            /// Adds what some images contribute to the weight.
            pub(crate) fn add_by_weight(s: &Sizes, x: &[$t], g: &[$t], weight: &mut [$t]) {
                let ([of_image, of_output], images) = (s.of_image(), piece(s));
                for (x, g) in x.chunks(images * of_image).zip(g.chunks(images * of_output)) {
                    each_group(s, x.len() / of_image, |columns, &[k, m], matrix, beside| {
                        write_columns(columns, x, matrix);
                        gather(columns, g, beside);
                        let own = &mut weight[columns.group * m * k..][..m * k];
                        multiply([m, columns.count(), k], (beside, false), (matrix, true), own, true);
                    });
                }
            }
        }
    };
}
compiled!(f32);
compiled!(f64);
