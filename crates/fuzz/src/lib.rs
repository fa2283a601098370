//! Fuzzing: files that others may have made are handed to everything that reads a file.
//!
//! A [`Target`] is a decoder, with seeds (files that the library itself makes) and with inputs that once did harm.
//! [`mutated`] makes an input from a seed; [`Target::run`] hands it to the decoder. Whatever the input is, the decoder
//! may accept or refuse it, but must not panic, take longer than [`SECONDS`], or ask for more memory than [`allowed`].
//! If a format has a checksum, it is corrected, so that the code behind its check is reached.
//!
//! `cargo run --release -p fuzz -- all 10` gives each target ten seconds. An input that fails is written to a file, and
//! its path is printed. `cargo test -p fuzz` runs the seeds, the inputs that once did harm, and some mutations of each
//! target.

pub mod targets;

use std::io::Write;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// A decoder.
pub struct Target {
    /// the name of the target
    pub name: &'static str,
    /// makes valid files
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// makes files that once did harm
    pub found: fn() -> Vec<Vec<u8>>,
    /// hands a file to the decoder
    pub run: fn(&[u8]),
    /// corrects the checksum of a file, if the format has one
    pub seal: fn(&mut [u8]),
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The most seconds that an input may take, on a slow machine.
pub const SECONDS: u64 = 10;

/// The most bytes that a decoder may have in use beyond those in use before, for an input of `len` bytes.
pub fn allowed(len: usize) -> usize {
    (16 << 20) + 300 * len
}

/// Numbers at which code for sizes, lengths and counts may go wrong.
const EDGES: [u64; 12] = [0, 1, 2, 127, 128, 250, 251, 255, 65_535, 1 << 31, u32::MAX as u64, u64::MAX];

/// Makes an input from a seed: a few bytes are changed, removed, repeated, inserted or replaced.
pub fn mutated(target: &Target, seeds: &[Vec<u8>], number: u64) -> Vec<u8> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(number);
    let mut bytes = seeds[rng.random_range(0..seeds.len())].clone();
    for _ in 0..rng.random_range(1..=4) {
        if bytes.is_empty() {
            break;
        }
        let at = rng.random_range(0..bytes.len());
        let end = bytes.len().min(at + rng.random_range(1..=16));
        match rng.random_range(0..8) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => bytes[at] = rng.random(),
            2 => bytes[at] = EDGES[rng.random_range(0..EDGES.len())] as u8,
            3 => {
                let edge = EDGES[rng.random_range(0..EDGES.len())].to_le_bytes();
                let width = (end - at).min(8);
                bytes[at..at + width].copy_from_slice(&edge[..width]);
            }
            4 => drop(bytes.drain(at..end)),
            5 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            6 => {
                let other = &seeds[rng.random_range(0..seeds.len())];
                let from = rng.random_range(0..other.len().max(1)).min(other.len());
                let to = other.len().min(from + 64);
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            _ => {
                let number = EDGES[rng.random_range(0..EDGES.len())].to_string();
                bytes.splice(at..end, number.bytes()); // for texts and headers
            }
        }
    }
    (target.seal)(&mut bytes);
    bytes
}

/// Returns the bytes gzipped.
pub fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory can be written to")
}
