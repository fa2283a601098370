//! The three sweeps over a tape: one computes gradients, one records them, one computes how they move.

use std::cell::RefCell;
use std::panic::Location;

use ndarray::ArrayD;
use smallvec::SmallVec;

use crate::anomaly::{Detect, range};
use crate::array::IntoArray;
use crate::dual::{DualContext, DualValue};
use crate::gradients::{Entry, Gradients, Workspace, moves, put_back, workspace};
use crate::operation::{Jvp, Vjp};
use crate::storage::{Frozen, Recycled};
use crate::tensor::{Recorded, Tensor, Value, ValueContext};
use crate::{Float, Tape, Var};

/// The range of a gradient, in words.
fn described<T: Float>(slot: &RefCell<Option<Value<'_, T>>>) -> String {
    let gradient = slot.borrow().clone().map(Value::dense);
    gradient.map_or(String::new(), |gradient| format!("was {}", range(gradient.view())))
}

/// Sweeps from node `output`, a single number, and computes gradients.
#[track_caller]
pub(crate) fn backward<T: Float>(tape: &Tape<T>, output: u32) -> Gradients<T> {
    let Workspace { pool, mut entries, slots } = workspace(tape);
    let nodes = &tape.nodes().frozen();
    let mut slots: Vec<RefCell<Option<Value<'_, T>>>> = slots.into_vec();
    slots.resize_with(output as usize + 1, || RefCell::new(None));
    {
        let pool = &pool;
        let context = ValueContext::new(nodes, pool);
        let mut kept = tape.kept().clone();
        kept.sort_unstable();
        let result = nodes.node(output);
        if result.differentiated {
            slots[output as usize].replace(Some(Value::uniform(T::from_f64(1.0), result.value.shape(), pool)));
        }
        for index in (0..=output).rev() {
            let node = nodes.node(index);
            let Some(operation) = node.operation else { continue };
            match &*slots[index as usize].borrow() {
                None => continue,
                Some(gradient) if kept.binary_search(&index).is_ok() => {
                    entries.push(Entry::new(index, None, gradient.clone()));
                }
                Some(_) => {}
            }
            let arriving = (tape.detects().get() != Detect::Off).then(|| described(&slots[index as usize]));
            operation.vjp_values(&Vjp::new(context, (index, node.inputs), &slots, None));
            slots[index as usize].take(); // its memory serves the next
            if let Some(arriving) = arriving {
                for &input in node.inputs {
                    if let Some(gradient) = &*slots[input as usize].borrow() {
                        tape.check_gradient(&node, input, &arriving, gradient);
                    }
                }
            }
        }
        for &(node, param) in tape.leaves().iter().take_while(|(node, _)| *node <= output) {
            if let Some(gradient) = slots[node as usize].take() {
                entries.push(Entry::new(node, param, gradient));
            }
        }
    }
    let slots = Recycled::from_vec(slots);
    Gradients::new(tape, moves(tape), Workspace { pool, entries, slots })
}

/// Sweeps forward, to find how every node moves when the leaves move along `directions`, and back over values that
/// carry how they move: at the leaves arrives how the gradient moves, the Hessian times the direction.
pub(crate) fn hvp<T: Float>(
    tape: &Tape<T>,
    output: u32,
    directions: impl Iterator<Item = (u32, impl IntoArray<T>)>,
) -> Gradients<T> {
    let Workspace { pool, mut entries, slots } = workspace(tape);
    let nodes = &tape.nodes().frozen();
    {
        let values = ValueContext::new(nodes, &pool);
        let tangents = tangents(values, nodes, output, directions);
        let context = DualContext { values, tangents: &tangents };
        let mut duals: Vec<RefCell<Option<DualValue<'_, T>>>> = Vec::new();
        duals.resize_with(output as usize + 1, || RefCell::new(None));
        let result = nodes.node(output);
        if result.differentiated {
            let one = Value::uniform(T::from_f64(1.0), result.value.shape(), &pool);
            duals[output as usize].replace(Some(DualValue { value: one, tangent: None }));
        }
        for index in (0..=output).rev() {
            let node = nodes.node(index);
            let Some(operation) = node.operation else { continue };
            if duals[index as usize].borrow().is_some() {
                operation.vjp_duals(&Vjp::new(context, (index, node.inputs), &duals, None));
                duals[index as usize].take();
            }
        }
        for &(node, param) in tape.leaves().iter().take_while(|(node, _)| *node <= output) {
            if let Some(DualValue { tangent: Some(moved), .. }) = duals[node as usize].take() {
                entries.push(Entry::new(node, param, moved));
            }
        }
    }
    Gradients::new(tape, Vec::new(), Workspace { pool, entries, slots })
}

/// How node `output` moves when the leaves move along `directions`; nothing if it stands still.
pub(crate) fn jvp<T: Float>(
    tape: &Tape<T>,
    output: u32,
    directions: impl Iterator<Item = (u32, impl IntoArray<T>)>,
) -> Option<ArrayD<T>> {
    let Workspace { pool, entries, slots } = workspace(tape);
    let nodes = &tape.nodes().frozen();
    let values = ValueContext::new(nodes, &pool);
    let moved = tangents(values, nodes, output, directions).pop().flatten().map(|moved| moved.array());
    put_back(tape, Workspace { pool, entries, slots });
    moved
}

/// How each node up to `output` moves when the leaves move along `directions`.
fn tangents<'s, T: Float>(
    values: ValueContext<'s, T>,
    nodes: &'s Frozen<'s, T>,
    output: u32,
    directions: impl Iterator<Item = (u32, impl IntoArray<T>)>,
) -> Vec<Option<Value<'s, T>>> {
    let mut tangents: Vec<Option<Value<'s, T>>> = vec![None; output as usize + 1];
    for (node, direction) in directions.filter(|(node, _)| *node <= output) {
        let written = Value::load(values, node).constant(&direction.shape(), |out| direction.write(out));
        tangents[node as usize] = Some(written);
    }
    for index in 0..=output {
        let node = nodes.node(index);
        let Some(operation) = node.operation else { continue };
        let moved: SmallVec<[_; 4]> = node.inputs.iter().map(|&i| tangents[i as usize].clone()).collect();
        if moved.iter().any(Option::is_some) {
            let inputs: SmallVec<[_; 4]> = node.inputs.iter().map(|&i| Value::load(values, i)).collect();
            tangents[index as usize] = operation.jvp_values(&Jvp::new(&inputs, &moved, &Value::load(values, index)));
        }
    }
    tangents
}

/// Sweeps from `output` to `inputs` and records the gradients on the tape, so that they can be differentiated again.
pub(crate) fn grad<'t, T: Float>(
    output: Var<'t, T>,
    inputs: &[Var<'t, T>],
    location: &'static Location<'static>,
) -> Vec<Var<'t, T>> {
    let tape = output.tape();
    let nodes = tape.nodes();
    let end = inputs.iter().map(|v| v.index()).max().unwrap_or(0).max(output.index());
    let mut wanted = vec![false; end as usize + 1];
    for input in inputs {
        wanted[input.index() as usize] = true;
    }
    for index in 0..=output.index() {
        wanted[index as usize] |= nodes.node(index).inputs.iter().any(|&i| wanted[i as usize]);
    }
    let mut slots: Vec<RefCell<Option<Recorded<'t, T>>>> = Vec::new();
    slots.resize_with(end as usize + 1, RefCell::default);
    let total = |index: u32| slots[index as usize].take().map(|sum| Var::total(sum, tape, index));
    tape.at(location, || {
        slots[output.index() as usize]
            .replace(Some(tape.constant_with(output.shape(), |one| one.fill(T::from_f64(1.0))).into()));
        for index in (0..=output.index()).rev() {
            let node = nodes.node(index);
            if let Some(operation) = node.operation
                && node.inputs.iter().any(|&i| wanted[i as usize])
                && let Some(gradient) = total(index)
            {
                slots[index as usize].replace(Some(gradient.into()));
                operation.vjp_vars(&Vjp::new(tape, (index, node.inputs), &slots, Some(&wanted)));
                slots[index as usize].replace(Some(gradient.into())); // it may be asked for
            }
        }
        let gradient = |v: &Var<'t, T>| {
            let gradient = total(v.index()).unwrap_or_else(|| tape.constant_with(v.shape(), |_| {}));
            slots[v.index() as usize].replace(Some(gradient.into())); // it may be asked for twice
            gradient
        };
        inputs.iter().map(gradient).collect()
    })
}
