//! The curvature of a model's cost, as operators that are never formed.

use std::fmt;

use gradus_autograd::{Float, Module, Param, Var};
use gradus_data::Examples;
use gradus_train::Task;
use ndarray::{Array1, ArrayD, ArrayView1, Axis};

use crate::LinearOperator;
use crate::error::LandscapeError;
use crate::model::landscape::Landscape;
use crate::model::parameters::{joined, learned, size, split};

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
    /// gradients: see [`Var::hvp`].
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
    /// It has no negative eigenvalue if the cost is convex in the outputs, as cross-entropy and squared error are. For
    /// these it is also the Fisher matrix (up to a factor). Schraudolph 2002
    /// (<https://doi.org/10.1162/08997660260028683>); Martens 2020 (<https://arxiv.org/abs/1412.1193>).
    ///
    /// The task must return the outputs apart from the cost: [`Classify`](gradus_train::Classify),
    /// [`Regress`](gradus_train::Regress), or one of your own.
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
    /// The task must return an output for each example, along the first axis, and the cost must be a mean over the
    /// examples. If it weighs them, gᵢ is the gradient of the weighted cost.
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
        if v.len() != self.dim {
            return Err(LandscapeError::Length { what: "the vector", given: v.len(), dim: self.dim });
        }
        let params = learned(self.model);
        let moves = split(&params, v);
        let (_, product) =
            self.landscape.mean(&self.landscape.data, self.model, |outputs, cost, examples, weight| {
                let product = match self.kind {
                    CurvatureKind::Hessian => joined(&params, &cost.hvp(directions(&params, &moves))),
                    CurvatureKind::GaussNewton => gauss_newton(outputs, cost, &params, &moves)?,
                    CurvatureKind::EmpiricalFisher => fisher(outputs, cost, (examples, weight), &params, &moves)?,
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
    let Some(slope) = by_outputs("the Gauss-Newton matrix", outputs, cost)? else {
        return Ok(zeros(params));
    };
    let moved = (slope * outputs.tape().constant(outputs.jvp(directions(params, moves)))).sum();
    if !moved.is_differentiated() {
        return Ok(zeros(params)); // the cost is linear in the outputs
    }
    let [curved] = moved.grad([outputs]);
    Ok(joined(params, &outputs.backward_with(curved.value())))
}

/// `1/W Σ gᵢ gᵢᵀ v`. The gradient of example i is `gᵢ = Jᵢᵀ rᵢ`, where rᵢ is the slope of its cost by its own outputs:
/// so `gᵢ · v` is `rᵢ · (J v)ᵢ`, and one sweep back sums over all examples.
fn fisher<T: Float>(
    outputs: Var<'_, T>,
    cost: Var<'_, T>,
    (examples, weight): (usize, f64),
    params: &[&Param<T>],
    moves: &[ArrayD<T>],
) -> Result<Array1<f64>, LandscapeError> {
    let Some(slope) = by_outputs("the empirical Fisher matrix", outputs, cost)? else {
        return Ok(zeros(params));
    };
    if outputs.shape()[0] != examples {
        return Err(LandscapeError::OutputRows { examples, shape: outputs.shape().to_vec() });
    }
    let moved = outputs.jvp(directions(params, moves));
    let mut rows = slope.value().to_owned();
    for (mut row, moved) in rows.axis_iter_mut(Axis(0)).zip(moved.axis_iter(Axis(0))) {
        let along: f64 = row.iter().zip(&moved).map(|(r, u)| r.to_f64() * u.to_f64()).sum();
        row.mapv_inplace(|r| T::from_f64(r.to_f64() * along * weight));
    }
    Ok(joined(params, &outputs.backward_with(&rows)))
}

/// The gradient of the cost by the outputs, recorded; `None` if the outputs depend on no parameter.
fn by_outputs<'t, T: Float>(
    what: &'static str,
    outputs: Var<'t, T>,
    cost: Var<'t, T>,
) -> Result<Option<Var<'t, T>>, LandscapeError> {
    if outputs.index() == cost.index() || outputs.ndim() == 0 {
        return Err(LandscapeError::NoOutputs { what });
    }
    Ok(outputs.is_differentiated().then(|| cost.grad([outputs])[0]))
}

fn zeros<T: Float>(params: &[&Param<T>]) -> Array1<f64> {
    Array1::zeros(params.iter().map(|param| param.len()).sum::<usize>())
}
