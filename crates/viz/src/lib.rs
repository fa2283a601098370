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
//! | to see | write |
//! |---|---|
//! | a cost of one variable, its tangents, a descent on it | [`Plot::curve`], [`Plot::tangent`], [`Plot::steps`] |
//! | a function and its derivative | [`Plot::with_derivative`] |
//! | points, a function through them, and the residuals | [`Plot::fit`] |
//! | descents on the map of a cost | [`Plot::contours`] or [`Plot::paths`], [`Plot::path`]; [`Plot::moving`] lets them move |
//! | a cost as a surface in space, with descents | [`Relief`] |
//! | schedules, a learning-rate range test, a noisy curve | [`Plot::schedules`], [`Plot::range_test`], [`Plot::smoothed`] |
//! | a training run | [`Plot::history`], [`Report`] |
//! | a sweep over settings | [`Plot::sweep`] |
//! | what a classifier says where | [`Plot::decisions`], [`Plot::classes`] |
//! | how good its scores are | [`Plot::roc`], [`Plot::calibration`], [`Heatmap::confusion`] |
//! | examples, mistakes, weights as images | [`Images`] |
//! | weights and gradients, layer by layer | [`Plot::parameters`], [`Plot::gradients`] |
//! | costs between models, over planes, spectra | [`Plot::lines`], [`Plot::surface`], [`Plot::spectrum`] |
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
