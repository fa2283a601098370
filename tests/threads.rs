//! The number of threads decides the speed, never the results.

use gradus::optim::{Adam, Optimizer};
use gradus::{Convolution, NormThen, Pooling};
use gradus::{Param, Tape, fused, with_threads};
use ndarray::{Array, Array1, Array2, Array4, ArrayD};

fused! {
    fn wave(x, shift) { (x + shift).tanh() * (-x * x).exp() }
    fn distance(x, shift) -> mean { (x - shift).square() * x.cos() }
}

/// Computes with arrays that are large enough to be cut: loops with one, two and several operands, sums of every kind,
/// products, fused functions, images, rows of a table, a Hessian-vector product, steps of an optimizer with clipping.
fn run() -> Vec<ArrayD<f32>> {
    let n = 400_003; // no multiple of a size at which arrays are cut
    let at = |i: usize| ((i * 7919 % 1013) as f32 / 500.0 - 1.0) * 1.7;
    let x = Param::new(Array1::from_shape_fn(n, at));
    let y = Array1::from_shape_fn(n, |i| at(i + 1));
    let w = Param::new(Array2::from_shape_fn((700, 300), |(i, j)| at(i * 300 + j)));
    let row = Array2::from_shape_fn((1, 300), |(_, j)| at(j));
    let mut results = Vec::new();

    let mut tape = Tape::new();
    let (cost, grads) = tape.gradients(|t| {
        let v = t.param(&x);
        let w = t.param(&w);
        let loops = (v.sin() * &y + v.exp() / (v.abs() + 1.5) - 0.5).mean();
        let sums = w.square().sum_axis(0).sum() + w.tanh().sum_axis(1).square().mean();
        let products = w.matmul(w.t()).mean() + t.constant(&row).matmul(w.t()).square().sum();
        let fused = wave(v, &Array1::from_elem(1, 0.3)).sum() + distance(v, &y);
        loops + sums + products + fused + v.maximum(0.1).sum()
    });
    results.push(ArrayD::from_elem(vec![], cost));
    results.extend([grads.wrt(&x), grads.wrt(&w)]);

    tape.clear();
    let cost = (tape.param(&x).tanh() * tape.param(&x)).square().mean() + wave(tape.param(&x), 0.2).mean();
    results.push(cost.hvp([(&x, &y)]).wrt(&x));

    // images through convolutions of small and of large weights, normalised, pooled; and rows of a table
    let images = Param::new(Array4::from_shape_fn((21, 3, 16, 15), |(n, c, i, j)| at(n * 720 + c * 240 + i * 15 + j)));
    let kernels = [[24, 3], [200, 24], [170, 200]];
    let kernels = kernels
        .map(|[o, c]| Param::new(Array4::from_shape_fn((o, c, 3, 3), |(o, c, i, j)| at(o * 27 + c * 9 + i + j))));
    let affine = Param::new(Array1::from_shape_fn(24, |c| at(c) + 2.0));
    let table = Param::new(Array2::from_shape_fn((4000, 64), |(i, j)| at(i * 64 + j)));
    let words = Array1::from_shape_fn(900, |i| i * i * 31 % 4000);
    let (cost, grads) = tape.gradients(|t| {
        let same = Convolution { padding: [1, 1], ..Convolution::default() };
        let y = t.param(&images).conv2d_with_bias(&kernels[0], &affine, same);
        let then = NormThen::ReluMaxPool(Pooling::new([2, 2]));
        let (y, ..) = y.batch_norm_then(&affine, &affine, 1e-5, then);
        let y = y.conv2d(&kernels[1], Convolution { stride: [2, 2], ..same }).conv2d(&kernels[2], same);
        y.layer_norm(1, 1e-5).square().mean() + t.param(&table).embedding(&words).layer_norm(1, 1e-5).sin().sum()
    });
    results.push(ArrayD::from_elem(vec![], cost));
    results.extend([grads.wrt(&images), grads.wrt(&affine), grads.wrt(&table)]);
    results.extend(kernels.iter().map(|kernel| grads.wrt(kernel)));
    let mut table = vec![table];
    let mut optimizer: Optimizer<_, f32> = Adam::new(0.01);
    for _ in 0..3 {
        let (_, grads) = tape.gradients(|t| t.param(&table[0]).embedding(&words).square().sum());
        optimizer.step(&mut table, &grads);
    }
    results.push(table[0].value().to_owned());

    let mut optimizer: Optimizer<_, f32> = Adam::new(0.01).clip_norm(0.5);
    let mut model = vec![x, w];
    for _ in 0..3 {
        let (_, grads) =
            tape.gradients(|t| (t.param(&model[0]).square().sum() + t.param(&model[1]).square().sum() * 0.5).sqrt());
        optimizer.step(&mut model, &grads);
    }
    results.extend(model.iter().map(|p| p.value().to_owned()));
    results
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let bits = |threads| {
        let results = with_threads(threads, run);
        results.iter().flat_map(|a: &ArrayD<f32>| a.iter().map(|x| x.to_bits())).collect::<Array<_, _>>()
    };
    let one = bits(1);
    for threads in [2, 3, 5] {
        assert!(bits(threads) == one, "{threads} threads give other bits than one");
    }
}
