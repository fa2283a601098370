//! The sum of gradients over ranks, in the order of the tree (see `tree.rs`).
//!
//! The gradients of all parameters, and the cost before them, are one long array. Among 2, 4, 8 … ranks it is summed by
//! *recursive halving and doubling*. Rank `r` first meets rank `r ± 1`, its neighbour in the tree: each keeps one half of
//! the array and gets the other's numbers for it, so both halves of their two sums are added, in one place each. Then
//! it meets `r ± 2` over a quarter of the array, and so on. In the end every rank has the whole sum for one piece of the
//! array, and the same meetings in reverse spread the pieces. A rank sends about twice the array in all, whatever the
//! number of ranks. `a + b` and `b + a` are the same number, so the result is that of the tree.
//!
//! Among other numbers of ranks, a rank may have several subtrees. It sends the sums of each to the ranks that add a
//! piece, and these then spread it.
//!
//! Rabenseifner 2004 (<https://doi.org/10.1007/978-3-540-24685-5_1>) describes the algorithm with distances that halve,
//! for any order of additions.

use std::collections::BTreeSet;
use std::ops::Range;

use gradus_autograd::internal::add_assign;
use gradus_autograd::{BufferUpdate, Float, Gradients, Leaf, Module, ParamId, Visitor};
use serde::{Deserialize, Serialize};

use crate::ranks::team::Team;
use crate::ranks::tree::{self, share, subtrees};

/// A number that changes no other when it is added: even −0 stays as it is. It stands for what is not there.
const NOTHING: f64 = -0.0;

/// A parameter's place in the array.
#[derive(Clone, Debug)]
struct Place {
    param: ParamId,
    shape: Vec<usize>,
    range: Range<usize>,
}

/// The array that is summed over ranks, and the parameters and buffers in it.
#[derive(Debug)]
pub(crate) struct GradientSum<T: Float> {
    pub(crate) team: Team,
    places: Vec<Place>,
    buffers: Vec<ParamId>,
    len: usize,
    /// an array for each subtree, kept for the next step
    arrays: Vec<Vec<T>>,
    received: Vec<T>,
}

/// What ranks tell each other beside the array.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
struct Rest<T: Float> {
    /// the rows of each parameter's gradient that may hold other numbers than 0
    rows: Vec<Rows>,
    /// the updates of buffers: the number of the buffer, the rate, the value
    updates: Vec<(usize, f64, Vec<T>)>,
    extra: Vec<u8>,
}

/// The rows of a gradient that may hold other numbers than 0.
#[derive(Clone, Serialize, Deserialize)]
enum Rows {
    /// there is no gradient
    None,
    Some(Vec<usize>),
    All,
}

impl Rows {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Rows::None, rows) | (rows, Rows::None) => rows,
            (Rows::All, _) | (_, Rows::All) => Rows::All,
            (Rows::Some(a), Rows::Some(b)) => {
                Rows::Some(a.into_iter().chain(b).collect::<BTreeSet<_>>().into_iter().collect())
            }
        }
    }
}

impl<T: Float> GradientSum<T> {
    pub(crate) fn new<M: Module<T> + ?Sized>(team: Team, model: &M) -> Self {
        let (mut places, mut buffers) = (Vec::new(), Vec::new());
        let mut len = 1; // the cost stands first
        model.visit(&mut Visitor::new(&mut |_, leaf| match leaf {
            Leaf::Param(param) => {
                let range = len..len + param.len();
                len = range.end;
                places.push(Place { param: param.id(), shape: param.shape().to_vec(), range });
            }
            Leaf::Buffer(buffer) => buffers.push(buffer.id()),
        }));
        GradientSum { team, places, buffers, len, arrays: Vec::new(), received: Vec::new() }
    }

    /// The parts that this rank has, out of so many.
    pub(crate) fn share(&self, parts: usize) -> Range<usize> {
        share(0..parts, self.team.count(), self.team.rank())
    }

    /// Adds up the costs and the gradients of `parts` parts: `own` are the sums of this rank's subtrees, `extra`
    /// anything that all ranks are told. Returns the sum, and the extras of all ranks.
    #[track_caller]
    pub(crate) fn add_up(
        &mut self,
        parts: usize,
        own: Vec<(T, Gradients<T>)>,
        extra: Vec<u8>,
    ) -> (T, Gradients<T>, Vec<Vec<u8>>) {
        let mut rest = Rest { rows: vec![Rows::None; self.places.len()], updates: Vec::new(), extra };
        let mut arrays = std::mem::take(&mut self.arrays);
        arrays.resize_with(own.len().max(1), Vec::new);
        arrays.iter_mut().for_each(|array| array.resize(self.len, T::from_f64(NOTHING)));
        let mut result = None;
        for (array, (cost, mut gradients)) in arrays.iter_mut().zip(own) {
            array[0] = cost;
            self.write(&gradients, array, &mut rest.rows);
            for BufferUpdate { buffer, rate, value } in gradients.take_updates() {
                if let Some(number) = self.buffers.iter().position(|id| *id == buffer) {
                    rest.updates.push((number, rate, value));
                }
            }
            result.get_or_insert(gradients); // its memory takes the sum
        }
        if result.is_none() {
            arrays[0].fill(T::from_f64(NOTHING)); // this rank has no part
        }
        if self.team.count().is_power_of_two() {
            self.halve_and_double(&mut arrays[0]);
        } else {
            self.send_pieces(parts, &mut arrays);
        }
        let all = self.team.gather(&rest);
        let mut result = result.unwrap_or_else(Gradients::empty);
        let (mut extras, mut rows) = (Vec::new(), vec![Rows::None; self.places.len()]);
        for rest in all {
            rows = rows.into_iter().zip(rest.rows).map(|(a, b)| a.and(b)).collect();
            for (number, rate, value) in rest.updates {
                result.push_update(BufferUpdate { buffer: self.buffers[number], rate, value });
            }
            extras.push(rest.extra);
        }
        for (Place { param, shape, range }, rows) in self.places.iter().zip(rows) {
            let rows = match rows {
                Rows::None => continue,
                Rows::All => None,
                Rows::Some(rows) => Some(rows),
            };
            result.set_by_id(*param, shape, rows, |numbers| numbers.copy_from_slice(&arrays[0][range.clone()]));
        }
        let cost = arrays[0][0];
        self.arrays = arrays;
        (cost, result, extras)
    }

    /// Writes gradients into the array.
    #[track_caller]
    fn write(&self, gradients: &Gradients<T>, array: &mut [T], rows: &mut [Rows]) {
        let (mut next, mut written) = (0, BTreeSet::new());
        for (param, numbers, few) in gradients.by_params() {
            // both are mostly in the same order: search on from the place found last
            let place = (next..self.places.len()).chain(0..next).find(|&i| self.places[i].param == param);
            let place = place.expect("the gradients belong to parameters of the model that the shards were made for");
            next = place + 1;
            written.insert(place);
            array[self.places[place].range.clone()].copy_from_slice(numbers);
            let own = few.map_or(Rows::All, |rows| Rows::Some(rows.to_vec()));
            rows[place] = std::mem::replace(&mut rows[place], Rows::None).and(own);
        }
        for (place, Place { range, .. }) in self.places.iter().enumerate() {
            if !written.contains(&place) {
                array[range.clone()].fill(T::from_f64(NOTHING));
            }
        }
    }

    /// Adds up one array of each rank, among 2, 4, 8 … ranks. Each ends with the sum.
    fn halve_and_double(&mut self, array: &mut [T]) {
        let (rank, count) = (self.team.rank(), self.team.count());
        self.received.resize(self.len.div_ceil(2), T::default());
        let (mut range, mut halvings) = (0..array.len(), Vec::new());
        let distances = (0..count.ilog2()).map(|k| 1 << k);
        for distance in distances {
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

    /// Adds up the arrays of all subtrees, among any number of ranks: each rank adds up one piece. The first array ends
    /// as the sum.
    fn send_pieces(&mut self, parts: usize, arrays: &mut [Vec<T>]) {
        let (rank, count, len) = (self.team.rank(), self.team.count(), self.len);
        let piece = |owner: usize| owner * len / count..(owner + 1) * len / count;
        let trees = |rank: usize| subtrees(0..parts, &share(0..parts, count, rank));
        let own = piece(rank);
        let part_of = |arrays: &[Vec<T>], piece: &Range<usize>, trees: usize| -> Vec<T> {
            arrays[..trees].iter().flat_map(|array| &array[piece.clone()]).copied().collect()
        };
        let mut known = Vec::new();
        for shift in 0..count {
            let (to, from) = ((rank + shift) % count, (rank + count - shift) % count);
            let sent = part_of(arrays, &piece(to), trees(rank).len());
            let theirs = trees(from);
            let mut received = vec![T::default(); theirs.len() * own.len()];
            if shift == 0 {
                received = sent;
            } else {
                self.team.exchange(to, &sent, from, &mut received);
            }
            let each = |(k, tree): (usize, Range<usize>)| (tree, received[k * own.len()..][..own.len()].to_vec());
            known.extend(theirs.into_iter().enumerate().map(each));
        }
        let mut value = |range: &Range<usize>| {
            known.iter_mut().find(|(tree, _)| tree == range).map(|(_, numbers)| std::mem::take(numbers))
        };
        let sum = tree::sum(0..parts, &mut value, &mut |mut a, b| {
            add_assign(&mut a, &b);
            a
        });
        let array = &mut arrays[0];
        array[own.clone()].copy_from_slice(&sum);
        for shift in 1..count {
            let (to, from) = ((rank + shift) % count, (rank + count - shift) % count);
            self.team.exchange(to, &sum, from, &mut array[piece(from)]);
        }
    }
}
