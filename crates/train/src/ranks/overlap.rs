//! Gradients that travel while the sweep goes on.
//!
//! A sweep finishes the last layers first. The workers that compute the parts hand over each large gradient as soon as
//! it is complete, and the thread that waits for them adds it up over ranks meanwhile. So messages hide behind
//! computation. It costs two copies of each gradient, and a thread that waits for messages, so whether it pays depends
//! on the network and the processors: both ways are tried, and the faster one is kept.
//!
//! The order of the additions is the same as without it, and so is every bit of the sum.

use std::sync::mpsc::{Receiver, Sender};

use gradus_autograd::{Float, ParamId};

/// How often each way is tried before the faster one is kept.
const TRIES: u32 = 4;

/// Whether gradients travel while the sweep goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Overlap {
    /// both ways are tried, first without it: the number of sums so far, and the least seconds of a sum either way
    Trying {
        sums: u32,
        least: [f64; 2],
    },
    Yes,
    No,
}

impl Overlap {
    pub(crate) const NEW: Self = Overlap::Trying { sums: 0, least: [f64::INFINITY; 2] };

    /// Whether the next sum is computed this way.
    pub(crate) fn is_next(self) -> bool {
        match self {
            Overlap::Trying { sums, .. } => sums >= TRIES,
            known => known == Overlap::Yes,
        }
    }

    /// Whether both ways are still tried.
    pub(crate) fn is_trying(self) -> bool {
        matches!(self, Overlap::Trying { .. })
    }

    /// Notes how many seconds a sum took, on the slowest rank. All ranks note the same.
    pub(crate) fn note(&mut self, seconds: f64) {
        if let Overlap::Trying { sums, least } = self {
            // the first sum of either way also waits for memory
            if *sums % TRIES > 0 {
                let way = &mut least[(*sums / TRIES) as usize];
                *way = way.min(seconds);
            }
            *sums += 1;
            if *sums == 2 * TRIES {
                *self = if least[1] < least[0] { Overlap::Yes } else { Overlap::No };
            }
        }
    }
}

/// A large gradient of a part, or the end of its sweep.
pub(crate) enum Arrival<T> {
    Gradient { part: usize, large: usize, numbers: Vec<T> },
    End { part: usize, rest: Vec<Option<Vec<T>>> },
}

/// The way of a part's gradients to the thread that adds them up.
pub(crate) struct Handover<T> {
    part: usize,
    /// the large parameters, each with memory for its gradient until it is handed over
    large: Vec<(ParamId, Option<Vec<T>>)>,
    to: Sender<Arrival<T>>,
}

impl<T: Float> Handover<T> {
    pub(crate) fn new(part: usize, large: Vec<(ParamId, Option<Vec<T>>)>, to: Sender<Arrival<T>>) -> Self {
        Handover { part, large, to }
    }

    /// Hands over a gradient, if it is that of a large parameter.
    pub(crate) fn gradient(&mut self, param: ParamId, gradient: &[T]) {
        let place = self.large.iter().position(|(large, _)| *large == param);
        if let Some((large, mut numbers)) = place.and_then(|place| Some((place, self.large[place].1.take()?))) {
            numbers.copy_from_slice(gradient);
            // if nobody receives, the other thread has panicked, and this one ends with it
            let _ = self.to.send(Arrival::Gradient { part: self.part, large, numbers });
        }
    }

    /// Says that there are no more gradients.
    pub(crate) fn end(self) {
        let rest = self.large.into_iter().map(|(_, numbers)| numbers).collect();
        let _ = self.to.send(Arrival::End { part: self.part, rest });
    }
}

/// Collects the large gradients of a run of parts as they arrive, the last parameters first, and calls `add` with each
/// parameter's arrays. Returns all arrays, or `None` if a worker panics.
pub(crate) fn collect<T: Float>(
    (parts, large): (usize, usize),
    arrivals: &Receiver<Arrival<T>>,
    nothing: T,
    mut add: impl FnMut(&mut [Vec<T>]),
) -> Option<Vec<Vec<Vec<T>>>> {
    let mut there: Vec<Vec<Option<Vec<T>>>> = (0..large).map(|_| (0..parts).map(|_| None).collect()).collect();
    let mut complete = Vec::new();
    for param in (0..large).rev() {
        while there[param].iter().any(Option::is_none) {
            match arrivals.recv().ok()? {
                Arrival::Gradient { part, large, numbers } => there[large][part] = Some(numbers),
                Arrival::End { part, rest } => {
                    for (large, numbers) in rest.into_iter().enumerate() {
                        if let Some(mut numbers) = numbers {
                            numbers.fill(nothing); // the sweep did not come to this parameter
                            there[large][part] = Some(numbers);
                        }
                    }
                }
            }
        }
        let mut arrays: Vec<Vec<T>> = there[param].iter_mut().filter_map(Option::take).collect();
        add(&mut arrays);
        complete.push(arrays);
    }
    complete.reverse();
    Some(complete)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_are_tried_and_the_faster_one_is_kept() {
        let after = |seconds: [f64; 8]| {
            let mut overlap = Overlap::NEW;
            for (sum, seconds) in seconds.into_iter().enumerate() {
                assert_eq!(overlap.is_next(), sum >= 4);
                overlap.note(seconds);
            }
            overlap.note(0.0);
            overlap
        };
        assert_eq!(after([0.1, 4.0, 3.0, 5.0, 9.0, 2.0, 6.0, 6.0]), Overlap::Yes);
        assert_eq!(after([9.0, 4.0, 3.0, 5.0, 0.1, 5.0, 4.0, 3.5]), Overlap::No);
    }
}
