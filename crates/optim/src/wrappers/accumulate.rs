//! The gradients of several batches, combined as those of one batch.

use gradus_autograd::{Float, Gradients};

/// The mean of the gradients of several batches, for a batch that would not fit into memory at once.
///
/// ```
/// use gradus_autograd::{Param, Tape};
/// use gradus_optim::{Accumulator, Sgd};
/// let mut w = Param::new([0.0f32]);
/// let (mut opt, mut tape, mut sum) = (Sgd::new(1.0), Tape::training(0), Accumulator::new(2));
/// for batch in [1.0, 3.0, 5.0, 7.0] {
///     let (_, grads) = tape.gradients(|t| (t.param(&w) * batch).sum());
///     if let Some(mean) = sum.add(grads) {
///         opt.step(&mut w, &mean); // every second time
///     }
/// }
/// assert_eq!((w.data()[0], opt.steps()), (-2.0 - 6.0, 2));
/// ```
///
/// If the costs are means, every batch counts alike. Scale the gradients of a smaller batch before you add them
/// ([`Gradients::scale`]).
#[derive(Debug)]
pub struct Accumulator<T: Float = f32> {
    every: usize,
    count: usize,
    sum: Option<Gradients<T>>,
}

impl<T: Float> Accumulator<T> {
    /// An accumulator that gives a mean after every `every` batches.
    ///
    /// # Panics
    /// If `every` is 0.
    #[track_caller]
    pub fn new(every: usize) -> Self {
        assert!(every > 0, "Accumulator: the mean of 0 batches");
        Accumulator { every, count: 0, sum: None }
    }

    /// Adds the gradients of a batch, and returns the mean if the batch was the last of its group.
    #[must_use = "the mean of a group is given once"]
    pub fn add(&mut self, grads: Gradients<T>) -> Option<Gradients<T>> {
        self.count += 1;
        match &mut self.sum {
            None => self.sum = Some(grads),
            Some(sum) => sum.add(&grads),
        }
        if self.count == self.every { self.take() } else { None }
    }

    /// Returns the mean of the gradients added since the last mean, if there are any: for the end of an epoch.
    pub fn take(&mut self) -> Option<Gradients<T>> {
        let mut mean = self.sum.take()?;
        mean.scale(1.0 / std::mem::replace(&mut self.count, 0) as f64);
        Some(mean)
    }
}
