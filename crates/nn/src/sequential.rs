//! Layers one after the other.

use std::collections::HashSet;
use std::fmt;

use gradus_autograd::{Float, Leaf, LeafMut, Module, Var, Visitor};

use crate::{Forward, lambda};

#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a layer of `Sequential`",
    note = "a layer implements `Forward<{T}>` and `Clone`; wrap a closure with `.map(|x| …)`"
)]
/// A layer of [`Sequential`]. The trait is implemented for all types that implement [`Forward`] and `Clone`.
pub trait Layer<T: Float>: Forward<T> {
    /// Returns an independent copy.
    #[doc(hidden)]
    fn boxed_clone(&self) -> Box<dyn Layer<T>>;
}

impl<T: Float, F: Forward<T> + Clone + 'static> Layer<T> for F {
    fn boxed_clone(&self) -> Box<dyn Layer<T>> {
        Box::new(self.clone())
    }
}

/// Layers of any kinds, applied in order, each with a name in the paths of its parameters.
///
/// ```
/// use gradus_autograd::{Module, Tape};
/// use gradus_nn::{Activation, Forward, Linear, Sequential, rng};
///
/// let mut rng = rng(0);
/// let model: Sequential = Sequential::new()
///     .named("hidden", Linear::new(4, 8, &mut rng))
///     .layer(Activation::Tanh)
///     .map(|x| x * 2.0)
///     .layer(Linear::new(8, 2, &mut rng));
/// let paths: Vec<String> = model.params().into_iter().map(|(path, _)| path).collect();
/// assert_eq!(paths, ["hidden.weight", "hidden.bias", "3.weight", "3.bias"]);
/// let tape = Tape::new();
/// assert_eq!(model.forward(tape.var([0.1, 0.2, 0.3, 0.4])).shape(), [2]);
/// ```
pub struct Sequential<T: Float = f32> {
    layers: Vec<(String, Box<dyn Layer<T>>)>,
}

impl<T: Float> Sequential<T> {
    /// A model without layers, which passes its input on.
    pub fn new() -> Self {
        Sequential { layers: Vec::new() }
    }

    /// Adds a layer, named by its place.
    pub fn layer(self, layer: impl Layer<T> + 'static) -> Self {
        let name = self.layers.len().to_string();
        self.named(&name, layer)
    }

    /// Adds a layer of the given name. A name may have dots, as PyTorch's paths do.
    ///
    /// # Panics
    /// If there is a layer of that name already, or two parameters would have one path (`"a.b"` beside `"a"` with a
    /// `"b"` in it).
    #[track_caller]
    pub fn named(mut self, name: &str, layer: impl Layer<T> + 'static) -> Self {
        assert!(self.layers.iter().all(|(n, _)| n != name), "Sequential: there is a layer `{name}` already");
        self.layers.push((name.to_owned(), Box::new(layer)));
        if self.layers.iter().any(|(name, _)| name.contains('.')) {
            let mut seen = HashSet::new();
            let twice = self.leaves().into_iter().map(|(path, _)| path).find(|path| !seen.insert(path.clone()));
            assert!(
                twice.is_none(),
                "Sequential: with `{name}`, two parameters have the path `{}`",
                twice.unwrap_or_default()
            );
        }
        self
    }

    /// Adds a closure as a layer.
    pub fn map(self, f: impl for<'t> Fn(Var<'t, T>) -> Var<'t, T> + Clone + Send + Sync + 'static) -> Self {
        self.layer(lambda(f))
    }

    /// Returns the number of layers.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Returns whether there are no layers.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }
}

impl<T: Float> Default for Sequential<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Float> Clone for Sequential<T> {
    fn clone(&self) -> Self {
        Sequential { layers: self.layers.iter().map(|(name, layer)| (name.clone(), layer.boxed_clone())).collect() }
    }
}

impl<T: Float> fmt::Debug for Sequential<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.layers.iter().map(|(name, layer)| (name, format!("{} numbers", layer.param_count())));
        f.write_str("Sequential ")?;
        f.debug_map().entries(names).finish()
    }
}

impl<T: Float> Module<T> for Sequential<T> {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, Leaf<'a, T>>) {
        self.layers.iter().for_each(|(name, layer)| visitor.field(name.as_str(), &**layer));
    }
    fn visit_mut<'a>(&'a mut self, visitor: &mut Visitor<'_, LeafMut<'a, T>>) {
        self.layers.iter_mut().for_each(|(name, layer)| visitor.field_mut(name.as_str(), &mut **layer));
    }
}

impl<T: Float> Forward<T> for Sequential<T> {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        self.layers.iter().fold(x, |x, (_, layer)| layer.forward(x))
    }
}
