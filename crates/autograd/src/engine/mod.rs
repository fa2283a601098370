//! The engine: a tape records operations, and a sweep goes back over them.
//!
//! To read it: `tape.rs` (the record), `var.rs` (its handles), `operation.rs` (what an operation is), `sweep.rs` (the
//! chain rule) and `gradients.rs` (what a sweep returns). A learner can stop there. The other files are about:
//!
//! - the kinds of tensors that rules compute with: `tensor.rs`, `value.rs` and `array_rules.rs`, `dual_value.rs`;
//! - how a user asks: `modes.rs`, `step.rs`, `differentiate.rs`, `operand.rs`, `buffer_update.rs`;
//! - what the sweep calls: `erased.rs` (operations whose types the tape has forgotten), `workspace.rs` (memory that is
//!   used again), `watch.rs` (what looks at a sweep), `transpose.rs` (a rule that is derived from another).

mod array_rules;
mod buffer_update;
pub(crate) mod differentiate;
pub(crate) mod dual_value;
pub(crate) mod erased;
pub(crate) mod gradients;
mod modes;
pub(crate) mod operand;
pub(crate) mod operation;
pub(crate) mod step;
pub(crate) mod sweep;
pub(crate) mod tape;
pub(crate) mod tensor;
mod transpose;
pub(crate) mod value;
pub(crate) mod var;
mod watch;
pub(crate) mod workspace;
