//! Batch normalisation: of channels, over planes, which are the numbers of one image and one channel and lie side by
//! side. Each loop looks at a plane while it is in the cache, so that what follows a normalisation (ReLU, the maximum
//! of windows) costs no way through memory.

use crate::kernels::pool::{self, Planes};
use crate::kernels::scratch;
use crate::kernels::simd::dispatch;
use crate::kernels::threads::{GRAIN, pieces, queue};

/// What the normalised numbers of a plane go through before they are written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Then {
    Nothing,
    Relu,
    ReluMaxPool(Planes),
}

/// A batch normalisation, and what all its loops read.
#[derive(Clone, Copy)]
pub(crate) struct Channels<'a, T> {
    /// images × channels × numbers of a plane
    pub(crate) layout: [usize; 3],
    pub(crate) x: &'a [T],
    /// mean, what rounding took from it, and variance of each channel: three rows
    pub(crate) statistics: &'a [T],
    /// weight and bias
    pub(crate) affine: Option<[&'a [T]; 2]>,
    pub(crate) eps: f64,
    pub(crate) then: Then,
}

/// Images of a piece of work.
fn images_of_piece([_, channels, plane]: [usize; 3]) -> usize {
    (GRAIN / 4 / (channels * plane).max(1)).max(1)
}

impl<T> Channels<'_, T> {
    /// Numbers that a plane leaves in an output.
    fn of_output(&self) -> usize {
        match self.then {
            Then::ReluMaxPool(planes) => planes.of_plane()[1],
            _ => self.layout[2],
        }
    }

    /// Numbers that a thread needs beside the arrays: a plane, and what its windows have of a gradient.
    fn beside(&self) -> usize {
        match self.then {
            Then::Nothing => 0,
            Then::Relu => self.layout[2],
            Then::ReluMaxPool(_) => self.layout[2] + self.of_output(),
        }
    }
}

/// What a number of a channel is moved and scaled by: `y = (x − mean) · scale + shift`.
#[derive(Clone, Copy)]
struct Channel<T> {
    mean: T,
    scale: T,
    shift: T,
    /// what rounding took from the mean
    rest: f64,
    /// `1/√(variance + eps)`
    inverse: f64,
}

macro_rules! compiled {
    ($t:ident, $bits:ident) => {
        pub(crate) mod $t {
            use super::*;
            use crate::kernels::normalize::$t::sums;

            /// Writes the numbers of each plane to its part of an output, and of `index` unless that is empty, given
            /// which plane it is, and memory beside the arrays.
            fn each_plane<T: Send>(
                layout: [usize; 3],
                (out, of_plane): (&mut [T], usize),
                index: &mut [$t],
                beside: usize,
                f: impl Fn(usize, &mut [T], &mut [$t], &mut [$t]) + Sync,
            ) {
                let [images, channels, plane] = layout;
                let piece = images_of_piece(layout) * channels;
                let mut index = index.chunks_mut((piece * of_plane).max(1));
                let parts = out.chunks_mut((piece * of_plane).max(1)).enumerate();
                let parts = parts.map(|(at, out)| (at, out, index.next().unwrap_or_default()));
                queue(parts, pieces(images * channels * plane, GRAIN), |(at, out, index)| {
                    let mut index = index.chunks_exact_mut(of_plane);
                    scratch::$t::with_scratch(beside, |beside| {
                        for (k, out) in out.chunks_exact_mut(of_plane).enumerate() {
                            f(at * piece + k, out, index.next().unwrap_or_default(), beside);
                        }
                    });
                });
            }

            /// Mean, what rounding took from it, and variance of each channel: three rows. A plane is read once, its
            /// deviations from its own mean while it is in the cache; planes are joined by the formula of Chan, Golub
            /// and LeVeque (1979).
            pub(crate) fn statistics(layout: [usize; 3], x: &[$t], out: &mut [$t]) {
                let [images, channels, plane] = layout;
                scratch::f64::with_scratch(2 * images * channels, |pairs| {
                    each_plane(layout, (&mut *pairs, 2), &mut [], 0, |number, pair, _, _| {
                        let x = &x[number * plane..][..plane];
                        dispatch!(_MODE => {
                            let [sum, _] = sums(x, x, #[inline(always)] |x, _| x, #[inline(always)] |_, _| 0.0);
                            let mean = (sum / plane as f64) as $t;
                            let [rest, squares] = sums(
                                x,
                                x,
                                #[inline(always)]
                                |x, _| x - mean,
                                #[inline(always)]
                                |x, _| (x - mean) * (x - mean),
                            );
                            let rest = rest / plane as f64;
                            let squares = squares - plane as f64 * rest * rest;
                            pair.copy_from_slice(&[mean as f64 + rest, if squares < 0.0 { 0.0 } else { squares }]);
                        })
                    });
                    let pairs = pairs.as_chunks::<2>().0;
                    for c in 0..channels {
                        let planes = || pairs[c..].iter().step_by(channels);
                        let mean = planes().map(|pair| pair[0]).sum::<f64>() / images as f64;
                        let squares = planes().map(|[m, s]| s + plane as f64 * (m - mean) * (m - mean)).sum::<f64>();
                        out[c] = mean as $t;
                        out[channels + c] = (mean - out[c] as f64) as $t;
                        out[2 * channels + c] = (squares / (images * plane) as f64) as $t;
                    }
                });
            }

            impl Channels<'_, $t> {
                fn channel(&self, c: usize) -> Channel<$t> {
                    let (channels, statistics) = (self.layout[1], self.statistics);
                    let (mean, rest) = (statistics[c], statistics[channels + c] as f64);
                    let inverse = 1.0 / (statistics[2 * channels + c] as f64 + self.eps).sqrt();
                    let [weight, bias] = self.affine.map_or([1.0, 0.0], |[w, b]| [w[c] as f64, b[c] as f64]);
                    let scale = weight * inverse;
                    Channel { mean, scale: scale as $t, shift: (bias - rest * scale) as $t, rest, inverse }
                }

                /// A plane of x, and its channel.
                fn plane(&self, number: usize) -> (&[$t], usize) {
                    (&self.x[number * self.layout[2]..][..self.layout[2]], number % self.layout[1])
                }

                /// The gradient that arrives at the normalised numbers of a plane: behind ReLU it is 0 where the result
                /// is 0, behind the maximum of windows where it was not taken. `gradient` holds that of the output, the
                /// output and, with windows, the index.
                #[inline(always)]
                fn arriving<'a>(
                    &self,
                    number: usize,
                    [g, y, index]: [&'a [$t]; 3],
                    beside: &'a mut [$t],
                ) -> &'a [$t] {
                    let ((x, c), n) = (self.plane(number), self.of_output());
                    let part = number * n..(number + 1) * n;
                    match self.then {
                        Then::Nothing => &g[part],
                        Then::Relu => {
                            let Channel { mean, scale, shift, .. } = self.channel(c);
                            for ((own, &g), &x) in beside.iter_mut().zip(&g[part]).zip(x) {
                                *own = where_positive(g, (x - mean) * scale + shift);
                            }
                            beside
                        }
                        Then::ReluMaxPool(planes) => {
                            let (own, windows) = beside.split_at_mut(self.layout[2]);
                            for ((own, &g), &y) in windows.iter_mut().zip(&g[part.clone()]).zip(&y[part.clone()]) {
                                *own = where_positive(g, y);
                            }
                            pool::$t::place_plane(&planes, [windows, &index[part]], own);
                            own
                        }
                    }
                }
            }

            /// `g` where y is above 0, else 0. By bits: a choice of numbers would become a branch for each.
            #[inline(always)]
            fn where_positive(g: $t, y: $t) -> $t {
                <$t>::from_bits(g.to_bits() & <$bits>::from(y > 0.0).wrapping_neg())
            }

            /// NaN stays NaN.
            #[inline(always)]
            fn relu(x: $t) -> $t {
                if x < 0.0 { 0.0 } else { x }
            }

            /// `y ← (x − mean)/√(variance + eps) · weight + bias`, and what follows. `index` gets which number of its
            /// window each is, where windows follow.
            pub(crate) fn normalize(of: &Channels<'_, $t>, y: &mut [$t], index: &mut [$t]) {
                let beside = if matches!(of.then, Then::ReluMaxPool(_)) { of.layout[2] } else { 0 };
                each_plane(of.layout, (y, of.of_output()), index, beside, |number, y, index, own| {
                    let (x, c) = of.plane(number);
                    let Channel { mean, scale, shift, .. } = of.channel(c);
                    dispatch!(_MODE => match of.then {
                        Then::Nothing => {
                            for (y, &x) in y.iter_mut().zip(x) {
                                *y = (x - mean) * scale + shift;
                            }
                        }
                        Then::Relu => {
                            for (y, &x) in y.iter_mut().zip(x) {
                                *y = relu((x - mean) * scale + shift);
                            }
                        }
                        Then::ReluMaxPool(planes) => {
                            for (y, &x) in own.iter_mut().zip(x) {
                                *y = relu((x - mean) * scale + shift);
                            }
                            pool::$t::max_plane(&planes, own, y, index);
                        }
                    });
                });
            }

            /// `Σ g · (x − mean)/√(variance + eps)` and `Σ g` of each channel: the gradients by weight and by bias.
            pub(crate) fn gradient_sums(of: &Channels<'_, $t>, gradient: [&[$t]; 3], out: [&mut [$t]; 2]) {
                let [by_weight, by_bias] = out;
                let [images, channels, _] = of.layout;
                scratch::f64::with_scratch(2 * images * channels, |pairs| {
                    each_plane(of.layout, (&mut *pairs, 2), &mut [], of.beside(), |number, pair, _, beside| {
                        let (x, c) = of.plane(number);
                        let mean = of.statistics[c];
                        dispatch!(_MODE => pair.copy_from_slice(&sums(
                            x,
                            of.arriving(number, gradient, beside),
                            #[inline(always)]
                            |_, g| g,
                            #[inline(always)]
                            |x, g| g * (x - mean),
                        )));
                    });
                    let pairs = pairs.as_chunks::<2>().0;
                    for c in 0..channels {
                        let Channel { rest, inverse, .. } = of.channel(c);
                        let planes = pairs[c..].iter().step_by(channels);
                        let [sum, product] = planes.fold([0.0; 2], |[a, b], pair| [a + pair[0], b + pair[1]]);
                        by_bias[c] = sum as $t;
                        by_weight[c] = ((product - rest * sum) * inverse) as $t;
                    }
                });
            }

            /// `dx ← scale · (g − mean(g) − x̂ · mean(g · x̂))`, given the sums of the gradients.
            pub(crate) fn gradient_by_input(
                of: &Channels<'_, $t>,
                gradient: [&[$t]; 3],
                [by_weight, by_bias]: [&[$t]; 2],
                dx: &mut [$t],
            ) {
                let [images, _, plane] = of.layout;
                let count = (images * plane) as f64;
                each_plane(of.layout, (dx, plane), &mut [], of.beside(), |number, dx, _, beside| {
                    let (x, c) = of.plane(number);
                    let Channel { mean, scale, rest, inverse, .. } = of.channel(c);
                    let slope = by_weight[c] as f64 / count * inverse;
                    let (offset, slope) = ((by_bias[c] as f64 / count - rest * slope) as $t, slope as $t);
                    dispatch!(_MODE => {
                        let g = of.arriving(number, gradient, beside);
                        for ((dx, &x), &g) in dx.iter_mut().zip(x).zip(g) {
                            *dx = scale * (g - offset - (x - mean) * slope);
                        }
                    });
                });
            }
        }
    };
}
compiled!(f32, u32);
compiled!(f64, u64);
