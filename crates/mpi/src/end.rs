//! The end of a program, which all ranks should reach.
//!
//! A rank that leaves tells the others how many calls it made. A rank that waits in a later call knows then that the
//! other one never comes: its program ended by an error of its own. It says so to that rank, which stops waiting for
//! the others, so that its error is shown.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use mpi::request::StaticScope;
use mpi::topology::SimpleCommunicator;
use mpi::traits::*;

use crate::Mpi;

/// The tag of the number of calls that a rank made before it left.
const LEFT: i32 = 0x6774;
/// The tag of the answer to a rank that left too early.
const MISSED: i32 = 0x6775;
/// The time that a rank which left too early has to show its error, before all are ended.
const REASON: Duration = Duration::from_secs(2);

/// The calls that each rank made.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    own: AtomicU64,
    /// the calls of the ranks that have left
    of_left: Mutex<BTreeMap<usize, u64>>,
}

impl Calls {
    pub(crate) fn count(&self) {
        self.own.fetch_add(1, Ordering::Relaxed);
    }

    /// The ranks that have left, with the calls that they made.
    fn left(&self) -> BTreeMap<usize, u64> {
        let mut left = self.of_left.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((message, status)) =
            SimpleCommunicator::world().any_process().immediate_matched_probe_with_tag(LEFT)
        {
            left.insert(status.source_rank() as usize, message.matched_receive::<u64>().0);
        }
        left.clone()
    }
}

/// Sends a number to a rank that need not receive it any more.
fn tell(rank: usize, number: u64, tag: i32) {
    let number: &'static u64 = Box::leak(Box::new(number));
    let world = SimpleCommunicator::world();
    let process = world.process_at_rank(rank as i32);
    std::mem::forget(process.immediate_send_with_tag(StaticScope, number, tag));
}

/// Waits until all ranks leave. Returns whether they do: not if one of them waits for this one.
pub(crate) fn all_leave(mpi: &Mpi) -> bool {
    let own = mpi.calls.own.load(Ordering::Relaxed);
    (0..mpi.count).filter(|rank| *rank != mpi.rank).for_each(|rank| tell(rank, own, LEFT));
    while mpi.calls.left().len() + 1 < mpi.count {
        if SimpleCommunicator::world().any_process().immediate_probe_with_tag(MISSED).is_some() {
            return false;
        }
        sleep(Duration::from_millis(1));
    }
    true
}

/// Ends the program on all ranks if this one waits for a rank that has left.
pub(crate) fn check(mpi: &Mpi, advice: impl Fn() -> String) {
    let own = mpi.calls.own.load(Ordering::Relaxed);
    let missed: Vec<usize> = mpi.calls.left().into_iter().filter(|(_, calls)| *calls < own).map(|(r, _)| r).collect();
    let Some(first) = missed.first() else { return };
    missed.iter().for_each(|rank| tell(*rank, own, MISSED));
    eprintln!(
        "rank {}: the program of rank {first} has ended, and this rank waits for it; all ranks end. The reason is what \
         rank {first} says last.{}",
        mpi.rank,
        advice()
    );
    sleep(REASON);
    SimpleCommunicator::world().abort(1)
}
