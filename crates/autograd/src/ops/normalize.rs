//! Normalisation: numbers are shifted and scaled to mean 0 and variance 1.

use crate::ops::elementwise::Elementwise;
use crate::ops::exponential::PowNumber;
use crate::{Float, Jvp, Operation, Output, Shape, Tensor, Value, Var, View, Vjp};

/// `y = (x − mean) / √(variance + eps)` along the last axis.
#[derive(Debug)]
struct Standardize {
    eps: f64,
}

impl Standardize {
    /// `r ⊙ (g − mean(g) − y ⊙ mean(g ⊙ y))` with `r = 1/√(variance + eps)`: the Jacobian, which is symmetric, times g.
    fn times<T: Float, V: Tensor<T>>(&self, [x, y, g]: [V; 3]) -> V {
        let last = x.shape().len() - 1;
        let n = x.shape()[last] as f64;
        let mean = |x: &V| x.sum_keep(&[last]) / n;
        let deviation = x.clone() - mean(&x);
        let deviation = deviation.clone() - mean(&deviation);
        let variance = mean(&(deviation.clone() * deviation));
        let r = V::apply(Elementwise(PowNumber { exponent: -0.5 }), &[&(variance + self.eps)]);
        let moved = g.clone() - mean(&g) - y.clone() * mean(&(g * y));
        moved * r
    }
}

impl<T: Float> Operation<T> for Standardize {
    fn name(&self) -> &'static str {
        "standardize"
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        Ok(Shape::from_slice(inputs[0]))
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let n = inputs[0].shape()[inputs[0].shape().len() - 1];
        for (x, y) in inputs[0].data().chunks_exact(n.max(1)).zip(output.data().chunks_exact_mut(n.max(1))) {
            let mut mean = [T::default()];
            (T::kernels().sum)(x, [1, n, 1], &mut mean);
            let mean = mean[0] / T::from_f64(n as f64);
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = x - mean);
            // the mean was rounded; the small mean that remains would count as variance
            let rest: f64 = y.iter().map(|y| y.to_f64()).sum::<f64>() / n as f64;
            y.iter_mut().for_each(|y| *y -= T::from_f64(rest));
            let squares: f64 = y.iter().map(|y| y.to_f64() * y.to_f64()).sum();
            (T::kernels().mul_number)(y, T::from_f64(1.0 / (squares / n as f64 + self.eps).sqrt()));
        }
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        cx.add(0, || self.times([cx.input(0), cx.output(), cx.grad()]));
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        Some(self.times([cx.input(0), cx.output(), cx.tangent(0)?]))
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// Layer normalisation (Ba et al. 2016, <https://arxiv.org/abs/1607.06450>): `y = (x − mean)/√(variance + eps)`
    /// over the last `axes` axes together, where the variance has divisor n. PyTorch's default `eps` is 10⁻⁵. Scale and
    /// shift the result by plain arithmetic: `x.layer_norm(1, 1e-5) * &weight + &bias`.
    ///
    /// # Panics
    /// If there are fewer than `axes` axes.
    ///
    /// ```
    /// use ndarray::array;
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(array![[1.0, 3.0], [10.0, 30.0]]);
    /// assert_eq!(x.layer_norm(1, 0.0).data(), [-1.0, 1.0, -1.0, 1.0]);
    /// ```
    #[track_caller]
    pub fn layer_norm(self, axes: usize, eps: f64) -> Self {
        let shape = self.shape();
        assert!(axes <= shape.len(), "layer_norm: over the last {axes} axes of {shape:?}, which has {}", shape.len());
        let n: usize = shape[shape.len() - axes..].iter().product();
        let rows: usize = shape[..shape.len() - axes].iter().product();
        self.reshape([rows, n]).unary(Standardize { eps }).reshape(shape)
    }

    /// Batch normalisation by the statistics of the batch itself (Ioffe, Szegedy 2015,
    /// <https://arxiv.org/abs/1502.03167>): `y = (x − mean)/√(variance + eps)` for each channel (axis 1), over all
    /// other axes, where the variance has divisor n. Scale and shift the result by plain arithmetic.
    ///
    /// Batch normalisation by running statistics instead, as for inference, is `(x − mean) * (variance + eps).rsqrt()`.
    /// Arrays with one number for each channel broadcast along the last axis: for images, give them as
    /// `weight.reshape([-1, 1, 1])`.
    ///
    /// # Panics
    /// If there are fewer than two axes.
    ///
    /// ```
    /// use ndarray::array;
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(array![[1.0, 10.0], [3.0, 30.0]]);
    /// assert_eq!(x.batch_norm(0.0).data(), [-1.0, -1.0, 1.0, 1.0]);
    /// ```
    #[track_caller]
    pub fn batch_norm(self, eps: f64) -> Self {
        let shape = self.shape();
        assert!(shape.len() >= 2, "batch_norm: {shape:?} has no axis of channels; it must be examples × channels × …");
        let channels_first = self.transpose(0, 1);
        let n: usize = shape.iter().enumerate().filter(|(k, _)| *k != 1).map(|(_, size)| size).product();
        let y = channels_first.reshape([shape[1], n]).unary(Standardize { eps });
        y.reshape(channels_first.shape()).transpose(0, 1)
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    use ndarray::array;
    let x = || vec![array![[[1.5, -0.2, 0.3], [0.4, 2.0, -1.0]], [[0.1, 0.9, -0.7], [1.1, 0.6, -0.3]]].into_dyn()];
    vec![
        check!("layer_norm", x(), |v| v[0].layer_norm(1, 1e-5)),
        check!("layer_norm", x(), |v| v[0].square().layer_norm(2, 0.1)),
        check!("batch_norm", x(), |v| v[0].square().batch_norm(1e-3)),
    ]
}

#[cfg(test)]
mod tests {
    use crate::Tape;

    #[test]
    fn equal_numbers_have_no_variance_though_their_mean_is_rounded() {
        let tape = Tape::new();
        let x = tape.var([10_000.1; 7]);
        assert_eq!(x.layer_norm(1, 1e-5).data(), [0.0; 7]);
        assert_eq!((x.var(1.0).item(), x.std(1.0).item()), (0.0, 0.0));
        assert!(x.layer_norm(1, 1e-5).square().sum().backward().wrt(x).iter().all(|g| *g == 0.0));
    }

    #[test]
    fn rows_of_one_number_and_of_equal_numbers_become_zeros() {
        let tape = Tape::new();
        let one = tape.var(ndarray::array![[5.0], [7.0]]);
        assert_eq!(one.layer_norm(1, 1e-5).data(), [0.0, 0.0]);
        assert_eq!(one.layer_norm(1, 1e-5).sum().backward().wrt(one), ndarray::array![[0.0], [0.0]].into_dyn());
        let equal = tape.var([1e4, 1e4, 1e4]);
        assert_eq!(equal.layer_norm(1, 1e-5).data(), [0.0; 3]);
    }

    /// Numbers far from 0 in single precision: a variance computed from the mean of the squares would lose all digits.
    #[test]
    fn a_large_mean_does_not_swallow_the_variance() {
        let tape = Tape::new();
        let x = tape.var([10_000.0, 10_001.0, 10_002.0]);
        let y = x.layer_norm(1, 0.0);
        assert!((y.data()[2] - 1.5f32.sqrt()).abs() < 1e-6, "{:?}", y.data());
    }
}
