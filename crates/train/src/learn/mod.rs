//! Tasks, and the measurement of what a model has learned.

pub(crate) mod confusion;
pub(crate) mod evaluate;
pub(crate) mod metrics;
pub(crate) mod neighbours;
pub(crate) mod seen;
pub(crate) mod task;
