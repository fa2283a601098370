//! Joining arrays.

use crate::axes::axis_of;
use crate::places::{Places, Range};
use crate::{Float, Jvp, Operation, Output, Shape, Tensor, Value, Var, View, Vjp};

/// The inputs one after the other along an axis. The gradient of each input is its part of the gradient.
#[derive(Debug)]
pub(crate) struct Concat {
    pub(crate) axis: usize,
}

crate::engine::erased::compiled_here!(Concat);
impl<T: Float> Operation<T> for Concat {
    crate::engine::erased::compiled_here!(@erase T);
    fn name(&self) -> &'static str {
        "concat"
    }
    fn formula(&self) -> &'static str {
        "The inputs one after the other along an axis. The gradient of each input is its part of the gradient."
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        let mut shape = Shape::from_slice(inputs[0]);
        for (i, input) in inputs.iter().enumerate().skip(1) {
            let fits = input.len() == shape.len()
                && (0..shape.len()).all(|axis| axis == self.axis || input[axis] == shape[axis]);
            if !fits {
                return Err(format!(
                    "input 0 is {:?} and input {i} is {input:?}; they may differ only on axis {}",
                    inputs[0], self.axis
                ));
            }
            shape[self.axis] += input[self.axis];
        }
        Ok(shape)
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let shape = output.shape();
        let inner: usize = shape[self.axis + 1..].iter().product();
        let row = shape[self.axis] * inner;
        let mut start = 0;
        for input in inputs {
            let width = input.shape()[self.axis] * inner;
            if width > 0 {
                for (to, from) in output.data().chunks_exact_mut(row).zip(input.data().chunks_exact(width)) {
                    to[start..start + width].copy_from_slice(from);
                }
            }
            start += width;
        }
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        let mut start = 0;
        for i in 0..cx.inputs() {
            let input = cx.input(i);
            let len = input.shape()[self.axis];
            let ranges = |axis| {
                let len = input.shape()[axis];
                Range { start: if axis == self.axis { start } else { 0 }, step: 1, len }
            };
            let places = Places::Ranges((0..input.shape().len()).map(ranges).collect());
            cx.add(i, || cx.grad().take(&places));
            start += len;
        }
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        cx.linear(self)
    }
}

/// Joins the variables, one after the other, along an axis.
///
/// # Panics
/// If there are no variables, or their other axes differ.
///
/// ```
/// use gradus_autograd::{Tape, concat};
/// let tape = Tape::new();
/// let (a, b) = (tape.var([1.0]), tape.var([2.0, 3.0]));
/// assert_eq!(concat(&[a, b], 0).data(), [1.0, 2.0, 3.0]);
/// ```
#[track_caller]
pub fn concat<'t, T: Float>(parts: &[Var<'t, T>], axis: isize) -> Var<'t, T> {
    assert!(!parts.is_empty(), "concat: there is nothing to join");
    let axis = axis_of("concat", axis, parts[0].shape());
    parts[0].tape().apply_many(Concat { axis }, parts)
}

/// Puts the variables, which all have one shape, side by side along a new axis.
///
/// # Panics
/// If there are no variables, or their shapes differ.
///
/// ```
/// use gradus_autograd::{Tape, stack};
/// let tape = Tape::new();
/// let (a, b) = (tape.var([1.0, 2.0]), tape.var([3.0, 4.0]));
/// assert_eq!(stack(&[a, b], 1).value(), ndarray::array![[1.0, 3.0], [2.0, 4.0]].into_dyn());
/// ```
#[track_caller]
pub fn stack<'t, T: Float>(parts: &[Var<'t, T>], axis: isize) -> Var<'t, T> {
    assert!(!parts.is_empty(), "stack: there is nothing to join");
    for (i, part) in parts.iter().enumerate() {
        let (first, other) = (parts[0].shape(), part.shape());
        assert!(first == other, "stack: input 0 is {first:?} and input {i} is {other:?}; they must be the same");
    }
    let columns: Vec<Var<'t, T>> = parts.iter().map(|p| p.unsqueeze(axis)).collect();
    concat(&columns, axis)
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    use ndarray::array;
    let x = || vec![array![[[1.5, -0.2, 0.3], [0.4, 2.0, -1.0]], [[0.1, 0.9, -0.7], [1.1, 0.6, -0.3]]].into_dyn()];
    let two = || vec![array![[1.5, -0.2, 0.3]].into_dyn(), array![[0.4, 2.0, -1.0], [0.1, 0.9, -0.7]].into_dyn()];
    vec![
        check!("concat", two(), |v| concat(&[v[0], v[1] * v[1], v[0]], 0)),
        check!("stack", x(), |v| stack(&[v[0], v[0] * v[0]], -1)),
    ]
}
