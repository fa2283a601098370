//! What derivative rules are written over: arrays in the sweep that computes, variables in the sweep that records.

use std::ops::{Add, Div, Mul, Neg, Range, Sub};

use ndarray::ArrayD;
use smallvec::SmallVec;

use crate::calculus::{Moving, Num, Rule};
use crate::kernels::threads::{GRAIN, split, split_many};
use crate::operation::Operation;
use crate::ops;
use crate::ops::elementwise::Elementwise;
use crate::ops::fused::FusedRule;
use crate::ops::places::Places;
use crate::shape::{Shape, broadcast_axes, broadcast_shape, count};
use crate::storage::{Frozen, Node, Pool, Slot, padded, unwritten};
use crate::view::{Output, View};
use crate::{Float, Tape, Var};

/// An array ([`Value`]) or a variable ([`Var`]): what [`Operation::vjp`] computes with.
///
/// Arithmetic broadcasts as everywhere in the crate. What has no method here is there by [`Tensor::apply`].
pub trait Tensor<T: Float>:
    Clone
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Add<f64, Output = Self>
    + Sub<f64, Output = Self>
    + Mul<f64, Output = Self>
    + Div<f64, Output = Self>
{
    /// Applies an operation.
    fn apply<O: Operation<T>>(operation: O, inputs: &[&Self]) -> Self;
    /// The sizes of the axes.
    fn shape(&self) -> &[usize];
    /// A constant of the given shape, written by `fill`, which is handed zeros.
    fn constant(&self, shape: &[usize], fill: impl FnOnce(&mut [T])) -> Self;
    /// The same numbers in another shape.
    fn reshape(self, shape: &[usize]) -> Self;
    /// Repeated along new leading axes and along axes of size 1.
    fn broadcast_to(self, shape: &[usize]) -> Self;

    /// Summed over `axes`, which keep size 1.
    fn sum_keep(&self, axes: &[usize]) -> Self {
        Self::apply(ops::reduce::Sum { axes: axes.into(), keep: true, divisor: 1.0 }, &[self])
    }
    /// Axis `k` of the result is axis `axes[k]` of this.
    fn permute(&self, axes: &[usize]) -> Self {
        Self::apply(ops::shape::Permute { axes: axes.into() }, &[self])
    }
    /// Matrix product over the last two axes, each operand transposed first where asked.
    fn matmul(&self, other: &Self, transposed: [bool; 2]) -> Self {
        Self::apply(ops::matmul::MatMul { transposed }, &[self, other])
    }
    /// eˣ
    fn exp(&self) -> Self {
        Self::apply(Elementwise(ops::exponential::Exp {}), &[self])
    }
    /// ln x
    fn ln(&self) -> Self {
        Self::apply(Elementwise(ops::exponential::Ln {}), &[self])
    }

    /// The numbers at some places.
    #[doc(hidden)]
    fn take(&self, places: &Places) -> Self {
        Self::apply(ops::places::Take { places: places.clone() }, &[self])
    }

    /// What undoes broadcasting: the sum over all places that a number was repeated to.
    #[doc(hidden)]
    fn sum_to(self, shape: &[usize]) -> Self {
        if self.shape() == shape {
            return self;
        }
        if broadcast_shape(self.shape(), shape).is_ok_and(|wide| *wide == *shape) {
            return self.broadcast_to(shape); // a rule may give one number for many
        }
        let axes = broadcast_axes(shape, self.shape());
        if axes.is_empty() { self.reshape(shape) } else { self.sum_keep(&axes).reshape(shape) }
    }

    #[doc(hidden)]
    type Context: Copy;
    #[doc(hidden)]
    fn load(context: Self::Context, node: u32) -> Self;
    #[doc(hidden)]
    fn is_differentiated(context: Self::Context, node: u32) -> bool;
    /// [`sum_to`](Self::sum_to) the shape of a node.
    #[doc(hidden)]
    fn sum_to_node(self, context: Self::Context, node: u32) -> Self;
    /// Gradients that are being added up.
    #[doc(hidden)]
    type Sum: From<Self>;
    #[doc(hidden)]
    fn accumulate(sum: Self::Sum, term: Self) -> Self::Sum;
    /// Adds to a sum in the shape of a node at some of its places.
    #[doc(hidden)]
    fn add_at(sum: Option<Self::Sum>, places: &Places, part: Self, context: Self::Context, node: u32) -> Self::Sum;
    /// The whole of a sum in the shape of a node.
    #[doc(hidden)]
    fn total(sum: Self::Sum, context: Self::Context, node: u32) -> Self;
    /// An array that `compute` writes, given the numbers of others, for the gradient of a node's input. Where
    /// derivatives are recorded there is none.
    #[doc(hidden)]
    fn numbers(
        context: Self::Context,
        node: u32,
        arrays: &[Self],
        shape: &[usize],
        compute: impl FnOnce(&[View<'_, T>], Output<'_, T>),
    ) -> Self;
    /// `g · ∂f/∂xᵢ`
    #[doc(hidden)]
    fn chain<R: Rule<N>, const N: usize>(rule: R, i: usize, g: Self, x: [Self; N], y: Self) -> Self;
    /// `sum + a · b`, each operand transposed first where asked, in the shape of a node
    #[doc(hidden)]
    fn add_product(
        sum: Option<Self::Sum>,
        [a, b]: [Self; 2],
        transposed: [bool; 2],
        context: Self::Context,
        node: u32,
    ) -> Self::Sum {
        let product = a.matmul(&b, transposed).sum_to_node(context, node);
        match sum {
            Some(sum) => Self::accumulate(sum, product),
            None => product.into(),
        }
    }
    /// `g · ∂f/∂x` for input `i` of a fused function, whose derivative was kept
    #[doc(hidden)]
    fn chain_fused<R: FusedRule<N>, const N: usize>(rule: R, i: usize, g: Self, x: [Self; N], slope: Self) -> Self;
}

/// An array in the sweep that computes gradients. Cloning it copies no numbers.
#[derive(Clone)]
pub struct Value<'s, T: Float> {
    source: Source<'s, T>,
    shape: &'s [usize],
    pool: &'s Pool<T>,
}

#[derive(Clone)]
enum Source<'s, T: Float> {
    /// numbers of the tape
    Tape(&'s [T]),
    /// numbers computed in the sweep
    Pool(Slot<'s, T>),
    /// one number everywhere, such as the gradient of a sum
    Uniform(T),
}

/// Numbers copied at a time before a loop runs over them: few enough to stay in the first-level cache.
const COPY: usize = 2048;

impl<'s, T: Float> Value<'s, T> {
    pub(crate) fn uniform(number: T, shape: &'s [usize], pool: &'s Pool<T>) -> Self {
        Value { source: Source::Uniform(number), shape, pool }
    }

    fn is_uniform(&self) -> bool {
        matches!(self.source, Source::Uniform(_))
    }

    fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// A block of the pool, written by `fill`, padding included.
    fn fresh(shape: &'s [usize], pool: &'s Pool<T>, fill: impl FnOnce(&mut [T])) -> Self {
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
        match *inputs {
            [a] => Self::run_array(operation, [a]),
            [a, b] => Self::run_array(operation, [a, b]),
            [a, b, c] => Self::run_array(operation, [a, b, c]),
            _ => {
                let dense: Vec<Self> = inputs.iter().map(|&x| x.clone().dense()).collect();
                let shapes: Vec<&[usize]> = dense.iter().map(|x| x.shape).collect();
                let views: Vec<View<'_, T>> = dense.iter().map(Value::view).collect();
                Self::run_on(operation, inputs[0].pool, &shapes, &views)
            }
        }
    }

    #[inline]
    fn run_array<O: Operation<T>, const N: usize>(operation: &O, inputs: [&Self; N]) -> Self {
        if inputs.iter().any(|x| x.is_uniform()) {
            let dense = inputs.map(|x| x.clone().dense());
            return Self::run_array(operation, dense.each_ref());
        }
        Self::run_on(operation, inputs[0].pool, &inputs.map(|x| x.shape), &inputs.map(Value::view))
    }

    fn run_on<O: Operation<T>>(
        operation: &O,
        pool: &'s Pool<T>,
        shapes: &[&'s [usize]],
        views: &[View<'_, T>],
    ) -> Self {
        let shape = operation.shape(shapes).unwrap_or_else(|e| panic!("in a derivative: {}: {e}", operation.name()));
        // a shape that is there already needs no place of its own
        let shape = shapes.iter().find(|s| ***s == *shape).copied().unwrap_or_else(|| pool.shape(&shape));
        Self::fresh(shape, pool, |out| operation.forward(views, Output::new(out, shape)))
    }

    /// [`sum_to`](Tensor::sum_to) the shape of a node. From here on all gradients of that shape share one slice, by
    /// which they are told.
    fn sum_to_shape(self, shape: &'s [usize]) -> Self {
        // the gradient of something that was repeated for every row, such as a bias
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
        Value { shape, ..self.sum_to(shape) }
    }

    /// Zeros in the shape of this.
    pub(crate) fn zeros(&self) -> Self {
        Value::uniform(T::default(), self.shape, self.pool)
    }

    /// A copy as an array.
    pub(crate) fn array(&self) -> ArrayD<T> {
        self.clone().dense().view().array().to_owned()
    }

    /// The same numbers in a block that nobody else has, for [`write`](Self::write).
    pub(crate) fn owned(self) -> Self {
        let mut value = self.dense();
        if let Source::Pool(slot) = &mut value.source
            && slot.write().is_some()
        {
            return value;
        }
        Self::fresh(value.shape, value.pool, |out| out.copy_from_slice(value.view().padded()))
    }

    /// The numbers of an owned block, padding included.
    fn write(&mut self) -> &mut [T] {
        let len = padded(self.len());
        match &mut self.source {
            Source::Pool(slot) => &mut slot.write().expect("an owned block")[..len],
            _ => unreachable!("an owned block is in the pool"),
        }
    }

    /// Two new arrays in the shape of this, written by `fill`.
    pub(crate) fn pair(&self, fill: impl FnOnce(&[usize], [&mut [T]; 2])) -> [Self; 2] {
        let len = self.len();
        let [mut a, mut b] = [0, 1].map(|_| Self::fresh(self.shape, self.pool, |_| {}));
        fill(self.shape, [&mut a.write()[..len], &mut b.write()[..len]]);
        [a, b]
    }

    /// Changes a gradient g and how fast it moves, given how x and y move, by one of a rule's loops.
    pub(crate) fn chain_moving<const N: usize>(
        (g, dg): (Self, Option<Self>),
        (x, y): ([(Self, Option<Self>); N], (Self, Option<Self>)),
        run: impl Fn(([Moving<'_, T>; N], Moving<'_, T>), (&mut [T], &mut [T]), bool) + Sync,
    ) -> [Self; 2] {
        let dense = |(x, dx): (Self, Option<Self>)| (x.dense(), dx.map(Self::dense));
        let (x, y) = (x.map(dense), dense(y));
        fn padded<'a, T: Float>((x, dx): &'a (Value<'_, T>, Option<Value<'_, T>>)) -> Moving<'a, T> {
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

    /// The numbers, padded, unless there is just one.
    fn padded(&self) -> Result<&[T], T> {
        let len = padded(self.len());
        match &self.source {
            Source::Tape(numbers) => Ok(&numbers[..len]),
            Source::Pool(slot) => Ok(&slot.read()[..len]),
            Source::Uniform(number) => Err(*number),
        }
    }

    /// This, with its numbers written out.
    pub(crate) fn dense(self) -> Self {
        match self.source {
            Source::Uniform(number) => Self::fresh(self.shape, self.pool, |out| out.fill(number)),
            _ => self,
        }
    }

    /// Changes every number by a loop over blocks, `f(start, block)`: in place if nobody else reads this, else on a
    /// copy.
    fn mapped(mut self, f: impl Fn(usize, &mut [T]) + Sync) -> Self {
        let len = padded(self.len());
        if let Source::Pool(slot) = &mut self.source
            && let Some(numbers) = slot.write()
        {
            split(&mut numbers[..len], GRAIN, &f);
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
    fn with_number(self, run: fn(&mut [T], T), c: T) -> Self {
        if let Source::Uniform(number) = self.source {
            let mut number = [number];
            run(&mut number, c);
            return Value { source: Source::Uniform(number[0]), ..self };
        }
        self.mapped(|_, x| run(x, c))
    }

    /// Adds an array of the same shape, if nobody else reads this.
    fn add_in_place(&mut self, other: &Self) -> bool {
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

    /// Gives up the block, to be read and changed after the sweep: one that nobody else has.
    pub(crate) fn keep(self) -> (crate::storage::Kept, Shape) {
        let shape = self.shape;
        match self.owned().source {
            Source::Pool(slot) => (Pool::keep(slot), Shape::from_slice(shape)),
            _ => unreachable!("an owned block is in the pool"),
        }
    }
}

/// Where the sweep over values reads: a tape, and the pool that its gradients come from.
#[doc(hidden)]
pub struct ValueContext<'s, T: Float> {
    nodes: &'s Frozen<'s, T>,
    pool: &'s Pool<T>,
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
    pub(crate) fn node(self, node: u32) -> Node<'s, T> {
        self.nodes.node(node)
    }
    pub(crate) fn is_leaf(self, node: u32) -> bool {
        self.nodes.node(node).operation.is_none()
    }
}

impl<'s, T: Float> Tensor<T> for Value<'s, T> {
    fn apply<O: Operation<T>>(operation: O, inputs: &[&Self]) -> Self {
        Self::run(&operation, inputs)
    }

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn constant(&self, shape: &[usize], fill: impl FnOnce(&mut [T])) -> Self {
        let len = shape.iter().product();
        Self::fresh(self.pool.shape(shape), self.pool, |out| {
            out.fill(T::default());
            fill(&mut out[..len]);
        })
    }

    /// Of one number everywhere, that number: a part of the gradient of a sum costs nothing.
    fn take(&self, places: &Places) -> Self {
        let Source::Uniform(number) = self.source else {
            return Self::run(&ops::places::Take { places: places.clone() }, &[self]);
        };
        let shape = places.shape(self.shape).unwrap_or_else(|e| panic!("in a derivative: {e}"));
        Value::uniform(number, self.pool.shape(&shape), self.pool)
    }

    fn reshape(mut self, shape: &[usize]) -> Self {
        if self.shape != shape {
            let (have, want) = (self.len(), count(shape));
            assert!(
                have == want,
                "in a derivative: reshape: {:?} does not hold {want} numbers ({shape:?})",
                self.shape
            );
            self.shape = self.pool.shape(shape);
        }
        self
    }

    fn broadcast_to(self, shape: &[usize]) -> Self {
        if self.shape == shape {
            return self;
        }
        if self.len() == 1 {
            let number = self.padded().map_or_else(|number| number, |numbers| numbers[0]);
            return Value::uniform(number, self.pool.shape(shape), self.pool);
        }
        Self::apply(ops::shape::BroadcastTo { shape: shape.into() }, &[&self])
    }

    fn matmul(&self, other: &Self, transposed: [bool; 2]) -> Self {
        let product = ops::matmul::MatMul { transposed };
        match product.single(self.shape, other.shape) {
            Some([m, _, n]) if !self.is_uniform() && !other.is_uniform() => {
                Self::fresh(self.pool.shape(&[m, n]), self.pool, |c| {
                    product.multiply([self.view(), other.view()], c, false);
                })
            }
            _ => Self::run(&product, &[self, other]),
        }
    }

    type Context = ValueContext<'s, T>;

    #[inline]
    fn load(context: Self::Context, node: u32) -> Self {
        let value = context.nodes.node(node).value;
        Value { source: Source::Tape(value.padded()), shape: value.shape(), pool: context.pool }
    }

    #[inline]
    fn sum_to_node(self, context: Self::Context, node: u32) -> Self {
        let shape = context.nodes.node(node).value.shape();
        if std::ptr::eq(self.shape, shape) { self } else { self.sum_to_shape(shape) }
    }

    #[inline]
    fn is_differentiated(context: Self::Context, node: u32) -> bool {
        context.nodes.is_differentiated(node)
    }

    type Sum = Self;

    fn add_at(sum: Option<Self>, places: &Places, part: Self, context: Self::Context, node: u32) -> Self {
        let shape = context.nodes.node(node).value.shape();
        let zeros = || Self::fresh(shape, context.pool, |out| out.fill(T::default()));
        let mut sum = sum.map_or_else(zeros, Self::owned);
        places.add(part.dense().view().data(), shape, sum.write());
        sum
    }

    #[inline]
    fn total(sum: Self, _: Self::Context, _: u32) -> Self {
        sum
    }

    fn accumulate(mut sum: Self, mut term: Self) -> Self {
        // addition commutes, so either operand's block will do
        if sum.add_in_place(&term) {
            sum
        } else if term.add_in_place(&sum) {
            term
        } else {
            sum + term
        }
    }

    fn add_product(
        sum: Option<Self>,
        [a, b]: [Self; 2],
        transposed: [bool; 2],
        context: Self::Context,
        node: u32,
    ) -> Self {
        let product = ops::matmul::MatMul { transposed };
        let shape = context.nodes.node(node).value.shape();
        if !a.is_uniform()
            && !b.is_uniform()
            && let Some([m, _, n]) = product.single(a.shape, b.shape)
            && *shape == [m, n]
        {
            let Some(mut sum) = sum else {
                return Self::fresh(shape, context.pool, |c| product.multiply([a.view(), b.view()], c, false));
            };
            if let Source::Pool(slot) = &mut sum.source
                && let Some(c) = slot.write()
            {
                product.multiply([a.view(), b.view()], c, true);
                return sum;
            }
            return Self::accumulate(sum, a.matmul(&b, transposed));
        }
        let product = a.matmul(&b, transposed).sum_to_node(context, node);
        match sum {
            Some(sum) => Self::accumulate(sum, product),
            None => product,
        }
    }

    fn numbers(
        context: Self::Context,
        _: u32,
        arrays: &[Self],
        shape: &[usize],
        compute: impl FnOnce(&[View<'_, T>], Output<'_, T>),
    ) -> Self {
        let dense: Vec<Self> = arrays.iter().map(|x| x.clone().dense()).collect();
        let views: Vec<View<'_, T>> = dense.iter().map(Value::view).collect();
        let shape = context.pool.shape(shape);
        Self::fresh(shape, context.pool, |out| compute(&views, Output::new(out, shape)))
    }

    fn chain_fused<R: FusedRule<N>, const N: usize>(_: R, _: usize, g: Self, _: [Self; N], slope: Self) -> Self {
        if let Source::Uniform(number) = g.source {
            return slope.with_number(T::kernels().mul_number, number);
        }
        let multiply = T::kernels().mul_assign;
        let slope = slope.view().padded();
        g.mapped(|start, g| multiply(g, &slope[start..start + g.len()]))
    }

    fn chain<R: Rule<N>, const N: usize>(rule: R, i: usize, g: Self, x: [Self; N], y: Self) -> Self {
        let chain = T::loops(R::loops()).chain;
        let fits = |x: &Self| !x.is_uniform() && (N == 1 || x.shape == y.shape);
        let x = if x.iter().all(fits) { x } else { x.map(|x| x.broadcast_to(y.shape).dense()) };
        let mut arrays: [&[T]; N] = [&[]; N];
        arrays.iter_mut().zip(&x).for_each(|(array, x)| *array = x.view().padded());
        let y = y.view().padded();
        g.mapped(|start, g| {
            let range = start..start + g.len();
            chain(rule, i, arrays.map(|x| &x[range.clone()]), &y[range], g);
        })
    }
}

/// The mistake of differentiating a gradient that was never recorded.
pub(crate) fn only_numbers<T: Float>(node: Node<'_, T>) -> ! {
    let name = node.operation.map_or("the operation", |operation| operation.title());
    panic!(
        "{name} ({}) gives its gradient as numbers only (`Vjp::add_numbers`), so it cannot be differentiated again; write \
         its `vjp` with `Vjp::add` over tensors to have every order",
        node.location
    )
}

macro_rules! operators {
    ($($trait:ident $method:ident $operation:expr, $number:ident;)*) => {
        $(impl<T: Float> $trait for Value<'_, T> {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                Self::apply($operation, &[&self, &other])
            }
        }
        impl<T: Float> $trait<f64> for Value<'_, T> {
            type Output = Self;
            fn $method(self, c: f64) -> Self {
                self.with_number(T::kernels().$number, T::from_f64(c))
            }
        }
        )*
    };
}
operators! {
    Add add ops::arithmetic::Add {}, add_number;
    Sub sub ops::arithmetic::Sub {}, sub_number;
    Mul mul ops::arithmetic::Mul {}, mul_number;
    Div div ops::arithmetic::Div {}, div_number;
}

impl<T: Float> Neg for Value<'_, T> {
    type Output = Self;
    fn neg(self) -> Self {
        self * -1.0
    }
}

/// Gradients that are being added up while they are recorded. What belongs to parts waits until the whole is asked for:
/// then one operation puts all of it in place.
#[doc(hidden)]
#[derive(Debug)]
pub struct Recorded<'t, T: Float> {
    whole: Option<Var<'t, T>>,
    parts: Vec<(Places, Var<'t, T>)>,
}

impl<'t, T: Float> From<Var<'t, T>> for Recorded<'t, T> {
    fn from(whole: Var<'t, T>) -> Self {
        Recorded { whole: Some(whole), parts: Vec::new() }
    }
}

impl<'t, T: Float> Tensor<T> for Var<'t, T> {
    #[track_caller]
    fn apply<O: Operation<T>>(operation: O, inputs: &[&Self]) -> Self {
        match *inputs {
            [&a] => a.tape().apply(operation, [a]),
            [&a, &b] => a.tape().apply(operation, [a, b]),
            _ => inputs[0].tape().apply_many(operation, &inputs.iter().map(|&&v| v).collect::<Vec<_>>()),
        }
    }
    fn shape(&self) -> &[usize] {
        Var::shape(*self)
    }
    fn constant(&self, shape: &[usize], fill: impl FnOnce(&mut [T])) -> Self {
        self.tape().constant_with(shape, fill)
    }
    fn reshape(self, shape: &[usize]) -> Self {
        if Var::shape(self) == shape { self } else { Var::reshape(self, shape) }
    }
    fn broadcast_to(self, shape: &[usize]) -> Self {
        if Var::shape(self) == shape { self } else { Var::broadcast_to(self, shape) }
    }

    type Context = &'t Tape<T>;
    type Sum = Recorded<'t, T>;

    fn accumulate(sum: Recorded<'t, T>, term: Self) -> Recorded<'t, T> {
        Recorded { whole: Some(sum.whole.map_or(term, |whole| whole + term)), ..sum }
    }
    fn add_at(sum: Option<Recorded<'t, T>>, places: &Places, part: Self, _: Self::Context, _: u32) -> Recorded<'t, T> {
        let mut sum = sum.unwrap_or(Recorded { whole: None, parts: Vec::new() });
        sum.parts.push((places.clone(), part));
        sum
    }
    fn total(sum: Recorded<'t, T>, tape: &'t Tape<T>, node: u32) -> Self {
        if let (Some(whole), true) = (sum.whole, sum.parts.is_empty()) {
            return whole;
        }
        let shape = tape.nodes().node(node).value.shape();
        let (places, mut inputs): (SmallVec<[Places; 1]>, Vec<Self>) = sum.parts.into_iter().unzip();
        inputs.extend(sum.whole);
        tape.apply_many(ops::places::Put { places, whole: shape.into() }, &inputs)
    }

    fn load(tape: &'t Tape<T>, node: u32) -> Self {
        Var::new(tape, node)
    }
    fn sum_to_node(self, tape: &'t Tape<T>, node: u32) -> Self {
        self.sum_to(tape.nodes().node(node).value.shape())
    }
    fn is_differentiated(tape: &'t Tape<T>, node: u32) -> bool {
        tape.nodes().is_differentiated(node)
    }
    fn numbers(
        tape: &'t Tape<T>,
        node: u32,
        _: &[Self],
        _: &[usize],
        _: impl FnOnce(&[View<'_, T>], Output<'_, T>),
    ) -> Self {
        only_numbers(tape.nodes().node(node))
    }
    fn chain_fused<R: FusedRule<N>, const N: usize>(rule: R, i: usize, g: Self, x: [Self; N], _: Self) -> Self {
        let slope = ops::fused::dual(rule, x, std::array::from_fn(|k| k == i)).slopes[i];
        g * slope.unwrap_or_else(|| g.tape().constant_with(&[], |_| {}))
    }
    fn chain<R: Rule<N>, const N: usize>(rule: R, i: usize, g: Self, x: [Self; N], y: Self) -> Self {
        g * rule.slope(i, x.map(Num), Num(y)).0
    }
}
