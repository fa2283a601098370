//! Derivatives of functions that a user writes as closures.

use ndarray::{Array, Array2, ArrayD, Dimension, Ix1, IxDyn};

use crate::{Float, Tape, Var};

/// The gradient of a function of one array, at a point.
///
/// ```
/// use gradus_autograd::grad;
/// use ndarray::array;
/// let g = grad(|x| x.square().sum(), &array![1.0, 2.0]);
/// assert_eq!(g, array![2.0, 4.0]);
/// ```
///
/// # Panics
/// If the function does not return a single number.
#[track_caller]
pub fn grad<T: Float, D: Dimension>(f: impl for<'t> Fn(Var<'t, T>) -> Var<'t, T>, at: &Array<T, D>) -> Array<T, D> {
    value_and_grad(f, at).1
}

/// The value and the gradient of a function of one array, at a point.
///
/// ```
/// use gradus_autograd::value_and_grad;
/// use ndarray::array;
/// let (y, g) = value_and_grad(|x| x.square().sum(), &array![1.0, 2.0]);
/// assert_eq!((y, g), (5.0, array![2.0, 4.0]));
/// ```
#[track_caller]
pub fn value_and_grad<T: Float, D: Dimension>(
    f: impl for<'t> Fn(Var<'t, T>) -> Var<'t, T>,
    at: &Array<T, D>,
) -> (T, Array<T, D>) {
    let tape = Tape::mathematics();
    let x = tape.var(at);
    let y = f(x);
    let gradient: ArrayD<T> = y.backward().wrt(x);
    (y.item(), gradient.into_dimensionality().expect("a gradient has its variable's shape"))
}

/// The matrix of second derivatives of a function of one vector: `Hᵢⱼ = ∂²f / ∂xᵢ∂xⱼ`.
///
/// Its eigenvalues tell critical points apart: all positive is a minimum, all negative a maximum, both a saddle.
///
/// ```
/// use gradus_autograd::hessian;
/// use ndarray::array;
/// // the cost of a chain of two weights: a saddle at the origin
/// let h = hessian(|w| { let (a, b) = (w.at(0), w.at(1)); (1.0 - a * b).square() }, &array![0., 0.]);
/// assert_eq!(h, array![[0., -2.], [-2., 0.]]);
/// ```
#[track_caller]
pub fn hessian<T: Float>(f: impl for<'t> Fn(Var<'t, T>) -> Var<'t, T>, at: &Array<T, Ix1>) -> Array2<T> {
    let tape = Tape::mathematics();
    let x = tape.var(at);
    let [gradient] = f(x).grad([x]);
    let n = at.len();
    let mut hessian = Array2::zeros((n, n));
    for i in 0..n {
        let row = gradient.at(i).backward().wrt(x);
        hessian
            .row_mut(i)
            .assign(&row.into_shape_with_order(IxDyn(&[n])).expect("a gradient has its variable's shape"));
    }
    hessian
}
