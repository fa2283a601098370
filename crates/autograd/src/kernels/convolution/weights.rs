//! What belongs to the weight: the gradients of a convolution by it, and by the bias.

use std::ops::Range;

use super::outer;
use super::padded::Padded;
use super::{CACHE, GRAIN, LANES, PIECE, QUAD, Sizes, by_outputs, register, tile_height, tiled};
use crate::kernels::copy::copy;
use crate::kernels::lane::{AnyLane, Lane};
use crate::kernels::reduce::sum_slice;
use crate::kernels::{scratch, threads};

/// Numbers of the kernel whose sums a tile computes together.
const TAPS: usize = 3;
/// Numbers of a weight from which on it is large.
const LARGE: usize = 1 << 18;

/// Outputs, and numbers of the kernel, from which on the lanes of tiles are outputs (`outer.rs`); else they are places.
/// A gradient must be laid out anew for that, which few numbers of the kernel would not make up for.
const OUTPUTS: usize = 8;
const NUMBERS: usize = 64;
/// Windows whose terms a tile of outputs adds up before they go to the sums.
const WINDOWS: usize = 1024;

/// How images and gradients lie while a piece of work looks at them.
struct Layout {
    padded: Padded,
    /// the distance of each number of a window from the window's place, for the channels of a group
    taps: Vec<usize>,
    /// the same numbers in quads
    quads: Vec<Quad>,
    /// whether the lanes of tiles are outputs; else they are places
    lanes_are_outputs: bool,
    /// tiles of all groups, and outputs of a tile
    tiles: usize,
    height: usize,
    /// places from the first window to behind the last, those between rows included
    places: usize,
    /// numbers of an image with its zeros
    image: usize,
    /// numbers of an image's gradient, packed
    gradient: usize,
    /// images that are looked at together
    at_once: usize,
}

/// Numbers of a window that lie side by side.
#[derive(Clone, Copy)]
struct Quad {
    /// the distance of the first from the window's place
    start: usize,
    /// how many there are
    count: usize,
    /// which numbers of an output's weight they are
    numbers: [usize; QUAD],
}

/// The numbers of a window in the order in which they lie.
fn quads(taps: &[usize]) -> Vec<Quad> {
    let mut order: Vec<(usize, usize)> = taps.iter().copied().zip(0..).collect();
    order.sort_unstable();
    let mut quads: Vec<Quad> = Vec::new();
    for (tap, number) in order {
        match quads.last_mut() {
            Some(quad) if quad.count < QUAD && tap == quad.start + quad.count => {
                quad.numbers[quad.count] = number;
                quad.count += 1;
            }
            _ => quads.push(Quad { start: tap, count: 1, numbers: [number; QUAD] }),
        }
    }
    quads
}

impl Layout {
    fn new<T>(s: &Sizes) -> Self {
        let ([channels, outputs], windows, bytes) = (s.of_group(), s.windows[0] * s.windows[1], register());
        let lanes_are_outputs = outputs >= OUTPUTS && channels * s.taps() >= NUMBERS;
        let (padded, taps) = Padded::of_images(s, if lanes_are_outputs { channels } else { 1 });
        let places = (s.windows[0] - 1) * padded.pitch + s.windows[1];
        let (height, places_of_output) = match lanes_are_outputs {
            true => (width(outputs, bytes / size_of::<T>()), windows),
            false => (tile_height(outputs, bytes), places.next_multiple_of(LANES)),
        };
        let image = padded.buffer(s.channels, LANES);
        let tiles = s.groups * outputs.div_ceil(height);
        let gradient = tiles * height * places_of_output;
        let most = if lanes_are_outputs { WINDOWS.div_ceil(windows) } else { PIECE };
        let at_once = (8 * CACHE / size_of::<T>() / (image + gradient)).min(most).clamp(1, s.images);
        let quads = quads(&taps);
        Layout { padded, taps, quads, lanes_are_outputs, tiles, height, places, image, gradient, at_once }
    }

    /// The first output of a tile, all groups counted; of the tile behind the last, the number of outputs.
    fn first(&self, s: &Sizes, tile: usize) -> usize {
        let of_group = self.tiles / s.groups;
        tile / of_group * s.of_group()[1] + tile % of_group * self.height
    }
}

/// Outputs of a tile whose lanes are outputs.
const fn width(outputs: usize, lanes: usize) -> usize {
    if outputs <= lanes { lanes } else { 2 * lanes }
}

/// Packs the gradient of an image: for each tile of M outputs, for each vector of W places, M rows of W numbers. Places
/// that are no window get zeros. So the sums walk through it from front to back.
#[inline(always)]
fn pack<L: AnyLane, const W: usize, const M: usize>(
    s: &Sizes,
    layout: &Layout,
    g: &[L::T],
    row: &mut [L::T],
    packed: &mut [L::T],
) {
    let ([down, across], [_, outputs]) = (s.windows, s.of_group());
    let (tiles, vectors) = (outputs.div_ceil(M), layout.places.div_ceil(W));
    let size = vectors * W * M;
    for (at, packed) in packed[..s.groups * tiles * size].chunks_exact_mut(size).enumerate() {
        let (group, first) = (at / tiles, at % tiles * M);
        for m in 0..M.min(outputs - first) {
            let plane = &g[(group * outputs + first + m) * down * across..][..down * across];
            for (r, from) in plane.chunks_exact(across).enumerate() {
                copy(from, &mut row[r * layout.padded.pitch..][..across]);
            }
            let rows = packed.as_chunks_mut::<W>().0.as_chunks_mut::<M>().0;
            for (vector, from) in rows.iter_mut().zip(row.as_chunks::<W>().0) {
                vector[m] = *from;
            }
        }
    }
}

/// `Σ g[m] · x[tap + place]` over all places of some images, for M outputs and three taps.
#[inline(always)]
fn dots<L: AnyLane, const W: usize, const M: usize>(
    (g, gradient): (&[L::T], usize),
    (x, image): (&[L::T], usize),
    taps: [usize; TAPS],
    (images, vectors): (usize, usize),
) -> [[L; TAPS]; M] {
    let mut sums = [[[L::zero(); W]; TAPS]; M];
    for at in 0..images {
        let g = g[at * gradient..][..vectors * M * W].as_chunks::<W>().0.as_chunks::<M>().0;
        let x = &x[at * image..];
        let [a, b, c] = taps;
        let [a, b, c] = [view::<_, W>(x, a, g.len()), view::<_, W>(x, b, g.len()), view::<_, W>(x, c, g.len())];
        for v in 0..g.len() {
            let x = [&a[v], &b[v], &c[v]];
            for m in 0..M {
                for n in 0..TAPS {
                    sums[m][n] = add_products::<L, W>(&g[v][m], x[n], sums[m][n]);
                }
            }
        }
    }
    // what becomes of the sums must not decide how the compiler lays them out in the loop
    let sums = std::hint::black_box(sums);
    let mut folded = [[L::zero(); TAPS]; M];
    for m in 0..M {
        for n in 0..TAPS {
            folded[m][n] = fold(sums[m][n]);
        }
    }
    folded
}

#[inline(always)]
fn view<T, const W: usize>(x: &[T], tap: usize, vectors: usize) -> &[[T; W]] {
    &x[tap..][..vectors * W].as_chunks::<W>().0[..vectors]
}

#[inline(always)]
fn add_products<L: AnyLane, const W: usize>(a: &[L::T; W], b: &[L::T; W], mut sums: [L; W]) -> [L; W] {
    for w in 0..W {
        sums[w] = L::new(a[w]).mul_add(L::new(b[w]), sums[w]);
    }
    sums
}

/// The sum of all lanes, halves first.
#[inline(always)]
fn fold<L: AnyLane, const W: usize>(mut lanes: [L; W]) -> L {
    let mut width = W / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = lanes[i].add(lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// Adds the sums of some images to those of a piece.
#[inline(always)]
fn some_images<L: AnyLane, const W: usize, const M: usize>(
    s: &Sizes,
    layout: &Layout,
    [x, g]: [&[L::T]; 2],
    ([images, gradients], row): ([&mut [L::T]; 2], &mut [L::T]),
    weight: &mut [L::T],
) {
    let ([of_image, of_gradient], [channels, outputs]) = (s.of_image(), s.of_group());
    let count = x.len() / of_image;
    for (x, to) in x.chunks_exact(of_image).zip(images.chunks_exact_mut(layout.image)) {
        layout.padded.write(x, to);
    }
    for (g, to) in g.chunks_exact(of_gradient).zip(gradients.chunks_exact_mut(layout.gradient)) {
        pack::<L, W, M>(s, layout, g, row, to);
    }
    let (tiles, vectors, last) = (outputs.div_ceil(M), layout.places.div_ceil(W), layout.taps.len() - 1);
    for (group, tile) in (0..s.groups).flat_map(|group| (0..tiles).map(move |tile| (group, tile))) {
        let g = &gradients[(group * tiles + tile) * vectors * M * W..];
        let x = &images[group * channels * layout.padded.plane..];
        let first = group * outputs + tile * M;
        for tap in (0..=last).step_by(TAPS) {
            let own = [tap, (tap + 1).min(last), (tap + 2).min(last)];
            let taps = [layout.taps[own[0]], layout.taps[own[1]], layout.taps[own[2]]];
            let sums = dots::<L, W, M>((g, layout.gradient), (x, layout.image), taps, (count, vectors));
            for m in 0..M.min(outputs - tile * M) {
                for n in 0..TAPS.min(last + 1 - tap) {
                    let weight = &mut weight[(first + m) * (last + 1) + tap + n];
                    *weight = L::new(*weight).add(sums[m][n]).get();
                }
            }
        }
    }
}

/// The same, for some of the tiles whose lanes are outputs: Q quads of numbers of the kernel by V vectors.
#[inline(always)]
fn some_tiles<L: AnyLane, const W: usize, const Q: usize, const V: usize>(
    s: &Sizes,
    layout: &Layout,
    own: &Range<usize>,
    [x, g]: [&[L::T]; 2],
    ([images, gradients], at): ([&mut [L::T]; 2], &mut [usize]),
    weight: &mut [L::T],
) {
    let ([of_image, of_gradient], [channels, outputs]) = (s.of_image(), s.of_group());
    let (count, [down, across], width) = (x.len() / of_image, s.windows, V * W);
    let (tiles, windows, padded) = (outputs.div_ceil(width), down * across, &layout.padded);

    for (x, to) in x.chunks_exact(of_image).zip(images.chunks_exact_mut(layout.image)) {
        padded.write(x, to);
    }
    // for each tile, for each window of all images, the outputs of the tile
    let size = count * windows * width;
    for (tile, to) in own.clone().zip(gradients.chunks_exact_mut(size)) {
        let (first, outputs) = (layout.first(s, tile), width.min(outputs - tile % tiles * width));
        for (g, to) in g.chunks_exact(of_gradient).zip(to.chunks_exact_mut(windows * width)) {
            let g = &g[first * windows..][..outputs * windows];
            for (window, to) in to.chunks_exact_mut(width).enumerate() {
                let from = g[window..].iter().step_by(windows);
                to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
            }
        }
    }
    let places = (0..count * down).map(|row| (row / down, row % down));
    places.zip(at.chunks_exact_mut(across)).for_each(|((n, r), at)| {
        let row = at.iter_mut().enumerate();
        row.for_each(|(c, at)| *at = n * layout.image + padded.number(0, r * padded.pitch + c));
    });
    let at = &at[..count * windows];
    let numbers = layout.taps.len();
    for (tile, rows) in own.clone().zip(gradients.chunks_exact(size)) {
        let rows = rows.as_chunks::<W>().0.as_chunks::<V>().0;
        let x = &images[tile / tiles * channels * padded.plane..];
        let weight = &mut weight[(layout.first(s, tile) - layout.first(s, own.start)) * numbers..];
        for quads in layout.quads.chunks(Q) {
            let mut starts = [quads[0].start; Q];
            starts.iter_mut().zip(quads).for_each(|(start, quad)| *start = quad.start);
            for (rows, at) in rows.chunks(WINDOWS).zip(at.chunks(WINDOWS)) {
                let sums = outer::sums::<L, W, Q, V>(rows, at, x, &starts);
                for o in 0..width.min(outputs - tile % tiles * width) {
                    let weight = &mut weight[o * numbers..][..numbers];
                    for (quad, sums) in quads.iter().zip(&sums) {
                        for k in 0..quad.count {
                            let weight = &mut weight[quad.numbers[k]];
                            *weight = L::new(*weight).add(sums[k][o / W][o % W]).get();
                        }
                    }
                }
            }
        }
    }
}

macro_rules! compiled {
    ($t:ident) => {
        pub(crate) mod $t {
            use super::*;
            use crate::kernels::scratch::$t::with_scratch;

            /// What some images, or all of them, contribute to the weight of some tiles.
            struct Piece<'a> {
                /// x, and the gradient
                images: [&'a [$t]; 2],
                /// which tiles; all where the lanes are not outputs
                tiles: Range<usize>,
                weight: &'a mut [$t],
                /// may be empty
                bias: &'a mut [$t],
            }

            /// Adds the sum of each plane to that of its output.
            fn add_planes(s: &Sizes, g: &[$t], bias: &mut [$t]) {
                let plane = s.windows[0] * s.windows[1];
                if !bias.is_empty() && !g.is_empty() {
                    crate::kernels::simd::dispatch!(MODE => for g in g.chunks_exact(s.outputs * plane) {
                        for (bias, g) in bias.iter_mut().zip(g.chunks_exact(plane)) {
                            *bias += sum_slice::<Lane<$t, MODE>>(g).get();
                        }
                    });
                }
            }

            /// Takes pieces of work, and writes the sums of each.
            fn work<'a>(s: &Sizes, layout: &Layout, next: &dyn Fn() -> Option<Piece<'a>>) {
                let ([of_image, of_gradient], outputs) = (s.of_image(), s.of_group()[1]);
                let Layout { at_once, places, image, gradient, .. } = *layout;
                let room = [at_once * image, at_once * gradient, places.next_multiple_of(LANES)];
                with_scratch(room.iter().sum(), |memory| {
                    let (buffers, memory) = memory.split_at_mut(room[0]);
                    let (gradients, row) = memory.split_at_mut(room[1]);
                    while let Some(Piece { images: [x, g], tiles, weight, bias }) = next() {
                        weight.fill(0.0);
                        bias.fill(0.0);
                        for (x, g) in x.chunks(at_once * of_image).zip(g.chunks(at_once * of_gradient)) {
                            let (images, memory) = ([x, g], [&mut *buffers, &mut *gradients]);
                            if layout.lanes_are_outputs {
                                let windows = at_once * s.windows[0] * s.windows[1];
                                scratch::usize::with_scratch(windows, |at| {
                                    by_outputs!(
                                        $t,
                                        outputs,
                                        some_tiles(s, layout, &tiles, images, (memory, at), weight)
                                    );
                                });
                            } else {
                                tiled!($t, outputs, some_images(s, layout, images, (memory, &mut *row), weight));
                            }
                            add_planes(s, g, bias);
                        }
                    }
                });
            }

            /// A small weight: the images are cut into pieces, whatever the number of threads, whose sums are added in
            /// order.
            fn by_images(s: &Sizes, layout: &Layout, [x, g]: [&[$t]; 2], [weight, bias]: [&mut [$t]; 2]) {
                let images = s.images.div_ceil(s.images.div_ceil(PIECE).min(2 * PIECE)); // of a piece
                let ([of_image, of_gradient], of_weight) = (s.of_image(), weight.len());
                let (pieces, numbers) = (s.images.div_ceil(images), of_weight + bias.len());
                with_scratch(pieces * numbers, |sums| {
                    let arrays = x.chunks(images * of_image).zip(g.chunks(images * of_gradient));
                    let parts = sums.chunks_exact_mut(numbers).zip(arrays).map(|(sums, (x, g))| {
                        let (weight, bias) = sums.split_at_mut(of_weight);
                        Piece { images: [x, g], tiles: 0..layout.tiles, weight, bias }
                    });
                    threads::share(parts, threads::pieces(s.work(), GRAIN), |next| work(s, layout, next));
                    for sums in sums.chunks_exact(numbers) {
                        let totals = weight.iter_mut().chain(bias.iter_mut());
                        totals.zip(sums).for_each(|(total, &sum)| *total += sum);
                    }
                });
            }

            /// A large weight, whose sums of several pieces would be too many: its tiles are divided over the threads.
            fn by_tiles(s: &Sizes, layout: &Layout, images: [&[$t]; 2], [weight, bias]: [&mut [$t]; 2]) {
                let threads = threads::pieces(s.work(), GRAIN).min(layout.tiles);
                let (mut weight, mut bias, mut from) = (weight, bias, 0);
                let mut pieces = Vec::new();
                for thread in 1..=threads {
                    let tiles = from..layout.tiles * thread / threads;
                    let numbers = (layout.first(s, tiles.end) - layout.first(s, tiles.start)) * layout.taps.len();
                    let own;
                    (own, weight) = std::mem::take(&mut weight).split_at_mut(numbers);
                    from = tiles.end;
                    pieces.push(Piece { images, tiles, weight: own, bias: std::mem::take(&mut bias) });
                }
                threads::share(pieces.into_iter(), threads, |next| work(s, layout, next));
            }

            /// A number that is not finite must not meet the zeros at places that are no window: then each term is
            /// looked at.
            pub(crate) fn by_weight(s: &Sizes, x: &[$t], g: &[$t], [weight, bias]: [&mut [$t]; 2]) {
                weight.fill(0.0);
                bias.fill(0.0);
                if s.is_empty() {
                    return add_planes(s, g, bias); // windows of no channel
                }
                let layout = Layout::new::<$t>(s);
                if layout.lanes_are_outputs && weight.len() > LARGE {
                    by_tiles(s, &layout, [x, g], [&mut *weight, bias]);
                } else {
                    by_images(s, &layout, [x, g], [&mut *weight, bias]);
                }
                let odd = weight.iter_mut().enumerate().filter(|(_, w)| w.is_nan());
                threads::queue(odd.collect::<Vec<_>>().into_iter(), threads::pieces(s.work(), GRAIN), |(at, w)| {
                    *w = 0.0;
                    s.terms_of_weight(at, |window, place| {
                        *w += x[place] * g[window];
                        !w.is_nan() // what is NaN stays so
                    });
                });
            }
        }
    };
}
compiled!(f32);
compiled!(f64);
