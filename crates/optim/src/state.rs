//! What an optimizer remembers, and how it is saved.

use std::collections::HashSet;

use gradus_autograd::internal::debug_as_display;
use gradus_autograd::{Float, Param, ParamId};
use serde::{Deserialize, Serialize};

/// The saved state of an optimizer: everything but its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct OptimizerState<T: Float> {
    /// [`Rule::NAME`](crate::Rule::NAME)
    #[serde(with = "gradus_autograd::exact")]
    pub rule: String,
    /// steps made
    pub steps: u64,
    /// what [`Optimizer::set_factor`](crate::Optimizer::set_factor) set
    #[serde(with = "gradus_autograd::exact")]
    pub factor: f64,
    /// one entry a parameter
    pub params: Vec<ParamState<T>>,
}

/// The saved state of one parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct ParamState<T: Float> {
    /// the path of the parameter in the model
    #[serde(with = "gradus_autograd::exact")]
    pub path: String,
    /// steps made
    pub steps: u64,
    /// the parameter's
    pub shape: Vec<usize>,
    /// the rule's numbers, one part behind the other
    #[serde(with = "gradus_autograd::exact")]
    pub numbers: Vec<T>,
}

/// More steps than any descent makes, so that counting on from them is safe.
const MAX_STEPS: u64 = 1 << 53;

impl<T: Float> OptimizerState<T> {
    /// What is wrong in itself, in a state that no optimizer saved.
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

/// Why a saved state does not fit.
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// It was saved by another rule.
    #[error("the saved state is of {saved}, the optimizer is {own}")]
    OtherRule {
        /// the saved one's name
        saved: String,
        /// this one's name
        own: &'static str,
    },
    /// It holds what no optimizer saves.
    #[error("the saved state is damaged: {reason}")]
    Damaged {
        /// what
        reason: String,
    },
    /// It is of another model, or of other settings for this one.
    #[error("{reason}")]
    OtherModel {
        /// the thing that does not fit
        reason: String,
    },
    /// It was made with settings that remember more or less.
    #[error(
        "the saved state has {saved} {what}, this one has {own}; load it into one with the settings it was saved with"
    )]
    OtherSize {
        /// the name of what is counted
        what: &'static str,
        /// the count in the saved state
        saved: usize,
        /// the count here
        own: usize,
    },
}
debug_as_display!(StateError);

/// What is known of one parameter.
#[derive(Clone, Debug)]
pub(crate) struct Slot<T: Float> {
    pub(crate) path: String,
    /// `None` for a state that was loaded and not used yet
    pub(crate) param: Option<ParamId>,
    /// the last group whose pattern fits
    pub(crate) group: Option<usize>,
    pub(crate) steps: u64,
    /// the optimizer's step at which it stepped last
    pub(crate) last: u64,
    pub(crate) shape: Vec<usize>,
    /// the same with padding; 0 if the state has none
    pub(crate) padded: usize,
    /// each part padded like the parameter, unless the rule wants parts of its own or the state was not used yet. It is
    /// a `Param` for its memory, which is aligned to lines of the cache
    pub(crate) state: Param<T>,
}

impl<T: Float> Slot<T> {
    pub(crate) fn load(saved: ParamState<T>) -> Self {
        let ParamState { path, steps, shape, numbers } = saved;
        Slot { path, param: None, group: None, steps, last: 0, shape, padded: 0, state: Param::new(numbers) }
    }

    pub(crate) fn save(&self) -> ParamState<T> {
        ParamState { path: self.path.clone(), steps: self.steps, shape: self.shape.clone(), numbers: self.numbers() }
    }

    /// Numbers of the parameter.
    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// How many numbers the state has, without padding.
    pub(crate) fn count(&self) -> usize {
        match self.padded {
            0 => self.state.len(),
            padded => self.state.len() / padded * self.len(),
        }
    }

    /// The state without padding, which may hold anything.
    pub(crate) fn numbers(&self) -> Vec<T> {
        match self.padded {
            0 => self.state.data().to_vec(),
            padded => self.state.data().chunks_exact(padded).flat_map(|part| &part[..self.len()]).copied().collect(),
        }
    }

    /// Takes the state over into parts that are padded.
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
