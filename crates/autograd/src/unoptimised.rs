//! A hint for programs in which this crate was compiled without optimisation.

use std::sync::Once;

/// Cargo compiles the dependencies of a debug build without optimisation, unless the program's `Cargo.toml` asks for
/// it.
const HINT: &str = "gradus was compiled without optimisation, so this takes many times longer than it has to. Run with \
                    `--release`, or add these lines to your Cargo.toml:\n\n    [profile.dev.package.\"*\"]\n    \
                    opt-level = 3\n";

/// Whether this crate was compiled without optimisation.
fn is_unoptimised() -> bool {
    env!("GRADUS_OPT_LEVEL") == "0"
}

/// Writes the hint to the standard error, once in a program, if this crate was compiled without optimisation. Functions
/// that take long call it when they begin.
pub fn hint_once() {
    static SAID: Once = Once::new();
    if is_unoptimised() {
        SAID.call_once(|| eprintln!("{HINT}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The repository's own profiles optimise this crate, and so does every release build.
    #[test]
    fn the_level_of_optimisation_is_known_and_not_0_here() {
        assert!(["1", "2", "3", "s", "z"].contains(&env!("GRADUS_OPT_LEVEL")));
        assert!(!is_unoptimised() && HINT.contains("[profile.dev.package.\"*\"]\n    opt-level = 3"));
    }
}
