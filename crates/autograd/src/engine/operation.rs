//! The definition of an operation: how it computes its output, and how a gradient flows back through it.
//!
//! This file, `tensor.rs` and `value.rs` import each other, and must: a rule is written over any tensor, a tensor
//! applies operations, and the forward-mode rule of an operation computes with the arrays of `value.rs`.

use std::cell::{Cell, RefCell};

use smallvec::SmallVec;

use crate::Float;
use crate::engine::erased::Erased;
use crate::engine::tensor::{Sweep, Tensor};
use crate::engine::value::Value;
use crate::places::Places;
use crate::shape::Shape;
use crate::view::{Output, View};

/// An operation on tensors, with its derivative. The operations of this crate implement this trait, and so can your
/// own.
///
/// `vjp` (vector-Jacobian product) is written once, over any [`Tensor`]. On arrays it computes gradients. On variables
/// it records how they are computed, so that they can be differentiated again, to any order. On arrays that carry a
/// derivative along it computes Hessian-vector products.
///
/// ```
/// use gradus_autograd::{Float, Operation, Output, Shape, Tape, Tensor, View, Vjp};
/// use ndarray::array;
///
/// /// `y = x³`
/// struct Cube;
/// impl<T: Float> Operation<T> for Cube {
///     fn name(&self) -> &'static str { "cube" }
///     fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> { Ok(inputs[0].into()) }
///     fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
///         for (y, &x) in output.data().iter_mut().zip(inputs[0].data()) { *y = x * x * x }
///     }
///     fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
///         cx.add(0, || cx.grad() * cx.input(0) * cx.input(0) * 3.0);
///     }
/// }
///
/// let tape = Tape::new();
/// let x = tape.var(array![1.0, 2.0]);
/// let y = tape.apply(Cube, [x]).sum();
/// assert_eq!(y.backward().wrt(x), array![3.0, 12.0].into_dyn());
/// let [dx] = y.grad([x]);
/// assert_eq!(dx.sum().backward().wrt(x), array![6.0, 12.0].into_dyn());
/// ```
///
/// Check a new operation with [`gradcheck`](crate::gradcheck).
pub trait Operation<T: Float>: Sized + Send + 'static {
    /// The name of the operation in messages.
    fn name(&self) -> &'static str;
    /// The formula and its derivative for people, each in backquotes: [`explain`](crate::explain) shows them.
    fn formula(&self) -> &'static str {
        ""
    }
    /// The settings of this operation for people, such as the number by which it multiplies:
    /// [`explain`](crate::explain) shows them after the name.
    fn settings(&self) -> String {
        String::new()
    }
    /// Returns the shape of the output for inputs of these shapes. If they do not fit, returns a sentence that names
    /// the shapes and says why.
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String>;
    /// Writes the output.
    fn forward(&self, inputs: &[View<'_, T>], output: Output<'_, T>);
    /// Adds to each input its gradient, given the output's: `cx.add(i, || …)`.
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>);
    /// Returns how the output moves when the inputs move: the Jacobian times the tangents of the inputs, or `None` if
    /// the output stands still. Hessian-vector products and forward mode need it. The default derives it from
    /// [`vjp`](Self::vjp), its transpose.
    ///
    /// A hand-written rule is faster. For most operations it is a single call of [`Jvp::linear`] or
    /// [`Jvp::multilinear`].
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        cx.transposed(self)
    }
    /// The operation without its type, as the tape keeps it.
    #[doc(hidden)]
    fn erase(&mut self) -> &mut Erased<T> {
        self
    }
}

/// The context of [`Operation::vjp`]: it holds the inputs, the output and the gradient that arrives at the output, and
/// it takes the gradients of the inputs.
pub struct Vjp<'a, T: Float, V: Tensor<T>> {
    context: V::Context,
    node: u32,
    inputs: &'a [u32],
    /// the gradient of each node of the tape, as far as the sweep has added it up
    gradients: &'a [RefCell<Option<V::Sum>>],
    /// whether the gradient of each node is needed; `None` if those of all differentiated nodes are
    wanted: Option<&'a [bool]>,
    /// bit i is set once the rule has called `none`, or one of the methods that add, for input i; inputs from the 64th
    /// on are not tracked
    covered: Cell<u64>,
    /// whether the rule gave numbers only, in a sweep that needs their derivative
    only_numbers: Cell<bool>,
}

const TAKEN: &str = "take_grad is the last use of the gradient";

impl<'a, T: Float, V: Tensor<T>> Vjp<'a, T, V> {
    #[inline]
    pub(crate) fn new(
        context: V::Context,
        (node, inputs): (u32, &'a [u32]),
        gradients: &'a [RefCell<Option<V::Sum>>],
        wanted: Option<&'a [bool]>,
    ) -> Self {
        Vjp { context, node, inputs, gradients, wanted, covered: Cell::new(0), only_numbers: Cell::new(false) }
    }

    /// Input number `i`.
    #[inline]
    pub fn input(&self, i: usize) -> V {
        V::load(self.context, self.inputs[i])
    }
    /// The first N inputs.
    pub(crate) fn first<const N: usize>(&self) -> [V; N] {
        std::array::from_fn(|i| self.input(i))
    }
    /// The number of inputs.
    pub fn inputs(&self) -> usize {
        self.inputs.len()
    }
    /// The output.
    #[inline]
    pub fn output(&self) -> V {
        V::load(self.context, self.node)
    }
    /// The gradient of the cost by the output, in the output's shape.
    #[inline]
    pub fn grad(&self) -> V {
        let whole = self.take_grad();
        self.gradients[self.node as usize].replace(Some(whole.clone().into()));
        whole
    }
    /// Like [`grad`](Self::grad), but hands the gradient over, so that its memory can be used for the result. A rule
    /// calls it last.
    #[inline]
    pub fn take_grad(&self) -> V {
        let sum = self.gradients[self.node as usize].borrow_mut().take().expect(TAKEN);
        V::total(sum, self.context, self.node)
    }
    /// Whether the gradient of input `i` is needed.
    #[inline]
    pub fn wants(&self, i: usize) -> bool {
        let input = self.inputs[i];
        // an operation is swept only if one of its inputs is differentiated
        let differentiated = self.inputs.len() == 1 || V::is_differentiated(self.context, input);
        differentiated && self.wanted.is_none_or(|w| w[input as usize])
    }
    #[inline]
    fn cover(&self, i: usize) {
        self.covered.set(self.covered.get() | 1 << i.min(63));
    }
    /// Whether the gradient of input `i` is needed. A rule that asks gives it, by [`add_now`](Self::add_now).
    #[inline]
    pub(crate) fn asks_for(&self, i: usize) -> bool {
        self.cover(i);
        self.wants(i)
    }

    /// Adds to the gradient of input `i`. The closure runs only if that gradient is needed. A gradient in a shape to
    /// which the input was broadcast is summed back to the input's own shape.
    #[inline]
    pub fn add(&self, i: usize, gradient: impl FnOnce() -> V) {
        if self.asks_for(i) {
            self.add_now(i, gradient());
        }
    }
    // apart from `add`, and with no closure of its own, since code is compiled anew for each closure
    pub(crate) fn add_now(&self, i: usize, gradient: V) {
        let gradient = V::sum_to_node(gradient, self.context, self.inputs[i]);
        let sum = &self.gradients[self.inputs[i] as usize];
        let before = sum.borrow_mut().take();
        *sum.borrow_mut() = Some(match before {
            Some(before) => V::accumulate(before, gradient),
            None => gradient.into(),
        });
    }
    /// Says that the gradient of input `i` is 0 everywhere, as for an operand of a comparison. If a rule neither adds
    /// to an input nor calls this method for it, and the input's gradient is needed, the sweep panics: a missing rule
    /// is never taken for a gradient of 0.
    pub fn none(&self, i: usize) {
        self.cover(i);
    }
    /// Adds the matrix product `a · b` to the gradient of input `i`: straight into the sum that is already there, if
    /// there is one. `transposed` says which operands are transposed first. `operands` runs only if the gradient is
    /// needed.
    pub fn add_product(&self, i: usize, transposed: [bool; 2], operands: impl FnOnce() -> [V; 2]) {
        if self.asks_for(i) {
            let (operands, sum) = (operands(), &self.gradients[self.inputs[i] as usize]);
            let before = sum.borrow_mut().take();
            *sum.borrow_mut() = Some(V::add_product(before, operands, transposed, self.context, self.inputs[i]));
        }
    }
    /// Adds to the gradient of input `i` at some of its places, directly, without an array of the input's size.
    pub(crate) fn add_at(&self, i: usize, places: &Places, gradient: impl FnOnce() -> V) {
        if self.asks_for(i) {
            let (part, sum) = (gradient(), &self.gradients[self.inputs[i] as usize]);
            let before = sum.borrow_mut().take();
            *sum.borrow_mut() = Some(V::add_at(before, places, part, self.context, self.inputs[i]));
        }
    }
    /// Adds to the gradient of input `i` the numbers that `compute` writes, in the input's shape. `compute` is given
    /// the inputs, the output and the gradient that arrives, in that order. This method is for rules that cannot be
    /// written over [`Tensor`]: the gradient is right, but it cannot be differentiated again.
    ///
    /// # Panics
    /// When a derivative of the gradient is asked for, by [`Var::grad`](crate::Var::grad) or
    /// [`Var::hvp`](crate::Var::hvp); the message names the operation.
    pub fn add_numbers(&self, i: usize, compute: impl FnOnce(&[View<'_, T>], Output<'_, T>)) {
        if self.asks_for(i) {
            let inputs = (0..self.inputs()).map(|k| self.input(k));
            let arrays: Vec<V> = inputs.chain([self.output(), self.grad()]).collect();
            let shape = Shape::from_slice(self.input(i).shape());
            let numbers = V::numbers(self.context, &arrays, [&shape], |views, [out]| {
                compute(views, Output::new(out, &shape));
            });
            match numbers {
                Some([gradient]) => self.add(i, || gradient),
                None => self.only_numbers.set(true),
            }
        }
    }

    /// Arrays that `compute` writes, given the numbers of others, where numbers are all that is asked for; `None` where
    /// the gradient is recorded, or moves.
    pub(crate) fn numbers<const N: usize>(
        &self,
        arrays: &[V],
        shapes: [&[usize]; N],
        compute: impl FnOnce(&[View<'_, T>], [&mut [T]; N]),
    ) -> Option<[V; N]> {
        V::numbers(self.context, arrays, shapes, compute)
    }

    /// Panics if the rule has left out an input whose gradient is needed, or has given numbers only, in a sweep that
    /// needs their derivative.
    #[inline]
    pub(crate) fn check(&self, name: &str) {
        let all = (1u64 << self.inputs.len().min(63)) - 1;
        if self.covered.get() & all != all || self.only_numbers.get() {
            self.complain(name);
        }
    }
    #[cold]
    fn complain(&self, name: &str) {
        assert!(
            !self.only_numbers.get(),
            "{name} ({}) gives its gradient as numbers only (`Vjp::add_numbers`), so it cannot be differentiated \
             again; \
             write its `vjp` with `Vjp::add` over tensors to have every order",
            V::location(self.context, self.node)
        );
        for i in (0..self.inputs.len().min(63)).filter(|i| self.covered.get() & 1 << i == 0) {
            assert!(
                !self.wants(i),
                "{name}: its rule gives no gradient of input {i}; add it with `cx.add({i}, …)`, or say with \
                 `cx.none({i})` \
                 that it is 0"
            );
        }
    }
}

/// The context of [`Operation::jvp`]: the inputs, the output, and the tangent of each input, which says how fast it
/// moves.
pub struct Jvp<'a, 's, T: Float> {
    pub(super) inputs: &'a [Value<'s, T>],
    pub(super) tangents: &'a [Option<Value<'s, T>>],
    pub(super) output: &'a Value<'s, T>,
}

impl<'a, 's, T: Float> Jvp<'a, 's, T> {
    pub(crate) fn new(
        inputs: &'a [Value<'s, T>],
        tangents: &'a [Option<Value<'s, T>>],
        output: &'a Value<'s, T>,
    ) -> Self {
        Jvp { inputs, tangents, output }
    }

    /// Input number `i`.
    pub fn input(&self, i: usize) -> Value<'s, T> {
        self.inputs[i].clone()
    }
    /// The first N inputs.
    pub(crate) fn first<const N: usize>(&self) -> [Value<'s, T>; N] {
        std::array::from_fn(|i| self.input(i))
    }
    /// How many inputs there are.
    pub fn inputs(&self) -> usize {
        self.inputs.len()
    }
    /// The output.
    pub fn output(&self) -> Value<'s, T> {
        self.output.clone()
    }
    /// The tangent of input `i`, in its shape; `None` if the input stands still.
    pub fn tangent(&self, i: usize) -> Option<Value<'s, T>> {
        self.tangents[i].clone()
    }
    /// The tangent of input `i`, broadcast to the output's shape.
    pub(crate) fn spread_tangent(&self, i: usize) -> Option<Value<'s, T>> {
        self.tangent(i).map(|tangent| tangent.broadcast_to(self.output.shape()))
    }
    /// A sum of contributions with one more.
    pub(crate) fn with_term(&self, sum: Option<Value<'s, T>>, term: Value<'s, T>) -> Option<Value<'s, T>> {
        let term = term.broadcast_to(self.output.shape());
        Some(match sum {
            Some(sum) => Value::accumulate(sum, term),
            None => term,
        })
    }
    /// The sum of the contributions of several inputs, in the output's shape; `None` if there are none.
    pub fn sum(&self, terms: impl Iterator<Item = Value<'s, T>>) -> Option<Value<'s, T>> {
        let mut sum = None;
        for term in terms {
            sum = self.with_term(sum, term);
        }
        sum
    }
    /// The rule of an operation that is linear in all its inputs together: the operation is applied to the tangents.
    pub fn linear<O: Operation<T>>(&self, operation: &O) -> Option<Value<'s, T>> {
        let tangents = self.all_tangents()?;
        Some(Value::run(operation, &references(&tangents)))
    }
    /// The tangents of all inputs, with zeros for those that stand still; `None` if all stand still.
    fn all_tangents(&self) -> Option<Vec<Value<'s, T>>> {
        self.tangents.iter().any(Option::is_some).then(|| {
            let tangents = self.tangents.iter().zip(self.inputs);
            tangents.map(|(t, x)| t.clone().unwrap_or_else(|| x.zeros())).collect()
        })
    }
    /// The rule of an operation that is linear in each input separately, such as a product: one input at a time is
    /// replaced by its tangent, the operation is applied, and the results are added.
    pub fn multilinear<O: Operation<T>>(&self, operation: &O) -> Option<Value<'s, T>> {
        let mut inputs = self.inputs.to_vec();
        let mut sum = None;
        for i in 0..inputs.len() {
            if let Some(tangent) = self.tangent(i) {
                let input = std::mem::replace(&mut inputs[i], tangent);
                sum = self.with_term(sum, Value::run(operation, &references(&inputs)));
                inputs[i] = input;
            }
        }
        sum
    }
}

/// A reference to each.
pub(super) fn references<X>(all: &[X]) -> SmallVec<[&X; 3]> {
    all.iter().collect()
}
