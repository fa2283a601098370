//! Derivatives of functions that a user writes as closures.
//!
//! Write a closure directly in the call, `hessian(|x| …, &at)`. If you need it twice, write a function instead, such as
//! `fn cost(x: Var<'_, f64>) -> Var<'_, f64>`, or bind it by `let` through [`differentiable`]: a closure that is bound
//! by `let` alone takes variables of one tape only.

use ndarray::{Array, Array2, ArrayD, Axis, Dimension, Ix1, IxDyn};

use crate::{Float, Param, Tape, Var};

/// Returns a closure as it is, so that it can be bound by `let` and used several times.
///
/// A closure that is written in a call takes variables of any tape, because the called function asks for it. A closure
/// after `let` takes those of one tape, and the compiler says "lifetime may not live long enough" where it is used.
/// Through this function it is asked for variables of any tape, too.
///
/// ```
/// use gradus_autograd::{differentiable, grad, hessian};
/// use ndarray::array;
/// let scale = 3.0;
/// let cost = differentiable(|x| scale * x.square().sum());
/// assert_eq!(grad(&cost, &array![1.0, 2.0]), array![6.0, 12.0]);
/// assert_eq!(hessian(&cost, &array![1.0, 2.0]), array![[6.0, 0.0], [0.0, 6.0]]);
/// ```
pub fn differentiable<T: Float, F: for<'t> Fn(Var<'t, T>) -> Var<'t, T>>(f: F) -> F {
    f
}

/// The gradient of a function of one array, at a point.
///
/// A closure that is bound by `let` needs [`differentiable`].
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
    (y.item(), like(y.backward().wrt(x)))
}

/// All first derivatives of a function from arrays to arrays: `J[…, …] = ∂f[…] / ∂x[…]`, with the axes of the output
/// first and the axes of x after them.
///
/// It takes one sweep back for each number of the output. For the Jacobian times a vector, [`jvp`] takes one sweep
/// forward; for a vector times the Jacobian, [`vjp`] takes one sweep back.
///
/// ```
/// use gradus_autograd::jacobian;
/// use ndarray::array;
/// let j = jacobian(|x| x * x.at(0), &array![2.0, 3.0]); // (x₀², x₁ x₀)
/// assert_eq!(j, array![[4.0, 0.0], [3.0, 2.0]].into_dyn());
/// ```
#[track_caller]
pub fn jacobian<T: Float, D: Dimension>(f: impl for<'t> Fn(Var<'t, T>) -> Var<'t, T>, at: &Array<T, D>) -> ArrayD<T> {
    let tape = Tape::mathematics();
    let x = tape.var(at);
    let y = f(x);
    let shape: Vec<usize> = y.shape().iter().chain(at.shape()).copied().collect();
    let (numbers, mut jacobian) = (y.flatten(), Vec::with_capacity(y.len() * at.len()));
    for i in 0..y.len() {
        jacobian.extend(numbers.at(i).backward().wrt(x));
    }
    ArrayD::from_shape_vec(shape, jacobian).expect("a gradient for each number of the output")
}

/// The value of a function at a point, and the vector-Jacobian product there: `Jᵀ g` for a gradient g that arrives at
/// the output.
///
/// # Panics
/// If the gradient is not of the output's shape.
///
/// ```
/// use gradus_autograd::vjp;
/// use ndarray::array;
/// let (y, back) = vjp(|x| x.square(), &array![1.0, 2.0], &array![1.0, 10.0].into_dyn());
/// assert_eq!((y, back), (array![1.0, 4.0].into_dyn(), array![2.0, 40.0]));
/// ```
#[track_caller]
pub fn vjp<T: Float, D: Dimension>(
    f: impl for<'t> Fn(Var<'t, T>) -> Var<'t, T>,
    at: &Array<T, D>,
    gradient: &ArrayD<T>,
) -> (ArrayD<T>, Array<T, D>) {
    let tape = Tape::mathematics();
    let x = tape.var(at);
    let y = f(x);
    (y.value().to_owned(), like(y.backward_with(gradient).wrt(x)))
}

/// The value of a function at a point, and the Jacobian-vector product there: how it moves when x moves along a
/// direction, `J d`, by one sweep forward.
///
/// ```
/// use gradus_autograd::jvp;
/// use ndarray::array;
/// let (y, moved) = jvp(|x| x.square(), &array![1.0, 2.0], &array![1.0, 10.0]);
/// assert_eq!((y, moved), (array![1.0, 4.0].into_dyn(), array![2.0, 40.0].into_dyn()));
/// ```
#[track_caller]
pub fn jvp<T: Float, D: Dimension>(
    f: impl for<'t> Fn(Var<'t, T>) -> Var<'t, T>,
    at: &Array<T, D>,
    direction: &Array<T, D>,
) -> (ArrayD<T>, ArrayD<T>) {
    let tape = Tape::mathematics();
    let x = tape.var(at);
    let y = f(x);
    (y.value().to_owned(), y.jvp([(x, direction)]))
}

/// The Hessian of a function at a point times a vector, without forming the Hessian: see [`Var::hvp`].
///
/// ```
/// use gradus_autograd::hvp;
/// use ndarray::array;
/// let product = hvp(|x| (x * x * x).sum(), &array![1.0, 2.0], &array![1.0, 10.0]);
/// assert_eq!(product, array![6.0, 120.0]);
/// ```
#[track_caller]
pub fn hvp<T: Float, D: Dimension>(
    f: impl for<'t> Fn(Var<'t, T>) -> Var<'t, T>,
    at: &Array<T, D>,
    direction: &Array<T, D>,
) -> Array<T, D> {
    let tape = Tape::mathematics();
    let x = tape.var(at);
    like(f(x).hvp([(x, direction)]).wrt(x))
}

/// The gradient of the cost of each of `n` examples by each parameter: one array for each parameter, in which the first
/// axis runs over the examples. Use it to clip the gradient of each example, to measure the noise of the gradients, or
/// to find the examples from which a model learns most.
///
/// It takes one sweep for each example, on the same tape, which is cleared in between. The sum over the examples is the
/// gradient of the summed cost.
///
/// ```
/// use gradus_autograd::{Param, Tape, per_example_gradients};
/// use ndarray::array;
/// let w = Param::new([2.0]);
/// let x = [1.0, 3.0];
/// let mut tape = Tape::training(0);
/// let g = per_example_gradients(&mut tape, &[&w], x.len(), |tape, i| (tape.param(&w) * x[i]).square().sum());
/// assert_eq!(g[0], array![[4.0], [36.0]].into_dyn());
/// ```
#[track_caller]
pub fn per_example_gradients<T: Float>(
    tape: &mut Tape<T>,
    params: &[&Param<T>],
    n: usize,
    cost: impl for<'t> Fn(&'t Tape<T>, usize) -> Var<'t, T>,
) -> Vec<ArrayD<T>> {
    let shape = |param: &&Param<T>| [&[n], param.shape()].concat();
    let mut all: Vec<ArrayD<T>> = params.iter().map(|p| ArrayD::zeros(shape(p))).collect();
    for example in 0..n {
        let (_, gradients) = tape.gradients(|t| cost(t, example));
        for (all, param) in all.iter_mut().zip(params) {
            if let Some(gradient) = gradients.get(param) {
                all.index_axis_mut(Axis(0), example).assign(&gradient);
            }
        }
    }
    all
}

/// Converts a gradient to an array type with as many axes as its variable has.
fn like<T: Float, D: Dimension>(gradient: ArrayD<T>) -> Array<T, D> {
    gradient.into_dimensionality().expect("a gradient has its variable's shape")
}

/// The matrix of second derivatives of a function of one vector: `Hᵢⱼ = ∂²f / ∂xᵢ∂xⱼ`.
///
/// Its eigenvalues tell critical points apart: all are positive at a minimum, all negative at a maximum, and there are
/// both at a saddle point.
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
