//! Elementwise functions that users write without writing their derivatives.

use super::{Dual, Num, Real};

/// An expression over any kind of number, which [`fused!`](crate::fused) makes of a function.
pub trait Expression<const N: usize>: Copy + Send + Sync + 'static {
    /// The name of the expression in messages.
    const NAME: &'static str;
    /// The attributes of the function in the source, such as its documentation, as they are written.
    #[doc(hidden)]
    const DOC: &'static [&'static str] = &[];
    /// Whether the crate that contains the expression is compiled with optimisation.
    const OPTIMISED: bool;
    /// Computes the expression. It must be `#[inline(always)]`, or loops over it will not vectorise.
    fn value<K: Real>(self, x: [Num<K>; N]) -> Num<K>;

    /// The value with its derivatives by the inputs that are `wanted`.
    #[doc(hidden)]
    #[inline(always)]
    fn dual<K: Real>(self, x: [K; N], wanted: [bool; N]) -> Dual<K, N> {
        let mut numbers = [Num(Dual::constant(x[0])); N];
        for i in 0..N {
            numbers[i].0.value = x[i];
            if wanted[i] {
                numbers[i].0.slopes[i] = Some(x[i].literal(1.0));
            }
        }
        self.value(numbers).0
    }
}
