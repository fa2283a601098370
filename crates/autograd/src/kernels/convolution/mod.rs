//! Convolution, and its two derivatives, without columns.
//!
//! The three are one trilinear form, `Σ x[n, c, y·stride + i·dilation − padding, …] · w[o, c, i, j] · g[n, o, y, …]`,
//! with one of its three factors left out: `forward` without g, `by_input` without x, `by_weight` without w. Each image
//! is copied once into a buffer with zeros around it (`padded.rs`); then `windows.rs` computes, by a plan (`plan.rs`),
//! numbers that belong to windows, and `weights.rs` those that belong to the weight. The lanes of their tiles are
//! places or outputs (`outer.rs`), depending on which there are enough of.

mod outer;
mod padded;
mod plan;
mod weights;
mod windows;

/// What a convolution is of; sizes are `[vertical, horizontal]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sizes {
    pub(crate) images: usize,
    pub(crate) channels: usize,
    pub(crate) outputs: usize,
    pub(crate) groups: usize,
    /// height and width of an image
    pub(crate) image: [usize; 2],
    pub(crate) kernel: [usize; 2],
    /// windows down and across
    pub(crate) windows: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) padding: [usize; 2],
    pub(crate) dilation: [usize; 2],
}

impl Sizes {
    /// Channels and outputs of a group.
    fn of_group(&self) -> [usize; 2] {
        [self.channels / self.groups, self.outputs / self.groups]
    }
    /// Numbers of a kernel: those of a weight's input and output.
    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }
    /// Numbers of the weight.
    fn weight(&self) -> usize {
        self.outputs * self.of_group()[0] * self.taps()
    }
    /// Numbers of an image, and of the windows that belong to it.
    fn of_image(&self) -> [usize; 2] {
        [self.channels * self.image[0] * self.image[1], self.outputs * self.windows[0] * self.windows[1]]
    }
    /// Multiplications.
    fn work(&self) -> usize {
        self.images * self.weight() * self.windows[0] * self.windows[1]
    }
    /// Whether it has no term: no image, or images, windows or weights without numbers.
    fn is_empty(&self) -> bool {
        self.work() == 0 || self.of_image()[0] == 0
    }

    /// Calls `f(weight, window, place)` with the places in the three arrays of each term: plain loops, for where the
    /// fast ones would multiply a zero of theirs by a number that is not finite.
    fn terms(&self, mut f: impl FnMut(usize, usize, usize)) {
        for weight in 0..self.weight() {
            self.terms_of_weight(weight, |window, place| {
                f(weight, window, place);
                true
            });
        }
    }

    /// Calls `f(window, place)` for the terms of one number of the weight, as long as it returns true.
    fn terms_of_weight(&self, weight: usize, mut f: impl FnMut(usize, usize) -> bool) {
        let ([cg, og], [kh, kw]) = (self.of_group(), self.kernel);
        let ([height, width], [down, across]) = (self.image, self.windows);
        let (o, c, i, j) = (weight / (cg * kh * kw), weight / (kh * kw) % cg, weight / kw % kh, weight % kw);
        let place = |d: usize, window: usize, k: usize| {
            (window * self.stride[d] + k * self.dilation[d]).checked_sub(self.padding[d]).filter(|&p| p < self.image[d])
        };
        for image in 0..self.images {
            let channel = image * self.channels + o / og * cg + c;
            for (down_at, y) in (0..down).filter_map(|y| Some((y, place(0, y, i)?))) {
                for (across_at, x) in (0..across).filter_map(|x| Some((x, place(1, x, j)?))) {
                    let window = ((image * self.outputs + o) * down + down_at) * across + across_at;
                    if !f(window, (channel * height + y) * width + x) {
                        return;
                    }
                }
            }
        }
    }
}

/// Bytes of the second-level cache that the images of a piece of work may take.
const CACHE: usize = 1 << 18;
/// Images that a thread takes at once.
const PIECE: usize = 8;
/// Multiplications that a thread must have to itself before a second one is woken.
const GRAIN: usize = 1 << 20;

/// The most lanes that a register has.
const LANES: usize = 16;

/// How many bytes a register of this processor holds.
fn register() -> usize {
    crate::kernels::simd::dispatch!(_MODE, BYTES => BYTES)
}

/// How many outputs a tile computes together, given how many there are and how many bytes a register holds.
const fn tile_height(outputs: usize, bytes: usize) -> usize {
    match outputs {
        1 => 1,
        0..5 => 4,
        _ if bytes == 64 => 8,
        _ => 4,
    }
}

/// Numbers of a column that lie side by side and belong to a tile together, where the lanes are outputs.
const QUAD: usize = 4;

/// How many of them a tile has there, given how many bytes a register holds.
const fn quads(bytes: usize) -> usize {
    if bytes == 64 { 3 } else { 1 }
}

/// How many outputs a tile of places has there, given the lanes of a register.
const fn lanes_width(lanes: usize) -> usize {
    2 * lanes
}

/// Runs a function that is generic over lane, lanes of a register, and outputs of a tile, compiled for the instruction
/// set of this processor.
macro_rules! tiled {
    ($t:ident, $outputs:expr, $function:ident($($argument:expr),* $(,)?)) => {
        crate::kernels::simd::dispatch!(MODE, BYTES => {
            const LANES: usize = BYTES / size_of::<$t>();
            match crate::kernels::convolution::tile_height($outputs, BYTES) {
                1 => $function::<Lane<$t, MODE>, LANES, 1>($($argument),*),
                8 if const { BYTES == 64 } => $function::<Lane<$t, MODE>, LANES, 8>($($argument),*),
                _ => $function::<Lane<$t, MODE>, LANES, 4>($($argument),*),
            }
        })
    };
}
use tiled;

/// The same for tiles whose lanes are outputs.
macro_rules! by_outputs {
    ($t:ident, $function:ident($($argument:expr),* $(,)?)) => {
        crate::kernels::simd::dispatch!(MODE, BYTES => {
            const LANES: usize = BYTES / size_of::<$t>();
            const QUADS: usize = crate::kernels::convolution::quads(BYTES);
            $function::<Lane<$t, MODE>, LANES, QUADS>($($argument),*)
        })
    };
    // one vector of them, or two
    ($t:ident, $outputs:expr, $function:ident($($argument:expr),* $(,)?)) => {
        crate::kernels::simd::dispatch!(MODE, BYTES => {
            const LANES: usize = BYTES / size_of::<$t>();
            const QUADS: usize = crate::kernels::convolution::quads(BYTES);
            if $outputs <= LANES {
                $function::<Lane<$t, MODE>, LANES, QUADS, 1>($($argument),*)
            } else {
                $function::<Lane<$t, MODE>, LANES, QUADS, 2>($($argument),*)
            }
        })
    };
}
use by_outputs;

pub(crate) mod f32 {
    pub(crate) use super::weights::f32::by_weight;
    pub(crate) use super::windows::f32::{by_input, forward};
}
pub(crate) mod f64 {
    pub(crate) use super::weights::f64::by_weight;
    pub(crate) use super::windows::f64::{by_input, forward};
}

#[cfg(test)]
mod tests;
