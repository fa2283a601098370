//! Time of the kernels: nanoseconds a number for each elementwise rule, forward and backward; reductions; products.
//!
//! `cargo bench -p bench`, or `cargo bench -p bench -- tanh` for some.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gradus_autograd::{Param, Tape, Var, functions, set_threads};
use ndarray::{Array1, Array2};

const N: usize = 16_384; // fits the first two caches

type Rule = for<'t> fn(Var<'t>) -> Var<'t>;

fn elementwise(c: &mut Criterion) {
    let rules: [(&str, Rule); 22] = [
        ("mul_number", |x| x * 1.01),
        ("recip", functions::recip),
        ("exp", functions::exp),
        ("exp_m1", functions::exp_m1),
        ("ln", functions::ln),
        ("ln_1p", functions::ln_1p),
        ("sqrt", functions::sqrt),
        ("square", functions::square),
        ("erf", functions::erf),
        ("sin", functions::sin),
        ("cos", functions::cos),
        ("tanh", functions::tanh),
        ("abs", functions::abs),
        ("clamp", |x| x.clamp(0.2, 0.8)),
        ("sigmoid", functions::sigmoid),
        ("relu", functions::relu),
        ("leaky_relu", |x| x.leaky_relu(0.01)),
        ("elu", |x| x.elu(1.0)),
        ("gelu", functions::gelu),
        ("silu", functions::silu),
        ("softplus", functions::softplus),
        ("softsign", functions::softsign),
    ];
    let x = Param::new(Array1::from_shape_fn(N, |i| 0.05 + (i as f32 / N as f32)));
    let mut group = c.benchmark_group("elementwise");
    group.throughput(Throughput::Elements(N as u64));
    for (name, rule) in rules {
        let mut tape = Tape::inference();
        group.bench_function(BenchmarkId::new("forward", name), |b| {
            b.iter(|| {
                tape.clear();
                rule(tape.param(&x)).data()[0]
            });
        });
        let mut tape = Tape::new();
        group.bench_function(BenchmarkId::new("forward_and_backward", name), |b| {
            b.iter(|| tape.gradients(|t| rule(t.param(&x)).sum()).0);
        });
    }
    group.finish();
}

fn reductions(c: &mut Criterion) {
    let x = Param::new(Array2::from_shape_fn((128, 512), |(i, j)| (i * j) as f32 * 1e-3));
    let reductions: [(&str, Rule); 6] = [
        ("sum", |x| x.sum()),
        ("sum_rows", |x| x.sum_axis(0)),
        ("sum_columns", |x| x.sum_axis(1)),
        ("amax", |x| x.amax_axis(1)),
        ("softmax", |x| x.softmax(1)),
        ("transpose", |x| x.t()),
    ];
    let mut group = c.benchmark_group("reductions");
    group.throughput(Throughput::Elements(128 * 512));
    for (name, reduction) in reductions {
        let mut tape = Tape::inference();
        group.bench_function(name, |b| {
            b.iter(|| {
                tape.clear();
                reduction(tape.param(&x)).data()[0]
            });
        });
    }
    group.finish();
}

fn products(c: &mut Criterion) {
    set_threads(1);
    let mut group = c.benchmark_group("products");
    for (m, k, n) in [(1, 784, 512), (32, 784, 128), (128, 784, 512), (128, 512, 256), (256, 2048, 2048)] {
        let x = Param::new(Array2::from_elem((m, k), 0.5f32));
        let w = Param::new(Array2::from_elem((n, k), 0.25f32));
        let b = Param::new(Array1::from_elem(n, 0.0f32));
        group.throughput(Throughput::Elements((2 * m * k * n) as u64));
        let mut tape = Tape::inference();
        group.bench_function(BenchmarkId::new("linear", format!("{m}x{k}x{n}")), |bench| {
            bench.iter(|| {
                tape.clear();
                tape.param(&x).linear(&w, &b).data()[0]
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = kernels;
    config = Criterion::default().sample_size(20).warm_up_time(std::time::Duration::from_millis(200))
        .measurement_time(std::time::Duration::from_millis(600));
    targets = elementwise, reductions, products
}
criterion_main!(kernels);
