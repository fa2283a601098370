//! The macro that makes an operation of a row: formula, derivative, check points.
//!
//! A row of one number:
//!
//! ```text
//! /// Hyperbolic tangent: `y = tanh x`, `dy/dx = 1 − y²`.
//! tanh: Tanh(x) -> y { value: x.tanh(), derivative: 1 - y * y, check: [-2.0, 0.7] }
//! ```
//!
//! becomes the method `Var::tanh`, the function `tanh`, the fused loops, the recorded derivative, and an entry of the
//! table that the gradient checks walk. Settings follow the variable, with the values they are checked at:
//! `elu: Elu(x; alpha) -> y { …, check: (0.7) [-1.0, 2.0] }`. `linear: c` instead of `derivative` says that the
//! derivative is the number c. A row of two numbers has `(a, b) -> y` and a derivative by each.

use crate::Float;
use crate::kernels::threads::{GRAIN, split};
use crate::kernels::{BinaryRule, UnaryRule};
use crate::operation::{Jvp, Output, View, Vjp};
use crate::ops::broadcast::broadcast_strides;
use crate::tensor::{Tensor, Value};

macro_rules! elementwise {
    ($(
        $(#[$doc:meta])*
        $name:ident: $Type:ident($x:ident $(; $($setting:ident),+)?) -> $y:ident {
            value: $value:expr,
            $rule:ident: $derivative:expr,
            $(limit: $limit:expr,)?
            check: $(($($at:expr),+))? [$($point:expr),+ $(,)?] $(,)?
        }
    )*) => {
        $(
            #[doc = concat!("The rule of [`Var::", stringify!($name), "`](crate::Var::", stringify!($name), ").")]
            #[derive(Clone, Copy, Debug)]
            pub(crate) struct $Type { $($(pub(crate) $setting: f64),+)? }

            impl $crate::kernels::UnaryRule for $Type {
                $(const LIMIT: f64 = $limit;)?
                #[inline(always)]
                fn value<K: $crate::kernels::Real>(self, $x: $crate::kernels::Num<K>) -> $crate::kernels::Num<K> {
                    let $Type { $($($setting),+)? } = self;
                    $value
                }
                #[inline(always)]
                fn derivative<K: $crate::kernels::Real>(
                    self,
                    $x: $crate::kernels::Num<K>,
                    $y: $crate::kernels::Num<K>,
                ) -> $crate::kernels::Num<K> {
                    let $Type { $($($setting),+)? } = self;
                    let _ = ($x, $y $($(, $setting)+)?);
                    $crate::ops::elementwise::elementwise!(@derivative $rule, $x, $derivative)
                }
                #[track_caller]
                fn record<T: $crate::Float>(self, x: $crate::Var<'_, T>) -> $crate::Var<'_, T> {
                    x.tape().elementwise(self, x)
                }
                fn loops() -> &'static $crate::kernels::UnaryLoops<Self> {
                    static LOOPS: $crate::kernels::UnaryLoops<$Type> = $crate::kernels::UnaryLoops::new();
                    &LOOPS
                }
            }

            impl<T: $crate::Float> $crate::Operation<T> for $Type {
                fn name(&self) -> &'static str {
                    stringify!($name)
                }
                fn shape(&self, inputs: &[&[usize]]) -> Result<$crate::Shape, String> {
                    Ok($crate::Shape::from_slice(inputs[0]))
                }
                fn forward(&self, inputs: &[$crate::View<'_, T>], mut output: $crate::Output<'_, T>) {
                    $crate::ops::elementwise::forward_unary(*self, inputs[0].padded(), output.padded());
                }
                fn vjp<V: $crate::Tensor<T>>(&self, cx: &$crate::Vjp<'_, T, V>) {
                    let $Type { $($($setting),+)? } = *self;
                    $(let _ = ($($setting),+);)?
                    $crate::ops::elementwise::elementwise!(@vjp $rule, self, cx, $derivative);
                }
                fn jvp<'s>(&self, cx: &$crate::Jvp<'_, 's, T>) -> Option<$crate::Value<'s, T>> {
                    Some($crate::Tensor::chain(*self, cx.tangent(0)?, cx.input(0), cx.output()))
                }
            }

            impl<'t, T: $crate::Float> $crate::Var<'t, T> {
                $(#[$doc])*
                #[track_caller]
                pub fn $name(self $($(, $setting: f64)+)?) -> Self {
                    self.tape().elementwise($Type { $($($setting),+)? }, self)
                }
            }

            impl<K: $crate::kernels::Real> $crate::kernels::Num<K> {
                #[doc = concat!("[`Var::", stringify!($name), "`](crate::Var::", stringify!($name), ") of a number.")]
                #[inline(always)]
                pub fn $name(self $($(, $setting: f64)+)?) -> Self {
                    $crate::kernels::Num(self.0.unary($Type { $($($setting),+)? }))
                }
            }

            #[doc = concat!("[`Var::", stringify!($name), "`](crate::Var::", stringify!($name), ") as a function.")]
            #[track_caller]
            pub fn $name<'t, T: $crate::Float>(x: $crate::Var<'t, T> $($(, $setting: f64)+)?) -> $crate::Var<'t, T> {
                x.$name($($($setting),+)?)
            }
        )*

        /// The points at which the derivatives of this file are checked.
        #[cfg(test)]
        pub(crate) fn unary_checks() -> Vec<$crate::ops::Check> {
            vec![$(check!(
                stringify!($name),
                vec![ndarray::arr1(&[$($point as f64),+]).into_dyn()],
                |v| v[0].$name($($($at as f64),+)?),
            ).elementwise()),*]
        }
    };

    (@derivative derivative, $x:ident, $derivative:expr) => { $derivative };
    (@derivative linear, $x:ident, $c:expr) => { $x.literal($c) };

    (@vjp derivative, $self:ident, $cx:ident, $derivative:expr) => {
        $cx.add(0, || V::chain(*$self, $cx.take_grad(), $cx.input(0), $cx.output()))
    };
    (@vjp linear, $self:ident, $cx:ident, $c:expr) => {
        $cx.add(0, || if $c == 1.0 { $cx.take_grad() } else { $cx.take_grad() * $c })
    };
}
pub(crate) use elementwise;

macro_rules! elementwise_binary {
    ($(
        $(#[$doc:meta])*
        $name:ident: $Type:ident($a:ident, $b:ident) -> $y:ident {
            value: $value:expr,
            derivative: { $da:expr, $db:expr },
            check: [$($point:expr),+ $(,)?] $(,)?
        }
    )*) => {
        $(
            $crate::ops::elementwise::elementwise_binary!(@rule $name, $Type($a, $b) -> $y, $value, $da, $db);

            impl<T: $crate::Float> $crate::Operation<T> for $Type {
                fn name(&self) -> &'static str {
                    stringify!($name)
                }
                fn shape(&self, inputs: &[&[usize]]) -> Result<$crate::Shape, String> {
                    $crate::ops::broadcast::broadcast_shape(inputs[0], inputs[1])
                }
                fn forward(&self, inputs: &[$crate::View<'_, T>], output: $crate::Output<'_, T>) {
                    $crate::ops::elementwise::forward_binary(*self, inputs, output);
                }
                fn vjp<V: $crate::Tensor<T>>(&self, cx: &$crate::Vjp<'_, T, V>) {
                    $crate::ops::elementwise::vjp_binary(*self, cx);
                }
                fn jvp<'s>(&self, cx: &$crate::Jvp<'_, 's, T>) -> Option<$crate::Value<'s, T>> {
                    $crate::ops::elementwise::jvp_binary(*self, cx)
                }
            }

            $crate::ops::elementwise::elementwise_binary!(@method $(#[$doc])* $name, $Type);
        )*

        /// The points at which the derivatives of this file are checked.
        #[cfg(test)]
        pub(crate) fn binary_checks() -> Vec<$crate::ops::Check> {
            vec![$({
                let (a, b): (Vec<f64>, Vec<f64>) = [$($point),+].into_iter().map(|[a, b]: [f64; 2]| (a, b)).unzip();
                check!(
                    stringify!($name),
                    vec![ndarray::arr1(&a).into_dyn(), ndarray::arr1(&b).into_dyn()],
                    |v| v[0].$name(v[1]),
                ).elementwise()
            }),*]
        }
    };

    // the loops of a rule, without the operation
    (@rule $name:ident, $Type:ident($a:ident, $b:ident) -> $y:ident, $value:expr, $da:expr, $db:expr) => {
        #[doc = concat!("The rule of [`Var::", stringify!($name), "`](crate::Var::", stringify!($name), ").")]
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $Type {}

        impl $crate::kernels::BinaryRule for $Type {
            #[inline(always)]
            fn value<K: $crate::kernels::Real>(
                self,
                $a: $crate::kernels::Num<K>,
                $b: $crate::kernels::Num<K>,
            ) -> $crate::kernels::Num<K> {
                $value
            }
            #[inline(always)]
            fn derivative_a<K: $crate::kernels::Real>(
                self,
                $a: $crate::kernels::Num<K>,
                $b: $crate::kernels::Num<K>,
                $y: $crate::kernels::Num<K>,
            ) -> $crate::kernels::Num<K> {
                let _ = ($a, $b, $y);
                $da
            }
            #[inline(always)]
            fn derivative_b<K: $crate::kernels::Real>(
                self,
                $a: $crate::kernels::Num<K>,
                $b: $crate::kernels::Num<K>,
                $y: $crate::kernels::Num<K>,
            ) -> $crate::kernels::Num<K> {
                let _ = ($a, $b, $y);
                $db
            }
            #[track_caller]
            fn record<'t, T: $crate::Float>(
                self,
                a: $crate::Var<'t, T>,
                b: $crate::Var<'t, T>,
            ) -> $crate::Var<'t, T> {
                a.tape().apply(self, [a, b])
            }
            fn loops() -> &'static $crate::kernels::BinaryLoops<Self> {
                static LOOPS: $crate::kernels::BinaryLoops<$Type> = $crate::kernels::BinaryLoops::new();
                &LOOPS
            }
        }
    };

    (@method $(#[$doc:meta])* $name:ident, $Type:ident) => {
        impl<K: $crate::kernels::Real> $crate::kernels::Num<K> {
            #[doc = concat!("[`Var::", stringify!($name), "`](crate::Var::", stringify!($name), ") of two numbers.")]
            #[inline(always)]
            pub fn $name(self, other: Self) -> Self {
                $crate::kernels::Num(self.0.binary(other.0, $Type {}))
            }
        }

        impl<'t, T: $crate::Float> $crate::Var<'t, T> {
            $(#[$doc])*
            #[track_caller]
            pub fn $name(self, other: impl $crate::IntoVar<'t, T>) -> Self {
                let other = other.into_var(self.tape());
                self.tape().apply($Type {}, [self, other])
            }
        }
    };
}
pub(crate) use elementwise_binary;

/// Runs a unary rule over an array.
pub(crate) fn forward_unary<T: Float, R: UnaryRule>(rule: R, x: &[T], y: &mut [T]) {
    let forward = T::unary(R::loops()).forward;
    split(y, GRAIN, |start, y| forward(rule, &x[start..start + y.len()], y));
}

/// Runs a binary rule over two arrays, broadcasting.
pub(crate) fn forward_binary<T: Float, R: BinaryRule>(rule: R, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
    let kernels = T::binary(R::loops());
    let (a, b) = (inputs[0], inputs[1]);
    if a.shape() == b.shape() {
        let (a, b) = (a.padded(), b.padded());
        return split(output.padded(), GRAIN, |start, out| {
            let range = start..start + out.len();
            (kernels.forward)(rule, &a[range.clone()], &b[range], out);
        });
    }
    let shape = output.shape();
    if output.data().is_empty() {
        return;
    }
    if b.data().len() == 1 && a.shape() == shape {
        let (a, b) = (a.padded(), b.data()[0]);
        return split(output.padded(), GRAIN, |start, out| {
            (kernels.forward_right)(rule, &a[start..start + out.len()], b, out);
        });
    }
    if a.data().len() == 1 && b.shape() == shape {
        let (a, b) = (a.data()[0], b.padded());
        return split(output.padded(), GRAIN, |start, out| {
            (kernels.forward_left)(rule, a, &b[start..start + out.len()], out);
        });
    }
    // row by row along the last axis, where each operand either runs along or stays
    let (a_strides, b_strides) = (broadcast_strides(a.shape(), shape), broadcast_strides(b.shape(), shape));
    let (&length, outer) = shape.split_last().expect("shapes that differ have an axis");
    let last = outer.len();
    let (a, b) = (a.data(), b.data());
    for (row, out) in output.data().chunks_exact_mut(length).enumerate() {
        let (mut rest, mut at_a, mut at_b) = (row, 0, 0);
        for axis in (0..last).rev() {
            at_a += (rest % outer[axis]) * a_strides[axis];
            at_b += (rest % outer[axis]) * b_strides[axis];
            rest /= outer[axis];
        }
        match (a_strides[last], b_strides[last]) {
            (0, 0) => (kernels.forward_right)(rule, &vec![a[at_a]; length], b[at_b], out),
            (0, _) => (kernels.forward_left)(rule, a[at_a], &b[at_b..at_b + length], out),
            (_, 0) => (kernels.forward_right)(rule, &a[at_a..at_a + length], b[at_b], out),
            _ => (kernels.forward)(rule, &a[at_a..at_a + length], &b[at_b..at_b + length], out),
        }
    }
}

/// The derivative of a binary rule by each operand.
pub(crate) fn vjp_binary<T: Float, V: Tensor<T>, R: BinaryRule>(rule: R, cx: &Vjp<'_, T, V>) {
    for (i, second) in [(0, false), (1, true)] {
        cx.add(i, || V::chain_binary(rule, second, cx.grad(), [cx.input(0), cx.input(1)], cx.output()));
    }
}

/// How the output of a binary rule moves with its operands.
pub(crate) fn jvp_binary<'s, T: Float, R: BinaryRule>(rule: R, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
    let (operands, y) = (|| [cx.input(0), cx.input(1)], cx.output());
    let by = |i: usize| {
        let moved = cx.tangent(i)?.broadcast_to(y.shape());
        Some(Value::chain_binary(rule, i == 1, moved, operands(), cx.output()))
    };
    cx.sum([by(0), by(1)].into_iter().flatten())
}
