//! The kinds of numbers, and the elementwise functions that are written over them.

/// A kind of number that a rule is written over. Literals stay literals (`shift`, `scale`, `divide_into`): on a tape
/// they never become leaves.
#[allow(missing_docs)]
pub trait Real: Copy {
    /// Applies an elementwise function, with its own derivatives.
    fn apply<R: Rule<N>, const N: usize>(rule: R, x: [Self; N]) -> Self;
    /// The number c, of the same kind as this.
    fn literal(self, c: f64) -> Self;
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;
    fn neg(self) -> Self;
    /// `x + c`
    fn shift(self, c: f64) -> Self;
    /// `x · c`
    fn scale(self, c: f64) -> Self;
    /// `x / c`
    fn divide_by(self, c: f64) -> Self;
    /// `c / x`
    fn divide_into(self, c: f64) -> Self;
    /// 1 where `x > other`, else 0. Its derivative is 0.
    fn gt(self, other: Self) -> Self;
    /// 1 where `x = other`, else 0. Its derivative is 0.
    fn eq(self, other: Self) -> Self;
    /// 1 where `x > c`, else 0. Its derivative is 0.
    fn above(self, c: f64) -> Self;
    /// 1 where `x < c`, else 0. Its derivative is 0.
    fn below(self, c: f64) -> Self;
    /// `yes` where this is not 0, else `no`.
    fn choose(self, yes: Self, no: Self) -> Self;
}

/// The functions of one number that all other functions are made of. A new function is named here, defined in
/// `kernels/math/single.rs` and `double.rs`, and made an operation by a row in `ops/`. The trigonometric functions are
/// those whose polynomials are accurate only up to a limit.
macro_rules! primitives {
    ($callback:ident! $($arguments:tt)*) => {
        $callback! { $($arguments)* [exp exp_m1 ln ln_1p tanh erf] trigonometric [sin cos] }
    };
}
pub(crate) use primitives;

macro_rules! numeric {
    ([$($function:ident)*] trigonometric [$($trigonometric:ident)*]) => {
        /// A kind of number that computes, and so has the functions that all other functions are made of. The other
        /// kinds need no list of functions: the rule of each function gives them its derivative.
        #[allow(missing_docs)]
        pub trait Numeric: Real {
            fn abs(self) -> Self;
            fn sqrt(self) -> Self;
            fn pow(self, exponent: Self) -> Self;
            fn pow_number(self, exponent: f64) -> Self;
            $(fn $function(self) -> Self;)*
            $(fn $trigonometric(self) -> Self;)*
        }
    };
}
primitives!(numeric!);

/// A number of an elementwise rule or of a [`fused!`](crate::fused) function.
///
/// It has operators between numbers and with `f64` or `i32` literals, and every elementwise function that a
/// [`Var`](crate::Var) has, by the same name. [`where_`](crate::where_)`(condition, yes, no)` is
/// [`condition.choose(yes, no)`](Num::choose) here.
#[derive(Clone, Copy, Debug)]
pub struct Num<K>(pub K);

/// An elementwise function of N numbers: its formula and its derivatives, each written once.
#[doc(hidden)]
pub trait Rule<const N: usize>: Copy + Send + Sync + 'static {
    /// The name of the function in messages.
    const NAME: &'static str;
    /// The documentation of the function: the first paragraph has the formula and the derivative.
    const DOC: &'static str;
    /// The largest |x| for which the polynomials that `value` calls keep their accuracy.
    const LIMIT: f64 = f64::INFINITY;
    /// The settings with their names: the number that `mul_number` multiplies by, say.
    fn settings(self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
    /// `y = f(x)`
    fn value<K: Numeric>(self, x: [Num<K>; N]) -> Num<K>;
    /// `∂y/∂xᵢ`, given x and y.
    fn slope<K: Real>(self, i: usize, x: [Num<K>; N], y: Num<K>) -> Num<K>;
    /// The derivative of a function of one number, if it is the same number everywhere.
    fn constant_slope(self) -> Option<f64> {
        None
    }
    /// The loops that run the rule over arrays.
    fn loops() -> &'static Compiled<Self, N>;
}

/// The loops of a rule, compiled in this crate for both number types.
#[doc(hidden)]
pub struct Compiled<R, const N: usize> {
    pub(crate) f32: Loops<R, f32, N>,
    pub(crate) f64: Loops<R, f64, N>,
}

/// Numbers and their tangents, which say how fast they move; `None` if they stand still. A tangent of 0 is not the
/// same, because its product with an infinite or NaN derivative is NaN.
pub(crate) type Moving<'a, T> = (&'a [T], Option<&'a [T]>);

/// The loops of a rule for one number type. `i` is the number of an operand.
#[doc(hidden)]
pub struct Loops<R, T, const N: usize> {
    /// `y ← f(x)`
    pub(crate) value: fn(R, [&[T]; N], &mut [T]),
    /// `y ← f(x)` for a rule of two numbers, where operand i is one number for all places
    pub(crate) value_beside: fn(R, usize, [&[T]; N], &mut [T]),
    /// `g ← g · ∂f/∂xᵢ`, given x and y
    pub(crate) chain: Chain<R, T, N>,
    /// `g ← g · f′` and `dg ← dg · f′ + g · df′` with `f′ = ∂f/∂xᵢ`, given x, y and their tangents. The last argument
    /// says whether g moved before the call: if it did not, dg holds nothing yet.
    pub(crate) chain_moving: ChainMoving<R, T, N>,
}

type Chain<R, T, const N: usize> = fn(R, usize, [&[T]; N], &[T], &mut [T]);
type ChainMoving<R, T, const N: usize> = fn(R, usize, ([Moving<'_, T>; N], Moving<'_, T>), (&mut [T], &mut [T]), bool);
