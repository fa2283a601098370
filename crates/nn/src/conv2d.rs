//! The convolution layer.

use gradus_autograd::{Convolution, Float, Param, Var};
use gradus_derive::Module;
use rand::Rng;

use crate::{Forward, Init};

/// A convolution of N × C × H × W images with a bias for each output. It is PyTorch's `Conv2d`, including the layout
/// and the default initial weights. See [`Var::conv2d`] for the formula and the sizes.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Conv2d, Forward, rng};
/// use ndarray::Array4;
/// let layer = Conv2d::<f32>::new(1, 8, [3, 3], &mut rng(0)).padding([1, 1]);
/// let tape = Tape::new();
/// let y = layer.forward(tape.constant(Array4::zeros((2, 1, 28, 28))));
/// assert_eq!(y.shape(), [2, 8, 28, 28]);
/// ```
#[derive(Clone, Debug, Module)]
#[module(crate = gradus_autograd)]
pub struct Conv2d<T: Float = f32> {
    /// the weight, of shape outputs × (inputs / groups) × height × width
    pub weight: Param<T>,
    /// the bias of each output
    pub bias: Option<Param<T>>,
    /// stride, padding, dilation, groups
    #[module(skip)]
    pub settings: Convolution,
}

impl<T: Float> Conv2d<T> {
    /// A convolution from `inputs` to `outputs` channels with a kernel of height × width. Weight and bias are drawn
    /// uniformly from ±1/√(inputs · height · width).
    pub fn new(inputs: usize, outputs: usize, kernel: [usize; 2], rng: &mut impl Rng) -> Self {
        Self::grouped(inputs, outputs, kernel, 1, rng)
    }

    /// A convolution like [`new`](Self::new) with the channels in groups: each output sees the inputs of its own group
    /// only.
    ///
    /// # Panics
    /// If the channels cannot be divided into `groups` groups.
    #[track_caller]
    pub fn grouped(inputs: usize, outputs: usize, kernel: [usize; 2], groups: usize, rng: &mut impl Rng) -> Self {
        assert!(
            groups > 0 && inputs.is_multiple_of(groups) && outputs.is_multiple_of(groups),
            "Conv2d: {inputs} inputs and {outputs} outputs cannot be divided into {groups} groups"
        );
        let shape = [outputs, inputs / groups, kernel[0], kernel[1]];
        let fan_in = shape[1..].iter().product();
        Conv2d {
            weight: Init::LinearDefault.param(&shape, rng),
            bias: Some(Init::LinearDefault.param_with_fans(&[outputs], fan_in, outputs, rng)),
            settings: Convolution { groups, ..Convolution::default() },
        }
    }

    /// Sets the stride: the number of places from one window to the next.
    pub fn stride(mut self, stride: [usize; 2]) -> Self {
        self.settings.stride = stride;
        self
    }

    /// Sets the padding: the number of zeros on each side of the images.
    pub fn padding(mut self, padding: [usize; 2]) -> Self {
        self.settings.padding = padding;
        self
    }

    /// Sets the dilation: the number of places from one number of a window to the next.
    pub fn dilation(mut self, dilation: [usize; 2]) -> Self {
        self.settings.dilation = dilation;
        self
    }

    /// Removes the bias.
    pub fn without_bias(mut self) -> Self {
        self.bias = None;
        self
    }
}

impl<T: Float> Forward<T> for Conv2d<T> {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        match &self.bias {
            Some(bias) => x.conv2d_with_bias(&self.weight, bias, self.settings),
            None => x.conv2d(&self.weight, self.settings),
        }
    }
}
