//! Plots of schedules, descents and training runs, as SVG.
//!
//! A [`Plot`] has lines over two axes. You make it by hand, or from the results of the other crates:
//!
//! ```
//! use gradus_optim::{cosine, warmup};
//! use gradus_viz::Plot;
//!
//! let svg = Plot::schedule(&warmup(10).then(cosine(90)), 120).svg();
//! assert!(svg.starts_with("<svg") && svg.contains("learning rate"));
//! ```

mod pictures;
mod plot;

pub use plot::{Plot, Series, Style, save_stack, stack};
