//! How the errors of all crates show themselves.

/// Makes the `Debug` of an error its `Display`: `unwrap`, and a `main` that returns the error, then say what is wrong.
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
