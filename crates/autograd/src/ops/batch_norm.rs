//! Batch normalisation.

use crate::engine::tensor::Sweep;
use crate::kernels::normalize::{Channels, Then};
use crate::ops::activation::Relu;
use crate::ops::normalize::{Standardized, Statistics, layout};
use crate::ops::pooling::{Pick, Place, with_planes};
use crate::{Float, IntoVar, Jvp, Operation, Output, Pooling, Shape, Tensor, Value, Var, View, Vjp, kept};

/// What a batch normalisation is followed by in the same operation; see [`Var::batch_norm_then`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NormThen {
    /// nothing
    #[default]
    Nothing,
    /// [`relu`](Var::relu)
    Relu,
    /// [`relu`](Var::relu), then [`max_pool2d`](Var::max_pool2d)
    ReluMaxPool(Pooling),
}

/// `y = (x − mean) / √(variance + eps) · w + b`, with mean and variance of each channel, which is axis 1. The inputs
/// are x, its statistics (which are a function of x, kept for the rule) and, if it is affine, a weight and a bias for
/// each channel. With windows behind it, there is also an array that says which number of its window each output is.
#[derive(Debug)]
struct BatchNorm {
    eps: f64,
    then: Then,
}

impl BatchNorm {
    /// What the loops read, given the inputs.
    fn channels<'a, T>(&self, inputs: &'a [View<'_, T>]) -> Channels<'a, T> {
        Channels {
            layout: layout(inputs[0].shape()),
            x: inputs[0].data(),
            statistics: inputs[1].data(),
            affine: (inputs.len() > 2).then(|| [inputs[2].data(), inputs[3].data()]),
            eps: self.eps,
            then: self.then,
        }
    }

    /// The gradient of the normalised numbers, by operations: where derivatives are differentiated again.
    fn arriving<T: Float, V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) -> V {
        // where y is not above 0, ReLU has cut it
        let cut = || V::chain(Relu {}, 0, cx.grad(), [cx.output()], cx.output());
        match self.then {
            Then::Nothing => cx.grad(),
            Then::Relu => cut(),
            Then::ReluMaxPool(planes) => V::apply(Place { planes }, &[&cut(), &cx.input(4)]),
        }
    }
}

/// All axes but that of the channels.
fn others(axes: usize) -> Shape {
    (0..axes).filter(|&axis| axis != 1).collect()
}

/// The sum of each channel.
fn sum_of_channels<T: Float, V: Tensor<T>>(x: V) -> V {
    let channels = x.shape()[1];
    x.sum_axis(kept(&others(x.shape().len()))).reshape([channels])
}

/// A number for each channel, in a shape that broadcasts to so many axes.
fn along_channels<T: Float, V: Tensor<T>>(numbers: V, axes: usize) -> V {
    let mut shape = Shape::from_elem(1, axes);
    shape[1] = numbers.shape()[0];
    numbers.reshape(&shape)
}

crate::engine::erased::compiled_here!(BatchNorm);
impl<T: Float> Operation<T> for BatchNorm {
    crate::engine::erased::compiled_here!(@erase T);
    fn name(&self) -> &'static str {
        "batch_norm"
    }
    fn formula(&self) -> &'static str {
        "`y = (x − mean) / √(variance + eps) · w + b`, with mean and variance of each channel, which is axis 1."
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        Ok(match self.then {
            Then::ReluMaxPool(planes) => with_planes(inputs[0], planes.counts),
            _ => Shape::from_slice(inputs[0]),
        })
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let windows = matches!(self.then, Then::ReluMaxPool(_));
        let mut index = vec![T::default(); if windows { output.data().len() } else { 0 }];
        (T::kernels().normalize)(&self.channels(inputs), output.data(), &mut index);
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        let affine = cx.inputs() > 2;
        cx.none(1);
        if cx.inputs() > 4 {
            cx.none(4);
        }
        let (x, shape, kernels) = (cx.input(0), Shape::from_slice(cx.input(0).shape()), T::kernels());
        let (channels, inputs) = (shape[1], cx.inputs());
        let mut arrays: Vec<V> = (0..inputs).map(|i| cx.input(i)).chain([cx.grad(), cx.output()]).collect();
        // the gradient, the output, and the index or, without windows, anything
        fn gradient<'a, T>(views: &'a [View<'_, T>], inputs: usize) -> [&'a [T]; 3] {
            [inputs, inputs + 1, inputs - 1].map(|i| views[i].data())
        }
        let sums = cx.numbers(&arrays, [&[channels], &[channels]], |views, sums| {
            (kernels.normalize_sums)(&self.channels(&views[..inputs]), gradient(views, inputs), sums);
        });
        if let Some([by_weight, by_bias]) = sums {
            cx.add(0, || {
                arrays.extend([by_weight.clone(), by_bias.clone()]);
                let by_input = |views: &[View<'_, T>], [dx]: [&mut [T]; 1]| {
                    let sums = [2, 3].map(|i| views[inputs + i].data());
                    (kernels.normalize_by_input)(&self.channels(&views[..inputs]), gradient(views, inputs), sums, dx);
                };
                let [dx] = cx.numbers(&arrays, [&shape], by_input).expect("numbers, as the sums");
                dx
            });
            if affine {
                cx.add(2, || by_weight);
                cx.add(3, || by_bias);
            }
            return;
        }
        let (axes, g) = (shape.len(), self.arriving(cx));
        let own = Standardized::new(x, others(axes), self.eps);
        if affine {
            cx.add(2, || sum_of_channels(g.clone() * own.x.clone()));
            cx.add(3, || sum_of_channels(g.clone()));
        }
        cx.add(0, || match affine {
            true => own.times(g.clone() * along_channels(cx.input(2), axes)),
            false => own.times(g.clone()),
        });
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        let (x, y) = (cx.input(0), cx.output());
        let axes = x.shape().len();
        let own = Standardized::new(x.clone(), others(axes), self.eps);
        let along = |numbers| along_channels(numbers, axes);
        let moved = if cx.inputs() == 2 {
            cx.tangent(0).map(|dx| own.times(dx))
        } else {
            let terms = [
                cx.tangent(0).map(|dx| own.times(dx) * along(cx.input(2))),
                cx.tangent(2).map(|weight| own.x.clone() * along(weight)),
                cx.tangent(3).map(along),
            ];
            terms.into_iter().flatten().reduce(|sum, term| sum + term)
        };
        let moved = moved?.broadcast_to(x.shape());
        let picked = match self.then {
            Then::Nothing => return Some(moved),
            Then::Relu => moved,
            Then::ReluMaxPool(planes) => Value::apply(Pick { planes }, &[&moved, &cx.input(4)]),
        };
        Some(Value::chain(Relu {}, 0, picked, [y.clone()], y))
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
        self.normalized(None, eps, NormThen::Nothing).0
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
        self.batch_norm_then(weight, bias, eps, NormThen::Nothing)
    }

    /// [`batch_norm_affine`](Self::batch_norm_affine), then [`relu`](Self::relu) and perhaps
    /// [`max_pool2d`](Self::max_pool2d), as one operation. It gives the same numbers as the three, in a fraction of the
    /// time: the normalised images are not written to memory, neither forward nor when gradients are computed. (They
    /// are where gradients are recorded, and for images of less than 16 numbers.)
    ///
    /// # Panics
    /// As the three would.
    ///
    /// ```
    /// use gradus_autograd::{NormThen, Pooling, Tape};
    /// use ndarray::{Array4, array};
    /// let tape = Tape::new();
    /// let x = tape.var(Array4::from_shape_fn((2, 1, 4, 4), |(n, _, i, j)| (n + 4 * i + j) as f32));
    /// let (weight, bias, pooling) = (array![2.0], array![0.5], Pooling::new([2, 2]));
    /// let (y, ..) = x.batch_norm_then(&weight, &bias, 1e-5, NormThen::ReluMaxPool(pooling));
    /// let (same, ..) = x.batch_norm_affine(&weight, &bias, 1e-5);
    /// assert_eq!(y.data(), same.relu().max_pool2d(pooling).data());
    /// ```
    #[track_caller]
    pub fn batch_norm_then(
        self,
        weight: impl IntoVar<'t, T>,
        bias: impl IntoVar<'t, T>,
        eps: f64,
        then: NormThen,
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
        let (y, statistics) = self.normalized(Some(affine), eps, then);
        let row = |row: usize| {
            let numbers = &statistics.data()[row * shape[1]..][..shape[1]];
            self.tape().constant_with(&[shape[1]], |out| out.copy_from_slice(numbers))
        };
        (y, row(0), row(2))
    }

    /// The normalised numbers, and the statistics: mean, what rounding took from it, and variance of each channel.
    #[track_caller]
    fn normalized(self, affine: Option<[Self; 2]>, eps: f64, then: NormThen) -> (Self, Self) {
        let shape = self.shape();
        assert!(shape.len() >= 2, "batch_norm: {shape:?} has no axis of channels; it must be examples × channels × …");
        let [images, channels, plane] = layout(shape);
        if self.is_empty() || (plane < PLANE && images > 1) {
            // the numbers of a channel side by side, as one plane
            let aside = self.transpose(0, 1);
            let rows = aside.reshape([1, channels, images * plane]);
            let (y, statistics) = match self.is_empty() {
                true => (rows, self.tape().constant_with(&[3, channels], |_| {})),
                false => rows.normalized(affine, eps, NormThen::Nothing),
            };
            let y = y.reshape(aside.shape()).transpose(0, 1);
            let y = match then {
                NormThen::Nothing => y,
                NormThen::Relu => y.relu(),
                NormThen::ReluMaxPool(pooling) => y.relu().max_pool2d(pooling),
            };
            return (y, statistics);
        }
        let then = match then {
            NormThen::Nothing => Then::Nothing,
            NormThen::Relu => Then::Relu,
            NormThen::ReluMaxPool(pooling) => Then::ReluMaxPool(pooling.of_largest(shape)),
        };
        let statistics = self.unary(Statistics::OfChannels);
        let operation = BatchNorm { eps, then };
        let mut inputs = vec![self, statistics];
        inputs.extend(affine.into_iter().flatten());
        let keeps = matches!(then, Then::ReluMaxPool(_)) && inputs.iter().any(|v| v.is_differentiated());
        let y = if keeps {
            let own = BatchNorm { eps, then };
            self.tape().apply_keeping(operation, &inputs, (1, None), |inputs, outputs| {
                let [y, index] = outputs else { unreachable!("the output and one array beside it") };
                (T::kernels().normalize)(&own.channels(inputs), y, index);
            })
        } else {
            self.tape().apply_many(operation, &inputs)
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
        check!("batch_norm", vec![numbers(&[2, 3, 4, 5], 0.3), numbers(&[3], 5.0), numbers(&[3], 9.0)], |v| {
            v[0].square().batch_norm_then(v[1], v[2].square(), 1e-3, NormThen::Relu).0.square()
        }),
        check!("batch_norm", vec![numbers(&[2, 2, 5, 4], 0.3), numbers(&[2], 5.0), numbers(&[2], 9.0)], |v| {
            let windows = NormThen::ReluMaxPool(Pooling::new([2, 2]));
            v[0].square().batch_norm_then(v[1], v[2].square(), 1e-3, windows).0.square()
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
