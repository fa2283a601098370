//! Gradients in less memory: segments of a computation are run again instead of being stored.

use ndarray::ArrayD;

use crate::array::IntoArray;
use crate::engine::gradients::Gradients;
use crate::{Float, Stream, Tape, Var};

/// A part of a model, from one variable to the next.
pub type Part<'a, T> = &'a dyn for<'t> Fn(Var<'t, T>) -> Var<'t, T>;

impl<T: Float> Tape<T> {
    /// Computes the same as [`gradients`](Tape::gradients) of `cost(segmentₙ(… segment₁(x)))`, with only one segment on
    /// the tape at a time (Chen et al. 2016, <https://arxiv.org/abs/1604.06174>; PyTorch's `checkpoint`).
    ///
    /// The first pass keeps only the arrays that go from one segment to the next. On the way back each segment runs
    /// once more and is swept. So it takes about a third longer, and for n layers in √n segments, it needs the memory
    /// of 2√n layers.
    ///
    /// A segment sees the same random numbers both times. But dropout draws other numbers than in
    /// [`gradients`](Tape::gradients), because each segment has a stream of its own. Segments are connected only by the
    /// variable that one hands to the next: other values that two segments use must be parameters or constants.
    ///
    /// # Panics
    /// If the cost is not a single number, or the tape is for inference and has no `var`.
    ///
    /// ```
    /// use gradus_autograd::{Param, Part, Tape};
    /// use ndarray::array;
    /// let (v, w) = (Param::new([2.0]), Param::new([3.0]));
    /// let segments: [Part<'_, f32>; 2] = [&|x| (x * &v).sin(), &|x| (x * &w).square()];
    /// let mut tape = Tape::training(0);
    /// let x = array![0.5];
    /// let (cost, grads) = tape.checkpointed_gradients(&x, &segments, |y| y.sum());
    /// let (same, whole) = tape.gradients(|t| segments[1](segments[0](t.constant(&x))).sum());
    /// assert_eq!(cost, same);
    /// assert_eq!(grads.wrt(&v), whole.wrt(&v));
    /// ```
    #[track_caller]
    pub fn checkpointed_gradients(
        &mut self,
        x: impl IntoArray<T>,
        segments: &[Part<'_, T>],
        cost: impl for<'t> Fn(Var<'t, T>) -> Var<'t, T>,
    ) -> (T, Gradients<T>) {
        let stream = self.stream();
        // a stream for each segment, apart from those of the shards of a batch
        let of = |segment: usize| Stream { shard: stream.shard ^ ((segment as u64 + 1) << 32), ..stream };
        let mut handed_on: Vec<ArrayD<T>> = vec![self.constant(x).value().to_owned()];
        for (i, segment) in segments.iter().enumerate() {
            self.clear();
            self.set_stream(of(i));
            let y = segment(self.constant(&handed_on[i]));
            handed_on.push(y.value().to_owned());
        }
        let last = handed_on.pop().expect("at least the input");
        self.clear();
        self.set_stream(of(segments.len()));
        let y = self.var(last);
        let cost = cost(y);
        let (value, mut total) = (cost.item(), cost.backward());
        let mut arriving = total.wrt(y);
        for (i, segment) in segments.iter().enumerate().rev() {
            let x = handed_on.pop().expect("an input for each segment");
            self.clear();
            self.set_stream(of(i));
            let x = self.var(x);
            let mut gradients = segment(x).backward_with(&arriving);
            arriving = gradients.wrt(x);
            gradients.add(&total); // in this order, so that moves of buffers stay in theirs
            total = gradients;
        }
        self.set_stream(stream);
        self.clear();
        (value, total)
    }
}

#[cfg(test)]
mod tests;
