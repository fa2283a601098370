//! The state of an optimizer, spread over processes that train one model: each keeps a slice of it.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use gradus_autograd::Float;

/// The processes over which the state of an optimizer is spread (ZeRO, stage 1: Rajbhandari et al. 2019,
/// <https://arxiv.org/abs/1910.02054>). Each keeps a slice of the state of each large parameter and updates this slice
/// of the parameter, then they tell each other their slices. So the memory for the state is divided by the number of
/// processes, and no bit of the result changes.
///
/// `Trainer::shard_optimizer` of `gradus-train` uses it; see [`Descent::set_spread`](crate::Descent::set_spread).
pub trait Spread<T: Float>: Debug + Send + Sync {
    /// The number of this process, from 0 on.
    fn rank(&self) -> usize;
    /// The number of processes.
    fn count(&self) -> usize;
    /// Tells the other processes the numbers in this one's slice, and writes theirs into the other slices. All
    /// processes call this with equal arguments.
    fn gather(&self, numbers: &mut [T], slice: &dyn Fn(usize) -> Range<usize>);
}

/// A parameter with fewer numbers is updated whole by each process.
const LARGE: usize = 1 << 14;
/// Slices begin and end at multiples of this many numbers, which fill cache lines.
const LINE: usize = 64;

/// The slice of a parameter of so many numbers that a process keeps, if the state is spread and the parameter is large.
pub(crate) fn own_slice<T: Float>(spread: Option<&Arc<dyn Spread<T>>>, len: usize) -> Option<Range<usize>> {
    // no process is without numbers, so all take part in what follows
    let spread = spread.filter(|spread| spread.count() > 1 && len >= LARGE.max(2 * LINE * spread.count()))?;
    Some(slice(len, spread.count(), spread.rank()))
}

fn slice(len: usize, count: usize, rank: usize) -> Range<usize> {
    let at = |rank: usize| (len * rank / count).next_multiple_of(LINE).min(len);
    at(rank)..at(rank + 1)
}

/// Completes an array of which each process has its slice.
pub(crate) fn complete<T: Float>(spread: &dyn Spread<T>, numbers: &mut [T]) {
    let (len, count) = (numbers.len(), spread.count());
    spread.gather(numbers, &|rank| slice(len, count, rank));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_the_whole() {
        for len in [LARGE, LARGE + 1, 100_003] {
            for count in (1..9).chain([128]) {
                let slices: Vec<_> = (0..count).map(|rank| slice(len, count, rank)).collect();
                assert!(slices[0].start == 0 && slices[count - 1].end == len);
                assert!(slices.iter().all(|slice| !slice.is_empty()));
                assert!(slices.windows(2).all(|pair| pair[0].end == pair[1].start && pair[0].end.is_multiple_of(LINE)));
            }
        }
    }
}
