//! Training by several processes, its ranks: `tree.rs` has the order in which parts are added, `arrays.rs` and `sum.rs`
//! the sums of arrays and of gradients over ranks, `overlap.rs` lets them travel while the sweep goes on, `team.rs`
//! what ranks tell each other, `local.rs` ranks that are threads of one process.
//!
//! How the ranks send messages is not known here. A type that implements [`Ranks`] does it: `gradus-mpi` has the one
//! for clusters.

pub(crate) mod arrays;
mod local;
pub(crate) mod overlap;
pub(crate) mod sum;
pub(crate) mod team;
pub(crate) mod tree;

use std::fmt::{Debug, Display};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use local::LocalRanks;

use crate::TrainError;

/// The processes that train one model together. Each of them, a *rank*, has a number from 0 on, the whole model, and a
/// part of each batch.
///
/// The ranks run the same program, and call the methods below in the same order. If a rank is lost, the others cannot
/// go on, so an implementation ends them: it panics or ends the process, with a message that names the rank.
///
/// [`Trainer::distributed`](crate::Trainer::distributed) and [`Shards::distributed`](crate::Shards::distributed) take a
/// value of such a type: `gradus_mpi::World`, or [`LocalRanks`].
pub trait Ranks: Debug + Send + Sync {
    /// The number of this rank, from 0 on.
    fn rank(&self) -> usize;

    /// The number of all ranks.
    fn count(&self) -> usize;

    /// Sends a message to all ranks, and returns the messages of all ranks in their order, this rank's own among them.
    fn all_gather(&self, message: &[u8]) -> Vec<Vec<u8>>;

    /// Sends `message` to the rank `to` while it receives, from the rank `from`, as many bytes as `received` has. The
    /// two may be the same rank, but not this one.
    fn exchange(&self, to: usize, message: &[u8], from: usize, received: &mut [u8]);

    /// Runs `f` on the items of a list, shared out to the ranks, and returns all results to every rank, in the order of
    /// the items: for work that comes in independent pieces, such as the folds of a cross-validation, the starts of a
    /// descent, settings to try. All ranks must have the same list. Rank `r` of `n` takes the items `r`, `r + n`, … `f`
    /// must not let the ranks talk: each works for itself.
    ///
    /// ```
    /// use gradus_train::{LocalRanks, Ranks};
    /// let squares = LocalRanks::run(3, |ranks| ranks.map(&[1, 2, 3, 4, 5], |x| x * x));
    /// assert_eq!(squares, [[1, 4, 9, 16, 25]; 3]);
    /// ```
    fn map<I, R: Serialize + DeserializeOwned>(&self, items: &[I], mut f: impl FnMut(&I) -> R) -> Vec<R>
    where
        Self: Clone + Sized + 'static,
    {
        let team = team::Team::new(Arc::new(self.clone()));
        let own: Vec<R> = items.iter().skip(self.rank()).step_by(self.count()).map(&mut f).collect();
        let mut all: Vec<_> = team.gather(&own).into_iter().map(Vec::into_iter).collect();
        let ranks = (0..self.count()).cycle().take(items.len());
        ranks.map(|rank| all[rank].next().expect("a result for each item")).collect()
    }

    /// Tells all ranks whether something succeeded that each does by itself, before or beside a training: to read a
    /// file, say. If it failed on any rank, it is an error of all of them, so that none waits for one that has ended.
    ///
    /// ```
    /// use gradus_train::{LocalRanks, Ranks};
    /// let read = |rank| if rank == 1 { Err("no such file") } else { Ok(rank) };
    /// let results = LocalRanks::run(3, |ranks| ranks.agree(read(ranks.rank())).map_err(|e| e.to_string()));
    /// assert_eq!(results, vec![Err::<usize, _>("rank 1: no such file".to_owned()); 3]);
    /// ```
    ///
    /// # Errors
    /// If a rank gives an error: that of the first such rank.
    fn agree<A, E: Display>(&self, own: Result<A, E>) -> Result<A, TrainError>
    where
        Self: Clone + Sized + 'static,
    {
        let failures = team::Team::new(Arc::new(self.clone())).gather(&own.as_ref().err().map(E::to_string));
        match (own, team::first_failure(failures)) {
            (Ok(value), None) => Ok(value),
            (_, failure) => Err(failure.expect("an error here was told to all")),
        }
    }

    /// Sets the advice that the message about a lost rank ends with: how to go on.
    fn set_advice(&self, _advice: String) {}
}
