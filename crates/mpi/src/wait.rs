//! Waiting for other ranks, and the end of a world that lost one.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::thread::{sleep, yield_now};
use std::time::{Duration, Instant};

use gradus_train::{Ranks, is_asked_to_stop};
use mpi::request::{Request, Scope};
use mpi::topology::SimpleCommunicator;
use mpi::traits::*;

use crate::{Mpi, World, end};

/// The tag of the messages of a roll call.
pub(crate) const HERE: i32 = 0x6773;
/// After this time without an answer, a rank no longer keeps its processor busy with asking.
const EAGER: Duration = Duration::from_millis(5);
/// A rank that was told to end, and waits for so long, says for whom: `mpirun` soon ends it for good.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// The time that ranks have to answer a roll call.
const ROLL_CALL: Duration = Duration::from_secs(2);

/// How long a rank waits for the others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience(Duration);

impl Default for Patience {
    fn default() -> Self {
        Patience(Duration::from_secs(600))
    }
}

impl Patience {
    pub(crate) fn new(patience: Duration) -> Self {
        Patience(patience)
    }
}

/// A wait for a rank, or for all.
pub(crate) struct Until<'a> {
    world: &'a World,
    partner: Option<usize>,
    since: Instant,
    /// the time when it was seen that the process is told to end
    told: Option<Instant>,
}

impl<'a> Until<'a> {
    pub(crate) fn new(world: &'a World, partner: Option<usize>) -> Self {
        Until { world, partner, since: Instant::now(), told: None }
    }

    /// Waits until a request is done. If it is not done before patience ends, the program ends, on all ranks.
    pub(crate) fn done<'b, D: ?Sized, S: Scope<'b>>(mut self, mut request: Request<'b, D, S>) {
        loop {
            match request.test() {
                Ok(_) => return,
                Err(waiting) => request = waiting,
            }
            let waited = self.since.elapsed();
            if waited < EAGER {
                yield_now();
                continue;
            }
            self.last_words();
            // if another rank has lost its patience, the answer is needed now
            end::check(&self.world.mpi, || self.world.advice(" "));
            if waited > self.world.patience.0 || end::has_come(HERE) {
                self.give_up();
            }
            sleep(Duration::from_micros(50));
        }
    }

    /// Says once for whom this rank waits, if it was told to end: that rank may be lost, and then `mpirun` soon ends
    /// this one for good.
    fn last_words(&mut self) {
        if !is_asked_to_stop() {
            return;
        }
        let since = self.told.get_or_insert_with(Instant::now);
        if since.elapsed() > LAST_WORDS && !self.world.last_words.swap(true, Ordering::Relaxed) {
            let whom = self.partner.map_or("another rank".to_owned(), |rank| format!("rank {rank}"));
            end::say(&format!(
                "rank {} was asked to end, and waits for {whom}.{}",
                self.world.rank(),
                self.world.advice(" If that rank is lost: ")
            ));
        }
    }

    /// Ends the program on all ranks, and names those that do not answer.
    fn give_up(&self) -> ! {
        let lost = roll_call(&self.world.mpi);
        let names = lost.iter().map(|rank| format!("rank {rank}")).collect::<Vec<_>>().join(", ");
        let whom = if names.is_empty() { "no rank is lost, but they do not wait for the same" } else { &names };
        let answer = match lost.len() {
            0 => "",
            1 => " does not answer",
            _ => " do not answer",
        };
        end::say(&format!(
            "rank {}: {whom}{answer} (the patience was {:.0} s); all ranks end.{}",
            self.world.rank(),
            self.world.patience.0.as_secs_f64(),
            self.world.advice(" ")
        ));
        end::all(1)
    }
}

/// Tells all ranks that this one is here, and returns the others.
pub(crate) fn answer(mpi: &Mpi) -> BTreeSet<usize> {
    let communicator = SimpleCommunicator::world();
    let others: BTreeSet<usize> = (0..mpi.count).filter(|rank| *rank != mpi.rank).collect();
    static HELLO: [u8; 1] = [1];
    for rank in &others {
        let process = communicator.process_at_rank(*rank as i32);
        // it need not arrive, and this process ends soon
        std::mem::forget(process.immediate_send_with_tag(mpi::request::StaticScope, &HELLO[..], HERE));
    }
    others
}

/// Tells all ranks that this one is here, and returns those that do not tell it the same.
fn roll_call(mpi: &Mpi) -> BTreeSet<usize> {
    let communicator = SimpleCommunicator::world();
    let mut missing = answer(mpi);
    let end = Instant::now() + ROLL_CALL;
    while Instant::now() < end && !missing.is_empty() {
        missing.retain(|rank| communicator.process_at_rank(*rank as i32).immediate_probe_with_tag(HERE).is_none());
        sleep(Duration::from_millis(1));
    }
    missing
}
