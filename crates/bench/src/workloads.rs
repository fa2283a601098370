//! The workloads; one of them also as a fused function.

use gradus_autograd::{Gradients, Module, Param, Tape, fused};
use gradus_data::Dataset;
use gradus_landscape::{Landscape, SpectralDensity};
use gradus_nn::{Activation, Forward, Mlp, Reduction, loss};
use gradus_optim::{Adam, AdamW, Optimizer, Rule, Sgd};
use gradus_train::Classify;
use ndarray::{Array1, Array2, Axis, concatenate, s};

use crate::data::{self, Batch, u};
use crate::networks;
use crate::{MILLISECONDS, STEPS, Unit, Workload};

pub(crate) const NAMES: [&str; 17] = [
    "mlp_big",
    "mlp_small",
    "tiny",
    "chain",
    "elementwise",
    "elementwise_fused",
    "wide",
    "hvp",
    "lanczos",
    "infer_b1",
    "infer_b128",
    "adamw",
    "cnn",
    "gru",
    "transformer",
    "embedding",
    "table",
];

/// The definition of a workload.
pub(crate) struct Definition {
    pub(crate) unit: Unit,
    /// the value that shows that every framework computes the same
    pub(crate) check: fn() -> f64,
    /// makes a fresh state
    pub(crate) start: Start,
}

type Start = fn() -> Box<dyn Workload>;

pub(crate) fn find(name: &str) -> Option<Definition> {
    let (unit, check, start): (Unit, fn() -> f64, Start) = match name {
        "mlp_big" => (STEPS, || train(&mut mlp_big(), 100), || Box::new(mlp_big())),
        "mlp_small" => (STEPS, || train(&mut mlp_small(), 100), || Box::new(mlp_small())),
        "wide" => (
            // 3 · 2mnk operations for each layer: the forward pass, and the gradients of the weight and of the input
            Unit {
                name: "GFLOP/s",
                convert: |s| 6.0 * 256.0 * (1024 * 2048 + 2048 * 2048 + 2048 * 10) as f64 / s / 1e9,
            },
            || train(&mut wide(), 20),
            || Box::new(wide()),
        ),
        "tiny" => (STEPS, || Tiny::new().check(), || Box::new(Tiny::new())),
        "chain" => (
            Unit { name: "ns/op", convert: |seconds| seconds * 1e9 / 1000.0 },
            || Chain::new().run(),
            || Box::new(Chain::new()),
        ),
        "elementwise" => (MILLISECONDS, || Elementwise::new(false).check(), || Box::new(Elementwise::new(false))),
        "elementwise_fused" => (MILLISECONDS, || Elementwise::new(true).check(), || Box::new(Elementwise::new(true))),
        "hvp" => (Unit { name: "ms/hvp", ..MILLISECONDS }, || Hvp::new().check(), || Box::new(Hvp::new())),
        "lanczos" => (Unit { name: "ms/run", ..MILLISECONDS }, || Lanczos::new().run(), || Box::new(Lanczos::new())),
        "infer_b1" => (MICROSECONDS, || Infer::new(1).run(), || Box::new(Infer::new(1))),
        "infer_b128" => (MICROSECONDS, || Infer::new(128).run(), || Box::new(Infer::new(128))),
        "adamw" => (Unit { name: "ms/step", ..MILLISECONDS }, || Update::new().check(), || Box::new(Update::new())),
        "cnn" => (STEPS, || train(&mut *networks::cnn(), 20), networks::cnn),
        "gru" => (STEPS, || train(&mut *networks::gru(), 20), networks::gru),
        "transformer" => (STEPS, || train(&mut *networks::transformer(), 20), networks::transformer),
        "embedding" => (STEPS, || train(&mut *networks::embedding(), 20), networks::embedding),
        "table" => (STEPS, || train(&mut *networks::table(), 100), networks::table),
        _ => return None,
    };
    Some(Definition { unit, check, start })
}

const MICROSECONDS: Unit = Unit { name: "µs/forward", convert: |seconds| seconds * 1e6 };

/// Training steps of a classifier.
struct Train<R: Rule> {
    model: Mlp,
    optimizer: Optimizer<R>,
    tape: Tape,
    batches: Vec<Batch>,
    step: usize,
    loss: f32,
}

impl<R: Rule> Train<R> {
    fn new(sizes: &[usize], batch: usize, optimizer: Optimizer<R>) -> Self {
        Train {
            model: data::mlp(sizes, Activation::Relu),
            optimizer,
            tape: Tape::training(0),
            batches: data::batches(batch, sizes[0]),
            step: 0,
            loss: 0.0,
        }
    }
}

fn mlp_big() -> Train<gradus_optim::rules::Adam> {
    Train::new(&[784, 512, 256, 10], 128, Adam::new(1e-3))
}
fn mlp_small() -> Train<gradus_optim::rules::Sgd> {
    Train::new(&[784, 128, 10], 32, Sgd::new(0.01).momentum(0.9))
}
fn wide() -> Train<gradus_optim::rules::Sgd> {
    Train::new(&[1024, 2048, 2048, 10], 256, Sgd::new(0.01))
}

impl<R: Rule> Workload for Train<R> {
    fn step(&mut self) {
        let batch = &self.batches[self.step % 16];
        let (loss, grads) = self.tape.gradients(|t| self.model.forward(t.constant(&batch.x)).cross_entropy(&batch.y));
        self.optimizer.step(&mut self.model, &grads);
        self.step += 1;
        self.loss = loss;
    }
    fn finish(&mut self) -> f64 {
        f64::from(self.loss)
    }
}

/// The loss of the last of `steps` steps.
fn train(workload: &mut dyn Workload, steps: usize) -> f64 {
    (0..steps).for_each(|_| workload.step());
    workload.finish()
}

struct Tiny {
    model: Mlp,
    optimizer: Sgd<f32>,
    tape: Tape,
    inputs: Array2<f32>,
    targets: Array2<f32>,
    step: usize,
    loss: f32,
}

impl Tiny {
    fn new() -> Self {
        let inputs = Array2::from_shape_fn((64, 2), |(i, j)| 2.0 * u(1, 2 * i + j) - 1.0);
        let targets = Array2::from_shape_fn((64, 1), |(i, _)| inputs[[i, 0]] * inputs[[i, 1]]);
        Tiny {
            model: data::mlp(&[2, 16, 16, 1], Activation::Tanh),
            optimizer: Sgd::new(0.05),
            tape: Tape::training(0),
            inputs,
            targets,
            step: 0,
            loss: 0.0,
        }
    }
    /// The mean loss of steps 576 to 639.
    fn check(mut self) -> f64 {
        let mut sum = 0.0;
        for step in 0..640 {
            self.step();
            sum += if step >= 576 { f64::from(self.loss) } else { 0.0 };
        }
        sum / 64.0
    }
}

impl Workload for Tiny {
    fn step(&mut self) {
        let i = self.step % 64;
        let (x, y) = (self.inputs.slice(s![i..i + 1, ..]), self.targets.slice(s![i..i + 1, ..]));
        let (loss, grads) = self.tape.gradients(|t| loss::mse(self.model.forward(t.constant(x)), &y, Reduction::Mean));
        self.optimizer.step(&mut self.model, &grads);
        self.step += 1;
        self.loss = loss;
    }
    fn finish(&mut self) -> f64 {
        f64::from(self.loss)
    }
}

struct Chain {
    tape: Tape,
    x: Array1<f32>,
    result: f64,
}

impl Chain {
    fn new() -> Self {
        Chain { tape: Tape::new(), x: Array1::from_shape_fn(10, |i| 2.0 * u(1, i) - 1.0), result: 0.0 }
    }
    fn run(&mut self) -> f64 {
        self.step();
        self.result
    }
}

impl Workload for Chain {
    fn step(&mut self) {
        self.tape.clear();
        let x = self.tape.var(&self.x);
        let mut y = x;
        for _ in 0..250 {
            y = ((y * 1.01) + 0.001).tanh().sin();
        }
        let grads = y.sum().backward();
        self.result = f64::from(grads.wrt(x).sum());
    }
    fn finish(&mut self) -> f64 {
        self.result
    }
}

fused! {
    fn wave(x) -> mean { x.tanh() * (-x * x).exp() + x.sigmoid() }
}

struct Elementwise {
    tape: Tape,
    x: Param,
    fused: bool,
}

impl Elementwise {
    fn new(fused: bool) -> Self {
        let x = Array1::from_shape_fn(1_000_000, |i| 4.0 * u(1, i) - 2.0);
        Elementwise { tape: Tape::new(), x: Param::new(x), fused }
    }
    fn gradients(&mut self) -> Gradients {
        let (x, fused) = (&self.x, self.fused);
        let cost = self.tape.gradients(|t| {
            let x = t.param(x);
            if fused { wave(x) } else { (x.tanh() * (-x * x).exp() + x.sigmoid()).mean() }
        });
        cost.1
    }
    fn check(mut self) -> f64 {
        let grads = self.gradients();
        1e6 * grads.wrt(&self.x).iter().map(|&g| f64::from(g).powi(2)).sum::<f64>()
    }
}

impl Workload for Elementwise {
    fn step(&mut self) {
        std::hint::black_box(self.gradients());
    }
    fn finish(&mut self) -> f64 {
        0.0
    }
}

struct Hvp {
    tape: Tape,
    model: Mlp,
    batch: Batch,
    directions: Vec<ndarray::ArrayD<f32>>,
}

impl Hvp {
    fn new() -> Self {
        let sizes = [784, 128, 10];
        let directions = sizes.windows(2).enumerate().flat_map(|(l, sizes)| {
            let (weight, bias) = data::layer(l as u64, sizes[0], sizes[1], 50);
            [weight.into_dyn(), bias.into_dyn()]
        });
        Hvp {
            tape: Tape::new(),
            model: data::mlp(&sizes, Activation::Relu),
            batch: data::batches(32, 784).swap_remove(0),
            directions: directions.collect(),
        }
    }
    fn product(&mut self) -> Gradients {
        self.tape.clear();
        let loss = self.model.forward(self.tape.constant(&self.batch.x)).cross_entropy(&self.batch.y);
        let params = self.model.params();
        loss.hvp(params.iter().map(|(_, param)| *param).zip(&self.directions))
    }
    fn check(mut self) -> f64 {
        let product = self.product();
        let squares = |(_, p): (String, &Param)| product.wrt(p).iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
        self.model.params().into_iter().map(squares).sum()
    }
}

impl Workload for Hvp {
    fn step(&mut self) {
        std::hint::black_box(self.product());
    }
    fn finish(&mut self) -> f64 {
        0.0
    }
}

/// Thirty steps of Lanczos' method on the Hessian of a perceptron over 3,824 rows.
struct Lanczos {
    model: Mlp,
    landscape: Landscape<Classify, Dataset>,
    largest: f64,
}

impl Lanczos {
    fn new() -> Self {
        let batches = data::batches(239, 64);
        let x = concatenate(Axis(0), &batches.iter().map(|batch| batch.x.view()).collect::<Vec<_>>());
        let y = batches.into_iter().flat_map(|batch| batch.y).collect();
        let rows = Dataset::new(x.expect("batches of one width"), y, 10).expect("a label for each row");
        let threads = std::env::args().nth(2).and_then(|threads| threads.parse().ok()).unwrap_or(1);
        Lanczos {
            model: data::mlp(&[64, 32, 10], Activation::Tanh),
            landscape: Landscape::new(Classify::new(), rows).threads(threads),
            largest: 0.0,
        }
    }
    fn run(&mut self) -> f64 {
        let density = SpectralDensity::new().steps(30).probes(1);
        let spectrum = density.run(&self.landscape.hessian(&self.model)).expect("finite products");
        self.largest = spectrum.extremes().map_or(0.0, |(_, largest)| largest);
        self.largest
    }
}

impl Workload for Lanczos {
    fn step(&mut self) {
        self.run();
    }
    fn finish(&mut self) -> f64 {
        self.largest
    }
}

struct Infer {
    tape: Tape,
    model: Mlp,
    x: Array2<f32>,
    result: f64,
}

impl Infer {
    fn new(rows: usize) -> Self {
        let batch = data::batches(128, 784).swap_remove(0);
        Infer {
            tape: Tape::inference(),
            model: data::mlp(&[784, 512, 256, 10], Activation::Relu),
            x: batch.x.slice(s![..rows, ..]).to_owned(),
            result: 0.0,
        }
    }
    fn run(&mut self) -> f64 {
        self.step();
        self.result
    }
}

impl Workload for Infer {
    fn step(&mut self) {
        self.tape.clear();
        let logits = self.model.forward(self.tape.constant(&self.x));
        self.result = logits.data().iter().map(|&x| f64::from(x)).sum();
    }
    fn finish(&mut self) -> f64 {
        self.result
    }
}

/// Steps of AdamW over ten million numbers, whose gradient does not change.
struct Update {
    theta: Param,
    grads: Gradients,
    optimizer: AdamW<f32>,
}

impl Update {
    fn new() -> Self {
        let ten_million = |seed| Array1::from_shape_fn(10_000_000, |i| 2.0 * u(seed, i) - 1.0);
        let theta = Param::new(ten_million(1));
        let (_, grads) = Tape::training(0).gradients(|t| (t.param(&theta) * &ten_million(2)).sum());
        Update { theta, grads, optimizer: AdamW::new(1e-3) }
    }
    fn check(mut self) -> f64 {
        (0..10).for_each(|_| self.step());
        self.theta.data().iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / 1e6
    }
}

impl Workload for Update {
    fn step(&mut self) {
        self.optimizer.step(&mut self.theta, &self.grads);
    }
    fn finish(&mut self) -> f64 {
        f64::from(self.theta.data()[0])
    }
}
