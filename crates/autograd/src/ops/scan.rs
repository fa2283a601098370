//! Running sums along an axis.

use crate::axes::axis_of;
use crate::exact_sum::Exact;
use crate::{Float, Jvp, Operation, Output, Shape, Tensor, Value, Var, View, Vjp};

/// `yᵢ = Σ xⱼ` over all j ≤ i along an axis; in reverse, over all j ≥ i. Its gradient is the sum the other way.
#[derive(Debug)]
pub(crate) struct CumSum {
    axis: usize,
    reverse: bool,
}

crate::engine::erased::compiled_here!(CumSum);
impl<T: Float> Operation<T> for CumSum {
    crate::engine::erased::compiled_here!(@erase T);
    fn name(&self) -> &'static str {
        "cumsum"
    }
    fn formula(&self) -> &'static str {
        "`yᵢ = Σ xⱼ` over all j ≤ i along an axis; in reverse, over all j ≥ i. Its gradient is the sum the other way."
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        Ok(Shape::from_slice(inputs[0]))
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let shape = inputs[0].shape();
        let (n, inner) = (shape[self.axis], shape[self.axis + 1..].iter().product::<usize>());
        if n * inner == 0 {
            return;
        }
        let mut sums = vec![Exact::default(); inner];
        for (x, y) in inputs[0].data().chunks_exact(n * inner).zip(output.data().chunks_exact_mut(n * inner)) {
            sums.fill(Exact::default());
            for i in 0..n {
                let row = if self.reverse { n - 1 - i } else { i } * inner;
                for ((y, &x), sum) in y[row..row + inner].iter_mut().zip(&x[row..row + inner]).zip(&mut sums) {
                    sum.add(x);
                    *y = sum.sum;
                }
            }
        }
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        // yᵢ holds xⱼ for every i ≥ j
        cx.add(0, || V::apply(CumSum { axis: self.axis, reverse: !self.reverse }, &[&cx.grad()]));
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        cx.linear(self)
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// The running sum along an axis: `yᵢ = x₀ + … + xᵢ`. The gradient runs back: `dxⱼ = Σ gᵢ` over all i ≥ j.
    ///
    /// The error of each number is that of two roundings of the sum of |x|, however long the sum is: the error that
    /// rounding adds is subtracted again (W. Kahan's sum). PyTorch's error grows with i.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var([1.0, 2.0, 3.0]);
    /// assert_eq!(x.cumsum(0).data(), [1.0, 3.0, 6.0]);
    /// assert_eq!(x.cumsum(0).sum().backward().wrt(x), ndarray::array![3.0, 2.0, 1.0].into_dyn());
    /// ```
    #[track_caller]
    pub fn cumsum(self, axis: isize) -> Self {
        self.unary(CumSum { axis: axis_of("cumsum", axis, self.shape()), reverse: false })
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    use ndarray::array;
    let x = || vec![array![[[1.5, -0.2, 0.3], [0.4, 2.0, -1.0]], [[0.1, 0.9, -0.7], [1.1, 0.6, -0.3]]].into_dyn()];
    vec![
        check!("cumsum", x(), |v| v[0].square().cumsum(1)),
        check!("cumsum", x(), |v| v[0].square().cumsum(-1).square()),
        check!("cumsum", x(), |v| v[0].square().cumsum(0)),
    ]
}
