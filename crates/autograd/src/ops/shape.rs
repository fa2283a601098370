//! The same numbers in another arrangement: reshape, permute, broadcast, slice, join.

use ndarray::SliceInfoElem;
use smallvec::SmallVec;

use crate::axes::{Axes, axis_of};
use crate::kernels::strided::Strided;
use crate::{Float, Operation, Output, Shape, Tensor, Var, View, Vjp};

// ---------------------------------------------------------------- broadcasting

/// The shape that two shapes broadcast to, aligned at their last axes as in numpy.
pub(crate) fn broadcast_shape(a: &[usize], b: &[usize]) -> Result<Shape, String> {
    if a == b {
        return Ok(a.into());
    }
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    let skip = long.len() - short.len();
    let mut shape: Shape = long.into();
    for (i, &size) in short.iter().enumerate() {
        let other = &mut shape[skip + i];
        match (*other, size) {
            (x, y) if x == y => {}
            (1, y) => *other = y,
            (_, 1) => {}
            (x, y) => {
                let axis = skip + i;
                let hint = if a.len() == 2 && b.len() == 1 && a[0] == b[0] {
                    "; to run along the first axis, make the second a column: `b.reshape([-1, 1])`"
                } else {
                    ""
                };
                return Err(format!(
                    "shapes {a:?} and {b:?} do not broadcast: sizes {x} and {y} on axis {axis} differ and neither is \
                     1{hint}"
                ));
            }
        }
    }
    Ok(shape)
}

/// The axes of `wide` along which `narrow` was repeated to reach it.
pub(crate) fn broadcast_axes(narrow: &[usize], wide: &[usize]) -> Shape {
    let skip = wide.len() - narrow.len();
    (0..wide.len()).filter(|&k| k < skip || (narrow[k - skip] == 1 && wide[k] != 1)).collect()
}

/// Strides, in numbers, that read an array of shape `narrow` as if it had shape `wide`.
pub(crate) fn broadcast_strides(narrow: &[usize], wide: &[usize]) -> Shape {
    let skip = wide.len() - narrow.len();
    let own = strides(narrow);
    (0..wide.len()).map(|k| if k < skip || narrow[k - skip] == 1 { 0 } else { own[k - skip] }).collect()
}

/// The strides of a contiguous array.
fn strides(shape: &[usize]) -> Shape {
    let mut strides: Shape = SmallVec::from_elem(1, shape.len());
    for k in (1..shape.len()).rev() {
        strides[k - 1] = strides[k] * shape[k];
    }
    strides
}

fn signed(strides: &[usize]) -> SmallVec<[isize; 4]> {
    strides.iter().map(|&s| s as isize).collect()
}

/// `y = x`, repeated. Its gradient is the sum over the repetitions, which the engine takes.
#[derive(Debug)]
pub(crate) struct BroadcastTo {
    pub(crate) shape: Shape,
}

impl<T: Float> Operation<T> for BroadcastTo {
    fn name(&self) -> &'static str {
        "broadcast_to"
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        match broadcast_shape(inputs[0], &self.shape) {
            Ok(shape) if shape == self.shape => Ok(shape),
            _ => Err(format!(
                "{:?} does not broadcast to {:?}: aligned at the last axis, sizes must be equal or 1",
                inputs[0], &*self.shape
            )),
        }
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let strides = signed(&broadcast_strides(inputs[0].shape(), &self.shape));
        let at = Strided { shape: &self.shape, strides: &strides, offset: 0 };
        if !output.data().is_empty() {
            (T::kernels().read)(&at, inputs[0].data(), output.data());
        }
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        cx.add(0, || cx.take_grad());
    }
}

/// `y = x` in another shape.
#[derive(Debug)]
pub(crate) struct Reshape {
    pub(crate) shape: Shape,
}

impl<T: Float> Operation<T> for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }
    fn shape(&self, _: &[&[usize]]) -> Result<Shape, String> {
        Ok(self.shape.clone())
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        output.padded().copy_from_slice(inputs[0].padded());
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        cx.add(0, || cx.take_grad().reshape(cx.input(0).shape()));
    }
}

/// `y` has axis `axes[k]` of x as axis k.
#[derive(Debug)]
pub(crate) struct Permute {
    pub(crate) axes: Shape,
}

impl<T: Float> Operation<T> for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        Ok(self.axes.iter().map(|&axis| inputs[0][axis]).collect())
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let own = strides(inputs[0].shape());
        let strides: SmallVec<[isize; 4]> = self.axes.iter().map(|&axis| own[axis] as isize).collect();
        let at = Strided { shape: output.shape(), strides: &strides, offset: 0 };
        (T::kernels().read)(&at, inputs[0].data(), output.data());
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        let mut back: Shape = self.axes.clone();
        self.axes.iter().enumerate().for_each(|(k, &axis)| back[axis] = k);
        cx.add(0, || cx.grad().permute(&back));
    }
}

/// Where a slice reads along one axis: `len` places from `start`, `step` apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) start: usize,
    pub(crate) step: isize,
    pub(crate) len: usize,
}

fn sliced<'a>(
    ranges: &[Range],
    whole: &[usize],
    part: &'a [usize],
    buffer: &'a mut SmallVec<[isize; 4]>,
) -> Strided<'a> {
    let own = strides(whole);
    buffer.extend(ranges.iter().zip(&own).map(|(r, &s)| r.step * s as isize));
    let offset = ranges.iter().zip(&own).map(|(r, &s)| r.start * s).sum();
    Strided { shape: part, strides: buffer, offset }
}

/// `y` is the places of x that the ranges name, one range an axis.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) ranges: SmallVec<[Range; 4]>,
}

impl<T: Float> Operation<T> for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }
    fn shape(&self, _: &[&[usize]]) -> Result<Shape, String> {
        Ok(self.ranges.iter().map(|r| r.len).collect())
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let (shape, mut buffer) = (output.shape(), SmallVec::new());
        if !output.data().is_empty() {
            let at = sliced(&self.ranges, inputs[0].shape(), shape, &mut buffer);
            (T::kernels().read)(&at, inputs[0].data(), output.data());
        }
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        let back = || Unslice { ranges: self.ranges.clone(), shape: cx.input(0).shape().into() };
        cx.add(0, || V::apply(back(), &[&cx.grad()]));
    }
}

/// Zeros, but for x at the places that the ranges name: the transpose of [`Slice`].
#[derive(Debug)]
pub(crate) struct Unslice {
    pub(crate) ranges: SmallVec<[Range; 4]>,
    pub(crate) shape: Shape,
}

impl<T: Float> Operation<T> for Unslice {
    fn name(&self) -> &'static str {
        "unslice"
    }
    fn shape(&self, _: &[&[usize]]) -> Result<Shape, String> {
        Ok(self.shape.clone())
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let (shape, mut buffer) = (output.shape(), SmallVec::new());
        output.padded().fill(T::default());
        if !inputs[0].data().is_empty() {
            let at = sliced(&self.ranges, shape, inputs[0].shape(), &mut buffer);
            (T::kernels().write)(&at, inputs[0].data(), output.data());
        }
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        cx.add(0, || V::apply(Slice { ranges: self.ranges.clone() }, &[&cx.grad()]));
    }
}

/// The inputs one after the other along an axis.
#[derive(Debug)]
pub(crate) struct Concat {
    pub(crate) axis: usize,
}

impl<T: Float> Operation<T> for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        let mut shape: Shape = inputs[0].into();
        for (i, input) in inputs.iter().enumerate().skip(1) {
            let fits = input.len() == shape.len()
                && (0..shape.len()).all(|axis| axis == self.axis || input[axis] == shape[axis]);
            if !fits {
                return Err(format!(
                    "input 0 is {:?} and input {i} is {input:?}; they may differ only on axis {}",
                    inputs[0], self.axis
                ));
            }
            shape[self.axis] += input[self.axis];
        }
        Ok(shape)
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let shape = output.shape();
        let inner: usize = shape[self.axis + 1..].iter().product();
        let row = shape[self.axis] * inner;
        let mut start = 0;
        for input in inputs {
            let width = input.shape()[self.axis] * inner;
            if width > 0 {
                for (to, from) in output.data().chunks_exact_mut(row).zip(input.data().chunks_exact(width)) {
                    to[start..start + width].copy_from_slice(from);
                }
            }
            start += width;
        }
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        let mut start = 0;
        for i in 0..cx.inputs() {
            let input = cx.input(i);
            let len = input.shape()[self.axis];
            let ranges = |axis| {
                let len = input.shape()[axis];
                Range { start: if axis == self.axis { start } else { 0 }, step: 1, len }
            };
            cx.add(i, || V::apply(Slice { ranges: (0..input.shape().len()).map(ranges).collect() }, &[&cx.grad()]));
            start += len;
        }
    }
}

// ------------------------------------------------------------------- methods

/// An index of a slice counted from the first place, at most `limit`.
#[track_caller]
fn place(i: isize, size: usize, limit: usize, axis: usize, shape: &[usize]) -> usize {
    let place = if i < 0 { i + size as isize } else { i };
    assert!((0..=limit as isize).contains(&place), "slice: {i} is outside axis {axis} of {shape:?}");
    place as usize
}

/// A place in an array: one index an axis from the first on, fewer than there are axes if a whole part is meant.
pub trait Place {
    /// The indices.
    fn indices(&self) -> &[usize];
}
impl Place for usize {
    fn indices(&self) -> &[usize] {
        std::slice::from_ref(self)
    }
}
impl<const N: usize> Place for [usize; N] {
    fn indices(&self) -> &[usize] {
        self
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// The same numbers, row by row, in another shape. One size may be −1: what the others leave. Copies nothing.
    ///
    /// # Panics
    /// If the sizes hold another count of numbers.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var([1.0, 2.0, 3.0, 4.0]);
    /// assert_eq!(x.reshape([2, -1]).shape(), [2, 2]);
    /// ```
    #[track_caller]
    pub fn reshape(self, shape: impl Sizes) -> Self {
        match shape.resolve(self.len()) {
            Some(new) => self.tape().alias(Reshape { shape: new.clone() }, self, &new),
            None => {
                let (own, count) = (self.shape(), self.len());
                panic!("reshape: {own:?} holds {count} numbers, which do not fit {}", shape.show())
            }
        }
    }

    /// All axes as one.
    #[track_caller]
    pub fn flatten(self) -> Self {
        self.reshape([self.len()])
    }

    /// Repeated along new leading axes and along axes of size 1, as numpy broadcasts.
    ///
    /// # Panics
    /// If the shapes do not fit.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var([1.0, 2.0]);
    /// let y = x.broadcast_to(&[3, 2]);
    /// assert_eq!(y.sum().backward().wrt(x), ndarray::array![3.0, 3.0].into_dyn());
    /// ```
    #[track_caller]
    pub fn broadcast_to(self, shape: &[usize]) -> Self {
        self.unary(BroadcastTo { shape: shape.into() })
    }

    /// The axes in another order: axis k of the result is axis `axes[k]` of this.
    ///
    /// # Panics
    /// If `axes` does not name each axis once.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.constant_with(&[2, 3, 4], |_| {});
    /// assert_eq!(x.permute([2, 0, 1]).shape(), [4, 2, 3]);
    /// ```
    #[track_caller]
    pub fn permute(self, axes: impl Axes) -> Self {
        let shape = self.shape();
        let (axes, shown) = (axes.list("permute", shape), axes.show());
        let mut seen: Shape = axes.clone();
        seen.sort_unstable();
        assert!(
            seen.iter().copied().eq(0..shape.len()),
            "permute: {shown} does not name each of the {} axes of {shape:?} once",
            shape.len()
        );
        self.unary(Permute { axes })
    }

    /// Two axes exchanged.
    #[track_caller]
    pub fn transpose(self, a: isize, b: isize) -> Self {
        let shape = self.shape();
        let mut axes: Shape = (0..shape.len()).collect();
        axes.swap(axis_of("transpose", a, shape), axis_of("transpose", b, shape));
        self.unary(Permute { axes })
    }

    /// The transpose of a matrix (of each, in a batch): the last two axes exchanged.
    ///
    /// # Panics
    /// With fewer than two axes.
    #[track_caller]
    pub fn t(self) -> Self {
        assert!(self.ndim() >= 2, "t: {:?} has no two axes to exchange", self.shape());
        self.transpose(-2, -1)
    }

    /// With an axis of size 1 put in.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// assert_eq!(tape.var([1.0, 2.0]).unsqueeze(-1).shape(), [2, 1]);
    /// ```
    #[track_caller]
    pub fn unsqueeze(self, axis: isize) -> Self {
        let mut shape: Shape = self.shape().into();
        shape.push(1);
        let axis = axis_of("unsqueeze", axis, &shape);
        shape.pop();
        shape.insert(axis, 1);
        self.tape().alias(Reshape { shape: shape.clone() }, self, &shape)
    }

    /// Without an axis of size 1.
    ///
    /// # Panics
    /// If its size is not 1.
    #[track_caller]
    pub fn squeeze(self, axis: isize) -> Self {
        let axis = axis_of("squeeze", axis, self.shape());
        let mut shape: Shape = self.shape().into();
        let size = shape.remove(axis);
        assert!(size == 1, "squeeze: axis {axis} of {:?} has size {size}, not 1", self.shape());
        self.tape().alias(Reshape { shape: shape.clone() }, self, &shape)
    }

    /// The part that `ndarray`'s `s!` names: ranges with steps, negative indices, single indices (which drop their
    /// axis), `NewAxis`.
    ///
    /// # Panics
    /// If an index is outside.
    ///
    /// ```
    /// use ndarray::{array, s};
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    /// assert_eq!(x.slice(s![.., ..;2]).data(), [1.0, 3.0, 4.0, 6.0]);
    /// assert_eq!(x.slice(s![-1, 1..]).data(), [5.0, 6.0]);
    /// ```
    #[track_caller]
    pub fn slice(self, part: impl AsRef<[SliceInfoElem]>) -> Self {
        let (own, part) = (self.shape(), part.as_ref());
        let named = part.iter().filter(|e| !matches!(e, SliceInfoElem::NewAxis)).count();
        assert!(named <= own.len(), "slice: {named} ranges for the {} axes of {own:?}", own.len());
        let (mut ranges, mut shape) = (SmallVec::<[Range; 4]>::new(), Shape::new());
        for element in part {
            let size = own.get(ranges.len()).copied().unwrap_or(0);
            let axis = ranges.len();
            match *element {
                SliceInfoElem::NewAxis => shape.push(1),
                SliceInfoElem::Index(i) => {
                    let start = place(i, size, size.wrapping_sub(1), axis, own);
                    ranges.push(Range { start, step: 1, len: 1 });
                }
                SliceInfoElem::Slice { start, end, step } => {
                    let (start, end) = (start, end.unwrap_or(size as isize));
                    let (start, end) = (place(start, size, size, axis, own), place(end, size, size, axis, own));
                    let count = end.saturating_sub(start);
                    let len = count.div_ceil(step.unsigned_abs());
                    let start = if step < 0 && count > 0 { end - 1 } else { start };
                    ranges.push(Range { start, step, len });
                    shape.push(len);
                }
            }
        }
        for &len in &own[ranges.len()..] {
            ranges.push(Range { start: 0, step: 1, len });
            shape.push(len);
        }
        let sliced = self.unary(Slice { ranges });
        if sliced.shape() == &*shape { sliced } else { self.tape().alias(Reshape { shape: shape.clone() }, sliced, &shape) }
    }

    /// `len` places of an axis from `start` on.
    ///
    /// # Panics
    /// If they are not all there.
    #[track_caller]
    pub fn narrow(self, axis: isize, start: usize, len: usize) -> Self {
        let shape = self.shape();
        let axis = axis_of("narrow", axis, shape);
        let size = shape[axis];
        assert!(
            start.checked_add(len).is_some_and(|end| end <= size),
            "narrow: {start}..{start}+{len} is outside axis {axis} of {shape:?}"
        );
        let range = |(k, &size): (usize, &usize)| match k == axis {
            true => Range { start, step: 1, len },
            false => Range { start: 0, step: 1, len: size },
        };
        self.unary(Slice { ranges: shape.iter().enumerate().map(range).collect() })
    }

    /// The number, or the part, at an index: `w.at(0)`, `x.at([1, 2])`. Each index drops its axis.
    ///
    /// # Panics
    /// If it is outside.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let w = tape.var([3.0, 5.0]);
    /// assert_eq!((w.at(0) * w.at(1)).backward().wrt(w), ndarray::array![5.0, 3.0].into_dyn());
    /// ```
    #[track_caller]
    pub fn at(self, place: impl Place) -> Self {
        let (indices, own) = (place.indices(), self.shape());
        assert!(indices.len() <= own.len(), "at: {indices:?} has more indices than {own:?} has axes");
        for (axis, (&i, &size)) in indices.iter().zip(own).enumerate() {
            assert!(i < size, "at: index {i} is outside axis {axis} of {own:?}");
        }
        let range = |(axis, &size): (usize, &usize)| match indices.get(axis) {
            Some(&start) => Range { start, step: 1, len: 1 },
            None => Range { start: 0, step: 1, len: size },
        };
        let part = self.unary(Slice { ranges: own.iter().enumerate().map(range).collect() });
        let shape: Shape = own[indices.len()..].into();
        self.tape().alias(Reshape { shape: shape.clone() }, part, &shape)
    }
}

/// The variables one after the other along an axis.
///
/// # Panics
/// If there are none, or their other axes differ.
///
/// ```
/// use gradus_autograd::{Tape, concat};
/// let tape = Tape::new();
/// let (a, b) = (tape.var([1.0]), tape.var([2.0, 3.0]));
/// assert_eq!(concat(&[a, b], 0).data(), [1.0, 2.0, 3.0]);
/// ```
#[track_caller]
pub fn concat<'t, T: Float>(parts: &[Var<'t, T>], axis: isize) -> Var<'t, T> {
    assert!(!parts.is_empty(), "concat: there is nothing to join");
    let axis = axis_of("concat", axis, parts[0].shape());
    parts[0].tape().apply_many(Concat { axis }, parts)
}

/// The variables, all of one shape, side by side along a new axis.
///
/// # Panics
/// If there are none, or their shapes differ.
///
/// ```
/// use gradus_autograd::{Tape, stack};
/// let tape = Tape::new();
/// let (a, b) = (tape.var([1.0, 2.0]), tape.var([3.0, 4.0]));
/// assert_eq!(stack(&[a, b], 1).value(), ndarray::array![[1.0, 3.0], [2.0, 4.0]].into_dyn());
/// ```
#[track_caller]
pub fn stack<'t, T: Float>(parts: &[Var<'t, T>], axis: isize) -> Var<'t, T> {
    assert!(!parts.is_empty(), "stack: there is nothing to join");
    for (i, part) in parts.iter().enumerate() {
        let (first, other) = (parts[0].shape(), part.shape());
        assert!(first == other, "stack: input 0 is {first:?} and input {i} is {other:?}; they must be the same");
    }
    let columns: Vec<Var<'t, T>> = parts.iter().map(|p| p.unsqueeze(axis)).collect();
    concat(&columns, axis)
}

/// Sizes for [`Var::reshape`]: of `i32`, one of which may be −1, or of `usize`.
pub trait Sizes {
    #[doc(hidden)]
    fn resolve(&self, len: usize) -> Option<Shape>;
    #[doc(hidden)]
    fn show(&self) -> String;
}

impl<const N: usize> Sizes for [i32; N] {
    fn resolve(&self, len: usize) -> Option<Shape> {
        let known: usize = self.iter().filter(|&&s| s >= 0).map(|&s| s as usize).product();
        let left = self.iter().filter(|&&s| s < 0).count();
        let rest = if left == 1 && known > 0 { len / known } else { 0 };
        let shape: Shape = self.iter().map(|&s| if s < 0 { rest } else { s as usize }).collect();
        let valid = self.iter().all(|&s| s >= -1) && left <= 1 && (left == 0 || known > 0);
        (valid && shape.iter().product::<usize>() == len).then_some(shape)
    }
    fn show(&self) -> String {
        format!("{self:?}")
    }
}

impl Sizes for &[usize] {
    fn resolve(&self, len: usize) -> Option<Shape> {
        (self.iter().product::<usize>() == len).then(|| (*self).into())
    }
    fn show(&self) -> String {
        format!("{self:?}")
    }
}

impl<const N: usize> Sizes for [usize; N] {
    fn resolve(&self, len: usize) -> Option<Shape> {
        self.as_slice().resolve(len)
    }
    fn show(&self) -> String {
        self.as_slice().show()
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    use crate::ops::Check;
    use ndarray::{array, s};
    let x = || vec![array![[[1.5, -0.2, 0.3], [0.4, 2.0, -1.0]], [[0.1, 0.9, -0.7], [1.1, 0.6, -0.3]]].into_dyn()];
    let two = || vec![array![[1.5, -0.2, 0.3]].into_dyn(), array![[0.4, 2.0, -1.0], [0.1, 0.9, -0.7]].into_dyn()];
    vec![
        Check::new("broadcast_to", vec![array![[0.5], [-1.5]].into_dyn()], |v| v[0].square().broadcast_to(&[2, 2, 3])),
        Check::new("reshape", x(), |v| v[0].square().reshape([3, -1])),
        Check::new("permute", x(), |v| v[0].square().permute([2, 0, 1])),
        Check::new("slice", x(), |v| v[0].square().slice(s![..;-1, 1, 0..3;2])),
        Check::new("unslice", x(), |v| {
            // a slice's gradient, once more differentiated by the incoming gradient
            v[0].tape().apply(
                Unslice {
                    ranges: [(1, 2, 2), (0, 1, 2), (4, -2, 3)]
                        .map(|(start, step, len)| Range { start, step, len })
                        .into_iter()
                        .collect(),
                    shape: [4, 2, 5].as_slice().into(),
                },
                [v[0].square()],
            )
        }),
        Check::new("at", x(), |v| v[0].square().at([1, 0])),
        Check::new("concat", two(), |v| concat(&[v[0], v[1] * v[1], v[0]], 0)),
        Check::new("stack", x(), |v| stack(&[v[0], v[0] * v[0]], -1)),
    ]
}
