//! Normalisation: numbers are shifted and scaled to mean 0 and variance 1.

use crate::ops::elementwise::Elementwise;
use crate::ops::exponential::PowNumber;
use crate::{Float, IntoVar, Jvp, Operation, Output, Shape, Tensor, Value, Var, View, Vjp};

/// What a normalisation keeps of x for its rule. No gradient flows through it: that rule contains the whole gradient.
#[derive(Debug)]
enum Statistics {
    /// mean, what rounding took from it, and variance: three rows of a number for each channel
    OfChannels,
    /// mean, what rounding took from it, and `1/√(variance + eps)`: three numbers for each row
    OfRows { eps: f64 },
}

impl<T: Float> Operation<T> for Statistics {
    fn name(&self) -> &'static str {
        match self {
            Statistics::OfChannels => "batch_norm",
            Statistics::OfRows { .. } => "layer_norm",
        }
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

/// Batch normalisation of each channel, which is axis 1. The inputs are x, its statistics (which are a function of x,
/// kept for the rule) and, if it is affine, a weight and a bias for each channel.
#[derive(Debug)]
struct BatchNorm {
    eps: f64,
}

/// Images × channels × numbers of a plane.
fn layout(shape: &[usize]) -> [usize; 3] {
    [shape[0], shape[1], shape[2..].iter().product()]
}

/// x̂ and `1/√(variance + eps)` over some axes, computed with operations: where derivatives are differentiated again.
struct Standardized<V> {
    x: V,
    inverse: V,
    axes: Shape,
    n: f64,
}

impl<V> Standardized<V> {
    fn new<T: Float>(x: V, axes: Shape, eps: f64) -> Self
    where
        V: Tensor<T>,
    {
        let n = axes.iter().map(|&axis| x.shape()[axis]).product::<usize>() as f64;
        let mean = |x: &V| x.sum_keep(&axes) / n;
        let deviation = x.clone() - mean(&x);
        // the mean was rounded; the small mean that remains would count as variance
        let deviation = deviation.clone() - mean(&deviation);
        let variance = mean(&(deviation.clone() * deviation.clone()));
        let inverse = V::apply(Elementwise(PowNumber { exponent: -0.5 }), &[&(variance + eps)]);
        Standardized { x: deviation * inverse.clone(), inverse, axes, n }
    }
    /// `(g − mean(g) − x̂ · mean(g · x̂))/√(variance + eps)`: the Jacobian of x̂, which is symmetric, times g.
    fn times<T: Float>(&self, g: V) -> V
    where
        V: Tensor<T>,
    {
        let mean = |x: &V| x.sum_keep(&self.axes) / self.n;
        let moved = g.clone() - mean(&g) - self.x.clone() * mean(&(g * self.x.clone()));
        moved * self.inverse.clone()
    }
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

/// Normalisation of each row of a matrix. The inputs are x, its statistics (which are a function of x, kept for the
/// rule) and, if it is affine, a weight and a bias for each column.
#[derive(Debug)]
struct LayerNorm {
    eps: f64,
}

impl LayerNorm {
    fn standardized<T: Float, V: Tensor<T>>(&self, x: V) -> Standardized<V> {
        Standardized::new(x, Shape::from_slice(&[1]), self.eps)
    }
}

impl<T: Float> Operation<T> for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        Ok(Shape::from_slice(inputs[0]))
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let affine = (inputs.len() == 4).then(|| [inputs[2].data(), inputs[3].data()]);
        let arrays = [inputs[0].data(), inputs[1].data()];
        (T::kernels().normalize_rows)(inputs[0].shape()[1], arrays, affine, output.data());
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        cx.none(1);
        let (x, statistics, g, kernels) = (cx.input(0), cx.input(1), cx.grad(), T::kernels());
        let weight = (cx.inputs() == 4).then(|| cx.input(2));
        let (shape, n) = (Shape::from_slice(x.shape()), x.shape()[1]);
        let arrays = [x.clone(), statistics, g.clone()];
        if weight.is_some() {
            let sums = (cx.wants(2) || cx.wants(3)).then(|| {
                cx.numbers(&arrays, &[2, n], |views, mut out| {
                    (kernels.rows_by_affine)(n, [0, 1, 2].map(|i| views[i].data()), out.data());
                })
            });
            let row = |row: usize| {
                let copy = |views: &[View<'_, T>], mut out: Output<'_, T>| {
                    out.data().copy_from_slice(&views[0].data()[row * n..][..n]);
                };
                let numbers = |sums| cx.numbers(std::slice::from_ref(sums), &[n], copy).expect("numbers, as the sums");
                sums.as_ref().and_then(Option::as_ref).map(numbers)
            };
            let sum = |x: V| x.sum_keep(&[0]).reshape(&[n]);
            cx.add(2, || row(1).unwrap_or_else(|| sum(g.clone() * self.standardized(x.clone()).x)));
            cx.add(3, || row(0).unwrap_or_else(|| sum(g.clone())));
        }
        cx.add(0, || {
            let arrays: Vec<V> = arrays.into_iter().chain(weight.clone()).collect();
            let numbers = cx.numbers(&arrays, &shape, |views, mut out| {
                let (arrays, weight) = ([0, 1, 2].map(|i| views[i].data()), views.get(3).map(View::data));
                (kernels.rows_by_input)(n, arrays, weight, out.data());
            });
            numbers.unwrap_or_else(|| {
                self.standardized(x).times(match weight {
                    Some(weight) => g * weight,
                    None => g,
                })
            })
        });
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        let own = self.standardized(cx.input(0));
        if cx.inputs() == 2 {
            return cx.tangent(0).map(|dx| own.times(dx));
        }
        let terms = [
            cx.tangent(0).map(|dx| own.times(dx) * cx.input(2)),
            cx.tangent(2).map(|weight| own.x.clone() * weight),
            cx.tangent(3),
        ];
        cx.sum(terms.into_iter().flatten())
    }
}

/// Numbers of a plane from which on the loops over planes are worth it.
const PLANE: usize = 16;

impl<'t, T: Float> Var<'t, T> {
    /// Layer normalisation (Ba et al. 2016, <https://arxiv.org/abs/1607.06450>): `y = (x − mean)/√(variance + eps)`
    /// over the last `axes` axes together, where the variance has divisor n. PyTorch's default `eps` is 10⁻⁵. Scale and
    /// shift the result by [`layer_norm_affine`](Self::layer_norm_affine).
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
        self.normalized_rows(axes, None, eps)
    }

    /// [`layer_norm`](Self::layer_norm) over the last axes, which have the shape of `weight` and `bias`; then times
    /// `weight` and plus `bias`, as one operation.
    ///
    /// # Panics
    /// If the last axes have another shape than weight or bias.
    ///
    /// ```
    /// use ndarray::array;
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(array![[1.0, 3.0], [10.0, 30.0]]);
    /// assert_eq!(x.layer_norm_affine(&array![2.0, 1.0], &array![0.0, 0.5], 0.0).data(), [-2.0, 1.5, -2.0, 1.5]);
    /// ```
    #[track_caller]
    pub fn layer_norm_affine(self, weight: impl IntoVar<'t, T>, bias: impl IntoVar<'t, T>, eps: f64) -> Self {
        let affine = [weight.into_var(self.tape()), bias.into_var(self.tape())];
        let (shape, own) = (self.shape(), affine[0].shape());
        assert!(
            shape.ends_with(own) && affine[1].shape() == own,
            "layer_norm_affine: {shape:?} with weight {own:?} and bias {:?}; they must have the shape of its last axes",
            affine[1].shape()
        );
        self.normalized_rows(own.len(), Some(affine), eps)
    }

    #[track_caller]
    fn normalized_rows(self, axes: usize, affine: Option<[Self; 2]>, eps: f64) -> Self {
        let (tape, shape) = (self.tape(), self.shape());
        let (outer, inner) = shape.split_at(shape.len() - axes);
        let [rows, n] = [outer, inner].map(|sizes| sizes.iter().product::<usize>());
        if self.is_empty() {
            return self;
        }
        let x = self.reshape([rows, n]);
        let statistics = x.unary(Statistics::OfRows { eps });
        let y = match affine.map(|affine| affine.map(|numbers| numbers.reshape([n]))) {
            None => tape.apply(LayerNorm { eps }, [x, statistics]),
            Some([weight, bias]) => tape.apply(LayerNorm { eps }, [x, statistics, weight, bias]),
        };
        y.reshape(shape)
    }

    /// Batch normalisation by the statistics of the batch itself (Ioffe, Szegedy 2015,
    /// <https://arxiv.org/abs/1502.03167>): `y = (x − mean)/√(variance + eps)` for each channel (axis 1), over all
    /// other axes, where the variance has divisor n. Scale and shift the result by
    /// [`batch_norm_affine`](Self::batch_norm_affine).
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
    use ndarray::array;
    let x = || vec![array![[[1.5, -0.2, 0.3], [0.4, 2.0, -1.0]], [[0.1, 0.9, -0.7], [1.1, 0.6, -0.3]]].into_dyn()];
    vec![
        check!("layer_norm", x(), |v| v[0].layer_norm(1, 1e-5)),
        check!("layer_norm", x(), |v| v[0].square().layer_norm(2, 0.1)),
        check!("layer_norm", vec![numbers(&[2, 3, 5], 0.3), numbers(&[5], 5.0), numbers(&[5], 9.0)], |v| {
            v[0].square().layer_norm_affine(v[1].square(), v[2].square(), 0.1).square()
        }),
        check!("batch_norm", x(), |v| v[0].square().batch_norm(1e-3)),
        check!("batch_norm", vec![numbers(&[2, 3, 4, 5], 0.3), numbers(&[3], 5.0), numbers(&[3], 9.0)], |v| {
            v[0].square().batch_norm_affine(v[1].square(), v[2].square(), 1e-3).0.square()
        }),
        check!("batch_norm", vec![numbers(&[3, 2, 17], 0.3)], |v| v[0].batch_norm(1e-3).square()),
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

    #[test]
    fn rows_whose_squares_overflow_are_normalised() {
        let tape = Tape::<f32>::new();
        let y = tape.var([1e20, -1e20]).layer_norm(1, 1e-5);
        assert!(y.data().iter().zip([1.0f32, -1.0]).all(|(y, want)| (y - want).abs() < 1e-5), "{:?}", y.data());
    }
}
