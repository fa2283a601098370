//! The results of layers and losses do not depend on the earlier contents of the tape's memory.

use gradus_autograd::{Float, Tape, Var};
use gradus_nn::{
    Activation, AvgPool2d, BatchNorm, Conv2d, Dropout, Embedding, Flatten, Forward, Gru, Impute, LayerNorm, Linear,
    MaxPool2d, Mlp, Perceptron, Reduction, Sequential, Standardize, lambda, loss, rng,
};
use ndarray::{ArrayD, IxDyn, array};

type Of<T> = Box<dyn for<'t> Fn(Var<'t, T>) -> Var<'t, T>>;

/// A case: its name, the shape of its input, and the function of the input.
struct Case<T: Float>(&'static str, &'static [usize], Of<T>);

fn case<T: Float>(
    name: &'static str,
    shape: &'static [usize],
    of: impl for<'t> Fn(Var<'t, T>) -> Var<'t, T> + 'static,
) -> Case<T> {
    Case(name, shape, Box::new(of))
}

fn layer<T: Float>(name: &'static str, shape: &'static [usize], layer: impl Forward<T> + 'static) -> Case<T> {
    case(name, shape, move |x| layer.forward(x))
}

fn numbers(shape: &[usize], seed: f64) -> ArrayD<f64> {
    let mut k = seed;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        k += 1.0;
        (k * 1.7).sin()
    })
}

fn layers<T: Float>() -> Vec<Case<T>> {
    let mut rng = rng(3);
    let embedding = Embedding::<T>::new(5, 3, &mut rng);
    let gru = Gru::<T>::new(3, 4, &mut rng);
    let last = gru.clone();
    let mut cases = vec![
        layer("Linear", &[5, 3], Linear::new(3, 4, &mut rng)),
        layer("Perceptron", &[5, 3], Perceptron::new(3, Activation::Tanh, &mut rng)),
        layer("Mlp", &[5, 3], Mlp::builder([3, 6, 2]).activation(Activation::Gelu).build()),
        layer("Conv2d", &[2, 2, 5, 5], Conv2d::new(2, 3, [3, 3], &mut rng).padding([1, 1])),
        layer("MaxPool2d", &[2, 2, 5, 5], MaxPool2d::new([2, 2])),
        layer("AvgPool2d", &[2, 2, 5, 5], AvgPool2d::new([2, 2])),
        layer("BatchNorm", &[5, 3], BatchNorm::new(3)),
        layer("LayerNorm", &[5, 3], LayerNorm::new(&[3])),
        layer("Dropout", &[5, 3], Dropout::new(0.4)),
        layer("Flatten", &[5, 3, 2], Flatten),
        layer("Standardize", &[5, 3], Standardize::new(&[0.1, 0.2, 0.3], &[1.0, 2.0, 3.0])),
        layer("Impute", &[5, 3], Impute::new(&[0.1, 0.2, 0.3], &[0, 2])),
        layer("Gru", &[2, 5, 3], gru),
        layer("Lambda", &[5, 3], lambda(|x| x.sin())),
        layer("Sequential", &[5, 3], Sequential::new().layer(Linear::new(3, 3, &mut rng)).layer(Activation::Tanh)),
        case("Gru, its last state", &[2, 5, 3], move |x| last.last(x)),
        case("Embedding", &[2, 2, 3], move |x| embedding.lookup(x.tape(), &array![[0, 4], [0, 2]]) * x),
    ];
    cases.extend(Activation::ALL.iter().map(|&f| layer(f.name(), &[7, 3], f)));
    cases
}

fn losses<T: Float>() -> Vec<Case<T>> {
    const ROWS: &[usize] = &[4, 3];
    fn y<T: Float>(x: Var<'_, T>) -> Var<'_, T> {
        x.tape().constant(numbers(ROWS, 40.0).mapv(|y| T::from_f64(0.5 + 0.4 * y)))
    }
    fn signs<T: Float>(x: Var<'_, T>) -> Var<'_, T> {
        x.tape().constant(numbers(ROWS, 40.0).mapv(|y| T::from_f64(y.signum())))
    }
    let labels = [0, 2, 1, 2];
    let classes = loss::CrossEntropy::new().class_weights([0.5, 2.0, 1.0]).label_smoothing(0.2).ignore(1);
    let soft = classes.clone();
    let weighted = loss::BinaryCrossEntropy::new().positive_weight(array![1.0, 2.0, 3.0].into_dyn());
    vec![
        case("mse", ROWS, |x| loss::mse(x, y(x), Reduction::Mean)),
        case("l1", ROWS, |x| loss::l1(x, y(x), Reduction::None)),
        case("smooth_l1", ROWS, |x| loss::smooth_l1(x, y(x), 0.7, Reduction::Sum)),
        case("huber", ROWS, |x| loss::huber(x, y(x), 0.7, Reduction::Mean)),
        case("hinge_embedding", ROWS, |x| loss::hinge_embedding(x, signs(x), 1.0, Reduction::Mean)),
        case("soft_margin", ROWS, |x| loss::soft_margin(x, signs(x), Reduction::Mean)),
        case("cosine_embedding", ROWS, |x| {
            let target = x.tape().constant(array![1.0, -1.0, 1.0, -1.0].mapv(T::from_f64));
            loss::cosine_embedding(x, y(x), target, -0.9, Reduction::Mean)
        }),
        case("pairwise_distances", ROWS, |x| loss::pairwise_distances(x, y(x))),
        case("triplet", ROWS, |x| loss::triplet(x, y(x), signs(x), 1.0, Reduction::None)),
        case("contrastive", ROWS, |x| {
            let target = x.tape().constant(array![1.0, -1.0, 1.0, -1.0].mapv(T::from_f64));
            loss::contrastive(x, y(x), target, 3.0, Reduction::Mean)
        }),
        case("kl_div", ROWS, |x| loss::kl_div(x.log_softmax(-1), y(x), false, Reduction::Mean)),
        case("binary_cross_entropy", ROWS, |x| loss::binary_cross_entropy(x, y(x), Reduction::Mean)),
        case("BinaryCrossEntropy", ROWS, move |x| weighted.of(x, y(x))),
        case("binary_cross_entropy_of_probabilities", ROWS, |x| {
            loss::binary_cross_entropy_of_probabilities(x.sigmoid(), y(x), Reduction::Mean)
        }),
        case("cross_entropy", ROWS, move |x| loss::cross_entropy(x, &labels, Reduction::None)),
        case("nll", ROWS, move |x| loss::nll(x.log_softmax(-1), &labels, Reduction::Mean)),
        case("CrossEntropy", ROWS, move |x| classes.of(x, &labels)),
        case("CrossEntropy of probabilities", ROWS, move |x| soft.of_probabilities(x, y(x))),
    ]
}

/// Returns the bits of the value, of the gradients, and of the Hessian's product with a direction.
fn bits<T: Float>(tape: &Tape<T>, of: &Of<T>, shape: &[usize]) -> Vec<u64> {
    let cast = |x: ArrayD<f64>| x.mapv(T::from_f64);
    let x = tape.var(cast(numbers(shape, 0.0)));
    let y = of(x);
    let weights = tape.constant(cast(numbers(y.shape(), 9.0)));
    let cost = (y * weights).sum();
    let parts = [
        y.value().to_owned(),
        cost.grad_many(&[x])[0].value().to_owned(),
        cost.backward().wrt(x),
        cost.hvp([(x, cast(numbers(shape, 20.0)))]).wrt(x),
    ];
    assert!(parts.iter().flatten().all(|x| x.is_finite()), "a number is not finite");
    parts.iter().flatten().map(|x| x.to_f64().to_bits()).collect()
}

/// Returns a training tape, at the start of its random stream, whose memory was used before and holds NaN.
fn used<T: Float>() -> Tape<T> {
    let mut tape = Tape::training(7);
    let start = tape.stream();
    for _ in 0..2 {
        let leaves: Vec<Var<'_, T>> =
            (0..60).map(|k| tape.var(ArrayD::from_elem(vec![1 << (k % 11)], T::from_f64(f64::NAN)))).collect();
        let cost = leaves.iter().map(|x| x.square().exp().sum()).reduce(|a, b| a * b).expect("leaves");
        drop((cost.backward(), cost.hvp(leaves.iter().map(|&x| (x, x.value().to_owned())))));
        cost.grad_many(&leaves);
        tape.clear();
    }
    tape.set_stream(start);
    tape
}

#[test]
fn layers_and_losses_never_read_numbers_of_earlier_steps() {
    fn same<T: Float>() {
        for Case(name, shape, of) in layers::<T>().into_iter().chain(losses()) {
            let fresh = bits(&Tape::training(7), &of, shape);
            assert!(fresh == bits(&used(), &of, shape), "{name}: a used tape gives other bits in {}", T::NAME);
        }
    }
    same::<f32>();
    same::<f64>();
}

/// Every layer and loss of the crate must be among the cases above, including those added later.
#[test]
fn no_layer_and_no_loss_is_forgotten() {
    let all: Vec<&str> = layers::<f32>().iter().chain(&losses()).map(|c| c.0).collect();
    let source = |file: &str| std::fs::read_to_string(format!("{}/src/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mut found = Vec::new();
    for file in ["binary", "classes", "margin", "regression"] {
        for line in source(&format!("loss/{file}.rs")).lines() {
            let name = line.strip_prefix("pub fn ").or_else(|| line.strip_prefix("pub struct "));
            found.extend(name.map(|n| n.split(['<', '(', ' ', '{']).next().unwrap().to_owned()));
        }
    }
    for line in source("lib.rs").lines().filter_map(|l| l.strip_prefix("pub use ")) {
        let file = line.split("::").next().unwrap();
        let text = source(&if file == "loss" { "loss/mod.rs".into() } else { format!("{file}.rs") });
        for part in text.split("Forward<T> for ").skip(1) {
            found.push(part.split(['<', ' ']).next().unwrap().to_owned());
        }
    }
    assert!(found.len() > 25, "{found:?}");
    let forgotten: Vec<_> = found
        .iter()
        .filter(|n| !["Activation", "Box", "Vec"].contains(&n.as_str()) && !all.contains(&n.as_str()))
        .collect();
    assert!(forgotten.is_empty(), "no case for {forgotten:?}");
}
