//! One neuron.

use gradus_autograd::{Float, Param, Var};
use gradus_derive::Module;
use rand::Rng;

use crate::{Activation, Forward, Init};

/// A single neuron: the weighted sum of its inputs, plus a bias, through an activation: `y = f(w · x + b)`
/// (Rosenblatt 1958). The inputs are the last axis, which disappears.
///
/// ```
/// use gradus_autograd::{Param, Tape};
/// use gradus_nn::{Activation, Forward, Perceptron};
/// // a logical AND, by hand
/// let and = Perceptron {
///     weight: Param::new([1.0, 1.0]),
///     bias: Some(Param::new(-1.5)),
///     activation: Activation::Sigmoid,
/// };
/// let tape = Tape::new();
/// let inputs = tape.constant(ndarray::array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
/// let fires: Vec<bool> = and.forward(inputs).data().iter().map(|&y: &f32| y > 0.5).collect();
/// assert_eq!(fires, [false, false, false, true]);
/// ```
#[derive(Clone, Debug, Module)]
#[module(crate = gradus_autograd)]
pub struct Perceptron<T: Float = f32> {
    /// the weight of each input
    pub weight: Param<T>,
    /// the bias, a single number
    pub bias: Option<Param<T>>,
    /// the function that the sum goes through
    #[module(skip)]
    pub activation: Activation,
}

impl<T: Float> Perceptron<T> {
    /// A neuron with weights drawn uniformly from ±1/√inputs and bias 0.
    pub fn new(inputs: usize, activation: Activation, rng: &mut impl Rng) -> Self {
        let weight = Init::LinearDefault.param_with_fans(&[inputs], inputs, 1, rng);
        Perceptron { weight, bias: Some(Param::zeros(&[])), activation }
    }

    /// Removes the bias.
    pub fn without_bias(mut self) -> Self {
        self.bias = None;
        self
    }
}

impl<T: Float> Forward<T> for Perceptron<T> {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let sum = x.matmul(&self.weight);
        self.activation.forward(match &self.bias {
            Some(bias) => sum + bias,
            None => sum,
        })
    }
}
