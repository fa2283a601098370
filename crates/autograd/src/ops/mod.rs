//! The operations, a family a file. Adding one means a row or a struct in one of these files: its documentation, its
//! rule and its check points stand there together. A new file is named in the list below, once.

#[cfg(test)]
use ndarray::ArrayD;

#[cfg(test)]
use crate::Var;

/// A [`Check`]: the function is written once, and compiled for both number types.
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

pub(crate) mod broadcast;
pub(crate) mod elementwise;

macro_rules! operations {
    ($($(#[$doc:meta])* $family:ident;)*) => {
        $($(#[$doc])* pub(crate) mod $family;)*

        /// All check points of all families.
        #[cfg(test)]
        pub(crate) fn checks() -> Vec<Check> {
            [$($family::checks()),*].into_iter().flatten().collect()
        }
    };
}
operations! {
    arithmetic;
    exponential;
    trigonometric;
    activation;
    choose;
    reduce;
    extreme;
    scan;
    matmul;
    einsum;
    shape;
    places;
    slice;
    arrange;
    join;
    index;
    softmax;
    normalize;
    window;
    fused;
}

/// A function of operations, and a point at which its derivatives are checked.
#[cfg(test)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) inputs: Vec<ArrayD<f64>>,
    pub(crate) run: Run<f64>,
    /// the same in single precision
    pub(crate) run_f32: Run<f32>,
    /// whether each number of the output is made of one number of each input: then any arrays will do
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
