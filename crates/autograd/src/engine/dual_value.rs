//! Arrays that carry a tangent, which says how fast they move. Rules run over them in the sweep that computes
//! Hessian-vector products.

use std::panic::Location;

use smallvec::SmallVec;

use crate::calculus::{Expression, Rule};
use crate::engine::operation::{Jvp, Operation, references};
use crate::engine::tensor::{FusedLoop, Sweep, Tensor};
use crate::engine::value::{ChainLoop, MovingLoop, Value, ValueContext};
use crate::places::Places;
use crate::view::View;
use crate::{Float, Sizes, Tape, Var};

/// An array and its derivative along the direction that was asked for; `None` if the array does not move.
///
/// It is [`Dual`](crate::calculus::Dual) for arrays: rules that run over it compute a gradient and how fast the
/// gradient moves.
#[derive(Clone)]
pub struct DualValue<'s, T: Float> {
    pub(crate) value: Value<'s, T>,
    pub(crate) tangent: Option<Value<'s, T>>,
}

/// The context of the sweep over dual values: the tape, and the tangents of its nodes.
pub struct DualContext<'s, T: Float> {
    pub(crate) values: ValueContext<'s, T>,
    pub(crate) tangents: &'s [Option<Value<'s, T>>],
}
impl<T: Float> Clone for DualContext<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: Float> Copy for DualContext<'_, T> {}

impl<'s, T: Float> DualValue<'s, T> {
    pub(crate) fn map(self, f: impl Fn(Value<'s, T>) -> Value<'s, T>) -> Self {
        DualValue { value: f(self.value), tangent: self.tangent.map(f) }
    }
    fn parts(self) -> (Value<'s, T>, Option<Value<'s, T>>) {
        (self.value, self.tangent)
    }
}

impl<'s, T: Float> Tensor<T> for DualValue<'s, T> {
    fn apply<O: Operation<T>>(operation: O, inputs: &[&Self]) -> Self {
        let values = Self::values_of(inputs);
        let value = Value::run(&operation, &references(&values));
        let tangents = Self::tangents_of(inputs);
        let tangent = tangents.and_then(|tangents| operation.jvp(&Jvp::new(&values, &tangents, &value)));
        DualValue { value, tangent }
    }
    fn shape(&self) -> &[usize] {
        self.value.shape()
    }
    fn constant(&self, shape: &[usize], fill: impl FnOnce(&mut [T])) -> Self {
        DualValue { value: self.value.constant(shape, fill), tangent: None }
    }
    fn function<const N: usize>(inputs: [&Self; N], f: impl for<'t> FnOnce([Var<'t, T>; N]) -> Var<'t, T>) -> Self {
        let tape = Tape::mathematics();
        let x = inputs.map(|x| match x.tangent {
            Some(_) => tape.var(x.value.array()),
            None => x.value.constant_on(&tape),
        });
        let y = f(x);
        let constant = |numbers: &[T]| inputs[0].value.constant(y.shape(), |out| out.copy_from_slice(numbers));
        let directions = x.iter().zip(inputs).filter_map(|(x, input)| Some((*x, input.tangent.as_ref()?.array())));
        let tangent = y.is_differentiated().then(|| y.jvp(directions));
        DualValue {
            value: constant(y.data()),
            tangent: tangent.map(|tangent| constant(tangent.as_slice().expect("an array in standard order"))),
        }
    }
    fn reshape(self, shape: impl Sizes) -> Self {
        let value = self.value.reshape(shape);
        DualValue { tangent: self.tangent.map(|x| x.reshape(value.shape())), value }
    }
    fn broadcast_to(self, shape: &[usize]) -> Self {
        self.map(|x| x.broadcast_to(shape))
    }
}

impl<'s, T: Float> DualValue<'s, T> {
    /// [`Sweep::chain`] with the loops of a rule. It does not know the rule, since it would be compiled anew for each.
    fn chain_with<const N: usize>(
        g: Self,
        (x, y): ([Self; N], Self),
        still: ChainLoop<'_, T, N>,
        moving: MovingLoop<'_, T, N>,
    ) -> Self {
        if x.iter().all(|x| x.tangent.is_none()) {
            let values = x.map(|x| x.value);
            return DualValue {
                value: Value::chain_with(g.value, values.clone(), y.value.clone(), still),
                tangent: g.tangent.map(|g| Value::chain_with(g, values, y.value, still)),
            };
        }
        let x = x.map(|x| x.broadcast_to(y.value.shape()).parts());
        let [value, tangent] = Value::chain_moving(g.parts(), (x, y.parts()), moving);
        DualValue { value, tangent: Some(tangent) }
    }

    // Helpers of `apply` that do not know the operation.
    fn values_of(x: &[&Self]) -> SmallVec<[Value<'s, T>; 3]> {
        x.iter().map(|x| x.value.clone()).collect()
    }
    /// The tangents, if one of the arrays moves.
    fn tangents_of(x: &[&Self]) -> Option<SmallVec<[Option<Value<'s, T>>; 3]>> {
        x.iter().any(|x| x.tangent.is_some()).then(|| x.iter().map(|x| x.tangent.clone()).collect())
    }
}

impl<'s, T: Float> Sweep<T> for DualValue<'s, T> {
    type Context = DualContext<'s, T>;
    type Sum = Self;

    fn load(context: Self::Context, node: u32) -> Self {
        DualValue { value: Value::load(context.values, node), tangent: context.tangents[node as usize].clone() }
    }
    fn is_differentiated(context: Self::Context, node: u32) -> bool {
        Value::is_differentiated(context.values, node)
    }
    fn location(context: Self::Context, node: u32) -> &'static Location<'static> {
        Value::location(context.values, node)
    }
    fn sum_to_node(self, context: Self::Context, node: u32) -> Self {
        self.map(|x| x.sum_to_node(context.values, node))
    }

    fn accumulate(sum: Self, term: Self) -> Self {
        let tangent = match (sum.tangent, term.tangent) {
            (Some(sum), Some(term)) => Some(Value::accumulate(sum, term)),
            (sum, term) => sum.or(term),
        };
        DualValue { value: Value::accumulate(sum.value, term.value), tangent }
    }
    fn add_product(
        sum: Option<Self>,
        [a, b]: [Self; 2],
        transposed: [bool; 2],
        context: Self::Context,
        node: u32,
    ) -> Self {
        let (sum, mut tangent) = sum.map_or((None, None), |sum| (Some(sum.value), sum.tangent));
        let products = [(a.tangent, Some(b.value.clone())), (Some(a.value.clone()), b.tangent)];
        for (a, b) in products {
            if let (Some(a), Some(b)) = (a, b) {
                tangent = Some(Value::add_product(tangent, [a, b], transposed, context.values, node));
            }
        }
        // the gradient of a leaf is not needed in this sweep, only how it moves
        let value = match sum {
            None if context.values.is_leaf(node) => Value::load(context.values, node).zeros(),
            sum if context.values.is_leaf(node) => sum.expect("the other case is above"),
            sum => Value::add_product(sum, [a.value, b.value], transposed, context.values, node),
        };
        DualValue { value, tangent }
    }

    fn add_at(sum: Option<Self>, places: &Places, part: Self, context: Self::Context, node: u32) -> Self {
        let add = |sum, part| Value::add_at(sum, places, part, context.values, node);
        let (value, tangent) = sum.map_or((None, None), |sum| (Some(sum.value), sum.tangent));
        let tangent = match part.tangent {
            Some(part) => Some(add(tangent, part)),
            None => tangent,
        };
        DualValue { value: add(value, part.value), tangent }
    }
    fn total(sum: Self, _: Self::Context, _: u32) -> Self {
        sum
    }

    fn number(&self) -> Option<f64> {
        None
    }

    fn take(&self, places: &Places) -> Self {
        DualValue { value: self.value.take(places), tangent: self.tangent.as_ref().map(|t| t.take(places)) }
    }
    fn numbers<const N: usize>(
        _: Self::Context,
        _: &[Self],
        _: [&[usize]; N],
        _: impl FnOnce(&[View<'_, T>], [&mut [T]; N]),
    ) -> Option<[Self; N]> {
        None
    }
    fn chain<R: Rule<N>, const N: usize>(rule: R, i: usize, g: Self, x: [Self; N], y: Self) -> Self {
        let loops = T::loops(R::loops());
        let (still, moving) = (loops.chain, loops.chain_moving);
        Self::chain_with(g, (x, y), &|x, y, g| still(rule, i, x, y, g), &|arrays, gradient, moves| {
            moving(rule, i, arrays, gradient, moves);
        })
    }
    fn chain_fused<R: Expression<N>, const N: usize>(
        rule: R,
        i: usize,
        g: Self,
        x: [Self; N],
        slope: Self,
        run: FusedLoop<R, T>,
    ) -> Self {
        let moving: SmallVec<[bool; 4]> = x.iter().chain([&g]).map(|x| x.tangent.is_some()).collect();
        let (values, tangents): (SmallVec<[_; 4]>, SmallVec<[_; 4]>) =
            x.into_iter().chain([g]).map(Self::parts).unzip();
        let arrays: SmallVec<[Value<'s, T>; 8]> =
            values.into_iter().chain(tangents.into_iter().flatten()).map(Value::dense).collect();
        let views: SmallVec<[View<'_, T>; 8]> = arrays.iter().map(Value::view).collect();
        let [value, tangent] = slope.value.pair(|shape, outs| {
            run(rule, i, (&views, &moving), shape, outs);
        });
        DualValue { value, tangent: Some(tangent) }
    }
}
