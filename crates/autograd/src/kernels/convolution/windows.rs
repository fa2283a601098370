//! What belongs to windows: a convolution forward, and its gradient by the input.

use super::columns;
use super::padded::Padded;
use super::{CACHE, GRAIN, LANES, PIECE, Sizes, register, tile_height, tiled};
use crate::kernels::copy::copy;
use crate::kernels::lane::{AnyLane, Lane};
use crate::kernels::threads;

/// A weighted sum over the numbers of each window, written to places of an output.
struct Pass<T> {
    /// the distance of each number of a window from the window's place
    taps: Vec<usize>,
    /// the weights: for each group, for each tile of outputs, for each tap, one for each output of the tile
    weights: Vec<T>,
    /// windows down and across
    windows: [usize; 2],
    /// the place of the first window in the plane of an output
    first: [usize; 2],
    /// places from one window to the next
    step: [usize; 2],
}

/// Passes over the same images, which together write every number of an output.
struct Plan<T> {
    padded: Padded,
    passes: Vec<Pass<T>>,
    images: usize,
    groups: usize,
    /// channels of a group, and outputs
    of_group: [usize; 2],
    /// numbers of an image, of an output's plane, and of a row of that
    image: usize,
    plane: usize,
    row: usize,
    work: usize,
}

/// Vectors of windows that a tile computes together.
const VECTORS: usize = 3;

/// Weights in the order in which tiles read them, with zeros for outputs that a group does not have.
fn packed<T: Copy + Default>(
    [groups, outputs]: [usize; 2],
    taps: usize,
    height: usize,
    weight: impl Fn(usize, usize) -> T,
) -> Vec<T> {
    let tiles = outputs.div_ceil(height);
    let mut weights = vec![T::default(); groups * tiles * taps * height];
    for (at, weights) in weights.chunks_exact_mut((taps * height).max(1)).enumerate() {
        let (group, first) = (at / tiles, at % tiles * height);
        for m in 0..height.min(outputs - first) {
            let output = group * outputs + first + m;
            weights[m..].iter_mut().step_by(height).enumerate().for_each(|(tap, w)| *w = weight(output, tap));
        }
    }
    weights
}

/// Every number of the windows, of a group's channels, in the order of the weight.
fn forward_plan<T: Copy + Default>(s: &Sizes, weight: &[T], bytes: usize) -> Plan<T> {
    let ((padded, taps), [channels, outputs]) = (Padded::of_images(s), s.of_group());
    let count = taps.len();
    let weights =
        packed([s.groups, outputs], count, tile_height(outputs, bytes), |output, tap| weight[output * count + tap]);
    Plan {
        padded,
        passes: vec![Pass { taps, weights, windows: s.windows, first: [0, 0], step: [1, 1] }],
        images: s.images,
        groups: s.groups,
        of_group: [channels, outputs],
        image: s.of_image()[0],
        plane: s.windows[0] * s.windows[1],
        row: s.windows[1],
        work: s.work(),
    }
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
fn by_input_plan<T: Copy + Default>(s: &Sizes, weight: &[T], bytes: usize) -> Plan<T> {
    let directions = [phases(s, 0), phases(s, 1)];
    let (mut before, mut read) = ([0; 2], [1; 2]);
    for d in 0..2 {
        let taps = || directions[d].iter().flat_map(|phase| phase.taps.iter().map(move |tap| (phase, tap.1)));
        before[d] = taps().map(|(_, window)| window.min(0).unsigned_abs()).max().unwrap_or(0);
        let behind = |(phase, window): (&Phase, isize)| window + (before[d] + phase.count) as isize;
        read[d] = taps().map(behind).max().unwrap_or(1).max(1) as usize;
    }
    let across = directions[1].iter().map(|phase| phase.count).max().unwrap_or(1);
    let padded = Padded::new(s.windows, before, read, [1, 1], across);
    let ([channels, outputs], kernel) = (s.of_group(), s.kernel);
    let mut passes = Vec::new();
    for (down, across) in directions[0].iter().flat_map(|down| directions[1].iter().map(move |across| (down, across))) {
        if down.count == 0 || across.count == 0 {
            continue;
        }
        let place = |window: isize, d: usize| (window + before[d] as isize) as usize;
        let (mut taps, mut numbers) = (Vec::new(), Vec::new());
        for o in 0..outputs {
            for (&(i, y), &(j, x)) in down.taps.iter().flat_map(|i| across.taps.iter().map(move |j| (i, j))) {
                taps.push(o * padded.plane + padded.at([place(y, 0), place(x, 1)]));
                numbers.push((o, i * kernel[1] + j));
            }
        }
        let weights = packed([s.groups, channels], taps.len(), tile_height(channels, bytes), |channel, tap| {
            let (group, channel, (o, number)) = (channel / channels, channel % channels, numbers[tap]);
            weight[((group * outputs + o) * channels + channel) * s.taps() + number]
        });
        let windows = [down.count, across.count];
        passes.push(Pass { taps, weights, windows, first: [down.first, across.first], step: s.stride });
    }
    Plan {
        padded,
        passes,
        images: s.images,
        groups: s.groups,
        of_group: [outputs, channels],
        image: s.of_image()[1],
        plane: s.image[0] * s.image[1],
        row: s.image[1],
        work: s.work(),
    }
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
                sums[m][n] = add_scaled(weight, &x[n], sums[m][n]);
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

#[inline(always)]
fn add_scaled<L: AnyLane, const W: usize>(weight: L, x: &[L::T; W], mut sums: [L; W]) -> [L; W] {
    for w in 0..W {
        sums[w] = weight.mul_add(L::new(x[w]), sums[w]);
    }
    sums
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
    while at < vectors {
        tile::<L, W, M, 1>(weights, taps, &x[at * W..], &mut sums[at * W..], pitch);
        at += 1;
    }
}

/// The passes over some images. The images are in their buffers; a tile's weights are read for all of them before the
/// next tile's.
#[inline(always)]
fn images<L: AnyLane, const W: usize, const M: usize>(
    plan: &Plan<L::T>,
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
            let weights = &pass.weights[(group * tiles_of_group + tile) * size..][..size];
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
    plan: &Plan<L::T>,
    bias: Option<&[L::T]>,
    x: &[L::T],
    (buffers, sums): (&mut [L::T], &mut [L::T]),
    output: &mut [L::T],
) {
    let buffer = plan.padded.buffer(plan.groups * plan.of_group[0], LANES);
    for (x, buffer) in x.chunks_exact(plan.image).zip(buffers.chunks_exact_mut(buffer)) {
        plan.padded.write(x, buffer);
    }
    images::<L, W, M>(plan, bias, (buffers, sums), output);
}

macro_rules! compiled {
    ($t:ident) => {
        pub(crate) mod $t {
            use super::*;
            use crate::kernels::scratch::$t::with_scratch;

            fn run(plan: &Plan<$t>, bias: Option<&[$t]>, x: &[$t], y: &mut [$t]) {
                let Plan { padded, groups, of_group: [channels, outputs], plane, .. } = *plan;
                let buffer = padded.buffer(groups * channels, LANES);
                let at_once = (CACHE / size_of::<$t>() / buffer).clamp(1, PIECE);
                let places = plan.passes.iter().map(|pass| (pass.windows[0] - 1) * padded.pitch + pass.windows[1]);
                let sums = places.max().unwrap_or(0).next_multiple_of(LANES) * 8;
                let piece = PIECE.min(plan.images);
                let parts = y.chunks_mut(piece * groups * outputs * plane).zip(x.chunks(piece * plan.image));
                threads::share(parts, threads::pieces(plan.work, GRAIN), |next| {
                    // every image of a call leaves the same zeros
                    with_scratch(at_once * buffer + sums, |memory| {
                        let (buffers, sums) = memory.split_at_mut(at_once * buffer);
                        while let Some((y, x)) = next() {
                            let x = x.chunks(at_once * plan.image);
                            for (x, y) in x.zip(y.chunks_mut(at_once * groups * outputs * plane)) {
                                tiled!($t, outputs, some_images(plan, bias, x, (buffers, sums), y));
                            }
                        }
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
                if columns::fits_windows(s) {
                    return columns::$t::forward(s, x, weight, bias, y);
                }
                run(&forward_plan(s, weight, register()), bias, x, y);
            }

            /// A weight that is not finite must not meet the zeros around g.
            pub(crate) fn by_input(s: &Sizes, weight: &[$t], g: &[$t], dx: &mut [$t]) {
                let finite = weight.iter().all(|w| w.is_finite());
                if !s.is_empty() && finite {
                    if columns::fits_windows(s) {
                        return columns::$t::by_input(s, weight, g, dx);
                    }
                    return run(&by_input_plan(s, weight, register()), None, g, dx);
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
