//! Training steps of networks that are more than an MLP: images, sequences, tables. All of them are trained by Adam.

use gradus_autograd::{Convolution, NormThen, Param, Pooling, Tape, Var};
use gradus_nn::{Activation, BatchNorm, Embedding, Forward, Gru, LayerNorm, Linear, Mlp, Reduction, loss};
use gradus_optim::Adam;
use ndarray::{Array1, Array2, ArrayD};

use crate::Workload;
use crate::data::{self, Batch, u};

/// Training steps of a model.
struct Train<M, F> {
    model: M,
    cost: F,
    optimizer: Adam,
    tape: Tape,
    step: usize,
    loss: f32,
}

impl<M, F> Train<M, F>
where
    M: gradus_autograd::Module,
    F: for<'t> Fn(&M, &'t Tape, usize) -> Var<'t>,
{
    fn boxed(model: M, cost: F) -> Box<dyn Workload>
    where
        M: 'static,
        F: 'static,
    {
        let (optimizer, tape) = (Adam::new(1e-3), Tape::training(0));
        Box::new(Train { model, cost, optimizer, tape, step: 0, loss: 0.0 })
    }
}

impl<M, F> Workload for Train<M, F>
where
    M: gradus_autograd::Module,
    F: for<'t> Fn(&M, &'t Tape, usize) -> Var<'t>,
{
    fn step(&mut self) {
        let (loss, grads) = self.tape.gradients(|t| (self.cost)(&self.model, t, self.step % 16));
        self.optimizer.step(&mut self.model, &grads);
        self.step += 1;
        self.loss = loss;
    }
    fn finish(&mut self) -> f64 {
        f64::from(self.loss)
    }
}

/// Layer `l` of the definition.
fn linear(l: u64, inputs: usize, outputs: usize) -> Linear {
    data::linear(l, inputs, outputs, 10)
}

/// Inputs in another shape, and labels.
fn shaped(batches: Vec<Batch>, shape: &[usize]) -> Vec<(ArrayD<f32>, Vec<usize>)> {
    batches.into_iter().map(|Batch { x, y }| (x.into_shape_with_order(shape).expect("as many numbers"), y)).collect()
}

#[derive(gradus_derive::Module)]
#[module(crate = gradus_autograd)]
struct Cnn {
    weights: [Param; 2],
    biases: [Param; 2],
    norms: [BatchNorm; 2],
    hidden: Linear,
    out: Linear,
}

pub(crate) fn cnn() -> Box<dyn Workload> {
    let [conv1, conv2] = [linear(0, 9, 16), linear(1, 16 * 9, 32)];
    let weight = |layer: &Linear, shape: [usize; 4]| {
        Param::new(layer.weight.value().into_shape_with_order(shape).expect("as many numbers").to_owned())
    };
    let model = Cnn {
        weights: [weight(&conv1, [16, 1, 3, 3]), weight(&conv2, [32, 16, 3, 3])],
        biases: [conv1, conv2].map(|layer| layer.bias.expect("a bias")),
        norms: [16, 32].map(|channels| BatchNorm::new(channels).then(NormThen::ReluMaxPool(Pooling::new([2, 2])))),
        hidden: linear(2, 32 * 49, 128),
        out: linear(3, 128, 10),
    };
    let batches = shaped(data::batches(128, 784), &[128, 1, 28, 28]);
    let same = Convolution { padding: [1, 1], ..Convolution::default() };
    Train::boxed(model, move |model: &Cnn, t, step| {
        let (x, y) = &batches[step];
        let mut x = t.constant(x);
        for l in 0..2 {
            let y = x.conv2d_with_bias(&model.weights[l], &model.biases[l], same);
            x = model.norms[l].forward(y);
        }
        let hidden = model.hidden.forward(x.reshape([128, 32 * 49])).relu();
        model.out.forward(hidden).cross_entropy(y)
    })
}

#[derive(gradus_derive::Module)]
#[module(crate = gradus_autograd)]
struct Recurrent {
    gru: Gru,
    out: Linear,
}

pub(crate) fn gru() -> Box<dyn Workload> {
    let [inputs, states] = [(0, 64), (1, 128)].map(|(l, inputs)| data::scaled(data::layer(l, inputs, 384, 10), 128));
    let bias = |layer: &Linear| layer.bias.clone().expect("a bias");
    let gru =
        Gru { bias_ih: bias(&inputs), bias_hh: bias(&states), weight_ih: inputs.weight, weight_hh: states.weight };
    let batches = shaped(data::batches(64, 32 * 64), &[64, 32, 64]);
    Train::boxed(Recurrent { gru, out: linear(2, 128, 10) }, move |model: &Recurrent, t, step| {
        let (x, y) = &batches[step];
        model.out.forward(model.gru.last(t.constant(x))).cross_entropy(y)
    })
}

#[derive(gradus_derive::Module)]
#[module(crate = gradus_autograd)]
struct Transformer {
    norms: [LayerNorm; 3],
    qkv: Linear,
    joined: Linear,
    up: Linear,
    down: Linear,
    out: Linear,
}

pub(crate) fn transformer() -> Box<dyn Workload> {
    const WIDTH: usize = 64;
    const TOKENS: usize = 32;
    let norm = || LayerNorm::new(&[WIDTH]);
    let model = Transformer {
        norms: [norm(), norm(), norm()],
        qkv: linear(0, WIDTH, 3 * WIDTH),
        joined: linear(1, WIDTH, WIDTH),
        up: linear(2, WIDTH, 256),
        down: linear(3, 256, WIDTH),
        out: linear(4, WIDTH, 10),
    };
    let batches = shaped(data::batches(32 * TOKENS, WIDTH), &[32, TOKENS, WIDTH]);
    let mask = Array2::from_shape_fn((TOKENS, TOKENS), |(i, j)| if j > i { f32::NEG_INFINITY } else { 0.0 });
    Train::boxed(model, move |model: &Transformer, t, step| {
        let (x, y) = &batches[step];
        let x = t.constant(x);
        let qkv = model.qkv.forward(model.norms[0].forward(x)).reshape([32, TOKENS as i32, 3, 4, 16]);
        let heads = |k: usize| qkv.narrow(2, k, 1).squeeze(2).transpose(1, 2);
        let weights = (heads(0).matmul(heads(1).t()) * 0.25 + &mask).softmax(-1);
        let seen = weights.matmul(heads(2)).transpose(1, 2).reshape([32, TOKENS as i32, WIDTH as i32]);
        let x = x + model.joined.forward(seen);
        let x = x + model.down.forward(model.up.forward(model.norms[1].forward(x)).relu());
        model.out.forward(model.norms[2].forward(x)).reshape([-1, 10]).cross_entropy(y)
    })
}

#[derive(gradus_derive::Module)]
#[module(crate = gradus_autograd)]
struct Words {
    table: Embedding,
    out: Linear,
}

pub(crate) fn embedding() -> Box<dyn Workload> {
    let weight = Array2::from_shape_fn((50_000, 64), |(i, j)| 2.0 * u(4, i * 64 + j) - 1.0);
    let model = Words { table: Embedding { weight: Param::new(weight) }, out: linear(0, 64, 10) };
    let words = |b: usize| Array1::from_shape_fn(512, |i| (50_000.0 * u(5, b * 512 + i)) as usize);
    let labels = |b: usize| (0..512).map(|i| (10.0 * u(2, b * 512 + i)) as usize).collect();
    let batches: Vec<(Array1<usize>, Vec<usize>)> = (0..16).map(|b| (words(b), labels(b))).collect();
    Train::boxed(model, move |model: &Words, t, step| {
        let (x, y) = &batches[step];
        model.out.forward(model.table.lookup(t, x)).cross_entropy(y)
    })
}

pub(crate) fn table() -> Box<dyn Workload> {
    let batches: Vec<(Array2<f32>, Array2<f32>)> = data::batches(256, 20)
        .into_iter()
        .map(|Batch { x, y }| (x, Array2::from_shape_fn((256, 1), |(i, _)| if y[i] >= 5 { 1.0 } else { 0.0 })))
        .collect();
    Train::boxed(data::mlp(&[20, 64, 64, 1], Activation::Relu), move |model: &Mlp, t, step| {
        let (x, y) = &batches[step];
        loss::binary_cross_entropy(model.forward(t.constant(x)), y, Reduction::Mean)
    })
}
