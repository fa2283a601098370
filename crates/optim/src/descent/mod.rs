//! Ways to run a descent: from one starting point, from many, along batches, by curvature; and the search for a
//! learning rate.

mod descend;
mod find_lr;
pub mod functions;
mod lbfgs;
mod line_search;
mod minimize;
mod restarts;

pub use descend::{Rows, descend};
pub use find_lr::{RangeTest, find_lr};
pub use lbfgs::{Lbfgs, LbfgsState};
pub use minimize::{Minimize, Minimum, Stop, minimize};
pub use restarts::{Restarts, random_restarts};
