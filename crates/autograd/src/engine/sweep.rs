//! Backpropagation: the chain rule, applied to one operation after the other, from the output back to the leaves.
//!
//! [`reverse`] is that loop. The sweeps that call it differ in the kind of tensor they compute with. [`backward`]
//! computes arrays. [`grad`] records variables on the tape, so that the gradient can be differentiated again. [`hvp`]
//! computes arrays that carry their derivative along a direction. [`jvp`] needs no reverse loop: it goes forward.

use std::cell::RefCell;
use std::panic::Location;

use ndarray::ArrayD;
use smallvec::SmallVec;

use crate::Float;
use crate::array::IntoArray;
use crate::engine::dual_value::{DualContext, DualValue};
use crate::engine::erased::AnyOperation;
use crate::engine::gradients::Gradients;
use crate::engine::operation::{Jvp, Vjp};
use crate::engine::tape::Tape;
use crate::engine::tensor::{Sweep, Tensor};
use crate::engine::value::{Value, ValueContext};
use crate::engine::var::Var;
use crate::engine::watch::{Observer, Ready, Sum, Watch};
use crate::engine::workspace::{Entry, Workspace};
use crate::memory::Recycled;

/// The reverse loop. `sums` holds, for each node up to `output`, the gradient of the node as far as it has been added
/// up, or `None` while nothing has arrived. The gradient of the output itself must already be there.
///
/// A node is used only by nodes that were recorded later and therefore have a higher index. When the loop reaches a
/// node, all of these have added their parts, so the gradient of the node is complete. Now the operation of the node
/// adds, by its rule `vjp`, to the sums of the nodes that it was computed from.
///
/// `wanted` says for each node whether its gradient is needed; `None` means that the gradients of all differentiated
/// nodes are needed. `observer` (see `watch.rs`) is told when the gradient of a node that has an operation is complete,
/// and when it has been passed on.
fn reverse<T: Float, V: Tensor<T>>(
    tape: &Tape<T>,
    output: u32,
    sums: &[Sum<V::Sum>],
    context: V::Context,
    wanted: Option<&[bool]>,
    vjp: impl Fn(&dyn AnyOperation<T>, &Vjp<'_, T, V>),
    observer: &mut impl Observer<V::Sum>,
) {
    for index in (0..=output).rev() {
        let sum = &sums[index as usize];
        let node = tape.nodes().node(index);
        let Some(operation) = tape.operation(&node) else {
            observer.leaf(index, sum);
            continue;
        };
        if sum.borrow().is_some() && wanted.is_none_or(|wanted| node.inputs.iter().any(|&i| wanted[i as usize])) {
            observer.complete(index, sum);
            vjp(operation, &Vjp::new(context, (index, node.inputs), sums, wanted));
            sum.take(); // no longer needed: its memory goes back to the pool
            observer.passed_on(index, node.inputs, sums);
        }
    }
}

/// Makes room for the gradients of all nodes up to `output`, and starts the output's own at 1: the derivative of the
/// output by itself.
fn seed<S>(sums: &mut Vec<Sum<S>>, output: u32, one: S) {
    sums.resize_with(output as usize, RefCell::default);
    sums.push(RefCell::new(Some(one)));
}

/// The gradients of node `output`, a single number, by all leaves.
#[track_caller]
pub(crate) fn backward<T: Float>(tape: &Tape<T>, output: u32, ready: Option<Ready<'_, T>>) -> Gradients<T> {
    let told = ready.is_some();
    let Workspace { pool, mut entries, sums } = tape.workspaces().borrow();
    let nodes = &tape.nodes().frozen();
    let mut sums = sums.into_vec();
    if nodes.is_differentiated(output) {
        seed(&mut sums, output, Value::uniform(T::from_f64(1.0), nodes.node(output).value.shape(), &pool));
        let watch = &mut Watch::new(tape, &mut entries, ready);
        let vjp = |operation: &dyn AnyOperation<T>, cx: &Vjp<'_, T, Value<'_, T>>| operation.vjp_values(cx);
        reverse(tape, output, &sums, ValueContext::new(nodes, &pool), None, vjp, watch);
        for &(leaf, param) in tape.leaves().iter().take_while(|(leaf, _)| *leaf <= output) {
            entries.extend(sums[leaf as usize].take().map(|gradient| Entry::new(leaf, param, gradient)));
        }
        if told {
            entries.sort_by_key(|entry| entry.node); // the sweep came to the last leaves first
        }
    }
    let sums = Recycled::from_vec(sums);
    Gradients::new(tape, Workspace { pool, entries, sums })
}

/// The derivative of the gradient along `directions`, by all leaves: the Hessian times the directions.
///
/// Dual numbers carry a derivative along with each value. First the sweep goes forward, to find how each node moves
/// when the leaves move along the directions. Then it goes back over arrays that carry their derivative, so the
/// gradient that arrives at a leaf carries its derivative too.
pub(crate) fn hvp<T: Float>(
    tape: &Tape<T>,
    output: u32,
    directions: impl Iterator<Item = (u32, impl IntoArray<T>)>,
) -> Gradients<T> {
    let Workspace { pool, mut entries, sums } = tape.workspaces().borrow();
    let nodes = &tape.nodes().frozen();
    if nodes.is_differentiated(output) {
        let values = ValueContext::new(nodes, &pool);
        let tangents = &forward(tape, values, output, directions);
        let one = Value::uniform(T::from_f64(1.0), nodes.node(output).value.shape(), &pool);
        let mut duals = Vec::new();
        seed(&mut duals, output, DualValue { value: one, tangent: None });
        let vjp = |operation: &dyn AnyOperation<T>, cx: &Vjp<'_, T, DualValue<'_, T>>| operation.vjp_duals(cx);
        reverse(tape, output, &duals, DualContext { values, tangents }, None, vjp, &mut ());
        for &(leaf, param) in tape.leaves().iter().take_while(|(leaf, _)| *leaf <= output) {
            if let Some(DualValue { tangent: Some(moved), .. }) = duals[leaf as usize].take() {
                entries.push(Entry::new(leaf, param, moved));
            }
        }
    }
    Gradients::without_updates(tape, Workspace { pool, entries, sums })
}

/// Returns how node `output` moves when the leaves move along `directions`; `None` if it stands still.
pub(crate) fn jvp<T: Float>(
    tape: &Tape<T>,
    output: u32,
    directions: impl Iterator<Item = (u32, impl IntoArray<T>)>,
) -> Option<ArrayD<T>> {
    let workspace = tape.workspaces().borrow();
    let nodes = &tape.nodes().frozen();
    let tangents = forward(tape, ValueContext::new(nodes, &workspace.pool), output, directions);
    let moved = tangents.last().and_then(|tangent| tangent.as_ref().map(Value::array));
    drop(tangents);
    tape.workspaces().give_back(workspace);
    moved
}

/// The forward loop: returns how each node up to `output` moves when the leaves move along `directions`.
fn forward<'s, T: Float>(
    tape: &Tape<T>,
    values: ValueContext<'s, T>,
    output: u32,
    directions: impl Iterator<Item = (u32, impl IntoArray<T>)>,
) -> Vec<Option<Value<'s, T>>> {
    let mut tangents: Vec<Option<Value<'s, T>>> = vec![None; output as usize + 1];
    for (node, direction) in directions.filter(|(node, _)| *node <= output) {
        let written = Value::load(values, node).constant(&direction.shape(), |out| direction.write(out));
        tangents[node as usize] = Some(written);
    }
    for index in 0..=output {
        let node = tape.nodes().node(index);
        let Some(operation) = tape.operation(&node) else { continue };
        let moved: SmallVec<[_; 4]> = node.inputs.iter().map(|&i| tangents[i as usize].clone()).collect();
        if moved.iter().any(Option::is_some) {
            let inputs: SmallVec<[_; 4]> = node.inputs.iter().map(|&i| Value::load(values, i)).collect();
            tangents[index as usize] = operation.jvp_values(&Jvp::new(&inputs, &moved, &Value::load(values, index)));
        }
    }
    tangents
}

/// The gradients of `output` by `inputs`, recorded on the tape, so that they can be differentiated again.
pub(crate) fn grad<'t, T: Float>(
    output: Var<'t, T>,
    inputs: &[Var<'t, T>],
    location: &'static Location<'static>,
) -> Vec<Var<'t, T>> {
    let tape = output.tape();
    let mut asked = vec![false; output.index() as usize + 1];
    for input in inputs.iter().filter(|input| input.index() <= output.index()) {
        asked[input.index() as usize] = true;
    }
    // the gradient of a node is recorded only if the node depends on one of the inputs
    let mut wanted = asked.clone();
    for index in 0..=output.index() {
        wanted[index as usize] |= tape.nodes().node(index).inputs.iter().any(|&i| wanted[i as usize]);
    }
    let mut recorder = Recorder { tape, gradients: vec![None; asked.len()], asked };
    tape.at(location, || {
        if wanted[output.index() as usize] {
            let mut sums = Vec::new();
            let one = tape.constant_with(output.shape(), |one| one.fill(T::from_f64(1.0)));
            seed(&mut sums, output.index(), one.into());
            let vjp = |operation: &dyn AnyOperation<T>, cx: &Vjp<'_, T, Var<'t, T>>| operation.vjp_vars(cx);
            reverse(tape, output.index(), &sums, tape, Some(&wanted), vjp, &mut recorder);
            // the loop skipped the nodes that do not depend on a wanted node, such as leaves
            (0..).zip(&sums).for_each(|(node, sum)| recorder.complete(node, sum));
        }
        let zeros = |input: &Var<'t, T>| tape.constant_with(input.shape(), |_| {});
        let gradient = |input: &Var<'t, T>| recorder.gradients.get(input.index() as usize).copied().flatten();
        inputs.iter().map(|input| gradient(input).unwrap_or_else(|| zeros(input))).collect()
    })
}

/// Stores the gradient of each node that was asked for, as soon as the gradient is complete.
struct Recorder<'t, T: Float> {
    tape: &'t Tape<T>,
    /// whether the gradient of a node is asked for
    asked: Vec<bool>,
    gradients: Vec<Option<Var<'t, T>>>,
}

impl<'t, T: Float> Observer<<Var<'t, T> as Sweep<T>>::Sum> for Recorder<'t, T> {
    fn complete(&mut self, node: u32, sum: &Sum<<Var<'t, T> as Sweep<T>>::Sum>) {
        if self.asked[node as usize]
            && let Some(complete) = sum.take()
        {
            let gradient = Var::total(complete, self.tape, node);
            sum.replace(Some(gradient.into())); // the node's own rule needs it too
            self.gradients[node as usize] = Some(gradient);
        }
    }
}
