//! Elementwise functions that users write, each run as one operation: [`fused!`](crate::fused).

use crate::calculus::Expression;
use crate::ops::fused_loops::{run, run_total, second_order};
use crate::shape::broadcast_shape;
use crate::{Float, Jvp, Operation, Output, Shape, Tape, Tensor, TensorFunctions, Value, Var, View, Vjp};

/// Makes one operation of an elementwise function of one or several arrays, written as ordinary mathematics.
///
/// ```
/// use gradus_autograd::{Tape, fused};
///
/// fused! {
///     /// `y = tanh x · e^(−x²) + σ(x)`
///     pub fn wave(x) { x.tanh() * (-x * x).exp() + x.sigmoid() }
/// }
/// fused! {
///     /// The logarithm of a normal density, with its arrays broadcast.
///     fn log_density(x, mean, deviation) {
///         let z = (x - mean) / deviation;
///         -0.5 * z * z - deviation.ln() - 0.5 * (2.0 * std::f64::consts::PI).ln()
///     }
/// }
/// fused! { fn swish(x; beta) { x * (x * beta).sigmoid() } } // beta is a plain f64
///
/// let tape = Tape::new();
/// let x = tape.var([-1.0, 0.0, 2.0]);
/// let fused = wave(x).sum().backward().wrt(x);
/// let plain = (x.tanh() * (-x * x).exp() + x.sigmoid()).sum().backward().wrt(x);
/// assert!((fused - plain).iter().all(|difference| difference.abs() < 1e-6));
/// assert_eq!(log_density(x, tape.var(0.5), 2.0).shape(), [3]);
/// assert_eq!(swish(x, 1.5).data()[1], 0.0);
/// ```
///
/// The function may use `let`, `if` on settings, every elementwise function that a [`Var`](crate::Var) has, operators,
/// and `f64` and `i32` literals. A condition on an argument is a number, 1 or 0, since it holds for some numbers of an
/// array and not for others: `x.gt(0.0).choose(x, 0.1 * x)` in place of `if x > 0.0 { x } else { 0.1 * x }`. The larger
/// of two numbers is `a.maximum(b)`. Of the arguments before the semicolon, the first is a variable, and the others are
/// values that can become variables; they broadcast. Arguments after the semicolon are numbers that are not
/// differentiated.
///
/// If the function is written with ordinary operations, each of them passes over memory once forward and once back. The
/// forward pass of a fused function runs the expression over [dual numbers](https://en.wikipedia.org/wiki/Dual_number),
/// which carry their derivatives along, and keeps the derivatives in the same pass; the way back is one multiplication.
/// Nobody writes a derivative, and there are derivatives of any order: where a derivative is recorded, to be
/// differentiated again, the same expression runs over variables. Frameworks that compile (`torch.compile`, `jax.jit`)
/// do the same; in the others, such an operation needs a derivative that is written by hand.
///
/// With `-> sum` or `-> mean` behind its arguments, the function gives the sum or the mean of its values, as a cost has
/// it. Then the values are not written to memory at all, only the derivatives, which are half of the passes:
///
/// ```
/// use gradus_autograd::{Tape, fused};
/// fused! { fn distance(x, y) -> mean { (x - y).square() } }
/// let tape = Tape::new();
/// let x = tape.var([1.0, 5.0]);
/// assert_eq!(distance(x, 2.0).item(), 5.0);
/// ```
///
/// The first line of the function's documentation is what [`explain`](crate::explain) shows as its formula.
///
/// In debug builds the expression computes 64 numbers at a time with loops that are compiled in this crate, so it is
/// fast there too, as long as dependencies are optimised.
#[macro_export]
macro_rules! fused {
    ($(
        $(#[$doc:meta])*
        $vis:vis fn $name:ident($first:ident $(, $other:ident)* $(; $($setting:ident),+)? $(,)?) $(-> $total:ident)?
        $body:block
    )+) => {
        $($(#[$doc])*
        #[track_caller]
        $vis fn $name<'t, T: $crate::Float>(
            $first: $crate::Var<'t, T>,
            $($other: impl $crate::IntoVar<'t, T>,)*
            $($($setting: f64),+)?
        ) -> $crate::Var<'t, T> {
            #[derive(Clone, Copy)]
            struct Rule {
                $($($setting: f64),+)?
            }
            impl $crate::Expression<{ [stringify!($first) $(, stringify!($other))*].len() }> for Rule {
                const NAME: &'static str = stringify!($name);
                const DOC: &'static [&'static str] = &[$(stringify!($doc)),*];
                const OPTIMISED: bool = !cfg!(debug_assertions);
                #[inline(always)]
                fn value<K: $crate::Real>(
                    self,
                    [$first $(, $other)*]: [$crate::Num<K>; [stringify!($first) $(, stringify!($other))*].len()],
                ) -> $crate::Num<K> {
                    $(let Rule { $($setting),+ } = self;)?
                    $body
                }
            }
            let tape = $first.tape();
            let inputs = [$first $(, $crate::IntoVar::into_var($other, tape))*];
            $crate::fused!(@apply tape, Rule { $($($setting),+)? }, inputs $(, $total)?)
        })+
    };
    (@apply $tape:ident, $rule:expr, $inputs:ident) => { $tape.fused($rule, $inputs) };
    (@apply $tape:ident, $rule:expr, $inputs:ident, sum) => { $tape.fused_total($rule, $inputs, false) };
    (@apply $tape:ident, $rule:expr, $inputs:ident, mean) => { $tape.fused_total($rule, $inputs, true) };
}

/// The operation of a rule. Its inputs are the N inputs of the rule and, after them, the derivatives that forward kept:
/// one for each input that is differentiated.
struct Fused<R, const N: usize> {
    rule: R,
    /// whether the derivative by each input is kept
    kept: [bool; N],
}

/// The first line of an expression's documentation, without the quotes in which it comes.
fn first_line<R: Expression<N>, const N: usize>() -> &'static str {
    let docs = R::DOC.iter().filter_map(|attribute| attribute.strip_prefix("doc = "));
    docs.map(|text| text.trim_start_matches('r').trim_matches(['#', '"']).trim()).next().unwrap_or_default()
}

fn broadcast(shapes: &[&[usize]]) -> Result<Shape, String> {
    shapes[1..].iter().try_fold(shapes[0].into(), |shape: Shape, other| broadcast_shape(&shape, other))
}

impl<T: Float> Tape<T> {
    /// Applies an expression that [`fused!`](crate::fused) made of a function, and keeps its derivatives by the inputs
    /// that are differentiated.
    #[doc(hidden)]
    #[track_caller]
    pub fn fused<'t, R: Expression<N>, const N: usize>(&'t self, rule: R, inputs: [Var<'t, T>; N]) -> Var<'t, T> {
        let kept = inputs.map(Var::is_differentiated);
        let slopes = kept.iter().filter(|k| **k).count();
        if slopes == 0 {
            return self.apply(Fused { rule, kept }, inputs);
        }
        self.apply_keeping(Fused { rule, kept }, &inputs, (slopes, None), |views, outs| {
            let shape = broadcast(&views.iter().map(View::shape).collect::<Vec<_>>()).expect("shapes that fit");
            run(rule, views, &shape, kept, outs);
        })
    }

    /// The sum or the mean of such an expression.
    #[doc(hidden)]
    #[track_caller]
    pub fn fused_total<'t, R: Expression<N>, const N: usize>(
        &'t self,
        rule: R,
        inputs: [Var<'t, T>; N],
        mean: bool,
    ) -> Var<'t, T> {
        let kept = inputs.map(Var::is_differentiated);
        let operation = Total { fused: Fused { rule, kept }, mean };
        let slopes = kept.iter().filter(|k| **k).count();
        // shapes that do not fit are reported where the operation is applied
        let shape = broadcast(&inputs.each_ref().map(|x| x.shape())).ok().filter(|_| slopes > 0);
        let Some(shape) = shape else { return self.apply(operation, inputs) };
        let factor = operation.factor(&shape);
        self.apply_keeping(operation, &inputs, (slopes, Some(&shape)), |views, outs| {
            if let [total, slopes @ ..] = outs {
                total[0] = run_total(rule, views, (&shape, factor), kept, slopes);
            }
        })
    }
}

/// The sum or the mean of a fused expression. The derivatives that it keeps are those of the result.
struct Total<R, const N: usize> {
    fused: Fused<R, N>,
    mean: bool,
}

impl<R, const N: usize> Total<R, N> {
    /// What the sum is multiplied by.
    fn factor(&self, shape: &[usize]) -> f64 {
        if self.mean { 1.0 / shape.iter().product::<usize>() as f64 } else { 1.0 }
    }
}

impl<T: Float, R: Expression<N>, const N: usize> Operation<T> for Total<R, N> {
    fn name(&self) -> &'static str {
        R::NAME
    }
    fn formula(&self) -> &'static str {
        first_line::<R, N>()
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        let shape = broadcast(&inputs[..N])?;
        match self.mean && shape.contains(&0) {
            true => Err(format!("the mean of {shape:?} is of no number")),
            false => Ok(Shape::new()),
        }
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let shape = broadcast(&inputs[..N].iter().map(View::shape).collect::<Vec<_>>()).expect("shapes that fit");
        let factor = self.factor(&shape);
        output.data()[0] = run_total(self.fused.rule, inputs, (&shape, factor), [false; N], &mut []);
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        for (i, slope) in self.fused.slopes() {
            let x = || std::array::from_fn(|k| cx.input(k));
            cx.add(i, || {
                let slope = cx.input(slope);
                match cx.grad().number() {
                    Some(1.0) => slope,
                    Some(number) => slope * number,
                    // computed anew: the derivative that was kept is used for its shape only
                    None => {
                        let shape = Shape::from_slice(slope.shape());
                        let factor = self.factor(&shape);
                        let g = (cx.grad() * factor).broadcast_to(&shape);
                        V::chain_fused(self.fused.rule, i, g, x(), slope, second_order::<T, R, N>)
                    }
                }
            });
        }
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        let sum = |x: Value<'s, T>| x.sum();
        cx.sum(self.fused.slopes().filter_map(|(i, slope)| Some(sum(cx.tangent(i)? * cx.input(slope)))))
    }
}

impl<T: Float, R: Expression<N>, const N: usize> Operation<T> for Fused<R, N> {
    fn name(&self) -> &'static str {
        R::NAME
    }
    fn formula(&self) -> &'static str {
        first_line::<R, N>()
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        broadcast(&inputs[..N])
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let shape = output.shape();
        run(self.rule, inputs, shape, [false; N], &mut [output.data()]);
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        for (i, slope) in self.slopes() {
            let x = || std::array::from_fn(|k| cx.input(k));
            cx.add(i, || V::chain_fused(self.rule, i, cx.grad(), x(), cx.input(slope), second_order::<T, R, N>));
        }
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        cx.sum(self.slopes().filter_map(|(i, slope)| Some(cx.tangent(i)? * cx.input(slope))))
    }
}

impl<R, const N: usize> Fused<R, N> {
    /// Each input of the rule whose derivative was kept, with the input that is this derivative.
    fn slopes(&self) -> impl Iterator<Item = (usize, usize)> {
        (0..N).filter(|&i| self.kept[i]).zip(N..)
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    use ndarray::array;
    fused! {
        fn wave(x) { x.tanh() * (-x * x).exp() + x.sigmoid() }
        fn density(x, mean, deviation) {
            let z = (x - mean) / deviation;
            -0.5 * z * z - deviation.ln()
        }
        fn mixed(a, b; c) {
            let chosen = a.gt(b).choose(a.sin() * b, b.square());
            (chosen + a.maximum(b) - 2) / (b.softplus() + c) * a.pow(3.0)
        }
        fn straight(a, b) { a + b.literal(1.0) }
        fn distance(a, b) -> mean { (a - b).square() * b.sin() }
        fn energy(a; c) -> sum { (a * c).cos() * a.exp() }
    }
    fused! {
        fn power(a, b) { a.pow(b) }
        fn turning(x, y) { (x * 3).ln_1p().sin() + y.cos() * x.tan() }
        fn rooted(a, b) { (a / b).sqrt() + a.abs().ln() * b.recip() }
    }
    let two = || vec![array![0.4, 1.5, 2.0].into_dyn(), array![1.3, 0.6, 2.5].into_dyn()];
    let matrix = || array![[0.3, -1.2, 2.0], [0.7, 0.1, -0.4]].into_dyn();
    vec![
        check!("fused", vec![array![-1.5, -0.2, 0.0, 0.7].into_dyn()], |v| wave(v[0])),
        check!("fused", vec![matrix(), array![0.1, 0.2, -0.3].into_dyn(), array![[1.5], [0.6]].into_dyn()], |v| {
            density(v[0], v[1], v[2])
        }),
        check!("fused", vec![matrix()], |v| density(v[0], 0.3, v[0].square() + 1.0)),
        check!("fused", vec![matrix(), array![[0.5], [-0.8]].into_dyn()], |v| mixed(v[0], v[1], 1.5)),
        check!("fused", vec![array![0.5].into_dyn(), matrix()], |v| straight(v[0], v[1]).square()),
        check!("power", two(), |v| power(v[0], v[1])).elementwise(),
        check!("fused", vec![matrix(), array![0.5, -0.8, 1.2].into_dyn()], |v| distance(v[0], v[1])),
        check!("fused", vec![matrix()], |v| energy(v[0].square(), 0.7).exp()),
        check!("fused", two(), |v| turning(v[0], v[1])).elementwise(),
        check!("fused", two(), |v| rooted(v[0], v[1])).elementwise(),
        check!("fused", two(), |v| mixed(v[0], v[1], 1.5)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calculus::{Num, Real};

    #[derive(Clone, Copy)]
    struct Mixed<const OPTIMISED: bool>;
    impl<const OPTIMISED: bool> Expression<2> for Mixed<OPTIMISED> {
        const NAME: &'static str = "expression";
        const OPTIMISED: bool = OPTIMISED;
        #[inline(always)]
        fn value<K: Real>(self, [a, b]: [Num<K>; 2]) -> Num<K> {
            (a * b).sin() + a.abs().sqrt() * b.tanh() - a.maximum(b).cos().gt(0.5)
        }
    }

    fn evaluate<T: Float, const OPTIMISED: bool>(a: &[f64], b: &[f64]) -> Vec<f64> {
        let tape = Tape::<T>::mathematics();
        let [a, b] = [a, b].map(|x| tape.var(x.iter().map(|&x| T::from_f64(x)).collect::<Vec<T>>()));
        let y = tape.fused(Mixed::<OPTIMISED>, [a, b]);
        let gradients = y.sum().backward();
        let numbers = [y.value().to_owned(), gradients.wrt(a), gradients.wrt(b)];
        numbers.iter().flatten().map(|x| x.to_f64()).collect()
    }

    fn inputs(size: f64) -> [Vec<f64>; 2] {
        [
            (0..1000).map(|i| (f64::from(i) - 400.5) * size).collect(),
            (0..1000).map(|i| f64::from(i % 7) * 0.31 - 1.0).collect(),
        ]
    }

    #[test]
    fn expressions_compute_the_same_bits_in_debug_builds() {
        let [a, b] = inputs(0.37);
        assert!(evaluate::<f32, true>(&a, &b) == evaluate::<f32, false>(&a, &b));
        assert!(evaluate::<f64, true>(&a, &b) == evaluate::<f64, false>(&a, &b));
    }

    /// For large numbers, the polynomial of the sine is not accurate. A number past its range must not slip through,
    /// not even where only a comparison reads it.
    #[test]
    fn expressions_hold_past_the_range_of_the_polynomials() {
        let [a, b] = inputs(373.0);
        for computed in [evaluate::<f32, true>(&a, &b), evaluate::<f32, false>(&a, &b)] {
            for i in 0..1000 {
                let (a, b) = (a[i] as f32, b[i] as f32);
                let far = if a.max(b).cos() > 0.5 { 1.0 } else { 0.0 };
                let exact = (a * b).sin() + a.abs().sqrt() * b.tanh() - far;
                assert!((computed[i] - f64::from(exact)).abs() < 1e-4, "{i}: {}, not {exact}", computed[i]);
            }
        }
    }
}
