//! The operations, one family in each file. To add an operation, write a row or a struct in one of these files: its
//! documentation, its rule and its check points stand there together. A new file is named in the list below, once.

#[cfg(test)]
use ndarray::ArrayD;

#[cfg(test)]
use crate::Var;

/// Makes a [`Check`]: the function is written once, and compiled for both number types.
#[cfg(test)]
macro_rules! check {
    ($name:expr, $inputs:expr, $run:expr $(,)?) => {
        $crate::ops::Check { name: $name, inputs: $inputs, run: Box::new($run), run_f32: Box::new($run), each: false }
    };
}

#[cfg(test)]
mod edges;
#[cfg(test)]
mod invariants;

pub(crate) mod activation;
pub(crate) mod along;
pub(crate) mod arithmetic;
pub(crate) mod arrange;
pub(crate) mod batch_norm;
pub(crate) mod choose;
pub(crate) mod convolution;
pub(crate) mod einsum;
pub(crate) mod elementwise;
pub(crate) mod exponential;
pub(crate) mod extreme;
pub(crate) mod fused;
mod fused_loops;
pub(crate) mod index;
pub(crate) mod join;
mod keep;
pub(crate) mod layer_norm;
pub(crate) mod matmul;
mod normalize;
mod operators;
pub(crate) mod places;
pub(crate) mod pooling;
mod record;
pub(crate) mod reduce;
pub(crate) mod scan;
pub(crate) mod shape;
pub(crate) mod slice;
pub(crate) mod softmax;
pub(crate) mod tensor_functions;
pub(crate) mod trigonometric;

/// All check points of all families. A test fails if a family is missing here.
#[cfg(test)]
pub(crate) fn checks() -> Vec<Check> {
    let families = [
        arithmetic::checks(),
        exponential::checks(),
        trigonometric::checks(),
        activation::checks(),
        choose::checks(),
        reduce::checks(),
        extreme::checks(),
        scan::checks(),
        matmul::checks(),
        einsum::checks(),
        shape::checks(),
        places::checks(),
        slice::checks(),
        arrange::checks(),
        join::checks(),
        index::checks(),
        softmax::checks(),
        batch_norm::checks(),
        layer_norm::checks(),
        convolution::checks(),
        pooling::checks(),
        fused::checks(),
    ];
    families.into_iter().flatten().collect()
}

/// A function of operations, and a point at which its derivatives are checked.
#[cfg(test)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) inputs: Vec<ArrayD<f64>>,
    pub(crate) run: Run<f64>,
    /// the same in single precision
    pub(crate) run_f32: Run<f32>,
    /// whether each number of the output depends on one number of each input: then the function takes arrays of any
    /// shape
    pub(crate) each: bool,
}

#[cfg(test)]
impl Check {
    pub(crate) fn elementwise(self) -> Self {
        Check { each: true, ..self }
    }
}

#[cfg(test)]
type Run<T> = Box<dyn for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>>;

/// Numbers of either sign that look random and are always the same, for check points and tests.
#[cfg(test)]
pub(crate) fn numbers(shape: &[usize], seed: f64) -> ArrayD<f64> {
    let mut i = seed;
    ArrayD::from_shape_fn(ndarray::IxDyn(shape), |_| {
        i += 1.0;
        (i * 12.9898).sin() * 1.5
    })
}
