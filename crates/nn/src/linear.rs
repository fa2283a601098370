//! The fully connected layer.

use gradus_autograd::{Float, Param, Var};
use gradus_derive::Module;
use rand::Rng;

use crate::{Forward, Init};

/// `y = x Wᵀ + b` over the last axis, where W has shape outputs × inputs. It is PyTorch's `Linear`, including the
/// layout and the default initial weights.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Forward, Linear, rng};
/// let layer = Linear::<f32>::new(3, 2, &mut rng(0));
/// let tape = Tape::new();
/// let y = layer.forward(tape.var(ndarray::array![[1.0, 2.0, 3.0]]));
/// assert_eq!((layer.weight.shape(), y.shape()), ([2, 3].as_slice(), [1, 2].as_slice()));
/// ```
#[derive(Clone, Debug, Module)]
#[module(crate = gradus_autograd)]
pub struct Linear<T: Float = f32> {
    /// the weight, of shape outputs × inputs
    pub weight: Param<T>,
    /// the bias of each output
    pub bias: Option<Param<T>>,
}

impl<T: Float> Linear<T> {
    /// A layer with weight and bias drawn uniformly from ±1/√inputs.
    pub fn new(inputs: usize, outputs: usize, rng: &mut impl Rng) -> Self {
        let mut layer = Self::with_init(inputs, outputs, Init::LinearDefault, rng);
        layer.bias = Some(Init::LinearDefault.param_with_fans(&[outputs], inputs, outputs, rng));
        layer
    }

    /// A layer with the weight drawn from `init` and a bias of zeros.
    pub fn with_init(inputs: usize, outputs: usize, init: Init, rng: &mut impl Rng) -> Self {
        Linear { weight: init.param(&[outputs, inputs], rng), bias: Some(Param::zeros(&[outputs])) }
    }

    /// Removes the bias.
    pub fn without_bias(mut self) -> Self {
        self.bias = None;
        self
    }

    /// Returns the number of inputs.
    pub fn inputs(&self) -> usize {
        self.weight.shape()[1]
    }

    /// Returns the number of outputs.
    pub fn outputs(&self) -> usize {
        self.weight.shape()[0]
    }
}

impl<T: Float> Forward<T> for Linear<T> {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        match &self.bias {
            Some(bias) => x.linear(&self.weight, bias),
            None => x.matmul(x.tape().param(&self.weight).t()),
        }
    }
}
