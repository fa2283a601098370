//! Layer normalisation.

use crate::ops::normalize::{Standardized, Statistics};
use crate::{Float, IntoVar, Jvp, Operation, Output, Shape, Tensor, Value, Var, View, Vjp, kept};

/// `y = (x − mean) / √(variance + eps) · w + b`, with mean and variance of each row of a matrix. The inputs are x, its
/// statistics (which are a function of x, kept for the rule) and, if it is affine, a weight and a bias for each column.
#[derive(Debug)]
struct LayerNorm {
    eps: f64,
}

impl LayerNorm {
    fn standardized<T: Float, V: Tensor<T>>(&self, x: V) -> Standardized<V> {
        Standardized::new(x, Shape::from_slice(&[1]), self.eps)
    }
}

crate::engine::erased::compiled_here!(LayerNorm);
impl<T: Float> Operation<T> for LayerNorm {
    crate::engine::erased::compiled_here!(@erase T);
    fn name(&self) -> &'static str {
        "layer_norm"
    }
    fn formula(&self) -> &'static str {
        "`y = (x − mean) / √(variance + eps) · w + b`, with mean and variance of each row of a matrix."
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
                cx.numbers(&arrays, [&[n], &[n]], |views, sums| {
                    (kernels.rows_by_affine)(n, [0, 1, 2].map(|i| views[i].data()), sums);
                })
            });
            let [by_weight, by_bias] = match sums.flatten() {
                Some(sums) => sums.map(Some),
                None => [None, None],
            };
            let sum = |x: V| x.sum_axis(kept(0)).reshape([n]);
            cx.add(2, || by_weight.unwrap_or_else(|| sum(g.clone() * self.standardized(x.clone()).x)));
            cx.add(3, || by_bias.unwrap_or_else(|| sum(g.clone())));
        }
        cx.add(0, || {
            let arrays: Vec<V> = arrays.into_iter().chain(weight.clone()).collect();
            let numbers = cx.numbers(&arrays, [&shape], |views, [dx]| {
                let (arrays, weight) = ([0, 1, 2].map(|i| views[i].data()), views.get(3).map(View::data));
                (kernels.rows_by_input)(n, arrays, weight, dx);
            });
            numbers.map(|[dx]| dx).unwrap_or_else(|| {
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

    #[test]
    fn rows_whose_squares_overflow_are_normalised() {
        let tape = Tape::<f32>::new();
        let y = tape.var([1e20, -1e20]).layer_norm(1, 1e-5);
        assert!(y.data().iter().zip([1.0f32, -1.0]).all(|(y, want)| (y - want).abs() < 1e-5), "{:?}", y.data());
    }
}
