//! A tape in a loop: one step after the other, in memory that is reused.

use ndarray::ArrayD;

use crate::Float;
use crate::engine::gradients::Gradients;
use crate::engine::tape::Tape;
use crate::engine::var::Var;
use crate::engine::watch::Ready;
use crate::model::param::ParamId;

/// The memory of a tape, in bytes: see [`Tape::memory`]. Parameters are not counted: the tape only shares them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// values of the operations on the tape, with the gaps between them
    pub values: usize,
    /// memory for values, in use or kept for the next step
    pub reserved: usize,
    /// the record itself: operations, shapes, inputs
    pub operations: usize,
    /// memory for gradients, of sweeps whose [`Gradients`] were dropped
    pub gradients: usize,
}

impl<T: Float> Tape<T> {
    /// Runs one step of a training loop: records the operations of the closure, sweeps back from the cost that it
    /// returns, and clears the tape. Returns the cost's value and the gradients.
    ///
    /// No variable can leave the closure:
    ///
    /// ```compile_fail
    /// let mut tape = gradus_autograd::Tape::new();
    /// let mut kept = None;
    /// tape.gradients(|t| {
    ///     let x = t.var(1.0);
    ///     kept = Some(x); // does not compile: x lives as long as the step
    ///     x.square()
    /// });
    /// ```
    ///
    /// # Panics
    /// If the cost is not a single number, or the tape is for inference and has no [`var`](Self::var).
    ///
    /// ```
    /// use gradus_autograd::{Param, Tape};
    /// use ndarray::array;
    ///
    /// let w = Param::new(array![1.0, -2.0]);
    /// let mut tape = Tape::training(0);
    /// let (cost, grads) = tape.gradients(|t| t.param(&w).square().sum());
    /// assert_eq!(cost, 5.0f32);
    /// assert_eq!(grads.wrt(&w), array![2.0, -4.0].into_dyn());
    /// ```
    #[track_caller]
    pub fn gradients(&mut self, cost: impl for<'t> FnOnce(&'t Tape<T>) -> Var<'t, T>) -> (T, Gradients<T>) {
        let (value, (), gradients) = self.gradients_with(|t| (cost(t), ()));
        (value, gradients)
    }

    /// Like [`gradients`](Tape::gradients), for a closure that returns another value beside the cost: `(cost, extra)`.
    ///
    /// ```
    /// use gradus_autograd::Tape;
    /// let mut tape = Tape::new();
    /// let (cost, largest, _grads) = tape.gradients_with(|t| {
    ///     let x = t.var([1.0, 5.0, 2.0]);
    ///     (x.mean(), x.amax().item())
    /// });
    /// assert_eq!((cost, largest), (8.0 / 3.0, 5.0));
    /// ```
    #[track_caller]
    pub fn gradients_with<A>(
        &mut self,
        cost: impl for<'t> FnOnce(&'t Tape<T>) -> (Var<'t, T>, A),
    ) -> (T, A, Gradients<T>) {
        self.gradients_told(cost, None)
    }

    /// Like [`gradients_with`](Tape::gradients_with), but calls `ready` with each parameter and its gradient while the
    /// sweep goes on, as soon as the gradient is complete: those of the last layers first.
    #[doc(hidden)]
    #[track_caller]
    pub fn gradients_as_they_come<A>(
        &mut self,
        cost: impl for<'t> FnOnce(&'t Tape<T>) -> (Var<'t, T>, A),
        mut ready: impl FnMut(ParamId, &[T]),
    ) -> (T, A, Gradients<T>) {
        self.gradients_told(cost, Some(&mut ready))
    }

    #[track_caller]
    fn gradients_told<A>(
        &mut self,
        cost: impl for<'t> FnOnce(&'t Tape<T>) -> (Var<'t, T>, A),
        ready: Option<Ready<'_, T>>,
    ) -> (T, A, Gradients<T>) {
        if !self.is_empty() {
            self.clear();
        }
        let (value, extra, gradients) = {
            let (cost, extra) = cost(self);
            (cost.item(), extra, cost.backward_told(ready))
        };
        self.clear();
        (value, extra, gradients)
    }

    /// Returns the value of the variable that the closure computes, as an array. The tape is cleared before and after.
    /// Use it for predictions, one after the other: a tape that is never cleared grows with each prediction.
    ///
    /// ```
    /// use gradus_autograd::{Param, Tape};
    /// let (w, mut tape) = (Param::new([2.0, 3.0]), Tape::inference());
    /// for x in [1.0, 10.0] {
    ///     let y = tape.value_of(|t| t.param(&w) * x);
    ///     assert_eq!(y, ndarray::array![2.0 * x as f32, 3.0 * x as f32].into_dyn());
    ///     assert!(tape.is_empty());
    /// }
    /// ```
    #[track_caller]
    pub fn value_of(&mut self, f: impl for<'t> FnOnce(&'t Tape<T>) -> Var<'t, T>) -> ArrayD<T> {
        if !self.is_empty() {
            self.clear();
        }
        let value = f(self).value().to_owned();
        self.clear();
        value
    }

    /// The memory of the tape, in bytes. Memory is not given back but reused: after the first steps of a training loop
    /// it no longer grows.
    ///
    /// Every value stays readable until the tape is cleared, whether a rule needs it or not; to store less, see
    /// [`checkpointed_gradients`](Tape::checkpointed_gradients).
    ///
    /// ```
    /// let mut tape = gradus_autograd::Tape::new();
    /// let x = tape.constant_with(&[1000], |x| x.fill(1.0));
    /// x.square();
    /// assert!(tape.memory().values >= 2 * 4000);
    /// tape.clear();
    /// assert_eq!(tape.memory().values, 0);
    /// ```
    pub fn memory(&self) -> Memory {
        let (reserved, values) = self.nodes().bytes();
        Memory { values, reserved, operations: self.object_bytes(), gradients: self.workspaces().bytes() }
    }
}
