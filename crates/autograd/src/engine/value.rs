//! The arrays of the sweep that computes gradients, and of the sweeps that compute how arrays move. `array_rules.rs`
//! has the operations of rules on them.

use std::ops::Range;

use ndarray::ArrayD;
use smallvec::SmallVec;

use crate::calculus::Moving;
use crate::engine::operation::{Operation, references};
use crate::engine::tensor::sum_to;
use crate::kernels::threads::{GRAIN, split, split_many};
use crate::memory::{Frozen, Kept, Pool, Slot, padded, unwritten};
use crate::shape::{Shape, count, known};
use crate::view::{Output, View};
use crate::{Float, Tape, Var};

/// An array in the sweep that computes gradients. Cloning it copies no numbers.
#[derive(Clone)]
pub struct Value<'s, T: Float> {
    pub(super) source: Source<'s, T>,
    pub(super) shape: &'s [usize],
    pub(super) pool: &'s Pool<T>,
}

#[derive(Clone)]
pub(super) enum Source<'s, T: Float> {
    /// numbers of the tape
    Tape(&'s [T]),
    /// numbers computed in the sweep
    Pool(Slot<'s, T>),
    /// one number everywhere, such as the gradient of a sum
    Uniform(T),
}

/// An array and its tangent, which says how fast it moves; `None` if it stands still.
type WithTangent<'s, T> = (Value<'s, T>, Option<Value<'s, T>>);

/// A loop of a rule that multiplies g by its derivative, given x and y.
pub(super) type ChainLoop<'a, T, const N: usize> = &'a (dyn Fn([&[T]; N], &[T], &mut [T]) + Sync);

/// A loop of a rule, given x, y, g and their tangents, and whether g moves.
pub(super) type MovingLoop<'a, T, const N: usize> =
    &'a (dyn Fn(([Moving<'_, T>; N], Moving<'_, T>), (&mut [T], &mut [T]), bool) + Sync);

/// The count of numbers that are copied before a loop runs over them: few enough to stay in the first-level cache.
const COPY: usize = 2048;

impl<'s, T: Float> Value<'s, T> {
    pub(crate) fn uniform(number: T, shape: &'s [usize], pool: &'s Pool<T>) -> Self {
        Value { source: Source::Uniform(number), shape, pool }
    }

    pub(super) fn is_uniform(&self) -> bool {
        matches!(self.source, Source::Uniform(_))
    }

    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// A new array in a block of the pool; `fill` writes the block, padding included.
    #[inline]
    pub(crate) fn fresh(shape: &'s [usize], pool: &'s Pool<T>, fill: impl FnOnce(&mut [T])) -> Self {
        let count = count(shape);
        let len = padded(count);
        let mut slot = pool.alloc(len);
        let block = &mut slot.write().expect("a new block has one slot")[..len];
        unwritten(block, count);
        fill(block);
        Value { source: Source::Pool(slot), shape, pool }
    }

    /// Applies an operation.
    pub(crate) fn run<O: Operation<T>>(operation: &O, inputs: &[&Self]) -> Self {
        if inputs.iter().any(|x| x.is_uniform()) {
            let dense = Self::written_out(inputs);
            return Self::run(operation, &references(&dense));
        }
        let (shapes, views) = (Self::shapes(inputs), Self::views(inputs));
        let pool = inputs[0].pool;
        let shape = Self::output_shape(operation.name(), operation.shape(&shapes), &shapes, pool);
        let mut output = Self::fresh_for(shape, pool);
        operation.forward(&views, Output::new(output.write(), shape));
        output
    }

    // Helpers of `run` that do not know the operation, since they would be compiled anew for each.
    fn written_out(inputs: &[&Self]) -> SmallVec<[Self; 3]> {
        inputs.iter().map(|&x| x.clone().dense()).collect()
    }
    fn shapes(inputs: &[&Self]) -> SmallVec<[&'s [usize]; 3]> {
        inputs.iter().map(|x| x.shape).collect()
    }
    fn views<'a>(inputs: &[&'a Self]) -> SmallVec<[View<'a, T>; 3]> {
        inputs.iter().map(|x| x.view()).collect()
    }
    /// The output's shape. If an input has this shape, its slice is reused.
    fn output_shape(
        name: &str,
        shape: Result<Shape, String>,
        shapes: &[&'s [usize]],
        pool: &'s Pool<T>,
    ) -> &'s [usize] {
        let shape = shape.unwrap_or_else(|e| panic!("in a derivative: {name}: {e}"));
        known(&shape, shapes).unwrap_or_else(|| pool.shape(&shape))
    }
    /// A new array that is yet to be written.
    fn fresh_for(shape: &'s [usize], pool: &'s Pool<T>) -> Self {
        Self::fresh(shape, pool, |_| {})
    }

    /// Sums the array to the shape of a node, as [`sum_to`] does. From then on all gradients of that shape share one
    /// slice, so that equal shapes are recognised by their address.
    pub(super) fn sum_to_shape(self, shape: &'s [usize]) -> Self {
        // the gradient of a vector that was repeated for every row, such as a bias
        if let (&[rows, columns], &[n]) = (self.shape, shape)
            && columns == n
            && n > 1
            && let Ok(numbers) = self.padded()
        {
            return match rows {
                1 => Value { shape, ..self },
                _ => Self::fresh(shape, self.pool, |out| (T::kernels().sum)(numbers, [1, rows, n], &mut out[..n])),
            };
        }
        Value { shape, ..sum_to(self, shape) }
    }

    /// Zeros in the shape of this array.
    pub(crate) fn zeros(&self) -> Self {
        Value::uniform(T::default(), self.shape, self.pool)
    }

    /// A constant on a tape with the same numbers.
    pub(crate) fn constant_on<'t>(&self, tape: &'t Tape<T>) -> Var<'t, T> {
        let numbers = self.clone().dense();
        tape.constant_with(self.shape, |out| out.copy_from_slice(numbers.view().data()))
    }

    /// A copy as an `ndarray` array.
    pub(crate) fn array(&self) -> ArrayD<T> {
        self.clone().dense().view().array().to_owned()
    }

    /// The same numbers in a block that no other value shares, for [`write`](Self::write).
    pub(crate) fn owned(self) -> Self {
        let mut value = self.dense();
        if let Source::Pool(slot) = &mut value.source
            && slot.is_single()
        {
            return value;
        }
        Self::fresh(value.shape, value.pool, |out| out.copy_from_slice(value.view().padded()))
    }

    /// The numbers of an owned block, padding included.
    pub(super) fn write(&mut self) -> &mut [T] {
        let len = padded(self.len());
        match &mut self.source {
            Source::Pool(slot) => &mut slot.write().expect("an owned block")[..len],
            _ => unreachable!("an owned block is in the pool"),
        }
    }

    /// The numbers of an owned block.
    pub(super) fn write_numbers(&mut self) -> &mut [T] {
        let len = self.len();
        &mut self.write()[..len]
    }

    /// Two new arrays in the shape of this array, written by `fill`.
    pub(crate) fn pair(&self, fill: impl FnOnce(&[usize], [&mut [T]; 2])) -> [Self; 2] {
        let [mut a, mut b] = [0, 1].map(|_| Self::fresh(self.shape, self.pool, |_| {}));
        fill(self.shape, [a.write_numbers(), b.write_numbers()]);
        [a, b]
    }

    /// Applies one of a rule's loops to a gradient g and its tangent, given x, y and their tangents.
    pub(crate) fn chain_moving<const N: usize>(
        (g, dg): WithTangent<'s, T>,
        (x, y): ([WithTangent<'s, T>; N], WithTangent<'s, T>),
        run: MovingLoop<'_, T, N>,
    ) -> [Self; 2] {
        let dense = |(x, dx): WithTangent<'s, T>| (x.dense(), dx.map(Self::dense));
        let (x, y) = (x.map(dense), dense(y));
        fn padded<'a, T: Float>((x, dx): &'a WithTangent<'_, T>) -> Moving<'a, T> {
            (x.view().padded(), dx.as_ref().map(|dx| dx.view().padded()))
        }
        fn part<'a, T>((x, dx): Moving<'a, T>, range: &Range<usize>) -> Moving<'a, T> {
            (&x[range.clone()], dx.map(|dx| &dx[range.clone()]))
        }
        let (x, y) = (x.each_ref().map(padded), padded(&y));
        let moves = dg.is_some();
        let mut dg = dg.map_or_else(|| Self::fresh(g.shape, g.pool, |_| {}), Self::owned);
        let mut g = g.owned();
        split_many(&mut [g.write(), dg.write()], GRAIN, |start, outs| {
            if let [g, dg] = outs {
                let range = start..start + g.len();
                run((x.map(|x| part(x, &range)), part(y, &range)), (g, dg), moves);
            }
        });
        [g, dg]
    }

    /// The padded numbers; if one number stands everywhere, that number as the error.
    pub(super) fn padded(&self) -> Result<&[T], T> {
        let len = padded(self.len());
        match &self.source {
            Source::Tape(numbers) => Ok(&numbers[..len]),
            Source::Pool(slot) => Ok(&slot.read()[..len]),
            Source::Uniform(number) => Err(*number),
        }
    }

    /// The same array with its numbers written out, also if one number stands everywhere.
    pub(crate) fn dense(self) -> Self {
        match self.source {
            Source::Uniform(number) => Self::fresh(self.shape, self.pool, |out| out.fill(number)),
            _ => self,
        }
    }

    /// Changes every number by a loop over blocks, `f(start, block)`: in place if no other value shares the block, else
    /// on a copy.
    pub(super) fn mapped(mut self, f: &(dyn Fn(usize, &mut [T]) + Sync)) -> Self {
        let len = padded(self.len());
        if let Source::Pool(slot) = &mut self.source
            && let Some(numbers) = slot.write()
        {
            split(&mut numbers[..len], GRAIN, f);
            return self;
        }
        let numbers = self.padded();
        Self::fresh(self.shape, self.pool, |out| {
            split(out, GRAIN, |start, out| {
                for (block, out) in out.chunks_mut(COPY).enumerate() {
                    let start = start + block * COPY;
                    match numbers {
                        Ok(numbers) => out.copy_from_slice(&numbers[start..start + out.len()]),
                        Err(number) => out.fill(number),
                    }
                    f(start, out);
                }
            });
        })
    }

    /// `x ← x ∘ c` for each number x.
    pub(crate) fn with_number(self, run: fn(&mut [T], T), c: T) -> Self {
        if let Source::Uniform(number) = self.source {
            let mut number = [number];
            run(&mut number, c);
            return Value { source: Source::Uniform(number[0]), ..self };
        }
        self.mapped(&|_, x| run(x, c))
    }

    /// Adds an array of the same shape in place, if no other value shares this block and the numbers of both are
    /// written out. Returns whether it did.
    pub(super) fn add_in_place(&mut self, other: &Self) -> bool {
        if let Source::Pool(slot) = &mut self.source
            && let Ok(numbers) = other.padded()
            && let Some(total) = slot.write()
        {
            let add = T::kernels().add_assign;
            split(&mut total[..numbers.len()], GRAIN, |start, out| add(out, &numbers[start..start + out.len()]));
            return true;
        }
        false
    }

    pub(crate) fn view(&self) -> View<'_, T> {
        match self.padded() {
            Ok(numbers) => View::new(numbers, self.shape),
            Err(_) => unreachable!("a single number is written out before it is viewed"),
        }
    }

    /// Hands over a block that no other value shares, to be read and changed after the sweep; the rows that may hold
    /// other numbers than 0, if they are known to be few; and the shape.
    pub(crate) fn keep(self) -> (Kept, Option<Vec<usize>>, Shape) {
        let (shape, pool) = (self.shape, self.pool);
        match self.owned().source {
            Source::Pool(slot) => {
                let kept = Pool::keep(slot);
                (kept, pool.rows(kept), Shape::from_slice(shape))
            }
            _ => unreachable!("an owned block is in the pool"),
        }
    }
}

/// The context of the sweep over values: the nodes of a tape, and the pool that its gradients are stored in.
#[doc(hidden)]
pub struct ValueContext<'s, T: Float> {
    pub(crate) nodes: &'s Frozen<'s, T>,
    pub(crate) pool: &'s Pool<T>,
}

impl<T: Float> Clone for ValueContext<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: Float> Copy for ValueContext<'_, T> {}

impl<'s, T: Float> ValueContext<'s, T> {
    pub(crate) fn new(nodes: &'s Frozen<'s, T>, pool: &'s Pool<T>) -> Self {
        ValueContext { nodes, pool }
    }
    pub(crate) fn is_leaf(self, node: u32) -> bool {
        self.nodes.node(node).operation.is_none()
    }
}
