//! A rule of one's own may use the operations of a variable. In each of the three sweeps (numbers, recorded, along a
//! direction) they compute what they compute on variables.

use gradus::prelude::*;
use gradus::{einsum, fused, kept};
use ndarray::{ArrayD, array};

fused! { fn wave(x; speed) { (x * speed).sin() * x.exp() } }

/// Checks a function that is written once over tensors, as a rule, and once over variables.
macro_rules! check {
    ($($name:ident: |$x:ident| $body:expr, |$v:ident| $expected:expr;)*) => {$(
        #[test]
        fn $name() {
            struct Rule;
            impl<T: Float> Operation<T> for Rule {
                fn name(&self) -> &'static str { stringify!($name) }
                fn shape(&self, _: &[&[usize]]) -> Result<Shape, String> { Ok(Shape::new()) }
                fn forward(&self, _: &[View<'_, T>], mut output: Output<'_, T>) { output.data().fill(T::default()) }
                fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
                    cx.add(0, || {
                        let $x = cx.input(0);
                        ($body).square().sum() * cx.grad()
                    });
                }
            }
            agree(
                |x| x.tape().apply(Rule, [x]),
                |$v| ($expected).square().sum(),
            );
        }
    )*};
}

type Function = for<'t> fn(Var<'t, f64>) -> Var<'t, f64>;

/// The gradient of `with_rule` is `expected` in every place.
fn agree(with_rule: Function, expected: Function) {
    let at = array![[0.3, 1.2, -0.4], [0.9, -1.5, 0.7]].into_dyn();
    let tape = Tape::<f64>::mathematics();
    let x = tape.var(&at);
    let value = expected(x).item();
    let slope = expected(x).backward().wrt(x);
    let close = |got: &ArrayD<f64>, want: f64, what: &str| {
        assert!(got.iter().all(|got| (got - want).abs() <= 1e-12 * (1.0 + want.abs())), "{what}: {got}, not {want}");
    };
    close(&with_rule(x).backward().wrt(x), value, "numbers");
    let [recorded] = with_rule(x).grad([x]);
    close(&recorded.value().to_owned(), value, "recorded");
    let again = recorded.sum().backward().wrt(x) - &slope * at.len() as f64;
    close(&again, 0.0, "the derivative of what was recorded");
    let direction = array![[1.0, -0.5, 2.0], [0.3, 0.2, -1.0]].into_dyn();
    close(&with_rule(x).hvp([(x, &direction)]).wrt(x), (&slope * &direction).sum(), "along a direction");
}

check! {
    elementwise: |x| x.abs().sqrt() + x.tanh() * x.sigmoid() - x.sin().exp_m1() + x.sign(),
        |x| x.abs().sqrt() + x.tanh() * x.sigmoid() - x.sin().exp_m1() + x.sign();
    settings: |x| x.clamp(-0.5, 1.0) + x.elu(0.7), |x| x.clamp(-0.5, 1.0) + x.elu(0.7);
    powers: |x| x.pow(3) + x.abs().pow(1.5) + x.abs().pow(&x), |x| x.pow(3) + x.abs().pow(1.5) + x.abs().pow(x);
    two_operands: |x| x.maximum(0.5) * x.minimum(&x.square()), |x| x.maximum(0.5) * x.minimum(x.square());
    comparisons: |x| x.gt(0.0) * x.clone() + x.lt(&x.square()) + x.ge(1.2) + x.le(0.3) + x.eq(0.9),
        |x| x.gt(0.0) * x + x.lt(x.square()) + x.ge(1.2) + x.le(0.3) + x.eq(0.9);
    choices: |x| x.gt(0.0).choose(&x.exp(), -1.0), |x| where_(x.gt(0.0), x.exp(), -1.0);
    sums: |x| x.sum() * x.sum_axis(0) + x.mean_axis(kept(1)) - x.mean(),
        |x| x.sum() * x.sum_axis(0) + x.mean_axis(kept(1)) - x.mean();
    spread: |x| x.var(1.0) + x.var_axis(0, 1.0) + x.std(0.0) + x.std_axis(0, 0.0),
        |x| x.var(1.0) + x.var_axis(0, 1.0) + x.std(0.0) + x.std_axis(0, 0.0);
    norms: |x| x.norm(2.0) + x.norm_axis(0, 3.0) + x.prod() + x.prod_axis(0),
        |x| x.norm(2.0) + x.norm_axis(0, 3.0) + x.prod() + x.prod_axis(0);
    extremes: |x| x.amax() + x.amax_axis(0) + x.amin() * x.amin_axis(0),
        |x| x.amax() + x.amax_axis(0) + x.amin() * x.amin_axis(0);
    softmaxes: |x| x.softmax(1) + x.log_softmax(-1) + x.logsumexp() + x.logsumexp_axis(0) + x.cumsum(0),
        |x| x.softmax(1) + x.log_softmax(-1) + x.logsumexp() + x.logsumexp_axis(0) + x.cumsum(0);
    shapes: |x| x.flatten() * x.clone().reshape([-1]) + x.t().permute([1, 0]).transpose(0, 1).flatten(),
        |x| x.flatten() * x.reshape([-1]) + x.t().permute([1, 0]).transpose(0, 1).flatten();
    axes: |x| x.unsqueeze(0).squeeze(0) * x.flip(0) + x.tril(0) - x.triu(1),
        |x| x.unsqueeze(0).squeeze(0) * x.flip(0) + x.tril(0) - x.triu(1);
    parts: |x| x.narrow(1, 1, 2) * x.slice(ndarray::s![.., ..2]) + x.at([1, 2]) + x.index_select(1, &[2, 2])
            + x.gather(1, &array![[0, 1], [2, 2]]),
        |x| x.narrow(1, 1, 2) * x.slice(ndarray::s![.., ..2]) + x.at([1, 2]) + x.index_select(1, &[2, 2])
            + x.gather(1, &array![[0, 1], [2, 2]]);
    edges: |x| x.pad(&[[1, 0], [0, 1]], 0.5).diag(0), |x| x.pad(&[[1, 0], [0, 1]], 0.5).diag(0);
    products: |x| x.matmul(&x.t()) + x.at(0).matmul(&x.t()) + x.at(0).dot(&x.at(1)),
        |x| x.matmul(x.t()) + x.at(0).matmul(x.t()) + x.at(0).dot(x.at(1));
    outer: |x| x.at(0).outer(&x.at(1)), |x| x.at(0).outer(x.at(1));
    functions: |x| V::function([&x, &x.exp()], |[a, b]| wave(a, 1.5) + einsum("ij,ij->j", &[a, b])),
        |x| wave(x, 1.5) + einsum("ij,ij->j", &[x, x.exp()]);
}
