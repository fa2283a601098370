//! Plots of schedules, descents, training runs and landscapes, as SVG.
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

mod axis;
mod pictures;
mod plot;
mod relief;

pub use plot::{Plot, Series, Style, save_stack, stack};
pub use relief::Relief;
