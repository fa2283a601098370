//! Files: checkpoints of a run, saved models, and the files of other libraries. `container.rs` has the format of our
//! own, `leaves.rs` the numbers of a model by path.

pub(crate) mod checkpoint;
pub(crate) mod container;
pub(crate) mod leaves;
pub(crate) mod model_file;
mod safetensors_file;
