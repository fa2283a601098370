//! How far a step moves each parameter.

use gradus_autograd::internal::norm;
use gradus_autograd::{Float, Param, Path};

/// The sizes of the last step's updates, relative to the parameters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Updates<T> {
    /// memory for a parameter before its update
    before: Vec<T>,
    /// the path of each parameter and `‖Δθ‖ / ‖θ‖`
    pub(crate) ratios: Vec<(String, f64)>,
}

impl<T: Float> Updates<T> {
    /// Runs the update of a parameter and records how far it moves.
    pub(crate) fn record(&mut self, path: &Path<'_>, param: &mut Param<T>, update: impl FnOnce(&mut Param<T>)) {
        self.before.clear();
        self.before.extend_from_slice(param.data());
        let size = norm(|f| f(&self.before));
        update(param);
        for (before, after) in self.before.iter_mut().zip(param.data()) {
            *before = *after - *before;
        }
        let moved = norm(|f| f(&self.before));
        self.ratios.push((path.to_string(), if moved == 0.0 { 0.0 } else { moved / size }));
    }
}
