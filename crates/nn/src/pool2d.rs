//! Pooling layers.

use gradus_autograd::{Float, Pooling, Var};

use crate::Forward;
use crate::forward::without_parameters;

/// Takes the largest number of each window of N × C × H × W images. See [`Var::max_pool2d`].
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Forward, MaxPool2d};
/// use ndarray::Array4;
/// let tape = Tape::new();
/// let y = MaxPool2d::new([2, 2]).forward(tape.constant(Array4::<f32>::zeros((2, 8, 28, 28))));
/// assert_eq!(y.shape(), [2, 8, 14, 14]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool2d(pub Pooling);

/// Takes the mean of each window of N × C × H × W images. See [`Var::avg_pool2d`].
///
/// ```
/// use gradus_autograd::{Pooling, Tape};
/// use gradus_nn::{AvgPool2d, Forward};
/// use ndarray::Array4;
/// let tape = Tape::new();
/// let overlapping = AvgPool2d(Pooling { stride: [1, 1], ..Pooling::new([3, 3]) });
/// assert_eq!(overlapping.forward(tape.constant(Array4::<f32>::ones((1, 1, 5, 5)))).shape(), [1, 1, 3, 3]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvgPool2d(pub Pooling);

impl MaxPool2d {
    /// A pooling layer with windows of height × width, side by side.
    pub fn new(kernel: [usize; 2]) -> Self {
        MaxPool2d(Pooling::new(kernel))
    }
}

impl AvgPool2d {
    /// A pooling layer with windows of height × width, side by side.
    pub fn new(kernel: [usize; 2]) -> Self {
        AvgPool2d(Pooling::new(kernel))
    }
}

without_parameters!(MaxPool2d, AvgPool2d);

impl<T: Float> Forward<T> for MaxPool2d {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        x.max_pool2d(self.0)
    }
}

impl<T: Float> Forward<T> for AvgPool2d {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        x.avg_pool2d(self.0)
    }
}
