//! How the errors of all crates are printed.

/// Makes `Debug` print the same text as `Display`, so that `unwrap` and a `main` that returns the error say what is
/// wrong.
#[doc(hidden)]
#[macro_export]
macro_rules! debug_as_display {
    ($Error:ty) => {
        impl std::fmt::Debug for $Error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }
    };
}
