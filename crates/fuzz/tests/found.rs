//! Seeds are read, and neither what was found once nor mutations of the seeds do harm.

use fuzz::targets::ALL;
use fuzz::{allowed, mutated};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// One test, since others would be counted in the memory of this one.
#[test]
fn no_input_panics_or_asks_for_much_memory() {
    for target in &ALL {
        let seeds = (target.seeds)();
        let mutations = (0..300).map(|number| mutated(target, &seeds, number));
        let found = (target.found)();
        // the many that were found of a kind are run whole by the program
        let found: Vec<Vec<u8>> = found.iter().step_by(found.len().div_ceil(300).max(1)).cloned().collect();
        for bytes in seeds.iter().cloned().chain(found).chain(mutations) {
            MEMORY.reset_peak_usage();
            let before = MEMORY.current_usage();
            (target.run)(&bytes);
            let peak = MEMORY.peak_usage().saturating_sub(before);
            assert!(
                peak <= allowed(bytes.len()),
                "{}: {} bytes ask for {peak}: {bytes:02x?}",
                target.name,
                bytes.len()
            );
        }
    }
}
