//! What belongs to windows: a convolution forward, and its gradient by the input.

use std::ops::Range;

use super::outer;
use super::padded::{Look, Padded};
use super::{CACHE, GRAIN, LANES, PIECE, Sizes, by_outputs, register, tile_height, tiled};
use crate::kernels::copy::copy;
use crate::kernels::lane::{AnyLane, Lane};
use crate::kernels::threads;

/// A weighted sum over the numbers of each window, written to places of an output.
pub(super) struct Pass {
    /// the distance of each number of a window from the window's place
    pub(super) taps: Vec<usize>,
    /// the place of each in the weight, relative to that of the group and output
    of_weight: Vec<usize>,
    /// its part of the packed weights: for each group, for each tile of outputs, for each tap, one for each output of
    /// the tile
    pub(super) weights: Range<usize>,
    /// windows down and across
    pub(super) windows: [usize; 2],
    /// the place of the first window in the plane of an output
    pub(super) first: [usize; 2],
    /// places from one window to the next
    pub(super) step: [usize; 2],
}

/// Passes over the same images, which together write every number of an output.
pub(super) struct Plan {
    pub(super) padded: Padded,
    pub(super) passes: Vec<Pass>,
    /// whether the lanes of tiles are outputs (`outer.rs`); else they are places
    lanes_are_outputs: bool,
    /// outputs of a tile
    height: usize,
    images: usize,
    pub(super) groups: usize,
    /// channels of a group, and outputs
    pub(super) of_group: [usize; 2],
    /// numbers of the weight from one group to the next, and from one output to the next
    of_weight: [usize; 2],
    /// numbers of an image, of an output's plane, and of a row of that
    image: usize,
    pub(super) plane: usize,
    pub(super) row: usize,
    work: usize,
}

impl Plan {
    /// Adds a pass, whose weights follow those of the pass before.
    fn push(&mut self, [taps, of_weight]: [Vec<usize>; 2], [windows, first, step]: [[usize; 2]; 3]) {
        let tiles = self.groups * self.of_group[1].div_ceil(self.height);
        let start = self.passes.last().map_or(0, |pass| pass.weights.end);
        let weights = start..start + tiles * taps.len() * self.height;
        self.passes.push(Pass { taps, of_weight, weights, windows, first, step });
    }

    /// Writes the weights in the order in which tiles read them, over zeros, which stay for outputs that a group does
    /// not have.
    fn pack<T: Copy + Send + Sync>(&self, weight: &[T], packed: &mut [T]) {
        let ([_, outputs], height) = (self.of_group, self.height);
        let tiles = outputs.div_ceil(height);
        for Pass { of_weight, weights, .. } in &self.passes {
            let parts = packed[weights.clone()].chunks_exact_mut((of_weight.len() * height).max(1)).enumerate();
            threads::queue(parts, threads::pieces(weights.len(), threads::GRAIN), |(at, packed)| {
                let (group, first) = (at / tiles, at % tiles * height);
                // few numbers of each output after the other, so that those of all outputs stay in the cache
                for (taps, packed) in of_weight.chunks(LANES).zip(packed.chunks_mut(LANES * height)) {
                    for m in 0..height.min(outputs - first) {
                        let own = &weight[group * self.of_weight[0] + (first + m) * self.of_weight[1]..];
                        let packed = packed[m..].iter_mut().step_by(height);
                        packed.zip(taps).for_each(|(packed, &tap)| *packed = own[tap]);
                    }
                }
            });
        }
    }
}

/// Places from which on tiles of places are full enough.
const PLACES: usize = 40;

/// Whether the lanes of tiles are outputs: where an image has few places, and there are many channels.
fn lanes_are_outputs([channels, outputs]: [usize; 2], places: [usize; 2]) -> bool {
    channels >= LANES && outputs >= LANES && places[0] * places[1] < PLACES
}

/// Outputs of a tile.
fn height<T>(lanes_are_outputs: bool, outputs: usize) -> usize {
    let bytes = register();
    if lanes_are_outputs { outer::width(bytes / size_of::<T>()) } else { tile_height(outputs, bytes) }
}

/// Vectors of windows that a tile computes together.
const VECTORS: usize = 3;

/// Every number of the windows, of a group's channels, in the order of the weight.
fn forward_plan<T>(s: &Sizes) -> Plan {
    let [channels, outputs] = s.of_group();
    let lanes_are_outputs = lanes_are_outputs([channels, outputs], s.windows);
    let (padded, taps) = Padded::of_images(s, 1);
    let count = taps.len();
    let mut plan = Plan {
        padded,
        passes: Vec::new(),
        lanes_are_outputs,
        height: height::<T>(lanes_are_outputs, outputs),
        images: s.images,
        groups: s.groups,
        of_group: [channels, outputs],
        of_weight: [outputs * count, count],
        image: s.of_image()[0],
        plane: s.windows[0] * s.windows[1],
        row: s.windows[1],
        work: s.work(),
    };
    plan.push([taps, (0..count).collect()], [s.windows, [0, 0], [1, 1]]);
    plan
}

/// Along one direction, the places whose distance to the first window's first number has one remainder by the stride:
/// all of them read the same numbers of the kernel.
struct Phase {
    /// the first place
    first: usize,
    /// how many places there are
    count: usize,
    /// numbers of the kernel, and for each the window that reads the first place with it: before 0 and behind the last
    /// there are windows that are none, whose gradient is 0
    taps: Vec<(usize, isize)>,
}

/// Place y lies under number i of window `(y + padding − i·dilation) / stride`, if that is whole. With `y + padding =
/// q·stride + remainder`, that is window `q − e` for `e = (i·dilation − remainder) / stride`.
fn phases(s: &Sizes, d: usize) -> Vec<Phase> {
    let (stride, padding, size) = (s.stride[d], s.padding[d], s.image[d]);
    let phase = |remainder: usize| {
        let q = padding.saturating_sub(remainder).div_ceil(stride);
        let first = q * stride + remainder - padding;
        let reads = (0..s.kernel[d]).filter(|i| i * s.dilation[d] % stride == remainder);
        Phase {
            first,
            count: size.saturating_sub(first).div_ceil(stride),
            taps: reads.map(|i| (i, q as isize - (i * s.dilation[d] / stride) as isize)).collect(),
        }
    };
    (0..stride).map(phase).collect()
}

/// A pass for each pair of remainders, over windows instead of places and places instead of windows.
fn by_input_plan<T>(s: &Sizes) -> Plan {
    let directions = [phases(s, 0), phases(s, 1)];
    let (mut before, mut read) = ([0; 2], [1; 2]);
    for d in 0..2 {
        let taps = || directions[d].iter().flat_map(|phase| phase.taps.iter().map(move |tap| (phase, tap.1)));
        before[d] = taps().map(|(_, window)| window.min(0).unsigned_abs()).max().unwrap_or(0);
        let behind = |(phase, window): (&Phase, isize)| window + (before[d] + phase.count) as isize;
        read[d] = taps().map(behind).max().unwrap_or(1).max(1) as usize;
    }
    let across = directions[1].iter().map(|phase| phase.count).max().unwrap_or(1);
    let [channels, outputs] = s.of_group();
    let lanes_are_outputs = lanes_are_outputs([outputs, channels], s.image);
    let look = Look { size: s.windows, before, read, stride: [1, 1], across };
    let mut plan = Plan {
        padded: Padded::new(look, 1),
        passes: Vec::new(),
        lanes_are_outputs,
        height: height::<T>(lanes_are_outputs, channels),
        images: s.images,
        groups: s.groups,
        of_group: [outputs, channels],
        of_weight: [outputs * channels * s.taps(), s.taps()],
        image: s.of_image()[1],
        plane: s.image[0] * s.image[1],
        row: s.image[1],
        work: s.work(),
    };
    for (down, across) in directions[0].iter().flat_map(|down| directions[1].iter().map(move |across| (down, across))) {
        if down.count == 0 || across.count == 0 {
            continue;
        }
        let place = |window: isize, d: usize| (window + before[d] as isize) as usize;
        let count = outputs * down.taps.len() * across.taps.len();
        let [mut taps, mut of_weight] = [0, 1].map(|_| Vec::with_capacity(count));
        for o in 0..outputs {
            for (&(i, y), &(j, x)) in down.taps.iter().flat_map(|i| across.taps.iter().map(move |j| (i, j))) {
                taps.push(plan.padded.number(o, plan.padded.at([place(y, 0), place(x, 1)])));
                of_weight.push(o * channels * s.taps() + i * s.kernel[1] + j);
            }
        }
        let windows = [down.count, across.count];
        plan.push([taps, of_weight], [windows, [down.first, across.first], s.stride]);
    }
    plan
}

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
