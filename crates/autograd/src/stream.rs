//! Random numbers that depend on nothing but three integers.

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

/// The random stream that a tape draws from. It is a pure function of these three integers, so to resume a run it is
/// enough to save them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stream {
    /// chosen by the user, one for a whole training run
    pub seed: u64,
    /// how often the tape has been cleared
    pub step: u64,
    /// which part of a batch the tape computes, in data-parallel training
    pub shard: u64,
}

impl Stream {
    /// Returns the generator that these three integers determine.
    ///
    /// ```
    /// use gradus_autograd::Stream;
    /// use rand::RngExt;
    /// let stream = Stream { seed: 1, step: 2, shard: 3 };
    /// assert_eq!(stream.rng().random::<u64>(), stream.rng().random::<u64>());
    /// ```
    pub fn rng(self) -> Xoshiro256PlusPlus {
        // each integer is spread over all bits (the finaliser of splitmix64) before the next is mixed in
        let spread = |z: u64| {
            let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        };
        let mix = |state: u64, part: u64| spread(state.wrapping_add(part).wrapping_add(0x9E37_79B9_7F4A_7C15));
        Xoshiro256PlusPlus::seed_from_u64(mix(mix(mix(0, self.seed), self.step), self.shard))
    }
}

/// The generator that draws the order of the rows of an epoch. The mini-batches of `optim` and of `data` depend on it
/// alone.
#[doc(hidden)]
pub fn epoch_rng(seed: u64, epoch: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(epoch))
}
