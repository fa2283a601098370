//! What is saved: checkpoints of a run, models, and other libraries' files. `container.rs` is the format of our own,
//! `leaves.rs` a model's numbers by path.

pub(crate) mod checkpoint;
pub(crate) mod container;
pub(crate) mod leaves;
pub(crate) mod model_file;
mod safetensors_file;
