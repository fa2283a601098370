//! Training on several machines: gradus over MPI.
//!
//! A program says which processes train together, and stays as it was:
//!
//! ```no_run
//! use gradus::prelude::*;
//! use gradus_mpi::World;
//!
//! let world = World::init()?; // first of all
//! let digits = gradus::data::digits();
//! let mut model = Mlp::builder([64, 32, 10]).seed(1).build::<f32>();
//! Trainer::new(AdamW::new(3e-3)).epochs(5).shards(8).distributed(&world).fit(
//!     &mut model,
//!     &digits.train,
//!     Some(&digits.test),
//! )?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `mpirun -n 4 target/release/program` then runs it as four processes, the ranks, on one machine or on several. Every
//! rank computes two of the eight shards of each batch, and the model is, bit for bit, the one that a single process
//! trains. Without `mpirun`, the program is a single process, of one rank.
//!
//! An MPI library must be installed, Open MPI or MPICH (on Debian: `libopenmpi-dev` and `openmpi-bin`, or
//! `libmpich-dev` and `mpich`, and, to compile, `libclang-dev`). The calls go through [rsmpi](https://docs.rs/mpi).

mod end;
mod wait;

/// The code of the guide's page is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/clusters.md")]
struct Clusters;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gradus_train::Ranks;
use mpi::Threading;
use mpi::datatype::PartitionMut;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::*;

use crate::end::Calls;
use crate::wait::{Patience, Until};

/// The tag of numbers that two ranks exchange.
const NUMBERS: i32 = 0x6772;
/// The bytes of a message that travel with its length.
const INLINE: usize = 504;
/// The most bytes of one message: MPI counts in 32 bits.
const MOST: usize = 1 << 30;

/// All processes that `mpirun` started: the [`Ranks`] of a training over MPI.
///
/// It must live as long as the training, and be dropped before the program ends: then MPI is left. The drop waits until
/// every rank drops its world. If a rank waits for this one instead, because this one ends by an error of its own, all
/// ranks end. Copies (`clone`) are the same world. Only one thread may use it at a time.
#[derive(Clone, Debug)]
pub struct World {
    mpi: Arc<Mpi>,
    patience: Patience,
    advice: Arc<Mutex<String>>,
    /// whether this rank has said for whom it waits, after it was told to end
    last_words: Arc<AtomicBool>,
    /// the most bytes of one message
    most: usize,
}

/// The MPI library, as long as it is in use.
struct Mpi {
    /// `None` only while being dropped
    universe: Option<Universe>,
    rank: usize,
    count: usize,
    calls: Calls,
}

impl std::fmt::Debug for Mpi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rank {} of {}", self.rank, self.count)
    }
}

/// The reason why a world could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// MPI was started before, by this function or by other code.
    #[error("MPI is in use already: call `World::init` once, at the start of the program, and pass `&world` on")]
    Twice,
    /// The MPI library allows calls from its main thread only.
    #[error("the MPI library offers `{level}` only; gradus needs a library that was built with support for threads")]
    Threads {
        /// the level of support for threads
        level: String,
    },
}

impl World {
    /// Starts MPI. Call this once, as early in the program as possible.
    ///
    /// # Errors
    /// If MPI is in use already, or does not allow calls from any thread.
    pub fn init() -> Result<Self, InitError> {
        let (universe, level) = mpi::initialize_with_threading(Threading::Multiple).ok_or(InitError::Twice)?;
        if level < Threading::Serialized {
            return Err(InitError::Threads { level: format!("{level:?}") });
        }
        let world = universe.world();
        let (rank, count) = (world.rank() as usize, world.size() as usize);
        let mpi = Arc::new(Mpi { universe: Some(universe), rank, count, calls: Calls::default() });
        Ok(World { mpi, patience: Patience::default(), advice: Arc::default(), last_words: Arc::default(), most: MOST })
    }

    /// Sets how long a rank waits for the others before it takes them for lost; the default is 10 minutes. Then it ends
    /// the program on all ranks, with a message that names those that do not answer.
    ///
    /// `mpirun` itself ends all ranks as soon as one of them ends by a fault. This is for what it does not notice: a
    /// cable, or a process that hangs. It must be longer than anything that one rank does alone, such as writing a
    /// checkpoint.
    pub fn patience(self, patience: Duration) -> Self {
        World { patience: Patience::new(patience), ..self }
    }

    /// Sends long messages in shorter pieces, so that tests see pieces.
    #[doc(hidden)]
    pub fn with_pieces_of(self, bytes: usize) -> Self {
        World { most: bytes, ..self }
    }

    /// Gathers messages of known lengths, one after the other.
    fn gather_parts(&self, message: &[u8], counts: &[i32]) -> Vec<u8> {
        let starts = counts.iter().scan(0, |end, count| {
            *end += count;
            Some(*end - count)
        });
        let (starts, total) = (starts.collect::<Vec<i32>>(), counts.iter().sum::<i32>());
        let mut all = vec![0; total as usize];
        {
            let mut parts = PartitionMut::new(&mut all[..], counts, &starts[..]);
            mpi::request::scope(|scope| {
                let request = self.communicator().immediate_all_gather_varcount_into(scope, message, &mut parts);
                self.until(None).done(request);
            });
        }
        all
    }

    fn communicator(&self) -> SimpleCommunicator {
        SimpleCommunicator::world()
    }

    fn until(&self, partner: Option<usize>) -> Until<'_> {
        Until::new(self, partner)
    }

    /// The advice how to go on, behind some other words, if there is any.
    fn advice(&self, before: &str) -> String {
        let advice = self.advice.lock().unwrap_or_else(PoisonError::into_inner);
        if advice.is_empty() { String::new() } else { format!("{before}{advice}") }
    }
}

impl Ranks for World {
    fn rank(&self) -> usize {
        self.mpi.rank
    }

    fn count(&self) -> usize {
        self.mpi.count
    }

    fn all_gather(&self, message: &[u8]) -> Vec<Vec<u8>> {
        self.mpi.calls.count();
        // most messages are short, and travel with their lengths
        let (count, size) = (self.count(), INLINE + 8);
        let mut own = vec![0; size];
        own[..8].copy_from_slice(&(message.len() as u64).to_le_bytes());
        let inline = message.len().min(INLINE);
        own[8..8 + inline].copy_from_slice(&message[..inline]);
        let mut heads = vec![0; size * count];
        mpi::request::scope(|scope| {
            let request = self.communicator().immediate_all_gather_into(scope, &own[..], &mut heads[..]);
            self.until(None).done(request);
        });
        let length = |head: &[u8]| u64::from_le_bytes(head[..8].try_into().expect("eight bytes")) as usize;
        let lengths: Vec<usize> = heads.chunks(size).map(length).collect();
        if lengths.iter().all(|length| *length <= INLINE) {
            return heads.chunks(size).zip(lengths).map(|(head, length)| head[8..8 + length].to_vec()).collect();
        }
        // MPI counts in 32 bits, so what is longer goes in pieces
        let (longest, piece) = (lengths.iter().copied().max().unwrap_or(0), self.most / count);
        let mut messages: Vec<Vec<u8>> = lengths.iter().map(|length| Vec::with_capacity(*length)).collect();
        for start in (0..longest).step_by(piece) {
            let within = |length: usize| start.min(length)..(start + piece).min(length);
            let counts: Vec<i32> = lengths.iter().map(|length| within(*length).len() as i32).collect();
            let parts = self.gather_parts(&message[within(message.len())], &counts);
            let mut rest = &parts[..];
            for (message, count) in messages.iter_mut().zip(counts) {
                message.extend_from_slice(rest.split_off(..count as usize).expect("all counts together"));
            }
        }
        messages
    }

    fn exchange(&self, to: usize, message: &[u8], from: usize, received: &mut [u8]) {
        self.mpi.calls.count();
        let world = self.communicator();
        let (to_process, from_process) = (world.process_at_rank(to as i32), world.process_at_rank(from as i32));
        mpi::request::scope(|scope| {
            let receives: Vec<_> = received
                .chunks_mut(self.most)
                .map(|chunk| from_process.immediate_receive_into_with_tag(scope, chunk, NUMBERS))
                .collect();
            let sends: Vec<_> = message
                .chunks(self.most)
                .map(|chunk| to_process.immediate_send_with_tag(scope, chunk, NUMBERS))
                .collect();
            receives.into_iter().for_each(|request| self.until(Some(from)).done(request));
            sends.into_iter().for_each(|request| self.until(Some(to)).done(request));
        });
    }

    fn set_advice(&self, advice: String) {
        *self.advice.lock().unwrap_or_else(PoisonError::into_inner) = advice;
    }
}

impl Drop for Mpi {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // the other ranks wait for this one: to leave MPI in peace would take as long as they have patience
            end::all(101);
        }
        if !end::all_leave(self) {
            // another rank waits for this one, and leaving MPI would wait for that rank
            std::mem::forget(self.universe.take());
        }
    }
}
