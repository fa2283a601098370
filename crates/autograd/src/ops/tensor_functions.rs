//! The operations that every tensor has as methods, with the names that they have on a [`Var`].
//!
//! Operations that rules use often are applied here. The others are those of variables, called by
//! [`Tensor::function`], so that each formula stands in one place.

use ndarray::{ArrayBase, Data, Dimension, SliceInfoElem};

use crate::axes::{Axes, axis_of};
use crate::ops::activation::Activations;
use crate::ops::arithmetic::Arithmetic;
use crate::ops::choose::{Choices, Where};
use crate::ops::elementwise::Elementwise;
use crate::ops::exponential::{Exponentials, Pow, PowNumber};
use crate::ops::matmul::MatMul;
use crate::ops::reduce::Sum;
use crate::ops::shape::{Permute, squeezed, unsqueezed};
use crate::ops::softmax::{LogSoftmax, Softmax};
use crate::ops::trigonometric::Trigonometry;
use crate::{Float, IntoTensor, Place, Tensor, Var};

/// The operations of a [`Var`] as methods of every [`Tensor`], under the same names: what the rule of an operation can
/// use. The elementwise operations are in the traits that this one extends. Whatever has no method here, such as a
/// [`fused!`](crate::fused) function, is called by [`Tensor::function`].
///
/// In [`Operation::vjp`](crate::Operation::vjp) nothing has to be imported. In
/// [`Operation::jvp`](crate::Operation::jvp), where the arrays are [`Value`](crate::Value)s, write
/// `use gradus_autograd::tensor_functions::*;`.
pub trait TensorFunctions<T: Float>:
    Sized + Activations<T> + Arithmetic<T> + Choices<T> + Exponentials<T> + Trigonometry<T>
{
    /// [`Var::pow`] of a tensor.
    #[track_caller]
    fn pow(&self, exponent: impl IntoTensor<T, Self>) -> Self;
    /// [`Var::gt`] of a tensor.
    #[track_caller]
    fn gt(&self, other: impl IntoTensor<T, Self>) -> Self;
    /// [`Var::lt`] of a tensor.
    #[track_caller]
    fn lt(&self, other: impl IntoTensor<T, Self>) -> Self;
    /// [`Var::ge`] of a tensor.
    #[track_caller]
    fn ge(&self, other: impl IntoTensor<T, Self>) -> Self;
    /// [`Var::le`] of a tensor.
    #[track_caller]
    fn le(&self, other: impl IntoTensor<T, Self>) -> Self;
    /// [`Var::eq`] of a tensor.
    #[track_caller]
    fn eq(&self, other: impl IntoTensor<T, Self>) -> Self;
    /// [`where_`](crate::where_) of a tensor: `yes` where this is not 0, else `no`.
    #[track_caller]
    fn choose(&self, yes: impl IntoTensor<T, Self>, no: impl IntoTensor<T, Self>) -> Self;
    /// [`Var::sum`] of a tensor.
    #[track_caller]
    fn sum(&self) -> Self;
    /// [`Var::sum_axis`] of a tensor.
    #[track_caller]
    fn sum_axis(&self, axes: impl Axes) -> Self;
    /// [`Var::mean`] of a tensor.
    #[track_caller]
    fn mean(&self) -> Self;
    /// [`Var::mean_axis`] of a tensor.
    #[track_caller]
    fn mean_axis(&self, axes: impl Axes) -> Self;
    /// [`Var::var`] of a tensor.
    #[track_caller]
    fn var(&self, correction: f64) -> Self;
    /// [`Var::var_axis`] of a tensor.
    #[track_caller]
    fn var_axis(&self, axes: impl Axes, correction: f64) -> Self;
    /// [`Var::std`] of a tensor.
    #[track_caller]
    fn std(&self, correction: f64) -> Self;
    /// [`Var::std_axis`] of a tensor.
    #[track_caller]
    fn std_axis(&self, axes: impl Axes, correction: f64) -> Self;
    /// [`Var::prod`] of a tensor.
    #[track_caller]
    fn prod(&self) -> Self;
    /// [`Var::prod_axis`] of a tensor.
    #[track_caller]
    fn prod_axis(&self, axes: impl Axes) -> Self;
    /// [`Var::norm`] of a tensor.
    #[track_caller]
    fn norm(&self, p: f64) -> Self;
    /// [`Var::norm_axis`] of a tensor.
    #[track_caller]
    fn norm_axis(&self, axes: impl Axes, p: f64) -> Self;
    /// [`Var::amax`] of a tensor.
    #[track_caller]
    fn amax(&self) -> Self;
    /// [`Var::amax_axis`] of a tensor.
    #[track_caller]
    fn amax_axis(&self, axes: impl Axes) -> Self;
    /// [`Var::amin`] of a tensor.
    #[track_caller]
    fn amin(&self) -> Self;
    /// [`Var::amin_axis`] of a tensor.
    #[track_caller]
    fn amin_axis(&self, axes: impl Axes) -> Self;
    /// [`Var::softmax`] of a tensor.
    #[track_caller]
    fn softmax(&self, axis: isize) -> Self;
    /// [`Var::log_softmax`] of a tensor.
    #[track_caller]
    fn log_softmax(&self, axis: isize) -> Self;
    /// [`Var::logsumexp`] of a tensor.
    #[track_caller]
    fn logsumexp(&self) -> Self;
    /// [`Var::logsumexp_axis`] of a tensor.
    #[track_caller]
    fn logsumexp_axis(&self, axes: impl Axes) -> Self;
    /// [`Var::cumsum`] of a tensor.
    #[track_caller]
    fn cumsum(&self, axis: isize) -> Self;
    /// [`Var::flatten`] of a tensor.
    #[track_caller]
    fn flatten(&self) -> Self;
    /// [`Var::permute`] of a tensor.
    #[track_caller]
    fn permute(&self, axes: impl Axes) -> Self;
    /// [`Var::transpose`] of a tensor.
    #[track_caller]
    fn transpose(&self, a: isize, b: isize) -> Self;
    /// [`Var::t`] of a tensor.
    #[track_caller]
    fn t(&self) -> Self;
    /// [`Var::unsqueeze`] of a tensor.
    #[track_caller]
    fn unsqueeze(&self, axis: isize) -> Self;
    /// [`Var::squeeze`] of a tensor.
    #[track_caller]
    fn squeeze(&self, axis: isize) -> Self;
    /// [`Var::flip`] of a tensor.
    #[track_caller]
    fn flip(&self, axes: impl Axes) -> Self;
    /// [`Var::pad`] of a tensor.
    #[track_caller]
    fn pad(&self, widths: &[[usize; 2]], value: f64) -> Self;
    /// [`Var::diag`] of a tensor.
    #[track_caller]
    fn diag(&self, offset: isize) -> Self;
    /// [`Var::tril`] of a tensor.
    #[track_caller]
    fn tril(&self, diagonal: isize) -> Self;
    /// [`Var::triu`] of a tensor.
    #[track_caller]
    fn triu(&self, diagonal: isize) -> Self;
    /// [`Var::slice`] of a tensor.
    #[track_caller]
    fn slice(&self, part: impl AsRef<[SliceInfoElem]>) -> Self;
    /// [`Var::narrow`] of a tensor.
    #[track_caller]
    fn narrow(&self, axis: isize, start: usize, len: usize) -> Self;
    /// [`Var::at`] of a tensor.
    #[track_caller]
    fn at(&self, place: impl Place) -> Self;
    /// [`Var::index_select`] of a tensor.
    #[track_caller]
    fn index_select(&self, axis: isize, index: &[usize]) -> Self;
    /// [`Var::gather`] of a tensor.
    #[track_caller]
    fn gather<S: Data<Elem = usize>, D: Dimension>(&self, axis: isize, index: &ArrayBase<S, D>) -> Self;
    /// [`Var::matmul`] of a tensor.
    #[track_caller]
    fn matmul(&self, other: &Self) -> Self;
    /// [`Var::dot`] of a tensor.
    #[track_caller]
    fn dot(&self, other: &Self) -> Self;
    /// [`Var::outer`] of a tensor.
    #[track_caller]
    fn outer(&self, other: &Self) -> Self;
}

impl<T: Float, V: Tensor<T>> TensorFunctions<T> for V {
    fn pow(&self, exponent: impl IntoTensor<T, Self>) -> Self {
        match exponent.number() {
            Some(exponent) => V::apply(Elementwise(PowNumber { exponent }), &[self]),
            None => V::apply(Elementwise(Pow {}), &[self, &exponent.into_tensor(self)]),
        }
    }
    fn gt(&self, other: impl IntoTensor<T, Self>) -> Self {
        compare(self, other, |a, b| a.gt(b))
    }
    fn lt(&self, other: impl IntoTensor<T, Self>) -> Self {
        compare(self, other, |a, b| a.lt(b))
    }
    fn ge(&self, other: impl IntoTensor<T, Self>) -> Self {
        compare(self, other, |a, b| a.ge(b))
    }
    fn le(&self, other: impl IntoTensor<T, Self>) -> Self {
        compare(self, other, |a, b| a.le(b))
    }
    fn eq(&self, other: impl IntoTensor<T, Self>) -> Self {
        compare(self, other, |a, b| a.eq(b))
    }
    fn choose(&self, yes: impl IntoTensor<T, Self>, no: impl IntoTensor<T, Self>) -> Self {
        V::apply(Where {}, &[self, &yes.into_tensor(self), &no.into_tensor(self)])
    }
    fn sum(&self) -> Self {
        self.sum_axis(..)
    }
    fn sum_axis(&self, axes: impl Axes) -> Self {
        V::apply(Sum::over("sum", axes, self.shape()), &[self])
    }
    fn mean(&self) -> Self {
        self.mean_axis(..)
    }
    fn mean_axis(&self, axes: impl Axes) -> Self {
        V::apply(Sum::over("mean", axes, self.shape()), &[self])
    }
    fn var(&self, correction: f64) -> Self {
        self.var_axis(.., correction)
    }
    fn var_axis(&self, axes: impl Axes, correction: f64) -> Self {
        V::function([self], |[x]| x.var_axis(axes, correction))
    }
    fn std(&self, correction: f64) -> Self {
        self.std_axis(.., correction)
    }
    fn std_axis(&self, axes: impl Axes, correction: f64) -> Self {
        V::function([self], |[x]| x.std_axis(axes, correction))
    }
    fn prod(&self) -> Self {
        self.prod_axis(..)
    }
    fn prod_axis(&self, axes: impl Axes) -> Self {
        V::function([self], |[x]| x.prod_axis(axes))
    }
    fn norm(&self, p: f64) -> Self {
        self.norm_axis(.., p)
    }
    fn norm_axis(&self, axes: impl Axes, p: f64) -> Self {
        V::function([self], |[x]| x.norm_axis(axes, p))
    }
    fn amax(&self) -> Self {
        self.amax_axis(..)
    }
    fn amax_axis(&self, axes: impl Axes) -> Self {
        V::function([self], |[x]| x.amax_axis(axes))
    }
    fn amin(&self) -> Self {
        self.amin_axis(..)
    }
    fn amin_axis(&self, axes: impl Axes) -> Self {
        V::function([self], |[x]| x.amin_axis(axes))
    }
    fn softmax(&self, axis: isize) -> Self {
        V::apply(Softmax { axis: axis_of("softmax", axis, self.shape()) }, &[self])
    }
    fn log_softmax(&self, axis: isize) -> Self {
        V::apply(LogSoftmax { axis: axis_of("log_softmax", axis, self.shape()) }, &[self])
    }
    fn logsumexp(&self) -> Self {
        self.logsumexp_axis(..)
    }
    fn logsumexp_axis(&self, axes: impl Axes) -> Self {
        V::function([self], |[x]| x.logsumexp_axis(axes))
    }
    fn cumsum(&self, axis: isize) -> Self {
        V::function([self], |[x]| x.cumsum(axis))
    }
    fn flatten(&self) -> Self {
        self.clone().reshape([-1])
    }
    fn permute(&self, axes: impl Axes) -> Self {
        V::apply(Permute::by(axes, self.shape()), &[self])
    }
    fn transpose(&self, a: isize, b: isize) -> Self {
        V::apply(Permute::exchange(a, b, self.shape()), &[self])
    }
    fn t(&self) -> Self {
        V::apply(Permute::transpose(self.shape()), &[self])
    }
    fn unsqueeze(&self, axis: isize) -> Self {
        self.clone().reshape(&unsqueezed(axis, self.shape()))
    }
    fn squeeze(&self, axis: isize) -> Self {
        self.clone().reshape(&squeezed(axis, self.shape()))
    }
    fn flip(&self, axes: impl Axes) -> Self {
        V::function([self], |[x]| x.flip(axes))
    }
    fn pad(&self, widths: &[[usize; 2]], value: f64) -> Self {
        V::function([self], |[x]| x.pad(widths, value))
    }
    fn diag(&self, offset: isize) -> Self {
        V::function([self], |[x]| x.diag(offset))
    }
    fn tril(&self, diagonal: isize) -> Self {
        V::function([self], |[x]| x.tril(diagonal))
    }
    fn triu(&self, diagonal: isize) -> Self {
        V::function([self], |[x]| x.triu(diagonal))
    }
    fn slice(&self, part: impl AsRef<[SliceInfoElem]>) -> Self {
        V::function([self], |[x]| x.slice(part))
    }
    fn narrow(&self, axis: isize, start: usize, len: usize) -> Self {
        V::function([self], |[x]| x.narrow(axis, start, len))
    }
    fn at(&self, place: impl Place) -> Self {
        V::function([self], |[x]| x.at(place))
    }
    fn index_select(&self, axis: isize, index: &[usize]) -> Self {
        V::function([self], |[x]| x.index_select(axis, index))
    }
    fn gather<S: Data<Elem = usize>, D: Dimension>(&self, axis: isize, index: &ArrayBase<S, D>) -> Self {
        V::function([self], |[x]| x.gather(axis, index))
    }
    fn matmul(&self, other: &Self) -> Self {
        match (self.shape().len(), other.shape().len()) {
            (2.., 2..) => V::apply(MatMul { transposed: [false, false] }, &[self, other]),
            _ => V::function([self, other], |[a, b]| a.matmul(b)),
        }
    }
    fn dot(&self, other: &Self) -> Self {
        V::function([self, other], |[a, b]| a.dot(b))
    }
    fn outer(&self, other: &Self) -> Self {
        V::function([self, other], |[a, b]| a.outer(b))
    }
}

/// A comparison, element by element. It has no derivative.
fn compare<T: Float, V: Tensor<T>>(
    x: &V,
    other: impl IntoTensor<T, V>,
    holds: impl for<'t> FnOnce(Var<'t, T>, Var<'t, T>) -> Var<'t, T>,
) -> V {
    V::function([x, &other.into_tensor(x)], |[a, b]| holds(a, b))
}
