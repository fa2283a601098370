//! The run: `trainer.rs` and `settings.rs` have what is set, `fit.rs` what the user calls, `run.rs` the loop, `step.rs`
//! one step of it, `state.rs` where it stands, `resume.rs` how it goes on. `shards.rs` are its threads, `history.rs`
//! its rows and logs, `progress.rs` what it shows, `signal.rs` Ctrl-C.

pub(crate) mod fit;
mod fixed;
pub(crate) mod history;
mod progress;
mod resume;
#[allow(clippy::module_inception)] // the loop of a run is called by its name
mod run;
pub(crate) mod settings;
pub(crate) mod shards;
mod signal;
pub(crate) mod state;
mod step;
pub(crate) mod trainer;
