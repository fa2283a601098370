//! Windows that slide over the last two axes: convolution and pooling.
//!
//! Every window is first laid out as a column ([`Unfold`]); what happens to the columns is a product or a sum, whose
//! derivatives are there already. The price is memory: kernel height × width times that of the input.

use crate::kernels::threads::{GRAIN, split_by};
use crate::ops::extreme::larger;
use crate::ops::places::Take;
use crate::places::Places;
use crate::{Float, IntoVar, Jvp, Operation, Output, Shape, Tensor, Value, Var, View, Vjp};

/// Where windows lie: `[vertical, horizontal]` each.
#[derive(Clone, Copy, Debug)]
struct Windows {
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
}

impl Windows {
    /// How many windows there are, down and across: `⌊(size + 2 padding − dilation (kernel − 1) − 1) / stride⌋ + 1`.
    fn counts(&self, size: [usize; 2]) -> Result<[usize; 2], String> {
        let Windows { kernel, stride, padding, dilation } = self;
        if kernel.contains(&0) || stride.contains(&0) || dilation.contains(&0) {
            return Err(format!("kernel {kernel:?}, stride {stride:?} and dilation {dilation:?} must not be 0"));
        }
        let mut counts = [0; 2];
        for d in 0..2 {
            let (span, room) = (dilation[d] * (kernel[d] - 1) + 1, size[d] + 2 * padding[d]);
            if span > room {
                return Err(format!(
                    "a window of {span} is larger than the {} of {} with padding {}",
                    ["height", "width"][d],
                    size[d],
                    padding[d]
                ));
            }
            counts[d] = (room - span) / stride[d] + 1;
        }
        Ok(counts)
    }

    /// For offset `k` in the window along direction `d`: the windows for which it lies inside `size` places, as
    /// `first..behind the last`, and the place of the first.
    fn inside(&self, d: usize, k: usize, size: usize, count: usize) -> (std::ops::Range<usize>, usize) {
        let (at, padding, stride) = (k * self.dilation[d], self.padding[d], self.stride[d]);
        let end = (size + padding).saturating_sub(at).div_ceil(stride).min(count);
        let start = padding.saturating_sub(at).div_ceil(stride).min(end);
        (start..end, (start * stride + at).wrapping_sub(padding))
    }

    /// Calls `f(place in the window's array, place in the image, length, step in the image)` for each run of places
    /// that an offset of the window reads.
    fn runs(
        &self,
        [i, j]: [usize; 2],
        [height, width]: [usize; 2],
        [down, across]: [usize; 2],
        mut f: impl FnMut(usize, usize, usize, usize),
    ) {
        let (rows, top) = self.inside(0, i, height, down);
        let (columns, left) = self.inside(1, j, width, across);
        if columns.is_empty() {
            return;
        }
        for (row, y) in rows.zip((top..).step_by(self.stride[0])) {
            f(row * across + columns.start, y * width + left, columns.len(), self.stride[1]);
        }
    }
}

fn image(shape: &[usize]) -> Result<[usize; 4], String> {
    shape.try_into().map_err(|_| "the input must be examples × channels × height × width".to_owned())
}

/// `y[c, i, j, n, h, w]` is what the window at (h, w) of channel c of example n has at (i, j).
#[derive(Debug)]
struct Unfold {
    windows: Windows,
}

impl<T: Float> Operation<T> for Unfold {
    fn name(&self) -> &'static str {
        "unfold"
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        let [n, c, height, width] = image(inputs[0])?;
        let ([i, j], [down, across]) = (self.windows.kernel, self.windows.counts([height, width])?);
        Ok(Shape::from_slice(&[c, i, j, n, down, across]))
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let &[channels, kh, kw, n, down, across] = output.shape() else { unreachable!("its own shape") };
        let &[.., height, width] = inputs[0].shape() else { unreachable!("checked by shape") };
        let (x, unit) = (inputs[0].data(), down * across);
        if output.data().is_empty() {
            return;
        }
        split_by(output.data(), unit, GRAIN, |start, columns| {
            for (block, column) in columns.chunks_exact_mut(unit).enumerate() {
                let block = start / unit + block;
                let (example, j, i, channel) = (block % n, block / n % kw, block / n / kw % kh, block / n / kw / kh);
                debug_assert!(channel < channels);
                let plane = &x[(example * channels + channel) * height * width..][..height * width];
                column.fill(T::default());
                self.windows.runs([i, j], [height, width], [down, across], |to, from, len, step| match step {
                    1 => column[to..to + len].copy_from_slice(&plane[from..from + len]),
                    _ => (0..len).for_each(|k| column[to + k] = plane[from + k * step]),
                });
            }
        });
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        let back = || Fold { windows: self.windows, shape: cx.input(0).shape().into() };
        cx.add(0, || V::apply(back(), &[&cx.grad()]));
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        cx.linear(self)
    }
}

/// Zeros, with each number of a window added where it was read: the transpose of [`Unfold`].
#[derive(Debug)]
struct Fold {
    windows: Windows,
    shape: Shape,
}

impl<T: Float> Operation<T> for Fold {
    fn name(&self) -> &'static str {
        "fold"
    }
    fn shape(&self, _: &[&[usize]]) -> Result<Shape, String> {
        Ok(self.shape.clone())
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let &[channels, kh, kw, n, down, across] = inputs[0].shape() else { unreachable!("an unfolded shape") };
        let &[.., height, width] = output.shape() else { unreachable!("an image's shape") };
        let (columns, unit) = (inputs[0].data(), height * width);
        if output.data().is_empty() {
            return;
        }
        split_by(output.data(), unit, GRAIN, |start, planes| {
            for (block, plane) in planes.chunks_exact_mut(unit).enumerate() {
                let (example, channel) = ((start / unit + block) / channels, (start / unit + block) % channels);
                plane.fill(T::default());
                for offset in 0..kh * kw {
                    let column =
                        &columns[((channel * kh * kw + offset) * n + example) * down * across..][..down * across];
                    let at = [offset / kw, offset % kw];
                    self.windows.runs(at, [height, width], [down, across], |from, to, len, step| {
                        (0..len).for_each(|k| plane[to + k * step] += column[from + k]);
                    });
                }
            }
        });
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        cx.add(0, || V::apply(Unfold { windows: self.windows }, &[&cx.grad()]));
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        cx.linear(self)
    }
}

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

    /// The windows and the sizes N, C, H, W, down, across; or the caller's mistake.
    #[track_caller]
    fn on(&self, name: &str, shape: &[usize]) -> (Windows, [usize; 4], [usize; 2]) {
        let &Pooling { kernel, stride, padding, .. } = self;
        let windows = Windows { kernel, stride, padding, dilation: [1, 1] };
        assert!(
            (0..2).all(|d| 2 * padding[d] <= kernel[d]),
            "{name}: padding {padding:?} is more than half of the window {kernel:?}, so that some would see nothing \
             else"
        );
        let found = image(shape).and_then(|sizes| match sizes {
            [_, _, 0, _] | [_, _, _, 0] => Err("images without height or width have nothing to pool".to_owned()),
            [_, _, height, width] => Ok((sizes, windows.counts([height, width])?)),
        });
        match found {
            Ok((sizes, counts)) => (windows, sizes, counts),
            Err(reason) => panic!("{name}: {shape:?}: {reason}"),
        }
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// The convolution (as all such libraries call what is a cross-correlation) of N × C × H × W images with a weight
    /// of outputs × (C / groups) × height × width: `y[n, o, h, w] = Σ x[n, c, h·stride + i·dilation − padding, …] ·
    /// weight[o, c, i, j]`, zeros outside. The result is N × outputs × `⌊(H + 2 padding − dilation (height − 1) −
    /// 1)/stride⌋ + 1` × the same of the width. Add a bias as `y + bias.reshape([-1, 1, 1])`.
    ///
    /// It is one matrix product with the windows as columns, which stay on the tape: height · width times the input's
    /// memory.
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
        let Convolution { stride, padding, dilation, groups } = settings;
        let (weight, shape) = (weight.into_var(self.tape()), self.shape());
        let (&[n, channels, height, width], &[outputs, own, kh, kw]) = (shape, weight.shape()) else {
            panic!(
                "conv2d: the input is {shape:?} and the weight {:?}; they must be examples × channels × height × width \
                 and \
                 outputs × channels of a group × height × width",
                weight.shape()
            )
        };
        assert!(
            groups > 0 && channels == own * groups && outputs % groups == 0,
            "conv2d: the input is {shape:?} and the weight {:?}: {channels} channels and {outputs} outputs in {groups} \
             groups need a weight of {outputs} × {channels}/{groups} channels",
            weight.shape()
        );
        let windows = Windows { kernel: [kh, kw], stride, padding, dilation };
        let [down, across] = match windows.counts([height, width]) {
            Ok(counts) => counts,
            Err(reason) => panic!("conv2d: {shape:?}: {reason}"),
        };
        let columns = self.unary(Unfold { windows });
        let (rows, places) = (own * kh * kw, n * down * across);
        let y = match groups {
            1 => weight.reshape([outputs, rows]).matmul(columns.reshape([rows, places])),
            _ => {
                let weight = weight.reshape([groups, outputs / groups, rows]);
                weight.matmul(columns.reshape([groups, rows, places]))
            }
        };
        y.reshape([outputs, n, down, across]).transpose(0, 1)
    }

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
        let (windows, [n, channels, height, width], [down, across]) = pooling.on("max_pool2d", self.shape());
        let x = self.data();
        let mut index = vec![usize::MAX; n * channels * down * across];
        for (plane, best) in index.chunks_exact_mut(down * across).enumerate() {
            let first = plane * height * width;
            for offset in 0..windows.kernel[0] * windows.kernel[1] {
                let at = [offset / windows.kernel[1], offset % windows.kernel[1]];
                windows.runs(at, [height, width], [down, across], |to, from, len, step| {
                    for k in 0..len {
                        let (best, place) = (&mut best[to + k], first + from + k * step);
                        if *best == usize::MAX || larger(x[place], x[*best]) {
                            *best = place;
                        }
                    }
                });
            }
        }
        let most = windows.kernel[0] * windows.kernel[1]; // windows that a number is in
        let places = Places::Along { axis: 0, index: index.into(), most };
        self.flatten().unary(Take { places }).reshape([n, channels, down, across])
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
        let (windows, [_, _, height, width], [down, across]) = pooling.on("avg_pool2d", self.shape());
        let sums = self.unary(Unfold { windows }).sum_axis([1, 2]);
        let [kh, kw] = pooling.kernel;
        let averages = if pooling.count_padding || pooling.padding == [0, 0] {
            sums / (kh * kw) as f64
        } else {
            let mut counts = vec![T::default(); down * across];
            for offset in 0..kh * kw {
                windows.runs([offset / kw, offset % kw], [height, width], [down, across], |to, _, len, _| {
                    counts[to..to + len].iter_mut().for_each(|c| *c += T::from_f64(1.0));
                });
            }
            sums / self.tape().constant_with(&[down, across], |out| out.copy_from_slice(&counts))
        };
        averages.transpose(0, 1)
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    use crate::ops::numbers as x;
    let pair = |a: &[usize], b: &[usize]| vec![x(a, 0.3), x(b, 57.1)];
    let settings = |stride, padding, dilation, groups| Convolution { stride, padding, dilation, groups };
    let pooling = || Pooling { kernel: [2, 3], stride: [1, 2], padding: [1, 1], count_padding: false };
    let windows = Windows { kernel: [2, 2], stride: [1, 2], padding: [1, 0], dilation: [1, 1] };
    vec![
        check!("fold", vec![x(&[1, 2, 2, 2, 4, 2], 0.3)], move |v| {
            let shape = Shape::from_slice(&[2, 1, 3, 4]);
            v[0].tape().apply(Fold { windows, shape }, [v[0].square()])
        }),
        check!("conv2d", pair(&[2, 2, 4, 3], &[3, 2, 2, 2]), |v| {
            v[0].square().conv2d(v[1].square(), Convolution::default())
        }),
        check!("conv2d", pair(&[1, 2, 5, 4], &[2, 2, 2, 3]), move |v| {
            v[0].square().conv2d(v[1], settings([2, 1], [1, 2], [2, 1], 1))
        }),
        check!("conv2d", pair(&[2, 4, 3, 3], &[2, 2, 2, 2]), move |v| {
            v[0].conv2d(v[1].square(), settings([1, 2], [0, 1], [1, 1], 2))
        }),
        check!("max_pool2d", vec![x(&[1, 2, 4, 5], 0.3)], move |v| v[0].square().max_pool2d(pooling())),
        check!("avg_pool2d", vec![x(&[2, 1, 4, 5], 0.3)], move |v| v[0].square().avg_pool2d(pooling())),
    ]
}

#[cfg(test)]
mod tests;
