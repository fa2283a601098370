//! Types that wrap an optimizer, or are used beside it: averages of gradients, of weights, of samples.

mod accumulate;
mod average;
mod lookahead;
mod saga;
mod sam;
mod weights;

pub use accumulate::Accumulator;
pub use average::{Averaged, AveragedState, WeightAverage};
pub use lookahead::{Lookahead, LookaheadState};
pub use saga::{Sag, Saga, SampleAverage, SampleAverageState};
pub use sam::Sam;
pub use weights::Weights;
pub(crate) use weights::{of_these_parameters, same_parameters};

/// The methods that a [`Descent`](crate::Descent) around another one passes on to its field `inner`.
macro_rules! inner {
    () => {
        fn set_term(&mut self, term: usize) {
            self.inner.set_term(term);
        }
        fn terms(&self) -> Option<usize> {
            self.inner.terms()
        }
        fn last_norm(&self) -> Option<f64> {
            self.inner.last_norm()
        }
        fn set_spread(&mut self, spread: std::sync::Arc<dyn crate::Spread<T>>) -> bool {
            self.inner.set_spread(spread)
        }
        fn is_spread(&self) -> bool {
            self.inner.is_spread()
        }
        fn steps(&self) -> u64 {
            self.inner.steps()
        }
        fn lr(&self) -> f64 {
            self.inner.lr()
        }
        fn set_factor(&mut self, factor: f64) {
            self.inner.set_factor(factor);
        }
        fn set_schedule(&mut self, schedule: Schedule) {
            self.inner.set_schedule(schedule);
        }
    };
}
use inner;
