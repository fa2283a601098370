//! Checks derivatives against finite differences.

use std::fmt;

use ndarray::{ArrayD, IxDyn};

use crate::{Tape, Var};

/// Where a derivative and a difference quotient disagree.
#[derive(Clone, PartialEq)]
pub struct GradCheckError {
    /// the derivative that was compared
    pub what: &'static str,
    /// which input
    pub input: usize,
    /// which number of that input, row by row
    pub element: usize,
    /// the number that the sweep computed
    pub computed: f64,
    /// the number that it should be close to
    pub expected: f64,
}

impl fmt::Display for GradCheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GradCheckError { what, input, element, computed, expected } = self;
        write!(f, "{what}: by element {element} of input {input} it is {computed}, expected {expected}")
    }
}

impl std::error::Error for GradCheckError {}
crate::debug_as_display!(GradCheckError);

/// Checks the derivatives of a function of arrays at a point, to second order, in `f64`.
///
/// Fixed weights make a single number F of the function's output. The gradients of F by both sweeps are compared with
/// central differences of F. For a fixed direction d, the gradients of `∇F · d` by both sweeps and the Hessian-vector
/// product along d are compared with central differences of `∇F · d`. Choose a point with no kink within 10⁻⁴.
///
/// ```
/// use gradus_autograd::gradcheck;
/// use ndarray::array;
/// gradcheck(|v| v[0].tanh() * v[1], &[array![0.3, 0.7].into_dyn(), array![[2.0], [1.0]].into_dyn()]).unwrap();
/// ```
///
/// # Errors
/// The first disagreement: a difference of more than 10⁻⁶ times the largest of 1, the size of the expected value, and
/// the size of the function that is differentiated.
pub fn gradcheck(
    f: impl for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>,
    at: &[ArrayD<f64>],
) -> Result<(), GradCheckError> {
    let check = Check { f, directions: at.iter().enumerate().map(|(i, x)| fixed(x.shape(), 11 + i)).collect() };
    let first = check.first_order(at);
    check.compare("backward, first order", at, &first.swept, |at| check.value(at))?;
    check.compare("grad, first order", at, &first.recorded, |at| check.value(at))?;
    let second = check.second_order(at);
    let slope = |at: &[ArrayD<f64>]| check.along(&check.first_order(at).swept);
    check.compare("backward of grad, second order", at, &second.swept, slope)?;
    check.compare("grad of grad, second order", at, &second.recorded, slope)?;
    check.compare("hvp, second order", at, &check.product(at), slope)
}

/// Numbers of either sign that look random and are always the same.
fn fixed(shape: &[usize], seed: usize) -> ArrayD<f64> {
    let mut i = seed as f64;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        i += 1.0;
        (i * 78.233).sin() + 0.1
    })
}

struct Check<F> {
    f: F,
    directions: Vec<ArrayD<f64>>,
}

/// The gradients that each of the two sweeps computes.
struct Swept {
    swept: Vec<ArrayD<f64>>,
    recorded: Vec<ArrayD<f64>>,
}

impl<F: for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>> Check<F> {
    fn cost<'t>(&self, inputs: &[Var<'t, f64>]) -> Var<'t, f64> {
        let y = (self.f)(inputs);
        (y * &fixed(y.shape(), 3)).sum()
    }

    fn value(&self, at: &[ArrayD<f64>]) -> f64 {
        let tape = Tape::mathematics();
        let inputs: Vec<_> = at.iter().map(|x| tape.var(x)).collect();
        self.cost(&inputs).item()
    }

    fn along(&self, gradients: &[ArrayD<f64>]) -> f64 {
        gradients.iter().zip(&self.directions).map(|(g, d)| (g * d).sum()).sum()
    }

    fn both<'t>(cost: Var<'t, f64>, inputs: &[Var<'t, f64>]) -> Swept {
        let gradients = cost.backward();
        Swept {
            swept: inputs.iter().map(|&x| gradients.wrt(x)).collect(),
            recorded: cost.grad_many(inputs).iter().map(|g| g.value().to_owned()).collect(),
        }
    }

    fn first_order(&self, at: &[ArrayD<f64>]) -> Swept {
        let tape = Tape::mathematics();
        let inputs: Vec<_> = at.iter().map(|x| tape.var(x)).collect();
        Self::both(self.cost(&inputs), &inputs)
    }

    fn second_order(&self, at: &[ArrayD<f64>]) -> Swept {
        let tape = Tape::mathematics();
        let inputs: Vec<_> = at.iter().map(|x| tape.var(x)).collect();
        let gradients = self.cost(&inputs).grad_many(&inputs);
        let slopes = gradients.iter().zip(&self.directions).map(|(&g, d)| (g * d).sum());
        let slope = slopes.fold(tape.var(0.0), |sum, slope| sum + slope);
        Self::both(slope, &inputs)
    }

    fn product(&self, at: &[ArrayD<f64>]) -> Vec<ArrayD<f64>> {
        let tape = Tape::mathematics();
        let inputs: Vec<_> = at.iter().map(|x| tape.var(x)).collect();
        let product = self.cost(&inputs).hvp(inputs.iter().copied().zip(&self.directions));
        inputs.iter().map(|&x| product.wrt(x)).collect()
    }

    fn compare(
        &self,
        what: &'static str,
        at: &[ArrayD<f64>],
        computed: &[ArrayD<f64>],
        f: impl Fn(&[ArrayD<f64>]) -> f64,
    ) -> Result<(), GradCheckError> {
        let size = f(at).abs();
        let mut moved = at.to_vec();
        for input in 0..at.len() {
            for element in 0..at[input].len() {
                let x = at[input].iter().nth(element).copied().unwrap_or(0.0);
                let step = 1e-5 * (x.abs() * 1e-3).max(1.0);
                let mut side = |x: f64| {
                    if let Some(place) = moved[input].iter_mut().nth(element) {
                        *place = x;
                    }
                    f(&moved)
                };
                let (above, below) = (side(x + step), side(x - step));
                side(x);
                let expected = (above - below) / (2.0 * step);
                let computed = computed[input].iter().nth(element).copied().unwrap_or(f64::NAN);
                let tolerance = 1e-6 * expected.abs().max(size).max(1.0);
                let near = (computed - expected).abs() <= tolerance; // false for NaN
                if !near {
                    return Err(GradCheckError { what, input, element, computed, expected });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
