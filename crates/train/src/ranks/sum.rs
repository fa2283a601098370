//! The sum of gradients over ranks.
//!
//! The gradients of small parameters, and the cost before them, are one array; the gradient of a large parameter is an
//! array of its own, which is summed where it stands. What else belongs to gradients, the ranks tell each other
//! afterwards: which rows of a table were looked up, and how buffers move.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use gradus_autograd::{BufferUpdate, Float, Gradients, Leaf, Module, ParamId, Visitor};
use serde::{Deserialize, Serialize};

use crate::ranks::arrays::ArraySum;
use crate::ranks::overlap::{self, Arrival, Handover, Overlap, within};
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
    pub(crate) overlap: Overlap,
    /// an array for each large parameter and part, kept for the next step in which gradients travel early
    early: Vec<Vec<Vec<T>>>,
    begun: Instant,
    /// whether the gradients of this sum could travel early
    may_overlap: bool,
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
    /// the seconds that the sum took so far
    seconds: f64,
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

/// The arrays at some places, in order.
fn at<'a, T>(arrays: &'a mut [Vec<T>], places: &[usize]) -> Vec<&'a mut [T]> {
    let chosen = arrays.iter_mut().enumerate().filter(|(place, _)| places.contains(place));
    chosen.map(|(_, array)| array.as_mut_slice()).collect()
}

impl<T: Float> GradientSum<T> {
    pub(crate) fn new<M: Module<T> + ?Sized>(team: Team, model: &M) -> Self {
        let (mut places, mut buffers) = (Vec::new(), Vec::new());
        let mut len = 1; // the cost stands first
        model.visit(&mut Visitor::new(&mut |_, leaf| match leaf {
            Leaf::Param(param) => {
                let small = (param.len() < LARGE).then(|| len..len + param.len());
                len = small.as_ref().map_or(len, |range| range.end);
                places.push(Place { param: param.id(), shape: param.shape().to_vec(), small });
            }
            Leaf::Buffer(buffer) => buffers.push(buffer.id()),
        }));
        GradientSum {
            sum: ArraySum::new(team),
            places,
            buffers,
            len,
            arrays: Vec::new(),
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

    fn large(&self) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(|place| place.small.is_none())
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
            let sums = within(parts, &own, arrays);
            self.sum.add(parts, &mut at(arrays, &sums));
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
        let mut rest = Rest { rows: vec![Rows::None; self.places.len()], updates: Vec::new(), extra, seconds: 0.0 };
        let mut arrays = std::mem::take(&mut self.arrays);
        arrays.resize_with(own.len(), Vec::new);
        for (array, (cost, gradients)) in arrays.iter_mut().zip(&mut own) {
            array.resize(self.len, T::default());
            array[0] = *cost;
            self.prepare(gradients, array, &mut rest.rows, early.is_none());
            for BufferUpdate { buffer, rate, value } in gradients.take_updates() {
                if let Some(number) = self.buffers.iter().position(|id| *id == buffer) {
                    rest.updates.push((number, rate, value));
                }
            }
        }
        let sums = match early {
            None => (0..own.len()).collect(),
            Some(_) => within(parts, &self.share(parts), &mut arrays),
        };
        self.sum.add(parts, &mut at(&mut arrays, &sums));
        let places = std::mem::take(&mut self.places);
        let large = places.iter().filter(|place| place.small.is_none());
        for (number, Place { param, shape, .. }) in large.enumerate() {
            let mut numbers = own.iter_mut().map(|(_, gradients)| gradients.numbers_mut(*param, shape));
            match &early {
                None => self.sum.add(parts, &mut numbers.collect::<Vec<_>>()),
                Some(early) => numbers.next().expect("there is a part").copy_from_slice(&early[number][0]),
            }
        }
        self.early = early.unwrap_or_default();
        rest.seconds = self.begun.elapsed().as_secs_f64();
        let all = self.team().gather(&rest);
        if self.may_overlap {
            self.overlap.note(all.iter().map(|rest| rest.seconds).fold(0.0, f64::max));
        }
        let (_, mut result) = own.swap_remove(0); // its memory took the sum
        let (mut extras, mut rows) = (Vec::new(), vec![Rows::None; places.len()]);
        for rest in all {
            rows = rows.into_iter().zip(rest.rows).map(|(a, b)| a.and(b)).collect();
            for (number, rate, value) in rest.updates {
                result.push_update(BufferUpdate { buffer: self.buffers[number], rate, value });
            }
            extras.push(rest.extra);
        }
        for (Place { param, shape, small }, rows) in places.iter().zip(rows) {
            let rows = match rows {
                Rows::None => {
                    result.remove(*param);
                    continue;
                }
                Rows::All => None,
                Rows::Some(rows) => Some(rows),
            };
            if let Some(range) = small {
                result.numbers_mut(*param, shape).copy_from_slice(&arrays[0][range.clone()]);
            }
            result.set_rows(*param, rows);
        }
        let cost = arrays[0][0];
        (self.arrays, self.places) = (arrays, places);
        (cost, result, extras)
    }

    /// Writes small gradients into the array, and [`NOTHING`] for gradients that are not there, for those of large
    /// parameters if they are needed.
    #[track_caller]
    fn prepare(&self, gradients: &mut Gradients<T>, array: &mut [T], rows: &mut [Rows], large: bool) {
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
            rows[place] = std::mem::replace(&mut rows[place], Rows::None).and(own);
        }
        for (Place { param, shape, small }, _) in self.places.iter().zip(there).filter(|(_, there)| !there) {
            let numbers = match small {
                Some(range) => &mut array[range.clone()],
                None if large => gradients.numbers_mut(*param, shape),
                None => continue,
            };
            numbers.fill(T::from_f64(NOTHING));
        }
    }
}
