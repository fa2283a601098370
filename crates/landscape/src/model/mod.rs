//! Whole models over whole data sets.

mod curvature;
mod descent;
mod landscape;
mod parameters;
mod pictures;
mod plane;
#[cfg(test)]
mod tests;

pub use curvature::{Curvature, CurvatureKind};
pub use landscape::Landscape;
pub use parameters::{parameters, set_parameters};
pub use pictures::{Line, Surface};
pub use plane::{Plane, filter_normalized};
