//! The operations of rules on arrays.

use std::panic::Location;

use crate::calculus::{Expression, Rule};
use crate::engine::operation::Operation;
use crate::engine::tensor::{FusedLoop, Sweep, Tensor};
use crate::engine::value::{ChainLoop, Source, Value, ValueContext};
use crate::kernels::matmul::{self, Product};
use crate::kernels::strided::Strided;
use crate::ops::matmul::MatMul;
use crate::places::Places;
use crate::shape::{broadcast_strides, check_broadcast, count};
use crate::view::View;
use crate::{Float, Sizes, Tape, Var};

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

    fn function<const N: usize>(inputs: [&Self; N], f: impl for<'t> FnOnce([Var<'t, T>; N]) -> Var<'t, T>) -> Self {
        let tape = Tape::mathematics();
        let y = f(inputs.map(|x| x.constant_on(&tape)));
        inputs[0].constant(y.shape(), |out| out.copy_from_slice(y.data()))
    }

    fn reshape(mut self, shape: impl Sizes) -> Self {
        let new = shape.resolve(self.len()).unwrap_or_else(|| {
            panic!("in a derivative: reshape: {:?} holds {} numbers, not {}", self.shape, self.len(), shape.show())
        });
        if *self.shape != *new {
            self.shape = self.pool.shape(&new);
        }
        self
    }

    fn broadcast_to(self, shape: &[usize]) -> Self {
        if self.shape == shape {
            return self;
        }
        check_broadcast(self.shape, shape).unwrap_or_else(|e| panic!("in a derivative: broadcast_to: {e}"));
        let shape = self.pool.shape(shape);
        if self.len() == 1 {
            let number = self.padded().map_or_else(|number| number, |numbers| numbers[0]);
            return Value::uniform(number, shape, self.pool);
        }
        let strides = broadcast_strides(self.shape, shape);
        let (x, at) = (self.dense(), Strided { shape, strides: &strides, offset: 0 });
        Self::fresh(shape, x.pool, |out| {
            if !shape.contains(&0) {
                (T::kernels().read)(&at, x.view().data(), &mut out[..count(shape)]);
            }
        })
    }
}

impl<'s, T: Float> Value<'s, T> {
    /// [`Sweep::chain`] with the loop of a rule. It does not know the rule, since it would be compiled anew for each.
    pub(super) fn chain_with<const N: usize>(g: Self, x: [Self; N], y: Self, chain: ChainLoop<'_, T, N>) -> Self {
        // the operands in the shape of the result and written out, if one of them is not
        let fits = |x: &Self| !x.is_uniform() && (N == 1 || x.shape == y.shape);
        let spread = (!x.iter().all(fits)).then(|| x.each_ref().map(|x| x.clone().broadcast_to(y.shape).dense()));
        let (x, y) = (spread.as_ref().unwrap_or(&x).each_ref().map(|x| x.view().padded()), y.view().padded());
        g.mapped(&|start, g| {
            let range = start..start + g.len();
            chain(x.map(|x| &x[range.clone()]), &y[range.clone()], g);
        })
    }
}

impl<'s, T: Float> Sweep<T> for Value<'s, T> {
    type Context = ValueContext<'s, T>;
    type Sum = Self;

    #[inline]
    fn load(context: Self::Context, node: u32) -> Self {
        let value = context.nodes.node(node).value;
        Value { source: Source::Tape(value.padded()), shape: value.shape(), pool: context.pool }
    }

    #[inline]
    fn is_differentiated(context: Self::Context, node: u32) -> bool {
        context.nodes.is_differentiated(node)
    }

    fn location(context: Self::Context, node: u32) -> &'static Location<'static> {
        context.nodes.node(node).location
    }

    #[inline]
    fn sum_to_node(self, context: Self::Context, node: u32) -> Self {
        let shape = context.nodes.node(node).value.shape();
        if std::ptr::eq(self.shape, shape) { self } else { self.sum_to_shape(shape) }
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
        let shape = context.nodes.node(node).value.shape();
        let sizes = matmul::sizes([a.shape, b.shape], transposed).filter(|[m, _, n]| *shape == [*m, *n]);
        let (Some([m, k, n]), false, false) = (sizes, a.is_uniform(), b.is_uniform()) else {
            let product = Self::run(&MatMul { transposed }, &[&a, &b]).sum_to_node(context, node);
            return match sum {
                Some(sum) => Self::accumulate(sum, product),
                None => product,
            };
        };
        let multiply = |c: &mut [T], accumulate| {
            let ([a_transposed, b_transposed], a, b) = (transposed, a.view().data(), b.view().data());
            (T::kernels().product)(Product { m, k, n, a, a_transposed, b, b_transposed, c, accumulate });
        };
        let Some(mut sum) = sum else {
            return Self::fresh(shape, context.pool, |c| multiply(c, false));
        };
        if let Source::Pool(slot) = &mut sum.source
            && let Some(c) = slot.write()
        {
            multiply(c, true);
            return sum;
        }
        Self::accumulate(sum, Self::fresh(shape, context.pool, |c| multiply(c, false)))
    }

    fn add_at(sum: Option<Self>, places: &Places, part: Self, context: Self::Context, node: u32) -> Self {
        let (shape, pool) = (context.nodes.node(node).value.shape(), context.pool);
        // the sum of a leaf goes to no rule, which could put it into another shape, with other rows
        let rows = places.few_rows(shape).filter(|_| context.is_leaf(node));
        let mut sum = sum.unwrap_or_else(|| match rows {
            Some(_) => {
                let slot = pool.alloc_zeros(count(shape), shape[1..].iter().product());
                Value { source: Source::Pool(slot), shape, pool }
            }
            None => Self::fresh(shape, pool, |out| out.fill(T::default())),
        });
        let part = part.dense();
        if let (Some(rows), Source::Pool(slot)) = (rows, &mut sum.source)
            && let Some(numbers) = slot.write_rows(rows)
        {
            places.add(part.view().data(), shape, numbers);
            return sum;
        }
        let mut sum = sum.owned();
        places.add(part.view().data(), shape, sum.write());
        sum
    }

    #[inline]
    fn total(sum: Self, _: Self::Context, _: u32) -> Self {
        sum
    }

    fn number(&self) -> Option<f64> {
        Some(self.padded().map_or_else(|number| number, |numbers| numbers[0]).to_f64())
    }

    /// Takes a part. If one number stands everywhere in the whole, it stands everywhere in the part, and nothing is
    /// copied: a part of the gradient of a sum costs nothing.
    fn take(&self, places: &Places) -> Self {
        let shape = places.shape(self.shape).unwrap_or_else(|e| panic!("in a derivative: {e}"));
        let shape = self.pool.shape(&shape);
        match self.source {
            Source::Uniform(number) => Value::uniform(number, shape, self.pool),
            _ => Self::fresh(shape, self.pool, |out| places.take(self.view(), &mut out[..count(shape)])),
        }
    }

    fn numbers<const N: usize>(
        context: Self::Context,
        arrays: &[Self],
        shapes: [&[usize]; N],
        compute: impl FnOnce(&[View<'_, T>], [&mut [T]; N]),
    ) -> Option<[Self; N]> {
        let dense: Vec<Self> = arrays.iter().map(|x| x.clone().dense()).collect();
        let views: Vec<View<'_, T>> = dense.iter().map(Value::view).collect();
        let mut arrays = shapes.map(|shape| Self::fresh(context.pool.shape(shape), context.pool, |_| {}));
        compute(&views, arrays.each_mut().map(|array| array.write_numbers()));
        Some(arrays)
    }

    fn chain<R: Rule<N>, const N: usize>(rule: R, i: usize, g: Self, x: [Self; N], y: Self) -> Self {
        let chain = T::loops(R::loops()).chain;
        Self::chain_with(g, x, y, &|x, y, g| chain(rule, i, x, y, g))
    }
    fn chain_fused<R: Expression<N>, const N: usize>(
        _: R,
        _: usize,
        g: Self,
        _: [Self; N],
        slope: Self,
        _: FusedLoop<R, T>,
    ) -> Self {
        if let Source::Uniform(number) = g.source {
            return slope.with_number(T::kernels().mul_number, number);
        }
        let multiply = T::kernels().mul_assign;
        let slope = slope.view().padded();
        g.mapped(&|start, g| multiply(g, &slope[start..start + g.len()]))
    }
}
