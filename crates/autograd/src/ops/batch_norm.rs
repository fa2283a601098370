//! Batch normalisation.

use crate::ops::normalize::{Standardized, Statistics, layout};
use crate::{Float, IntoVar, Jvp, Operation, Output, Shape, Tensor, Value, Var, View, Vjp};

/// Batch normalisation of each channel, which is axis 1. The inputs are x, its statistics (which are a function of x,
/// kept for the rule) and, if it is affine, a weight and a bias for each channel.
#[derive(Debug)]
struct BatchNorm {
    eps: f64,
}

/// All axes but that of the channels.
fn others(axes: usize) -> Shape {
    (0..axes).filter(|&axis| axis != 1).collect()
}

/// The sum of each channel.
fn sum_of_channels<T: Float, V: Tensor<T>>(x: V) -> V {
    let channels = x.shape()[1];
    x.sum_keep(&others(x.shape().len())).reshape(&[channels])
}

/// A number for each channel, in a shape that broadcasts to so many axes.
fn along_channels<T: Float, V: Tensor<T>>(numbers: V, axes: usize) -> V {
    let mut shape = Shape::from_elem(1, axes);
    shape[1] = numbers.shape()[0];
    numbers.reshape(&shape)
}

impl<T: Float> Operation<T> for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        Ok(Shape::from_slice(inputs[0]))
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let affine = [2, 3].map(|i| inputs.get(i).map(View::data));
        let arrays = [inputs[0].data(), inputs[1].data()];
        (T::kernels().normalize)(layout(inputs[0].shape()), arrays, affine, self.eps, output.data());
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        cx.none(1);
        let (x, statistics, g, eps) = (cx.input(0), cx.input(1), cx.grad(), self.eps);
        let weight = (cx.inputs() == 4).then(|| cx.input(2));
        let (channels, kernels) = (x.shape()[1], T::kernels());
        let sums = cx.numbers(&[x.clone(), statistics.clone(), g.clone()], &[2, channels], |views, mut out| {
            let arrays = [0, 1, 2].map(|i| views[i].data());
            (kernels.normalize_sums)(layout(views[0].shape()), arrays, eps, out.data());
        });
        if let Some(sums) = sums {
            let row = |row: usize| {
                let copy = |views: &[View<'_, T>], mut out: Output<'_, T>| {
                    out.data().copy_from_slice(&views[0].data()[row * channels..][..channels]);
                };
                cx.numbers(std::slice::from_ref(&sums), &[channels], copy).expect("numbers, as the sums")
            };
            if weight.is_some() {
                cx.add(2, || row(1));
                cx.add(3, || row(0));
            }
            cx.add(0, || {
                let shape = Shape::from_slice(x.shape());
                let arrays: Vec<V> = [x, statistics, g, sums.clone()].into_iter().chain(weight.clone()).collect();
                let by_input = |views: &[View<'_, T>], mut out: Output<'_, T>| {
                    let (arrays, weight) = ([0, 1, 2, 3].map(|i| views[i].data()), views.get(4).map(View::data));
                    (kernels.normalize_by_input)(layout(views[0].shape()), arrays, weight, eps, out.data());
                };
                cx.numbers(&arrays, &shape, by_input).expect("numbers, as the sums")
            });
            return;
        }
        let axes = x.shape().len();
        let own = Standardized::new(x, others(axes), eps);
        if weight.is_some() {
            cx.add(2, || sum_of_channels(g.clone() * own.x.clone()));
            cx.add(3, || sum_of_channels(g.clone()));
        }
        cx.add(0, || match weight {
            Some(weight) => own.times(g.clone() * along_channels(weight, axes)),
            None => own.times(g.clone()),
        });
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        let axes = cx.output().shape().len();
        let own = Standardized::new(cx.input(0), others(axes), self.eps);
        if cx.inputs() == 2 {
            return cx.tangent(0).map(|dx| own.times(dx));
        }
        let terms = [
            cx.tangent(0).map(|dx| own.times(dx) * along_channels(cx.input(2), axes)),
            cx.tangent(2).map(|weight| own.x.clone() * along_channels(weight, axes)),
            cx.tangent(3).map(|bias| along_channels(bias, axes)),
        ];
        cx.sum(terms.into_iter().flatten())
    }
}

/// Numbers of a plane from which on the loops over planes are worth it.
const PLANE: usize = 16;

impl<'t, T: Float> Var<'t, T> {
    /// Batch normalisation by the statistics of the batch itself (Ioffe, Szegedy 2015,
    /// <https://arxiv.org/abs/1502.03167>): `y = (x − mean)/√(variance + eps)` for each channel (axis 1), over all
    /// other axes, where the variance has divisor n. Scale and shift the result by
    /// [`batch_norm_affine`](Self::batch_norm_affine).
    ///
    /// Batch normalisation by running statistics instead, as for inference, is `(x − mean) * (variance + eps).rsqrt()`.
    /// Arrays with one number for each channel broadcast along the last axis: for images, give them as
    /// `weight.reshape([-1, 1, 1])`.
    ///
    /// In `f32`, the variance of numbers beyond 10¹⁹ is infinite, and then the result is 0.
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
        self.normalized(None, eps).0
    }

    /// [`batch_norm`](Self::batch_norm), then times `weight` and plus `bias`, which have a number for each channel: one
    /// operation, which reads the batch once for its statistics. Returns the result and, as constants, the mean and the
    /// variance (with divisor n) of each channel.
    ///
    /// # Panics
    /// With fewer than two axes, or if weight and bias are not one number for each channel.
    ///
    /// ```
    /// use ndarray::array;
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(array![[1.0, 10.0], [3.0, 30.0]]);
    /// let (y, mean, variance) = x.batch_norm_affine(&array![2.0, 1.0], &array![0.0, 0.5], 0.0);
    /// assert_eq!(y.data(), [-2.0, -0.5, 2.0, 1.5]);
    /// assert_eq!((mean.data(), variance.data()), (&[2.0, 20.0][..], &[1.0, 100.0][..]));
    /// ```
    #[track_caller]
    pub fn batch_norm_affine(
        self,
        weight: impl IntoVar<'t, T>,
        bias: impl IntoVar<'t, T>,
        eps: f64,
    ) -> (Self, Self, Self) {
        let affine = [weight.into_var(self.tape()), bias.into_var(self.tape())];
        let shape = self.shape();
        assert!(
            shape.len() >= 2 && affine.iter().all(|a| a.shape() == [shape[1]]),
            "batch_norm_affine: {shape:?} with weight {:?} and bias {:?}; it must be examples × channels × …, and they \
             one number for each channel",
            affine[0].shape(),
            affine[1].shape()
        );
        let (y, statistics) = self.normalized(Some(affine), eps);
        let row = |row: usize| {
            let numbers = &statistics.data()[row * shape[1]..][..shape[1]];
            self.tape().constant_with(&[shape[1]], |out| out.copy_from_slice(numbers))
        };
        (y, row(0), row(2))
    }

    /// The normalised numbers, and the statistics: mean, what rounding took from it, and variance of each channel.
    #[track_caller]
    fn normalized(self, affine: Option<[Self; 2]>, eps: f64) -> (Self, Self) {
        let shape = self.shape();
        assert!(shape.len() >= 2, "batch_norm: {shape:?} has no axis of channels; it must be examples × channels × …");
        let [images, channels, plane] = layout(shape);
        if plane < PLANE && images > 1 {
            // the numbers of a channel side by side, as one plane
            let aside = self.transpose(0, 1);
            let (y, statistics) = aside.reshape([1, channels, images * plane]).normalized(affine, eps);
            return (y.reshape(aside.shape()).transpose(0, 1), statistics);
        }
        if self.is_empty() {
            return (self, self.tape().constant_with(&[3, channels], |_| {}));
        }
        let statistics = self.unary(Statistics::OfChannels);
        let operation = BatchNorm { eps };
        let y = match affine {
            None => self.tape().apply(operation, [self, statistics]),
            Some([weight, bias]) => self.tape().apply(operation, [self, statistics, weight, bias]),
        };
        (y, statistics)
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    use crate::ops::numbers;
    vec![
        check!("batch_norm", vec![numbers(&[2, 2, 3], 1.3)], |v| v[0].square().batch_norm(1e-3)),
        check!("batch_norm", vec![numbers(&[2, 3, 4, 5], 0.3), numbers(&[3], 5.0), numbers(&[3], 9.0)], |v| {
            v[0].square().batch_norm_affine(v[1].square(), v[2].square(), 1e-3).0.square()
        }),
        check!("batch_norm", vec![numbers(&[3, 2, 17], 0.3)], |v| v[0].batch_norm(1e-3).square()),
    ]
}

#[cfg(test)]
mod tests {
    use crate::Tape;

    /// A NaN in a channel is no constant channel: its variance must show it, or running statistics would hide it.
    #[test]
    fn statistics_show_what_is_not_a_number() {
        let tape = Tape::<f32>::new();
        let x = tape.var(ndarray::array![[1.0, f32::NAN], [2.0, 3.0], [4.0, 5.0]]);
        let affine = ndarray::array![1.0, 1.0];
        let (y, mean, variance) = x.batch_norm_affine(&affine, &affine, 1e-5);
        assert!(mean.data()[1].is_nan() && variance.data()[1].is_nan() && y.data()[1].is_nan());
        assert!(mean.data()[0].is_finite() && variance.data()[0] > 1.0);
    }
}
