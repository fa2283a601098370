//! What belongs to the weight: the gradients of a convolution by it, and by the bias.

use super::columns;
use super::padded::Padded;
use super::{CACHE, GRAIN, LANES, PIECE, Sizes, register, tile_height, tiled};
use crate::kernels::copy::copy;
use crate::kernels::lane::{AnyLane, Lane};
use crate::kernels::reduce::sum_slice;
use crate::kernels::threads;

/// Numbers of the kernel whose sums a tile computes together.
const TAPS: usize = 3;
/// Numbers of all the pieces' sums together, if there are more than four pieces.
const SUMS: usize = 1 << 20;

/// How images and gradients lie while a piece of work looks at them.
struct Layout {
    padded: Padded,
    /// the distance of each number of a window from the window's place, for the channels of a group
    taps: Vec<usize>,
    /// places from the first window to behind the last, those between rows included
    places: usize,
    /// numbers of an image with its zeros
    image: usize,
    /// numbers of an image's gradient, packed
    gradient: usize,
}

impl Layout {
    fn new(s: &Sizes, bytes: usize) -> Self {
        let ((padded, taps), [_, outputs]) = (Padded::of_images(s), s.of_group());
        let places = (s.windows[0] - 1) * padded.pitch + s.windows[1];
        let height = tile_height(outputs, bytes);
        Layout {
            padded,
            taps,
            places,
            image: padded.buffer(s.channels, LANES),
            gradient: s.groups * outputs.div_ceil(height) * height * places.next_multiple_of(LANES),
        }
    }
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
    (x, g): (&[L::T], &[L::T]),
    [images, gradients, row]: [&mut [L::T]; 3],
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

macro_rules! compiled {
    ($t:ident) => {
        pub(crate) mod $t {
            use super::*;
            use crate::kernels::scratch::$t::with_scratch;

            /// Sums of some images, for the weight and (or nothing) for the bias.
            type Sums<'a> = [&'a mut [$t]; 2];

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

            /// Takes pieces of work: writes the sums of each.
            fn work<'a>(s: &Sizes, layout: &Layout, next: &dyn Fn() -> Option<(Sums<'a>, (&'a [$t], &'a [$t]))>) {
                if columns::fits_weight(s) {
                    while let Some(([weight, bias], (x, g))) = next() {
                        weight.fill(0.0);
                        bias.fill(0.0);
                        columns::$t::add_by_weight(s, x, g, weight);
                        add_planes(s, g, bias);
                    }
                    return;
                }
                let [of_image, of_gradient] = s.of_image();
                let at_once = (8 * CACHE / size_of::<$t>() / (layout.image + layout.gradient)).clamp(1, PIECE);
                let room = [at_once * layout.image, at_once * layout.gradient, layout.places.next_multiple_of(LANES)];
                with_scratch(room.iter().sum(), |memory| {
                    let (images, memory) = memory.split_at_mut(room[0]);
                    let (gradients, row) = memory.split_at_mut(room[1]);
                    while let Some(([weight, bias], (x, g))) = next() {
                        weight.fill(0.0);
                        bias.fill(0.0);
                        for (x, g) in x.chunks(at_once * of_image).zip(g.chunks(at_once * of_gradient)) {
                            let memory = [&mut *images, &mut *gradients, &mut *row];
                            tiled!($t, s.of_group()[1], some_images(s, layout, (x, g), memory, weight));
                            add_planes(s, g, bias);
                        }
                    }
                });
            }

            /// The images are cut into pieces, whatever the number of threads, whose sums are added in order. A number
            /// that is not finite must not meet the zeros at places that are no window: then each term is looked at.
            pub(crate) fn by_weight(s: &Sizes, x: &[$t], g: &[$t], [weight, bias]: [&mut [$t]; 2]) {
                weight.fill(0.0);
                bias.fill(0.0);
                if s.is_empty() {
                    return add_planes(s, g, bias); // windows of no channel
                }
                let layout = Layout::new(s, register());
                let pieces = s.images.div_ceil(PIECE).min(2 * PIECE).min((SUMS / weight.len()).max(4));
                let images = s.images.div_ceil(pieces); // of a piece
                let pieces = s.images.div_ceil(images);
                let [of_image, of_gradient] = s.of_image();
                let arrays = || x.chunks(images * of_image).zip(g.chunks(images * of_gradient));
                if pieces == 1 {
                    let sums: Sums = [&mut *weight, &mut *bias];
                    threads::share(std::iter::once(sums).zip(arrays()), 1, |next| work(s, &layout, next));
                } else {
                    let (numbers, of_weight) = (weight.len() + bias.len(), weight.len());
                    with_scratch(pieces * numbers, |sums| {
                        let threads = threads::pieces(s.work(), GRAIN);
                        let parts = sums.chunks_exact_mut(numbers).map(|sums| sums.split_at_mut(of_weight).into());
                        threads::share(parts.zip(arrays()), threads, |next| work(s, &layout, next));
                        for sums in sums.chunks_exact(numbers) {
                            let totals = weight.iter_mut().chain(bias.iter_mut());
                            totals.zip(sums).for_each(|(total, &sum)| *total += sum);
                        }
                    });
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
