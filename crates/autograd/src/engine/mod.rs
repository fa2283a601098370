//! The engine: a tape records operations, and a sweep goes back over them.
//!
//! Start with `tape.rs` (the record), `var.rs` (its handles), `operation.rs` (the definition of an operation),
//! `sweep.rs` (the chain rule) and `gradients.rs` (the result of a sweep). A learner can stop there. The other files
//! are about:
//!
//! - the kinds of tensors that rules compute with: `tensor.rs`, `value.rs` and `array_rules.rs`, `dual_value.rs`;
//! - the methods and arguments that a user meets: `modes.rs`, `step.rs`, `differentiate.rs`, `operand.rs`,
//!   `buffer_update.rs`;
//! - the parts that a sweep uses: `erased.rs` (operations without their types), `workspace.rs` (memory that is reused),
//!   `watch.rs` (observers of a sweep), `transpose.rs` (a forward-mode rule that is derived from the reverse-mode
//!   rule);
//! - gradients that another process computed: `elsewhere.rs`.

mod array_rules;
mod buffer_update;
pub(crate) mod differentiate;
pub(crate) mod dual_value;
pub(crate) mod elsewhere;
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
