//! Buffers on a tape: the data moves them, and the tape records toward which values.

use crate::Float;
use crate::engine::var::Var;
use crate::model::param::{Buffer, Update};

impl<T: Float> Buffer<T> {
    /// Records that the step should do `buffer ← (1 − rate) · buffer + rate · value`. The gradients of the next
    /// `backward` on the tape carry this update, once.
    ///
    /// # Panics
    /// If the shapes differ.
    #[track_caller]
    pub fn move_toward(&self, rate: f64, value: Var<'_, T>) {
        let (have, want) = (value.shape(), self.shape());
        assert!(have == want, "Buffer::move_toward: a buffer of shape {want:?} cannot move toward {have:?}");
        value.tape().record_update(Update { buffer: self.id(), rate, value: value.data().to_vec() });
    }
}
