//! The landscape of a cost: what kind of point a descent has come to, and how to go on from a saddle.
//!
//! ```
//! use gradus_landscape::{Kind, critical_point, escape_saddle};
//! use gradus_autograd::Var;
//! use ndarray::array;
//!
//! // the network y = w₁ w₂ x, and one example: x = 1, y = 1
//! fn cost(w: Var<'_, f64>) -> Var<'_, f64> {
//!     (1.0 - w.at(0) * w.at(1)).square()
//! }
//! let zero = array![0.0, 0.0];
//! let point = critical_point(cost, &zero)?;
//! assert_eq!(point.kind, Kind::Saddle);
//! assert_eq!(point.hessian, array![[0.0, -2.0], [-2.0, 0.0]]);
//! println!("{point}");
//!
//! let escape = escape_saddle(cost, &zero)?;
//! assert!(escape.cost < 0.1);
//! # Ok::<(), gradus_landscape::LandscapeError>(())
//! ```

mod critical;
mod error;
mod escape;
mod line;
mod model;
mod operators;
mod solvers;

pub use critical::{CriticalPoint, Kind, Tolerances, critical_point, critical_point_within};
pub use error::LandscapeError;
pub use escape::{Escape, escape_saddle};
pub use line::derivatives_along;
pub use model::{
    Curvature, CurvatureKind, Landscape, Line, Plane, Surface, filter_normalized, parameters, set_parameters,
};
pub use operators::{Closure, Combination, Deflated, LinearOperator, Restricted, dense, eigenvalues, operator};
pub use solvers::{
    ConjugateGradients, Eigenpairs, Estimate, Lanczos, PowerIteration, Solution, SpectralDensity, Spectrum, hutch_pp,
    hutchinson,
};
