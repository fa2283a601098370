//! The state of an optimizer, and how it is saved.

use std::collections::HashSet;
use std::ops::Range;

use gradus_autograd::internal::debug_as_display;
use gradus_autograd::{Float, Param, ParamId};
use serde::{Deserialize, Serialize};

use crate::AtRest;
use crate::spread::{Spread, complete};

/// The saved state of an optimizer: everything but its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct OptimizerState<T: Float> {
    /// the name of the rule, [`Rule::NAME`](crate::Rule::NAME)
    #[serde(with = "gradus_autograd::exact")]
    pub rule: String,
    /// the number of steps made
    pub steps: u64,
    /// the factor that [`Optimizer::set_factor`](crate::Optimizer::set_factor) set
    #[serde(with = "gradus_autograd::exact")]
    pub factor: f64,
    /// the state of each parameter
    pub params: Vec<ParamState<T>>,
}

/// The saved state of one parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct ParamState<T: Float> {
    /// the path of the parameter in the model
    #[serde(with = "gradus_autograd::exact")]
    pub path: String,
    /// the number of steps that this parameter made
    pub steps: u64,
    /// the shape of the parameter
    pub shape: Vec<usize>,
    /// the rule's numbers, one part after the other
    #[serde(with = "gradus_autograd::exact")]
    pub numbers: Vec<T>,
}

/// The largest number of steps that a state may have: more than any descent makes, and small enough that counting on
/// from it cannot overflow.
const MAX_STEPS: u64 = 1 << 53;

impl<T: Float> OptimizerState<T> {
    /// Returns what is wrong with the state in itself, if no optimizer can have saved it.
    pub(crate) fn flaw(&self) -> Option<String> {
        if !self.factor.is_finite() || self.factor < 0.0 {
            return Some(format!("its factor of the learning rate is {}", self.factor));
        }
        if self.steps > MAX_STEPS {
            return Some(format!("it counts {} steps", self.steps));
        }
        let mut seen = HashSet::new();
        self.params.iter().find_map(|ParamState { path, steps, shape, .. }| {
            let size = shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
            if !seen.insert(path) {
                Some(format!("it has two states for `{path}`"))
            } else if *steps > MAX_STEPS {
                Some(format!("it counts {steps} steps of `{path}`"))
            } else {
                size.is_none().then(|| format!("the shape {shape:?} of `{path}` is larger than memory"))
            }
        })
    }
}

/// The reason why a saved state does not fit.
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The state was saved by another rule.
    #[error("the saved state is of {saved}, the optimizer is {own}")]
    OtherRule {
        /// the name of the rule that saved the state
        saved: String,
        /// the name of this optimizer's rule
        own: &'static str,
    },
    /// The state holds something that no optimizer saves.
    #[error("the saved state is damaged: {reason}")]
    Damaged {
        /// what is wrong with the state
        reason: String,
    },
    /// The state belongs to another model, or to other settings.
    #[error("{reason}")]
    OtherModel {
        /// a message that says what does not fit
        reason: String,
    },
    /// The state was made with settings that keep more or fewer numbers.
    #[error(
        "the saved state has {saved} {what}, this one has {own}; load it into one with the settings it was saved with"
    )]
    OtherSize {
        /// the name of the things that are counted
        what: &'static str,
        /// the count in the saved state
        saved: usize,
        /// the count that is needed here
        own: usize,
    },
}
debug_as_display!(StateError);

/// What a row costs beside its numbers, in numbers.
const ROW: usize = 32;

/// The rows of a parameter that a step looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Extent {
    All,
    /// those that may have a gradient
    Given,
    /// those that have had one
    Touched,
}

/// The state of one parameter, and what is known about the parameter.
#[derive(Clone, Debug)]
pub(crate) struct Slot<T: Float> {
    pub(crate) path: String,
    /// the parameter's identity; `None` while the state is known by its path only
    pub(crate) param: Option<ParamId>,
    /// the index of the last group whose pattern fits
    pub(crate) group: Option<usize>,
    pub(crate) steps: u64,
    /// the optimizer's step at which this parameter was last updated
    pub(crate) last: u64,
    pub(crate) shape: Vec<usize>,
    /// the parameter's number of elements with padding; 0 if the state has no padding
    pub(crate) padded: usize,
    /// the slice of the parameter that the state is for, if other processes have the rest; the state is not padded then
    pub(crate) own: Option<Range<usize>>,
    /// the rule's state. Each part is padded like the parameter, unless the rule wants parts of its own lengths or the
    /// state was not used yet. The type is `Param` because its memory is aligned to cache lines
    pub(crate) state: Param<T>,
    /// the rows of the parameter whose state may be other than 0, in order; `None` if that is not known
    pub(crate) touched: Option<Vec<usize>>,
}

impl<T: Float> Slot<T> {
    pub(crate) fn load(saved: ParamState<T>) -> Self {
        let ParamState { path, steps, shape, numbers } = saved;
        Slot {
            path,
            param: None,
            group: None,
            steps,
            last: 0,
            shape,
            padded: 0,
            own: None,
            state: Param::new(numbers),
            touched: None,
        }
    }

    /// The state as it is saved: whole, if it is spread over processes.
    pub(crate) fn save(&self, spread: Option<&dyn Spread<T>>) -> ParamState<T> {
        let numbers = match (&self.own, spread) {
            (Some(own), Some(spread)) => self
                .parts()
                .flat_map(|part| {
                    let mut whole = vec![T::default(); self.len()];
                    whole[own.clone()].copy_from_slice(part);
                    complete(spread, &mut whole);
                    whole
                })
                .collect(),
            _ => self.numbers(),
        };
        ParamState { path: self.path.clone(), steps: self.steps, shape: self.shape.clone(), numbers }
    }

    /// The parts of a state that is for a slice.
    fn parts(&self) -> impl Iterator<Item = &[T]> {
        self.state.data().chunks_exact(self.own.as_ref().map_or(1, Range::len).max(1))
    }

    /// Returns the number of elements of the parameter.
    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Returns how many numbers the state has, without padding.
    pub(crate) fn count(&self) -> usize {
        match self.padded {
            0 => self.state.len(),
            padded => self.state.len() / padded * self.len(),
        }
    }

    /// Returns the numbers of the state. The padding, which may hold anything, is left out.
    pub(crate) fn numbers(&self) -> Vec<T> {
        match self.padded {
            0 => self.state.data().to_vec(),
            padded => self.state.data().chunks_exact(padded).flat_map(|part| &part[..self.len()]).copied().collect(),
        }
    }

    /// Returns which rows a step has to look at. `given` are those that may have a gradient other than 0; it is `None`
    /// if all rows may.
    pub(crate) fn rows_to_step(&mut self, given: Option<&[usize]>, at_rest: AtRest, lazy: bool) -> Extent {
        match (given, at_rest) {
            (None, _) | (_, AtRest::Moves) => {
                self.touched = None;
                Extent::All
            }
            (_, AtRest::Stays) => Extent::Given,
            (_, AtRest::StaysWhileZero) if lazy => {
                self.touched = None;
                Extent::Given
            }
            _ if self.padded == 0 => Extent::All, // the rule sees the whole parameter
            (Some(given), AtRest::StaysWhileZero) => {
                let (rows, width) = (self.shape[0], self.len() / self.shape[0].max(1));
                let mut touched = self.touched.take().unwrap_or_else(|| self.rows_with_state());
                if touched.len() < rows {
                    touched.extend_from_slice(given);
                    touched.sort(); // two runs in order: they are merged
                    touched.dedup();
                }
                if touched.len() * (width + ROW) > rows * width {
                    touched = (0..rows).collect(); // from now on, all
                }
                let all = touched.len() == rows;
                self.touched = Some(touched);
                if all { Extent::All } else { Extent::Touched }
            }
        }
    }

    /// Returns the rows whose state is not 0.
    fn rows_with_state(&self) -> Vec<usize> {
        let width: usize = self.shape[1..].iter().product();
        let parts: Vec<&[T]> = self.state.data().chunks_exact(self.padded.max(1)).collect();
        let is_zero = |row: usize| {
            parts.iter().all(|part| part[row * width..(row + 1) * width].iter().all(|&x| x == T::default()))
        };
        (0..self.shape[0]).filter(|&row| !is_zero(row)).collect()
    }

    /// Keeps the state for a slice of the parameter only.
    pub(crate) fn keep(&mut self, own: Range<usize>) {
        let len = self.len();
        if self.own.is_none() {
            let parts = self.numbers();
            let kept: Vec<T> = parts.chunks_exact(len).flat_map(|part| &part[own.clone()]).copied().collect();
            (self.state, self.padded) = (Param::new(kept), 0);
        }
        self.own = Some(own);
    }

    /// Moves the state into parts that are padded to `padded` numbers.
    pub(crate) fn pad(&mut self, padded: usize) {
        let (numbers, len) = (self.numbers(), self.len());
        if let Some(parts) = numbers.len().checked_div(len) {
            self.state = Param::with(&[parts * padded], |state| {
                let parts = state.chunks_exact_mut(padded).zip(numbers.chunks_exact(len));
                parts.for_each(|(part, saved)| part[..len].copy_from_slice(saved));
            });
            self.padded = padded;
        }
    }
}
