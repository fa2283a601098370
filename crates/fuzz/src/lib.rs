//! Files that were made by others, handed to everything that reads one.
//!
//! A [`Target`] is a decoder with seeds, which the library itself makes, and inputs that were found to do harm once.
//! [`mutated`] makes an input of a seed; [`Target::run`] hands it over. Whatever it holds, a decoder may answer or
//! refuse, but not panic, nor take longer than [`SECONDS`], nor ask for more memory than [`allowed`]. Where a format
//! has a checksum, it is written anew, so that what stands behind it is reached.
//!
//! `cargo run --release -p fuzz -- all 10` gives each target ten seconds; a failing input is written to a file that is
//! named. `cargo test -p fuzz` runs seeds, found inputs and some mutations of each.

pub mod targets;

use std::io::Write;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// A decoder.
pub struct Target {
    /// the name of the target
    pub name: &'static str,
    /// files that are right
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// files that did harm once
    pub found: fn() -> Vec<Vec<u8>>,
    /// hands over a file
    pub run: fn(&[u8]),
    /// makes the file's checksum right, if it has one
    pub seal: fn(&mut [u8]),
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// An input may take so long at most, on a slow machine.
pub const SECONDS: u64 = 10;

/// Bytes that may be in use at most beside what was before, for an input of so many.
pub fn allowed(len: usize) -> usize {
    (16 << 20) + 300 * len
}

/// Numbers at which sizes, lengths and counts go wrong.
const EDGES: [u64; 12] = [0, 1, 2, 127, 128, 250, 251, 255, 65_535, 1 << 31, u32::MAX as u64, u64::MAX];

/// An input made of a seed: a few bytes changed, left out, repeated, put in, cut off.
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
                bytes.splice(at..end, number.bytes()); // in texts and headers
            }
        }
    }
    (target.seal)(&mut bytes);
    bytes
}

/// Bytes, gzipped.
pub fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory can be written to")
}
