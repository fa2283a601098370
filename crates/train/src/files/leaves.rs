//! The numbers of a model by path, and how they fit another model.

use std::collections::{HashMap, HashSet};
use std::fmt;

use gradus_autograd::{Float, Module, Visitor};
use serde::{Deserialize, Serialize};

/// Every parameter and buffer of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct Leaves<T: Float> {
    /// the type of the numbers; it stands first, so that it is checked before they are read
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

/// The differences between saved numbers and a model.
#[must_use = "it tells what was not loaded"]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// paths that are in the model, but not in the file
    pub missing: Vec<String>,
    /// paths that are in the file, but not in the model
    pub unexpected: Vec<String>,
    /// paths that are in both, but with other shapes: the path, the shape in the file, the shape in the model
    pub shapes: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl Mismatch {
    /// Returns whether everything fits.
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

/// The first path that occurs a second time.
pub(crate) fn twice<'a>(paths: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = HashSet::new();
    paths.into_iter().find(|path| !seen.insert(*path))
}

/// The reason why a model cannot be saved or loaded, if there is one: two of its leaves have the same path.
pub(crate) fn unfit<T: Float, M: Module<T> + ?Sized>(model: &M) -> Option<String> {
    let leaves = model.leaves();
    let path = twice(leaves.iter().map(|(path, _)| &**path))?;
    Some(format!(
        "two parameters or buffers of the model have the path `{path}`, and one would be lost; give them other names"
    ))
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

    fn by_path(&self) -> HashMap<&str, &SavedLeaf<T>> {
        self.leaves.iter().map(|leaf| (&*leaf.path, leaf)).collect()
    }

    pub(crate) fn compare<M: Module<T> + ?Sized>(&self, model: &M) -> Mismatch {
        let (own, saved) = (model.leaves(), self.by_path());
        let known: HashSet<&str> = own.iter().map(|(path, _)| &**path).collect();
        let mut mismatch = Mismatch::default();
        for (path, leaf) in &own {
            match saved.get(&**path) {
                None => mismatch.missing.push(path.clone()),
                Some(saved) if saved.shape != leaf.shape() => {
                    mismatch.shapes.push((path.clone(), saved.shape.clone(), leaf.shape().to_vec()));
                }
                Some(_) => {}
            }
        }
        let unexpected = self.leaves.iter().filter(|leaf| !known.contains(&*leaf.path));
        mismatch.unexpected = unexpected.map(|leaf| leaf.path.clone()).collect();
        mismatch
    }

    /// Describes a flaw of the saved numbers in themselves, if there is one: a leaf with more or fewer numbers than its
    /// shape says, or two leaves of one path.
    pub(crate) fn flaw(&self) -> Option<String> {
        if let Some(path) = twice(self.leaves.iter().map(|leaf| &*leaf.path)) {
            return Some(format!("it holds {path} twice"));
        }
        let count = |leaf: &SavedLeaf<T>| leaf.shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
        let short = self.leaves.iter().find(|leaf| count(leaf) != Some(leaf.numbers.len()))?;
        Some(format!("{} has {} numbers for shape {:?}", short.path, short.numbers.len(), short.shape))
    }

    /// Copies the saved leaves whose path and shape fit into a model. Returns the number of these leaves.
    ///
    /// # Errors
    /// If the model's `visit_mut` does not go to the same leaves as its `visit`. Nothing is written then.
    pub(crate) fn write_to<M: Module<T> + ?Sized>(&self, model: &mut M) -> Result<usize, String> {
        let paths: Vec<String> = model.leaves().into_iter().map(|(path, _)| path).collect();
        let mut reached = Vec::with_capacity(paths.len());
        model.visit_mut(&mut Visitor::new(&mut |path, _| reached.push(path.to_string())));
        if let Some(path) = paths.iter().zip(&reached).find_map(|(own, reached)| (own != reached).then_some(own)) {
            return Err(format!("the model's `visit_mut` does not go to `{path}` as its `visit` does"));
        }
        if paths.len() != reached.len() {
            let (visit, visit_mut) = (paths.len(), reached.len());
            return Err(format!("the model's `visit` goes to {visit} leaves, its `visit_mut` to {visit_mut}"));
        }
        let saved = self.by_path();
        let mut written = 0;
        model.visit_mut(&mut Visitor::new(&mut |path, mut leaf| {
            if let Some(own) = saved.get(&*path.to_string())
                && own.shape == leaf.shape()
            {
                leaf.update(|numbers| numbers.copy_from_slice(&own.numbers));
                written += 1;
            }
        }));
        Ok(written)
    }
}
