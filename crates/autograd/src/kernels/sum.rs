//! Sums that are added up one number at a time, as exact as those of `reduce.rs`.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::Float;
use crate::tape::IdHasher;

/// Numbers added to one place before what their rounding lost is kept.
const PLAIN: usize = 512;

/// A sum, and what the rounding of it has lost so far.
///
/// D. Knuth's exact sum of two numbers (*The Art of Computer Programming* 2, 4.2.2), summed as T. Ogita, S. Rump, S. Oishi
/// do (*Accurate sum and dot product*, SIAM J. Sci. Comput. 26, 2005): the error of n numbers is that of one rounding, and
/// n² roundings of a rounding.
#[derive(Clone, Copy, Default)]
pub(crate) struct Exact<T> {
    sum: T,
    lost: T,
}

impl<T: Float> Exact<T> {
    pub(crate) fn add(&mut self, x: T) {
        let sum = self.sum + x;
        let part = sum - self.sum;
        self.lost += (self.sum - (sum - part)) + (x - part);
        self.sum = sum;
    }
    /// The sum. Where it is infinite, nothing is known of what was lost.
    pub(crate) fn get(self) -> T {
        let whole = self.sum + self.lost;
        if self.sum.is_finite() { whole } else { self.sum }
    }
}

/// Adds runs of numbers of `part` to places of `whole`, one after the other: `runs` calls its argument with the position
/// in the part, the position in the whole, and the length. `most` is how many can go to one place.
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
        let start = || whole[to..to + len].iter().map(|&sum| Exact { sum, lost: T::default() }).collect();
        let sums = exact.entry(to).or_insert_with(start);
        sums.iter_mut().zip(&part[from..from + len]).for_each(|(sum, &x)| sum.add(x));
    });
    for (to, sums) in exact {
        whole[to..].iter_mut().zip(sums).for_each(|(y, sum)| *y = sum.get());
    }
}
