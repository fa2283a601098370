//! Runs a rule over a parameter, in pieces on several threads or on the whole.

use std::ops::Range;

use gradus_autograd::internal::{Typed, split_many};
use gradus_autograd::{Float, Param};
use smallvec::SmallVec;

use crate::{Rule, States, Update};

/// The settings of one step.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    pub(crate) scale: f64,
    pub(crate) lr: f64,
    pub(crate) step: u64,
}

/// Updates a parameter, or some of its rows, or the slice of it that this process keeps the state of. `state` holds the
/// parts of the rule's state, one after the other.
pub(crate) fn update<R: Rule, T: Float>(
    rule: &R,
    param: &mut Param<T>,
    grad: &[T],
    state: &mut [T],
    step: Step,
    (rows, own): (Option<&[usize]>, Option<Range<usize>>),
) {
    let Step { scale, lr, step } = step;
    let shape = SmallVec::<[usize; 4]>::from_slice(param.shape());
    let (states, len, shape) = (rule.states(&shape), param.len(), &shape[..]);
    let rows = rows.map(|rows| (rows, shape[1..].iter().product()));
    param.update_padded(|theta| match (T::typed_mut(theta), T::typed(grad), T::typed_mut(state)) {
        (Typed::F32(theta), Typed::F32(grad), Typed::F32(state)) => {
            let (theta, grad) = slice(theta, grad, own);
            apply(&states, len, (theta, grad, state), rows, |theta, grad, state| {
                rule.update_f32(Update { theta, grad, scale: scale as f32, state, shape, lr, step });
            });
        }
        (Typed::F64(theta), Typed::F64(grad), Typed::F64(state)) => {
            let (theta, grad) = slice(theta, grad, own);
            apply(&states, len, (theta, grad, state), rows, |theta, grad, state| {
                rule.update_f64(Update { theta, grad, scale, state, shape, lr, step });
            });
        }
        _ => unreachable!("all three are of the same type"),
    });
}

/// A slice of a parameter and of its gradient, or the whole.
fn slice<'a, T>(theta: &'a mut [T], grad: &'a [T], own: Option<Range<usize>>) -> (&'a mut [T], &'a [T]) {
    match own {
        None => (theta, grad),
        Some(own) => (&mut theta[own.clone()], &grad[own]),
    }
}

/// The least number of elements for each thread: a parameter is split between threads only if every piece has that
/// many.
const GRAIN: usize = 1 << 17;

/// Runs `f(parameter, gradient, state)` on pieces of the parameter or on the whole, as `states` says; if rows of so
/// many numbers are given, on these only.
fn apply<T: Send + Sync>(
    states: &States,
    len: usize,
    (theta, grad, state): (&mut [T], &[T], &mut [T]),
    rows: Option<(&[usize], usize)>,
    f: impl Fn(&mut [T], &[T], &mut [&mut [T]]) + Sync,
) {
    match states {
        States::Each(count) => {
            let padded = theta.len();
            let mut slices = SmallVec::<[&mut [T]; 5]>::new();
            slices.push(theta);
            cut(state, std::iter::repeat_n(padded, *count), &mut slices);
            // pieces of the whole are cut so that each has a thread's work of the rows
            let share = rows.map_or(1, |(rows, width)| padded / (rows.len() * width).max(1)).max(1);
            split_many(&mut slices, GRAIN * share, |start, slices| match rows {
                None => {
                    if let [theta, state @ ..] = slices {
                        f(theta, &grad[start..start + theta.len()], state);
                    }
                }
                Some(rows) => on_rows(rows, (start, slices), grad, &f),
            });
        }
        States::Whole(parts) => {
            let mut slices = SmallVec::<[&mut [T]; 5]>::new();
            cut(state, parts.iter().copied(), &mut slices);
            f(&mut theta[..len], &grad[..len], &mut slices);
        }
    }
}

/// Runs `f` on those rows of a piece that are given, with how many numbers a row has. The piece begins at `start`.
fn on_rows<T>(
    (rows, width): (&[usize], usize),
    (start, slices): (usize, &mut [&mut [T]]),
    grad: &[T],
    f: impl Fn(&mut [T], &[T], &mut [&mut [T]]),
) {
    let end = start + slices[0].len();
    let first = rows.partition_point(|row| (row + 1) * width <= start);
    let own = rows[first..].partition_point(|row| row * width < end);
    // rows side by side are one run
    for run in rows[first..][..own].chunk_by(|a, b| a + 1 == *b) {
        let (from, to) = ((run[0] * width).max(start), ((run[0] + run.len()) * width).min(end));
        let parts = slices.iter_mut().map(|slice| &mut slice[from - start..to - start]);
        if let [theta, state @ ..] = &mut parts.collect::<SmallVec<[&mut [T]; 5]>>()[..] {
            f(theta, &grad[from..to], state);
        }
    }
}

/// Cuts a slice into parts of the given lengths, and appends them to `parts`.
fn cut<'a, T>(mut rest: &'a mut [T], lengths: impl Iterator<Item = usize>, parts: &mut SmallVec<[&'a mut [T]; 5]>) {
    for len in lengths {
        let (part, behind) = rest.split_at_mut(len);
        parts.push(part);
        rest = behind;
    }
}
