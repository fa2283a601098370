//! The two number types of the crate, and how each finds its compiled kernels.

use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use serde::{Serialize, de::DeserializeOwned};

use crate::calculus::{Compiled, Loops};
use crate::kernels::{self, AnyBlock, AnyLane, Block, Kernels, Lane};

/// A number that a tape can hold: `f32` or `f64`.
///
/// ```
/// use gradus_autograd::Float;
/// fn half<T: Float>() -> T { T::from_f64(0.5) }
/// assert_eq!(half::<f32>(), 0.5f32);
/// ```
pub trait Float:
    Element
    + ndarray::ScalarOperand
    + ndarray::LinalgScalar
    + Copy
    + Default
    + PartialEq
    + PartialOrd
    + Debug
    + Display
    + Send
    + Sync
    + Serialize
    + DeserializeOwned
    + crate::exact::Exact
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + Sum
    + 'static
{
    /// `"f32"` or `"f64"`.
    const NAME: &'static str;
    /// The distance from 1 to the next larger number.
    const EPSILON: f64;
    /// The number nearest to `value`.
    fn from_f64(value: f64) -> Self;
    /// The same number with the precision of `f64`.
    fn to_f64(self) -> f64;
    /// √x
    fn sqrt(self) -> Self;
    /// |x|
    fn abs(self) -> Self;
    /// Whether the number is neither infinite nor NaN.
    fn is_finite(self) -> bool {
        self.to_f64().is_finite()
    }
}

/// The items that the loops of this crate need of a number type. This trait seals [`Float`]: code outside this crate
/// cannot name it.
pub trait Element: Copy + 'static {
    /// The numbers as a slice of their concrete type, for loops that are compiled once for each type.
    fn typed(numbers: &[Self]) -> Typed<&[f32], &[f64]>;
    fn typed_mut(numbers: &mut [Self]) -> Typed<&mut [f32], &mut [f64]>;
    /// A block of 64 numbers that a rule computes with together.
    type Block: AnyBlock<Self>;
    /// One number of a loop; `MODE` says which arithmetic it may use.
    type Lane<const MODE: u8>: AnyLane<T = Self>;
    fn kernels() -> &'static Kernels<Self>;
    fn loops<R, const N: usize>(compiled: &'static Compiled<R, N>) -> &'static Loops<R, Self, N>;
    /// The one of two things that belongs to this type.
    fn choose<C: Choice>(choice: C) -> C::Of<Self>
    where
        Self: Float;
}

/// Two things, one for each number type: what is compiled for both is chosen so where the type is generic.
pub trait Choice {
    type Of<T: Float>;
    fn f32(self) -> Self::Of<f32>;
    fn f64(self) -> Self::Of<f64>;
}

/// A value for one of the two number types: an `A` for `f32`, or a `B` for `f64`.
#[doc(hidden)]
#[derive(Debug)]
pub enum Typed<A, B> {
    F32(A),
    F64(B),
}

macro_rules! float {
    ($t:ident, $variant:ident, $kernels:path) => {
        impl Float for $t {
            const NAME: &'static str = stringify!($t);
            const EPSILON: f64 = $t::EPSILON as f64;
            #[inline]
            fn from_f64(value: f64) -> Self {
                value as $t
            }
            #[inline]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline]
            fn sqrt(self) -> Self {
                $t::sqrt(self)
            }
            #[inline]
            fn abs(self) -> Self {
                $t::abs(self)
            }
        }

        impl Element for $t {
            fn typed(numbers: &[Self]) -> Typed<&[f32], &[f64]> {
                Typed::$variant(numbers)
            }
            fn typed_mut(numbers: &mut [Self]) -> Typed<&mut [f32], &mut [f64]> {
                Typed::$variant(numbers)
            }
            type Block = Block<$t>;
            type Lane<const MODE: u8> = Lane<$t, MODE>;
            fn kernels() -> &'static Kernels<Self> {
                &$kernels
            }
            fn loops<R, const N: usize>(compiled: &'static Compiled<R, N>) -> &'static Loops<R, Self, N> {
                &compiled.$t
            }
            fn choose<C: Choice>(choice: C) -> C::Of<Self> {
                choice.$t()
            }
        }
    };
}
float!(f32, F32, kernels::F32);
float!(f64, F64, kernels::F64);
