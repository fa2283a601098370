//! The same numbers in another arrangement: reshape, permute, broadcast.

use crate::axes::{Axes, axis_of};
use crate::kernels::strided::Strided;
use crate::shape::{Strides, broadcast_strides, check_broadcast, strides};
use crate::{Float, Jvp, Operation, Output, Shape, Tensor, Value, Var, View, Vjp};

/// `y = x`, repeated. Its gradient is the sum over the repetitions.
#[derive(Debug)]
pub(crate) struct BroadcastTo {
    pub(crate) shape: Shape,
}

crate::engine::erased::compiled_here!(BroadcastTo);
impl<T: Float> Operation<T> for BroadcastTo {
    crate::engine::erased::compiled_here!(@erase T);
    fn name(&self) -> &'static str {
        "broadcast_to"
    }
    fn formula(&self) -> &'static str {
        "`y = x`, repeated. Its gradient is the sum over the repetitions."
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        check_broadcast(inputs[0], &self.shape).map(|()| self.shape.clone())
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let strides = broadcast_strides(inputs[0].shape(), &self.shape);
        let at = Strided { shape: &self.shape, strides: &strides, offset: 0 };
        if !output.data().is_empty() {
            (T::kernels().read)(&at, inputs[0].data(), output.data());
        }
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        cx.add(0, || cx.take_grad());
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        cx.linear(self)
    }
}

/// `y = x` in another shape. So is its gradient.
#[derive(Debug)]
pub(crate) struct Reshape {
    pub(crate) shape: Shape,
}

crate::engine::erased::compiled_here!(Reshape);
impl<T: Float> Operation<T> for Reshape {
    crate::engine::erased::compiled_here!(@erase T);
    fn name(&self) -> &'static str {
        "reshape"
    }
    fn formula(&self) -> &'static str {
        "`y = x` in another shape. So is its gradient."
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
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        cx.linear(self)
    }
}

/// `y = x` with its axes in another order. The gradient's axes are put back.
/// Axis k of `y` is axis `axes[k]` of x.
#[derive(Debug)]
pub(crate) struct Permute {
    pub(crate) axes: Shape,
}

crate::engine::erased::compiled_here!(Permute);
impl<T: Float> Operation<T> for Permute {
    crate::engine::erased::compiled_here!(@erase T);
    fn name(&self) -> &'static str {
        "permute"
    }
    fn formula(&self) -> &'static str {
        "`y = x` with its axes in another order. The gradient's axes are put back."
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        Ok(self.axes.iter().map(|&axis| inputs[0][axis]).collect())
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let own = strides(inputs[0].shape());
        let strides: Strides = self.axes.iter().map(|&axis| own[axis]).collect();
        let at = Strided { shape: output.shape(), strides: &strides, offset: 0 };
        (T::kernels().read)(&at, inputs[0].data(), output.data());
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        let mut back: Shape = self.axes.clone();
        self.axes.iter().enumerate().for_each(|(k, &axis)| back[axis] = k);
        cx.add(0, || cx.grad().permute(&back));
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        cx.linear(self)
    }
}

impl Permute {
    /// Puts the axes in the order that `axes` names.
    #[track_caller]
    pub(crate) fn by(axes: impl Axes, shape: &[usize]) -> Self {
        let (axes, shown) = (axes.list("permute", shape), axes.show());
        let mut seen: Shape = axes.clone();
        seen.sort_unstable();
        assert!(
            seen.iter().copied().eq(0..shape.len()),
            "permute: {shown} does not name each of the {} axes of {shape:?} once",
            shape.len()
        );
        Permute { axes }
    }

    /// Exchanges two axes.
    #[track_caller]
    pub(crate) fn exchange(a: isize, b: isize, shape: &[usize]) -> Self {
        let mut axes: Shape = (0..shape.len()).collect();
        axes.swap(axis_of("transpose", a, shape), axis_of("transpose", b, shape));
        Permute { axes }
    }

    /// Exchanges the last two axes.
    #[track_caller]
    pub(crate) fn transpose(shape: &[usize]) -> Self {
        assert!(shape.len() >= 2, "t: {shape:?} has no two axes to exchange");
        Permute::exchange(-2, -1, shape)
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// The same numbers, row by row, in another shape. One size may be −1: it is computed from the others. No numbers
    /// are copied.
    ///
    /// # Panics
    /// If the new shape holds another number of elements.
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

    /// Joins all axes into one.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(ndarray::array![[1.0, 5.0], [3.0, 2.0]]);
    /// assert_eq!(x.flatten().data(), [1.0, 5.0, 3.0, 2.0]);
    /// ```
    #[track_caller]
    pub fn flatten(self) -> Self {
        self.reshape([self.len()])
    }

    /// Repeats the numbers along new leading axes and along axes of size 1, as numpy broadcasts.
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

    /// Puts the axes in another order: axis k of the result is axis `axes[k]` of this variable.
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
        self.unary(Permute::by(axes, self.shape()))
    }

    /// Exchanges two axes.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(ndarray::array![[1.0, 5.0], [3.0, 2.0]]);
    /// assert_eq!(x.transpose(0, 1).data(), [1.0, 3.0, 5.0, 2.0]);
    /// ```
    #[track_caller]
    pub fn transpose(self, a: isize, b: isize) -> Self {
        self.unary(Permute::exchange(a, b, self.shape()))
    }

    /// The transpose of a matrix, or of each matrix in a batch: exchanges the last two axes.
    ///
    /// # Panics
    /// If there are fewer than two axes.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(ndarray::array![[1.0, 5.0], [3.0, 2.0]]);
    /// assert_eq!(x.t().data(), [1.0, 3.0, 5.0, 2.0]);
    /// ```
    #[track_caller]
    pub fn t(self) -> Self {
        self.unary(Permute::transpose(self.shape()))
    }

    /// Inserts an axis of size 1.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// assert_eq!(tape.var([1.0, 2.0]).unsqueeze(-1).shape(), [2, 1]);
    /// ```
    #[track_caller]
    pub fn unsqueeze(self, axis: isize) -> Self {
        let shape = unsqueezed(axis, self.shape());
        self.tape().alias(Reshape { shape: shape.clone() }, self, &shape)
    }

    /// Removes an axis of size 1.
    ///
    /// # Panics
    /// If its size is not 1.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// assert_eq!(tape.var([1.0, 2.0]).unsqueeze(0).squeeze(0).shape(), [2]);
    /// ```
    #[track_caller]
    pub fn squeeze(self, axis: isize) -> Self {
        let shape = squeezed(axis, self.shape());
        self.tape().alias(Reshape { shape: shape.clone() }, self, &shape)
    }
}

/// A shape with an axis of size 1 inserted.
#[track_caller]
pub(crate) fn unsqueezed(axis: isize, shape: &[usize]) -> Shape {
    let mut shape = Shape::from_slice(shape);
    shape.push(1);
    let axis = axis_of("unsqueeze", axis, &shape);
    shape.pop();
    shape.insert(axis, 1);
    shape
}

/// A shape with an axis of size 1 removed.
#[track_caller]
pub(crate) fn squeezed(axis: isize, own: &[usize]) -> Shape {
    let axis = axis_of("squeeze", axis, own);
    let mut shape = Shape::from_slice(own);
    let size = shape.remove(axis);
    assert!(size == 1, "squeeze: axis {axis} of {own:?} has size {size}, not 1");
    shape
}

/// Whether an array of this shape holds `len` numbers.
fn holds(shape: &[usize], len: usize) -> bool {
    shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size)) == Some(len)
}

/// Sizes for [`Var::reshape`]: `i32` numbers, of which one may be −1, or `usize` numbers.
pub trait Sizes {
    #[doc(hidden)]
    fn resolve(&self, len: usize) -> Option<Shape>;
    #[doc(hidden)]
    fn show(&self) -> String;
}

impl<const N: usize> Sizes for [i32; N] {
    fn resolve(&self, len: usize) -> Option<Shape> {
        let known: usize = self.iter().filter(|&&s| s >= 0).fold(1usize, |n, &s| n.saturating_mul(s as usize));
        let left = self.iter().filter(|&&s| s < 0).count();
        let rest = if left == 1 && known > 0 { len / known } else { 0 };
        let shape: Shape = self.iter().map(|&s| if s < 0 { rest } else { s as usize }).collect();
        let valid = self.iter().all(|&s| s >= -1) && left <= 1 && (left == 0 || known > 0);
        (valid && holds(&shape, len)).then_some(shape)
    }
    fn show(&self) -> String {
        format!("{self:?}")
    }
}

impl Sizes for &[usize] {
    fn resolve(&self, len: usize) -> Option<Shape> {
        holds(self, len).then(|| (*self).into())
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

impl Sizes for &Shape {
    fn resolve(&self, len: usize) -> Option<Shape> {
        self.as_slice().resolve(len)
    }
    fn show(&self) -> String {
        self.as_slice().show()
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    use ndarray::array;
    let x = || vec![array![[[1.5, -0.2, 0.3], [0.4, 2.0, -1.0]], [[0.1, 0.9, -0.7], [1.1, 0.6, -0.3]]].into_dyn()];
    vec![
        check!("broadcast_to", vec![array![[0.5], [-1.5]].into_dyn()], |v| v[0].square().broadcast_to(&[2, 2, 3])),
        check!("reshape", x(), |v| v[0].square().reshape([3, -1])),
        check!("permute", x(), |v| v[0].square().permute([2, 0, 1])),
    ]
}
