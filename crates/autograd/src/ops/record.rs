//! Rules recorded over variables: this is what makes a derivative differentiable again.

use std::panic::Location;

use smallvec::SmallVec;

use crate::calculus::{Expression, Num, Real, Rule};
use crate::engine::tensor::{FusedLoop, Sweep, sum_to};
use crate::ops::elementwise::Elementwise;
use crate::ops::matmul::MatMul;
use crate::ops::places::{Put, Take};
use crate::places::Places;
use crate::{Float, Operation, Sizes, Tape, Tensor, Var, View, where_};

impl<'t, T: Float> Tensor<T> for Var<'t, T> {
    #[track_caller]
    fn apply<O: Operation<T>>(operation: O, inputs: &[&Self]) -> Self {
        match *inputs {
            [&a] => a.tape().apply(operation, [a]),
            [&a, &b] => a.tape().apply(operation, [a, b]),
            _ => inputs[0].tape().apply_many(operation, &copied(inputs)),
        }
    }
    fn shape(&self) -> &[usize] {
        Var::shape(*self)
    }
    fn constant(&self, shape: &[usize], fill: impl FnOnce(&mut [T])) -> Self {
        self.tape().constant_with(shape, fill)
    }
    fn function<const N: usize>(inputs: [&Self; N], f: impl for<'a> FnOnce([Var<'a, T>; N]) -> Var<'a, T>) -> Self {
        f(inputs.map(|&x| x))
    }
    #[track_caller]
    fn reshape(self, shape: impl Sizes) -> Self {
        match shape.resolve(self.len()) {
            Some(same) if *Var::shape(self) == *same => self,
            _ => Var::reshape(self, shape),
        }
    }
    fn broadcast_to(self, shape: &[usize]) -> Self {
        if Var::shape(self) == shape { self } else { Var::broadcast_to(self, shape) }
    }
}

// Apart from `apply`, since it does not know the operation and would be compiled anew for each.
fn copied<X: Copy>(all: &[&X]) -> Vec<X> {
    all.iter().map(|&&x| x).collect()
}

/// The gradient of a variable while it is added up and recorded. Gradients of parts wait until the whole is asked for:
/// then one operation puts all of them in place.
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

impl<'t, T: Float> Sweep<T> for Var<'t, T> {
    type Context = &'t Tape<T>;
    type Sum = Recorded<'t, T>;

    fn load(tape: &'t Tape<T>, node: u32) -> Self {
        Var::new(tape, node)
    }
    fn is_differentiated(tape: &'t Tape<T>, node: u32) -> bool {
        tape.nodes().is_differentiated(node)
    }
    fn location(tape: &'t Tape<T>, node: u32) -> &'static Location<'static> {
        tape.nodes().node(node).location
    }
    fn sum_to_node(self, tape: &'t Tape<T>, node: u32) -> Self {
        sum_to(self, tape.nodes().node(node).value.shape())
    }

    fn accumulate(sum: Recorded<'t, T>, term: Self) -> Recorded<'t, T> {
        Recorded { whole: Some(sum.whole.map_or(term, |whole| whole + term)), ..sum }
    }
    fn add_product(
        sum: Option<Recorded<'t, T>>,
        [a, b]: [Self; 2],
        transposed: [bool; 2],
        tape: &'t Tape<T>,
        node: u32,
    ) -> Recorded<'t, T> {
        let product = a.tape().apply(MatMul { transposed }, [a, b]).sum_to_node(tape, node);
        match sum {
            Some(sum) => Self::accumulate(sum, product),
            None => product.into(),
        }
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
        tape.apply_many(Put { places, whole: shape.into() }, &inputs)
    }

    fn number(&self) -> Option<f64> {
        None
    }

    fn take(&self, places: &Places) -> Self {
        self.tape().apply(Take { places: places.clone() }, [*self])
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
        g * rule.slope(i, x.map(Num), Num(y)).0
    }
    fn chain_fused<R: Expression<N>, const N: usize>(
        rule: R,
        i: usize,
        g: Self,
        x: [Self; N],
        _: Self,
        _: FusedLoop<R, T>,
    ) -> Self {
        let slope = rule.dual(x, std::array::from_fn(|k| k == i)).slopes[i];
        g * slope.unwrap_or_else(|| g.tape().constant_with(&[], |_| {}))
    }
}

impl<T: Float> Real for Var<'_, T> {
    fn apply<R: Rule<N>, const N: usize>(rule: R, x: [Self; N]) -> Self {
        x[0].tape().apply(Elementwise(rule), x)
    }
    fn literal(self, c: f64) -> Self {
        self.tape().constant_with(self.shape(), |numbers| numbers.fill(T::from_f64(c)))
    }
    fn add(self, other: Self) -> Self {
        self + other
    }
    fn sub(self, other: Self) -> Self {
        self - other
    }
    fn mul(self, other: Self) -> Self {
        self * other
    }
    fn div(self, other: Self) -> Self {
        self / other
    }
    fn neg(self) -> Self {
        -self
    }
    fn shift(self, c: f64) -> Self {
        self + c
    }
    fn scale(self, c: f64) -> Self {
        self * c
    }
    fn divide_by(self, c: f64) -> Self {
        self / c
    }
    fn divide_into(self, c: f64) -> Self {
        c / self
    }
    fn gt(self, other: Self) -> Self {
        Var::gt(self, other)
    }
    fn eq(self, other: Self) -> Self {
        Var::eq(self, other)
    }
    fn above(self, c: f64) -> Self {
        Var::gt(self, c)
    }
    fn below(self, c: f64) -> Self {
        Var::lt(self, c)
    }
    fn choose(self, yes: Self, no: Self) -> Self {
        where_(self, yes, no)
    }
}
