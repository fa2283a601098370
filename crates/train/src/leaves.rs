//! A model's numbers by path, and how they fit another model.

use std::fmt;

use gradus_autograd::{Float, Module, Visitor};
use serde::{Deserialize, Serialize};

/// Every parameter and buffer of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct Leaves<T: Float> {
    /// of its numbers; stands first, so that it is checked before they are read
    #[serde(with = "gradus_autograd::exact")]
    pub(crate) scalar: String,
    pub(crate) leaves: Vec<SavedLeaf<T>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct SavedLeaf<T: Float> {
    #[serde(with = "gradus_autograd::exact")]
    pub(crate) path: String,
    pub(crate) shape: Vec<usize>,
    #[serde(with = "gradus_autograd::exact")]
    pub(crate) numbers: Vec<T>,
}

/// How saved numbers differ from a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// in the model, but not in the file
    pub missing: Vec<String>,
    /// in the file, but not in the model
    pub unexpected: Vec<String>,
    /// in both: path, shape in the file, shape in the model
    pub shapes: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl Mismatch {
    /// Whether everything fits.
    pub fn is_empty(&self) -> bool {
        *self == Mismatch::default()
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for path in &self.missing {
            write!(f, "\n  missing in the file: {path}")?;
        }
        for path in &self.unexpected {
            write!(f, "\n  unexpected in the file: {path}")?;
        }
        for (path, found, expected) in &self.shapes {
            write!(f, "\n  {path}: {found:?} in the file, {expected:?} in the model")?;
        }
        Ok(())
    }
}

impl<T: Float> Leaves<T> {
    pub(crate) fn of<M: Module<T> + ?Sized>(model: &M) -> Self {
        let leaves = model.leaves().into_iter().map(|(path, leaf)| SavedLeaf {
            path,
            shape: leaf.shape().to_vec(),
            numbers: leaf.data().to_vec(),
        });
        Leaves { scalar: T::NAME.into(), leaves: leaves.collect() }
    }

    fn find(&self, path: &str) -> Option<&SavedLeaf<T>> {
        self.leaves.iter().find(|leaf| leaf.path == path)
    }

    pub(crate) fn compare<M: Module<T> + ?Sized>(&self, model: &M) -> Mismatch {
        let own = model.leaves();
        let known = |leaf: &&SavedLeaf<T>| !own.iter().any(|(path, _)| *path == leaf.path);
        let shapes = own.iter().filter_map(|(path, leaf)| Some((path, self.find(path)?, leaf.shape())));
        Mismatch {
            missing: own.iter().filter(|(path, _)| self.find(path).is_none()).map(|(path, _)| path.clone()).collect(),
            unexpected: self.leaves.iter().filter(known).map(|leaf| leaf.path.clone()).collect(),
            shapes: shapes
                .filter(|(_, saved, shape)| saved.shape != *shape)
                .map(|(path, saved, shape)| (path.clone(), saved.shape.clone(), shape.to_vec()))
                .collect(),
        }
    }

    /// What is wrong in itself: numbers that are not as many as the shape says.
    pub(crate) fn flaw(&self) -> Option<String> {
        let count = |leaf: &SavedLeaf<T>| leaf.shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
        let short = self.leaves.iter().find(|leaf| count(leaf) != Some(leaf.numbers.len()))?;
        Some(format!("{} has {} numbers for shape {:?}", short.path, short.numbers.len(), short.shape))
    }

    /// Writes what fits into a model.
    pub(crate) fn write_to<M: Module<T> + ?Sized>(&self, model: &mut M) {
        model.visit_mut(&mut Visitor::new(&mut |path, mut leaf| {
            if let Some(own) = self.find(&path.to_string())
                && own.shape == leaf.shape()
            {
                leaf.update(|numbers| numbers.copy_from_slice(&own.numbers));
            }
        }));
    }
}
