//! The loops of normalisation: of channels, over planes (the numbers of one image and one channel, which lie side by
//! side), and of rows.
//!
//! Sums of a plane are added up in lanes, at most [`DEEP`] numbers each, then in `f64`; sums of planes in the order of
//! the images. So they are accurate, and no result depends on the number of threads.

use super::scratch;
use super::simd::dispatch;
use super::threads::{GRAIN, pieces, queue};

/// Lanes of a sum.
const LANES: usize = 16;
/// Numbers that a lane adds up before its sum goes to `f64`.
const DEEP: usize = 64;

/// Images × channels × numbers of a plane.
pub(crate) type Layout = [usize; 3];

/// Images of a piece of work.
fn images_of_piece([_, channels, plane]: Layout) -> usize {
    (GRAIN / 4 / (channels * plane).max(1)).max(1)
}

macro_rules! compiled {
    ($t:ident) => {
        pub(crate) mod $t {
            use super::*;

            /// The sums of `u(x, y)` and of `v(x, y)` over a plane.
            #[inline(always)]
            fn sums(x: &[$t], y: &[$t], u: impl Fn($t, $t) -> $t, v: impl Fn($t, $t) -> $t) -> [f64; 2] {
                let mut total = [0.0; 2];
                for (x, y) in x.chunks(DEEP * LANES).zip(y.chunks(DEEP * LANES)) {
                    let (mut a, mut b) = ([0.0; LANES], [0.0; LANES]);
                    let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
                    for (x, y) in x.iter().zip(y) {
                        for l in 0..LANES {
                            a[l] += u(x[l], y[l]);
                        }
                        for l in 0..LANES {
                            b[l] += v(x[l], y[l]);
                        }
                    }
                    for (l, (&x, &y)) in x_rest.iter().zip(y_rest).enumerate() {
                        a[l] += u(x, y);
                        b[l] += v(x, y);
                    }
                    // what becomes of the sums must not decide how the compiler lays them out in the loop
                    let (a, b) = (std::hint::black_box(a), std::hint::black_box(b));
                    for (total, lanes) in total.iter_mut().zip([a, b]) {
                        let mut lanes: [f64; LANES] = lanes.map(|x| x as f64);
                        let mut width = LANES / 2;
                        while width > 0 {
                            for l in 0..width {
                                lanes[l] += lanes[l + width];
                            }
                            width /= 2;
                        }
                        *total += lanes[0];
                    }
                }
                total
            }

            /// Two numbers for each plane.
            fn of_planes(
                layout: Layout,
                pairs: &mut [f64],
                f: impl Fn(usize, usize) -> [f64; 2] + Sync, // of the number of a plane, and of its channel
            ) {
                let [images, channels, plane] = layout;
                let piece = images_of_piece(layout) * channels;
                let parts = pairs.chunks_mut(2 * piece.max(1)).enumerate();
                queue(parts, pieces(images * channels * plane, GRAIN), |(at, pairs)| {
                    for (k, pair) in pairs.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                        let number = at * piece + k;
                        *pair = f(number, number % channels);
                    }
                });
            }

            /// Mean, what rounding took from it, and variance of each channel: three rows. A plane is read once, its
            /// deviations from its own mean while it is in the cache; planes are joined by the formula of Chan, Golub
            /// and LeVeque (1979).
            pub(crate) fn statistics(layout: Layout, x: &[$t], out: &mut [$t]) {
                let [images, channels, plane] = layout;
                scratch::f64::with_scratch(2 * images * channels, |pairs| {
                    of_planes(layout, pairs, |number, _| {
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
                            [mean as f64 + rest, if squares < 0.0 { 0.0 } else { squares }]
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

            /// What a number of a channel is moved and scaled by: `y = (x − mean) · scale + shift`.
            #[derive(Clone, Copy)]
            struct Channel {
                mean: $t,
                scale: $t,
                shift: $t,
                /// what rounding took from the mean
                rest: f64,
                /// `1/√(variance + eps)`
                inverse: f64,
            }

            fn channel(c: usize, statistics: &[$t], affine: [Option<&[$t]>; 2], eps: f64) -> Channel {
                let channels = statistics.len() / 3;
                let (mean, rest) = (statistics[c], statistics[channels + c] as f64);
                let inverse = 1.0 / (statistics[2 * channels + c] as f64 + eps).sqrt();
                let [weight, bias] = [(0, 1.0), (1, 0.0)].map(|(k, none)| affine[k].map_or(none, |a| a[c] as f64));
                let scale = weight * inverse;
                Channel { mean, scale: scale as $t, shift: (bias - rest * scale) as $t, rest, inverse }
            }

            /// Writes the planes of an array, given the number of a plane and of its channel.
            fn write_planes(layout: Layout, out: &mut [$t], f: impl Fn(usize, usize, &mut [$t]) + Sync) {
                let [images, channels, plane] = layout;
                let piece = images_of_piece(layout) * channels;
                let parts = out.chunks_mut((piece * plane).max(1)).enumerate();
                queue(parts, pieces(images * channels * plane, GRAIN), |(at, out)| {
                    for (k, out) in out.chunks_exact_mut(plane).enumerate() {
                        let number = at * piece + k;
                        f(number, number % channels, out);
                    }
                });
            }

            /// `y ← (x − mean)/√(variance + eps) · weight + bias`
            pub(crate) fn normalize(
                layout: Layout,
                [x, statistics]: [&[$t]; 2],
                affine: [Option<&[$t]>; 2],
                eps: f64,
                y: &mut [$t],
            ) {
                let plane = layout[2];
                write_planes(layout, y, |number, c, y| {
                    let Channel { mean, scale, shift, .. } = channel(c, statistics, affine, eps);
                    let x = &x[number * plane..][..plane];
                    dispatch!(_MODE => for (y, &x) in y.iter_mut().zip(x) {
                        *y = (x - mean) * scale + shift;
                    });
                });
            }

            /// `Σ g` and `Σ g · (x − mean)/√(variance + eps)` of each channel, two rows: the gradients by bias and by
            /// weight.
            pub(crate) fn gradient_sums(layout: Layout, [x, statistics, g]: [&[$t]; 3], eps: f64, out: &mut [$t]) {
                let [images, channels, plane] = layout;
                scratch::f64::with_scratch(2 * images * channels, |pairs| {
                    of_planes(layout, pairs, |number, c| {
                        let (x, g) = (&x[number * plane..][..plane], &g[number * plane..][..plane]);
                        let mean = statistics[c];
                        dispatch!(_MODE => sums(
                            x,
                            g,
                            #[inline(always)]
                            |_, g| g,
                            #[inline(always)]
                            |x, g| g * (x - mean),
                        ))
                    });
                    let pairs = pairs.as_chunks::<2>().0;
                    for c in 0..channels {
                        let Channel { rest, inverse, .. } = channel(c, statistics, [None; 2], eps);
                        let planes = pairs[c..].iter().step_by(channels);
                        let [sum, product] = planes.fold([0.0; 2], |[a, b], pair| [a + pair[0], b + pair[1]]);
                        out[c] = sum as $t;
                        out[channels + c] = ((product - rest * sum) * inverse) as $t;
                    }
                });
            }

            /// `dx ← scale · (g − mean(g) − x̂ · mean(g · x̂))`, given the sums of the gradients.
            pub(crate) fn gradient_by_input(
                layout: Layout,
                [x, statistics, g, sums]: [&[$t]; 4],
                weight: Option<&[$t]>,
                eps: f64,
                dx: &mut [$t],
            ) {
                let [images, channels, plane] = layout;
                let count = (images * plane) as f64;
                write_planes(layout, dx, |number, c, dx| {
                    let Channel { mean, scale, rest, inverse, .. } = channel(c, statistics, [weight, None], eps);
                    let slope = sums[channels + c] as f64 / count * inverse;
                    let (offset, slope) = ((sums[c] as f64 / count - rest * slope) as $t, slope as $t);
                    let (x, g) = (&x[number * plane..][..plane], &g[number * plane..][..plane]);
                    dispatch!(_MODE => for ((dx, &x), &g) in dx.iter_mut().zip(x).zip(g) {
                        *dx = scale * (g - offset - (x - mean) * slope);
                    });
                });
            }

            /// Rows of a piece of work, whose sums are added up before those of other pieces are.
            fn rows_of_piece(n: usize) -> usize {
                (GRAIN / 8 / n.max(1)).max(1)
            }

            /// The mean of a row, what rounding took from it, and `1/√(variance + eps)`.
            #[inline(always)]
            fn of_row(x: &[$t], eps: f64) -> [$t; 3] {
                let n = x.len() as f64;
                let [sum, _] = sums(x, x, #[inline(always)] |x, _| x, #[inline(always)] |_, _| 0.0);
                let mean = (sum / n) as $t;
                let [rest, squares] =
                    sums(x, x, #[inline(always)] |x, _| x - mean, #[inline(always)] |x, _| (x - mean) * (x - mean));
                let rest = rest / n;
                let mut variance = squares / n - rest * rest;
                if variance.is_infinite() {
                    let square = |x: &$t| (f64::from(*x) - f64::from(mean)).powi(2);
                    variance = x.iter().map(square).sum::<f64>() / n;
                } else if variance < 0.0 {
                    variance = 0.0;
                }
                [mean, rest as $t, (1.0 / (variance + eps).sqrt()) as $t]
            }

            /// Three numbers for each row: its mean, what rounding took from it, and `1/√(variance + eps)`.
            pub(crate) fn rows_statistics(n: usize, x: &[$t], eps: f64, out: &mut [$t]) {
                let piece = rows_of_piece(n);
                queue(out.chunks_mut(3 * piece).zip(x.chunks(piece * n)), pieces(x.len(), GRAIN), |(out, x)| {
                    dispatch!(_MODE => for (out, x) in out.as_chunks_mut::<3>().0.iter_mut().zip(x.chunks_exact(n)) {
                        *out = of_row(x, eps);
                    });
                });
            }

            /// `y ← (x − mean)/√(variance + eps) · weight + bias` for each row.
            pub(crate) fn normalize_rows(
                n: usize,
                [x, statistics]: [&[$t]; 2],
                affine: Option<[&[$t]; 2]>,
                y: &mut [$t],
            ) {
                let (piece, work) = (rows_of_piece(n), y.len());
                let parts = y.chunks_mut(piece * n).zip(x.chunks(piece * n)).zip(statistics.chunks(3 * piece));
                queue(parts, pieces(work, GRAIN), |((y, x), statistics)| {
                    let rows = y.chunks_exact_mut(n).zip(x.chunks_exact(n)).zip(statistics.as_chunks::<3>().0);
                    dispatch!(_MODE => for ((y, x), &[mean, rest, inverse]) in rows {
                        match affine {
                            Some([weight, bias]) => {
                                for (((y, &x), &weight), &bias) in y.iter_mut().zip(x).zip(weight).zip(bias) {
                                    *y = ((x - mean) - rest) * inverse * weight + bias;
                                }
                            }
                            None => y.iter_mut().zip(x).for_each(|(y, &x)| *y = ((x - mean) - rest) * inverse),
                        }
                    });
                });
            }

            /// `dx ← (g′ − mean(g′) − x̂ · mean(g′ · x̂))/√(variance + eps)` for each row, with `g′ = g · weight`.
            pub(crate) fn rows_by_input(
                n: usize,
                [x, statistics, g]: [&[$t]; 3],
                weight: Option<&[$t]>,
                dx: &mut [$t],
            ) {
                let (piece, work) = (rows_of_piece(n), dx.len());
                let parts = dx.chunks_mut(piece * n).zip(x.chunks(piece * n).zip(g.chunks(piece * n)));
                queue(parts.zip(statistics.chunks(3 * piece)), pieces(work, GRAIN), |((dx, (x, g)), statistics)| {
                    dispatch!(_MODE => {
                        let rows = dx.chunks_exact_mut(n).zip(x.chunks_exact(n)).zip(g.chunks_exact(n));
                        for (((dx, x), g), &[mean, rest, inverse]) in rows.zip(statistics.as_chunks::<3>().0) {
                            // dx holds g′ until its sums are known
                            match weight {
                                Some(weight) => {
                                    dx.iter_mut().zip(g).zip(weight).for_each(|((dx, &g), &w)| *dx = g * w);
                                }
                                None => dx.copy_from_slice(g),
                            }
                            let [sum, product] = sums(
                                x,
                                dx,
                                #[inline(always)]
                                |_, g| g,
                                #[inline(always)]
                                |x, g| g * ((x - mean) - rest),
                            );
                            let offset = (sum / n as f64) as $t;
                            let slope = (product / n as f64) as $t * inverse * inverse;
                            for (dx, &x) in dx.iter_mut().zip(x) {
                                *dx = inverse * (*dx - offset - ((x - mean) - rest) * slope);
                            }
                        }
                    });
                });
            }

            /// `Σ g` and `Σ g · x̂` over the rows, two rows: the gradients by bias and weight.
            pub(crate) fn rows_by_affine(n: usize, [x, statistics, g]: [&[$t]; 3], out: &mut [$t]) {
                let piece = rows_of_piece(n);
                let count = x.len().div_ceil(piece * n).max(1);
                scratch::$t::with_scratch(count * 2 * n, |pieces_sums| {
                    let parts = x.chunks(piece * n).zip(g.chunks(piece * n)).zip(statistics.chunks(3 * piece));
                    let parts = pieces_sums.chunks_mut(2 * n).zip(parts);
                    queue(parts, pieces(x.len(), GRAIN), |(sums, ((x, g), statistics))| {
                        let (by_bias, by_weight) = sums.split_at_mut(n);
                        let rows = x.chunks_exact(n).zip(g.chunks_exact(n)).zip(statistics.as_chunks::<3>().0);
                        dispatch!(_MODE => for ((x, g), &[mean, rest, inverse]) in rows {
                            by_bias.iter_mut().zip(g).for_each(|(sum, &g)| *sum += g);
                            for ((sum, &g), &x) in by_weight.iter_mut().zip(g).zip(x) {
                                *sum += g * (((x - mean) - rest) * inverse);
                            }
                        });
                    });
                    out.fill(0.0);
                    for sums in pieces_sums.chunks_exact(2 * n) {
                        out.iter_mut().zip(sums).for_each(|(out, &sum)| *out += sum);
                    }
                });
            }
        }
    };
}
compiled!(f32);
compiled!(f64);
