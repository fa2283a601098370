//! The embedding layer: a row of numbers for each word.

use gradus_autograd::{Float, Param, Tape, Var};
use gradus_derive::Module;
use ndarray::{ArrayBase, Data, Dimension};
use rand::Rng;

use crate::Init;

/// A learned table with a row for each thing (word, letter, user). It is PyTorch's `Embedding`, including the initial
/// weights (normal, standard deviation 1). Its inputs are whole numbers, so it has [`lookup`](Self::lookup) in place of
/// `forward`.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Embedding, rng};
/// use ndarray::array;
/// let words = Embedding::<f32>::new(100, 8, &mut rng(0));
/// let tape = Tape::new();
/// assert_eq!(words.lookup(&tape, &array![[5, 99, 5], [0, 1, 2]]).shape(), [2, 3, 8]);
/// ```
#[derive(Clone, Debug, Module)]
#[module(crate = gradus_autograd)]
pub struct Embedding<T: Float = f32> {
    /// the table, of shape things × numbers for each
    pub weight: Param<T>,
}

impl<T: Float> Embedding<T> {
    /// An embedding of `things` things, with `numbers` numbers for each.
    pub fn new(things: usize, numbers: usize, rng: &mut impl Rng) -> Self {
        Embedding { weight: Init::Normal { std: 1.0 }.param(&[things, numbers], rng) }
    }

    /// Returns the rows of `things`, which is an array of any shape.
    ///
    /// # Panics
    /// If one of `things` has no row; the message names its place and its number.
    #[track_caller]
    pub fn lookup<'t, S: Data<Elem = usize>, D: Dimension>(
        &self,
        tape: &'t Tape<T>,
        things: &ArrayBase<S, D>,
    ) -> Var<'t, T> {
        tape.param(&self.weight).embedding(things)
    }
}
