//! The backprop explorer: a page on which a reader steps through their own program, forward and then backward, and
//! watches the gradient come back.
//!
//! ```
//! use gradus_autograd::{Tape, explain};
//! use gradus_explorer::SaveHtml;
//!
//! let tape = Tape::new();
//! let (w, x) = (tape.var(0.5).named("w"), tape.constant(2.0).named("x"));
//! let loss = (w * x - 3.0).square();
//! # let folder = tempfile::tempdir().unwrap();
//! # std::env::set_current_dir(&folder).unwrap();
//! explain(loss).save_html("line.html")?; // one file, which opens from disk and asks no network for anything
//! # Ok::<(), gradus_data::FileError>(())
//! ```
//!
//! The page is written in TypeScript, in the folder `web`; `page.html` is what is built of it.

mod sources;
mod story;

pub use story::{SaveHtml, Story};
