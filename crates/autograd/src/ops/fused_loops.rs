//! The loops that run a fused expression over arrays: forward with its derivatives, and for second-order derivatives.

use smallvec::SmallVec;

use crate::Float;
use crate::calculus::{Dual, Expression, Real};
use crate::kernels::block::{AnyBlock, BLOCK};
use crate::kernels::checked::Checked;
use crate::kernels::lane::AnyLane;
use crate::kernels::loops::product_rule;
use crate::kernels::math::PRECISE;
use crate::kernels::simd::dispatch;
use crate::kernels::threads::{self, queue, split_many};
use crate::scalar::Element;
use crate::shape::{Strides, broadcast_strides, count, offset};
use crate::view::View;

/// Reads an input as if it were broadcast to the output's shape.
struct Reader<'a, T> {
    numbers: &'a [T],
    shape: &'a [usize],
    /// `None` if the numbers are read straight through
    strides: Option<Strides>,
}

impl<'a, T: Float> Reader<'a, T> {
    fn new(x: &View<'a, T>, shape: &'a [usize]) -> Self {
        let strides = (x.shape() != shape).then(|| broadcast_strides(x.shape(), shape));
        Reader { numbers: x.data(), shape, strides }
    }
    /// Copies the numbers that stand at `start` and after it in the output.
    fn read(&self, start: usize, out: &mut [T]) {
        match (&self.strides, self.numbers) {
            (None, numbers) => out.copy_from_slice(&numbers[start..start + out.len()]),
            (_, &[number]) => out.fill(number),
            (Some(strides), numbers) => {
                let (last, row) = (self.shape.len() - 1, self.shape[self.shape.len() - 1]);
                let mut done = 0;
                while done < out.len() {
                    let (outer, column) = ((start + done) / row, (start + done) % row);
                    let at = offset(outer, &self.shape[..last], strides) as usize;
                    let len = (row - column).min(out.len() - done);
                    match strides[last] {
                        0 => out[done..done + len].fill(numbers[at]),
                        _ => out[done..done + len].copy_from_slice(&numbers[at + column..][..len]),
                    }
                    done += len;
                }
            }
        }
    }
}

/// The count of numbers of an output that one thread must have before a second thread is woken.
const GRAIN: usize = 1 << 13;
/// The count of numbers that are computed before they are written out: few enough for the first-level cache.
const CHUNK: usize = 256;

/// A chunk of a rule's inputs, its values, and its derivatives.
struct Numbers<T, const N: usize> {
    x: [[T; CHUNK]; N],
    y: [T; CHUNK],
    slopes: [[T; CHUNK]; N],
}

/// Writes the value of a rule and its derivatives by the inputs that are `kept`, one array to each slice of `outs`.
pub(crate) fn run<T: Float, R: Expression<N>, const N: usize>(
    rule: R,
    inputs: &[View<'_, T>],
    shape: &[usize],
    kept: [bool; N],
    outs: &mut [&mut [T]],
) {
    let readers: [Reader<'_, T>; N] = std::array::from_fn(|i| Reader::new(&inputs[i], shape));
    split_many(outs, GRAIN, |start, outs| run_piece(rule, &readers, kept, start, outs));
}

/// Numbers whose values are summed up before those of other pieces are.
const PIECE: usize = 4096;

/// Returns the sum of a rule's values, times `factor`, and writes the derivatives of that, one array to each slice of
/// `slopes`. The values are never written to memory.
pub(crate) fn run_total<T: Float, R: Expression<N>, const N: usize>(
    rule: R,
    inputs: &[View<'_, T>],
    (shape, factor): (&[usize], f64),
    kept: [bool; N],
    slopes: &mut [&mut [T]],
) -> T {
    let (len, factor) = (count(shape), T::from_f64(factor));
    let readers: [Reader<'_, T>; N] = std::array::from_fn(|i| Reader::new(&inputs[i], shape));
    let (mut sums, mut slopes) = (vec![T::default(); len.div_ceil(PIECE)], Vec::from_iter(slopes));
    let mut pieces_of_slopes: Vec<_> = slopes.iter_mut().map(|slope| slope.chunks_mut(PIECE)).collect();
    let pieces = sums.iter_mut().enumerate().map(|(at, sum)| {
        let slopes = pieces_of_slopes.iter_mut().filter_map(Iterator::next);
        (at * PIECE, sum, slopes.collect::<SmallVec<[&mut [T]; 4]>>())
    });
    queue(pieces, threads::pieces(len, GRAIN), |(start, sum, mut slopes)| {
        let mut values = [T::default(); PIECE];
        let values = &mut values[..PIECE.min(len - start)];
        let outs = std::iter::once(&mut *values).chain(slopes.iter_mut().map(|slope| &mut **slope));
        run_piece(rule, &readers, kept, start, &mut outs.collect::<SmallVec<[&mut [T]; 5]>>());
        slopes.iter_mut().for_each(|slope| (T::kernels().mul_number)(slope, factor));
        (T::kernels().sum)(values, [1, values.len(), 1], std::slice::from_mut(sum));
    });
    let mut total = [T::default()];
    (T::kernels().sum)(&sums, [1, sums.len(), 1], &mut total);
    total[0] * factor
}

/// The numbers from `start` on, as many as `outs` have room for.
fn run_piece<T: Float, R: Expression<N>, const N: usize>(
    rule: R,
    readers: &[Reader<'_, T>; N],
    kept: [bool; N],
    start: usize,
    outs: &mut [&mut [T]],
) {
    if !R::OPTIMISED {
        return blocks(readers, start, outs, &|x| {
            let y = rule.dual(std::array::from_fn(|i| x[i]), kept);
            let slope = |i: usize| y.slopes[i].unwrap_or_else(|| x[0].literal(0.0));
            std::iter::once(y.value).chain((0..N).filter(|&i| kept[i]).map(slope)).collect()
        });
    }
    let zeros = [T::default(); CHUNK];
    let mut chunk = Numbers { x: [zeros; N], y: zeros, slopes: [zeros; N] };
    let len = outs[0].len();
    for at in (0..len).step_by(CHUNK) {
        let end = len.min(at + CHUNK);
        readers.iter().zip(&mut chunk.x).for_each(|(reader, x)| reader.read(start + at, &mut x[..end - at]));
        let past = if kept == [false; N] {
            dispatch!(MODE => compute::<T::Lane<MODE>, R, N>(rule, [false; N], &mut chunk))
        } else {
            dispatch!(MODE => compute::<T::Lane<MODE>, R, N>(rule, [true; N], &mut chunk))
        };
        if past {
            dispatch!(MODE => compute_past::<T::Lane<MODE>, T::Lane<PRECISE>, R, N>(rule, kept, &mut chunk));
        }
        let slopes = chunk.slopes.iter().zip(kept).filter(|(_, kept)| *kept).map(|(slope, _)| slope);
        let results = std::iter::once(&chunk.y).chain(slopes);
        outs.iter_mut().zip(results).for_each(|(out, y)| out[at..end].copy_from_slice(&y[..end - at]));
    }
}

/// Computes a chunk, and returns whether a number was past the range of a polynomial.
#[inline(always)]
fn compute<L: AnyLane<T: Float>, R: Expression<N>, const N: usize>(
    rule: R,
    kept: [bool; N],
    chunk: &mut Numbers<L::T, N>,
) -> bool {
    let mut past = false;
    for i in 0..CHUNK {
        past |= compute_one::<L, R, N>(rule, kept, chunk, i);
    }
    past
}

#[inline(always)]
fn compute_one<L: AnyLane<T: Float>, R: Expression<N>, const N: usize>(
    rule: R,
    kept: [bool; N],
    chunk: &mut Numbers<L::T, N>,
    i: usize,
) -> bool {
    let x = std::array::from_fn(|k| Checked { lane: L::new(chunk.x[k][i]), past: false });
    let y = rule.dual(x, kept);
    chunk.y[i] = y.value.lane.get();
    let mut past = y.value.past;
    for k in 0..N {
        let slope = y.slopes[k].unwrap_or_else(|| x[0].literal(0.0));
        chunk.slopes[k][i] = slope.lane.get();
        past |= slope.past;
    }
    past
}

/// Computes the numbers of a chunk that are past the range of a polynomial again, with lane P. This is decided for each
/// number by itself. Otherwise a result would depend on its neighbours, and so on where an array is cut for threads.
#[inline(always)]
fn compute_past<L: AnyLane<T: Float>, P: AnyLane<T = L::T>, R: Expression<N>, const N: usize>(
    rule: R,
    kept: [bool; N],
    chunk: &mut Numbers<L::T, N>,
) {
    for i in 0..CHUNK {
        if compute_one::<L, R, N>(rule, kept, chunk, i) {
            compute_one::<P, R, N>(rule, kept, chunk, i);
        }
    }
}

/// Applies `f` to each block of the inputs and writes its results, one array to each slice of `outs`.
fn each_block<T: Float>(
    inputs: &[View<'_, T>],
    shape: &[usize],
    outs: &mut [&mut [T]],
    f: impl Fn(&[T::Block]) -> Blocks<T> + Sync,
) {
    let readers: SmallVec<[Reader<'_, T>; 4]> = inputs.iter().map(|x| Reader::new(x, shape)).collect();
    split_many(outs, GRAIN, |start, outs| blocks(&readers, start, outs, &f));
}

/// The blocks from `start` on.
fn blocks<T: Float>(
    readers: &[Reader<'_, T>],
    start: usize,
    outs: &mut [&mut [T]],
    f: &dyn Fn(&[T::Block]) -> Blocks<T>,
) {
    let mut buffer = [T::default(); BLOCK];
    let len = outs[0].len();
    for at in (0..len).step_by(BLOCK) {
        let end = len.min(at + BLOCK);
        let block = |x: &Reader<'_, T>| {
            x.read(start + at, &mut buffer[..end - at]);
            T::Block::read(&buffer)
        };
        let blocks: Blocks<T> = readers.iter().map(block).collect();
        outs.iter_mut().zip(f(&blocks)).for_each(|(out, y)| y.write(&mut out[at..end]));
    }
}

type Blocks<T> = SmallVec<[<T as Element>::Block; 4]>;

/// `g ← g · f′` and `dg ← dg · f′ + g · df′`, where f′ is the derivative by input `i`. The arrays are the inputs, g,
/// and the tangents of those of them that move; the flags say which of them move.
pub(crate) fn second_order<T: Float, R: Expression<N>, const N: usize>(
    rule: R,
    i: usize,
    (arrays, moves): (&[View<'_, T>], &[bool]),
    shape: &[usize],
    outs: [&mut [T]; 2],
) {
    let mut outs = outs;
    each_block(arrays, shape, &mut outs, |x| {
        let how = |k: usize| moves[k].then(|| x[N + 1 + moves[..k].iter().filter(|moves| **moves).count()]);
        let inputs = std::array::from_fn(|k| Dual { value: x[k], slopes: [how(k)] });
        let slope = rule.dual(inputs, std::array::from_fn(|k| k == i)).slopes[i];
        let slope = slope.unwrap_or_else(|| inputs[0].literal(0.0));
        let moved = product_rule(x[N], how(N), slope);
        SmallVec::from_iter([x[N].mul(slope.value), moved.unwrap_or_else(|| x[N].literal(0.0))])
    });
}
