//! A tape, run again with other values of its leaves.

use ndarray::ArrayD;

use crate::array::IntoArray;
use crate::engine::tensor::{Sweep, Tensor};
use crate::engine::value::{Value, ValueContext};
use crate::memory::{Frozen, Pool};
use crate::view::{Output, View};
use crate::{Float, Tape, Var};

impl<T: Float> Tape<T> {
    /// The value that `output` would have if some leaves had other values: the operations of the tape run again, and
    /// the tape stays as it is.
    ///
    /// Only what the tape recorded is done again. A choice that was made while the program ran (an `if`, the numbers
    /// that dropout drew, the labels of a cost, the places that `max`, `sort` or `topk` along an axis found) stays as
    /// it was, and so do constants, also those that were computed from a leaf, such as the result of [`Var::detach`] or
    /// of a comparison.
    ///
    /// # Panics
    /// If a variable is of another tape, or a leaf is not one that is differentiated ([`Tape::var`](Tape::var) or a
    /// parameter), or has another shape than its new value.
    ///
    /// ```
    /// use gradus_autograd::Tape;
    /// let tape = Tape::<f64>::mathematics();
    /// let (w, x) = (tape.var(0.5), tape.var(2.0));
    /// let cost = (w * x - 3.0).square();
    /// assert_eq!(cost.item(), 4.0);
    /// assert_eq!(tape.replay(cost, [(w, 1.0)])[[]], 1.0);
    /// assert_eq!(tape.replay(cost, [(w, 1.0), (x, 4.0)])[[]], 1.0);
    /// ```
    #[track_caller]
    pub fn replay<'t, A: IntoArray<T>>(
        &'t self,
        output: Var<'t, T>,
        leaves: impl IntoIterator<Item = (Var<'t, T>, A)>,
    ) -> ArrayD<T> {
        self.check_tapes("replay", &[output]);
        let (pool, nodes) = (Pool::new(), &self.nodes().frozen());
        let context = ValueContext::new(nodes, &pool);
        let mut values = vec![None; output.index() as usize + 1];
        for (leaf, value) in leaves {
            self.check_tapes("replay", &[leaf, output]);
            let node = nodes.node(leaf.index());
            let is_leaf = node.differentiated && node.operation.is_none();
            assert!(is_leaf, "replay: #{} is not a leaf that is differentiated; make it with `tape.var`", leaf.index());
            let (old, new) = (node.value.shape(), value.shape());
            assert!(old == &new[..], "replay: the leaf #{} is {old:?}, and its new value {new:?}", leaf.index());
            if let Some(place) = values.get_mut(leaf.index() as usize) {
                *place = Some(moved(context, leaf.index(), |out| value.write(out)));
            }
        }
        rerun(self, context, &steps_behind(self, output.index()), values).array()
    }
}

/// A new value of a leaf.
pub(crate) fn moved<'s, T: Float>(
    context: ValueContext<'s, T>,
    leaf: u32,
    write: impl FnOnce(&mut [T]),
) -> Value<'s, T> {
    let old = Value::load(context, leaf);
    let shape = crate::Shape::from_slice(Tensor::shape(&old));
    old.constant(&shape, write)
}

/// The steps that a value depends on, in the order of the tape; the last one is the value's own.
pub(crate) fn steps_behind<T: Float>(tape: &Tape<T>, output: u32) -> Vec<u32> {
    let nodes = tape.nodes().frozen();
    let mut needed = vec![false; output as usize + 1];
    needed[output as usize] = true;
    for index in (0..=output).rev() {
        if needed[index as usize] {
            nodes.node(index).inputs.iter().for_each(|&i| needed[i as usize] = true);
        }
    }
    (0..=output).filter(|&index| needed[index as usize]).collect()
}

/// Runs those of the steps again whose inputs have new values. Returns the value of the last one.
pub(crate) fn rerun<'s, T: Float>(
    tape: &'s Tape<T>,
    context: ValueContext<'s, T>,
    steps: &[u32],
    mut values: Vec<Option<Value<'s, T>>>,
) -> Value<'s, T> {
    let nodes: &Frozen<'s, T> = context.nodes;
    let held = tape.held().borrow();
    for &index in steps {
        let node = nodes.node(index);
        let changed = node.inputs.iter().any(|&i| values[i as usize].is_some());
        let Some(operation) = tape.operation(&node).filter(|_| changed) else { continue };
        // what the operation kept of its old inputs says nothing about the new ones
        let inputs = node.inputs.iter().filter(|i| held.binary_search(i).is_err());
        let load = |&i: &u32| values[i as usize].clone().unwrap_or_else(|| Value::load(context, i));
        let inputs: Vec<Value<'s, T>> = inputs.map(load).collect();
        let views: Vec<View<'_, T>> = inputs.iter().map(Value::view).collect();
        let shape = node.value.shape();
        let value = Value::fresh(shape, context.pool, |out| operation.run(&views, Output::new(out, shape)));
        values[index as usize] = Some(value);
    }
    let last = steps[steps.len() - 1];
    values[last as usize].take().unwrap_or_else(|| Value::load(context, last))
}

#[cfg(test)]
mod tests {
    use ndarray::ArrayD;

    use crate::{Tape, ops};

    /// Replayed at other points, each operation gives the very numbers that it gives when it is recorded there.
    #[test]
    fn every_operation_runs_again() {
        for check in ops::checks() {
            let tape = Tape::<f64>::mathematics();
            let vars: Vec<_> = check.inputs.iter().map(|x| tape.var(x)).collect();
            let y = (check.run)(&vars);
            let there: Vec<ArrayD<f64>> = check.inputs.iter().map(|x| x.mapv(|x| x + 1e-3 * (x * 7.0).cos())).collect();
            let other = Tape::<f64>::mathematics();
            let recorded = (check.run)(&there.iter().map(|x| other.var(x)).collect::<Vec<_>>());
            let replayed = tape.replay(y, vars.iter().copied().zip(&there));
            assert_eq!(replayed, recorded.value(), "{}", check.name);
        }
    }

    /// What an operation kept for its old inputs, such as the places of maxima, is not used for new ones.
    #[test]
    fn what_was_kept_is_not_taken_for_new_inputs() {
        use crate::{NormThen, Pooling, Var, fused};
        fused! { fn bell(x) { (-x * x).exp() } }
        fused! { fn total(x) -> sum { (-x * x).exp() } }
        let windows = Pooling::new([2, 2]);
        type Run = fn(Var<'_, f64>, Pooling) -> Var<'_, f64>;
        let runs: [Run; 4] = [
            |x, windows| x.max_pool2d(windows),
            |x, windows| {
                let (weight, bias) = (x.tape().constant([1.5]), x.tape().constant([0.1]));
                x.batch_norm_then(weight, bias, 1e-3, NormThen::ReluMaxPool(windows)).0
            },
            |x, _| bell(x),
            |x, _| total(x),
        ];
        let here = ArrayD::from_shape_fn(vec![2, 1, 4, 4], |i| (i[0] * 16 + i[2] * 4 + i[3]) as f64 * 0.1);
        let there = here.mapv(|x| 3.1 - x); // the largest become the smallest
        for run in runs {
            let (tape, other) = (Tape::<f64>::mathematics(), Tape::<f64>::mathematics());
            let x = tape.var(&here);
            let replayed = tape.replay(run(x, windows), [(x, &there)]);
            assert_eq!(replayed, run(other.var(&there), windows).value());
        }
    }

    #[test]
    fn what_is_not_moved_stays() {
        let tape = Tape::<f64>::mathematics();
        let (x, w) = (tape.var([1.0, 2.0]), tape.var([3.0, 4.0]));
        let y = x * w.detach() + w;
        assert_eq!(tape.replay(y, [(w, [5.0, 6.0])]), ndarray::array![8.0, 14.0].into_dyn()); // the copy stays
        assert_eq!(tape.replay(y, [] as [(_, f64); 0]), y.value());
        let later = tape.var(1.0);
        assert_eq!(tape.replay(y, [(later, 2.0)]), y.value()); // recorded after the output
    }

    #[test]
    fn only_what_the_output_needs_runs_again() {
        let tape = Tape::<f64>::mathematics();
        let w = tape.var(2.0);
        let _other = (w * 3.0).exp();
        let cost = w.square();
        assert_eq!(super::steps_behind(&tape, cost.index()), [w.index(), cost.index()]);
    }

    #[test]
    fn only_leaves_move() {
        let tape = Tape::<f64>::mathematics();
        let (x, c) = (tape.var([1.0, 2.0]), tape.constant(3.0));
        let y = x * c;
        let message = |f: &dyn Fn()| {
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).expect_err("a panic");
            caught.downcast_ref::<String>().expect("a text").clone()
        };
        let of = |text: &str| format!("replay: {text}");
        let leaf = of("#1 is not a leaf that is differentiated; make it with `tape.var`");
        assert_eq!(message(&|| drop(tape.replay(y, [(c, 1.0)]))), leaf);
        let shape = of("the leaf #0 is [2], and its new value [3]");
        assert_eq!(message(&|| drop(tape.replay(y, [(x, [1.0, 2.0, 3.0])]))), shape);
        assert!(message(&|| drop(tape.replay(y, [(y, 1.0)]))).contains("#2 is not a leaf"));
        let other = Tape::<f64>::mathematics();
        let foreign = other.var(1.0);
        assert!(message(&|| drop(tape.replay(foreign, [] as [(_, f64); 0]))).contains("different tapes"));
    }
}
