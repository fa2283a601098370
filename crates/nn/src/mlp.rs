//! The multilayer perceptron.

use gradus_autograd::{Float, Var};
use gradus_derive::Module;

use crate::{Activation, Dropout, Forward, Init, Linear, rng};

/// Fully connected layers with an activation, and dropout if it is set, after each layer but the last. The last layer
/// gives plain numbers: for a classifier these are logits, because the cost contains the softmax.
///
/// ```
/// use gradus_nn::{Activation, Mlp};
/// use gradus_autograd::Module;
/// let model: Mlp = Mlp::builder([784, 128, 10]).activation(Activation::Gelu).dropout(0.2).seed(1).build();
/// assert_eq!(model.param_count(), 784 * 128 + 128 + 128 * 10 + 10);
/// assert_eq!(model.params()[2].0, "layers.1.weight");
/// ```
#[derive(Clone, Debug, Module)]
#[module(crate = gradus_autograd)]
pub struct Mlp<T: Float = f32> {
    /// the layers, from the input to the output
    pub layers: Vec<Linear<T>>,
    /// the activation after each layer but the last
    #[module(skip)]
    pub activation: Activation,
    /// the dropout after each activation
    #[module(skip)]
    pub dropout: Option<Dropout>,
}

/// The settings of an [`Mlp`].
#[derive(Clone, Debug)]
pub struct MlpBuilder {
    sizes: Vec<usize>,
    activation: Activation,
    dropout: f64,
    init: Init,
    seed: u64,
}

impl Mlp {
    /// Starts to build an MLP of the given sizes, from the inputs to the outputs.
    ///
    /// # Panics
    /// If there are fewer than two sizes.
    #[track_caller]
    pub fn builder(sizes: impl Into<Vec<usize>>) -> MlpBuilder {
        let sizes = sizes.into();
        assert!(sizes.len() >= 2, "Mlp: {sizes:?} is not a list of sizes from the inputs to the outputs");
        MlpBuilder { sizes, activation: Activation::Relu, dropout: 0.0, init: Init::LinearDefault, seed: 0 }
    }
}

impl MlpBuilder {
    /// Sets the activation between the layers; relu if not set.
    pub fn activation(mut self, activation: Activation) -> Self {
        self.activation = activation;
        self
    }

    /// Sets the probability of dropping a hidden number in training; 0 if not set.
    pub fn dropout(mut self, p: f64) -> Self {
        self.dropout = p;
        self
    }

    /// Sets the distribution of the initial weights; [`Init::LinearDefault`] if not set. With any other, biases start
    /// at 0.
    pub fn init(mut self, init: Init) -> Self {
        self.init = init;
        self
    }

    /// Sets the seed of the initial weights; 0 if not set.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Builds the model.
    ///
    /// # Panics
    /// If the probability of dropout is not in 0..=1.
    #[track_caller]
    pub fn build<T: Float>(self) -> Mlp<T> {
        let mut rng = rng(self.seed);
        let mut layer = |sizes: &[usize]| match self.init {
            Init::LinearDefault => Linear::new(sizes[0], sizes[1], &mut rng),
            init => Linear::with_init(sizes[0], sizes[1], init, &mut rng),
        };
        Mlp {
            layers: self.sizes.windows(2).map(&mut layer).collect(),
            activation: self.activation,
            dropout: (self.dropout != 0.0).then(|| Dropout::new(self.dropout)),
        }
    }
}

impl<T: Float> Forward<T> for Mlp<T> {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let Some((last, hidden)) = self.layers.split_last() else { return x };
        let mut h = x;
        for layer in hidden {
            h = self.activation.forward(layer.forward(h));
            if let Some(dropout) = &self.dropout {
                h = dropout.forward(h);
            }
        }
        last.forward(h)
    }
}
