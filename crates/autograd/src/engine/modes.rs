//! An empty tape for each purpose.

use crate::Float;
use crate::engine::tape::{Mode, Tape};

impl Tape<f32> {
    /// An empty tape of `f32` for mathematics.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// assert_eq!(tape.var(2.0).square().item(), 4.0f32);
    /// ```
    #[allow(clippy::new_without_default)] // `Default` is there for every T
    pub fn new() -> Self {
        Self::mathematics()
    }
}

impl<T: Float> Default for Tape<T> {
    fn default() -> Self {
        Self::mathematics()
    }
}

impl<T: Float> Tape<T> {
    /// An empty tape for mathematics, of either number type.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// assert_eq!(tape.var(2.0).square().item(), 4.0f64);
    /// ```
    pub fn mathematics() -> Self {
        Self::with_mode(Mode::Mathematics, true, 0)
    }

    /// An empty tape for training; `seed` determines the random numbers of dropout and similar layers.
    ///
    /// Make one tape for a run and keep it: the random numbers move on when the tape is cleared, which
    /// [`gradients`](Self::gradients) does in each step. A tape that is made anew in each step with the same seed draws
    /// the same masks each time. If that cannot be avoided, set the step with [`set_stream`](Self::set_stream).
    pub fn training(seed: u64) -> Self {
        Self::with_mode(Mode::Training, true, seed)
    }

    /// An empty tape for inference: parameters are constants, dropout passes everything on. Clear it between
    /// predictions, or let [`value_of`](Self::value_of) do it: everything that is computed stays on the tape, so it
    /// grows.
    ///
    /// ```
    /// use gradus_autograd::{Param, Tape};
    /// let (w, tape) = (Param::new([2.0, -1.0]), Tape::inference());
    /// let x = tape.var([1.0, 3.0]);
    /// let answer = (x * &w).sum();
    /// assert_eq!(answer.backward().wrt(x), w.value()); // what each input is worth
    /// ```
    pub fn inference() -> Self {
        Self::with_mode(Mode::Inference, false, 0)
    }

    /// An empty tape for examining a model as it is used: layers behave as in inference, and parameters are
    /// differentiated. The curvature of a cost, or the influence of a parameter on a prediction, is computed on it.
    ///
    /// ```
    /// use gradus_autograd::{Mode, Param, Tape};
    /// let (w, tape) = (Param::new([2.0, -1.0]), Tape::evaluation());
    /// assert_eq!(tape.mode(), Mode::Inference); // dropout passes everything on
    /// let cost = tape.param(&w).square().sum();
    /// assert_eq!(cost.backward().wrt(&w), ndarray::array![4.0, -2.0].into_dyn());
    /// ```
    pub fn evaluation() -> Self {
        Self::with_mode(Mode::Inference, true, 0)
    }
}
