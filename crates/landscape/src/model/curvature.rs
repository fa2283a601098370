//! The curvature of a model's cost, as operators that are never formed.

use std::fmt;

use gradus_autograd::{Float, Module, Param, Var};
use gradus_data::Examples;
use gradus_train::Task;
use ndarray::{Array1, ArrayD, ArrayView1, Axis};

use crate::LinearOperator;
use crate::error::LandscapeError;
use crate::model::landscape::{Landscape, Weights};
use crate::model::parameters::{joined, learned, size, split, zeros};
use crate::operators::check_length;

/// The matrices that describe how a cost curves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CurvatureKind {
    /// the second derivatives of the cost
    Hessian,
    /// the generalized Gauss-Newton matrix
    GaussNewton,
    /// the empirical Fisher matrix
    EmpiricalFisher,
}

/// The curvature of a model's mean cost at the model's parameters. Made by [`Landscape::hessian`],
/// [`Landscape::gauss_newton`] and [`Landscape::empirical_fisher`].
pub struct Curvature<'l, K, E, M, T: Float = f32> {
    landscape: &'l Landscape<K, E, T>,
    model: &'l M,
    kind: CurvatureKind,
    dim: usize,
}

impl<K, E, M, T: Float> fmt::Debug for Curvature<'_, K, E, M, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Curvature {:?} of dimension {}", self.kind, self.dim)
    }
}

impl<K, E: Examples, T: Float> Landscape<K, E, T> {
    /// The Hessian of the mean cost, `Hᵢⱼ = ∂²cost / ∂θᵢ∂θⱼ`, at a model's parameters. A product takes about two
    /// gradients: see [`Var::hvp`]. The page of [`Landscape`] has an example.
    ///
    /// Where the model is piecewise linear (ReLU, maximum pooling), this is the Hessian of the piece: the kinks between
    /// the pieces bend the cost too, and no second derivative sees them.
    pub fn hessian<'l, M: Module<T>>(&'l self, model: &'l M) -> Curvature<'l, K, E, M, T>
    where
        K: Task<T, M, E::Batch>,
    {
        Curvature { landscape: self, model, kind: CurvatureKind::Hessian, dim: size(model) }
    }

    /// The generalized Gauss-Newton matrix `G = Jᵀ H_out J`: J holds the derivatives of the model's outputs, and H_out
    /// the second derivatives of the cost by the outputs. It is the Hessian of the cost with the model replaced by its
    /// tangent, so both are equal where the model is linear.
    ///
    /// ```
    /// use gradus_landscape::{Landscape, eigenvalues};
    /// use gradus_nn::{Linear, rng};
    /// use gradus_train::Classify;
    /// let iris = gradus_data::iris().cast::<f64>();
    /// let model = Linear::<f64>::new(4, 3, &mut rng(0));
    /// let landscape = Landscape::new(Classify::new(), &iris);
    /// let (h, g) = (eigenvalues(&landscape.hessian(&model))?, eigenvalues(&landscape.gauss_newton(&model))?);
    /// assert!((h - g).iter().all(|d| d.abs() < 1e-10));
    /// # Ok::<(), gradus_landscape::LandscapeError>(())
    /// ```
    ///
    /// It has no negative eigenvalue if the cost is convex in the outputs, as cross-entropy and squared error are. For
    /// these it is also the Fisher matrix (up to a factor). Schraudolph 2002
    /// (<https://doi.org/10.1162/08997660260028683>); Martens 2020 (<https://arxiv.org/abs/1412.1193>).
    ///
    /// The task must return the outputs apart from the cost, and compute the cost from that very variable:
    /// [`Classify`](gradus_train::Classify), [`Regress`](gradus_train::Regress), or one of your own. A part of the cost
    /// that does not pass through the outputs, such as a penalty on the weights, is not seen; add it with
    /// [`Combination`](crate::Combination).
    pub fn gauss_newton<'l, M: Module<T>>(&'l self, model: &'l M) -> Curvature<'l, K, E, M, T>
    where
        K: Task<T, M, E::Batch>,
    {
        Curvature { landscape: self, model, kind: CurvatureKind::GaussNewton, dim: size(model) }
    }

    /// The empirical Fisher matrix `F = 1/N Σ gᵢ gᵢᵀ`, where gᵢ is the gradient of the cost of example i. It measures
    /// how much the gradients of single examples differ, and is 0 where every example is fitted, so it is no
    /// approximation of the Hessian in general: Kunstner, Balles and Hennig 2019 (<https://arxiv.org/abs/1905.12558>).
    ///
    /// The task must return an output for each example, along the first axis, as [`gauss_newton`](Self::gauss_newton)
    /// says, and the cost must be a mean over the examples. Where a task has [weights](Task::weights), the mean of
    /// `gᵢ gᵢᵀ` is weighted as that of the costs is.
    ///
    /// ```
    /// use gradus_landscape::{Landscape, hutchinson};
    /// use gradus_nn::Mlp;
    /// use gradus_train::Classify;
    /// let iris = gradus_data::iris();
    /// let model = Mlp::builder([4, 8, 3]).seed(1).build::<f32>();
    /// let landscape = Landscape::new(Classify::new(), &iris);
    /// let trace = hutchinson(&landscape.empirical_fisher(&model), 50, 0)?; // the mean of ‖gᵢ‖²
    /// assert!(trace.value > 0.0);
    /// # Ok::<(), gradus_landscape::LandscapeError>(())
    /// ```
    pub fn empirical_fisher<'l, M: Module<T>>(&'l self, model: &'l M) -> Curvature<'l, K, E, M, T>
    where
        K: Task<T, M, E::Batch>,
    {
        Curvature { landscape: self, model, kind: CurvatureKind::EmpiricalFisher, dim: size(model) }
    }
}

impl<K, E, M, T> LinearOperator for Curvature<'_, K, E, M, T>
where
    K: Task<T, M, E::Batch>,
    E: Examples,
    M: Module<T>,
    T: Float,
{
    fn dim(&self) -> usize {
        self.dim
    }

    fn apply(&self, v: ArrayView1<'_, f64>) -> Result<Array1<f64>, LandscapeError> {
        check_length("the vector", v.len(), self.dim)?;
        let params = learned(self.model);
        let moves = split(&params, v);
        let (_, product) = self.landscape.mean(&self.landscape.data, self.model, |outputs, cost, weights| {
            let product = match self.kind {
                _ if !cost.is_differentiated() => zeros(&params),
                CurvatureKind::Hessian => joined(&params, &cost.hvp(directions(&params, &moves))),
                CurvatureKind::GaussNewton => gauss_newton(outputs, cost, &params, &moves)?,
                CurvatureKind::EmpiricalFisher => fisher(outputs, cost, weights, &params, &moves)?,
            };
            Ok((0.0, Some(product)))
        })?;
        Ok(product.expect("every batch has a product"))
    }
}

fn directions<'a, T: Float>(
    params: &'a [&'a Param<T>],
    moves: &'a [ArrayD<T>],
) -> impl Iterator<Item = (&'a Param<T>, &'a ArrayD<T>)> {
    params.iter().copied().zip(moves)
}

/// `Jᵀ H_out J v`: forward through the model, twice through the cost alone, and back through the model.
fn gauss_newton<T: Float>(
    outputs: Var<'_, T>,
    cost: Var<'_, T>,
    params: &[&Param<T>],
    moves: &[ArrayD<T>],
) -> Result<Array1<f64>, LandscapeError> {
    let slope = by_outputs("the Gauss-Newton matrix", outputs, cost)?;
    let moved = (slope * outputs.tape().constant(outputs.jvp(directions(params, moves)))).sum();
    if !moved.is_differentiated() {
        return Ok(zeros(params)); // the cost is linear in the outputs
    }
    let [curved] = moved.grad([outputs]);
    Ok(joined(params, &outputs.backward_with(curved.value())))
}

/// `Σ wᵢ gᵢ gᵢᵀ v / W`, with the weights w and their sum W. The gradient of example i is `gᵢ = Jᵢᵀ rᵢ W / wᵢ`, where rᵢ
/// is the slope of the batch's mean cost by the example's own outputs: so `rᵢ · (J v)ᵢ` is `gᵢ · v` up to a factor, and
/// one sweep back sums over all examples.
fn fisher<T: Float>(
    outputs: Var<'_, T>,
    cost: Var<'_, T>,
    weights: &Weights,
    params: &[&Param<T>],
    moves: &[ArrayD<T>],
) -> Result<Array1<f64>, LandscapeError> {
    let slope = by_outputs("the empirical Fisher matrix", outputs, cost)?;
    let examples = weights.examples;
    if outputs.shape()[0] != examples {
        return Err(LandscapeError::OutputRows { examples, shape: outputs.shape().to_vec() });
    }
    let moved = outputs.jvp(directions(params, moves));
    let mut rows = slope.value().to_owned();
    for (i, (mut row, moved)) in rows.axis_iter_mut(Axis(0)).zip(moved.axis_iter(Axis(0))).enumerate() {
        let along: f64 = row.iter().zip(&moved).map(|(r, u)| r.to_f64() * u.to_f64()).sum();
        let weight = weights.each.as_ref().filter(|each| each.len() == examples).map_or(1.0, |each| each[i]);
        let factor = if weight > 0.0 { along * weights.sum / weight } else { 0.0 };
        row.mapv_inplace(|r| T::from_f64(r.to_f64() * factor));
    }
    Ok(joined(params, &outputs.backward_with(&rows)))
}

/// The gradient of the cost by the outputs, recorded.
fn by_outputs<'t, T: Float>(
    what: &'static str,
    outputs: Var<'t, T>,
    cost: Var<'t, T>,
) -> Result<Var<'t, T>, LandscapeError> {
    let apart = outputs.index() != cost.index() && outputs.ndim() > 0;
    if apart && outputs.is_differentiated() && cost.depends_on(outputs) {
        return Ok(cost.grad([outputs])[0]);
    }
    Err(LandscapeError::NoOutputs { what })
}
