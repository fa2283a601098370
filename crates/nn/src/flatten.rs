//! The flattening layer, which joins axes.

use gradus_autograd::{Float, Var};

use crate::Forward;
use crate::forward::without_parameters;

/// Joins all axes but the first into one: for use between images and a [`Linear`](crate::Linear) layer.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Flatten, Forward};
/// use ndarray::Array4;
/// let tape = Tape::new();
/// assert_eq!(Flatten.forward(tape.constant(Array4::<f32>::zeros((2, 8, 3, 3)))).shape(), [2, 72]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flatten;

without_parameters!(Flatten);

impl<T: Float> Forward<T> for Flatten {
    /// # Panics
    /// For a single number, which has no first axis.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let Some((first, rest)) = x.shape().split_first() else {
            panic!("Flatten: a single number has no axis of examples")
        };
        x.reshape([*first, rest.iter().product()])
    }
}
