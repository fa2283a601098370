//! The parts of a model: numbers that outlive a tape, and the structs that hold them.

pub(crate) mod module;
pub(crate) mod param;
