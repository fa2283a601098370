//! Tiles whose lanes are outputs.
//!
//! `windows.rs` computes many places of a few outputs: good for large images, but in one of 4 × 4 there are not enough
//! places for its lanes. And sums over places, as the gradient by the weight has them, would have to be added up across
//! the lanes. Here a tile is some places (or some numbers of a kernel) by two vectors of outputs. Each step adds the
//! product of a column and a row to it, as in the usual kernel of a matrix product. The columns are read through a list
//! of places, so no matrix of windows is written. Four numbers of a column lie side by side: places of a row of an
//! image or, for the gradient by the weight, channels of a place (`padded.rs`).

use super::plan::Plan;
use super::{QUAD, lanes_width};
use crate::kernels::lane::AnyLane;

/// Vectors of outputs in a tile of places.
const VECTORS: usize = lanes_width(1);

/// `Σᵢ x[atᵢ + quads[q] + k] · rows[i]` for Q quads of numbers.
#[inline(always)]
pub(super) fn sums<L: AnyLane, const W: usize, const Q: usize, const V: usize>(
    rows: &[[[L::T; W]; V]],
    at: &[usize],
    x: &[L::T],
    quads: &[usize; Q],
) -> [[[[L; W]; V]; QUAD]; Q] {
    let mut sums = [[[[L::zero(); W]; V]; QUAD]; Q];
    for (row, &at) in rows.iter().zip(at) {
        for q in 0..Q {
            let quad: &[L::T; QUAD] = x[at + quads[q]..][..QUAD].try_into().expect("a quad");
            for k in 0..QUAD {
                let factor = L::new(quad[k]);
                for v in 0..V {
                    sums[q][k][v] = add_scaled(factor, &row[v], sums[q][k][v]);
                }
            }
        }
    }
    // what becomes of the sums must not decide how the compiler lays them out in the loop
    std::hint::black_box(sums)
}

/// `sums + factor · x`
#[inline(always)]
pub(super) fn add_scaled<L: AnyLane, const W: usize>(factor: L, x: &[L::T; W], mut sums: [L; W]) -> [L; W] {
    for w in 0..W {
        sums[w] = factor.mul_add(L::new(x[w]), sums[w]);
    }
    sums
}

/// The passes over some images, which are in their buffers of so many numbers. A tile's weights are read for all of the
/// images before the next tile's.
#[inline(always)]
pub(super) fn images<L: AnyLane, const W: usize, const Q: usize>(
    plan: &Plan,
    weights: &[L::T],
    bias: Option<&[L::T]>,
    (buffers, buffer): (&[L::T], usize),
    output: &mut [L::T],
) {
    let Plan { padded, groups, of_group: [channels, outputs], plane, row, .. } = plan;
    let (width, of_image, count) = (lanes_width(W), groups * outputs * plane, buffers.len() / buffer);
    let tiles = outputs.div_ceil(width);
    for pass in &plan.passes {
        let ([down, across], step) = (pass.windows, pass.step);
        // for each quad where its numbers begin, how many windows it has, and where the result of the first goes
        let rows = (0..count).flat_map(|image| (0..down).map(move |r| (image, r)));
        let quads: Vec<[usize; 3]> = rows
            .flat_map(|(image, r)| (0..across).step_by(QUAD).map(move |c| (image, r, c)))
            .map(|(image, r, c)| {
                let to = (pass.first[0] + r * step[0]) * row + pass.first[1] + c * step[1];
                [image * buffer + r * padded.pitch + c, QUAD.min(across - c), image * of_image + to]
            })
            .collect();
        let weights = weights[pass.weights.clone()].as_chunks::<W>().0.as_chunks::<VECTORS>().0;
        let size = pass.taps.len();
        for (group, tile) in (0..*groups).flat_map(|group| (0..tiles).map(move |tile| (group, tile))) {
            let weights = &weights[(group * tiles + tile) * size..][..size];
            let x = &buffers[group * channels * padded.plane..];
            for quads in quads.chunks(Q) {
                let mut starts = [quads[0][0]; Q];
                starts.iter_mut().zip(quads).for_each(|(start, quad)| *start = quad[0]);
                let sums = sums::<L, W, Q, VECTORS>(weights, &pass.taps, x, &starts);
                for at in 0..width.min(outputs - tile * width) {
                    let o = group * outputs + tile * width + at;
                    let add = bias.map_or(L::zero(), |bias| L::new(bias[o]));
                    for (&[_, count, to], sums) in quads.iter().zip(&sums) {
                        for k in 0..count {
                            output[o * plane + to + k * step[1]] = sums[k][at / W][at % W].add(add).get();
                        }
                    }
                }
            }
        }
    }
}
