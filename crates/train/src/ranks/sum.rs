//! The sum of gradients over ranks.
//!
//! First the ranks tell each other which gradients they have, which rows of a table were looked up, and how buffers
//! move. Then they add. The gradients of small parameters, and the cost before them, are one array; the gradient of a
//! large parameter is an array of its own, which is summed where it stands. Of a large table, only the rows travel that
//! were looked up on some rank.

use std::ops::Range;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use gradus_autograd::{BufferUpdate, Float, Gradients, Leaf, Module, ParamId, Visitor};
use serde::{Deserialize, Serialize};

use crate::ranks::arrays::ArraySum;
use crate::ranks::overlap::{self, Arrival, Handover, Overlap};
use crate::ranks::team::Team;

/// A number that changes no other when it is added: even −0 stays as it is. It stands for what is not there.
const NOTHING: f64 = -0.0;

/// A parameter of as many numbers travels by itself, straight from its gradient's memory; smaller ones travel together
/// in one array, because each message costs time however short it is.
const LARGE: usize = 1 << 14;

/// A parameter, and its place in the array of small ones.
#[derive(Clone, Debug)]
struct Place {
    param: ParamId,
    shape: Vec<usize>,
    /// `None` if it is large
    small: Option<Range<usize>>,
    /// whether few rows of it were looked up in the last sum; such a gradient does not travel early
    few: bool,
}

impl Place {
    /// The numbers in a row.
    fn width(&self) -> usize {
        self.shape[1..].iter().product()
    }

    /// The gradient of this parameter. If there is none, it is made of [`NOTHING`].
    fn numbers<'a, T: Float>(&self, gradients: &'a mut Gradients<T>) -> &'a mut [T] {
        let there = gradients.by_params().any(|(param, ..)| param == self.param);
        let numbers = gradients.numbers_mut(self.param, &self.shape);
        if !there {
            numbers.fill(T::from_f64(NOTHING));
        }
        numbers
    }

    /// Writes some rows of the gradient of this parameter, one after the other.
    fn pack<T: Float>(&self, gradients: &Gradients<T>, rows: &[usize], packed: &mut Vec<T>) {
        let width = self.width();
        packed.clear();
        match gradients.by_params().find(|(param, ..)| *param == self.param) {
            Some((_, numbers, _)) => rows.iter().for_each(|row| packed.extend(&numbers[row * width..][..width])),
            None => packed.resize(rows.len() * width, T::from_f64(NOTHING)),
        }
    }
}

/// The parameters whose gradients are summed over ranks, and the buffers that are updated.
#[derive(Debug)]
pub(crate) struct GradientSum<T: Float> {
    sum: ArraySum<T>,
    places: Vec<Place>,
    buffers: Vec<ParamId>,
    /// the length of the array of small parameters, with the cost before them
    len: usize,
    /// an array for each subtree, kept for the next step
    arrays: Vec<Vec<T>>,
    /// the same for the rows of a table
    packed: Vec<Vec<T>>,
    pub(crate) overlap: Overlap,
    /// an array for each large parameter and part, kept for the next step in which gradients travel early
    early: Vec<Vec<Vec<T>>>,
    begun: Instant,
    /// whether the gradients of this sum could travel early
    may_overlap: bool,
}

/// What ranks tell each other before they add.
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
    /// Adds other rows, behind these; [`sorted`](Self::sorted) orders them.
    fn add(&mut self, other: Self) {
        match (&mut *self, other) {
            (_, Rows::None) | (Rows::All, _) => {}
            (Rows::Some(rows), Rows::Some(more)) => rows.extend(more),
            (_, other) => *self = other,
        }
    }

    /// Each row once, in order.
    fn sorted(mut self) -> Self {
        if let Rows::Some(rows) = &mut self {
            rows.sort_unstable();
            rows.dedup();
        }
        self
    }
}

fn slices<T>(arrays: &mut [Vec<T>]) -> Vec<&mut [T]> {
    arrays.iter_mut().map(Vec::as_mut_slice).collect()
}

impl<T: Float> GradientSum<T> {
    pub(crate) fn new<M: Module<T> + ?Sized>(team: Team, model: &M) -> Self {
        let (mut places, mut buffers) = (Vec::new(), Vec::new());
        let mut len = 1; // the cost stands first
        model.visit(&mut Visitor::new(&mut |_, leaf| match leaf {
            Leaf::Param(param) => {
                let small = (param.len() < LARGE).then(|| len..len + param.len());
                len = small.as_ref().map_or(len, |range| range.end);
                places.push(Place { param: param.id(), shape: param.shape().to_vec(), small, few: false });
            }
            Leaf::Buffer(buffer) => buffers.push(buffer.id()),
        }));
        GradientSum {
            sum: ArraySum::new(team),
            places,
            buffers,
            len,
            arrays: Vec::new(),
            packed: Vec::new(),
            overlap: Overlap::NEW,
            early: Vec::new(),
            begun: Instant::now(),
            may_overlap: false,
        }
    }

    pub(crate) fn team(&self) -> &Team {
        &self.sum.team
    }

    /// Begins a sum of parts, on so many tapes. Returns whether its gradients are to travel while the sweep goes on.
    pub(crate) fn begin(&mut self, parts: usize, tapes: usize) -> bool {
        self.begun = Instant::now();
        // a rank without a part has nothing to hand over; if parts wait for a tape, their gradients come too late
        let ranks = self.team().count();
        self.may_overlap = ranks > 1 && parts >= ranks && parts <= tapes && self.large().next().is_some();
        self.may_overlap && self.overlap.is_next()
    }

    /// The large parameters whose gradients are summed whole.
    fn large(&self) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(|place| place.small.is_none() && !place.few)
    }

    /// The ways by which this rank's parts hand over their large gradients, and the end of them all.
    pub(crate) fn handovers(&mut self, parts: usize) -> (Vec<Handover<T>>, Receiver<Arrival<T>>) {
        let (to, arrivals) = channel();
        let own = self.share(parts).len();
        let mut early = std::mem::take(&mut self.early);
        early.resize_with(self.large().count(), Vec::new);
        let handover = |part| {
            let memory = |(place, arrays): (&Place, &mut Vec<Vec<T>>)| {
                let mut numbers = arrays.pop().unwrap_or_default();
                numbers.resize(place.shape.iter().product(), T::default());
                (place.param, Some(numbers))
            };
            Handover::new(part, self.large().zip(&mut early).map(memory).collect(), to.clone())
        };
        ((0..own).map(handover).collect(), arrivals)
    }

    /// Adds up the large gradients as they arrive. `None` if a worker panics.
    pub(crate) fn receive(&mut self, parts: usize, arrivals: &Receiver<Arrival<T>>) -> Option<Vec<Vec<Vec<T>>>> {
        let (own, large) = (self.share(parts), self.large().count());
        overlap::collect((own.len(), large), arrivals, T::from_f64(NOTHING), |arrays| {
            self.sum.add_all(parts, true, slices(arrays));
        })
    }

    /// The parts that this rank has, out of so many.
    pub(crate) fn share(&self, parts: usize) -> Range<usize> {
        self.sum.share(parts)
    }

    /// Adds up the costs and the gradients of `parts` parts. `own` are the sums of this rank's subtrees; if large
    /// gradients were [received](Self::receive), they are given, and `own` are the single parts. `extra` is anything
    /// that all ranks are told. Returns the sum, and the extras of all ranks.
    #[track_caller]
    pub(crate) fn add_up(
        &mut self,
        parts: usize,
        mut own: Vec<(T, Gradients<T>)>,
        early: Option<Vec<Vec<Vec<T>>>>,
        extra: Vec<u8>,
    ) -> (T, Gradients<T>, Vec<Vec<u8>>) {
        if own.is_empty() {
            own.push((T::from_f64(NOTHING), Gradients::empty())); // this rank has no part
        }
        let mut rest = Rest { rows: vec![Rows::None; self.places.len()], updates: Vec::new(), extra };
        let mut arrays = std::mem::take(&mut self.arrays);
        arrays.resize_with(own.len(), Vec::new);
        for (array, (cost, gradients)) in arrays.iter_mut().zip(&mut own) {
            array.resize(self.len, T::default());
            array[0] = *cost;
            self.prepare(gradients, array, &mut rest.rows);
            for BufferUpdate { buffer, rate, value } in gradients.take_updates() {
                if let Some(number) = self.buffers.iter().position(|id| *id == buffer) {
                    rest.updates.push((number, rate, value));
                }
            }
        }
        let (mut extras, mut rows, mut updates) = (Vec::new(), vec![Rows::None; self.places.len()], Vec::new());
        for rest in self.team().gather(&rest) {
            rows.iter_mut().zip(rest.rows).for_each(|(rows, more)| rows.add(more));
            updates.extend(rest.updates);
            extras.push(rest.extra);
        }
        let (rows, single) = (rows.into_iter().map(Rows::sorted).collect::<Vec<_>>(), early.is_some());
        self.sum.add_all(parts, single, slices(&mut arrays));
        self.add_large(parts, single, &mut own, &rows, early.iter().flatten());
        (self.arrays, self.early) = (arrays, early.unwrap_or_default());
        if self.may_overlap && self.overlap.is_trying() {
            let seconds = self.team().gather(&self.begun.elapsed().as_secs_f64());
            self.overlap.note(seconds.into_iter().fold(0.0, f64::max));
        }
        let (_, mut result) = own.swap_remove(0); // its memory took the sum
        for (buffer, rate, value) in updates {
            result.push_update(BufferUpdate { buffer: self.buffers[buffer], rate, value });
        }
        for (Place { param, shape, small, .. }, rows) in self.places.iter().zip(rows) {
            let rows = match rows {
                Rows::None => {
                    result.remove(*param);
                    continue;
                }
                Rows::All => None,
                Rows::Some(rows) => Some(rows),
            };
            if let Some(range) = small {
                result.numbers_mut(*param, shape).copy_from_slice(&self.arrays[0][range.clone()]);
            }
            result.set_rows(*param, rows);
        }
        (self.arrays[0][0], result, extras)
    }

    /// Adds up the gradients of large parameters. Each sum ends in the first of `own`. `early` has those that travelled
    /// early; then `own` are single parts, and else the sums of subtrees.
    fn add_large<'a>(
        &mut self,
        parts: usize,
        single: bool,
        own: &mut [(T, Gradients<T>)],
        rows: &[Rows],
        mut early: impl Iterator<Item = &'a Vec<Vec<T>>>,
    ) {
        let GradientSum { sum, places, packed, .. } = self;
        for (place, rows) in places.iter_mut().zip(rows).filter(|(place, _)| place.small.is_none()) {
            let travelled = if place.few { None } else { early.next() };
            let few = match rows {
                Rows::None => continue,
                Rows::Some(rows) if 2 * rows.len() <= place.shape[0] => Some(rows),
                Rows::Some(_) | Rows::All => None,
            };
            place.few = few.is_some();
            match (travelled, few) {
                (Some(arrays), _) => place.numbers(&mut own[0].1).copy_from_slice(&arrays[0]),
                (None, None) => {
                    let numbers = own.iter_mut().map(|(_, own)| place.numbers(own));
                    sum.add_all(parts, single, numbers.collect());
                }
                (None, Some(rows)) => {
                    packed.resize_with(own.len(), Vec::new);
                    packed.iter_mut().zip(&*own).for_each(|(packed, (_, own))| place.pack(own, rows, packed));
                    sum.add_all(parts, single, slices(packed));
                    let (width, numbers) = (place.width(), own[0].1.numbers_mut(place.param, &place.shape));
                    for (row, sum) in rows.iter().zip(packed[0].chunks_exact(width)) {
                        numbers[row * width..][..width].copy_from_slice(sum);
                    }
                }
            }
        }
    }

    /// Writes small gradients into the array, and [`NOTHING`] for those that are not there. Notes the rows of all.
    #[track_caller]
    fn prepare(&self, gradients: &Gradients<T>, array: &mut [T], rows: &mut [Rows]) {
        let (mut next, mut there) = (0, vec![false; self.places.len()]);
        for (param, numbers, few) in gradients.by_params() {
            // both are mostly in the same order: search on from the place found last
            let place = (next..self.places.len()).chain(0..next).find(|&i| self.places[i].param == param);
            let place = place.expect("the gradients belong to parameters of the model that the shards were made for");
            (next, there[place]) = (place + 1, true);
            if let Some(range) = &self.places[place].small {
                array[range.clone()].copy_from_slice(numbers);
            }
            let own = few.map_or(Rows::All, |rows| Rows::Some(rows.to_vec()));
            rows[place].add(own);
        }
        for (place, _) in self.places.iter().zip(there).filter(|(_, there)| !there) {
            if let Some(range) = &place.small {
                array[range.clone()].fill(T::from_f64(NOTHING));
            }
        }
    }
}
