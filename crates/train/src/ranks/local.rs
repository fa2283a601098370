//! Ranks that are threads of one process: for tests, and to try a distributed program without a cluster.

use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::scope;

use crate::Ranks;

/// A rank that is a thread of this process. It computes what a rank of a cluster computes, bit for bit.
///
/// ```
/// use gradus_nn::Mlp;
/// use gradus_optim::Adam;
/// use gradus_train::{LocalRanks, Trainer};
/// let digits = gradus_data::digits();
/// let train = |ranks: LocalRanks| {
///     let mut model = Mlp::builder([64, 16, 10]).seed(1).build::<f32>();
///     let mut trainer = Trainer::new(Adam::new(1e-2)).epochs(1).shards(4).distributed(&ranks);
///     trainer.fit(&mut model, &digits.test, None).unwrap().last().train.loss
/// };
/// let (alone, together) = (LocalRanks::run(1, &train), LocalRanks::run(4, &train));
/// assert_eq!(together, [alone[0]; 4]); // not one bit differs
/// ```
#[derive(Clone)]
pub struct LocalRanks {
    rank: usize,
    ways: Arc<Ways>,
}

/// The ways of a rank to and from the others; to itself there is none.
struct Ways {
    to: Vec<Option<Sender<Vec<u8>>>>,
    from: Vec<Option<Mutex<Receiver<Vec<u8>>>>>,
}

impl fmt::Debug for LocalRanks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {} of {}", self.rank, self.count())
    }
}

impl LocalRanks {
    /// Runs `f` on as many threads as there are to be ranks, and returns what they return, in their order.
    ///
    /// # Panics
    /// If there are no ranks, or one of them panics; the others panic then too.
    #[track_caller]
    pub fn run<R: Send>(count: usize, f: impl Fn(LocalRanks) -> R + Sync) -> Vec<R> {
        assert!(count > 0, "LocalRanks: there must be at least one rank");
        fn none<W>(count: usize) -> Vec<Option<W>> {
            (0..count).map(|_| None).collect()
        }
        let mut ways: Vec<_> = (0..count).map(|_| Ways { to: none(count), from: none(count) }).collect();
        for a in 0..count {
            for b in (0..count).filter(|b| *b != a) {
                let (sender, receiver) = channel();
                ways[a].to[b] = Some(sender);
                ways[b].from[a] = Some(Mutex::new(receiver));
            }
        }
        scope(|scope| {
            let ranks = ways.into_iter().enumerate().map(|(rank, ways)| LocalRanks { rank, ways: Arc::new(ways) });
            let threads: Vec<_> = ranks.map(|rank| scope.spawn(|| f(rank))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|e| std::panic::resume_unwind(e))).collect()
        })
    }

    fn send(&self, to: usize, message: &[u8]) {
        let way = self.ways.to[to].as_ref().expect("no rank sends to itself");
        way.send(message.to_vec()).unwrap_or_else(|_| panic!("rank {to} has ended"));
    }

    fn receive(&self, from: usize) -> Vec<u8> {
        let way = self.ways.from[from].as_ref().expect("no rank receives from itself");
        let way = way.lock().unwrap_or_else(PoisonError::into_inner);
        way.recv().unwrap_or_else(|_| panic!("rank {from} has ended"))
    }
}

impl Ranks for LocalRanks {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.ways.to.len()
    }

    fn all_gather(&self, message: &[u8]) -> Vec<Vec<u8>> {
        let others = (0..self.count()).filter(|other| *other != self.rank);
        others.for_each(|other| self.send(other, message));
        let from = |rank| if rank == self.rank { message.to_vec() } else { self.receive(rank) };
        (0..self.count()).map(from).collect()
    }

    fn exchange(&self, to: usize, message: &[u8], from: usize, received: &mut [u8]) {
        self.send(to, message);
        received.copy_from_slice(&self.receive(from));
    }
}
