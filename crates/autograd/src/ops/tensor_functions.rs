//! The operations that every tensor has as methods.

use crate::ops::elementwise::Elementwise;
use crate::ops::exponential::{Exp, Ln};
use crate::ops::matmul::MatMul;
use crate::ops::reduce::Sum;
use crate::ops::shape::Permute;
use crate::{Float, Tensor, TensorFunctions};

impl<T: Float, V: Tensor<T>> TensorFunctions<T> for V {
    fn sum_keep(&self, axes: &[usize]) -> Self {
        V::apply(Sum { axes: axes.into(), keep: true, divisor: 1.0 }, &[self])
    }
    fn permute(&self, axes: &[usize]) -> Self {
        V::apply(Permute { axes: axes.into() }, &[self])
    }
    fn matmul(&self, other: &Self, transposed: [bool; 2]) -> Self {
        V::apply(MatMul { transposed }, &[self, other])
    }
    fn exp(&self) -> Self {
        V::apply(Elementwise(Exp {}), &[self])
    }
    fn ln(&self) -> Self {
        V::apply(Elementwise(Ln {}), &[self])
    }
}
