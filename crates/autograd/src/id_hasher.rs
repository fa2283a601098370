//! A hasher for identities, which are counted up.

use std::hash::Hasher;

/// Hashes an identity by one multiplication. Identities are counted up, so this is enough to spread them.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("identities hash as one u64")
    }
    fn write_usize(&mut self, id: usize) {
        self.write_u64(id as u64);
    }
    fn write_u64(&mut self, id: u64) {
        // the hash table takes its buckets from the low bits and its tags from the high bits
        self.0 = id.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}
