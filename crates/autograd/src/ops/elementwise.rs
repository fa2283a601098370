//! How an elementwise rule becomes an operation, and the macro that makes rules from the rows of a table.
//!
//! ```text
//! /// Hyperbolic tangent: `y = tanh x`, `dy/dx = 1 − y²`.
//! tanh: Tanh(x) -> y { value: x.tanh(), derivative: 1 - y * y, check: [-2.0, 0.7] }
//! ```
//!
//! makes the method `Var::tanh`, the function `tanh`, the methods of [`Num`](crate::Num) and of
//! [`Tensor`](crate::Tensor), the rule, and an entry of the table that the gradient checks walk. The methods of tensors
//! are in a trait, whose name stands before the rows. A function of two numbers has `(a, b) -> y`, its derivatives by a
//! and by b with a semicolon between them, and points `[a, b]`. Settings follow the numbers, and `check` starts with
//! the values at which they are checked: `elu: Elu(x; alpha) -> y { …, check: (0.7) [-1.0, 2.0] }`. `linear: c` instead
//! of `derivative` says that the derivative is the number c. Rows after the word `operators` have no methods: the
//! operators apply them.

use crate::calculus::Rule;
use crate::engine::erased::{self, CompiledHere, Erased, Here};
use crate::engine::tensor::Sweep;
use crate::kernels::threads::{GRAIN, split};
use crate::shape::{Offsets, broadcast_shape, broadcast_strides, join_axes};
use crate::{Float, Jvp, Operation, Output, Shape, Tape, Tensor, Value, Var, View, Vjp};

macro_rules! elementwise {
    (operators $(
        $(#[doc = $doc:literal])*
        $name:ident: $Type:ident($($numbers:tt)*) -> $y:ident { $($row:tt)* }
    )*) => {
        $crate::ops::elementwise::elementwise! { @rules operators $(
            $(#[doc = $doc])*
            [$($doc)*] $name: $Type($($numbers)*) -> $y { $($row)* }
        )* }
    };

    (@rules $rows:ident $(
        $(#[$doc:meta])*
        [$($text:literal)*]
        $name:ident: $Type:ident($x:ident $(, $other:ident)? $(; $($setting:ident),+)?) -> $y:ident {
            value: $value:expr,
            $kind:ident: $slope:expr $(; $other_slope:expr)?,
            $(limit: $limit:expr,)?
            check: $(($($at:expr),+))? [$($point:expr),+ $(,)?] $(,)?
        }
    )*) => {
        $($(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $Type { $($(pub(crate) $setting: f64),+)? }
        impl $crate::calculus::Rule<{ [stringify!($x) $(, stringify!($other))?].len() }> for $Type {
            const NAME: &'static str = stringify!($name);
            const DOC: &'static str = concat!($($text, "\n"),*);
            $(const LIMIT: f64 = $limit;)?
            $(fn settings(self) -> Vec<(&'static str, f64)> {
                vec![$((stringify!($setting), self.$setting)),+]
            })?
            #[inline(always)]
            fn value<K: $crate::calculus::Numeric>(
                self,
                [$x $(, $other)?]: [$crate::Num<K>; [stringify!($x) $(, stringify!($other))?].len()],
            ) -> $crate::Num<K> {
                let $Type { $($($setting),+)? } = self;
                $value
            }
            #[inline(always)]
            fn slope<K: $crate::Real>(
                self,
                i: usize,
                [$x $(, $other)?]: [$crate::Num<K>; [stringify!($x) $(, stringify!($other))?].len()],
                $y: $crate::Num<K>,
            ) -> $crate::Num<K> {
                let $Type { $($($setting),+)? } = self;
                let _ = (i, $x, $y $(, $other)? $($(, $setting)+)?);
                $(if i == 1 {
                    return $other_slope;
                })?
                $crate::ops::elementwise::elementwise!(@slope $kind, $x, $slope)
            }
            $crate::ops::elementwise::elementwise!(@constant $kind, $Type { $($($setting),+)? }, $slope);
            fn loops()
            -> &'static $crate::calculus::Compiled<Self, { [stringify!($x) $(, stringify!($other))?].len() }> {
                static LOOPS: $crate::calculus::Compiled<$Type, { [stringify!($x) $(, stringify!($other))?].len() }> =
                    $crate::calculus::Compiled::new();
                &LOOPS
            }
        }
        impl $crate::ops::elementwise::Row<{ [stringify!($x) $(, stringify!($other))?].len() }> for $Type {
            $crate::engine::erased::compiled_here!(
                @functions
                $crate::ops::elementwise::Elementwise<Self, { [stringify!($x) $(, stringify!($other))?].len() }>
            );
        })*
        $crate::ops::elementwise::check_points! { $rows
            $($name: $Type { $($($setting: $at),+)? } [$($point),+];)*
        }
    };
    (@slope derivative, $x:ident, $slope:expr) => { $slope };
    (@slope linear, $x:ident, $c:expr) => { $x.literal($c) };
    (@constant derivative, $Type:ident { $($setting:ident),* }, $slope:expr) => {};
    (@constant linear, $Type:ident { $($setting:ident),* }, $c:expr) => {
        fn constant_slope(self) -> Option<f64> {
            let $Type { $($setting),* } = self;
            $(let _ = $setting;)*
            Some($c)
        }
    };

    (trait $Methods:ident; $(
        $(#[doc = $doc:literal])*
        $name:ident: $Type:ident($x:ident $(, $other:ident)? $(; $($setting:ident),+)?) -> $y:ident { $($row:tt)* }
    )*) => {
        $crate::ops::elementwise::elementwise! { @rules rows $(
            #[doc = concat!("The rule of [`Var::", stringify!($name), "`](crate::Var::", stringify!($name), ").")]
            [$($doc)*] $name: $Type($x $(, $other)? $(; $($setting),+)?) -> $y { $($row)* }
        )* }
        $(impl<'t, T: $crate::Float> $crate::Var<'t, T> {
            $(#[doc = $doc])*
            #[track_caller]
            pub fn $name(self $(, $other: impl $crate::IntoVar<'t, T>)? $($(, $setting: f64)+)?) -> Self {
                let tape = self.tape();
                tape.elementwise($Type { $($($setting),+)? }, [self $(, $crate::IntoVar::into_var($other, tape))?])
            }
        }
        impl<K: $crate::Real> $crate::Num<K> {
            #[doc = concat!("[`Var::", stringify!($name), "`](crate::Var::", stringify!($name), ") of a number.")]
            #[inline(always)]
            pub fn $name(self $(, $other: impl $crate::IntoNum<K>)? $($(, $setting: f64)+)?) -> Self {
                $crate::Num(K::apply($Type { $($($setting),+)? }, [self.0 $(, $other.into_num(self).0)?]))
            }
        }
        #[doc = concat!("[`Var::", stringify!($name), "`](crate::Var::", stringify!($name), ") as a function.")]
        #[track_caller]
        pub fn $name<'t, T: $crate::Float>(
            x: $crate::Var<'t, T>
            $(, $other: impl $crate::IntoVar<'t, T>)?
            $($(, $setting: f64)+)?
        ) -> $crate::Var<'t, T> {
            x.$name($($other,)? $($($setting),+)?)
        })*
        /// Elementwise operations as methods of every [`Tensor`](crate::Tensor), for the rules of operations.
        pub trait $Methods<T: $crate::Float>: Sized {
            $(#[doc = concat!("[`Var::", stringify!($name), "`](crate::Var::", stringify!($name), ") of a tensor.")]
            #[track_caller]
            fn $name(
                &self
                $(, $other: impl $crate::IntoTensor<T, Self>)?
                $($(, $setting: f64)+)?
            ) -> Self;)*
        }
        impl<T: $crate::Float, V: $crate::Tensor<T>> $Methods<T> for V {
            $(#[track_caller]
            fn $name(
                &self
                $(, $other: impl $crate::IntoTensor<T, Self>)?
                $($(, $setting: f64)+)?
            ) -> Self {
                let operation = $crate::ops::elementwise::Elementwise($Type { $($($setting),+)? });
                V::apply(operation, &[self $(, &$other.into_tensor(self))?])
            })*
        }
    };
}
pub(crate) use elementwise;

/// The points at which the derivatives of rows are checked, as a function.
macro_rules! check_points {
    ($rows:ident $($name:ident: $Type:ident { $($setting:ident: $at:expr),* } [$($point:expr),+];)*) => {
        #[cfg(test)]
        pub(crate) fn $rows() -> Vec<$crate::ops::Check> {
            vec![$(check!(
                stringify!($name),
                $crate::ops::elementwise::columns(&[$($point),+]),
                |v| v[0].tape().elementwise($Type { $($setting: $at),* }, $crate::ops::elementwise::first(v)),
            ).elementwise()),*]
        }
    };
}
pub(crate) use check_points;

/// A rule as an operation: it is run over arrays element by element, and its operands broadcast.
#[derive(Debug)]
pub(crate) struct Elementwise<R, const N: usize>(pub(crate) R);

/// A rule of the table, as an operation that is compiled here. (The rule of a [`fused!`](crate::fused) function is
/// compiled where it is written.)
pub(crate) trait Row<const N: usize>: Rule<N> {
    fn erase_f32(operation: &mut Elementwise<Self, N>) -> &mut Erased<f32>;
    fn erase_f64(operation: &mut Elementwise<Self, N>) -> &mut Erased<f64>;
    fn forward_f32(operation: &Elementwise<Self, N>, inputs: &[View<'_, f32>], output: Output<'_, f32>);
    fn forward_f64(operation: &Elementwise<Self, N>, inputs: &[View<'_, f64>], output: Output<'_, f64>);
}

impl<R: Row<N>, const N: usize> CompiledHere for Elementwise<R, N> {
    fn erase_f32(operation: &mut Self) -> &mut Erased<f32> {
        R::erase_f32(operation)
    }
    fn erase_f64(operation: &mut Self) -> &mut Erased<f64> {
        R::erase_f64(operation)
    }
    fn forward_f32(operation: &Self, inputs: &[View<'_, f32>], output: Output<'_, f32>) {
        R::forward_f32(operation, inputs, output);
    }
    fn forward_f64(operation: &Self, inputs: &[View<'_, f64>], output: Output<'_, f64>) {
        R::forward_f64(operation, inputs, output);
    }
}

impl<T: Float, R: Rule<N>, const N: usize> Operation<T> for Elementwise<R, N> {
    fn name(&self) -> &'static str {
        R::NAME
    }
    fn formula(&self) -> &'static str {
        R::DOC.split_once("\n\n").map_or(R::DOC, |(first, _)| first).trim()
    }
    fn settings(&self) -> String {
        show_settings(&self.0.settings())
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        inputs[1..].iter().try_fold(inputs[0].into(), |shape: Shape, other| broadcast_shape(&shape, other))
    }
    fn forward(&self, inputs: &[View<'_, T>], output: Output<'_, T>) {
        forward(self.0, first(inputs), output);
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        if let Some(c) = self.0.constant_slope() {
            return cx.add(0, || if c == 1.0 { cx.take_grad() } else { cx.take_grad() * c });
        }
        for i in 0..N {
            if cx.asks_for(i) {
                let g = if i + 1 == N { cx.take_grad() } else { cx.grad() };
                cx.add_now(i, V::chain(self.0, i, g, cx.first(), cx.output()));
            }
        }
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        let mut sum = None;
        for i in 0..N {
            if let Some(tangent) = cx.spread_tangent(i) {
                let term = Value::chain(self.0, i, tangent, cx.first(), cx.output());
                sum = cx.with_term(sum, term);
            }
        }
        sum
    }
}

// Apart from `Operation::settings`, since it does not know the rule and would be compiled anew for each.
fn show_settings(settings: &[(&str, f64)]) -> String {
    match settings {
        [(_, number)] => number.to_string(),
        several => several.iter().map(|(name, x)| format!("{name} {x}")).collect::<Vec<_>>().join(", "),
    }
}

impl<T: Float> Tape<T> {
    /// Like [`apply`](Self::apply), for a rule. A rule of one number needs no check of shapes.
    #[track_caller]
    pub(crate) fn elementwise<'t, R: Row<N>, const N: usize>(&'t self, rule: R, x: [Var<'t, T>; N]) -> Var<'t, T> {
        if N > 1 {
            return self.apply(Here(Elementwise(rule)), x);
        }
        let (input, node) = (x[0].index(), self.nodes().node(x[0].index()));
        let (numbers, shape) = (self.nodes().alloc(node.value.padded().len()), node.value.shape());
        let operation = Elementwise(rule);
        erased::forward(&operation, &[node.value; N], Output::new(numbers, shape));
        self.push(Here(operation), node.differentiated.then(|| self.nodes().inputs([input])), numbers, shape)
    }
}

/// The first N of some arrays or variables.
pub(crate) fn first<A: Copy, const N: usize>(all: &[A]) -> [A; N] {
    std::array::from_fn(|i| all[i])
}

/// Runs a rule over arrays.
pub(crate) fn forward<T: Float, R: Rule<N>, const N: usize>(
    rule: R,
    inputs: [View<'_, T>; N],
    mut output: Output<'_, T>,
) {
    let loops = T::loops(R::loops());
    if N == 1 {
        let x = inputs[0].padded();
        return split(output.padded(), GRAIN, |start, out| {
            (loops.value)(rule, [&x[start..start + out.len()]; N], out);
        });
    }
    let value = |x: [&[T]; N], out: &mut [T]| (loops.value)(rule, x, out);
    over(inputs, output, &value, &|one, x, out| (loops.value_beside)(rule, one, x, out));
}

type Loop<'a, T, const N: usize> = &'a (dyn Fn([&[T]; N], &mut [T]) + Sync);
type LoopBeside<'a, T, const N: usize> = &'a (dyn Fn(usize, [&[T]; N], &mut [T]) + Sync);

/// Runs loops over arrays of several shapes: one for runs of numbers, and one for runs beside one number. It does not
/// know the rule, since it would be compiled anew for each.
fn over<T: Float, const N: usize>(
    inputs: [View<'_, T>; N],
    mut output: Output<'_, T>,
    value: Loop<'_, T, N>,
    beside: LoopBeside<'_, T, N>,
) {
    let shape = output.shape();
    if inputs.iter().all(|x| x.shape() == shape) {
        let x = inputs.map(|x| x.padded());
        return split(output.padded(), GRAIN, |start, out| value(x.map(|x| &x[start..start + out.len()]), out));
    }
    if output.data().is_empty() {
        return;
    }
    for one in 0..N {
        if inputs[one].data().len() == 1 && (0..N).all(|i| i == one || inputs[i].shape() == shape) {
            let x = inputs.map(|x| x.padded());
            return split(output.padded(), GRAIN, |start, out| {
                let along = |i: usize| if i == one { x[i] } else { &x[i][start..start + out.len()] };
                beside(one, std::array::from_fn(along), out);
            });
        }
    }
    // row by row along the last axis: each operand runs along the row, except at most one, which is one number for the
    // row
    let strides = inputs.each_ref().map(|x| broadcast_strides(x.shape(), shape));
    let (joined, strides) = join_axes(shape, strides.each_ref().map(|strides| &strides[..]));
    let (length, outer) = joined.split_last().map_or((1, &[][..]), |(&length, outer)| (length, outer));
    let stays = strides.each_ref().map(|strides| strides.last() == Some(&0));
    let offsets = Offsets::new(outer, strides.each_ref().map(|strides| &strides[..]));
    for (at, out) in offsets.zip(output.data().chunks_exact_mut(length)) {
        let x: [&[T]; N] = std::array::from_fn(|i| {
            let at = at[i] as usize;
            &inputs[i].data()[at..at + if stays[i] { 1 } else { length }]
        });
        match stays.iter().position(|stays| *stays) {
            Some(one) => beside(one, x, out),
            None => value(x, out),
        }
    }
}

/// Converts check points to one array for each operand.
#[cfg(test)]
pub(crate) fn columns<P: Point>(points: &[P]) -> Vec<ndarray::ArrayD<f64>> {
    let column = |i| points.iter().map(|point| point.number(i)).collect::<ndarray::Array1<f64>>().into_dyn();
    (0..P::NUMBERS).map(column).collect()
}

/// A check point: a number for each operand.
#[cfg(test)]
pub(crate) trait Point {
    const NUMBERS: usize;
    fn number(&self, i: usize) -> f64;
}
#[cfg(test)]
impl Point for f64 {
    const NUMBERS: usize = 1;
    fn number(&self, _: usize) -> f64 {
        *self
    }
}
#[cfg(test)]
impl Point for [f64; 2] {
    const NUMBERS: usize = 2;
    fn number(&self, i: usize) -> f64 {
        self[i]
    }
}
