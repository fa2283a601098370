//! Work in fixed shards: the number of shards determines the results, the number of threads only the speed.
//!
//! Splitting by thread could not be reproducible, since floating-point sums depend on how they are split. So a batch is
//! split into a fixed number of shards, each with its own tape and random stream, and their gradients are added in
//! shard order.

use std::ops::Range;

use gradus_autograd::{Float, Gradients, Module, Stream, Tape, Var, with_threads};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Runs `f(k, shard k)` for each shard and returns the results in shard order, whatever the threads. Without a pool it
/// is a plain loop.
///
/// ```
/// let mut shards = [1, 2, 3];
/// assert_eq!(gradus_train::parallel(None, &mut shards, |k, x| *x * k), [0, 2, 6]);
/// ```
pub fn parallel<S: Send, A: Send>(
    pool: Option<&ThreadPool>,
    shards: &mut [S],
    f: impl Fn(usize, &mut S) -> A + Sync,
) -> Vec<A> {
    let one = |(k, shard): (usize, &mut S)| with_threads(1, || f(k, shard));
    match pool {
        Some(pool) => pool.install(|| shards.par_iter_mut().enumerate().map(one).collect()),
        None => shards.iter_mut().enumerate().map(one).collect(),
    }
}

/// Tapes for the shards of a batch, and the threads that work on them.
#[derive(Debug)]
pub struct Shards<T: Float = f32> {
    tapes: Vec<Tape<T>>,
    pool: Option<ThreadPool>,
}

impl<T: Float> Shards<T> {
    /// Makes `shards` shards on up to `threads` threads, with the random streams of `seed`.
    ///
    /// # Panics
    /// If a count is 0, or the system cannot start the threads.
    #[track_caller]
    pub fn new(shards: usize, threads: usize, seed: u64) -> Self {
        assert!(shards > 0 && threads > 0, "Shards: {shards} shards on {threads} threads; there must be at least one");
        let tape = |k| {
            let mut tape = Tape::training(seed);
            tape.set_stream(Stream { seed, step: 0, shard: k as u64 });
            tape
        };
        let threads = threads.min(shards);
        let pool = (threads > 1)
            .then(|| ThreadPoolBuilder::new().num_threads(threads).build().expect("the system gives no threads"));
        Shards { tapes: (0..shards).map(tape).collect(), pool }
    }

    /// Tells every tape the paths of a model's parameters, so that messages name the layer.
    pub fn name_parameters<M: Module<T> + ?Sized>(&self, model: &M) {
        self.tapes.iter().for_each(|tape| tape.name_parameters(model));
    }

    /// The number of times that the tapes have been cleared. Their random streams depend on it, beside seed and shard.
    pub fn step(&self) -> u64 {
        self.tapes[0].stream().step
    }

    /// Sets the random streams to those of another step.
    pub fn set_step(&mut self, step: u64) {
        self.tapes.iter_mut().for_each(|tape| tape.set_stream(Stream { step, ..tape.stream() }));
    }

    /// The number of shards.
    pub(crate) fn count(&self) -> usize {
        self.tapes.len()
    }

    /// The pool of threads, if there is more than one thread.
    pub(crate) fn pool(&self) -> Option<&ThreadPool> {
        self.pool.as_ref()
    }

    /// Computes the gradients of a cost that is a sum over rows. Each shard computes its part of `0..rows`, and values
    /// and gradients are added in shard order. `cost` gets a tape and a range of rows; it returns the cost of these
    /// rows and an extra value.
    pub fn gradients<A: Send>(
        &mut self,
        rows: usize,
        cost: impl for<'t> Fn(&'t Tape<T>, Range<usize>) -> (Var<'t, T>, A) + Sync,
    ) -> (T, Vec<A>, Gradients<T>) {
        self.gradients_of(&ranges(rows, self.tapes.len()), |tape, range| cost(tape, range.clone()))
    }

    /// Computes the gradients of a sum of costs, one for each part. They are added in the order of the parts. There
    /// must be no more parts than shards.
    ///
    /// # Panics
    /// If there are no parts, or more parts than shards.
    #[track_caller]
    pub fn gradients_of<P: Sync, A: Send>(
        &mut self,
        parts: &[P],
        cost: impl for<'t> Fn(&'t Tape<T>, &P) -> (Var<'t, T>, A) + Sync,
    ) -> (T, Vec<A>, Gradients<T>) {
        let (count, shards) = (parts.len(), self.tapes.len());
        assert!(0 < count && count <= shards, "Shards: {count} parts for {shards} shards");
        let (busy, idle) = self.tapes.split_at_mut(count);
        idle.iter_mut().for_each(Tape::clear); // their streams go on with the others
        let results = parallel(self.pool.as_ref(), busy, |k, tape| tape.gradients_with(|t| cost(t, &parts[k])));
        let mut extras = Vec::with_capacity(count);
        let mut sum: Option<(T, Gradients<T>)> = None;
        for (value, extra, gradients) in results {
            extras.push(extra);
            sum = Some(match sum {
                None => (value, gradients),
                Some((total, mut all)) => {
                    all.add(&gradients);
                    (T::from_f64(total.to_f64() + value.to_f64()), all)
                }
            });
        }
        let (value, gradients) = sum.expect("at least one part");
        (value, extras, gradients)
    }
}

/// Divides `0..rows` into as many ranges as there are shards, of sizes that differ by at most one; fewer if there are
/// fewer rows. No range is empty, because a layer that looks at a whole batch has no result for an empty one.
pub(crate) fn ranges(rows: usize, shards: usize) -> Vec<Range<usize>> {
    let count = shards.min(rows.max(1));
    (0..count).map(|k| k * rows / count..(k + 1) * rows / count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_shard_is_empty_and_all_streams_go_on_together() {
        let mut shards = Shards::<f32>::new(4, 2, 7);
        for (step, (rows, parts)) in
            [(8, vec![2, 2, 2, 2]), (3, vec![1, 1, 1]), (5, vec![1, 1, 1, 2])].into_iter().enumerate()
        {
            let (total, lengths, _) = shards.gradients(rows, |tape, range| {
                let x = tape.var(vec![1.0; range.len()]);
                (x.sum(), range.len())
            });
            assert_eq!((total, lengths), (rows as f32, parts));
            assert!(shards.tapes.iter().all(|tape| tape.stream().step == step as u64 + 1));
        }
    }
}
