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
    /// The model is left at the end of the walk. `docs/landscape.md` shows it on a network that starts at zero.
    ///
    /// ```
    /// use gradus_autograd::{Param, Tape};
    /// use gradus_landscape::Landscape;
    /// let mut w = Param::new([0.0, 0.0]);
    /// let landscape = Landscape::of_cost(vec![1.0], |w: &Param<f64>, t, x: &Vec<f64>| {
    ///     let w = t.param(w);
    ///     (w.at(0) * w.at(1) * x[0] - 1.0).square()
    /// });
    /// let escape = landscape.escape_saddle(&mut w)?;
    /// assert!((escape.curvature + 2.0).abs() < 1e-9 && escape.cost < 0.1);
    /// # Ok::<(), gradus_landscape::LandscapeError>(())
    /// ```
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
        let Eigenpairs { values, vectors, residuals, scale, .. } = Lanczos::smallest(1).run(&self.hessian(&*model))?;
        let (smallest, limit) = match (values.first(), residuals.first()) {
            // what is smaller than a residual, or than the rounding of the products, counts as 0
            (Some(&value), Some(&residual)) => (value, -residual.max(16.0 * T::EPSILON * scale)),
            _ => (0.0, 0.0),
        };
        if smallest >= limit {
            return Err(LandscapeError::NoDescent { smallest, limit });
        }
        let theta = parameters(model);
        let mut unread = None;
        let mut escape = walk_off(&theta, before, &vectors.column(0).to_owned(), smallest, |point| {
            set_parameters(model, point);
            self.cost(model).unwrap_or_else(|error| {
                if let LandscapeError::Data(_) = error {
                    unread = Some(error);
                }
                f64::NAN // too long a step
            })
        });
        set_parameters(model, escape.as_ref().map_or(&theta, |escape| &escape.theta));
        if let Ok(escape) = &mut escape {
            escape.theta = parameters(model); // rounded to the model's number type
        }
        escape.map_err(|error| unread.unwrap_or(error))
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
    /// where the gradient is 0. [`sharpness`](Self::sharpness) has an example.
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

    /// The influence of each example of this landscape, on which a model was trained, on the cost of other examples. If
    /// ε times the cost of example i is added to the mean cost, and the model is trained anew, their mean cost changes
    /// by ε times its influence, `−∇cost · (G + damping · I)⁻¹ ∇costᵢ`, for a small ε. (The example itself counts with
    /// ε = 1/N already.) A negative number is an example that helps: more of it lowers their cost.
    ///
    /// G is the [Gauss-Newton matrix](Self::gauss_newton) in place of the Hessian. It curves downwards nowhere if the
    /// cost is convex in the outputs, so that some damping makes it invertible. The model should be at a minimum. The
    /// gradients of the examples are computed one by one. Koh and Liang 2017 (<https://arxiv.org/abs/1703.04730>).
    ///
    /// ```
    /// use gradus_landscape::{ConjugateGradients, Landscape};
    /// use gradus_nn::Mlp;
    /// use gradus_optim::Adam;
    /// use gradus_train::{Classify, Trainer};
    /// let iris = gradus_data::iris();
    /// let mut model = Mlp::builder([4, 8, 3]).seed(1).build::<f32>();
    /// Trainer::new(Adam::new(0.02)).epochs(60).progress(false).fit(&mut model, &iris, None)?;
    /// let landscape = Landscape::new(Classify::new(), &iris);
    /// let one = iris.subset(&[70]);
    /// let influence = landscape.influence(&model, &&one, &ConjugateGradients::new().damping(0.01))?;
    /// assert!(influence[70] < 0.0); // more of an example makes its own cost fall
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
