//! Reductions: sum, mean, variance, extremes.

use smallvec::SmallVec;

use crate::axes::Axes;
use crate::ops::choose::Where;
use crate::ops::shape::Reshape;
use crate::{Float, Jvp, Operation, Output, Shape, Tensor, Value, Var, View, Vjp};

/// A shape with the given axes at size 1.
fn reduced(shape: &[usize], axes: &[usize]) -> Shape {
    let mut shape = Shape::from_slice(shape);
    axes.iter().for_each(|&axis| shape[axis] = 1);
    shape
}

/// The reduction seen as `outer × n × inner`, if its axes are neighbours.
fn neighbours(shape: &[usize], axes: &[usize]) -> Option<[usize; 3]> {
    let (first, last) = (axes.iter().min().copied().unwrap_or(0), axes.iter().max().map_or(0, |k| k + 1));
    (first..last).all(|k| axes.contains(&k)).then(|| {
        [
            shape[..first].iter().product(),
            shape[first..last].iter().product(),
            shape[last..].iter().product(),
        ]
    })
}

/// Runs a kernel over the middle of `outer × n × inner`, axis by axis if the axes are not neighbours.
fn reduce<T: Float>(kernel: fn(&[T], [usize; 3], &mut [T]), x: View<'_, T>, axes: &[usize], out: &mut [T]) {
    if let Some(layout) = neighbours(x.shape(), axes) {
        return kernel(x.data(), layout, out);
    }
    let (mut numbers, mut shape): (Vec<T>, Shape) = (x.data().to_vec(), x.shape().into());
    for &axis in axes {
        let layout = neighbours(&shape, &[axis]).expect("one axis is its own neighbour");
        let mut less = vec![T::default(); layout[0] * layout[2]];
        kernel(&numbers, layout, &mut less);
        (numbers, shape) = (less, reduced(&shape, &[axis]));
    }
    out.copy_from_slice(&numbers);
}

/// `y = Σ x / divisor` over `axes`, which keep size 1 or disappear.
#[derive(Debug)]
pub(crate) struct Sum {
    pub(crate) axes: Shape,
    pub(crate) keep: bool,
    pub(crate) divisor: f64,
}

impl<T: Float> Operation<T> for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        if self.keep {
            return Ok(reduced(inputs[0], &self.axes));
        }
        Ok((0..inputs[0].len()).filter(|k| !self.axes.contains(k)).map(|k| inputs[0][k]).collect())
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        reduce(T::kernels().sum, inputs[0], &self.axes, output.data());
        if self.divisor != 1.0 {
            (T::kernels().div_number)(output.data(), T::from_f64(self.divisor));
        }
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        cx.add(0, || {
            let (g, x) = (cx.take_grad(), cx.input(0));
            let g = if self.divisor == 1.0 { g } else { g / self.divisor };
            let g = if self.keep { g } else { g.reshape(&reduced(x.shape(), &self.axes)) };
            g.broadcast_to(x.shape())
        });
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        cx.linear(self)
    }
}

macro_rules! extremes {
    ($($(#[$doc:meta])* $Type:ident $name:literal $kernel:ident;)*) => {
        $($(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $Type {
            pub(crate) axes: Shape,
        }

        impl<T: Float> Operation<T> for $Type {
            fn name(&self) -> &'static str {
                $name
            }
            fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
                match self.axes.iter().find(|&&axis| inputs[0][axis] == 0) {
                    Some(axis) => Err(format!("axis {axis} of {:?} is empty, so it has no extreme", inputs[0])),
                    None => Ok(reduced(inputs[0], &self.axes)),
                }
            }
            fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
                reduce(T::kernels().$kernel, inputs[0], &self.axes, output.data());
            }
            fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
                // all elements that tie share: the mask of the extremes over their count
                cx.add(0, || {
                    let (x, y) = (cx.input(0), cx.output());
                    let ties = V::apply(Ties {}, &[&x, &y]);
                    let count = ties.sum_keep(&self.axes);
                    V::apply(Where {}, &[&ties, &(cx.grad() / count), &x.constant(&[], |zero| zero[0] = T::default())])
                });
            }
        })*
    };
}
extremes! {
    /// `y = max x` over `axes`, which keep size 1.
    Amax "amax" max;
    /// `y = min x` over `axes`, which keep size 1.
    Amin "amin" min;
}

/// 1 where x equals y, which broadcasts, else 0. Its derivative is 0 everywhere.
#[derive(Debug)]
pub(crate) struct Ties {}

impl<T: Float> Operation<T> for Ties {
    fn name(&self) -> &'static str {
        "ties"
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        Ok(Shape::from_slice(inputs[0]))
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let (x, y) = (inputs[0], inputs[1]);
        let y = y.array();
        let y = y.broadcast(x.shape()).expect("the extremes of x");
        for ((out, &x), &y) in output.data().iter_mut().zip(x.data()).zip(y.iter()) {
            *out = if x == y { T::from_f64(1.0) } else { T::default() };
        }
    }
    fn vjp<V: Tensor<T>>(&self, _: &Vjp<'_, T, V>) {}
    fn jvp<'s>(&self, _: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        None
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// The sum of all numbers, as a 0-dimensional variable. 0 if there are none.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var([1.0, 2.0, 3.0]);
    /// assert_eq!(x.sum().item(), 6.0);
    /// ```
    #[track_caller]
    pub fn sum(self) -> Self {
        self.sum_axis(..)
    }

    /// The sum over one or more axes, which disappear. See [`Axes`].
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(ndarray::array![[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.sum_axis(0).data(), [4.0, 6.0]);
    /// ```
    #[track_caller]
    pub fn sum_axis(self, axes: impl Axes) -> Self {
        self.unary(Sum { axes: axes.list("sum", self.shape()), keep: false, divisor: 1.0 })
    }

    /// The sum over one or more axes, which keep size 1.
    #[track_caller]
    pub fn sum_keep(self, axes: impl Axes) -> Self {
        self.unary(Sum { axes: axes.list("sum", self.shape()), keep: true, divisor: 1.0 })
    }

    /// The mean of all numbers. NaN if there are none.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var([1.0, 2.0, 6.0]);
    /// assert_eq!(x.mean().item(), 3.0);
    /// ```
    #[track_caller]
    pub fn mean(self) -> Self {
        self.mean_axis(..)
    }

    /// The mean over one or more axes, which disappear.
    #[track_caller]
    pub fn mean_axis(self, axes: impl Axes) -> Self {
        self.mean_list(axes.list("mean", self.shape()), false)
    }

    /// The mean over one or more axes, which keep size 1.
    #[track_caller]
    pub fn mean_keep(self, axes: impl Axes) -> Self {
        self.mean_list(axes.list("mean", self.shape()), true)
    }

    #[track_caller]
    fn mean_list(self, axes: Shape, keep: bool) -> Self {
        let count: usize = axes.iter().map(|&axis| self.shape()[axis]).product();
        self.unary(Sum { axes, keep, divisor: count as f64 })
    }

    /// The variance of all numbers: `Σ (x − mean)² / (n − correction)`. With correction 1, PyTorch's default, it is
    /// the unbiased estimate from a sample; with 0 the mean square deviation, 0 for a single number.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var([1.0, 2.0, 6.0]);
    /// assert_eq!(x.var(1.0).item(), 7.0);
    /// ```
    #[track_caller]
    pub fn var(self, correction: f64) -> Self {
        self.var_axis(.., correction)
    }

    /// The variance over one or more axes, which disappear.
    #[track_caller]
    pub fn var_axis(self, axes: impl Axes, correction: f64) -> Self {
        self.var_list(&axes.list("var", self.shape()), correction, false)
    }

    /// The variance over one or more axes, which keep size 1.
    #[track_caller]
    pub fn var_keep(self, axes: impl Axes, correction: f64) -> Self {
        self.var_list(&axes.list("var", self.shape()), correction, true)
    }

    #[track_caller]
    fn var_list(self, axes: &[usize], correction: f64, keep: bool) -> Self {
        let count: usize = axes.iter().map(|&axis| self.shape()[axis]).product();
        let deviation = self - self.mean_list(axes.into(), true);
        let divisor = (count as f64 - correction).max(0.0);
        deviation.square().unary(Sum { axes: axes.into(), keep, divisor })
    }

    /// The largest of all numbers. Numbers that tie share the gradient. NaN if one is NaN.
    ///
    /// # Panics
    /// If there are none.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var([3.0, 1.0, 3.0]);
    /// assert_eq!(x.amax().backward().wrt(x), ndarray::array![0.5, 0.0, 0.5].into_dyn());
    /// ```
    #[track_caller]
    pub fn amax(self) -> Self {
        self.amax_axis(..)
    }

    /// The largest over one or more axes, which disappear.
    #[track_caller]
    pub fn amax_axis(self, axes: impl Axes) -> Self {
        let axes = axes.list("amax", self.shape());
        self.unary(Amax { axes: axes.clone() }).without(&axes)
    }

    /// The largest over one or more axes, which keep size 1.
    #[track_caller]
    pub fn amax_keep(self, axes: impl Axes) -> Self {
        self.unary(Amax { axes: axes.list("amax", self.shape()) })
    }

    /// The smallest of all numbers. Numbers that tie share the gradient. NaN if one is NaN.
    ///
    /// # Panics
    /// If there are none.
    #[track_caller]
    pub fn amin(self) -> Self {
        self.amin_axis(..)
    }

    /// The smallest over one or more axes, which disappear.
    #[track_caller]
    pub fn amin_axis(self, axes: impl Axes) -> Self {
        let axes = axes.list("amin", self.shape());
        self.unary(Amin { axes: axes.clone() }).without(&axes)
    }

    /// The smallest over one or more axes, which keep size 1.
    #[track_caller]
    pub fn amin_keep(self, axes: impl Axes) -> Self {
        self.unary(Amin { axes: axes.list("amin", self.shape()) })
    }

    /// Drops axes that a reduction left at size 1.
    #[track_caller]
    pub(crate) fn without(self, axes: &[usize]) -> Self {
        let own = self.shape();
        let kept: SmallVec<_> = (0..own.len()).filter(|k| !axes.contains(k)).map(|k| own[k]).collect();
        self.tape().alias(Reshape { shape: kept.clone() }, self, &kept)
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    use crate::ops::Check;
    use ndarray::array;
    let x = || vec![array![[[1.5, -0.2, 0.3], [0.4, 2.0, -1.0]], [[0.1, 0.9, -0.7], [1.1, 0.6, -0.3]]].into_dyn()];
    vec![
        Check::new("sum", x(), |v| v[0].square().sum().square()),
        Check::new("sum", x(), |v| v[0].square().sum_axis([0, 2])),
        Check::new("sum", x(), |v| v[0].square().sum_keep([1, 2])),
        Check::new("mean", x(), |v| v[0].square().mean_axis(1)),
        Check::new("var", x(), |v| v[0].var_axis(-1, 1.0)),
        Check::new("amax", x(), |v| v[0].square().amax_axis([0, 2])),
        Check::new("amin", x(), |v| v[0].square().amin_keep(1)),
        Check::new("ties", x(), |v| v[0] * v[0].tape().apply(Ties {}, [v[0], v[0].amax_keep(2)])),
    ]
}
