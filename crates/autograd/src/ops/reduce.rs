//! Reductions: sum, mean, variance and deviation, product, norms.

use smallvec::SmallVec;

use crate::axes::Axes;
use crate::ops::along::{reduce, reduced};
use crate::ops::choose::where_;
use crate::ops::extreme::{Amax, Amin};
use crate::ops::join::concat;
use crate::ops::shape::Reshape;
use crate::{Float, Jvp, Operation, Output, Shape, Tensor, Value, Var, View, Vjp, kept};

/// `y = Σ x / divisor`, `∂y/∂x = 1 / divisor`: the divisor is 1 for a sum, and the count for a mean.
#[derive(Debug)]
pub(crate) struct Sum {
    pub(crate) axes: Shape,
    pub(crate) keep: bool,
    pub(crate) divisor: f64,
}

crate::engine::erased::compiled_here!(Sum);
impl<T: Float> Operation<T> for Sum {
    crate::engine::erased::compiled_here!(@erase T);
    fn name(&self) -> &'static str {
        if self.divisor == 1.0 { "sum" } else { "mean" }
    }
    fn formula(&self) -> &'static str {
        "`y = Σ x / divisor`, `∂y/∂x = 1 / divisor`: the divisor is 1 for a sum, and the count for a mean."
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

impl Sum {
    /// The `sum` or the `mean` over axes of a shape.
    #[track_caller]
    pub(crate) fn over(name: &str, axes: impl Axes, shape: &[usize]) -> Self {
        let list = axes.list(name, shape);
        let count: usize = list.iter().map(|&axis| shape[axis]).product();
        Sum { axes: list, keep: axes.keeps(), divisor: if name == "mean" { count as f64 } else { 1.0 } }
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// The sum of all numbers, as a 0-dimensional variable. It is 0 if there are no numbers.
    ///
    /// Numbers are added in blocks of up to 512, and the blocks in pairs, pairs of pairs and so on. So the error of n
    /// numbers grows with the logarithm of n: 10⁷ numbers of `f32` that are all 0.1 are added with a relative error
    /// below 10⁻⁵. Products of vectors and matrices add in the same way (in blocks of up to 4096), and so do gradients
    /// that many rows add into one. But the gradients that a variable gets from many operations, one after the other,
    /// are added one by one.
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

    /// The sum over one or more axes, which disappear, or keep size 1 if they are [`kept`](crate::kept()). See
    /// [`Axes`].
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(ndarray::array![[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.sum_axis(0).data(), [4.0, 6.0]);
    /// ```
    #[track_caller]
    pub fn sum_axis(self, axes: impl Axes) -> Self {
        self.unary(Sum::over("sum", axes, self.shape()))
    }

    /// The mean of all numbers. It is NaN if there are no numbers.
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

    /// The mean over one or more axes, which disappear unless they are [`kept`](crate::kept()).
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(ndarray::array![[1.0, 5.0], [3.0, 2.0]]);
    /// assert_eq!(x.mean_axis(0).data(), [2.0, 3.5]);
    /// ```
    #[track_caller]
    pub fn mean_axis(self, axes: impl Axes) -> Self {
        self.unary(Sum::over("mean", axes, self.shape()))
    }

    /// The variance of all numbers: `Σ (x − mean)² / (n − correction)`. With correction 1, PyTorch's default, it is the
    /// unbiased estimate from a sample. With correction 0 it is the mean square deviation, which is 0 for a single
    /// number.
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

    /// The variance over one or more axes, which disappear unless they are [`kept`](crate::kept()).
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(ndarray::array![[1.0, 5.0], [3.0, 2.0]]);
    /// assert_eq!(x.var_axis(0, 1.0).data(), [2.0, 4.5]);
    /// ```
    #[track_caller]
    pub fn var_axis(self, axes: impl Axes, correction: f64) -> Self {
        self.var_list(&axes.list("var", self.shape()), correction, axes.keeps())
    }

    #[track_caller]
    fn var_list(self, axes: &Shape, correction: f64, keep: bool) -> Self {
        let count: usize = axes.iter().map(|&axis| self.shape()[axis]).product();
        let deviation = self - self.mean_axis(kept(axes));
        // the mean was rounded; the small mean that remains would count as variance
        let deviation = deviation - deviation.mean_axis(kept(axes));
        let divisor = (count as f64 - correction).max(0.0);
        deviation.square().unary(Sum { axes: axes.clone(), keep, divisor })
    }

    /// The standard deviation of all numbers: the root of [`var`](Self::var). Where it is 0 its gradient is 0, as in
    /// PyTorch. It neither overflows nor underflows where the result fits, though the variance may.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var([1.0, 3.0]);
    /// assert_eq!(x.std(0.0).item(), 1.0);
    /// ```
    #[track_caller]
    pub fn std(self, correction: f64) -> Self {
        self.std_axis(.., correction)
    }

    /// The standard deviation over one or more axes, which disappear unless they are [`kept`](crate::kept()).
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(ndarray::array![[1.0, 5.0], [3.0, 2.0]]);
    /// assert_eq!(x.std_axis(0, 0.0).data(), [1.0, 1.5]);
    /// ```
    #[track_caller]
    pub fn std_axis(self, axes: impl Axes, correction: f64) -> Self {
        self.std_list(&axes.list("std", self.shape()), correction, axes.keeps())
    }

    #[track_caller]
    fn std_list(self, axes: &Shape, correction: f64, keep: bool) -> Self {
        let deviation = |x: Self| x.var_list(axes, correction, true).root(2.0);
        let std = match self.scale(axes, 2.0) {
            Some(scale) => deviation(self / scale) * scale,
            None => deviation(self),
        };
        std.reduced(axes, keep)
    }

    /// The divisor for each part that is reduced: the power of two next to its largest number (its smallest, for p < 0)
    /// or, for large p, that number itself. After the division, no number's p-th power overflows, and none that matters
    /// underflows. `None` if no division is needed.
    fn scale(self, axes: &[usize], p: f64) -> Option<Self> {
        let shape = reduced(self.shape(), axes);
        if self.is_empty() || p.abs() < 1.0 {
            return None; // for |p| < 1 the powers are roots, which are always within the range
        }
        let x = self.detach();
        let extreme = |x: Self, kernel| {
            let mut extreme = vec![T::default(); shape.iter().product()];
            reduce(kernel, x.tape().nodes().node(x.index()).value, axes, &mut extreme);
            extreme
        };
        let sizes: Vec<f64> = if p < 0.0 {
            extreme(x.abs(), T::kernels().min).iter().map(|x| x.to_f64()).collect()
        } else {
            let (high, low) = (extreme(x, T::kernels().max), extreme(x, T::kernels().min));
            high.iter().zip(&low).map(|(high, low)| high.to_f64().abs().max(low.to_f64().abs())).collect()
        };
        let farthest = if T::NAME == "f32" { 120.0 } else { 1000.0 };
        let power = |size: &f64| match size.is_normal() && T::from_f64(*size).is_finite() {
            // such a large power leaves the range even if its base is between 1 and 2
            true if p.abs() > 8.0 => *size,
            true => size.log2().floor().clamp(-farthest, farthest).exp2(),
            false => 1.0, // 0 or too small, or already infinite or NaN
        };
        let powers: Vec<f64> = sizes.iter().map(power).collect();
        let squares_fit = p == 2.0 && powers.iter().all(|power| (1e-12..=1e12).contains(power));
        (!squares_fit).then(|| {
            let powers = powers.iter().map(|&power| T::from_f64(power));
            self.tape().constant_with(&shape, |out| out.iter_mut().zip(powers).for_each(|(out, power)| *out = power))
        })
    }

    /// `x^(1/p)`, whose slope at 0 is infinite for p > 0; here it is 0.
    #[track_caller]
    fn root(self, p: f64) -> Self {
        let zero = self.eq(0.0);
        let safe = where_(zero, 1.0, self);
        where_(zero, if p > 0.0 { 0.0 } else { f64::INFINITY }, if p == 2.0 { safe.sqrt() } else { safe.pow(1.0 / p) })
    }

    /// The product of all numbers, 1 if there are no numbers. Its gradient by each number is the product of the others,
    /// which is right even if some of them are 0.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var([2.0, 0.0, 5.0]);
    /// assert_eq!(x.prod().backward().wrt(x), ndarray::array![0.0, 10.0, 0.0].into_dyn());
    /// ```
    #[track_caller]
    pub fn prod(self) -> Self {
        self.prod_axis(..)
    }

    /// The product over one or more axes, which disappear unless they are [`kept`](crate::kept()).
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(ndarray::array![[1.0, 5.0], [3.0, 2.0]]);
    /// assert_eq!(x.prod_axis(1).data(), [5.0, 6.0]);
    /// ```
    #[track_caller]
    pub fn prod_axis(self, axes: impl Axes) -> Self {
        let list = axes.list("prod", self.shape());
        self.prod_list(&list).reduced(&list, axes.keeps())
    }

    /// Multiplies the two halves of an axis until one number is left. So every derivative is that of a plain product,
    /// and none divides by x.
    #[track_caller]
    fn prod_list(self, axes: &[usize]) -> Self {
        axes.iter().fold(self, |mut x, &axis| {
            let along = axis as isize;
            while x.shape()[axis] > 1 {
                let (n, half) = (x.shape()[axis], x.shape()[axis] / 2);
                let pairs = x.narrow(along, 0, half) * x.narrow(along, half, half);
                x = if n % 2 == 1 { concat(&[pairs, x.narrow(along, n - 1, 1)], along) } else { pairs };
            }
            match x.shape()[axis] {
                0 => x.tape().constant_with(&reduced(x.shape(), &[axis]), |ones| ones.fill(T::from_f64(1.0))),
                _ => x,
            }
        })
    }

    /// The p-norm of all numbers: `(Σ |x|ᵖ)^(1/p)`; for p = ∞ the largest |x|, for −∞ the smallest.
    ///
    /// It neither overflows nor underflows where the result fits, though powers of the numbers may (PyTorch's norm
    /// does). Where the norm is 0, and at zeros for p = 1, the gradient is 0 (a subgradient, as in PyTorch). If p is
    /// ±∞, numbers that tie share the gradient.
    ///
    /// # Panics
    /// If p is 0 or NaN.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var([3.0, -4.0]);
    /// assert_eq!(x.norm(2.0).item(), 5.0);
    /// assert_eq!(x.norm(2.0).backward().wrt(x), ndarray::array![0.6, -0.8].into_dyn());
    /// assert_eq!((x.norm(1.0).item(), x.norm(f64::INFINITY).item()), (7.0, 4.0));
    /// ```
    #[track_caller]
    pub fn norm(self, p: f64) -> Self {
        self.norm_axis(.., p)
    }

    /// The p-norm over one or more axes, which disappear unless they are [`kept`](crate::kept()).
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(ndarray::array![[1.0, 5.0], [3.0, 2.0]]);
    /// assert_eq!(x.norm_axis(0, 1.0).data(), [4.0, 7.0]);
    /// ```
    #[track_caller]
    pub fn norm_axis(self, axes: impl Axes, p: f64) -> Self {
        let list = axes.list("norm", self.shape());
        self.norm_list(p, &list).reduced(&list, axes.keeps())
    }

    #[track_caller]
    fn norm_list(self, p: f64, axes: &[usize]) -> Self {
        assert!(p != 0.0 && !p.is_nan(), "norm: there is no {p}-norm; p is a number other than 0, or ±∞");
        if p == f64::INFINITY {
            return self.abs().unary(Amax { axes: axes.into() });
        }
        if p == f64::NEG_INFINITY {
            return self.abs().unary(Amin { axes: axes.into() });
        }
        let sum = |terms: Self| terms.unary(Sum { axes: axes.into(), keep: true, divisor: 1.0 });
        if p == 1.0 {
            return sum(self.abs());
        }
        let norm = |x: Self| {
            if p == 2.0 {
                return sum(x.square()).root(2.0);
            }
            // a power of 0 may have an infinite slope
            let zero = x.eq(0.0);
            let powers = where_(zero, 1.0, x.abs()).pow(p);
            let at_zero = if p > 0.0 { 0.0 } else { f64::INFINITY };
            sum(where_(zero, at_zero, powers)).root(p)
        };
        match self.scale(axes, p) {
            Some(scale) => norm(self / scale) * scale,
            None => norm(self),
        }
    }

    /// Drops the axes that a reduction left at size 1, unless they are to be kept.
    #[track_caller]
    pub(crate) fn reduced(self, axes: &[usize], keep: bool) -> Self {
        if keep {
            return self;
        }
        let own = self.shape();
        let kept: SmallVec<_> = (0..own.len()).filter(|k| !axes.contains(k)).map(|k| own[k]).collect();
        self.tape().alias(Reshape { shape: kept.clone() }, self, &kept)
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    use crate::kept;
    use ndarray::array;
    let x = || vec![array![[[1.5, -0.2, 0.3], [0.4, 2.0, -1.0]], [[0.1, 0.9, -0.7], [1.1, 0.6, -0.3]]].into_dyn()];
    vec![
        check!("sum", x(), |v| v[0].square().sum().square()),
        check!("sum", x(), |v| v[0].square().sum_axis([0, 2])),
        check!("sum", x(), |v| v[0].square().sum_axis(kept([1, 2]))),
        check!("mean", x(), |v| v[0].square().mean_axis(1)),
        check!("var", x(), |v| v[0].var_axis(-1, 1.0)),
        check!("std", x(), |v| v[0].std_axis([0, 1], 1.0)),
        check!("prod", x(), |v| v[0].prod_axis([1, 2])),
        check!("prod", vec![array![0.0, 2.0, -1.5].into_dyn()], |v| v[0].prod()),
        check!("prod", vec![array![0.0, 2.0, 0.0, -1.5].into_dyn()], |v| v[0].prod()),
        check!("norm", x(), |v| v[0].norm_axis([0, 2], 2.0)),
        check!("norm", x(), |v| v[0].norm_axis(kept(1), 1.0)),
        check!("norm", x(), |v| v[0].norm(3.5)),
        check!("norm", x(), |v| v[0].norm_axis(-1, -1.0)),
        check!("norm", x(), |v| v[0].norm_axis(-1, f64::INFINITY) * v[0].norm_axis(2, f64::NEG_INFINITY)),
    ]
}
