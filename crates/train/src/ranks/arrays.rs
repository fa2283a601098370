//! The sum of arrays over ranks, in the order of the tree (see `tree.rs`).
//!
//! Among 2, 4, 8 … ranks an array is summed by *recursive halving and doubling*. Rank `r` first meets rank `r ± 1`, its
//! neighbour in the tree: each keeps one half of the array and gets the other's numbers for it, so both halves of their
//! two sums are added, in one place each. Then it meets `r ± 2` over a quarter of the array, and so on. In the end
//! every rank has the whole sum for one piece of the array, and the same meetings in reverse spread the pieces. A rank
//! sends about twice the array in all, whatever the number of ranks. `a + b` and `b + a` are the same number, so the
//! result is that of the tree.
//!
//! Among other numbers of ranks, a rank may have several subtrees. It sends the sums of each to the ranks that add a
//! piece, and these then spread it.
//!
//! Thakur, Rabenseifner and Gropp 2005 (<https://doi.org/10.1177/1094342005051521>) describe the algorithm for any
//! order of additions, and what it costs.

use std::ops::Range;
use std::sync::Arc;

use gradus_autograd::Float;
use gradus_autograd::internal::add_assign;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Ranks;
use crate::ranks::team::Team;
use crate::ranks::tree::{self, share, subtrees};

/// A sum of arrays over ranks.
#[derive(Debug)]
pub struct ArraySum<T: Float> {
    pub(crate) team: Team,
    received: Vec<T>,
}

impl<T: Float> ArraySum<T> {
    /// A sum over ranks.
    pub fn over(ranks: &Arc<dyn Ranks>) -> Self {
        Self::new(Team::new(Arc::clone(ranks)))
    }

    /// The parts that this rank has, out of so many.
    pub fn share(&self, parts: usize) -> Range<usize> {
        share(0..parts, self.team.count(), self.team.rank())
    }

    /// The values of all ranks, in their order.
    pub fn gather<A: Serialize + DeserializeOwned>(&self, own: &A) -> Vec<A> {
        self.team.gather(own)
    }

    pub(crate) fn new(team: Team) -> Self {
        ArraySum { team, received: Vec::new() }
    }

    /// Adds up the arrays of all ranks, one for each of a rank's parts if these are `single`, else one for each of its
    /// subtrees. On each rank, the first array ends as the sum.
    pub(crate) fn add_all(&mut self, parts: usize, single: bool, mut arrays: Vec<&mut [T]>) {
        if single {
            let own = self.share(parts);
            let mut part = |range: &Range<usize>| (range.len() == 1).then(|| range.start - own.start);
            // a sum stands in the array of the first part
            let mut add = |a: usize, b: usize| {
                let (before, behind) = arrays.split_at_mut(b);
                add_assign(before[a], behind[0]);
                a
            };
            let trees = subtrees(0..parts, &own).into_iter();
            let sums: Vec<usize> = trees.map(|tree| tree::sum(tree, &mut part, &mut add)).collect();
            let mut place = 0..;
            arrays.retain(|_| place.next().is_some_and(|place| sums.contains(&place)));
        }
        self.add(parts, &mut arrays);
    }

    /// Adds up one array for each subtree of each rank. On each rank, the first array ends as the sum.
    pub fn add(&mut self, parts: usize, arrays: &mut [&mut [T]]) {
        match self.team.count().is_power_of_two() {
            true => self.halve_and_double(arrays[0]),
            false => self.send_pieces(parts, arrays),
        }
    }

    /// Adds up one array of each rank, among 2, 4, 8 … ranks.
    fn halve_and_double(&mut self, array: &mut [T]) {
        let (rank, count) = (self.team.rank(), self.team.count());
        let longest = self.received.len().max(array.len().div_ceil(2));
        self.received.resize(longest, T::default());
        let (mut range, mut halvings) = (0..array.len(), Vec::new());
        for distance in (0..count.ilog2()).map(|k| 1 << k) {
            let (partner, middle) = (rank ^ distance, range.start + range.len() / 2);
            let (lower, upper) = (range.start..middle, middle..range.end);
            let (kept, given) = if rank < partner { (lower, upper) } else { (upper, lower) };
            let received = &mut self.received[..kept.len()];
            self.team.exchange(partner, &array[given.clone()], partner, received);
            add_assign(&mut array[kept.clone()], received);
            halvings.push((partner, kept.clone(), given));
            range = kept;
        }
        for (partner, kept, given) in halvings.into_iter().rev() {
            let lower = kept.end == given.start;
            let (before, behind) = array.split_at_mut(if lower { given.start } else { kept.start });
            let (sent, received) = match lower {
                true => (&before[kept], &mut behind[..given.len()]),
                false => (&behind[..kept.len()], &mut before[given]),
            };
            self.team.exchange(partner, sent, partner, received);
        }
    }

    /// Adds up the arrays of all subtrees, among any number of ranks: each rank adds up one piece.
    fn send_pieces(&mut self, parts: usize, arrays: &mut [&mut [T]]) {
        let ArraySum { team, received: sums } = self;
        let (rank, count, len) = (team.rank(), team.count(), arrays[0].len());
        let piece = |owner: usize| owner * len / count..(owner + 1) * len / count;
        let own = piece(rank);
        // the subtrees of the ranks, one after the other, are those of the whole from left to right
        let trees = (0..count).map(|rank| subtrees(0..parts, &share(0..parts, count, rank))).collect::<Vec<_>>();
        let before = |rank: usize| trees[..rank].iter().map(Vec::len).sum::<usize>();
        let place = |tree: usize| tree * own.len()..(tree + 1) * own.len();
        let needed = before(count) * own.len();
        sums.resize(sums.len().max(needed), T::default());
        for (tree, array) in (before(rank)..).zip(arrays.iter().take(trees[rank].len())) {
            sums[place(tree)].copy_from_slice(&array[own.clone()]);
        }
        for shift in 1..count {
            let (to, from) = ((rank + shift) % count, (rank + count - shift) % count);
            let theirs = place(before(from)).start..place(before(from + 1)).start;
            match &trees[rank][..] {
                [_] => team.exchange(to, &arrays[0][piece(to)], from, &mut sums[theirs]),
                own => {
                    let sent: Vec<&[T]> = arrays[..own.len()].iter().map(|array| &array[piece(to)]).collect();
                    team.exchange(to, &sent.concat(), from, &mut sums[theirs]);
                }
            }
        }
        let known = trees.concat();
        let mut value = |range: &Range<usize>| known.iter().position(|tree| tree == range);
        // a sum stands in the place of its first subtree
        let first = tree::sum(0..parts, &mut value, &mut |a, b| {
            let (left, right) = sums.split_at_mut(place(b).start);
            add_assign(&mut left[place(a)], &right[..own.len()]);
            a
        });
        let (array, sum) = (&mut *arrays[0], &sums[place(first)]);
        array[own.clone()].copy_from_slice(sum);
        for shift in 1..count {
            let (to, from) = ((rank + shift) % count, (rank + count - shift) % count);
            team.exchange(to, sum, from, &mut array[piece(from)]);
        }
    }
}
