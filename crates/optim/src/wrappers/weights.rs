//! Copies of a model's parameters, by path.

use gradus_autograd::{Float, Leaf, LeafMut, Module, Visitor};
use serde::{Deserialize, Serialize};

use crate::StateError;

/// The numbers of all parameters of a model, in the order of the model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Weights<T: Float> {
    /// the path and the numbers of each parameter
    #[serde(with = "gradus_autograd::exact")]
    pub params: Vec<(String, Vec<T>)>,
}

impl<T: Float> Weights<T> {
    /// A copy of a model's parameters.
    pub fn of<M: Module<T> + ?Sized>(model: &M) -> Self {
        Weights { params: model.params().into_iter().map(|(path, p)| (path, p.data().to_vec())).collect() }
    }

    /// Writes the numbers into the parameters of a model.
    ///
    /// # Panics
    /// If the model's paths or sizes differ.
    #[track_caller]
    pub fn write_to<M: Module<T> + ?Sized>(&mut self, model: &mut M) {
        self.with(model, |mine, theirs| theirs.copy_from_slice(mine));
    }

    /// Runs `f(own, the model's)` for each parameter of the model; `f` may change both.
    #[track_caller]
    pub(crate) fn with<M: Module<T> + ?Sized>(&mut self, model: &mut M, mut f: impl FnMut(&mut [T], &mut [T])) {
        self.check(model);
        let mut next = self.params.iter_mut();
        model.visit_mut(&mut Visitor::new(&mut |_, leaf| {
            if let LeafMut::Param(param) = leaf
                && let Some((_, own)) = next.next()
            {
                param.update(|theirs| f(own, theirs));
            }
        }));
    }

    /// Runs `f(own, the model's)` for each parameter of the model; `f` may change only the first.
    #[track_caller]
    pub(crate) fn follow<M: Module<T> + ?Sized>(&mut self, model: &M, mut f: impl FnMut(&mut [T], &[T])) {
        self.check(model);
        let mut next = self.params.iter_mut();
        model.visit(&mut Visitor::new(&mut |_, leaf| {
            if let Leaf::Param(param) = leaf
                && let Some((_, own)) = next.next()
            {
                f(own, param.data());
            }
        }));
    }

    #[track_caller]
    pub(crate) fn check<M: Module<T> + ?Sized>(&self, model: &M) {
        self.fit(model).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Checks that the weights belong to this model.
    pub(crate) fn fit<M: Module<T> + ?Sized>(&self, model: &M) -> Result<(), StateError> {
        let params = model.params();
        let unfit =
            self.params.iter().zip(&params).find(|((own, numbers), (path, p))| own != path || numbers.len() != p.len());
        let reason = if let Some(((own, numbers), (path, param))) = unfit {
            format!(
                "the weights of `{own}` ({} numbers) are not for `{path}` of shape {:?}; they were copied from another \
                 model",
                numbers.len(),
                param.shape()
            )
        } else if self.params.len() != params.len() {
            format!(
                "the weights are of {} parameters, but the model has {}; they were copied from another model",
                self.params.len(),
                params.len()
            )
        } else {
            return Ok(());
        };
        Err(StateError::OtherModel { reason })
    }
}

/// Checks that the parameters (path, length) that a state knows are those of the model. A state that knows no
/// parameters yet fits every model.
pub(crate) fn of_these_parameters<T: Float, M: Module<T> + ?Sized>(
    what: &str,
    known: &[(String, usize)],
    model: &M,
) -> Result<(), StateError> {
    let params = model.params();
    let same = known.len() == params.len()
        && known.iter().zip(&params).all(|((own, len), (path, param))| own == path && *len == param.len());
    match known.is_empty() || same {
        true => Ok(()),
        false => {
            Err(StateError::OtherModel { reason: format!("{what}: the state is of other parameters than the model's") })
        }
    }
}

/// Stores the paths and lengths of a model's parameters in `known` the first time, and compares them later. Returns
/// true the first time.
///
/// # Panics
/// If they differ.
#[track_caller]
pub(crate) fn same_parameters<T: Float, M: Module<T> + ?Sized>(
    what: &str,
    known: &mut Vec<(String, usize)>,
    model: &M,
) -> bool {
    let params: Vec<(String, usize)> = model.params().into_iter().map(|(path, p)| (path, p.len())).collect();
    let first = known.is_empty();
    if first {
        *known = params;
    } else {
        assert!(
            *known == params,
            "{what}: the state is of another model, with the parameters (path, length) {known:?}, not {params:?}"
        );
    }
    first
}
