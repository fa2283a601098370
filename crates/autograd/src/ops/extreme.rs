//! The largest and the smallest number: over several axes, where ties share the gradient, or along one axis, together
//! with their places.

use ndarray::{ArrayD, Axis};

use crate::axes::{Axes, axis_of};
use crate::ops::along::{reduce, reduced};
use crate::ops::choose::Where;
use crate::{Float, Jvp, Operation, Output, Shape, Tensor, Value, Var, View, Vjp, kept};

macro_rules! extremes {
    ($($(#[$doc:meta])* $Type:ident $name:literal $kernel:ident;)*) => {
        $($(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $Type {
            pub(crate) axes: Shape,
        }

        crate::engine::erased::compiled_here!($Type);
        impl<T: Float> Operation<T> for $Type {
            crate::engine::erased::compiled_here!(@erase T);
            fn name(&self) -> &'static str {
                $name
            }
            fn formula(&self) -> &'static str {
                "The extreme `y` of `x` over axes. All elements that tie share its gradient."
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
                // all elements that tie share the gradient: the mask of the extremes divided by their count
                cx.add(0, || {
                    let (x, y) = (cx.input(0), cx.output());
                    let ties = V::apply(Ties {}, &[&x, &y]);
                    let count = ties.sum_axis(kept(&self.axes));
                    V::apply(Where {}, &[&ties, &(cx.grad() / count), &x.constant(&[], |_| {})])
                });
            }
        })*
    };
}
extremes! {
    /// `y = max x` over `axes`, which keep size 1.
    ///
    /// The extreme `y` of `x` over axes. All elements that tie share its gradient.
    Amax "amax" max;
    /// `y = min x` over `axes`, which keep size 1.
    ///
    /// The extreme `y` of `x` over axes. All elements that tie share its gradient.
    Amin "amin" min;
}

/// 1 where x equals y or both are NaN, else 0. Its derivative is 0 everywhere. The operand y broadcasts.
#[derive(Debug)]
pub(crate) struct Ties {}

crate::engine::erased::compiled_here!(Ties);
impl<T: Float> Operation<T> for Ties {
    crate::engine::erased::compiled_here!(@erase T);
    fn name(&self) -> &'static str {
        "ties"
    }
    fn formula(&self) -> &'static str {
        "1 where x equals y or both are NaN, else 0. Its derivative is 0 everywhere."
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        Ok(Shape::from_slice(inputs[0]))
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let (x, y) = (inputs[0], inputs[1]);
        let y = y.array();
        let y = y.broadcast(x.shape()).expect("the extremes of x");
        for ((out, &x), &y) in output.data().iter_mut().zip(x.data()).zip(y.iter()) {
            let tie = x == y || (x.to_f64().is_nan() && y.to_f64().is_nan());
            *out = if tie { T::from_f64(1.0) } else { T::default() };
        }
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        cx.none(0);
        cx.none(1);
    }
    fn jvp<'s>(&self, _: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        None
    }
}

/// Whether a goes before b when the largest comes first. NaN counts as the largest, as in PyTorch.
pub(crate) fn larger<T: Float>(a: T, b: T) -> bool {
    a > b || (a.to_f64().is_nan() && !b.to_f64().is_nan())
}
/// Whether a goes before b when the smallest comes first. NaN goes before all numbers.
fn smaller<T: Float>(a: T, b: T) -> bool {
    a < b || (a.to_f64().is_nan() && !b.to_f64().is_nan())
}

impl<'t, T: Float> Var<'t, T> {
    /// The largest of all numbers. Numbers that tie share the gradient. The result is NaN if one of them is.
    ///
    /// # Panics
    /// If there are no numbers.
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

    /// The largest number over one or more axes, which disappear unless they are [`kept`](crate::kept()).
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(ndarray::array![[1.0, 5.0], [3.0, 2.0]]);
    /// assert_eq!(x.amax_axis(0).data(), [3.0, 5.0]);
    /// ```
    #[track_caller]
    pub fn amax_axis(self, axes: impl Axes) -> Self {
        let list = axes.list("amax", self.shape());
        self.unary(Amax { axes: list.clone() }).reduced(&list, axes.keeps())
    }

    /// The smallest of all numbers. Numbers that tie share the gradient. The result is NaN if one of them is.
    ///
    /// # Panics
    /// If there are no numbers.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(ndarray::array![[1.0, 5.0], [3.0, 2.0]]);
    /// assert_eq!(x.amin().data(), [1.0]);
    /// ```
    #[track_caller]
    pub fn amin(self) -> Self {
        self.amin_axis(..)
    }

    /// The smallest number over one or more axes, which disappear unless they are [`kept`](crate::kept()).
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(ndarray::array![[1.0, 5.0], [3.0, 2.0]]);
    /// assert_eq!(x.amin_axis(1).data(), [1.0, 2.0]);
    /// ```
    #[track_caller]
    pub fn amin_axis(self, axes: impl Axes) -> Self {
        let list = axes.list("amin", self.shape());
        self.unary(Amin { axes: list.clone() }).reduced(&list, axes.keeps())
    }

    /// The place of the largest number along an axis, the first if several tie (NaN counts as the largest). Places are
    /// whole numbers, not variables: they have no derivative.
    ///
    /// # Panics
    /// If the axis is empty.
    ///
    /// ```
    /// use ndarray::array;
    /// let tape = gradus_autograd::Tape::new();
    /// let logits = tape.var(array![[0.1, 2.0, 2.0], [3.0, 0.0, 1.0]]);
    /// assert_eq!(logits.argmax(-1), array![1, 0].into_dyn());
    /// ```
    #[track_caller]
    pub fn argmax(self, axis: isize) -> ArrayD<usize> {
        self.places("argmax", axis_of("argmax", axis, self.shape()), larger)
    }

    /// The place of the smallest number along an axis, the first if several tie.
    ///
    /// # Panics
    /// If the axis is empty.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(ndarray::array![[1.0, 5.0], [3.0, 2.0]]);
    /// assert_eq!(x.argmin(0), ndarray::array![0, 1].into_dyn());
    /// ```
    #[track_caller]
    pub fn argmin(self, axis: isize) -> ArrayD<usize> {
        self.places("argmin", axis_of("argmin", axis, self.shape()), smaller)
    }

    /// The largest number along an axis, which disappears, and its place, the first if several tie. All of the gradient
    /// goes to that place; [`amax_axis`](Self::amax_axis) shares it among all numbers that tie.
    ///
    /// # Panics
    /// If the axis is empty.
    ///
    /// ```
    /// use ndarray::array;
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(array![[1.0, 5.0, 5.0]]);
    /// let (largest, place) = x.max(1);
    /// assert_eq!((largest.data(), place[[0]]), (&[5.0][..], 1));
    /// assert_eq!(largest.sum().backward().wrt(x), array![[0.0, 1.0, 0.0]].into_dyn());
    /// ```
    #[track_caller]
    pub fn max(self, axis: isize) -> (Self, ArrayD<usize>) {
        let axis = axis_of("max", axis, self.shape());
        self.picked(axis, self.places("max", axis, larger))
    }

    /// The smallest number along an axis, which disappears, and its place. All of the gradient goes to that place.
    ///
    /// # Panics
    /// If the axis is empty.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(ndarray::array![[1.0, 5.0], [3.0, 2.0]]);
    /// let (smallest, places) = x.min(1);
    /// assert_eq!((smallest.data(), places), (&[1.0, 2.0][..], ndarray::array![0, 1].into_dyn()));
    /// ```
    #[track_caller]
    pub fn min(self, axis: isize) -> (Self, ArrayD<usize>) {
        let axis = axis_of("min", axis, self.shape());
        self.picked(axis, self.places("min", axis, smaller))
    }

    #[track_caller]
    fn places(self, name: &str, axis: usize, before: fn(T, T) -> bool) -> ArrayD<usize> {
        let shape = self.shape();
        assert!(shape[axis] > 0, "{name}: axis {axis} of {shape:?} is empty, so it has no extreme");
        self.value().map_axis(Axis(axis), |row| {
            (1..row.len()).fold(0, |best, i| if before(row[i], row[best]) { i } else { best })
        })
    }

    #[track_caller]
    fn picked(self, axis: usize, places: ArrayD<usize>) -> (Self, ArrayD<usize>) {
        let index = places.view().insert_axis(Axis(axis));
        (self.gather_most(axis, &index, 1).squeeze(axis as isize), places)
    }

    /// Sorts the numbers along an axis, the smallest first or, with `descending`, the largest first. Returns them and
    /// the place that each came from. Equal numbers keep their order; NaN counts as the largest. The gradient of each
    /// number goes back to its place.
    ///
    /// ```
    /// use ndarray::array;
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var([3.0, 1.0, 2.0]);
    /// let (sorted, places) = x.sort(0, false);
    /// assert_eq!((sorted.data(), places), (&[1.0, 2.0, 3.0][..], array![1, 2, 0].into_dyn()));
    /// ```
    #[track_caller]
    pub fn sort(self, axis: isize, descending: bool) -> (Self, ArrayD<usize>) {
        let axis = axis_of("sort", axis, self.shape());
        self.ordered(axis, self.shape()[axis], descending)
    }

    /// The `k` largest numbers along an axis, the largest first, and their places. For the smallest, negate the numbers
    /// before and after.
    ///
    /// # Panics
    /// If the axis has fewer than `k` numbers.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let (top, places) = tape.var([3.0, 1.0, 4.0, 1.5]).topk(0, 2);
    /// assert_eq!((top.data(), places[[0]], places[[1]]), (&[4.0, 3.0][..], 2, 0));
    /// ```
    #[track_caller]
    pub fn topk(self, axis: isize, k: usize) -> (Self, ArrayD<usize>) {
        let shape = self.shape();
        let axis = axis_of("topk", axis, shape);
        assert!(k <= shape[axis], "topk: {k} numbers of axis {axis} of {shape:?}, which has {}", shape[axis]);
        self.ordered(axis, k, true)
    }

    #[track_caller]
    fn ordered(self, axis: usize, k: usize, descending: bool) -> (Self, ArrayD<usize>) {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let mut shape = Shape::from_slice(self.shape());
        shape[axis] = k;
        let mut places = ArrayD::zeros(&*shape);
        let value = self.value();
        for (row, mut places) in value.lanes(Axis(axis)).into_iter().zip(places.lanes_mut(Axis(axis))) {
            let mut order: Vec<usize> = (0..row.len()).collect();
            order.sort_by(|&i, &j| {
                let (a, b) = if descending { (row[j], row[i]) } else { (row[i], row[j]) };
                if larger(b, a) {
                    Less
                } else if larger(a, b) {
                    Greater
                } else {
                    Equal
                }
            });
            places.iter_mut().zip(order).for_each(|(place, i)| *place = i);
        }
        (self.gather_most(axis, &places, 1), places)
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    use crate::kept;
    use ndarray::array;
    let x = || vec![array![[[1.5, -0.2, 0.3], [0.4, 2.0, -1.0]], [[0.1, 0.9, -0.7], [1.1, 0.6, -0.3]]].into_dyn()];
    vec![
        check!("amax", x(), |v| v[0].square().amax_axis([0, 2])),
        check!("amin", x(), |v| v[0].square().amin_axis(kept(1))),
        check!("ties", x(), |v| v[0] * v[0].tape().apply(Ties {}, [v[0], v[0].amax_axis(kept(2))])),
        check!("max", x(), |v| v[0].square().max(1).0),
        check!("min", x(), |v| v[0].square().min(-1).0),
        check!("sort", x(), |v| v[0].square().sort(2, true).0 * v[0].sort(2, false).0),
        check!("topk", x(), |v| v[0].square().topk(-1, 2).0),
    ]
}

#[cfg(test)]
mod tests {
    use crate::Tape;
    use ndarray::array;

    #[test]
    fn nan_is_the_largest_and_the_smallest_found_and_sorts_last() {
        let tape = Tape::<f64>::mathematics();
        let x = tape.var([1.0, f64::NAN, 3.0, f64::NAN]);
        assert_eq!((x.argmax(0)[[]], x.argmin(0)[[]]), (1, 1));
        assert_eq!(x.sort(0, false).1, array![0, 2, 1, 3].into_dyn());
        assert_eq!(x.sort(0, true).1, array![1, 3, 2, 0].into_dyn());
    }

    #[test]
    fn an_empty_axis_beside_the_sorted_one_is_no_mistake() {
        let tape = Tape::new();
        let x = tape.constant_with(&[0, 3], |_| {});
        assert_eq!(x.sort(1, false).0.shape(), [0, 3]);
        assert_eq!(x.sort(0, false).0.shape(), [0, 3]);
        assert_eq!(x.argmax(1).shape(), [0]);
    }
}
