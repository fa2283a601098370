//! Stopping a run by Ctrl-C.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

static STOP: AtomicBool = AtomicBool::new(false);
/// whether this process tells the user; of several ranks, the first does
static SPEAKS: AtomicBool = AtomicBool::new(false);
static RUNS: AtomicUsize = AtomicUsize::new(0);
static LISTENS: OnceLock<Result<(), String>> = OnceLock::new();

/// A run that listens for Ctrl-C, as long as this value lives.
pub(crate) struct Listening(());

impl Drop for Listening {
    fn drop(&mut self) {
        RUNS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// From now on, Ctrl-C (or a request to end the process) asks all runs that listen to stop, also those that begin
/// later. The second Ctrl-C ends the process, and so does the first while no run listens.
///
/// # Errors
/// If the program has a handler of its own.
pub(crate) fn listen(speaks: bool) -> Result<Listening, String> {
    SPEAKS.fetch_or(speaks, Ordering::SeqCst);
    let handler = || {
        if STOP.swap(true, Ordering::SeqCst) || RUNS.load(Ordering::SeqCst) == 0 {
            std::process::exit(130);
        }
        if SPEAKS.load(Ordering::SeqCst) {
            eprintln!("\nstopping after this step; Ctrl-C again ends at once");
        }
    };
    LISTENS.get_or_init(|| ctrlc::set_handler(handler).map_err(|e| e.to_string())).clone()?;
    RUNS.fetch_add(1, Ordering::SeqCst);
    Ok(Listening(()))
}

/// Returns whether Ctrl-C, or a request to end the process, has asked the runs of this process to stop.
pub fn is_asked_to_stop() -> bool {
    STOP.load(Ordering::SeqCst)
}
