//! What is learned, and how it is measured.

pub(crate) mod confusion;
pub(crate) mod evaluate;
pub(crate) mod metrics;
pub(crate) mod task;
