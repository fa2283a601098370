//! A tape, made visible: what each step computed, and how the gradient came back to it.

use std::cell::RefCell;

use ndarray::{ArrayD, IxDyn};

use crate::array::IntoArray;
use crate::engine::erased::AnyOperation;
use crate::engine::operation::Vjp;
use crate::engine::tensor::{Sweep, Tensor};
use crate::engine::value::{Value, ValueContext};
use crate::memory::Pool;
use crate::tools::replay::steps_behind;
use crate::tools::slopes::slopes;
use crate::tools::trace::{Input, LOCAL, Numbers, Step, Trace};
use crate::{Float, Tape, Var};

/// Follows a cost back through its tape, step by step: values, local derivatives, and the gradients that they multiply
/// to. This is backpropagation, written down.
///
/// Beside each gradient stands the slope of the cost along the number, for up to 64 numbers of the leaves (see
/// [`Slope`](crate::Slope)). The tape is run again for that, which takes time for a large one; for a very large one it
/// is left out.
///
/// # Panics
/// If the cost is not a single number, or the tape is for inference and has no `var`.
///
/// ```
/// use gradus_autograd::{Tape, explain};
/// let tape = Tape::new();
/// let (w, x) = (tape.var(0.5), tape.constant(2.0));
/// let cost = (w * x - 3.0).square();
/// let trace = explain(cost);
/// assert_eq!(trace.steps.len(), 5);
/// assert_eq!(trace.steps[0].gradient.as_ref().unwrap().data, Some(vec![-8.0])); // 2 (w x − 3) x
/// println!("{trace}");
/// ```
#[track_caller]
pub fn explain<T: Float>(cost: Var<'_, T>) -> Trace {
    cost.check_scalar("explain");
    let tape = cost.tape();
    let held = tape.held().borrow();
    let written = |step: &u32| held.binary_search(step).is_err();
    let mut found = contributions(tape, cost.index(), LOCAL);
    found.retain(|found| written(&found.node));
    let leaves: Vec<(u32, ArrayD<T>)> = found.iter().filter_map(|found| found.leaf(tape)).collect();
    let work = found.iter().map(|found| tape.nodes().node(found.node).value.data().len() + COST_OF_A_STEP).sum();
    let slopes = slopes(tape, cost.index(), work, &leaves);
    let numbers = |array: Option<ArrayD<T>>| array.as_ref().map(Numbers::of);
    let steps = found.into_iter().map(|found| {
        let node = tape.nodes().node(found.node);
        let inputs = node.inputs.iter().zip(found.inputs).filter(|(step, _)| written(step));
        let inputs = inputs.map(|(&step, (derivative, contribution))| Input {
            step,
            derivative: numbers(derivative),
            contribution: numbers(contribution),
        });
        let operation = tape.operation(&node);
        let leaf = if node.differentiated { "leaf" } else { "constant" };
        Step {
            step: found.node,
            operation: operation.map_or(leaf, |operation| operation.title()).to_owned(),
            settings: operation.map_or_else(String::new, |operation| operation.details()),
            name: tape.name_of(found.node),
            formula: operation.map_or("", |operation| operation.about()).to_owned(),
            inputs: inputs.collect(),
            value: Numbers::new(node.value),
            gradient: numbers(found.gradient),
            file: node.location.file().to_owned(),
            line: node.location.line(),
            column: node.location.column(),
        }
    });
    Trace { cost: cost.index(), steps: steps.collect(), slopes, left_out: 0 }
}

/// What running a step again costs beside its numbers, in numbers.
const COST_OF_A_STEP: usize = 50;

/// A step on the way back from a cost.
struct Contributions<T> {
    node: u32,
    /// the gradient of the cost by the node
    gradient: Option<ArrayD<T>>,
    inputs: Vec<Contribution<T>>,
}

impl<T: Float> Contributions<T> {
    /// The node and its gradient, if it is a leaf that is differentiated.
    fn leaf(&self, tape: &Tape<T>) -> Option<(u32, ArrayD<T>)> {
        let node = tape.nodes().node(self.node);
        let gradient = self.gradient.as_ref().filter(|_| node.differentiated && node.operation.is_none())?;
        Some((self.node, gradient.clone()))
    }
}

/// The local derivative by an input, if it is small, and what is added to the input's gradient.
type Contribution<T> = (Option<ArrayD<T>>, Option<ArrayD<T>>);

/// Local derivatives are computed if all of them together pass on at most this many numbers.
const WORK: usize = 1 << 20;

/// The steps that a number depends on, in their order, with local derivatives of up to `limit` numbers.
fn contributions<T: Float>(tape: &Tape<T>, output: u32, limit: usize) -> Vec<Contributions<T>> {
    let (pool, nodes) = (Pool::new(), &tape.nodes().frozen());
    let context = ValueContext::new(nodes, &pool);
    let slots: Vec<_> = (0..=output).map(|_| RefCell::new(None)).collect();
    // the gradient that a rule gives each input, for a gradient of the output
    let pulled = |index: u32, gradient: &ArrayD<T>| -> Vec<Option<ArrayD<T>>> {
        let node = nodes.node(index);
        let Some(operation) = tape.operation(&node) else { return vec![None; node.inputs.len()] };
        let repeated = (1..node.inputs.len()).any(|k| node.inputs[..k].contains(&node.inputs[k]));
        match repeated {
            true => pulled_apart(tape, operation, index, gradient),
            false => parts(operation, context, (index, node.inputs), &slots, gradient),
        }
    };
    let mut gradients: Vec<Option<ArrayD<T>>> = vec![None; output as usize + 1];
    let shape = |index: u32| IxDyn(nodes.node(index).value.shape());
    let len = |index: u32| nodes.node(index).value.data().len();
    gradients[output as usize] = Some(ArrayD::from_elem(shape(output), T::from_f64(1.0)));
    let mut found = Vec::new();
    for index in steps_behind(tape, output).into_iter().rev() {
        let node = nodes.node(index);
        let gradient = gradients[index as usize].take().filter(|_| node.differentiated);
        let parts = gradient.as_ref().map_or(vec![None; node.inputs.len()], |gradient| pulled(index, gradient));
        let work = len(index) * node.inputs.iter().map(|&i| len(i)).sum::<usize>();
        let small = |&i: &u32| gradient.is_some() && work <= WORK && (1..=limit).contains(&(len(i) * len(index)));
        let mut derivatives: Vec<Option<Vec<T>>> =
            node.inputs.iter().map(|i| small(i).then(|| Vec::with_capacity(len(*i) * len(index)))).collect();
        if derivatives.iter().any(Option::is_some) {
            let row = |i: usize, number: f64| {
                let mut unit = ArrayD::zeros(shape(index));
                unit.iter_mut().skip(i).take(1).for_each(|x| *x = T::from_f64(number));
                let parts = pulled(index, &unit).into_iter().zip(node.inputs);
                parts
                    .map(|(part, &i)| part.map_or(vec![T::default(); len(i)], |p| p.into_iter().collect()))
                    .collect::<Vec<Vec<T>>>()
            };
            for i in 0..len(index) {
                for (rows, part) in derivatives.iter_mut().zip(row(i, 1.0)) {
                    if let Some(rows) = rows {
                        rows.extend(part);
                    }
                }
            }
            let nan = |x: &T| x.to_f64().is_nan();
            if derivatives.iter().flatten().flatten().any(nan) {
                for (rows, none) in derivatives.iter_mut().zip(row(0, 0.0)) {
                    if let Some(rows) = rows.as_mut().filter(|rows| rows.len() == none.len() * none.len()) {
                        without_zeros_times_infinity(rows, &none);
                    }
                }
            }
        }
        for (part, &input) in parts.iter().zip(node.inputs) {
            if let Some(part) = part {
                let sum = &mut gradients[input as usize];
                *sum = Some(sum.take().map_or_else(|| part.clone(), |sum| sum + part));
            }
        }
        let local = |(rows, &input): (Option<Vec<T>>, &u32)| {
            let shape = [node.value.shape(), nodes.node(input).value.shape()].concat();
            rows.and_then(|rows| ArrayD::from_shape_vec(shape, rows).ok())
        };
        let local: Vec<_> = derivatives.into_iter().zip(node.inputs).map(local).collect();
        let inputs = local.into_iter().zip(parts).map(|(local, part)| (local.filter(|_| part.is_some()), part));
        found.push(Contributions { node: index, gradient, inputs: inputs.collect() });
    }
    found.reverse();
    found
}

/// The gradient that a rule gives each of its inputs, which are all different.
fn parts<'s, T: Float>(
    operation: &dyn AnyOperation<T>,
    context: ValueContext<'s, T>,
    (index, inputs): (u32, &[u32]),
    slots: &[RefCell<Option<Value<'s, T>>>],
    gradient: &ArrayD<T>,
) -> Vec<Option<ArrayD<T>>> {
    let gradient = Value::load(context, index).constant(gradient.shape(), |out| gradient.write(out));
    slots[index as usize].replace(Some(gradient));
    operation.vjp_values(&Vjp::new(context, (index, inputs), slots, None));
    slots[index as usize].take();
    inputs.iter().map(|&i| slots[i as usize].take().as_ref().map(Value::array)).collect()
}

/// The same for an operation with an operand that occurs twice, as in `x * x`: the operands are copied to a tape of
/// their own, where they are different, so that each occurrence gets its own part.
fn pulled_apart<T: Float>(
    tape: &Tape<T>,
    operation: &dyn AnyOperation<T>,
    index: u32,
    gradient: &ArrayD<T>,
) -> Vec<Option<ArrayD<T>>> {
    let (apart, nodes) = (Tape::<T>::mathematics(), tape.nodes().frozen());
    let copy = |&i: &u32| match nodes.node(i) {
        node if node.differentiated => apart.var(node.value.array()).index(),
        node => apart.constant(node.value.array()).index(),
    };
    let inputs: Vec<u32> = nodes.node(index).inputs.iter().map(copy).collect();
    let output = apart.constant(nodes.node(index).value.array()).index();
    let (pool, copies) = (Pool::new(), &apart.nodes().frozen());
    let slots: Vec<_> = (0..=output).map(|_| RefCell::new(None)).collect();
    parts(operation, ValueContext::new(copies, &pool), (output, &inputs), &slots, gradient)
}

/// A rule multiplies the gradient that arrives by its slopes. Where a slope is infinite or NaN, a gradient of 0, such
/// as all but one number of a unit gradient, makes NaN beside the diagonal. There the derivative is 0. `none` is what
/// the rule makes of a gradient that is 0 everywhere.
fn without_zeros_times_infinity<T: Float>(rows: &mut [T], none: &[T]) {
    for (i, row) in rows.chunks_exact_mut(none.len()).enumerate() {
        for (j, x) in row.iter_mut().enumerate() {
            if i != j && x.to_f64().is_nan() && none[j].to_f64().is_nan() {
                *x = T::default();
            }
        }
    }
}
