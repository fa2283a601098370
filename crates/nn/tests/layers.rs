//! Layers: what they compute, in which mode, and that they learn.

use gradus_autograd::{Module, Param, Stream, Tape, Var};
use gradus_nn::{Activation, Dropout, Forward, Init, Linear, Mlp, Perceptron, Reduction, Sequential, loss, rng};
use gradus_optim::{Adam, Sgd};
use ndarray::array;

#[test]
fn linear_is_x_w_transposed_plus_b() {
    let layer = Linear {
        weight: Param::new(array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
        bias: Some(Param::new([0.5, 0.0, -0.5])),
    };
    let tape = Tape::new();
    let x = tape.var(array![[1.0, 0.0], [1.0, -1.0]]);
    assert_eq!(layer.forward(x).value(), array![[1.5, 3.0, 4.5], [-0.5, -1.0, -1.5]].into_dyn());
    assert_eq!(layer.clone().without_bias().forward(x).value(), array![[1.0, 3.0, 5.0], [-1.0, -1.0, -1.0]].into_dyn());
    // more axes before the last
    assert_eq!(layer.forward(x.reshape([1, 2, 1, 2])).shape(), [1, 2, 1, 3]);
}

#[test]
fn the_default_start_is_pytorchs() {
    let layer = Linear::<f64>::new(100, 50, &mut rng(1));
    let bias = layer.bias.as_ref().unwrap();
    for numbers in [layer.weight.data(), bias.data()] {
        assert!(numbers.iter().all(|w| w.abs() <= 0.1));
        assert!(numbers.iter().any(|w| w.abs() > 0.08), "the bound is reached");
    }
    let he = Mlp::builder([100, 50, 2]).init(Init::HE_NORMAL).build::<f32>();
    assert!(he.layers.iter().all(|l| l.bias.as_ref().unwrap().data().iter().all(|&b| b == 0.0)));
}

#[test]
fn dropout_acts_by_the_tapes_mode_and_repeats_by_its_stream() {
    let (layer, x) = (Dropout::new(0.25), ndarray::Array1::<f32>::ones(4000));
    let drawn = |stream: Stream| {
        let mut tape = Tape::training(0);
        tape.set_stream(stream);
        layer.forward(tape.var(&x)).data().to_vec()
    };
    let stream = Stream { seed: 3, step: 7, shard: 1 };
    let y = drawn(stream);
    let dropped = y.iter().filter(|&&y| y == 0.0).count();
    assert!((900..1100).contains(&dropped), "{dropped} of 4000 dropped");
    assert!(y.iter().all(|&y| y == 0.0 || y == 4.0 / 3.0));
    assert_eq!(y, drawn(stream));
    for other in [Stream { seed: 4, ..stream }, Stream { step: 8, ..stream }, Stream { shard: 2, ..stream }] {
        assert_ne!(y, drawn(other), "{other:?}");
    }
    let tape = Tape::inference();
    assert_eq!(layer.forward(tape.var(&x)).data(), x.as_slice().unwrap());
    // the gradient flows where nothing was dropped
    let tape = Tape::training(1);
    let v = tape.var(&x);
    let y = layer.forward(v);
    assert_eq!(y.sum().backward().wrt(v).as_slice().unwrap(), y.data());
    assert!(Dropout::new(1.0).forward(tape.var([1.0f32, 2.0])).data().iter().all(|&y| y == 0.0));
}

#[test]
fn a_perceptron_learns_what_a_line_divides() {
    let x = array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    for (name, y) in [("and", [0.0, 0.0, 0.0, 1.0]), ("or", [0.0, 1.0, 1.0, 1.0])] {
        let mut neuron: Perceptron = Perceptron::new(2, Activation::Identity, &mut rng(1));
        let (mut tape, mut opt) = (Tape::training(0), Sgd::new(0.5));
        for _ in 0..500 {
            let (_, grads) = tape.gradients(|t| {
                let logits = neuron.forward(t.constant(&x));
                loss::binary_cross_entropy(logits, t.constant(y), Reduction::Mean)
            });
            opt.step(&mut neuron, &grads);
        }
        let tape = Tape::inference();
        let fires: Vec<bool> = neuron.forward(tape.constant(&x)).data().iter().map(|&z| z > 0.0).collect();
        assert_eq!(fires, y.map(|y| y > 0.5), "{name}");
    }
    let sum: Perceptron = Perceptron::new(2, Activation::Identity, &mut rng(1)).without_bias();
    assert_eq!(sum.params().len(), 1);
}

#[test]
fn every_activation_lets_an_mlp_learn_xor() {
    let x = array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    for &activation in Activation::ALL.iter().filter(|a| **a != Activation::Identity) {
        let mut model = Mlp::builder([2, 16, 2]).activation(activation).seed(2).build::<f32>();
        let (mut tape, mut opt) = (Tape::training(0), Adam::new(0.05));
        let mut last = f32::NAN;
        for _ in 0..300 {
            let (loss, grads) = tape.gradients(|t| model.forward(t.constant(&x)).cross_entropy(&[0, 1, 1, 0]));
            opt.step(&mut model, &grads);
            last = loss;
        }
        assert!(last < 0.05, "{activation}: {last}");
        assert_eq!(activation.name().parse::<Activation>().unwrap(), activation);
    }
}

#[test]
fn losses_reduce_as_asked() {
    let tape = Tape::new();
    let (x, y) = (tape.var([1.0, 4.0]), array![0.0, 2.0]);
    let of = |reduction| loss::mse(x, &y, reduction);
    assert_eq!(of(Reduction::None).data(), [1.0, 4.0]);
    assert_eq!((of(Reduction::Sum).item(), of(Reduction::Mean).item()), (5.0, 2.5));
    let logits = tape.var(array![[1.0, 2.0], [3.0, 0.0]]);
    let rows = loss::cross_entropy(logits, &[0, 0], Reduction::None);
    assert_eq!(rows.shape(), [2]);
    assert_eq!(loss::cross_entropy(logits, &[0, 0], Reduction::Sum).item(), rows.data()[0] + rows.data()[1]);
}

#[test]
fn sequential_names_its_layers_and_clones_them_apart() {
    let mut rng = rng(1);
    let model: Sequential = Sequential::new()
        .named("first", Linear::new(2, 3, &mut rng))
        .map(|x: Var<'_>| x.relu())
        .layer(Dropout::new(0.1))
        .layer(Linear::new(3, 1, &mut rng));
    let copy = model.clone();
    assert_eq!((model.len(), model.params()[2].0.as_str()), (4, "3.weight"));
    assert!(model.params().iter().zip(copy.params()).all(|((_, a), (_, b))| a.id() != b.id() && a.data() == b.data()));
    let tape = Tape::inference();
    let x = tape.constant([0.3, -0.7]);
    assert_eq!(model.forward(x).data(), copy.forward(x).data());
}
