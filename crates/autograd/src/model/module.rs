//! The structure of a model: parameters and buffers with paths.

use std::fmt;

use crate::{Buffer, Float, Param};

/// A leaf of a module.
#[derive(Debug)]
pub enum Leaf<'a, T: Float> {
    /// an array that is learned
    Param(&'a Param<T>),
    /// an array that is not learned
    Buffer(&'a Buffer<T>),
}

/// A leaf of a module, borrowed so that it can be changed.
#[derive(Debug)]
pub enum LeafMut<'a, T: Float> {
    /// an array that is learned
    Param(&'a mut Param<T>),
    /// an array that is not learned
    Buffer(&'a mut Buffer<T>),
}

impl<T: Float> Leaf<'_, T> {
    /// The sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        match self {
            Leaf::Param(p) => p.shape(),
            Leaf::Buffer(b) => b.shape(),
        }
    }
    /// The numbers, row by row.
    pub fn data(&self) -> &[T] {
        match self {
            Leaf::Param(p) => p.data(),
            Leaf::Buffer(b) => b.inner().data(),
        }
    }
}

impl<T: Float> LeafMut<'_, T> {
    /// Changes the numbers, row by row.
    pub fn update<R>(&mut self, change: impl FnOnce(&mut [T]) -> R) -> R {
        match self {
            LeafMut::Param(p) => p.update(change),
            LeafMut::Buffer(b) => b.inner_mut().update(change),
        }
    }
    /// The sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        match self {
            LeafMut::Param(p) => p.shape(),
            LeafMut::Buffer(b) => b.shape(),
        }
    }
}

/// The path of a leaf in a module, such as `layers.0.weight`. It becomes a text only when asked for (`to_string`).
#[derive(Clone, Copy, Debug)]
pub struct Path<'p> {
    outer: Option<&'p Path<'p>>,
    segment: Segment<'p>,
}

/// One step of a [`Path`]: the name of a field or the place in a list.
#[derive(Clone, Copy, Debug)]
pub enum Segment<'p> {
    /// a field
    Name(&'p str),
    /// an element of a list or tuple
    Index(usize),
}

impl<'p> From<&'p str> for Segment<'p> {
    fn from(name: &'p str) -> Self {
        Segment::Name(name)
    }
}

impl From<usize> for Segment<'_> {
    fn from(index: usize) -> Self {
        Segment::Index(index)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(outer) = self.outer
            && !matches!(outer.segment, Segment::Name(""))
        {
            write!(f, "{outer}.")?;
        }
        match self.segment {
            Segment::Name(name) => f.write_str(name),
            Segment::Index(index) => write!(f, "{index}"),
        }
    }
}

/// Walks a module and gives each leaf its path.
pub struct Visitor<'v, L> {
    path: Path<'v>,
    visit: &'v mut (dyn FnMut(&Path<'_>, L) + 'v),
}

impl<'v, L> Visitor<'v, L> {
    /// A visitor that calls `visit` with each leaf and its path.
    pub fn new(visit: &'v mut (dyn FnMut(&Path<'_>, L) + 'v)) -> Self {
        Visitor { path: Path { outer: None, segment: Segment::Name("") }, visit }
    }

    fn within(&mut self, segment: Segment<'_>, walk: impl FnOnce(&mut Visitor<'_, L>)) {
        let path = Path { outer: Some(&self.path), segment };
        walk(&mut Visitor { path, visit: &mut *self.visit });
    }

    fn leaf(&mut self, leaf: L) {
        (self.visit)(&self.path, leaf);
    }
}

impl<'a, T: Float> Visitor<'_, Leaf<'a, T>> {
    /// Walks through a part of the module, under its name or its place in a list.
    pub fn field<'s, M: Module<T> + ?Sized>(&mut self, name: impl Into<Segment<'s>>, part: &'a M) {
        self.within(name.into(), |v| part.visit(v));
    }
}

impl<'a, T: Float> Visitor<'_, LeafMut<'a, T>> {
    /// Walks through a part of the module, under its name or its place in a list.
    pub fn field_mut<'s, M: Module<T> + ?Sized>(&mut self, name: impl Into<Segment<'s>>, part: &'a mut M) {
        self.within(name.into(), |v| part.visit_mut(v));
    }
}

/// A model, or a part of one: plain data with parameters and buffers in it.
///
/// `#[derive(Module)]` implements this trait for a struct of modules. By hand, walk over the fields:
///
/// ```
/// use gradus_autograd::{Leaf, LeafMut, Module, Param, Visitor};
///
/// struct Line { m: Param, b: Param }
/// impl Module for Line {
///     fn visit<'a>(&'a self, v: &mut Visitor<'_, Leaf<'a, f32>>) {
///         v.field("m", &self.m);
///         v.field("b", &self.b);
///     }
///     fn visit_mut<'a>(&'a mut self, v: &mut Visitor<'_, LeafMut<'a, f32>>) {
///         v.field_mut("m", &mut self.m);
///         v.field_mut("b", &mut self.b);
///     }
/// }
/// let line = Line { m: Param::new(1.0), b: Param::new(0.0) };
/// let paths: Vec<String> = line.params().into_iter().map(|(path, _)| path).collect();
/// assert_eq!(paths, ["m", "b"]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a module of `{T}`",
    label = "not a module of `{T}`",
    note = "if it is a model of other numbers, write their type: `Linear<{T}>`, or `#[module(scalar = f64)]` on the \
            struct around it",
    note = "if it holds parameters and is no module yet, give it `#[derive(Module)]`; only if it is a setting, without \
            parameters, mark the field `#[module(skip)]`"
)]
pub trait Module<T: Float = f32>: Send + Sync {
    /// Visits every parameter and buffer, in a fixed order.
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, Leaf<'a, T>>);
    /// Visits every parameter and buffer, in the same order, to change them.
    fn visit_mut<'a>(&'a mut self, visitor: &mut Visitor<'_, LeafMut<'a, T>>);

    /// All parameters and buffers with their paths.
    fn leaves(&self) -> Vec<(String, Leaf<'_, T>)> {
        let mut leaves = Vec::new();
        self.visit(&mut Visitor::new(&mut |path, leaf| leaves.push((path.to_string(), leaf))));
        leaves
    }

    /// All parameters with their paths.
    fn params(&self) -> Vec<(String, &Param<T>)> {
        let mut params = Vec::new();
        self.visit(&mut Visitor::new(&mut |path, leaf| {
            if let Leaf::Param(param) = leaf {
                params.push((path.to_string(), param));
            }
        }));
        params
    }

    /// The number of elements of all parameters.
    fn param_count(&self) -> usize {
        self.params().iter().map(|(_, p)| p.len()).sum()
    }

    /// Freezes the parameters whose path fits `pattern` (`*` stands for anything), or unfreezes them. Returns how many
    /// parameters fit.
    ///
    /// # Panics
    /// If the pattern fits no parameter, because then it is most likely misspelt; the message shows the paths. The
    /// pattern `*` alone may fit none: a model may have no parameters.
    #[track_caller]
    fn set_frozen(&mut self, pattern: &str, frozen: bool) -> usize {
        let mut count = 0;
        self.visit_mut(&mut Visitor::new(&mut |path, leaf| {
            if let LeafMut::Param(param) = leaf
                && path_fits(pattern, &path.to_string())
            {
                param.set_frozen(frozen);
                count += 1;
            }
        }));
        if count == 0 && pattern != "*" {
            let paths: Vec<String> = self.params().into_iter().map(|(path, _)| path).collect();
            panic!("set_frozen: {}", fits_none(pattern, &paths));
        }
        count
    }
}

/// Whether a path fits a pattern in which `*` stands for anything, dots included.
///
/// ```
/// use gradus_autograd::path_fits;
/// assert!(path_fits("*.weight", "layers.0.weight"));
/// assert!(!path_fits("*.weight", "layers.0.bias"));
/// ```
pub fn path_fits(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((start, rest)) => path.strip_prefix(start).is_some_and(|end| {
            end.char_indices().map(|(i, _)| i).chain([end.len()]).any(|i| path_fits(rest, &end[i..]))
        }),
    }
}

/// The message about a pattern that fits none of the paths: it shows the first of them and names the nearest.
pub fn fits_none(pattern: &str, paths: &[String]) -> String {
    let mut text = paths.iter().take(4).map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
    if paths.len() > 4 {
        text += &format!(" and {} more", paths.len() - 4);
    }
    let last = |path: &String| path.rsplit_once('.').map(|(_, last)| format!("*.{last}"));
    let candidates = paths.iter().cloned().chain(paths.iter().filter_map(last));
    match candidates.min_by_key(|candidate| strsim::levenshtein(pattern, candidate)) {
        None => format!("`{pattern}` fits no parameter: this model has none"),
        Some(nearest) => format!(
            "`{pattern}` fits no parameter of this model, which has {text}; `*` stands for anything; did you mean \
             `{nearest}`?"
        ),
    }
}

impl<T: Float> Module<T> for Param<T> {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, Leaf<'a, T>>) {
        visitor.leaf(Leaf::Param(self));
    }
    fn visit_mut<'a>(&'a mut self, visitor: &mut Visitor<'_, LeafMut<'a, T>>) {
        visitor.leaf(LeafMut::Param(self));
    }
}

impl<T: Float> Module<T> for Buffer<T> {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, Leaf<'a, T>>) {
        visitor.leaf(Leaf::Buffer(self));
    }
    fn visit_mut<'a>(&'a mut self, visitor: &mut Visitor<'_, LeafMut<'a, T>>) {
        visitor.leaf(LeafMut::Buffer(self));
    }
}

impl<T: Float, M: Module<T>> Module<T> for [M] {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, Leaf<'a, T>>) {
        self.iter().enumerate().for_each(|(i, part)| visitor.field(i, part));
    }
    fn visit_mut<'a>(&'a mut self, visitor: &mut Visitor<'_, LeafMut<'a, T>>) {
        self.iter_mut().enumerate().for_each(|(i, part)| visitor.field_mut(i, part));
    }
}

macro_rules! delegate {
    ($([$($generics:tt)*] $type:ty, |$x:ident| $shared:expr, $exclusive:expr;)*) => {
        $(impl<T: Float, $($generics)*> Module<T> for $type {
            fn visit<'a>(&'a self, visitor: &mut Visitor<'_, Leaf<'a, T>>) {
                let $x = self;
                $shared.into_iter().for_each(|part| part.visit(visitor));
            }
            fn visit_mut<'a>(&'a mut self, visitor: &mut Visitor<'_, LeafMut<'a, T>>) {
                let $x = self;
                $exclusive.into_iter().for_each(|part| part.visit_mut(visitor));
            }
        })*
    };
}
delegate! {
    [M: Module<T>] Vec<M>, |x| [x.as_slice()], [x.as_mut_slice()];
    [M: Module<T>, const N: usize] [M; N], |x| [x.as_slice()], [x.as_mut_slice()];
    [M: Module<T>] Option<M>, |x| x.as_ref(), x.as_mut();
    [M: Module<T> + ?Sized] Box<M>, |x| [&**x], [&mut **x];
}

macro_rules! tuples {
    ($($($name:ident $index:tt),+;)*) => {
        $(impl<T: Float, $($name: Module<T>),+> Module<T> for ($($name,)+) {
            fn visit<'a>(&'a self, visitor: &mut Visitor<'_, Leaf<'a, T>>) {
                $(visitor.field($index as usize, &self.$index);)+
            }
            fn visit_mut<'a>(&'a mut self, visitor: &mut Visitor<'_, LeafMut<'a, T>>) {
                $(visitor.field_mut($index as usize, &mut self.$index);)+
            }
        })*
    };
}
tuples! {
    A 0;
    A 0, B 1;
    A 0, B 1, C 2;
    A 0, B 1, C 2, D 3;
    A 0, B 1, C 2, D 3, E 4;
    A 0, B 1, C 2, D 3, E 4, F 5;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7;
}

impl<T: Float> Module<T> for () {
    fn visit<'a>(&'a self, _: &mut Visitor<'_, Leaf<'a, T>>) {}
    fn visit_mut<'a>(&'a mut self, _: &mut Visitor<'_, LeafMut<'a, T>>) {}
}
