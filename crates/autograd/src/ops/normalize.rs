//! What the normalisations share: numbers are shifted and scaled to mean 0 and variance 1.

use crate::ops::elementwise::Elementwise;
use crate::ops::exponential::PowNumber;
use crate::{Float, Jvp, Operation, Output, Shape, Tensor, Value, View, Vjp, kept};

/// What a normalisation keeps of x for its rule. No gradient flows through it: that rule contains the whole gradient.
#[derive(Debug)]
pub(super) enum Statistics {
    /// mean, what rounding took from it, and variance: three rows of a number for each channel
    OfChannels,
    /// mean, what rounding took from it, and `1/√(variance + eps)`: three numbers for each row
    OfRows { eps: f64 },
}

crate::engine::erased::compiled_here!(Statistics);
impl<T: Float> Operation<T> for Statistics {
    crate::engine::erased::compiled_here!(@erase T);
    fn name(&self) -> &'static str {
        match self {
            Statistics::OfChannels => "batch_norm",
            Statistics::OfRows { .. } => "layer_norm",
        }
    }
    fn formula(&self) -> &'static str {
        "What a normalisation keeps of x for its rule. No gradient flows through it: that rule contains the whole \
         gradient."
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        Ok(match self {
            Statistics::OfChannels => Shape::from_slice(&[3, inputs[0][1]]),
            Statistics::OfRows { .. } => Shape::from_slice(&[inputs[0][0], 3]),
        })
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let (shape, x) = (inputs[0].shape(), inputs[0].data());
        match *self {
            Statistics::OfChannels => (T::kernels().statistics)(layout(shape), x, output.data()),
            Statistics::OfRows { eps } => (T::kernels().rows_statistics)(shape[1], x, eps, output.data()),
        }
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        cx.none(0);
    }
    fn jvp<'s>(&self, _: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        None
    }
}

/// Images × channels × numbers of a plane.
pub(super) fn layout(shape: &[usize]) -> [usize; 3] {
    [shape[0], shape[1], shape[2..].iter().product()]
}

/// x̂ and `1/√(variance + eps)` over some axes, computed with operations: where derivatives are differentiated again.
pub(super) struct Standardized<V> {
    pub(super) x: V,
    inverse: V,
    axes: Shape,
    n: f64,
}

impl<V> Standardized<V> {
    pub(super) fn new<T: Float>(x: V, axes: Shape, eps: f64) -> Self
    where
        V: Tensor<T>,
    {
        let n = axes.iter().map(|&axis| x.shape()[axis]).product::<usize>() as f64;
        let mean = |x: &V| x.sum_axis(kept(&axes)) / n;
        let deviation = x.clone() - mean(&x);
        // the mean was rounded; the small mean that remains would count as variance
        let deviation = deviation.clone() - mean(&deviation);
        let variance = mean(&(deviation.clone() * deviation.clone()));
        let inverse = V::apply(Elementwise(PowNumber { exponent: -0.5 }), &[&(variance + eps)]);
        Standardized { x: deviation * inverse.clone(), inverse, axes, n }
    }
    /// `(g − mean(g) − x̂ · mean(g · x̂))/√(variance + eps)`: the Jacobian of x̂, which is symmetric, times g.
    pub(super) fn times<T: Float>(&self, g: V) -> V
    where
        V: Tensor<T>,
    {
        let mean = |x: &V| x.sum_axis(kept(&self.axes)) / self.n;
        let moved = g.clone() - mean(&g) - self.x.clone() * mean(&(g * self.x.clone()));
        moved * self.inverse.clone()
    }
}
