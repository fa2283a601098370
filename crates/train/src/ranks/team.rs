//! What ranks tell each other, and how long that takes.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gradus_autograd::internal::Typed;
use gradus_autograd::{Float, Leaf, Module};
use gradus_optim::Spread;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Ranks, TrainError};

/// The ranks of a run, as one of them sees them. It counts the messages.
#[derive(Clone, Debug)]
pub(crate) struct Team {
    ranks: Arc<dyn Ranks>,
    traffic: Arc<Traffic>,
}

/// The messages of a rank.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    nanoseconds: AtomicU64,
    bytes: AtomicU64,
}

impl Team {
    pub(crate) fn new(ranks: Arc<dyn Ranks>) -> Self {
        Team { ranks, traffic: Arc::default() }
    }

    pub(crate) fn rank(&self) -> usize {
        self.ranks.rank()
    }

    pub(crate) fn count(&self) -> usize {
        self.ranks.count()
    }

    pub(crate) fn set_advice(&self, advice: String) {
        self.ranks.set_advice(advice);
    }

    /// The time that messages have taken so far, with the time that they waited for other ranks.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_nanos(self.traffic.nanoseconds.load(Ordering::Relaxed))
    }

    /// The bytes that this rank has sent to others so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.traffic.bytes.load(Ordering::Relaxed)
    }

    fn measured<R>(&self, bytes: usize, send: impl FnOnce(&dyn Ranks) -> R) -> R {
        let start = Instant::now();
        let result = send(&*self.ranks);
        self.traffic.nanoseconds.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        self.traffic.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        result
    }

    /// Tells all ranks a value, and returns the values of all, in the order of the ranks.
    ///
    /// # Panics
    /// If another rank sent a value of another kind: it runs another program.
    pub(crate) fn gather<A: Serialize + DeserializeOwned>(&self, own: &A) -> Vec<A> {
        let config = bincode::config::standard();
        let message = bincode::serde::encode_to_vec(own, config).expect("values that are sent can be encoded");
        let all = self.measured(message.len() * (self.count() - 1), |ranks| ranks.all_gather(&message));
        let decode = |(rank, message): (usize, &Vec<u8>)| match bincode::serde::decode_from_slice(message, config) {
            Ok((value, read)) if read == message.len() => value,
            _ => panic!("rank {rank} sent what this rank does not expect here: do all ranks run the same program?"),
        };
        all.iter().enumerate().map(decode).collect()
    }

    /// Sends numbers to a rank while it receives as many as `received` has from another, or from the same one.
    pub(crate) fn exchange<T: Float>(&self, to: usize, numbers: &[T], from: usize, received: &mut [T]) {
        let numbers = bytes(numbers);
        self.measured(numbers.len(), |ranks| ranks.exchange(to, numbers, from, bytes_mut(received)));
    }

    /// Checks that all ranks have the same values, each with its name.
    ///
    /// # Errors
    /// If a rank has other ones; the error says which.
    pub(crate) fn same(&self, own: impl Iterator<Item = (String, String)>) -> Result<(), TrainError> {
        let all = self.gather(&own.collect::<Vec<_>>());
        let differ = |rank: usize| {
            let value = |rank: usize, name: &str| all[rank].iter().find(|(own, _)| own == name).map(|(_, value)| value);
            let others = all[rank].iter().filter(|(name, _)| value(0, name).is_none());
            let names = all[0].iter().map(|(name, _)| name).chain(others.map(|(name, _)| name));
            let lines = names.filter(|name| value(0, name) != value(rank, name)).map(|name| {
                let [first, own] = [0, rank].map(|rank| value(rank, name).map_or("not there", String::as_str));
                format!("\n  {name}: {first} on rank 0, {own} on rank {rank}")
            });
            lines.collect::<String>()
        };
        let found = (1..self.count()).map(|rank| (rank, differ(rank))).find(|(_, lines)| !lines.is_empty());
        found.map_or(Ok(()), |(rank, lines)| {
            Err(TrainError::Ranks {
                reason: format!("rank {rank} differs from rank 0, and they cannot train one model{lines}"),
            })
        })
    }

    /// Checks that there is a part of a step for each rank.
    ///
    /// # Errors
    /// If there are fewer parts.
    pub(crate) fn has_work(&self, parts: usize) -> Result<(), TrainError> {
        let ranks = self.count();
        match ranks <= parts {
            true => Ok(()),
            false => Err(TrainError::Ranks {
                reason: format!(
                    "{ranks} ranks, but a step has {parts} parts, so some ranks would have nothing to do; set `shards` \
                     to {ranks} or more (and a batch at least as large), or start fewer ranks"
                ),
            }),
        }
    }

    /// Tells all ranks whether something succeeded here, and returns an error if it failed anywhere.
    pub(crate) fn agree<A>(&self, own: Result<A, TrainError>) -> Result<A, TrainError> {
        let failures = self.gather(&own.as_ref().err().map(TrainError::to_string));
        own.and_then(|value| first_failure(failures).map_or(Ok(value), Err))
    }
}

impl<T: Float> Spread<T> for Team {
    fn rank(&self) -> usize {
        self.ranks.rank()
    }

    fn count(&self) -> usize {
        self.ranks.count()
    }

    fn gather(&self, numbers: &mut [T], slice: &dyn Fn(usize) -> Range<usize>) {
        let (rank, count) = (self.ranks.rank(), self.ranks.count());
        let own = numbers[slice(rank)].to_vec();
        for shift in 1..count {
            let (to, from) = ((rank + shift) % count, (rank + count - shift) % count);
            self.exchange(to, &own, from, &mut numbers[slice(from)]);
        }
    }
}

/// The error of the first rank that reports one.
pub(crate) fn first_failure(failures: impl IntoIterator<Item = Option<String>>) -> Option<TrainError> {
    let mut failures = failures.into_iter().enumerate();
    failures.find_map(|(rank, failure)| failure.map(|reason| TrainError::OtherRank { rank, reason }))
}

/// What must be the same in the models of all ranks: the leaves, their shapes and numbers, and which are frozen.
pub(crate) fn of_model<T: Float, M: Module<T> + ?Sized>(model: &M) -> Vec<(String, String)> {
    let describe = |(path, leaf): (String, Leaf<'_, T>)| {
        let checksum = crc32fast::hash(bytes(leaf.data()));
        let frozen = matches!(leaf, Leaf::Param(param) if param.is_frozen());
        let text = format!("{:?}, numbers with checksum {checksum:08x}", leaf.shape());
        (format!("`{path}` of the model"), if frozen { text + ", frozen" } else { text })
    };
    model.leaves().into_iter().map(describe).collect()
}

fn bytes<T: Float>(numbers: &[T]) -> &[u8] {
    match T::typed(numbers) {
        Typed::F32(numbers) => bytemuck::cast_slice(numbers),
        Typed::F64(numbers) => bytemuck::cast_slice(numbers),
    }
}

fn bytes_mut<T: Float>(numbers: &mut [T]) -> &mut [u8] {
    match T::typed_mut(numbers) {
        Typed::F32(numbers) => bytemuck::cast_slice_mut(numbers),
        Typed::F64(numbers) => bytemuck::cast_slice_mut(numbers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LocalRanks, Trainer};

    #[test]
    fn a_rank_of_another_version_is_refused() {
        let own = Trainer::<_, f32>::new(gradus_optim::Sgd::new(0.1)).described_for_ranks();
        assert_eq!(own[0], ("the version of gradus".to_owned(), env!("CARGO_PKG_VERSION").to_owned()));
        let errors = LocalRanks::run(3, |ranks| {
            let mut own = own.clone();
            if ranks.rank() == 2 {
                own[0].1 = "9.9.9".into();
            }
            Team::new(Arc::new(ranks)).same(own.into_iter()).unwrap_err().to_string()
        });
        let version = env!("CARGO_PKG_VERSION");
        let line = format!("\n  the version of gradus: {version} on rank 0, 9.9.9 on rank 2");
        assert!(errors.iter().all(|error| error.ends_with(&line)), "{errors:?}");
    }
}
