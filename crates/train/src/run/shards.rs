//! Work in fixed shards: the number of shards determines the results, the number of threads and ranks only the speed.
//!
//! Splitting by thread could not be reproducible, since floating-point sums depend on how they are split. So a batch is
//! split into a fixed number of shards, each with its own random stream, and their gradients are added in the order of
//! a fixed tree (`ranks/tree.rs`).

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use gradus_autograd::{Float, Gradients, Module, Stream, Tape, Var, with_threads};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::ranks::overlap::Overlap;
use crate::ranks::sum::GradientSum;
use crate::ranks::team::{self, Team};
use crate::ranks::tree;
use crate::{Ranks, TrainError};

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
    seed: u64,
    step: u64,
    pool: Option<ThreadPool>,
    /// a thread that computes while this one talks, if there is no pool: to cross threads for nothing takes time
    helper: Option<ThreadPool>,
    /// the sum over ranks, if other ranks have a share of the parts
    ranks: Option<GradientSum<T>>,
}

/// What determines the random numbers of a part: the number of steps before it in the same sum, and its shard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    pub(crate) wave: u64,
    pub(crate) shard: u64,
}

impl<T: Float> Shards<T> {
    /// Makes `shards` shards on up to `threads` threads, with the random streams of `seed`.
    ///
    /// # Panics
    /// If a count is 0, or the system cannot start the threads.
    #[track_caller]
    pub fn new(shards: usize, threads: usize, seed: u64) -> Self {
        assert!(shards > 0 && threads > 0, "Shards: {shards} shards on {threads} threads; there must be at least one");
        let pool = (threads.min(shards) > 1).then(|| self::threads(threads.min(shards)));
        Shards {
            tapes: (0..shards).map(|_| Tape::training(seed)).collect(),
            seed,
            step: 0,
            pool,
            helper: None,
            ranks: None,
        }
    }

    /// Lets several processes compute the shards together, for a loop of your own: each of the [`Ranks`] computes its
    /// share of the parts, and all of them get the same sum, bit for bit what one process computes. They must call the
    /// same methods with the same arguments, and start with the same model.
    ///
    /// ```
    /// use gradus_autograd::Param;
    /// use gradus_optim::Sgd;
    /// use gradus_train::{LocalRanks, Shards};
    /// let (x, y) = ([0.0f32, 1.0, 2.0, 3.0], [1.0f32, 3.0, 5.0, 7.0]);
    /// let lines = LocalRanks::run(2, |ranks| {
    ///     let mut line = (Param::new(0.0), Param::new(0.0)); // y = m x + b
    ///     let mut shards = Shards::new(4, 1, 0).distributed(&ranks, &line)?;
    ///     let mut opt = Sgd::new(0.1);
    ///     for _ in 0..200 {
    ///         let (m, b) = &line;
    ///         let (_loss, _, grads) = shards.gradients(4, |t, rows| {
    ///             let (x, y) = (t.constant(x[rows.clone()].to_vec()), t.constant(y[rows].to_vec()));
    ///             ((t.param(m) * x + b - y).square().sum() / 4.0, ())
    ///         });
    ///         opt.step(&mut line, &grads);
    ///     }
    ///     Ok::<_, gradus_train::TrainError>((line.0.data()[0], line.1.data()[0]))
    /// });
    /// let [first, second] = lines.try_into().unwrap();
    /// let (m, b) = first?;
    /// assert!((m - 2.0).abs() < 1e-3 && (b - 1.0).abs() < 1e-3);
    /// assert_eq!((m, b), second?);
    /// # Ok::<(), gradus_train::TrainError>(())
    /// ```
    ///
    /// # Errors
    /// If there are more ranks than shards, or the ranks have other models, numbers of shards, or seeds.
    pub fn distributed<M: Module<T> + ?Sized>(
        self,
        ranks: &(impl Ranks + Clone + 'static),
        model: &M,
    ) -> Result<Self, TrainError> {
        let team = Team::new(Arc::new(ranks.clone()));
        let own = [("shards", self.tapes.len().to_string()), ("the seed", self.seed.to_string())];
        team.same(own.map(|(name, value)| (name.to_owned(), value)).into_iter().chain(team::of_model(model)))?;
        team.has_work(self.tapes.len())?;
        Ok(self.by(team, model))
    }

    /// Lets a team compute the shards of a model.
    pub(crate) fn by<M: Module<T> + ?Sized>(self, team: Team, model: &M) -> Self {
        Shards { ranks: Some(GradientSum::new(team, model)), ..self }
    }

    /// Sets whether large gradients travel to the other ranks while the sweep still computes the others. It hides
    /// messages behind computation, and costs two copies of each gradient and some work of another thread; it does not
    /// change a bit of the result. Without this setting, both ways are tried in the first eight sums, and the faster
    /// one is kept.
    pub fn overlap(mut self, overlap: bool) -> Self {
        if let Some(ranks) = &mut self.ranks {
            ranks.overlap = if overlap { Overlap::Yes } else { Overlap::No };
        }
        self
    }

    /// Tells every tape the paths of a model's parameters, so that messages name the layer.
    pub fn name_parameters<M: Module<T> + ?Sized>(&self, model: &M) {
        self.tapes.iter().for_each(|tape| tape.name_parameters(model));
    }

    /// The number of sums that were computed. The random streams depend on it, beside seed and shard.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Sets the random streams to those of another step.
    pub fn set_step(&mut self, step: u64) {
        self.step = step;
    }

    /// The number of shards.
    pub(crate) fn count(&self) -> usize {
        self.tapes.len()
    }

    /// The pool of threads, if there is more than one thread.
    pub(crate) fn pool(&self) -> Option<&ThreadPool> {
        self.pool.as_ref()
    }

    /// The time that messages to other ranks have taken so far, with the time that they waited for the others, and the
    /// bytes that this rank has sent.
    pub fn communication(&self) -> (Duration, u64) {
        self.ranks.as_ref().map_or((Duration::ZERO, 0), |ranks| (ranks.team().time(), ranks.team().bytes()))
    }

    /// Computes the gradients of a cost that is a sum over rows. Each shard computes its part of `0..rows`, and values
    /// and gradients are added in the order of a fixed tree. `cost` gets a tape and a range of rows; it returns the
    /// cost of these rows and an extra value. The extra values are returned in the order of the shards: those that this
    /// process computed, if it is one of several ranks.
    #[track_caller]
    pub fn gradients<A: Send>(
        &mut self,
        rows: usize,
        cost: impl for<'t> Fn(&'t Tape<T>, Range<usize>) -> (Var<'t, T>, A) + Sync,
    ) -> (T, Vec<A>, Gradients<T>) {
        self.gradients_of(&ranges(rows, self.tapes.len()), |tape, range| cost(tape, range.clone()))
    }

    /// Computes the gradients of a sum of costs, one for each part. They are added in the order of a fixed tree over
    /// the parts. There must be no more parts than shards.
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
        let own = self.share(count);
        let own: Vec<(Draw, &P)> = own.map(|k| (Draw { wave: 0, shard: k as u64 }, &parts[k])).collect();
        let (cost, extras, gradients, _) = self.sum((count, 1), &own, |tape, part| cost(tape, part), |_| Vec::new());
        (cost, extras, gradients)
    }

    /// Whether other ranks have a share of the parts.
    pub(crate) fn is_distributed(&self) -> bool {
        self.ranks.is_some()
    }

    /// The parts that this process computes, out of so many.
    pub(crate) fn share(&self, parts: usize) -> Range<usize> {
        self.ranks.as_ref().map_or(0..parts, |ranks| ranks.share(parts))
    }

    /// Computes this process's share of `parts` parts, as many at a time as there are shards, and adds up the costs and
    /// gradients of all parts. The sum counts as `waves` steps of the random streams. Returns the sum, the extra values
    /// of the own parts, and what `tell` makes of them for the other ranks, from each rank.
    #[track_caller]
    pub(crate) fn sum<P: Sync, A: Send>(
        &mut self,
        (parts, waves): (usize, u64),
        own: &[(Draw, P)],
        cost: impl for<'t> Fn(&'t Tape<T>, &P) -> (Var<'t, T>, A) + Sync,
        tell: impl FnOnce(&[A]) -> Vec<u8>,
    ) -> (T, Vec<A>, Gradients<T>, Vec<Vec<u8>>) {
        if let Some(ranks) = &mut self.ranks
            && ranks.begin(parts, self.tapes.len())
        {
            return self.sum_early((parts, waves), own, cost, tell);
        }
        let Shards { tapes, seed, step, pool, ranks, .. } = self;
        let mut extras = Vec::with_capacity(own.len());
        let mut waiting = own.chunks(tapes.len());
        let mut ready = Vec::new().into_iter();
        let mut part = |range: &Range<usize>| {
            if range.len() > 1 {
                return None;
            }
            if ready.len() == 0 {
                let now = waiting.next().expect("each part is asked for once");
                let results = parallel(pool.as_ref(), &mut tapes[..now.len()], |k, tape| {
                    let (Draw { wave, shard }, part) = &now[k];
                    tape.set_stream(Stream { seed: *seed, step: *step + wave, shard: *shard });
                    tape.gradients_with(|t| cost(t, part))
                });
                ready = results.into_iter();
            }
            let (cost, extra, gradients) = ready.next().expect("a result for each part");
            extras.push(extra);
            Some((cost, gradients))
        };
        let mut add = |(a, mut sum): (T, Gradients<T>), (b, more)| {
            sum.add(&more);
            (a + b, sum)
        };
        let result = match ranks {
            None => {
                let (cost, gradients) = tree::sum(0..parts, &mut part, &mut add);
                (cost, extras, gradients, Vec::new())
            }
            Some(ranks) => {
                let trees = tree::subtrees(0..parts, &ranks.share(parts)).into_iter();
                let sums = trees.map(|tree| tree::sum(tree, &mut part, &mut add)).collect();
                let (cost, gradients, told) = ranks.add_up(parts, sums, None, tell(&extras));
                (cost, extras, gradients, told)
            }
        };
        *step += waves;
        result
    }
}

impl<T: Float> Shards<T> {
    /// Computes the same as [`sum`](Self::sum), with large gradients that travel while the sweep goes on.
    #[track_caller]
    fn sum_early<P: Sync, A: Send>(
        &mut self,
        (parts, waves): (usize, u64),
        own: &[(Draw, P)],
        cost: impl for<'t> Fn(&'t Tape<T>, &P) -> (Var<'t, T>, A) + Sync,
        tell: impl FnOnce(&[A]) -> Vec<u8>,
    ) -> (T, Vec<A>, Gradients<T>, Vec<Vec<u8>>) {
        let Shards { tapes, seed, step, pool, helper, ranks: Some(ranks) } = self else {
            unreachable!("there are ranks")
        };
        // this thread waits and talks
        let pool = pool.as_ref().unwrap_or_else(|| helper.get_or_insert_with(|| threads(1)));
        let (handovers, arrivals) = ranks.handovers(parts);
        let mut results: Vec<_> = own.iter().map(|_| None).collect();
        let cost = &cost;
        let early = pool.in_place_scope_fifo(|scope| {
            let work = tapes.iter_mut().zip(own).zip(handovers).zip(&mut results);
            for (((tape, (Draw { wave, shard }, part)), mut handover), result) in work {
                tape.set_stream(Stream { seed: *seed, step: *step + wave, shard: *shard });
                scope.spawn_fifo(move |_| {
                    let tell = |param, gradient: &[T]| handover.gradient(param, gradient);
                    *result = Some(with_threads(1, || tape.gradients_as_they_come(|t| cost(t, part), tell)));
                    handover.end();
                });
            }
            ranks.receive(parts, &arrivals)
        });
        let (mut extras, mut sums) = (Vec::new(), Vec::new());
        for (cost, extra, gradients) in results.into_iter().flatten() {
            extras.push(extra);
            sums.push((cost, gradients));
        }
        let (cost, gradients, told) = ranks.add_up(parts, sums, early, tell(&extras));
        *step += waves;
        (cost, extras, gradients, told)
    }
}

/// A pool of so many threads.
#[track_caller]
fn threads(count: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(count).build().expect("the system gives no threads")
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
    fn no_shard_is_empty_and_the_streams_go_on() {
        let mut shards = Shards::<f32>::new(4, 2, 7);
        for (step, (rows, parts)) in
            [(8, vec![2, 2, 2, 2]), (3, vec![1, 1, 1]), (5, vec![1, 1, 1, 2])].into_iter().enumerate()
        {
            let (total, lengths, _) = shards.gradients(rows, |tape, range| {
                let x = tape.var(vec![1.0; range.len()]);
                (x.sum(), range.len())
            });
            assert_eq!((total, lengths), (rows as f32, parts));
            assert_eq!(shards.step(), step as u64 + 1);
        }
    }
}
