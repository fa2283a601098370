//! Softmax and its logarithm, log-sum-exp, and the cross-entropy, which contains them.

use std::sync::Arc;

use crate::axes::{Axes, axis_of};
use crate::ops::along::reduced;
use crate::ops::exponential::Exponentials;
use crate::{Float, Jvp, Operation, Output, Shape, Tensor, TensorFunctions, Value, Var, View, Vjp, kept};

/// Calls `f(row of x, row of y)` for each row along an axis; a row whose numbers are not contiguous is copied to a
/// buffer and back.
fn rows<T: Float>(shape: &[usize], axis: usize, x: &[T], y: &mut [T], mut f: impl FnMut(&[T], &mut [T])) {
    let (n, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
    if n == 0 || inner == 0 {
        return;
    }
    if inner == 1 {
        return x.chunks_exact(n).zip(y.chunks_exact_mut(n)).for_each(|(x, y)| f(x, y));
    }
    let (mut from, mut to) = (vec![T::default(); n], vec![T::default(); n]);
    for (x, y) in x.chunks_exact(n * inner).zip(y.chunks_exact_mut(n * inner)) {
        for i in 0..inner {
            from.iter_mut().zip(x[i..].iter().step_by(inner)).for_each(|(from, &x)| *from = x);
            f(&from, &mut to);
            y[i..].iter_mut().step_by(inner).zip(&to).for_each(|(y, &to)| *y = to);
        }
    }
}

/// `yᵢ = e^xᵢ / Σ e^xⱼ` along an axis, `∂yᵢ/∂xⱼ = yᵢ (δᵢⱼ − yⱼ)`.
#[derive(Debug)]
pub(crate) struct Softmax {
    pub(crate) axis: usize,
}

crate::engine::erased::compiled_here!(Softmax);
impl<T: Float> Operation<T> for Softmax {
    crate::engine::erased::compiled_here!(@erase T);
    fn name(&self) -> &'static str {
        "softmax"
    }
    fn formula(&self) -> &'static str {
        "`yᵢ = e^xᵢ / Σ e^xⱼ` along an axis, `∂yᵢ/∂xⱼ = yᵢ (δᵢⱼ − yⱼ)`."
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        Ok(Shape::from_slice(inputs[0]))
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let (shape, x, softmax) = (inputs[0].shape(), inputs[0].data(), T::kernels().softmax);
        match shape[self.axis] {
            0 => {}
            n if self.axis + 1 == shape.len() => softmax(n, x, output.data()),
            n => rows(shape, self.axis, x, output.data(), |x, y| softmax(n, x, y)),
        }
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        // y ⊙ (g − Σ g y)
        cx.add(0, || {
            let (g, y) = (cx.grad(), cx.output());
            let shape = Shape::from_slice(y.shape());
            let n = shape[self.axis];
            if n > 0 && self.axis + 1 == shape.len() {
                let numbers = cx.numbers(&[y.clone(), g.clone()], [&shape], |views, [dx]| {
                    (T::kernels().softmax_by_input)(n, views[0].data(), views[1].data(), dx);
                });
                if let Some([dx]) = numbers {
                    return dx;
                }
            }
            (g.clone() - (g * y.clone()).sum_axis(kept(self.axis as isize))) * y
        });
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        let (dx, y) = (cx.tangent(0)?, cx.output()); // the Jacobian is symmetric
        Some((dx.clone() - (dx * y.clone()).sum_axis(kept(self.axis as isize))) * y)
    }
}

/// `yᵢ = xᵢ − ln Σ e^xⱼ` along an axis, `∂yᵢ/∂xⱼ = δᵢⱼ − e^yⱼ`.
#[derive(Debug)]
pub(crate) struct LogSoftmax {
    pub(crate) axis: usize,
}

crate::engine::erased::compiled_here!(LogSoftmax);
impl<T: Float> Operation<T> for LogSoftmax {
    crate::engine::erased::compiled_here!(@erase T);
    fn name(&self) -> &'static str {
        "log_softmax"
    }
    fn formula(&self) -> &'static str {
        "`yᵢ = xᵢ − ln Σ e^xⱼ` along an axis, `∂yᵢ/∂xⱼ = δᵢⱼ − e^yⱼ`."
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        Ok(Shape::from_slice(inputs[0]))
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        rows(inputs[0].shape(), self.axis, inputs[0].data(), output.data(), |x, y| {
            let (max, log) = (T::kernels().log_sum_exp)(x);
            // the largest is subtracted first: that is exact, and log may be far smaller
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = (x - max) - log);
        });
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        // g − e^y Σ g
        cx.add(0, || cx.grad() - cx.output().exp() * cx.grad().sum_axis(kept(self.axis as isize)));
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        let dx = cx.tangent(0)?;
        Some(dx.clone() - (cx.output().exp() * dx).sum_axis(kept(self.axis as isize)))
    }
}

/// `y = ln Σ e^xⱼ` over axes, `∂y/∂xⱼ = e^(xⱼ − y)`.
#[derive(Debug)]
pub(crate) struct LogSumExp {
    pub(crate) axes: Shape,
}

crate::engine::erased::compiled_here!(LogSumExp);
impl<T: Float> Operation<T> for LogSumExp {
    crate::engine::erased::compiled_here!(@erase T);
    fn name(&self) -> &'static str {
        "logsumexp"
    }
    fn formula(&self) -> &'static str {
        "`y = ln Σ e^xⱼ` over axes, `∂y/∂xⱼ = e^(xⱼ − y)`."
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        Ok(reduced(inputs[0], &self.axes))
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        // the reduced axes come last: then each result is computed from one run of numbers
        let shape = inputs[0].shape();
        let kept = (0..shape.len()).filter(|k| !self.axes.contains(k));
        let order: Vec<usize> = kept.chain(self.axes.iter().copied()).collect();
        let x = inputs[0].array().permuted_axes(order);
        let n: usize = self.axes.iter().map(|&k| shape[k]).product();
        let x: Vec<T> = x.iter().copied().collect();
        for (i, y) in output.data().iter_mut().enumerate() {
            let (max, log) = (T::kernels().log_sum_exp)(&x[i * n..(i + 1) * n]);
            *y = max + log;
        }
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        // g ⊙ softmax: a softmax over several axes is that of a flat row, e^(x − y)
        cx.add(0, || cx.grad() * (cx.input(0) - cx.output()).exp());
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        Some((cx.tangent(0)? * (cx.input(0) - cx.output()).exp()).sum_axis(kept(&self.axes)))
    }
}

/// `yᵢ = ln Σⱼ e^xᵢⱼ − xᵢₗ` for label l of row i: minus the log of the probability that a softmax gives the label.
/// `∂yᵢ/∂xᵢⱼ = pᵢⱼ − δⱼₗ`: the probability, minus 1 at the label.
#[derive(Debug)]
pub(crate) struct CrossEntropy {
    pub(crate) labels: Arc<[usize]>,
}

crate::engine::erased::compiled_here!(CrossEntropy);
impl<T: Float> Operation<T> for CrossEntropy {
    crate::engine::erased::compiled_here!(@erase T);
    fn name(&self) -> &'static str {
        "cross_entropy"
    }
    fn formula(&self) -> &'static str {
        "`yᵢ = ln Σⱼ e^xᵢⱼ − xᵢₗ` for label l of row i: minus the log of the probability that a softmax gives the \
         label. `∂yᵢ/∂xᵢⱼ = pᵢⱼ − δⱼₗ`: the probability, minus 1 at the label."
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        let &[rows, classes] = inputs[0] else {
            return Err(format!("the logits are {:?}; they must be examples × classes", inputs[0]));
        };
        if rows != self.labels.len() {
            return Err(format!("the logits are {:?}, with {rows} rows for {} labels", inputs[0], self.labels.len()));
        }
        match self.labels.iter().enumerate().find(|(_, label)| **label >= classes) {
            Some((row, label)) => {
                Err(format!("row {row} has label {label}, but the logits {:?} have {classes} classes", inputs[0]))
            }
            None => Ok([rows].as_slice().into()),
        }
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let classes = inputs[0].shape()[1];
        let logits = inputs[0].data().chunks_exact(classes.max(1));
        for ((y, row), &label) in output.data().iter_mut().zip(logits).zip(self.labels.iter()) {
            let (max, log) = (T::kernels().log_sum_exp)(row);
            *y = (max - row[label]) + log;
        }
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        cx.add(0, || self.slope(&cx.input(0)) * cx.grad().reshape([self.labels.len(), 1]));
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        let dy = (self.slope(&cx.input(0)) * cx.tangent(0)?).sum_axis(kept(1));
        Some(dy.reshape([self.labels.len()]))
    }
}

impl CrossEntropy {
    /// `softmax(x) − onehot(label)`
    fn slope<T: Float, V: Tensor<T>>(&self, x: &V) -> V {
        let (rows, classes) = (x.shape()[0], x.shape()[1]);
        let target = x.constant(&[rows, classes], |target| {
            target.fill(T::default());
            self.labels.iter().enumerate().for_each(|(i, &label)| target[i * classes + label] = T::from_f64(1.0));
        });
        V::apply(Softmax { axis: 1 }, &[x]) - target
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// `yᵢ = e^xᵢ / Σ e^xⱼ` along an axis: positive numbers that sum to 1. The largest number is subtracted first, so
    /// nothing overflows; −∞ has probability 0. A row of only −∞ gives NaN, as in PyTorch.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var([1000.0, 1000.0]);
    /// assert_eq!(x.softmax(-1).data(), [0.5, 0.5]);
    /// ```
    #[track_caller]
    pub fn softmax(self, axis: isize) -> Self {
        self.unary(Softmax { axis: axis_of("softmax", axis, self.shape()) })
    }

    /// The logarithm of [`softmax`](Self::softmax), `yᵢ = xᵢ − ln Σ e^xⱼ`, which is finite where the softmax
    /// underflows.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var([1e4, 0.0]);
    /// assert_eq!(x.log_softmax(-1).data(), [0.0, -1e4]);
    /// ```
    #[track_caller]
    pub fn log_softmax(self, axis: isize) -> Self {
        self.unary(LogSoftmax { axis: axis_of("log_softmax", axis, self.shape()) })
    }

    /// `ln Σ eˣ` over all numbers. The largest number is subtracted first, so nothing overflows.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var([1000.0, 1000.0]);
    /// assert_eq!(x.logsumexp().item(), 1000.0 + 2f32.ln());
    /// ```
    #[track_caller]
    pub fn logsumexp(self) -> Self {
        self.logsumexp_axis(..)
    }

    /// `ln Σ eˣ` over one or more axes, which disappear, or keep size 1 if they are [`kept`](crate::kept()).
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(ndarray::array![[1000.0, 1000.0], [3.0, f32::NEG_INFINITY]]);
    /// assert_eq!(x.logsumexp_axis(1).data(), [1000.0 + 2f32.ln(), 3.0]);
    /// ```
    #[track_caller]
    pub fn logsumexp_axis(self, axes: impl Axes) -> Self {
        let list = axes.list("logsumexp", self.shape());
        self.unary(LogSumExp { axes: list.clone() }).reduced(&list, axes.keeps())
    }

    /// The cross-entropy of each row of logits (examples × classes) against its label: `ln Σⱼ e^xᵢⱼ − xᵢₗ`, one number
    /// for each row, computed from the logits in one operation. So a model's last layer needs no softmax. With a
    /// softmax there, the cost would apply it twice, and where it underflows, the logarithm could not recover the
    /// result.
    ///
    /// # Panics
    /// If there are not as many labels as rows, or a label is not a class; the message names the row and the label.
    ///
    /// ```
    /// use ndarray::array;
    /// let tape = gradus_autograd::Tape::new();
    /// let logits = tape.var(array![[0.0, 0.0], [1e4, 0.0]]);
    /// let losses = logits.cross_entropy_rows(&[0, 1]);
    /// assert_eq!(losses.data(), [2f32.ln(), 1e4]);
    /// ```
    #[track_caller]
    pub fn cross_entropy_rows(self, labels: &[usize]) -> Self {
        self.unary(CrossEntropy { labels: labels.into() })
    }

    /// The mean of [`cross_entropy_rows`](Self::cross_entropy_rows): the cost of a classifier.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let logits = tape.var(ndarray::array![[0.0, 0.0], [1e4, 0.0]]);
    /// assert_eq!(logits.cross_entropy(&[0, 0]).item(), 2f32.ln() / 2.0);
    /// ```
    #[track_caller]
    pub fn cross_entropy(self, labels: &[usize]) -> Self {
        self.cross_entropy_rows(labels).mean()
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    use crate::kept;
    use ndarray::array;
    let x = || vec![array![[1.5, -0.2, 0.3], [0.4, 2.0, -1.0]].into_dyn()];
    vec![
        check!("softmax", x(), |v| v[0].softmax(1)),
        check!("softmax", x(), |v| v[0].square().softmax(0)),
        check!("log_softmax", x(), |v| v[0].log_softmax(0)),
        check!("log_softmax", x(), |v| v[0].square().log_softmax(1)),
        check!("logsumexp", x(), |v| v[0].logsumexp_axis(1)),
        check!("logsumexp", x(), |v| v[0].square().logsumexp_axis(kept([1, 0]))),
        check!("cross_entropy", x(), |v| v[0].square().cross_entropy_rows(&[2, 0])),
    ]
}
