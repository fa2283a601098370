//! Tests of layers: their output, in each mode, and that they learn.

use gradus_autograd::{Module, Param, Stream, Tape, Var, gradcheck};
use gradus_nn::{
    Activation, BatchNorm, Conv2d, Dropout, Flatten, Forward, Gru, Init, Linear, MaxPool2d, Mlp, Perceptron, Reduction,
    Sequential, Standardize, loss, rng,
};
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
    // the input may have more axes before the last
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

/// The expected numbers are those of PyTorch 2.15's `GRU` with the same parameters and inputs.
#[test]
fn gru_is_pytorchs() {
    let wave = |shape: &[usize], k: f64| {
        Param::<f64>::with(shape, |w| w.iter_mut().enumerate().for_each(|(i, w)| *w = (0.7 * i as f64 + k).sin()))
    };
    let gru = Gru {
        weight_ih: wave(&[9, 2], 0.0),
        weight_hh: wave(&[9, 3], 1.0),
        bias_ih: wave(&[9], 2.0),
        bias_hh: wave(&[9], 3.0),
    };
    let x = ndarray::Array3::from_shape_fn((2, 3, 2), |(i, j, k)| (0.9 * (i * 6 + j * 2 + k) as f64).cos());
    let tape = Tape::mathematics();
    let states = gru.forward(tape.constant(&x));
    let want = [
        0.8883114630088147,
        0.3892811148741413,
        -0.06523919672347128,
        0.8390593464038472,
        0.8285739224722081,
        0.8602595951108877,
        0.8621093474402984,
        0.7911697110267232,
        0.9506637308252909,
        0.8629849685429569,
        0.22392736268305757,
        -0.034120323005844444,
        0.9296826288057982,
        0.7170019736589195,
        0.3500786434996378,
        0.9107466200880392,
        0.9018159899914017,
        0.9510483267518965,
    ];
    assert!(states.data().iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-12), "{:?}", states.data());
    let grads = states.square().sum().backward();
    let row: Vec<f64> = grads.wrt(&gru.weight_hh).index_axis(ndarray::Axis(0), 8).iter().copied().collect();
    assert!(
        row.iter()
            .zip([0.10757785113997337, 0.04251058525820464, 0.008160406460753875])
            .all(|(got, want)| (got - want).abs() < 1e-12),
        "{row:?}"
    );
}

/// At 0 and 1 the gradient is that of PyTorch, which is finite.
#[test]
fn cross_entropy_of_probabilities_is_finite_at_0_and_1() {
    let tape = Tape::<f64>::mathematics();
    let p = tape.var([0.2, 0.0, 1.0, 1.0, 0.0]);
    let losses = loss::binary_cross_entropy_of_probabilities(p, &array![1.0, 1.0, 1.0, 0.0, 0.0], Reduction::None);
    assert_eq!(losses.data(), [-0.2f64.ln(), 100.0, 0.0, 100.0, 0.0]);
    let grads = losses.sum().backward().wrt(p);
    let want = [-5.0, -1e12, 0.0, 1e12, 0.0];
    assert!(grads.iter().zip(want).all(|(got, want)| (got - want).abs() <= 1e-9 * want.abs()), "{grads}");
}

#[test]
fn losses_have_the_gradients_that_they_say() {
    let x = || vec![array![[0.3, -1.2, 0.8], [1.7, 0.4, -0.6]].into_dyn()];
    let y = array![[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]];
    let other = array![[1.0, 0.2, -0.7], [0.4, -0.9, 1.1]];
    let smooth = loss::CrossEntropy::new().class_weights([0.5, 2.0, 1.0]).label_smoothing(0.2).ignore(7);
    gradcheck(|v| smooth.of(v[0], &[1, 7]), &x()).unwrap();
    gradcheck(|v| smooth.of(v[0].sin(), &[2, 0]), &x()).unwrap();
    gradcheck(|v| smooth.of_probabilities(v[0], &y), &x()).unwrap();
    gradcheck(|v| loss::kl_div(v[0].log_softmax(-1), &y, false, Reduction::Mean), &x()).unwrap();
    gradcheck(|v| loss::smooth_l1(v[0], &y, 0.7, Reduction::Mean), &x()).unwrap();
    gradcheck(|v| loss::huber(v[0], &y, 0.7, Reduction::Sum), &x()).unwrap();
    gradcheck(|v| loss::soft_margin(v[0], &other, Reduction::Mean), &x()).unwrap();
    gradcheck(|v| loss::cosine_embedding(v[0], v[0].sin() + &other, &array![1.0, -1.0], -0.9, Reduction::Mean), &x())
        .unwrap();
    gradcheck(|v| loss::binary_cross_entropy_of_probabilities(v[0].sigmoid(), &y, Reduction::Mean), &x()).unwrap();
    gradcheck(|v| loss::pairwise_distances(v[0], v[0].sin() + &other), &x()).unwrap();
    gradcheck(|v| loss::triplet(v[0], &y, v[0].sin() + &other, 1.0, Reduction::Sum), &x()).unwrap();
    gradcheck(|v| loss::contrastive(v[0], &other, &array![1.0, -1.0], 3.0, Reduction::Mean), &x()).unwrap();
}

/// Computed with PyTorch 2.15: `triplet_margin_loss` with `eps=0`, and `cdist`.
#[test]
fn costs_of_distances_are_pytorchs() {
    let tape = Tape::<f64>::mathematics();
    let a = tape.var(array![[0.3, -1.2, 2.0], [0.7, 0.1, -0.4]]);
    let positive = array![[0.1, -1.0, 1.5], [0.2, 0.3, 0.9]];
    let negative = array![[0.5, -0.2, 1.0], [1.0, -1.1, 0.2]];
    let cost = loss::triplet(a, &positive, &negative, 1.0, Reduction::Mean);
    assert!((cost.item() - 0.589_261_299_202_754_8).abs() < 1e-12);
    let want = [
        0.244_091_660_157_098_32,
        0.175_992_365_051_304_67,
        0.085_124_118_882_242_14,
        0.286_776_208_747_671_5,
        -0.507_502_685_923_854_8,
        -0.243_716_995_201_163_58,
    ];
    let got = cost.backward().wrt(a);
    assert!(got.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-12), "{got}");
    let want = [1.428_285_685_708_57, 1.933_907_960_581_371_6, 1.445_683_229_480_096, 1.374_772_708_486_752_3];
    let distances = loss::pairwise_distances(a, &negative);
    assert!(distances.data().iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-12));
    // an example is its own positive: distance and gradient are 0, not NaN
    let same = loss::triplet(a, a, &negative, 9.0, Reduction::Sum);
    assert!(same.backward().wrt(a).iter().all(|g| g.is_finite()));
    assert!(loss::pairwise_distances(a, a).sum().backward().wrt(a).iter().all(|g| g.is_finite()));
}

#[test]
#[should_panic(expected = "CrossEntropy: row 1 has label 5, but there are 3 classes")]
fn a_label_that_is_no_class_is_named() {
    let tape = Tape::<f32>::mathematics();
    let _ = loss::CrossEntropy::new().label_smoothing(0.1).of(tape.var(ndarray::Array2::zeros((2, 3))), &[0, 5]);
}

#[test]
fn classes_may_stand_before_other_axes_or_alone() {
    let tape = Tape::<f64>::mathematics();
    let x = tape.var(ndarray::Array3::from_shape_fn((2, 3, 4), |(i, j, k)| ((i * 12 + j * 4 + k) as f64).sin()));
    let labels: Vec<usize> = (0..8).map(|k| k % 3).collect();
    let losses = loss::cross_entropy(x, &labels, Reduction::None);
    assert_eq!(losses.shape(), [2, 4]);
    let row = x.permute([0, 2, 1]).reshape([8, 3]).cross_entropy_rows(&labels);
    assert!(losses.data().iter().zip(row.data()).all(|(a, b)| (a - b).abs() < 1e-12));
    let alone = loss::cross_entropy(tape.var([0.0, 0.0, 0.0]), &[2], Reduction::None);
    assert!(alone.shape().is_empty() && (alone.item() - 3f64.ln()).abs() < 1e-12);
}

/// The running statistics move by the optimizer's step, once for each forward pass, and inference changes nothing.
#[test]
fn batch_norm_learns_its_statistics() {
    let mut layer = BatchNorm::<f64>::new(1);
    let mut tape = Tape::training(0);
    for _ in 0..200 {
        let (_, grads) = tape.gradients(|t| layer.forward(t.constant(array![[1.0], [5.0]])).square().sum());
        Sgd::new(0.0).step(&mut layer, &grads);
    }
    let (mean, variance) = (layer.running_mean.value()[0], layer.running_var.value()[0]);
    assert!((mean - 3.0).abs() < 1e-6 && (variance - 8.0).abs() < 1e-6, "{mean}, {variance}");
    let tape = Tape::inference();
    let y = layer.forward(tape.constant(array![[3.0]])); // a batch of one is allowed in inference
    assert!(y.item().abs() < 1e-6);
}

#[test]
#[should_panic(expected = "BatchNorm: [1, 2] has one number a channel, which has no variance")]
fn batch_norm_refuses_a_batch_of_one_in_training() {
    let tape = Tape::<f32>::training(0);
    let _ = BatchNorm::new(2).forward(tape.constant(array![[1.0, 2.0]]));
}

/// A convolutional network tells horizontal from vertical lines.
#[test]
fn a_small_convolutional_network_learns() {
    let mut rng = rng(2);
    let mut model = Sequential::new()
        .layer(Conv2d::<f32>::new(1, 4, [3, 3], &mut rng).padding([1, 1]))
        .layer(BatchNorm::new(4))
        .layer(Activation::Relu)
        .layer(MaxPool2d::new([2, 2]))
        .layer(Flatten)
        .layer(Linear::new(4 * 3 * 3, 2, &mut rng));
    let images = ndarray::Array4::from_shape_fn((12, 1, 6, 6), |(n, _, i, j)| {
        let line = if n < 6 { i } else { j };
        f32::from(u8::from(line == n % 6))
    });
    let labels: Vec<usize> = (0..12).map(|n| n / 6).collect();
    let (mut tape, mut opt) = (Tape::training(0), Adam::new(0.02));
    for _ in 0..60 {
        let (_, grads) = tape.gradients(|t| model.forward(t.constant(&images)).cross_entropy(&labels));
        opt.step(&mut model, &grads);
    }
    let tape = Tape::inference();
    let logits = model.forward(tape.constant(&images));
    let right =
        logits.value().outer_iter().zip(&labels).filter(|(row, label)| (row[1] > row[0]) == (**label == 1)).count();
    assert_eq!(right, 12);
}

#[test]
fn one_model_answers_many_threads_at_once() {
    let rng = &mut rng(3);
    let model: Sequential = Sequential::new()
        .map(|x| x.reshape([-1, 1, 4, 4]))
        .layer(Conv2d::new(1, 3, [3, 3], rng))
        .layer(BatchNorm::new(3))
        .layer(Flatten)
        .layer(Dropout::new(0.5))
        .layer(Linear::new(12, 2, rng));
    let x = ndarray::Array2::from_shape_fn((40, 16), |(i, j)| ((7 * i + j) as f32).sin());
    let answers = |rows: std::ops::Range<usize>| {
        let tape = Tape::inference();
        model.forward(tape.constant(x.slice(ndarray::s![rows, ..]))).data().to_vec()
    };
    let alone: Vec<Vec<f32>> = (0..40).map(|row| answers(row..row + 1)).collect();
    let together: Vec<Vec<f32>> = std::thread::scope(|scope| {
        let answers = &answers;
        let one = move |k: usize| {
            let rows = || (5 * k..5 * k + 5).map(|row| answers(row..row + 1)).collect::<Vec<_>>();
            (0..50).for_each(|_| assert_eq!(rows(), rows()));
            rows()
        };
        let workers: Vec<_> = (0..8).map(|k| scope.spawn(move || one(k))).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert_eq!(alone, together);
    fn is_send<M: Send + Sync>(_: &M) {}
    is_send(&model);
}

#[test]
fn a_tied_weight_is_one_parameter_with_the_gradient_of_all_its_uses() {
    let (w, x) = (Param::new(array![[1.0, 2.0], [3.0, 4.0]]), array![[0.5, -1.0]]);
    let (_, tied) = Tape::training(0).gradients(|t| t.constant(&x).matmul(&w).matmul(t.param(&w).t()).sum());
    let (a, b) = (w.clone(), w.clone());
    let (_, apart) = Tape::training(0).gradients(|t| t.constant(&x).matmul(&a).matmul(t.param(&b).t()).sum());
    assert_eq!(tied.wrt(&w), apart.wrt(&a) + apart.wrt(&b));
    assert_eq!(tied.param_count(), 1);
}

#[test]
fn standardize_is_not_learned_and_goes_along_with_the_model() {
    let model = (Standardize::<f64>::new(&[1.0, 2.0], &[2.0, 4.0]), Linear::<f64>::new(2, 1, &mut rng(1)));
    let paths: Vec<String> = model.leaves().into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["0.shift", "0.scale", "1.weight", "1.bias"]);
    assert_eq!(model.params().len(), 2);
    gradcheck(
        |v| v[0].tape().constant([0.0, 0.0]) + Standardize::new(&[1.0, 2.0], &[2.0, 4.0]).forward(v[0]),
        &[array![3.0, -1.0].into_dyn()],
    )
    .unwrap();
}

#[test]
#[should_panic(expected = "Standardize: the scale of column 1 is 0")]
fn standardize_does_not_divide_by_nothing() {
    let _ = Standardize::<f32>::new(&[0.0, 0.0], &[1.0, 0.0]);
}

#[test]
#[should_panic(expected = "Standardize: [2, 1] does not end in 3 columns")]
fn standardize_does_not_broadcast_its_input() {
    let tape = Tape::new();
    let _ = Standardize::<f32>::identity(3).forward(tape.constant(array![[1.0], [2.0]]));
}

#[test]
#[should_panic(expected = "Standardize: 2 shifts and 1 scales")]
fn standardize_wants_as_many_scales_as_shifts() {
    let _ = Standardize::<f32>::new(&[0.0, 0.0], &[1.0]);
}
