//! What an operation is: how it computes its output, and how a gradient flows back through it.

use std::cell::{Cell, RefCell};

use crate::dual::DualValue;
use crate::ops::places::Places;
use crate::shape::Shape;
use crate::tensor::{Recorded, Tensor, Value};
use crate::view::{Output, View};
use crate::{Float, Tape, Var};

/// An operation on tensors, with its derivative. The operations of this crate implement this trait; so can yours.
///
/// `vjp` (vector-Jacobian product) is written once, over any [`Tensor`]: on arrays it computes gradients, on
/// variables it records how they are computed, so that they can be differentiated again, to any order.
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
/// Check a new one with [`gradcheck`](crate::gradcheck).
pub trait Operation<T: Float>: Sized + Send + 'static {
    /// What messages call it.
    fn name(&self) -> &'static str;
    /// The shape of the output for inputs of these shapes, or why they do not fit: a sentence that names them.
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String>;
    /// Writes the output.
    fn forward(&self, inputs: &[View<'_, T>], output: Output<'_, T>);
    /// Adds to each input its gradient, given the output's: `cx.add(i, || …)`.
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>);
    /// How the output moves when the inputs do: the Jacobian times their tangents, `None` for not at all. Needed for
    /// Hessian-vector products; what stands here by default derives it from [`vjp`](Self::vjp), its transpose.
    ///
    /// A rule of its own is faster: [`Jvp::linear`] and [`Jvp::multilinear`] are it for most operations.
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        cx.transposed(self)
    }
}

const TAKEN: &str = "take_grad is the last use of the gradient";

/// What [`Operation::vjp`] works with: inputs, output, the gradient that arrives at the output, and where to add
/// those of the inputs.
pub struct Vjp<'a, T: Float, V: Tensor<T>> {
    context: V::Context,
    node: u32,
    inputs: &'a [u32],
    /// the gradients of the nodes
    slots: &'a [RefCell<Option<V::Sum>>],
    wanted: Option<&'a [bool]>,
    /// the inputs that the rule has spoken of, a bit each; those behind the 63rd are not counted
    spoken: Cell<u64>,
}

impl<'a, T: Float, V: Tensor<T>> Vjp<'a, T, V> {
    pub(crate) fn new(
        context: V::Context,
        (node, inputs): (u32, &'a [u32]),
        slots: &'a [RefCell<Option<V::Sum>>],
        wanted: Option<&'a [bool]>,
    ) -> Self {
        Vjp { context, node, inputs, slots, wanted, spoken: Cell::new(0) }
    }

    /// Input number `i`.
    #[inline]
    pub fn input(&self, i: usize) -> V {
        V::load(self.context, self.inputs[i])
    }
    /// How many inputs there are.
    pub fn inputs(&self) -> usize {
        self.inputs.len()
    }
    /// The output.
    #[inline]
    pub fn output(&self) -> V {
        V::load(self.context, self.node)
    }
    /// The gradient of the cost by the output, in the output's shape.
    pub fn grad(&self) -> V {
        let whole = self.take_grad();
        self.slots[self.node as usize].replace(Some(whole.clone().into()));
        whole
    }
    /// [`grad`](Self::grad), the last time it is asked for: its memory may be used for the result.
    #[inline]
    pub fn take_grad(&self) -> V {
        let sum = self.slots[self.node as usize].borrow_mut().take().expect(TAKEN);
        V::total(sum, self.context, self.node)
    }
    /// Whether somebody needs the gradient of input `i`.
    #[inline]
    pub fn wants(&self, i: usize) -> bool {
        let input = self.inputs[i];
        // an operation is swept only if some input is differentiated
        let differentiated = self.inputs.len() == 1 || V::is_differentiated(self.context, input);
        differentiated && self.wanted.is_none_or(|w| w[input as usize])
    }
    #[inline]
    fn speak(&self, i: usize) {
        self.spoken.set(self.spoken.get() | 1 << i.min(63));
    }
    /// Says that the gradient of input `i` is 0 everywhere, as that of a comparison is. An input that a rule neither
    /// adds to nor says this of stops the sweep: a missing rule is never a zero.
    pub fn none(&self, i: usize) {
        self.speak(i);
    }
    /// Panics if the rule has left out an input that somebody needs.
    #[inline]
    fn check(&self, name: &str) {
        let all = (1u64 << self.inputs.len().min(63)) - 1;
        if self.spoken.get() & all != all {
            self.missing(name);
        }
    }
    #[cold]
    fn missing(&self, name: &str) {
        for i in (0..self.inputs.len().min(63)).filter(|i| self.spoken.get() & 1 << i == 0) {
            assert!(
                !self.wants(i),
                "{name}: its rule gives no gradient of input {i}; add it with `cx.add({i}, …)`, or say with `cx.none({i})` \
                 that it is 0"
            );
        }
    }
    /// Adds the matrix product `a · b`, each operand transposed first where asked, to the gradient of input `i`:
    /// straight into what is already there, if anything is. `operands` runs only if somebody needs it.
    pub fn add_product(&self, i: usize, transposed: [bool; 2], operands: impl FnOnce() -> [V; 2]) {
        self.speak(i);
        if !self.wants(i) {
            return;
        }
        let operands = operands();
        let mut slot = self.slots[self.inputs[i] as usize].borrow_mut();
        *slot = Some(V::add_product(slot.take(), operands, transposed, self.context, self.inputs[i]));
    }
    /// Adds to the gradient of input `i` the numbers that `compute` writes, in the input's shape, given the inputs, the
    /// output and the gradient that arrives, in that order. It is for rules that cannot be written over [`Tensor`]: the
    /// gradient is right, but it cannot be differentiated again.
    ///
    /// # Panics
    /// When a derivative of the gradient is asked for, by [`Var::grad`] or [`Var::hvp`]; the message names the
    /// operation.
    pub fn add_numbers(&self, i: usize, compute: impl FnOnce(&[View<'_, T>], Output<'_, T>)) {
        self.add(i, || {
            let inputs = (0..self.inputs()).map(|k| self.input(k));
            let arrays: Vec<V> = inputs.chain([self.output(), self.grad()]).collect();
            V::numbers(self.context, self.node, &arrays, self.input(i).shape(), compute)
        });
    }
    /// Adds to the gradient of input `i`. The closure runs only if somebody needs it. A gradient in a shape to which
    /// the input was broadcast is summed back to the input's own.
    #[inline]
    pub fn add(&self, i: usize, gradient: impl FnOnce() -> V) {
        self.speak(i);
        if !self.wants(i) {
            return;
        }
        let gradient = V::sum_to_node(gradient(), self.context, self.inputs[i]);
        let mut slot = self.slots[self.inputs[i] as usize].borrow_mut();
        *slot = Some(match slot.take() {
            Some(sum) => V::accumulate(sum, gradient),
            None => gradient.into(),
        });
    }
    /// Adds to the gradient of input `i` at some of its places: where they are, without an array of its size.
    pub(crate) fn add_at(&self, i: usize, places: &Places, gradient: impl FnOnce() -> V) {
        self.speak(i);
        if self.wants(i) {
            let mut slot = self.slots[self.inputs[i] as usize].borrow_mut();
            *slot = Some(V::add_at(slot.take(), places, gradient(), self.context, self.inputs[i]));
        }
    }
}

/// What [`Operation::jvp`] works with: inputs, output, and how fast each input moves.
pub struct Jvp<'a, 's, T: Float> {
    inputs: &'a [Value<'s, T>],
    tangents: &'a [Option<Value<'s, T>>],
    output: &'a Value<'s, T>,
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
    /// The output.
    pub fn output(&self) -> Value<'s, T> {
        self.output.clone()
    }
    /// How fast input `i` moves, in its shape; `None` if it stands still.
    pub fn tangent(&self, i: usize) -> Option<Value<'s, T>> {
        self.tangents[i].clone()
    }
    /// The sum of what several inputs contribute, in the output's shape.
    pub fn sum(&self, terms: impl Iterator<Item = Value<'s, T>>) -> Option<Value<'s, T>> {
        let shape = self.output.shape();
        terms.map(|term| term.broadcast_to(shape)).reduce(Value::accumulate)
    }
    /// The rule of an operation that is linear in all its inputs together: it is done to the tangents.
    pub fn linear<O: Operation<T>>(&self, operation: &O) -> Option<Value<'s, T>> {
        self.tangents.iter().any(Option::is_some).then(|| {
            let tangents = self.tangents.iter().zip(self.inputs).map(|(t, x)| t.clone().unwrap_or_else(|| x.zeros()));
            let tangents: Vec<Value<'s, T>> = tangents.collect();
            Value::run(operation, &tangents.iter().collect::<Vec<_>>())
        })
    }
    /// The rule of an operation that is linear in each input by itself, as a product is: the sum of what it gives with
    /// one input after the other replaced by its tangent.
    pub fn multilinear<O: Operation<T>>(&self, operation: &O) -> Option<Value<'s, T>> {
        let mut inputs = self.inputs.to_vec();
        self.sum(self.tangents.iter().enumerate().filter_map(|(i, tangent)| {
            let input = std::mem::replace(&mut inputs[i], tangent.clone()?);
            let term = Value::run(operation, &inputs.iter().collect::<Vec<_>>());
            inputs[i] = input;
            Some(term)
        }))
    }
    /// The rule of any operation, from that for its transpose: `J t` is the derivative of `⟨Jᵀ g, t⟩` by g.
    pub fn transposed<O: Operation<T>>(&self, operation: &O) -> Option<Value<'s, T>> {
        let tape = Tape::mathematics();
        let inputs: Vec<Var<'_, T>> = self.inputs.iter().map(|x| tape.var(x.array())).collect();
        let output = tape.constant(self.output.array());
        let g = tape.var(self.output.zeros().array());
        let indices: Vec<u32> = inputs.iter().map(|v| v.index()).collect();
        let mut slots: Vec<RefCell<Option<Recorded<'_, T>>>> = Vec::new();
        slots.resize_with(output.index() as usize, RefCell::default);
        slots.push(RefCell::new(Some(g.into())));
        let cx: Vjp<'_, T, Var<'_, T>> = Vjp::new(&tape, (output.index(), &indices), &slots, None);
        operation.vjp(&cx);
        cx.check(operation.name());
        let terms = slots.iter().zip(&inputs).zip(self.tangents).filter_map(|((slot, x), tangent)| {
            let gradient = Var::total(slot.take()?, &tape, x.index());
            Some((gradient * tape.constant(tangent.as_ref()?.array())).sum())
        });
        let product = terms.reduce(|sum, term| sum + term)?;
        let gradient = product.backward().wrt(g);
        Some(self.output.constant(self.output.shape(), |out| {
            out.iter_mut().zip(&gradient).for_each(|(out, &x)| *out = x);
        }))
    }
}

/// An operation with its type forgotten, as the tape keeps it: one rule, three sweeps.
pub(crate) trait AnyOperation<T: Float>: Send {
    /// [`Operation::name`], under a name of its own
    fn title(&self) -> &'static str;
    #[cfg(test)]
    fn type_name(&self) -> &'static str {
        std::any::type_name::<Self>()
    }
    fn vjp_values<'s>(&self, cx: &Vjp<'_, T, Value<'s, T>>);
    fn vjp_vars<'t>(&self, cx: &Vjp<'_, T, Var<'t, T>>);
    fn vjp_duals<'s>(&self, cx: &Vjp<'_, T, DualValue<'s, T>>);
    fn jvp_values<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>>;
}

impl<T: Float, O: Operation<T>> AnyOperation<T> for O {
    fn title(&self) -> &'static str {
        self.name()
    }
    fn vjp_values<'s>(&self, cx: &Vjp<'_, T, Value<'s, T>>) {
        self.vjp(cx);
        cx.check(self.name());
    }
    fn vjp_vars<'t>(&self, cx: &Vjp<'_, T, Var<'t, T>>) {
        self.vjp(cx);
        cx.check(self.name());
    }
    fn vjp_duals<'s>(&self, cx: &Vjp<'_, T, DualValue<'s, T>>) {
        self.vjp(cx);
        cx.check(self.name());
    }
    fn jvp_values<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        self.jvp(cx)
    }
}
