//! Sums that are added up one number at a time, as exact as those of `kernels/reduce.rs`.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::Float;
use crate::id_hasher::IdHasher;

/// The largest count of numbers that are added to one place by plain addition. With more, rounding errors are tracked.
const PLAIN: usize = 512;

/// A sum, and the error that its last rounding added to it, which is subtracted from the next number (W. Kahan,
/// *Further remarks on reducing truncation errors*, Communications of the ACM 8, 1965). The error of a long sum is that
/// of rounding the sum of the absolute values twice.
#[derive(Clone, Copy, Default)]
pub(crate) struct Exact<T> {
    pub(crate) sum: T,
    excess: T,
}

impl<T: Float> Exact<T> {
    pub(crate) fn new(sum: T) -> Self {
        Exact { sum, excess: T::default() }
    }
    #[inline]
    pub(crate) fn add(&mut self, x: T) {
        let x = x - self.excess;
        let sum = self.sum + x;
        let excess = (sum - self.sum) - x;
        self.excess = if sum.is_finite() { excess } else { T::default() };
        self.sum = sum;
    }
}

/// Adds runs of numbers of `part` to places of `whole`, one run after the other. For each run, `runs` calls its
/// argument with the position in the part, the position in the whole, and the length. `most` is an upper bound on how
/// many numbers go to one place.
pub(crate) fn add_in_order<T: Float>(
    whole: &mut [T],
    part: &[T],
    most: usize,
    runs: impl Fn(&mut dyn FnMut(usize, usize, usize)),
) {
    let plain = |whole: &mut [T], from: usize, to: usize, len: usize| {
        whole[to..to + len].iter_mut().zip(&part[from..from + len]).for_each(|(y, &x)| *y += x);
    };
    let mut counts: HashMap<usize, usize, BuildHasherDefault<IdHasher>> = HashMap::default();
    if most > PLAIN {
        runs(&mut |_, to, _| *counts.entry(to).or_default() += 1);
        counts.retain(|_, count| *count > PLAIN);
    }
    if counts.is_empty() {
        return runs(&mut |from, to, len| plain(whole, from, to, len));
    }
    let mut exact: HashMap<usize, Vec<Exact<T>>, BuildHasherDefault<IdHasher>> = HashMap::default();
    runs(&mut |from, to, len| {
        if !counts.contains_key(&to) {
            return plain(whole, from, to, len);
        }
        let start = || whole[to..to + len].iter().map(|&sum| Exact::new(sum)).collect();
        let sums = exact.entry(to).or_insert_with(start);
        sums.iter_mut().zip(&part[from..from + len]).for_each(|(sum, &x)| sum.add(x));
    });
    for (to, sums) in exact {
        whole[to..].iter_mut().zip(sums).for_each(|(y, sum)| *y = sum.sum);
    }
}
