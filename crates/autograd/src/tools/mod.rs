//! Functions that are built on the engine and that no lower layer uses: derivatives as functions, checks, and ways to
//! look at a tape.

mod anomaly;
pub(crate) mod checkpoint;
pub(crate) mod derivatives;
pub(crate) mod explain;
pub(crate) mod gradcheck;
mod replay;
pub(crate) mod slopes;
pub(crate) mod trace;
