//! Convolution of images.

use crate::kernels::convolution::Sizes;
use crate::windows::Windows;
use crate::{Float, IntoVar, Jvp, Operation, Output, Shape, Tensor, Value, Var, View, Vjp, kept};

/// How the kernel of [`Var::conv2d`] moves, `[vertical, horizontal]` each. By default one place at a time, without
/// padding.
///
/// ```
/// use gradus_autograd::Convolution;
/// let same = Convolution { padding: [1, 1], ..Convolution::default() };
/// assert_eq!(same.stride, [1, 1]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// places from one window to the next
    pub stride: [usize; 2],
    /// zeros put around the input, on either side
    pub padding: [usize; 2],
    /// places from one number of a window to the next
    pub dilation: [usize; 2],
    /// into how many groups the channels are divided; each output sees those of its own group
    pub groups: usize,
}

impl Default for Convolution {
    fn default() -> Self {
        Convolution { stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 }
    }
}

/// The trilinear form `F = Σ x[n, c, …] · w[o, c, i, j] · g[n, o, h, w]`, with one of its factors left out: its
/// derivative by that factor. Each of the three is linear in its two inputs, which stand in the order x, w, g, and
/// its derivatives are the other two. Without g it is the convolution itself:
///
/// `y[n, o, h, w] = Σ x[n, c, …] · w[o, c, i, j]` over a window of x. The gradient of x is spread over the windows with
/// the weight, and the gradient of the weight is the sum of all windows times the gradient.
#[derive(Clone, Copy, Debug)]
struct Convolve {
    sizes: Sizes,
    without: Factor,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Factor {
    /// the images
    X,
    /// the weight
    W,
    /// the gradient of the windows. Left out, it gives the convolution itself, which may have a bias as its third
    /// input.
    G,
}

impl Convolve {
    fn shape_of(&self, factor: Factor) -> [usize; 4] {
        let Sizes { images, channels, outputs, groups, image, kernel, windows, .. } = self.sizes;
        match factor {
            Factor::X => [images, channels, image[0], image[1]],
            Factor::W => [outputs, channels / groups, kernel[0], kernel[1]],
            Factor::G => [images, outputs, windows[0], windows[1]],
        }
    }

    fn of<T: Float, V: Tensor<T>>(&self, without: Factor, inputs: [&V; 2]) -> V {
        V::apply(Convolve { without, ..*self }, &inputs)
    }
}

crate::engine::erased::compiled_here!(Convolve);
impl<T: Float> Operation<T> for Convolve {
    crate::engine::erased::compiled_here!(@erase T);
    fn name(&self) -> &'static str {
        "conv2d"
    }
    fn formula(&self) -> &'static str {
        match self.without {
            Factor::G => {
                "`y[n, o, h, w] = Σ x[n, c, …] · w[o, c, i, j]` over a window of x. The gradient of x is spread over \
                 the windows with the weight, and the gradient of the weight is the sum of all windows times the \
                 gradient."
            }
            _ => {
                "The trilinear form `F = Σ x[n, c, …] · w[o, c, i, j] · g[n, o, h, w]`, with one of its factors left \
                 out: its derivative by that factor."
            }
        }
    }
    fn shape(&self, _: &[&[usize]]) -> Result<Shape, String> {
        Ok(Shape::from_slice(&self.shape_of(self.without)))
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let (a, b, s, kernels) = (inputs[0].data(), inputs[1].data(), &self.sizes, T::kernels());
        match self.without {
            Factor::X => (kernels.convolution_by_input)(s, a, b, output.data()),
            Factor::W => (kernels.convolution_by_weight)(s, a, b, [output.data(), &mut []]),
            Factor::G => (kernels.convolution)(s, a, b, inputs.get(2).map(View::data), output.data()),
        }
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        let (a, b, g) = (|| cx.input(0), || cx.input(1), || cx.grad());
        match self.without {
            Factor::X => {
                cx.add(0, || self.of(Factor::W, [&g(), &b()]));
                cx.add(1, || self.of(Factor::G, [&g(), &a()]));
            }
            Factor::W => {
                cx.add(0, || self.of(Factor::X, [&g(), &b()]));
                cx.add(1, || self.of(Factor::G, [&a(), &g()]));
            }
            Factor::G => {
                cx.add(0, || self.of(Factor::X, [&b(), &g()]));
                if cx.inputs() == 2 {
                    return cx.add(1, || self.of(Factor::W, [&a(), &g()]));
                }
                // where only numbers are asked for, the gradient is read once for weight and bias
                let shapes = [&self.shape_of(Factor::W)[..], &[self.sizes.outputs]];
                let both = (cx.wants(1) && cx.wants(2)).then(|| {
                    cx.numbers(&[a(), g()], shapes, |views, sums| {
                        (T::kernels().convolution_by_weight)(&self.sizes, views[0].data(), views[1].data(), sums);
                    })
                });
                let [by_weight, by_bias] = match both.flatten() {
                    Some(both) => both.map(Some),
                    None => [None, None],
                };
                cx.add(1, || by_weight.unwrap_or_else(|| self.of(Factor::W, [&a(), &g()])));
                cx.add(2, || by_bias.unwrap_or_else(|| g().sum_axis(kept([0, 2, 3])).reshape([self.sizes.outputs])));
            }
        }
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        let of = |a: &Value<'s, T>, b: &Value<'s, T>| Value::apply(*self, &[a, b]);
        let bias = (self.without == Factor::G && cx.inputs() == 3).then(|| cx.tangent(2)).flatten();
        let terms = [
            cx.tangent(0).map(|a| of(&a, &cx.input(1))),
            cx.tangent(1).map(|b| of(&cx.input(0), &b)),
            bias.map(|bias| bias.reshape([1, self.sizes.outputs, 1, 1])),
        ];
        cx.sum(terms.into_iter().flatten())
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// The convolution (as all such libraries call what is a cross-correlation) of N × C × H × W images with a weight
    /// of outputs × (C / groups) × height × width: `y[n, o, h, w] = Σ x[n, c, h·stride + i·dilation − padding, …] ·
    /// weight[o, c, i, j]`, zeros outside (which make NaN of a weight that is not finite, as in PyTorch). The result is
    /// N × outputs × `⌊(H + 2 padding − dilation (height − 1) − 1)/stride⌋ + 1` × the same of the width.
    ///
    /// Nothing is kept for the derivatives but the images and the weight: windows are read where the images are.
    ///
    /// # Panics
    /// If the sizes do not fit.
    ///
    /// ```
    /// use gradus_autograd::{Convolution, Tape};
    /// use ndarray::{Array, array};
    /// let tape = Tape::new();
    /// let x = tape.var(array![[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]]);
    /// let edge = tape.var(array![[[[-1.0, 1.0]]]]); // a difference of neighbours
    /// let y = x.conv2d(edge, Convolution::default());
    /// assert_eq!((y.shape(), y.data()), (&[1, 1, 2, 2][..], &[1.0, 1.0, 1.0, 1.0][..]));
    /// assert_eq!(y.sum().backward().wrt(edge).into_iter().collect::<Vec<_>>(), [12.0, 16.0]);
    /// ```
    #[track_caller]
    pub fn conv2d(self, weight: impl IntoVar<'t, T>, settings: Convolution) -> Self {
        let weight = weight.into_var(self.tape());
        let operation = settings.of(self.shape(), weight.shape());
        self.tape().apply(operation, [self, weight])
    }

    /// [`conv2d`](Self::conv2d), with a bias added to each output.
    ///
    /// # Panics
    /// If the sizes do not fit.
    ///
    /// ```
    /// use gradus_autograd::{Convolution, Tape};
    /// use ndarray::{Array4, array};
    /// let tape = Tape::new();
    /// let (x, weight) = (tape.var(Array4::ones((1, 1, 2, 2))), Array4::ones((2, 1, 2, 2)));
    /// assert_eq!(x.conv2d_with_bias(&weight, &array![0.5, -1.0], Convolution::default()).data(), [4.5, 3.0]);
    /// ```
    #[track_caller]
    pub fn conv2d_with_bias(
        self,
        weight: impl IntoVar<'t, T>,
        bias: impl IntoVar<'t, T>,
        settings: Convolution,
    ) -> Self {
        let (weight, bias) = (weight.into_var(self.tape()), bias.into_var(self.tape()));
        let operation = settings.of(self.shape(), weight.shape());
        assert!(
            bias.shape() == [operation.sizes.outputs],
            "conv2d: the bias is {:?} for a weight of {:?}; it must be one number for each of the {} outputs",
            bias.shape(),
            weight.shape(),
            operation.sizes.outputs
        );
        self.tape().apply(operation, [self, weight, bias])
    }
}

impl Convolution {
    /// The operation on arrays of these shapes, or the caller's mistake.
    #[track_caller]
    fn of(self, x: &[usize], weight: &[usize]) -> Convolve {
        let Convolution { stride, padding, dilation, groups } = self;
        let (&[images, channels, height, width], &[outputs, own, kh, kw]) = (x, weight) else {
            panic!(
                "conv2d: the input is {x:?} and the weight {weight:?}; they must be examples × channels × height × \
                 width and outputs × channels of a group × height × width"
            )
        };
        assert!(
            groups > 0 && channels == own * groups && outputs % groups == 0,
            "conv2d: the input is {x:?} and the weight {weight:?}: {channels} channels and {outputs} outputs in \
             {groups} groups need a weight of {outputs} × {channels}/{groups} channels"
        );
        let (image, kernel) = ([height, width], [kh, kw]);
        let windows = match (Windows { kernel, stride, padding, dilation }).counts(image) {
            Ok(counts) => counts,
            Err(reason) => panic!("conv2d: {x:?}: {reason}"),
        };
        // a window alone has no distance to the next; the loops would store an image in as many phases
        let stride = [0, 1].map(|d| if windows[d] == 1 { 1 } else { stride[d] });
        let sizes = Sizes { images, channels, outputs, groups, image, kernel, windows, stride, padding, dilation };
        Convolve { sizes, without: Factor::G }
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    use crate::ops::numbers as x;
    let pair = |a: &[usize], b: &[usize]| vec![x(a, 0.3), x(b, 57.1)];
    let settings = |stride, padding, dilation, groups| Convolution { stride, padding, dilation, groups };
    vec![
        check!("conv2d", pair(&[2, 2, 4, 3], &[3, 2, 2, 2]), |v| {
            v[0].square().conv2d(v[1].square(), Convolution::default())
        }),
        check!("conv2d", pair(&[1, 2, 5, 4], &[2, 2, 2, 3]), move |v| {
            v[0].square().conv2d(v[1], settings([2, 1], [1, 2], [2, 1], 1))
        }),
        check!("conv2d", pair(&[2, 4, 3, 3], &[2, 2, 2, 2]), move |v| {
            v[0].conv2d(v[1].square(), settings([1, 2], [0, 1], [1, 1], 2))
        }),
        check!("conv2d", vec![x(&[2, 2, 3, 4], 0.3), x(&[2, 2, 2, 2], 57.1), x(&[2], 3.0)], |v| {
            v[0].conv2d_with_bias(v[1].square(), v[2].square(), Convolution::default()).square()
        }),
    ]
}

#[cfg(test)]
mod tests;
