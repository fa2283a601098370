//! What a model is made of: numbers that outlive a tape, and the structs that hold them.

pub(crate) mod module;
pub(crate) mod param;
