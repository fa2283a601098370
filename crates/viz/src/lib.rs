//! Plots of functions, descents, classifiers, training runs and landscapes, as SVG.
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
//!
//! A picture is bright or dark as the reader's system asks for. With the feature `png`, pictures can be saved as PNG.

mod axis;
mod classes;
mod contours;
mod cut;
mod draw;
mod file;
mod functions;
mod heatmap;
mod histograms;
mod images;
mod legend;
mod moving;
mod paint;
mod pictures;
mod plot;
mod relief;
mod report;
mod series;

pub use heatmap::Heatmap;
pub use images::Images;
pub use plot::{Plot, save_stack, stack};
pub use relief::Relief;
pub use report::Report;
pub use series::{Series, Style};
