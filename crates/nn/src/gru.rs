//! The gated recurrent unit.

use gradus_autograd::{Float, Param, Var, stack};
use gradus_derive::Module;
use rand::Rng;

use crate::{Forward, Init};

/// A recurrent layer: it reads a sequence step by step and keeps a state h, which gates let through or renew.
///
/// ```text
/// r = σ(W_ir x + b_ir + W_hr h + b_hr)                  how much of the state the candidate sees
/// z = σ(W_iz x + b_iz + W_hz h + b_hz)                  how much of the state stays
/// n = tanh(W_in x + b_in + r (W_hn h + b_hn))           the candidate
/// h ← (1 − z) n + z h
/// ```
///
/// Cho et al. 2014 (<https://arxiv.org/abs/1406.1078>), in the variant of PyTorch's `GRU` (of one layer,
/// `batch_first`), including the layout and the default initial weights. The rows of the weights are in the order r, z,
/// n, and the paths have PyTorch's names (`weight_ih_l0`).
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Forward, Gru, rng};
/// use ndarray::Array3;
/// let layer = Gru::<f32>::new(4, 6, &mut rng(0));
/// let tape = Tape::new();
/// let states = layer.forward(tape.constant(Array3::zeros((2, 5, 4)))); // 2 sequences of 5 steps
/// assert_eq!(states.shape(), [2, 5, 6]);
/// ```
#[derive(Clone, Debug, Module)]
#[module(crate = gradus_autograd)]
pub struct Gru<T: Float = f32> {
    /// the weight of the inputs, of shape 3 states × inputs
    #[module(name = "weight_ih_l0")]
    pub weight_ih: Param<T>,
    /// the weight of the state, of shape 3 states × states
    #[module(name = "weight_hh_l0")]
    pub weight_hh: Param<T>,
    /// the bias of the inputs, of length 3 states
    #[module(name = "bias_ih_l0")]
    pub bias_ih: Param<T>,
    /// the bias of the state, of length 3 states
    #[module(name = "bias_hh_l0")]
    pub bias_hh: Param<T>,
}

impl<T: Float> Gru<T> {
    /// A GRU that reads `inputs` numbers at each step and has a state of `states` numbers. All parameters are drawn
    /// uniformly from ±1/√states.
    pub fn new(inputs: usize, states: usize, rng: &mut impl Rng) -> Self {
        let mut draw = |shape: &[usize]| Init::LinearDefault.param_with_fans(shape, states, states, rng);
        Gru {
            weight_ih: draw(&[3 * states, inputs]),
            weight_hh: draw(&[3 * states, states]),
            bias_ih: draw(&[3 * states]),
            bias_hh: draw(&[3 * states]),
        }
    }

    /// Returns how many numbers the state has.
    pub fn states(&self) -> usize {
        self.weight_hh.shape()[1]
    }

    /// Returns the state after one step, from x (sequences × inputs) and the state before (sequences × states).
    #[track_caller]
    pub fn step<'t>(&self, x: Var<'t, T>, state: Var<'t, T>) -> Var<'t, T> {
        self.renew(x.linear(&self.weight_ih, &self.bias_ih), state)
    }

    /// Returns the states after each step of x (sequences × steps × inputs), from a first state (sequences × states).
    ///
    /// # Panics
    /// If the sizes do not fit, or there is no step.
    #[track_caller]
    pub fn from_state<'t>(&self, x: Var<'t, T>, state: Var<'t, T>) -> Var<'t, T> {
        let (&[_, steps, inputs], own) = (x.shape(), self.weight_ih.shape()[1]) else {
            panic!("Gru: {:?} is not sequences × steps × inputs", x.shape())
        };
        assert!(inputs == own && steps > 0, "Gru: {:?} is not sequences × steps (1 or more) × {own} inputs", x.shape());
        let from_inputs = x.linear(&self.weight_ih, &self.bias_ih); // one product for all steps
        let mut state = state;
        let states: Vec<Var<'t, T>> = (0..steps)
            .map(|k| {
                state = self.renew(from_inputs.narrow(1, k, 1).squeeze(1), state);
                state
            })
            .collect();
        stack(&states, 1)
    }

    /// Returns the state after the last step of each sequence, which has seen the whole sequence.
    ///
    /// ```
    /// use gradus_autograd::Tape;
    /// use gradus_nn::{Gru, rng};
    /// use ndarray::Array3;
    /// let tape = Tape::new();
    /// let known = Gru::<f32>::new(4, 6, &mut rng(0)).last(tape.constant(Array3::zeros((2, 5, 4))));
    /// assert_eq!(known.shape(), [2, 6]);
    /// ```
    ///
    /// # Panics
    /// If the sizes do not fit, or there is no step.
    #[track_caller]
    pub fn last<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let states = self.forward(x);
        states.narrow(1, states.shape()[1] - 1, 1).squeeze(1)
    }

    fn renew<'t>(&self, from_inputs: Var<'t, T>, state: Var<'t, T>) -> Var<'t, T> {
        let from_state = state.linear(&self.weight_hh, &self.bias_hh);
        let n = self.states();
        let part = |v: Var<'t, T>, k: usize| v.narrow(-1, k * n, n);
        let r = (part(from_inputs, 0) + part(from_state, 0)).sigmoid();
        let z = (part(from_inputs, 1) + part(from_state, 1)).sigmoid();
        let candidate = (part(from_inputs, 2) + r * part(from_state, 2)).tanh();
        candidate + z * (state - candidate)
    }
}

impl<T: Float> Forward<T> for Gru<T> {
    /// Returns the states after each step, from a state of zeros.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let sequences = x.shape().first().copied().unwrap_or(0);
        let start = x.tape().constant_with(&[sequences, self.states()], |_| {}); // zeros
        self.from_state(x, start)
    }
}
