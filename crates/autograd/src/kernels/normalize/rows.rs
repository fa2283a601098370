//! Layer normalisation: of rows of numbers that lie side by side.

use crate::kernels::scratch;
use crate::kernels::simd::dispatch;
use crate::kernels::threads::{GRAIN, pieces, queue};

macro_rules! compiled {
    ($t:ident) => {
        pub(crate) mod $t {
            use super::*;
            use crate::kernels::normalize::$t::sums;

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

            /// `Σ g · x̂` and `Σ g` over the rows: the gradients by weight and bias.
            pub(crate) fn rows_by_affine(n: usize, [x, statistics, g]: [&[$t]; 3], out: [&mut [$t]; 2]) {
                let piece = rows_of_piece(n);
                let count = x.len().div_ceil(piece * n).max(1);
                scratch::$t::with_scratch(count * 2 * n, |pieces_sums| {
                    let parts = x.chunks(piece * n).zip(g.chunks(piece * n)).zip(statistics.chunks(3 * piece));
                    let parts = pieces_sums.chunks_mut(2 * n).zip(parts);
                    queue(parts, pieces(x.len(), GRAIN), |(sums, ((x, g), statistics))| {
                        let (by_weight, by_bias) = sums.split_at_mut(n);
                        let rows = x.chunks_exact(n).zip(g.chunks_exact(n)).zip(statistics.as_chunks::<3>().0);
                        dispatch!(_MODE => for ((x, g), &[mean, rest, inverse]) in rows {
                            by_bias.iter_mut().zip(g).for_each(|(sum, &g)| *sum += g);
                            for ((sum, &g), &x) in by_weight.iter_mut().zip(g).zip(x) {
                                *sum += g * (((x - mean) - rest) * inverse);
                            }
                        });
                    });
                    for (k, out) in out.into_iter().enumerate() {
                        out.fill(0.0);
                        for sums in pieces_sums.chunks_exact(2 * n) {
                            out.iter_mut().zip(&sums[k * n..]).for_each(|(out, &sum)| *out += sum);
                        }
                    }
                });
            }
        }
    };
}
compiled!(f32);
compiled!(f64);
