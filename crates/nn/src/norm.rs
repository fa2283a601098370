//! Normalisation layers.

use gradus_autograd::{Buffer, Float, Mode, NormThen, Param, Var};
use gradus_derive::Module;

use crate::Forward;

/// Layer normalisation: it brings each example on its own to mean 0 and variance 1 over its last axes, then scales and
/// shifts it. It is PyTorch's `LayerNorm`; see [`Var::layer_norm`].
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Forward, LayerNorm};
/// use ndarray::array;
/// let layer = LayerNorm::new(&[3]);
/// let tape = Tape::new();
/// let y = layer.forward(tape.constant(array![[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]));
/// assert!((y.value()[[0, 2]] - y.value()[[1, 2]]).abs() < 1e-4f32);
/// ```
#[derive(Clone, Debug, Module)]
#[module(crate = gradus_autograd)]
pub struct LayerNorm<T: Float = f32> {
    /// the scale, of the shape of the last axes; ones at first
    pub weight: Param<T>,
    /// the shift, of the shape of the last axes; zeros at first
    pub bias: Param<T>,
    /// the number ε that keeps the divisor from 0; PyTorch's 10⁻⁵
    #[module(skip)]
    pub eps: f64,
}

impl<T: Float> LayerNorm<T> {
    /// A layer over last axes of this shape.
    pub fn new(shape: &[usize]) -> Self {
        let weight = Param::with(shape, |w| w.fill(T::from_f64(1.0)));
        LayerNorm { weight, bias: Param::zeros(shape), eps: 1e-5 }
    }
}

impl<T: Float> Forward<T> for LayerNorm<T> {
    /// # Panics
    /// If the last axes are of another shape.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let shape = self.weight.shape();
        assert!(x.shape().ends_with(shape), "LayerNorm: {:?} does not end in {shape:?}", x.shape());
        x.layer_norm_affine(&self.weight, &self.bias, self.eps)
    }
}

/// Batch normalisation: it brings each channel (axis 1) to mean 0 and variance 1 over all other axes, then scales and
/// shifts it. It is PyTorch's `BatchNorm1d` and `BatchNorm2d`, including the defaults; see [`Var::batch_norm`].
///
/// In training, the mean and variance are those of the batch, and the running mean and variance move toward them by
/// `momentum` (the variance with divisor n − 1). In inference, the running mean and variance are used. The optimizer's
/// step moves them, once for each forward pass. So evaluating a model changes nothing, and the statistics of a batch in
/// shards do not depend on threads.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{BatchNorm, Forward};
/// use ndarray::array;
/// let layer = BatchNorm::<f32>::new(2);
/// let x = array![[1.0, 10.0], [3.0, 30.0]];
/// let tape = Tape::training(0);
/// let y = layer.forward(tape.constant(&x));
/// assert!((y.data()[0] + 1.0).abs() < 1e-4);
/// let tape = Tape::inference(); // running mean 0, running variance 1
/// assert!((layer.forward(tape.constant(&x)).data()[0] - 1.0).abs() < 1e-4);
/// ```
#[derive(Clone, Debug, Module)]
#[module(crate = gradus_autograd)]
pub struct BatchNorm<T: Float = f32> {
    /// the scale of each channel; ones at first
    pub weight: Param<T>,
    /// the shift of each channel; zeros at first
    pub bias: Param<T>,
    /// the running mean of each channel; zeros at first
    pub running_mean: Buffer<T>,
    /// the running variance of each channel; ones at first
    pub running_var: Buffer<T>,
    /// the number ε that keeps the divisor from 0; PyTorch's 10⁻⁵
    #[module(skip)]
    pub eps: f64,
    /// how far the running statistics move at each step; PyTorch's 0.1
    #[module(skip)]
    pub momentum: f64,
    /// what follows in the same operation; nothing at first, see [`then`](Self::then)
    #[module(skip)]
    pub then: NormThen,
}

/// [`BatchNorm`] of examples × channels, or examples × channels × length.
pub type BatchNorm1d<T = f32> = BatchNorm<T>;
/// [`BatchNorm`] of examples × channels × height × width.
pub type BatchNorm2d<T = f32> = BatchNorm<T>;

impl<T: Float> BatchNorm<T> {
    /// A layer for `channels` channels.
    pub fn new(channels: usize) -> Self {
        let ones = vec![T::from_f64(1.0); channels];
        BatchNorm {
            weight: Param::new(ones.clone()),
            bias: Param::zeros(&[channels]),
            running_mean: Buffer::new(vec![T::default(); channels]),
            running_var: Buffer::new(ones),
            eps: 1e-5,
            momentum: 0.1,
            then: NormThen::Nothing,
        }
    }

    /// The layer followed by ReLU, and perhaps by the maximum of windows. In training that is one operation, which is
    /// several times as fast as layers of their own (see [`Var::batch_norm_then`]); the numbers are the same.
    ///
    /// ```
    /// use gradus_autograd::{NormThen, Pooling, Tape};
    /// use gradus_nn::{BatchNorm, Forward};
    /// use ndarray::Array4;
    /// let layer = BatchNorm::<f32>::new(8).then(NormThen::ReluMaxPool(Pooling::new([2, 2])));
    /// let tape = Tape::training(0);
    /// assert_eq!(layer.forward(tape.constant(Array4::zeros((2, 8, 28, 28)))).shape(), [2, 8, 14, 14]);
    /// ```
    pub fn then(mut self, then: NormThen) -> Self {
        self.then = then;
        self
    }
}

impl<T: Float> Forward<T> for BatchNorm<T> {
    /// # Panics
    /// If the input has a different number of channels; in training, if there is no number or only one for each
    /// channel, which has no variance; on a tape for mathematics, where it is unknown whether to take the batch's
    /// statistics.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let (tape, shape) = (x.tape(), x.shape());
        let channels = self.weight.len();
        assert!(
            shape.len() >= 2 && shape[1] == channels,
            "BatchNorm: {shape:?} is not examples × {channels} channels × …"
        );
        let mut along = vec![1; shape.len() - 1];
        along[0] = channels; // broadcasts along the axes after the channels
        let along = |numbers: Var<'t, T>| numbers.reshape(along.as_slice());
        match tape.mode() {
            Mode::Training => {
                let n = x.len() / channels.max(1);
                assert!(
                    n > 1,
                    "BatchNorm: {shape:?} has {}; use larger batches, and leave out a last one of one example \
                     (`drop_last`)",
                    if n == 1 { "one number a channel, which has no variance" } else { "no numbers" }
                );
                let (y, mean, variance) = x.batch_norm_then(&self.weight, &self.bias, self.eps, self.then);
                self.running_mean.move_toward(self.momentum, mean);
                self.running_var.move_toward(self.momentum, variance * (n as f64 / (n - 1) as f64));
                y
            }
            Mode::Inference => {
                let scale = tape.param(&self.weight) * (tape.constant(self.running_var.value()) + self.eps).rsqrt();
                let mean = tape.constant(self.running_mean.value());
                let y = (x - along(mean)) * along(scale) + along(tape.param(&self.bias));
                match self.then {
                    NormThen::Nothing => y,
                    NormThen::Relu => y.relu(),
                    NormThen::ReluMaxPool(pooling) => y.relu().max_pool2d(pooling),
                }
            }
            Mode::Mathematics => panic!(
                "BatchNorm: this tape is for mathematics, where it is unknown whether to take the batch's statistics; \
                 use `Tape::training(seed)` or `Tape::inference()`"
            ),
        }
    }
}
