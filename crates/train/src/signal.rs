//! Ctrl-C.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static STOP: AtomicBool = AtomicBool::new(false);
static LISTENS: OnceLock<Result<(), String>> = OnceLock::new();

/// From now on, Ctrl-C (or a request to end the process) asks runs to stop; the second one ends the process.
///
/// # Errors
/// If the program has a handler of its own.
pub(crate) fn listen() -> Result<(), String> {
    STOP.store(false, Ordering::SeqCst);
    LISTENS
        .get_or_init(|| {
            let handler = || {
                if STOP.swap(true, Ordering::SeqCst) {
                    std::process::exit(130);
                }
                eprintln!("\nstopping after this step; Ctrl-C again ends at once");
            };
            ctrlc::set_handler(handler).map_err(|e| e.to_string())
        })
        .clone()
}

/// Whether it was asked to stop.
pub(crate) fn is_asked_to_stop() -> bool {
    STOP.load(Ordering::SeqCst)
}
