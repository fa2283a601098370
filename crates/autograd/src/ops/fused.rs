//! Elementwise functions of a user's, each run as one operation: [`fused!`](crate::fused).

use smallvec::SmallVec;

use crate::calculus::{Dual, Num, Real};
use crate::kernels::block::{AnyBlock, BLOCK};
use crate::kernels::checked::Checked;
use crate::kernels::lane::AnyLane;
use crate::kernels::loops::product_rule;
use crate::kernels::math::PRECISE;
use crate::kernels::simd::dispatch;
use crate::kernels::threads::split_many;
use crate::shape::{Strides, broadcast_shape, broadcast_strides, offset};
use crate::{Float, Jvp, Operation, Output, Shape, Tape, Tensor, Value, Var, View, Vjp};

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
/// and `f64` and `i32` literals. Arguments before the semicolon are variables (the first) or whatever can become one
/// (the others); they broadcast. Arguments behind it are numbers that are not differentiated.
///
/// Written with ordinary operations, each of them passes over memory once forward and once back. Fused, forward runs the
/// expression over [dual numbers](https://en.wikipedia.org/wiki/Dual_number), which carry their derivatives along, and
/// keeps those in the same pass; back is one multiplication. Nobody writes a derivative, and there is one of any order:
/// where a derivative is recorded, to be differentiated again, the same expression runs over variables. Peers that
/// compile (`torch.compile`, `jax.jit`) do the like; in those that don't, such an operation needs a derivative written by
/// hand. It computes 64 numbers at a time with loops compiled in this crate, so it is fast in debug builds too, as long
/// as dependencies are optimised there.
#[macro_export]
macro_rules! fused {
    ($(
        $(#[$doc:meta])*
        $vis:vis fn $name:ident($first:ident $(, $other:ident)* $(; $($setting:ident),+)? $(,)?) $body:block
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
            impl $crate::FusedRule<{ [stringify!($first) $(, stringify!($other))*].len() }> for Rule {
                const NAME: &'static str = stringify!($name);
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
            tape.fused(Rule { $($($setting),+)? }, [$first $(, $crate::IntoVar::into_var($other, tape))*])
        })+
    };
}

/// What [`fused!`](crate::fused) makes of a function: an expression over any kind of number.
pub trait FusedRule<const N: usize>: Copy + Send + Sync + 'static {
    /// What messages call it.
    const NAME: &'static str;
    /// Whether the crate that the expression stands in is compiled with optimisation.
    const OPTIMISED: bool;
    /// The expression. `#[inline(always)]`, or loops over it will not vectorise.
    fn value<K: Real>(self, x: [Num<K>; N]) -> Num<K>;
}

/// The operation of a rule. Its inputs are the rule's own N and behind them, where forward kept them, the derivatives
/// by those of them that are differentiated.
struct Fused<R, const N: usize> {
    rule: R,
    /// the inputs whose derivatives are kept
    kept: [bool; N],
}

/// An input as it is read: broadcast to the output's shape.
struct Reader<'a, T> {
    numbers: &'a [T],
    shape: &'a [usize],
    /// unless the numbers are read straight through
    strides: Option<Strides>,
}

impl<'a, T: Float> Reader<'a, T> {
    fn new(x: &View<'a, T>, shape: &'a [usize]) -> Self {
        let strides = (x.shape() != shape).then(|| broadcast_strides(x.shape(), shape));
        Reader { numbers: x.data(), shape, strides }
    }
    /// Copies the numbers that stand at `start` and behind it in the output.
    fn read(&self, start: usize, out: &mut [T]) {
        match (&self.strides, self.numbers) {
            (None, numbers) => out.copy_from_slice(&numbers[start..start + out.len()]),
            (_, &[number]) => out.fill(number),
            (Some(strides), numbers) => {
                let (last, row) = (self.shape.len() - 1, self.shape[self.shape.len() - 1]);
                let mut done = 0;
                while done < out.len() {
                    let (outer, column) = ((start + done) / row, (start + done) % row);
                    let at = offset(outer, &self.shape[..last], strides) as usize;
                    let len = (row - column).min(out.len() - done);
                    match strides[last] {
                        0 => out[done..done + len].fill(numbers[at]),
                        _ => out[done..done + len].copy_from_slice(&numbers[at + column..][..len]),
                    }
                    done += len;
                }
            }
        }
    }
}

/// Numbers of an output that a thread must have to itself before a second one is woken.
const GRAIN: usize = 1 << 13;
/// Numbers computed before they are written out: few enough for the first-level cache.
const CHUNK: usize = 256;

/// A chunk of a rule's inputs, its values, and its derivatives.
struct Numbers<T, const N: usize> {
    x: [[T; CHUNK]; N],
    y: [T; CHUNK],
    slopes: [[T; CHUNK]; N],
}

/// Writes the value of a rule and its derivatives by the inputs that are `kept`, one array to each slice of `outs`.
fn run<T: Float, R: FusedRule<N>, const N: usize>(
    rule: R,
    inputs: &[View<'_, T>],
    shape: &[usize],
    kept: [bool; N],
    outs: &mut [&mut [T]],
) {
    if !R::OPTIMISED {
        return each_block(&inputs[..N], shape, outs, |x| {
            let y = dual(rule, std::array::from_fn(|i| x[i]), kept);
            let slope = |i: usize| y.slopes[i].unwrap_or_else(|| x[0].literal(0.0));
            std::iter::once(y.value).chain((0..N).filter(|&i| kept[i]).map(slope)).collect()
        });
    }
    let readers: [Reader<'_, T>; N] = std::array::from_fn(|i| Reader::new(&inputs[i], shape));
    split_many(outs, GRAIN, |start, outs| {
        let zeros = [T::default(); CHUNK];
        let mut chunk = Numbers { x: [zeros; N], y: zeros, slopes: [zeros; N] };
        let len = outs[0].len();
        for at in (0..len).step_by(CHUNK) {
            let end = len.min(at + CHUNK);
            readers.iter().zip(&mut chunk.x).for_each(|(reader, x)| reader.read(start + at, &mut x[..end - at]));
            let past = if kept == [false; N] {
                dispatch!(MODE => compute::<T::Lane<MODE>, R, N>(rule, [false; N], &mut chunk))
            } else {
                dispatch!(MODE => compute::<T::Lane<MODE>, R, N>(rule, [true; N], &mut chunk))
            };
            if past {
                dispatch!(MODE => compute_past::<T::Lane<MODE>, T::Lane<PRECISE>, R, N>(rule, kept, &mut chunk));
            }
            let slopes = chunk.slopes.iter().zip(kept).filter(|(_, kept)| *kept).map(|(slope, _)| slope);
            let results = std::iter::once(&chunk.y).chain(slopes);
            outs.iter_mut().zip(results).for_each(|(out, y)| out[at..end].copy_from_slice(&y[..end - at]));
        }
    });
}

/// Computes a chunk, and says whether a number was past the range of a polynomial.
#[inline(always)]
fn compute<L: AnyLane<T: Float>, R: FusedRule<N>, const N: usize>(
    rule: R,
    kept: [bool; N],
    chunk: &mut Numbers<L::T, N>,
) -> bool {
    let mut past = false;
    for i in 0..CHUNK {
        past |= compute_one::<L, R, N>(rule, kept, chunk, i);
    }
    past
}

#[inline(always)]
fn compute_one<L: AnyLane<T: Float>, R: FusedRule<N>, const N: usize>(
    rule: R,
    kept: [bool; N],
    chunk: &mut Numbers<L::T, N>,
    i: usize,
) -> bool {
    let x = std::array::from_fn(|k| Checked { lane: L::new(chunk.x[k][i]), past: false });
    let y = dual(rule, x, kept);
    chunk.y[i] = y.value.lane.get();
    let mut past = y.value.past;
    for k in 0..N {
        let slope = y.slopes[k].unwrap_or_else(|| x[0].literal(0.0));
        chunk.slopes[k][i] = slope.lane.get();
        past |= slope.past;
    }
    past
}

/// Computes the numbers of a chunk that are past the range of a polynomial again, with lane P. That is decided for each
/// by itself, so that it does not depend on its neighbours, and with them on where an array is cut for threads.
#[inline(always)]
fn compute_past<L: AnyLane<T: Float>, P: AnyLane<T = L::T>, R: FusedRule<N>, const N: usize>(
    rule: R,
    kept: [bool; N],
    chunk: &mut Numbers<L::T, N>,
) {
    for i in 0..CHUNK {
        if compute_one::<L, R, N>(rule, kept, chunk, i) {
            compute_one::<P, R, N>(rule, kept, chunk, i);
        }
    }
}

/// Writes what `f` makes of each block of the inputs, one array to each slice of `outs`.
fn each_block<T: Float>(
    inputs: &[View<'_, T>],
    shape: &[usize],
    outs: &mut [&mut [T]],
    f: impl Fn(&[T::Block]) -> Blocks<T> + Sync,
) {
    let readers: SmallVec<[Reader<'_, T>; 4]> = inputs.iter().map(|x| Reader::new(x, shape)).collect();
    split_many(outs, GRAIN, |start, outs| {
        let mut buffer = [T::default(); BLOCK];
        let len = outs[0].len();
        for at in (0..len).step_by(BLOCK) {
            let end = len.min(at + BLOCK);
            let block = |x: &Reader<'_, T>| {
                x.read(start + at, &mut buffer[..end - at]);
                T::Block::read(&buffer)
            };
            let blocks: Blocks<T> = readers.iter().map(block).collect();
            outs.iter_mut().zip(f(&blocks)).for_each(|(out, y)| y.write(&mut out[at..end]));
        }
    });
}

type Blocks<T> = SmallVec<[<T as Float>::Block; 4]>;

/// The value of a rule with its derivatives by the inputs that are `wanted`.
#[inline(always)]
pub(crate) fn dual<R: FusedRule<N>, K: Real, const N: usize>(rule: R, x: [K; N], wanted: [bool; N]) -> Dual<K, N> {
    let seed = |i: usize| std::array::from_fn(|j| (i == j && wanted[i]).then(|| x[i].literal(1.0)));
    rule.value(std::array::from_fn(|i| Num(Dual { value: x[i], slopes: seed(i) }))).0
}

fn broadcast(shapes: &[&[usize]]) -> Result<Shape, String> {
    shapes[1..].iter().try_fold(shapes[0].into(), |shape: Shape, other| broadcast_shape(&shape, other))
}

impl<T: Float> Tape<T> {
    /// Applies what [`fused!`](crate::fused) made of a function, and keeps its derivatives if they may be asked for.
    #[doc(hidden)]
    #[track_caller]
    pub fn fused<'t, R: FusedRule<N>, const N: usize>(&'t self, rule: R, inputs: [Var<'t, T>; N]) -> Var<'t, T> {
        let kept = inputs.map(Var::is_differentiated);
        let slopes = kept.iter().filter(|k| **k).count();
        if slopes == 0 {
            return self.apply(Fused { rule, kept }, inputs);
        }
        self.apply_keeping(Fused { rule, kept }, &inputs, slopes, |views, shape, outs| {
            run(rule, views, shape, kept, outs);
        })
    }
}

impl<T: Float, R: FusedRule<N>, const N: usize> Operation<T> for Fused<R, N> {
    fn name(&self) -> &'static str {
        R::NAME
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
            cx.add(i, || V::chain_fused(self.rule, i, cx.grad(), x(), cx.input(slope)));
        }
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        cx.sum(self.slopes().filter_map(|(i, slope)| Some(cx.tangent(i)? * cx.input(slope))))
    }
}

impl<R, const N: usize> Fused<R, N> {
    /// The inputs whose derivatives were kept, and which inputs those are.
    fn slopes(&self) -> impl Iterator<Item = (usize, usize)> {
        (0..N).filter(|&i| self.kept[i]).zip(N..)
    }
}

/// `g ← g · f′` and `dg ← dg · f′ + g · df′`, where f′ is the derivative by input `i`. The arrays are the inputs, g, and
/// how those of them move that do.
pub(crate) fn second_order<T: Float, R: FusedRule<N>, const N: usize>(
    rule: R,
    i: usize,
    (arrays, moves): (&[View<'_, T>], &[bool]),
    shape: &[usize],
    outs: [&mut [T]; 2],
) {
    let mut outs = outs;
    each_block(arrays, shape, &mut outs, |x| {
        let how = |k: usize| moves[k].then(|| x[N + 1 + moves[..k].iter().filter(|moves| **moves).count()]);
        let inputs = std::array::from_fn(|k| Dual { value: x[k], slopes: [how(k)] });
        let slope = dual(rule, inputs, std::array::from_fn(|k| k == i)).slopes[i];
        let slope = slope.unwrap_or_else(|| inputs[0].literal(0.0));
        let moved = product_rule(x[N], how(N), slope);
        SmallVec::from_iter([x[N].mul(slope.value), moved.unwrap_or_else(|| x[N].literal(0.0))])
    });
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
        fn mixed(a, b; c) { (a.gt(b).choose(a.sin() * b, b.square()) + a.maximum(b) - 2) / (b.softplus() + c) * a.pow(3.0) }
        fn straight(a, b) { a + b.literal(1.0) }
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
        check!("fused", two(), |v| turning(v[0], v[1])).elementwise(),
        check!("fused", two(), |v| rooted(v[0], v[1])).elementwise(),
        check!("fused", two(), |v| mixed(v[0], v[1], 1.5)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct Expression<const OPTIMISED: bool>;
    impl<const OPTIMISED: bool> FusedRule<2> for Expression<OPTIMISED> {
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
        let y = tape.fused(Expression::<OPTIMISED>, [a, b]);
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

    /// Far out, the polynomial of the sine does not hold. A number past its range must not slip through, not even
    /// where only a comparison looks at it.
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
