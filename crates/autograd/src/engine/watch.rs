//! Observers of a sweep, which keep the gradients that were asked for, and stop at numbers that are not finite.

use std::cell::RefCell;

use crate::Float;
use crate::engine::tape::{Detect, Tape};
use crate::engine::value::Value;
use crate::engine::workspace::Entry;
use crate::model::param::ParamId;

/// The gradient of a node, as far as it has been added up; `None` while nothing has arrived.
pub(crate) type Sum<S> = RefCell<Option<S>>;

/// An observer of a reverse loop.
pub(crate) trait Observer<S> {
    /// Called when the gradient of a node is complete.
    fn complete(&mut self, _node: u32, _sum: &Sum<S>) {}
    /// Called when the loop has come to a leaf, whose gradient is complete then.
    fn leaf(&mut self, _node: u32, _sum: &Sum<S>) {}
    /// Called when a node has added to the sums of its inputs.
    fn passed_on(&mut self, _node: u32, _inputs: &[u32], _sums: &[Sum<S>]) {}
}
impl<S> Observer<S> for () {}

/// Called with each parameter and its gradient, as soon as the gradient is complete.
pub(crate) type Ready<'a, T> = &'a mut dyn FnMut(ParamId, &[T]);

/// Keeps the gradients that [`Var::keep_gradient`](crate::Var::keep_gradient) asked for, and stops at an anomaly if the
/// tape detects them.
pub(crate) struct Watch<'a, 'r, T: Float> {
    tape: &'a Tape<T>,
    kept: Vec<u32>,
    entries: &'a mut Vec<Entry>,
    /// a description of the gradient that is being passed on, if the tape detects anomalies
    arrived: Option<String>,
    ready: Option<Ready<'r, T>>,
}

impl<'a, 'r, T: Float> Watch<'a, 'r, T> {
    pub(crate) fn new(tape: &'a Tape<T>, entries: &'a mut Vec<Entry>, ready: Option<Ready<'r, T>>) -> Self {
        let mut kept = tape.kept().clone();
        kept.sort_unstable();
        Watch { tape, kept, entries, arrived: None, ready }
    }
}

impl<'s, T: Float> Observer<Value<'s, T>> for Watch<'_, '_, T> {
    #[inline]
    fn complete(&mut self, node: u32, sum: &Sum<Value<'s, T>>) {
        if !self.kept.is_empty() && self.kept.binary_search(&node).is_ok() {
            self.entries.extend(sum.borrow().clone().map(|gradient| Entry::new(node, None, gradient)));
        }
        if self.tape.detects() != Detect::Off {
            self.arrived = sum.borrow().as_ref().map(|gradient| self.tape.range_of(gradient));
        }
    }
    #[inline]
    fn leaf(&mut self, node: u32, sum: &Sum<Value<'s, T>>) {
        let Some(ready) = &mut self.ready else { return };
        let leaves = self.tape.leaves();
        let place = leaves.binary_search_by_key(&node, |(leaf, _)| *leaf);
        if let Some(param) = place.ok().and_then(|place| leaves[place].1)
            && let Some(gradient) = sum.take()
        {
            let pool = gradient.pool;
            let entry = Entry::new(node, Some(param), gradient);
            ready(param, &pool.kept(entry.numbers)[..entry.shape.iter().product()]);
            self.entries.push(entry);
        }
    }
    #[inline]
    #[track_caller]
    fn passed_on(&mut self, node: u32, inputs: &[u32], sums: &[Sum<Value<'s, T>>]) {
        if let Some(arrived) = self.arrived.take() {
            for &input in inputs {
                if let Some(gradient) = &*sums[input as usize].borrow() {
                    self.tape.check_gradient(node, input, &arrived, gradient);
                }
            }
        }
    }
}
