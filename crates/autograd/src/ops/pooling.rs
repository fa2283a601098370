//! Pooling: the largest number, or the average, of each window of images.

use crate::kernels::pool::Planes;
use crate::windows::Windows;
use crate::{Float, Jvp, Operation, Output, Shape, Tensor, Value, Var, View, Vjp, kept};

/// The windows of [`Var::max_pool2d`] and [`Var::avg_pool2d`], `[vertical, horizontal]` each.
///
/// ```
/// use gradus_autograd::Pooling;
/// assert_eq!(Pooling::new([2, 2]).stride, [2, 2]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pooling {
    /// the size of a window
    pub kernel: [usize; 2],
    /// places from one window to the next
    pub stride: [usize; 2],
    /// places around the input, on either side, at most half a window
    pub padding: [usize; 2],
    /// whether an average counts the padding as zeros (PyTorch's `count_include_pad`)
    pub count_padding: bool,
}

impl Pooling {
    /// Windows side by side, without padding, as PyTorch has them by default.
    pub fn new(kernel: [usize; 2]) -> Self {
        Pooling { kernel, stride: kernel, padding: [0, 0], count_padding: true }
    }

    /// The windows on images of a shape, or the caller's mistake.
    #[track_caller]
    fn on(&self, name: &str, shape: &[usize]) -> Planes {
        let &Pooling { kernel, stride, padding, .. } = self;
        let windows = Windows { kernel, stride, padding, dilation: [1, 1] };
        assert!(
            (0..2).all(|d| padding[d] <= kernel[d] / 2),
            "{name}: padding {padding:?} is more than half of the window {kernel:?}, so that some would see nothing \
             else"
        );
        let found = match *shape {
            [_, _, 0, _] | [_, _, _, 0] => Err("images without height or width have nothing to pool".to_owned()),
            [_, _, height, width] => {
                let size = [height, width];
                windows.counts(size).map(|counts| Planes { windows, size, counts })
            }
            _ => Err("the input must be examples × channels × height × width".to_owned()),
        };
        match found {
            Ok(planes) => planes,
            Err(reason) => panic!("{name}: {shape:?}: {reason}"),
        }
    }

    /// The windows whose largest numbers are taken.
    #[track_caller]
    pub(super) fn of_largest(&self, shape: &[usize]) -> Planes {
        let [kh, kw] = self.kernel;
        assert!(
            kh.checked_mul(kw).is_some_and(|numbers| numbers <= 1 << 24),
            "max_pool2d: a window of {kh} × {kw} has more numbers than the 2²⁴ that are told apart"
        );
        self.on("max_pool2d", shape)
    }
}

/// The last two axes replaced.
pub(super) fn with_planes(shape: &[usize], planes: [usize; 2]) -> Shape {
    let mut shape = Shape::from_slice(&shape[..2]);
    shape.extend(planes);
    shape
}

/// The largest number of each window. Its gradient goes to the place of that number. (With an array that says which of
/// the window's numbers it is, that number.)
#[derive(Clone, Copy, Debug)]
pub(super) struct Pick {
    pub(super) planes: Planes,
}

crate::engine::erased::compiled_here!(Pick);
impl<T: Float> Operation<T> for Pick {
    crate::engine::erased::compiled_here!(@erase T);
    fn name(&self) -> &'static str {
        "max_pool2d"
    }
    fn formula(&self) -> &'static str {
        "The largest number of each window. Its gradient goes to the place of that number."
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        Ok(with_planes(inputs[0], self.planes.counts))
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        match inputs {
            [x, index] => (T::kernels().pick)(&self.planes, x.data(), index.data(), output.data()),
            _ => {
                let mut index = vec![T::default(); output.data().len()];
                (T::kernels().max_pool)(&self.planes, inputs[0].data(), output.data(), &mut index);
            }
        }
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        cx.add(0, || V::apply(Place { planes: self.planes }, &[&cx.grad(), &cx.input(1)]));
        cx.none(1);
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        Some(Value::apply(*self, &[&cx.tangent(0)?, &cx.input(1)]))
    }
}

/// Zeros, with a number for each window added where it was picked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) planes: Planes,
}

crate::engine::erased::compiled_here!(Place);
impl<T: Float> Operation<T> for Place {
    crate::engine::erased::compiled_here!(@erase T);
    fn name(&self) -> &'static str {
        "max_pool2d's gradient"
    }
    fn formula(&self) -> &'static str {
        "Zeros, with a number for each window added where it was picked."
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        Ok(with_planes(inputs[0], self.planes.size))
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        (T::kernels().place)(&self.planes, inputs[0].data(), inputs[1].data(), output.data());
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        cx.add(0, || V::apply(Pick { planes: self.planes }, &[&cx.grad(), &cx.input(1)]));
        cx.none(1);
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        Some(Value::apply(*self, &[&cx.tangent(0)?, &cx.input(1)]))
    }
}

/// The sum of each window. Its gradient goes to all places of the window.
#[derive(Clone, Copy, Debug)]
struct SumWindows {
    planes: Planes,
}

crate::engine::erased::compiled_here!(SumWindows);
impl<T: Float> Operation<T> for SumWindows {
    crate::engine::erased::compiled_here!(@erase T);
    fn name(&self) -> &'static str {
        "avg_pool2d"
    }
    fn formula(&self) -> &'static str {
        "The sum of each window. Its gradient goes to all places of the window."
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        Ok(with_planes(inputs[0], self.planes.counts))
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        (T::kernels().sum_windows)(&self.planes, inputs[0].data(), output.data());
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        cx.add(0, || V::apply(SpreadWindows { planes: self.planes }, &[&cx.grad()]));
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        cx.linear(self)
    }
}

/// Zeros, with a number for each window added at all places of the window.
#[derive(Clone, Copy, Debug)]
struct SpreadWindows {
    planes: Planes,
}

crate::engine::erased::compiled_here!(SpreadWindows);
impl<T: Float> Operation<T> for SpreadWindows {
    crate::engine::erased::compiled_here!(@erase T);
    fn name(&self) -> &'static str {
        "avg_pool2d's gradient"
    }
    fn formula(&self) -> &'static str {
        "Zeros, with a number for each window added at all places of the window."
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        Ok(with_planes(inputs[0], self.planes.size))
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        (T::kernels().spread_windows)(&self.planes, inputs[0].data(), output.data());
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        cx.add(0, || V::apply(SumWindows { planes: self.planes }, &[&cx.grad()]));
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        cx.linear(self)
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// The largest number of each window of N × C × H × W images. The gradient goes to it, the first in reading order
    /// if several tie (PyTorch's convention). Padding counts as −∞.
    ///
    /// # Panics
    /// If the sizes do not fit, or the padding is more than half a window.
    ///
    /// ```
    /// use gradus_autograd::{Pooling, Tape};
    /// use ndarray::array;
    /// let tape = Tape::new();
    /// let x = tape.var(array![[[[1.0, 2.0, 5.0, 0.0], [4.0, 3.0, 5.0, 1.0]]]]);
    /// let y = x.max_pool2d(Pooling::new([2, 2]));
    /// assert_eq!(y.data(), [4.0, 5.0]);
    /// let dx = y.sum().backward().wrt(x);
    /// assert_eq!(dx, array![[[[0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]]]].into_dyn());
    /// ```
    #[track_caller]
    pub fn max_pool2d(self, pooling: Pooling) -> Self {
        let planes = pooling.of_largest(self.shape());
        if !self.is_differentiated() {
            return self.unary(Pick { planes });
        }
        self.tape().apply_keeping(Pick { planes }, &[self], (1, None), |inputs, outputs| {
            let [y, index] = outputs else { unreachable!("the output and one array beside it") };
            (T::kernels().max_pool)(&planes, inputs[0].data(), y, index);
        })
    }

    /// The average of each window of N × C × H × W images. Padding counts as zeros or, with `count_padding: false`, not
    /// at all.
    ///
    /// # Panics
    /// If the sizes do not fit, or the padding is more than half a window.
    ///
    /// ```
    /// use gradus_autograd::{Pooling, Tape};
    /// use ndarray::array;
    /// let tape = Tape::new();
    /// let x = tape.var(array![[[[1.0, 2.0, 5.0, 0.0], [4.0, 3.0, 5.0, 1.0]]]]);
    /// assert_eq!(x.avg_pool2d(Pooling::new([2, 2])).data(), [2.5, 2.75]);
    /// ```
    #[track_caller]
    pub fn avg_pool2d(self, pooling: Pooling) -> Self {
        let planes = pooling.on("avg_pool2d", self.shape());
        let (Planes { windows, size, counts }, [kh, kw]) = (planes, pooling.kernel);
        if size == pooling.kernel && pooling.padding == [0, 0] {
            return self.mean_axis(kept([2, 3])); // one window, of any size
        }
        let sums = self.unary(SumWindows { planes });
        if pooling.count_padding || pooling.padding == [0, 0] {
            return sums / (kh * kw) as f64;
        }
        let numbers = |counted: &mut [T]| {
            windows.runs(size, counts, |_, window, _, count| {
                counted[window..window + count].iter_mut().for_each(|c| *c += T::from_f64(1.0));
            });
        };
        sums / self.tape().constant_with(&counts, numbers)
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    use crate::ops::numbers as x;
    let pooling = || Pooling { kernel: [2, 3], stride: [1, 2], padding: [1, 1], count_padding: false };
    let side_by_side = || Pooling::new([2, 2]);
    let planes = |pooling: Pooling| pooling.on("check", &[2, 1, 4, 5]);
    vec![
        check!("max_pool2d's gradient", vec![x(&[2, 1, 5, 3], 0.3)], move |v| {
            let index = v[0].tape().constant_with(&[2, 1, 5, 3], |out| {
                out.iter_mut().enumerate().for_each(|(k, x)| *x = (k as u8 % 6).into());
            });
            v[0].tape().apply(Place { planes: planes(pooling()) }, [v[0].square(), index])
        }),
        check!("avg_pool2d's gradient", vec![x(&[2, 1, 5, 3], 0.3)], move |v| {
            v[0].tape().apply(SpreadWindows { planes: planes(pooling()) }, [v[0].square()])
        }),
        check!("max_pool2d", vec![x(&[1, 2, 4, 5], 0.3)], move |v| v[0].square().max_pool2d(pooling())),
        check!("max_pool2d", vec![x(&[1, 2, 5, 7], 0.3)], move |v| v[0].square().max_pool2d(side_by_side()).square()),
        check!("avg_pool2d", vec![x(&[2, 1, 4, 5], 0.3)], move |v| v[0].square().avg_pool2d(pooling())),
        check!("avg_pool2d", vec![x(&[2, 1, 4, 5], 0.3)], move |v| v[0].square().avg_pool2d(side_by_side()).square()),
    ]
}

#[cfg(test)]
mod tests;
