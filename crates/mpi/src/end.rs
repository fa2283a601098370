//! The end of a program, which all ranks should reach.
//!
//! The ranks meet in rounds: in round k, each tells the rank 2ᵏ behind it that it leaves, and waits until the rank 2ᵏ
//! before it does so. After log₂ of their number of rounds, each knows that all leave. (D. Hensgen, R. Finkel and U.
//! Manber 1988, <https://doi.org/10.1007/BF01379320>, call it a dissemination barrier.)
//!
//! With the message goes the number of calls that the leaving rank made. A rank that waits in a later call knows then
//! that the other one never comes: its program ended by an error of its own. It says so to that rank, which stops
//! waiting, so that its error is shown. If some ranks leave too early and others do not, one of the others is next to
//! one of them, and is told in the first round.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use mpi::request::{Request, StaticScope};
use mpi::topology::SimpleCommunicator;
use mpi::traits::*;

use crate::Mpi;
use crate::wait::{HERE, answer};

/// The tag of the number of calls that a rank made before it left.
const LEFT: i32 = 0x6774;
/// The tag of the answer to a rank that left too early.
const MISSED: i32 = 0x6775;
/// The time that a rank which left too early has to show its error, before all are ended.
const REASON: Duration = Duration::from_secs(2);
/// The time that `mpirun` has to show the last words of a rank, before it ends all.
const SHOWN: Duration = Duration::from_millis(300);
/// The time that MPI has to end all ranks, this one among them.
const ALONE: Duration = Duration::from_secs(10);

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

/// A number on its way to another rank.
type Sent = Request<'static, u64, StaticScope>;

fn tell(rank: usize, number: u64, tag: i32) -> Sent {
    let number: &'static u64 = Box::leak(Box::new(number));
    let world = SimpleCommunicator::world();
    world.process_at_rank(rank as i32).immediate_send_with_tag(StaticScope, number, tag)
}

/// Whether a message with this tag has come. To ask also lets other messages go on.
pub(crate) fn has_come(tag: i32) -> bool {
    SimpleCommunicator::world().any_process().immediate_probe_with_tag(tag).is_some()
}

/// Waits until all ranks leave. Returns whether they do: not if one of them waits for this one.
pub(crate) fn all_leave(mpi: &Mpi) -> bool {
    let own = mpi.calls.own.load(Ordering::Relaxed);
    let (mut sent, mut answered) = (Vec::new(), false);
    for distance in (0..usize::BITS).map(|round| 1 << round).take_while(|distance| *distance < mpi.count) {
        sent.push(tell((mpi.rank + distance) % mpi.count, own, LEFT));
        let before = (mpi.rank + mpi.count - distance) % mpi.count;
        while !mpi.calls.left().contains_key(&before) {
            if has_come(MISSED) {
                sent.into_iter().for_each(std::mem::forget); // they need not arrive, and this process ends soon
                sleep(SHOWN); // `mpirun` ends the others when this process ends
                return false;
            }
            if has_come(HERE) && !answered {
                answered = true;
                answer(mpi); // another rank has lost its patience with a third one
            }
            sleep(Duration::from_millis(1));
        }
    }
    sent.into_iter().for_each(|request| {
        request.wait();
    });
    true
}

/// Writes a line at once, so that it does not mix with those of other ranks.
pub(crate) fn say(line: &str) {
    // nobody is left to be told that this failed
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Ends all ranks, after the time that `mpirun` needs to show their last words. Without that time, MPICH loses some.
///
/// On a machine that is cut off, `MPI_Abort` of MPICH waits for `mpirun` without an end. Then this process ends alone.
pub(crate) fn all(code: i32) -> ! {
    sleep(SHOWN);
    spawn(|| {
        sleep(ALONE);
        std::process::abort()
    });
    SimpleCommunicator::world().abort(code)
}

/// Ends the program on all ranks if this one waits for a rank that has left.
pub(crate) fn check(mpi: &Mpi, advice: impl Fn() -> String) {
    let own = mpi.calls.own.load(Ordering::Relaxed);
    let missed: Vec<usize> = mpi.calls.left().into_iter().filter(|(_, calls)| *calls < own).map(|(r, _)| r).collect();
    let Some(first) = missed.first() else { return };
    say(&format!(
        "rank {}: the program of rank {first} has ended, and this rank waits for it; all ranks end. The reason is what \
         rank {first} says last.{}",
        mpi.rank,
        advice()
    ));
    missed.iter().for_each(|rank| std::mem::forget(tell(*rank, own, MISSED)));
    let end = Instant::now() + REASON;
    while Instant::now() < end {
        has_come(MISSED);
        sleep(Duration::from_millis(1));
    }
    all(1)
}
