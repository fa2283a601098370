//! What curvature is good for: ways off saddles, sharpness, Newton's steps, and the influence of examples.

use gradus_autograd::{Float, Module};
use gradus_data::Examples;
use gradus_train::Task;
use ndarray::Array1;

use crate::error::LandscapeError;
use crate::escape::{Escape, walk_off};
use crate::model::landscape::Landscape;
use crate::model::parameters::{parameters, set_parameters};
use crate::solvers::norm;
use crate::{ConjugateGradients, Eigenpairs, Lanczos, Solution};

impl<K, E: Examples, T: Float> Landscape<K, E, T> {
    /// Walks a model off a saddle: along the eigenvector of the most negative eigenvalue of its Hessian, which Lanczos'
    /// method finds. It is [`escape_saddle`](crate::escape_saddle) for models, and the Hessian is never formed.
    ///
    /// The model is left at the end of the walk.
    ///
    /// # Errors
    /// If no eigenvalue is negative beyond its residual, if no step lowers the cost, if the eigenvalue is not found, or
    /// if a number is not finite. The model is as it was then.
    ///
    /// # Panics
    /// If the model, the task and the data do not fit together.
    pub fn escape_saddle<M: Module<T>>(&self, model: &mut M) -> Result<Escape, LandscapeError>
    where
        K: Task<T, M, E::Batch>,
    {
        let before = self.cost(model)?;
        let Eigenpairs { values, vectors, residuals, .. } = Lanczos::smallest(1).run(&self.hessian(&*model))?;
        let (smallest, limit) = match (values.first(), residuals.first()) {
            (Some(&value), Some(&residual)) => (value, -residual.max(1e-12)),
            _ => (0.0, 0.0),
        };
        if smallest >= limit {
            return Err(LandscapeError::NoDescent { smallest, limit });
        }
        let theta = parameters(model);
        let mut escape = walk_off(&theta, before, &vectors.column(0).to_owned(), smallest, |point| {
            set_parameters(model, point);
            self.cost(model).unwrap_or(f64::NAN)
        });
        set_parameters(model, escape.as_ref().map_or(&theta, |escape| &escape.theta));
        if let Ok(escape) = &mut escape {
            escape.theta = parameters(model); // rounded to the model's number type
        }
        escape
    }

    /// The sharpness of a point: the largest eigenvalue of the Hessian, with its residual. Plain descent with the rate
    /// η is stable only where it is below 2/η.
    ///
    /// # Errors
    /// If the eigenvalue is not found, or a number is not finite.
    ///
    /// # Panics
    /// If the model, the task and the data do not fit together.
    pub fn sharpness<M: Module<T>>(&self, model: &M) -> Result<Eigenpairs, LandscapeError>
    where
        K: Task<T, M, E::Batch>,
    {
        Lanczos::largest(1).run(&self.hessian(model))
    }

    /// The sharpness that sharpness-aware minimisation lowers: how much the cost rises in a step of length `radius`
    /// along the gradient, `f(θ + ρ ∇f / ‖∇f‖) − f(θ)`, an estimate of the largest rise within that distance. It is 0
    /// where the gradient is 0.
    ///
    /// Foret, Kleiner, Mobahi and Neyshabur 2021 (<https://arxiv.org/abs/2010.01412>).
    ///
    /// # Errors
    /// If a number is not finite, or the data cannot be read.
    ///
    /// # Panics
    /// If the model, the task and the data do not fit together.
    pub fn sam_sharpness<M: Module<T> + Clone>(&self, model: &M, radius: f64) -> Result<f64, LandscapeError>
    where
        K: Task<T, M, E::Batch>,
    {
        let (cost, gradient) = self.gradient(model)?;
        let length = norm(&gradient);
        if length == 0.0 {
            return Ok(0.0);
        }
        let mut moved = model.clone();
        set_parameters(&mut moved, &(parameters(model) + gradient * (radius / length)));
        Ok(self.cost(&moved)? - cost)
    }

    /// Newton's step by conjugate gradients, `−(H + damping · I)⁻¹ ∇f`: the way to the minimum of the second-order
    /// model of the cost.
    ///
    /// ```
    /// use gradus_landscape::{ConjugateGradients, Landscape, parameters, set_parameters};
    /// use gradus_nn::{Linear, rng};
    /// use gradus_train::Regress;
    /// use ndarray::Axis;
    /// let (x, y) = gradus_data::linear(200, &[2.0, -1.0], 3.0, 0.0, 1);
    /// let mut line = Linear::new(2, 1, &mut rng(0));
    /// let landscape = Landscape::new(Regress::new(), (x, y.insert_axis(Axis(1))));
    /// let step = landscape.newton_step(&line, &ConjugateGradients::new())?;
    /// let theta = parameters(&line) + step.x;
    /// set_parameters(&mut line, &theta); // least squares: one step is enough
    /// assert!(landscape.cost(&line)? < 1e-9);
    /// # Ok::<(), gradus_landscape::LandscapeError>(())
    /// ```
    ///
    /// # Errors
    /// If the Hessian curves downwards somewhere that the solver comes to, the solver does not converge, or a number is
    /// not finite.
    ///
    /// # Panics
    /// If the model, the task and the data do not fit together.
    pub fn newton_step<M: Module<T>>(&self, model: &M, solver: &ConjugateGradients) -> Result<Solution, LandscapeError>
    where
        K: Task<T, M, E::Batch>,
    {
        let (_, gradient) = self.gradient(model)?;
        solver.solve(&self.hessian(model), (-gradient).view())
    }

    /// The influence of each example of this landscape, on which a model was trained, on the cost of other examples:
    /// by how much their mean cost would change if the example weighed more in training, by the share ε of one example,
    /// `dcost/dε = −∇cost · H⁻¹ ∇costᵢ`. A negative number is an example that helps.
    ///
    /// The Hessian is that of this landscape, or its Gauss-Newton matrix, which never curves downwards, so that some
    /// damping alone makes it invertible: Koh and Liang 2017 (<https://arxiv.org/abs/1703.04730>). The model should be
    /// at a minimum. The gradients of the examples are computed one by one.
    ///
    /// # Errors
    /// If the solver does not converge, a number is not finite, or the data cannot be read.
    ///
    /// # Panics
    /// If the model, the task and the data do not fit together.
    pub fn influence<M: Module<T>, F: Examples<Batch = E::Batch>>(
        &self,
        model: &M,
        others: &F,
        solver: &ConjugateGradients,
    ) -> Result<Array1<f64>, LandscapeError>
    where
        K: Task<T, M, E::Batch>,
    {
        let (_, gradient) = self.gradient_over(others, model)?;
        let solution = solver.solve(&self.gauss_newton(model), gradient.view())?;
        self.along_each(model, solution.x.view()).map(|slopes| -slopes)
    }
}
