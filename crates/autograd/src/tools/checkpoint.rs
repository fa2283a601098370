//! Gradients in less memory: segments of a computation are run again instead of being stored.

use ndarray::ArrayD;

use crate::array::IntoArray;
use crate::engine::gradients::Gradients;
use crate::{Float, Stream, Tape, Var};

/// A part of a model, from one variable to the next.
pub type Part<'a, T> = &'a dyn for<'t> Fn(Var<'t, T>) -> Var<'t, T>;

impl<T: Float> Tape<T> {
    /// What [`gradients`](Tape::gradients) of `cost(segmentₙ(… segment₁(x)))` computes, with only one segment on the
    /// tape at a time (Chen et al. 2016, <https://arxiv.org/abs/1604.06174>; PyTorch's `checkpoint`).
    ///
    /// The first pass keeps nothing but what goes from one segment to the next. On the way back each segment runs once
    /// more, to be swept. So it takes about a third longer, and for n layers in √n segments, memory for 2√n of them.
    ///
    /// A segment sees the same random numbers both times; dropout draws others than in [`gradients`](Tape::gradients),
    /// though, because each segment has a stream of its own. Segments speak to each other only by the variable that is
    /// handed on: what else is used in two of them must be parameters or constants.
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
mod tests {
    use super::*;
    use crate::Param;

    fn layers(n: usize, width: usize) -> Vec<Param<f32>> {
        let number = |layer: usize, i: usize| ((layer * width * width + i) as f32 * 12.9898).sin() / width as f32;
        (0..n)
            .map(|layer| {
                Param::with(&[width, width], |w| w.iter_mut().enumerate().for_each(|(i, w)| *w = number(layer, i)))
            })
            .collect()
    }

    fn run<'t>(layers: &[Param<f32>], x: Var<'t, f32>) -> Var<'t, f32> {
        layers.iter().fold(x, |x, w| x.matmul(w).tanh() + x)
    }

    /// 100 layers in 10 segments: the same gradients, bit for bit, in a fifth of the memory.
    #[test]
    fn a_hundred_layers_fit_into_a_fifth_of_the_memory() {
        let layers = layers(100, 16);
        let x = ArrayD::from_shape_fn(ndarray::IxDyn(&[256, 16]), |at| ((at[0] * 7 + at[1]) as f32).cos());
        let mut whole = Tape::training(0);
        let (cost, gradients) = whole.gradients(|t| run(&layers, t.constant(&x)).square().mean());
        let parts: Vec<_> = layers.chunks(10).map(|part| segment(move |x| run(part, x))).collect();
        let segments: Vec<Part<'_, f32>> = parts.iter().map(|s| s as Part<'_, f32>).collect();
        let mut tape = Tape::training(0);
        let (same, in_segments) = tape.checkpointed_gradients(&x, &segments, |y| y.square().mean());
        assert_eq!(cost, same);
        for w in &layers {
            assert!(gradients.wrt(w) == in_segments.wrt(w));
        }
        let (all, some) = (whole.memory().reserved, tape.memory().reserved);
        assert!(some * 5 < all, "{some} bytes in segments, {all} at once");
    }

    /// Tells the compiler that a closure takes a variable of any tape.
    fn segment<F: for<'t> Fn(Var<'t, f32>) -> Var<'t, f32>>(f: F) -> F {
        f
    }

    #[test]
    fn buffers_move_in_the_order_of_the_segments() {
        use crate::Buffer;
        let mut buffer = Buffer::new([0.0f32]);
        let w = Param::new([1.0f32]);
        let moved = segment(|x| {
            buffer.move_toward(0.5, x);
            x * &w + 7.0
        });
        let (_, gradients) = Tape::training(0).checkpointed_gradients([1.0f32], &[&moved, &moved], |y| y.sum());
        gradients.update_buffer(&mut buffer);
        assert_eq!(buffer.value()[[0]], 0.5 * 0.5 + 0.5 * 8.0);
    }

    #[test]
    fn random_numbers_are_the_same_both_times() {
        use rand::RngExt;
        let noisy = segment(|x| {
            let noise: f32 = x.tape().rng().random();
            x * f64::from(noise)
        });
        let mut tape = Tape::training(3);
        let w = Param::new([1.0f32]);
        let segments: [Part<'_, f32>; 3] = [&|x| x * &w, &noisy, &noisy];
        let (cost, gradients) = tape.checkpointed_gradients([2.0f32], &segments, |y| y.sum());
        let gradient = gradients.wrt(&w)[[0]];
        assert!((cost - gradient).abs() < 1e-6, "the cost is {cost}, linear in w = 1, its gradient {gradient}");
        assert_eq!(tape.stream().step, 1);
    }
}
