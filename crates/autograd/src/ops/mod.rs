//! The operations, a family a file. Adding one means a row or a struct in one of these files: its documentation, its
//! rule and its check points stand there together. A new file is named in the list below, once.

pub(crate) mod broadcast;
pub(crate) mod elementwise;

#[cfg(test)]
use ndarray::ArrayD;

#[cfg(test)]
use crate::Var;

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
    matmul;
    shape;
    slice;
    join;
    index;
    softmax;
    fused;
}

/// A function of operations, and a point at which its derivatives are checked.
#[cfg(test)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) inputs: Vec<ArrayD<f64>>,
    #[allow(clippy::type_complexity)]
    pub(crate) run: Box<dyn for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>>,
}

#[cfg(test)]
impl Check {
    pub(crate) fn new(
        name: &'static str,
        inputs: Vec<ArrayD<f64>>,
        run: impl for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64> + 'static,
    ) -> Self {
        Check { name, inputs, run: Box::new(run) }
    }
}
