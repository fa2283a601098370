//! What a convolution forward, and its gradient by the input, have to compute: passes over images in their buffers.

use std::ops::Range;

use super::padded::{Look, Padded};
use super::{LANES, Sizes, lanes_width, register, tile_height};
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
    pub(super) lanes_are_outputs: bool,
    /// outputs of a tile
    height: usize,
    pub(super) images: usize,
    pub(super) groups: usize,
    /// channels of a group, and outputs
    pub(super) of_group: [usize; 2],
    /// numbers of the weight from one group to the next, and from one output to the next
    of_weight: [usize; 2],
    /// numbers of an image, of an output's plane, and of a row of that
    pub(super) image: usize,
    pub(super) plane: usize,
    pub(super) row: usize,
    pub(super) work: usize,
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
    pub(super) fn pack<T: Copy + Send + Sync>(&self, weight: &[T], packed: &mut [T]) {
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
    if lanes_are_outputs { lanes_width(bytes / size_of::<T>()) } else { tile_height(outputs, bytes) }
}

/// Every number of the windows, of a group's channels, in the order of the weight.
pub(super) fn forward_plan<T>(s: &Sizes) -> Plan {
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
pub(super) fn by_input_plan<T>(s: &Sizes) -> Plan {
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
