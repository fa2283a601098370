//! The cost along single numbers of the leaves: what a gradient is the slope of.

use ndarray::ArrayD;
use serde::{Deserialize, Serialize};

use crate::engine::value::ValueContext;
use crate::memory::Pool;
use crate::tools::replay::{moved, rerun, steps_behind};
use crate::tools::trace::floats;
use crate::{Float, Tape};

/// The cost along one number of a leaf, while all other numbers stay where they are.
///
/// It is computed by running the tape again with the number moved, see [`Tape::replay`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slope {
    /// the leaf's step
    pub step: u32,
    /// which number of the leaf, row by row
    pub entry: usize,
    /// the number
    #[serde(with = "floats::one")]
    pub value: f64,
    /// the gradient of the cost by the number
    #[serde(with = "floats::one")]
    pub gradient: f64,
    /// the difference quotient of the cost, `(f(x + h) − f(x − h)) / 2h` with `h = 4 √ε · max(1, |x|)`, where ε is the
    /// distance from 1 to the next number of the type: so small that few kinks lie within it
    #[serde(with = "floats::one")]
    pub difference: f64,
    /// numbers from `x − max(1, |x|)` to `x + max(1, |x|)`
    #[serde(with = "floats::many")]
    pub at: Vec<f64>,
    /// the cost at each of them
    #[serde(with = "floats::many")]
    pub costs: Vec<f64>,
}

/// Points on each side of the number.
const SIDE: usize = 20;
/// All numbers of leaves of up to this many are moved; of larger ones, the `LARGEST` with the largest gradients.
const ALL: usize = 16;
const LARGEST: usize = 4;
/// Numbers that all runs together may compute.
const BUDGET: usize = 300_000_000;
/// How many numbers of leaves are moved at most.
const MOST: usize = 64;

/// The cost along numbers of the leaves, given with their gradients, as long as the budget allows it. `work` is how
/// many numbers the tape computes.
pub(super) fn slopes<T: Float>(tape: &Tape<T>, cost: u32, work: usize, leaves: &[(u32, ArrayD<T>)]) -> Vec<Slope> {
    let (pool, nodes) = (Pool::new(), &tape.nodes().frozen());
    let context = ValueContext::new(nodes, &pool);
    let steps = steps_behind(tape, cost);
    let runs = BUDGET / ((2 * SIDE + 3) * work.max(1));
    let entries = leaves.iter().flat_map(|(leaf, gradient)| {
        let gradient: Vec<f64> = gradient.iter().map(|g| g.to_f64()).collect();
        entries(&gradient).into_iter().map(move |entry| (*leaf, entry, gradient[entry]))
    });
    let slope = |(leaf, entry, gradient): (u32, usize, f64)| {
        let numbers = nodes.node(leaf).value.data();
        let at = |x: f64| {
            let mut values = vec![None; cost as usize + 1];
            values[leaf as usize] = Some(moved(context, leaf, |out| {
                out.copy_from_slice(numbers);
                out[entry] = T::from_f64(x);
            }));
            rerun(tape, context, &steps, values).view().data()[0].to_f64()
        };
        let value = numbers[entry].to_f64();
        let reach = value.abs().max(1.0);
        let h = 4.0 * T::EPSILON.sqrt() * reach;
        let around: Vec<f64> = (0..=2 * SIDE).map(|i| value + reach * (i as f64 / SIDE as f64 - 1.0)).collect();
        let costs = around.iter().map(|&x| at(x)).collect();
        // the numbers that the type can hold
        let [above, below] = [value + h, value - h].map(|x| T::from_f64(x).to_f64());
        let difference = (at(above) - at(below)) / (above - below);
        Slope { step: leaf, entry, value, gradient, difference, at: around, costs }
    };
    entries.take(MOST.min(runs)).map(slope).collect()
}

/// Which numbers of a leaf are moved.
fn entries(gradient: &[f64]) -> Vec<usize> {
    let mut entries: Vec<usize> = (0..gradient.len()).collect();
    if entries.len() > ALL {
        entries.sort_by(|&a, &b| gradient[b].abs().total_cmp(&gradient[a].abs()));
        entries.truncate(LARGEST);
        entries.sort_unstable();
    }
    entries
}
