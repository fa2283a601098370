//! What belongs to windows: a convolution forward, and its gradient by the input.

use super::outer;
use super::plan::{Plan, by_input_plan, forward_plan};
use super::{CACHE, GRAIN, LANES, PIECE, Sizes, by_outputs, tiled};
use crate::kernels::copy::copy;
use crate::kernels::lane::{AnyLane, Lane};
use crate::kernels::threads;

/// Vectors of windows that a tile computes together.
const VECTORS: usize = 3;

/// `out[m][place] ← Σ weights[tap][m] · x[tap + place]` for M outputs and N vectors of W places.
#[inline(always)]
fn tile<L: AnyLane, const W: usize, const M: usize, const N: usize>(
    weights: &[[L::T; M]],
    taps: &[usize],
    x: &[L::T],
    out: &mut [L::T],
    pitch: usize,
) {
    let mut sums = [[[L::zero(); W]; N]; M];
    for (weights, &tap) in weights.iter().zip(taps) {
        let x = &x[tap..tap + N * W].as_chunks::<W>().0;
        for m in 0..M {
            let weight = L::new(weights[m]);
            for n in 0..N {
                sums[m][n] = outer::add_scaled(weight, &x[n], sums[m][n]);
            }
        }
    }
    for m in 0..M {
        for n in 0..N {
            for (out, sum) in out[m * pitch + n * W..][..W].iter_mut().zip(sums[m][n]) {
                *out = sum.get();
            }
        }
    }
}

/// One pass over one image, for the outputs of one tile. `sums` has room for M rows of all places.
#[inline(always)]
fn tiles<L: AnyLane, const W: usize, const M: usize>(
    weights: &[L::T],
    taps: &[usize],
    x: &[L::T],
    sums: &mut [L::T],
    [places, pitch]: [usize; 2],
) {
    let weights = weights.as_chunks::<M>().0;
    let vectors = places.div_ceil(W);
    let mut at = 0;
    while at + VECTORS <= vectors {
        tile::<L, W, M, VECTORS>(weights, taps, &x[at * W..], &mut sums[at * W..], pitch);
        at += VECTORS;
    }
    match vectors - at {
        0 => {}
        1 => tile::<L, W, M, 1>(weights, taps, &x[at * W..], &mut sums[at * W..], pitch),
        _ => tile::<L, W, M, 2>(weights, taps, &x[at * W..], &mut sums[at * W..], pitch),
    }
}

/// The passes over some images. The images are in their buffers; a tile's weights are read for all of them before the
/// next tile's.
#[inline(always)]
fn images<L: AnyLane, const W: usize, const M: usize>(
    plan: &Plan,
    weights: &[L::T],
    bias: Option<&[L::T]>,
    (buffers, sums): (&[L::T], &mut [L::T]),
    output: &mut [L::T],
) {
    let Plan { padded, groups, of_group: [channels, outputs], plane, row, .. } = *plan;
    let (buffer, tiles_of_group) = (padded.buffer(groups * channels, LANES), outputs.div_ceil(M));
    for pass in &plan.passes {
        let [down, across] = pass.windows;
        let places = (down - 1) * padded.pitch + across;
        let pitch = places.next_multiple_of(LANES);
        let size = pass.taps.len() * M;
        for (group, tile) in (0..groups).flat_map(|group| (0..tiles_of_group).map(move |tile| (group, tile))) {
            let weights = &weights[pass.weights.start + (group * tiles_of_group + tile) * size..][..size];
            let own = tile * M..outputs.min(tile * M + M);
            for (x, output) in buffers.chunks_exact(buffer).zip(output.chunks_exact_mut(groups * outputs * plane)) {
                let x = &x[group * channels * padded.plane..];
                tiles::<L, W, M>(weights, &pass.taps, x, sums, [places, pitch]);
                for (m, o) in own.clone().enumerate() {
                    let o = group * outputs + o;
                    let output = &mut output[o * plane..][..plane];
                    let add = bias.map(|bias| L::new(bias[o]));
                    for r in 0..down {
                        let from = &sums[m * pitch + r * padded.pitch..][..across];
                        let to = &mut output[(pass.first[0] + r * pass.step[0]) * row + pass.first[1]..];
                        write_row::<L>(from, to, pass.step[1], add);
                    }
                }
            }
        }
    }
}

/// Writes numbers `step` places apart.
#[inline(always)]
fn write_row<L: AnyLane>(from: &[L::T], to: &mut [L::T], step: usize, add: Option<L>) {
    match add {
        Some(add) if step == 1 => {
            to[..from.len()].iter_mut().zip(from).for_each(|(to, &x)| *to = L::new(x).add(add).get());
        }
        Some(add) => to.iter_mut().step_by(step).zip(from).for_each(|(to, &x)| *to = L::new(x).add(add).get()),
        None if step == 1 => copy(from, &mut to[..from.len()]),
        None => to.iter_mut().step_by(step).zip(from).for_each(|(to, &x)| *to = x),
    }
}

/// Copies some images into their buffers, and runs the passes.
#[inline(always)]
fn some_images<L: AnyLane, const W: usize, const M: usize>(
    plan: &Plan,
    weights: &[L::T],
    bias: Option<&[L::T]>,
    x: &[L::T],
    (buffers, sums): (&mut [L::T], &mut [L::T]),
    output: &mut [L::T],
) {
    let buffer = plan.padded.buffer(plan.groups * plan.of_group[0], LANES);
    for (x, buffer) in x.chunks_exact(plan.image).zip(buffers.chunks_exact_mut(buffer)) {
        plan.padded.write(x, buffer);
    }
    images::<L, W, M>(plan, weights, bias, (buffers, sums), output);
}

/// The same with tiles whose lanes are outputs.
#[inline(always)]
fn images_by_outputs<L: AnyLane, const W: usize, const Q: usize>(
    plan: &Plan,
    weights: &[L::T],
    bias: Option<&[L::T]>,
    x: &[L::T],
    buffers: &mut [L::T],
    output: &mut [L::T],
) {
    let buffer = plan.padded.buffer(plan.groups * plan.of_group[0], LANES);
    let count = x.len() / plan.image;
    for (x, buffer) in x.chunks_exact(plan.image).zip(buffers.chunks_exact_mut(buffer)) {
        plan.padded.write(x, buffer);
    }
    outer::images::<L, W, Q>(plan, weights, bias, (&buffers[..count * buffer], buffer), output);
}

macro_rules! compiled {
    ($t:ident) => {
        pub(crate) mod $t {
            use super::*;
            use crate::kernels::scratch::$t::with_scratch;

            fn run(plan: &Plan, weight: &[$t], bias: Option<&[$t]>, x: &[$t], y: &mut [$t]) {
                let Plan { padded, groups, of_group: [channels, outputs], plane, .. } = *plan;
                let buffer = padded.buffer(groups * channels, LANES);
                // the weights of a tile of places are few, those of a tile of outputs are not
                let cache = if plan.lanes_are_outputs { 4 * CACHE } else { CACHE };
                let at_once = (cache / size_of::<$t>() / buffer).clamp(1, PIECE);
                let places = plan.passes.iter().map(|pass| (pass.windows[0] - 1) * padded.pitch + pass.windows[1]);
                let sums = places.max().unwrap_or(0).next_multiple_of(LANES) * 8;
                let piece = PIECE.min(plan.images);
                let parts = y.chunks_mut(piece * groups * outputs * plane).zip(x.chunks(piece * plan.image));
                with_scratch(plan.passes.last().map_or(0, |pass| pass.weights.end), |weights| {
                    plan.pack(weight, weights);
                    threads::share(parts, threads::pieces(plan.work, GRAIN), |next| {
                        // every image of a call leaves the same zeros
                        with_scratch(at_once * buffer + sums, |memory| {
                            let (buffers, sums) = memory.split_at_mut(at_once * buffer);
                            while let Some((y, x)) = next() {
                                let x = x.chunks(at_once * plan.image);
                                for (x, y) in x.zip(y.chunks_mut(at_once * groups * outputs * plane)) {
                                    if plan.lanes_are_outputs {
                                        by_outputs!($t, images_by_outputs(plan, weights, bias, x, buffers, y));
                                    } else {
                                        tiled!($t, outputs, some_images(plan, weights, bias, x, (buffers, sums), y));
                                    }
                                }
                            }
                        });
                    });
                });
            }

            pub(crate) fn forward(s: &Sizes, x: &[$t], weight: &[$t], bias: Option<&[$t]>, y: &mut [$t]) {
                if s.is_empty() {
                    let plane = s.windows[0] * s.windows[1];
                    for (o, y) in y.chunks_exact_mut(plane.max(1)).enumerate() {
                        y.fill(bias.map_or(0.0, |bias| bias[o % s.outputs]));
                    }
                    return;
                }
                run(&forward_plan::<$t>(s), weight, bias, x, y);
            }

            /// A weight that is not finite must not meet the zeros around g.
            pub(crate) fn by_input(s: &Sizes, weight: &[$t], g: &[$t], dx: &mut [$t]) {
                let finite = weight.iter().all(|w| w.is_finite());
                if !s.is_empty() && finite {
                    return run(&by_input_plan::<$t>(s), weight, None, g, dx);
                }
                dx.fill(0.0);
                if s.is_empty() {
                    return;
                }
                let ([of_image, of_output], one) = (s.of_image(), Sizes { images: 1, ..*s });
                let parts = dx.chunks_mut(of_image).zip(g.chunks(of_output));
                threads::queue(parts, threads::pieces(s.work(), GRAIN), |(dx, g)| {
                    one.terms(|w, window, place| dx[place] += weight[w] * g[window]);
                });
            }
        }
    };
}
compiled!(f32);
compiled!(f64);
