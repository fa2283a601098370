//! The run: `trainer.rs` and `settings.rs` have its settings, `fit.rs` the calls for users, `run.rs` the loop,
//! `step.rs` one step of the loop, `state.rs` the state of a run, `resume.rs` the way a saved run goes on. `shards.rs`
//! has the threads, `together.rs` the ranks, `history.rs` the rows and logs, `progress.rs` the display, `signal.rs`
//! Ctrl-C.

pub(crate) mod fit;
mod fixed;
pub(crate) mod history;
mod progress;
mod resume;
#[allow(clippy::module_inception)] // the loop of a run is called `run` too
mod run;
pub(crate) mod settings;
pub(crate) mod shards;
pub(crate) mod signal;
pub(crate) mod state;
mod step;
mod together;
pub(crate) mod trainer;
