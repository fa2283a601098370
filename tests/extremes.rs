//! Operations at the edges: no numbers at all, one number, ties, ±10⁴, infinities, NaN, repeated indices.

use gradus::prelude::*;
use ndarray::{Array1, Array2, Array3, ArrayD, IxDyn, array, s};

fn gradient<T: Float>(x: ArrayD<T>, f: impl for<'t> Fn(Var<'t, T>) -> Var<'t, T>) -> (Vec<T>, Vec<T>) {
    let tape = Tape::mathematics();
    let x = tape.var(x);
    let y = f(x);
    (y.data().to_vec(), y.sum().backward().wrt(x).into_iter().collect())
}

#[test]
fn arrays_of_nothing() {
    let tape = Tape::new();
    let none = tape.var(Array1::zeros(0));
    assert_eq!(none.sum().item(), 0.0);
    assert!(none.mean().item().is_nan());
    assert_eq!(none.square().sum().backward().wrt(none).shape(), [0]);
    let wide = tape.var(Array2::zeros((0, 3)));
    assert_eq!((wide + &array![1.0, 2.0, 3.0]).shape(), [0, 3]);
    assert_eq!(wide.sum_axis(0).data(), [0.0, 0.0, 0.0]);
    let bias = tape.var(array![1.0, 2.0, 3.0]);
    assert_eq!((wide * bias).sum().backward().wrt(bias), array![0.0, 0.0, 0.0].into_dyn());
    // a product over an empty inner axis is a sum of no numbers
    let (a, b) = (tape.var(Array2::zeros((2, 0))), tape.var(Array2::zeros((0, 3))));
    let c = a.matmul(b);
    assert_eq!(c.data(), [0.0; 6]);
    assert_eq!(c.sum().backward().wrt(a).shape(), [2, 0]);
    assert_eq!(concat(&[none, tape.var([1.0])], 0).data(), [1.0]);
    assert_eq!(bias.slice(s![1..1]).shape(), [0]);
    assert_eq!(bias.index_select(0, &[]).sum().backward().wrt(bias), array![0.0, 0.0, 0.0].into_dyn());
    assert_eq!(wide.cross_entropy_rows(&[]).shape(), [0]);
    assert_eq!(wide.softmax(1).shape(), [0, 3]);
    assert_eq!(wide.linear(&Array2::zeros((4, 3)), &Array1::zeros(4)).shape(), [0, 4]);
}

#[test]
fn zero_where_nothing_flows() {
    let tape = Tape::new();
    let (x, unused) = (tape.var([1.0, 2.0]), tape.var([1.0, 2.0, 3.0]));
    let w = Param::new([1.0, 2.0]);
    let y = x.sum() + unused.detach().sum();
    let grads = y.backward();
    assert_eq!(grads.wrt(unused), array![0.0, 0.0, 0.0].into_dyn());
    assert_eq!(grads.wrt(&w), array![0.0, 0.0].into_dyn());
    assert!(grads.get(&w).is_none());
    let [recorded] = y.grad([unused]);
    assert_eq!(recorded.data(), [0.0, 0.0, 0.0]);
}

#[test]
fn one_number_and_no_axes() {
    let tape = Tape::new();
    let x = tape.var(3.0);
    assert_eq!((x.shape(), x.sum().item(), x.amax().item()), (&[][..], 3.0, 3.0));
    assert_eq!(x.reshape([1]).softmax(0).item(), 1.0);
    assert_eq!(x.broadcast_to(&[2, 2]).sum().backward().wrt(x)[[]], 4.0);
    assert_eq!(tape.var([5.0]).var(0.0).item(), 0.0);
    let one = tape.var([5.0]);
    assert_eq!(one.var(0.0).backward().wrt(one), array![0.0].into_dyn());
}

#[test]
fn kinks_and_ties_follow_pytorch() {
    let at = |x: &[f64]| ArrayD::from_shape_vec(IxDyn(&[x.len()]), x.to_vec()).unwrap();
    assert_eq!(gradient(at(&[-0.0, 0.0]), |x| x.abs()).1, [0.0, 0.0]);
    assert_eq!(gradient(at(&[0.0]), |x| x.relu()).1, [0.0]);
    assert_eq!(gradient(at(&[0.0]), |x| x.leaky_relu(0.1)).1, [0.1]);
    assert_eq!(gradient(at(&[0.0]), |x| x.elu(0.7)).1, [0.7]);
    assert_eq!(gradient(at(&[-1.0, 0.0, 1.0]), |x| x.clamp(-1.0, 1.0)).1, [0.0, 1.0, 0.0]);
    assert_eq!(gradient(at(&[2.0, 1.0, 2.0, 2.0]), |x| x.amax()).1, [1.0 / 3.0, 0.0, 1.0 / 3.0, 1.0 / 3.0]);
    assert_eq!(gradient(at(&[0.0, 2.0]), |x| x.pow(0)), (vec![1.0, 1.0], vec![0.0, 0.0]));
    let tape = Tape::<f64>::mathematics();
    let (base, exponent) = (tape.var([0.0, 0.0]), tape.var([0.0, 2.0]));
    let grads = base.pow(exponent).sum().backward();
    assert_eq!(grads.wrt(base), array![0.0, 0.0].into_dyn());
    assert_eq!(grads.wrt(exponent), array![0.0, 0.0].into_dyn());
}

#[test]
fn large_logits_stay_finite_along_every_axis() {
    for axis in [0, 1] {
        let x = array![[1e4f32, -1e4], [-1e4, 1e4]].into_dyn();
        let (y, g) = gradient(x.clone(), |x| x.log_softmax(axis) * &array![[1.0, 2.0], [3.0, 4.0]]);
        assert!(y.iter().chain(&g).all(|v| v.is_finite()), "{y:?} {g:?}");
        let (y, g) = gradient(x.clone(), |x| x.softmax(axis));
        assert_eq!((y, g), (vec![1.0, 0.0, 0.0, 1.0], vec![0.0; 4]));
    }
    let (y, g) = gradient(array![f64::NEG_INFINITY, 1.0].into_dyn(), |x| x.logsumexp());
    assert_eq!((y, g), (vec![1.0], vec![0.0, 1.0]));
    let (y, _) = gradient(array![1e4f32, -1e4].into_dyn(), |x| x.sigmoid());
    assert_eq!(y, [1.0, 0.0]);
    let (y, g) = gradient(array![1e4f32, -1e4].into_dyn(), |x| x.softplus());
    assert_eq!((y, g), (vec![1e4, 0.0], vec![1.0, 0.0]));
    let (_, g) = gradient(array![300.0f32, -300.0].into_dyn(), |x| x.tanh());
    assert_eq!(g, [0.0, 0.0]);
}

#[test]
fn nan_and_infinity_pass_through() {
    let nan = f32::NAN;
    let x = || array![nan, f32::INFINITY].into_dyn();
    for (name, y) in [
        ("relu", gradient(x(), |x| x.relu()).0),
        ("abs", gradient(x(), |x| x.abs()).0),
        ("clamp", gradient(x(), |x| x.clamp(-1.0, 1e38)).0),
        ("exp", gradient(x(), |x| x.exp()).0),
        ("maximum", gradient(x(), |x| x.maximum(0.0)).0),
        ("minimum", gradient(x(), |x| x.minimum(1e38)).0),
        ("amax", gradient(array![1.0, nan, 3.0].into_dyn(), |x| x.amax()).0),
        ("amin", gradient(array![nan, 1.0, 3.0].into_dyn(), |x| x.amin()).0),
        ("softmax", gradient(array![nan, 1.0].into_dyn(), |x| x.softmax(0)).0),
    ] {
        assert!(y[0].is_nan(), "{name} lost a NaN: {y:?}");
    }
    // the branch that was not chosen gets a gradient of exactly 0, even where its own derivative is infinite
    let (_, g) = gradient(array![0.0f64, 4.0].into_dyn(), |x| where_(x.gt(0.0), where_(x.gt(0.0), x, 1.0).sqrt(), 0.0));
    assert_eq!(g, [0.0, 0.25]);
}

#[test]
fn broadcasting_sums_back_over_every_repeated_axis() {
    let tape = Tape::<f64>::mathematics();
    let a = tape.var(Array3::from_elem((2, 1, 3), 2.0));
    let b = tape.var(Array2::from_elem((4, 1), 3.0));
    let grads = (a * b).sum().backward();
    assert_eq!(grads.wrt(a), Array3::from_elem((2, 1, 3), 12.0).into_dyn());
    assert_eq!(grads.wrt(b), Array2::from_elem((4, 1), 12.0).into_dyn());
    let (x, one) = (tape.var(array![[1.0, 2.0]]), tape.var(array![[[10.0]]]));
    assert_eq!((x / one).sum().backward().wrt(one).shape(), [1, 1, 1]);
}

#[test]
fn views_that_are_not_contiguous_are_read_in_order() {
    let all = Array2::from_shape_fn((4, 6), |(i, j)| (i * 6 + j) as f32);
    let tape = Tape::new();
    assert_eq!(tape.constant(all.t()).shape(), [6, 4]);
    let part = all.slice(s![..;-2, 1..4]);
    let x = tape.var(part);
    assert_eq!(x.data(), [19.0, 20.0, 21.0, 7.0, 8.0, 9.0]);
    assert_eq!((x - &part).data(), [0.0; 6]);
    let y = tape.var(&all);
    assert_eq!(y.slice(s![..;-2, 1..4]).data(), x.data());
    assert_eq!(y.slice(s![1..4;2, -1]).data(), [11.0, 23.0]);
}

#[test]
fn mixed_derivatives_of_a_power_agree_where_the_exponent_is_0() {
    let h = hessian(|w| w.at(0).pow(w.at(1)), &array![2., 0.]);
    assert_eq!((h[[0, 1]], h[[1, 0]]), (0.5, 0.5));
}

/// If the bounds are the wrong way round, the upper one wins, as in PyTorch.
#[test]
fn clamp_takes_the_upper_bound_last() {
    assert_eq!(Tape::new().var([0.0, 1.5, 5.0]).clamp(2.0, 1.0).data(), [1.0, 1.0, 1.0]);
}

#[test]
fn a_buffer_moves_once_for_each_forward_pass() {
    let mut buffer = Buffer::new([0.0f32]);
    let tape = Tape::training(0);
    let x = tape.var([10.0]);
    buffer.move_toward(0.5, x);
    let (first, second) = (x.sum().backward(), x.square().sum().backward());
    assert_eq!((first.update_buffer(&mut buffer), second.update_buffer(&mut buffer)), (1, 0));
    assert_eq!(buffer.value(), array![5.0].into_dyn());
}

/// A rule may give a gradient with fewer axes than its input has: here one number for many.
#[test]
fn a_rules_gradient_of_one_number_is_spread() {
    struct Total;
    impl<T: Float> Operation<T> for Total {
        fn name(&self) -> &'static str {
            "total"
        }
        fn shape(&self, _: &[&[usize]]) -> Result<Shape, String> {
            Ok(Shape::new())
        }
        fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
            output.data()[0] = inputs[0].data().iter().copied().sum();
        }
        fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
            cx.add(0, || cx.grad());
        }
    }
    let tape = Tape::new();
    let x = tape.var(array![[1.0, 2.0], [3.0, 4.0]]);
    assert_eq!(tape.apply(Total, [x]).backward().wrt(x), array![[1.0, 1.0], [1.0, 1.0]].into_dyn());
    gradcheck(|v| v[0].tape().apply(Total, [v[0].square()]), &[array![[1.0, 2.0]].into_dyn()]).unwrap();
}

/// Constants beside variables, in tiny and in long arrays: the padding of arrays never counts.
#[test]
fn padding_is_never_seen() {
    for n in [1, 2, 15, 16, 17, 31, 33, 100] {
        let x = ArrayD::<f32>::from_elem(IxDyn(&[n]), 2.0);
        let (y, g) = gradient(x, |x| ((x + 1.0).ln().exp() / 3.0).sum() + (x * 0.0).exp().mean() + x.amin());
        assert!((y[0] - (n as f32 + 1.0 + 2.0)).abs() < 1e-4 * n as f32, "{n}: {y:?}");
        assert!(g.iter().all(|g| (g - 1.0 / 3.0 - 1.0 / n as f32).abs() < 1e-5), "{n}: {g:?}");
    }
}

#[test]
fn nothing_in_the_later_operations() {
    let tape = Tape::new();
    let (none, wide) = (tape.var(Array1::zeros(0)), tape.var(Array2::zeros((0, 3))));
    assert_eq!((none.prod().item(), none.norm(2.0).item(), none.norm(1.0).item()), (1.0, 0.0, 0.0));
    assert_eq!(none.prod().sum().backward().wrt(none).shape(), [0]);
    assert_eq!(wide.prod_axis(0).data(), [1.0; 3]);
    assert!(none.std(1.0).item().is_nan());
    assert_eq!((none.cumsum(0).len(), wide.cumsum(0).shape(), wide.cumsum(1).shape()), (0, &[0, 3][..], &[0, 3][..]));
    assert_eq!((wide.flip([0, 1]).shape(), wide.tril(0).shape()), (&[0, 3][..], &[0, 3][..]));
    assert_eq!((wide.diag(0).len(), none.diag(0).shape(), none.diag(1).data()), (0, &[0, 0][..], &[0.0][..]));
    assert_eq!(none.pad(&[[1, 1]], 2.0).data(), [2.0, 2.0]);
    assert_eq!(wide.layer_norm(1, 1e-5).shape(), [0, 3]);
    assert_eq!(wide.batch_norm(1e-5).shape(), [0, 3]);
    assert_eq!(none.dot(none).item(), 0.0);
    assert_eq!(none.outer(tape.var([1.0, 2.0])).shape(), [0, 2]);
    assert_eq!(gradus::einsum("ij,ik->jk", &[wide, wide]).data(), [0.0; 9]);
    assert_eq!(none.topk(0, 0).0.len(), 0);
    let table = tape.var(array![[1.0, 2.0]]);
    let rows = table.embedding(&Array2::<usize>::zeros((2, 0)));
    assert_eq!(rows.shape(), [2, 0, 2]);
    assert_eq!(rows.sum().backward().wrt(table), array![[0.0, 0.0]].into_dyn());
    let x = tape.var([1.0, 2.0]);
    assert_eq!(x.scatter_add(0, &Array1::<usize>::zeros(0), none).data(), [1.0, 2.0]);
}

#[test]
fn no_axes_in_the_later_operations() {
    let tape = Tape::new();
    let x = tape.var(-3.0);
    assert_eq!((x.prod().item(), x.norm(2.0).item(), x.norm(f64::INFINITY).item()), (-3.0, 3.0, 3.0));
    assert_eq!((x.std(0.0).item(), x.flip(..).item(), x.pad(&[], 1.0).item()), (0.0, -3.0, -3.0));
    assert_eq!(x.layer_norm(0, 0.5).item(), 0.0);
    assert_eq!(gradus::einsum(",->", &[x, x]).item(), 9.0);
    assert_eq!(x.norm(2.0).backward().wrt(x)[[]], -1.0);
}

/// The conventions at points where a derivative has no single value.
#[test]
fn subgradients_at_zeros_and_ties() {
    let zeros = || Array1::<f64>::zeros(3).into_dyn();
    assert_eq!(gradient(zeros(), |x| x.norm(2.0)).1, [0.0; 3]);
    assert_eq!(gradient(zeros(), |x| x.norm(1.0)).1, [0.0; 3]);
    assert_eq!(gradient(zeros(), |x| x.norm(0.5)).1, [0.0; 3]);
    assert_eq!(gradient(zeros(), |x| x.norm(3.0)).1, [0.0; 3]);
    assert_eq!(gradient(zeros(), |x| x.std(1.0)).1, [0.0; 3]);
    let third = 1.0 / 3.0;
    assert_eq!(gradient(array![2.0, -2.0, 2.0].into_dyn(), |x| x.norm(f64::INFINITY)).1, [third, -third, third]);
    assert_eq!(gradient(array![1.0, 7.0, 7.0].into_dyn(), |x| x.max(0).0).1, [0.0, 1.0, 0.0]);
    assert_eq!(gradient(array![7.0, 1.0, 1.0].into_dyn(), |x| x.min(0).0).1, [0.0, 1.0, 0.0]);
    assert_eq!(gradient(array![1.0, 7.0, 7.0].into_dyn(), |x| x.topk(0, 1).0).1, [0.0, 1.0, 0.0]);
    assert_eq!(gradient(array![-0.0, 0.0, 3.0].into_dyn(), |x| x.sign()).1, [0.0; 3]);
    assert_eq!(gradient(array![1.0, f64::NAN].into_dyn(), |x| x.amax()).1, [0.0, 1.0]);
    assert_eq!(gradient(array![f64::INFINITY, f64::INFINITY].into_dyn(), |x| x.norm(-1.0)).0, [f64::INFINITY]);
    assert_eq!(gradient(array![0.0, 0.0, 3.0].into_dyn(), |x| x.prod()).1, [0.0; 3]);
    // the Hessian of a product with two zeros is not zero: ∂²/∂x₀∂x₁ is the third number
    let product = hessian(|x| x.prod(), &array![0.0, 0.0, 3.0]);
    assert_eq!(product, array![[0.0, 3.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 0.0]]);
}

#[test]
fn far_out_in_the_later_operations() {
    let x = || array![-1e4, 1e4].into_dyn();
    assert_eq!(gradient::<f64>(x(), |x| x.logsigmoid()).0, [-1e4, 0.0]);
    assert_eq!(gradient::<f32>(array![-1e4f32, 1e4].into_dyn(), |x| x.mish()).0, [0.0, 1e4]);
    let (y, slope) = gradient::<f64>(x(), |x| x.asinh());
    assert!((y[1] - 9.903_487_55).abs() < 1e-8 && (slope[0] - 1e-4).abs() < 1e-10, "{y:?} {slope:?}");
    assert!(gradient::<f64>(x(), |x| x.cosh()).0.iter().all(|y| y.is_infinite()));
    assert_eq!(gradient::<f64>(array![0.0].into_dyn(), |x| x.rsqrt()), (vec![f64::INFINITY], vec![f64::NEG_INFINITY]));
    assert_eq!(gradient::<f64>(array![1.0].into_dyn(), |x| x.asin()).1, [f64::INFINITY]);
}
