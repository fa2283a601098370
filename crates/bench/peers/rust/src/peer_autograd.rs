//! rust-autograd: a graph made once, then evaluated with new inputs.

use autograd::ndarray::{Array1, Array2};
use autograd::optimizers::{Adam, MomentumSGD, SGD};
use autograd::prelude::*;
use autograd::tensor_ops as T;
use autograd::variable::VariableID;
use autograd::{Context, Tensor, VariableEnvironment};

use crate::data::{self, Layout};
use crate::{Run, squares, sum};

type Env = VariableEnvironment<'static, f32>;

pub fn run(name: &str, run: &mut Run) -> bool {
    let mut env = Env::new();
    match name {
        "mlp_big" => {
            let vars = mlp(&mut env, &[784, 512, 256, 10]);
            let adam = Adam::new(1e-3, 1e-8, 0.9, 0.999, vars.clone(), &mut env, "adam");
            train(run, &env, &vars, &adam, Data::batches(128, 784), cross_entropy);
        }
        "mlp_small" => {
            let vars = mlp(&mut env, &[784, 128, 10]);
            let momentum = MomentumSGD::new(0.01, 0.9, vars.clone(), &mut env, "momentum");
            train(run, &env, &vars, &momentum, Data::batches(32, 784), cross_entropy);
        }
        "wide" => {
            let vars = mlp(&mut env, &[1024, 2048, 2048, 10]);
            train(run, &env, &vars, &SGD::new(0.01), Data::batches(256, 1024), cross_entropy);
        }
        "tiny" => {
            let vars = mlp(&mut env, &[2, 16, 16, 1]);
            train(run, &env, &vars, &SGD::new(0.05), Data::tiny(), squared_error);
        }
        "chain" => gradient(run, Array1::from(data::chain()), chain, sum),
        "elementwise" => gradient(run, Array1::from(data::elementwise()), elementwise, |g| 1e6 * squares(g)),
        "infer_b1" => infer(run, &mut env, 1),
        "infer_b128" => infer(run, &mut env, 128),
        // hvp: the gradient of its matrix product forgets which side is transposed, so second derivatives fail
        _ => return false,
    }
    true
}

/// Weights and biases in turn.
fn mlp(env: &mut Env, sizes: &[usize]) -> Vec<VariableID> {
    let mut vars = Vec::new();
    for (l, s) in sizes.windows(2).enumerate() {
        let (weight, bias) = matrices(data::layer(l, s[0], s[1], Layout::InOut), s[1]);
        vars.extend([env.set(weight), env.set(bias)]);
    }
    vars
}

fn matrices((weight, bias): (Vec<f32>, Vec<f32>), outputs: usize) -> (Array2<f32>, Array2<f32>) {
    (matrix(weight, outputs), matrix(bias, outputs))
}

fn matrix(numbers: Vec<f32>, columns: usize) -> Array2<f32> {
    Array2::from_shape_vec((numbers.len() / columns, columns), numbers).expect("whole rows")
}

fn forward<'g>(
    x: Tensor<'g, f32>,
    vars: &[Tensor<'g, f32>],
    activation: fn(Tensor<'g, f32>) -> Tensor<'g, f32>,
) -> Tensor<'g, f32> {
    let mut y = T::matmul(x, vars[0]) + vars[1];
    for layer in vars[2..].chunks(2) {
        y = T::matmul(activation(y), layer[0]) + layer[1];
    }
    y
}

fn cross_entropy<'g>(x: Tensor<'g, f32>, y: Tensor<'g, f32>, vars: &[Tensor<'g, f32>]) -> Tensor<'g, f32> {
    T::mean_all(T::sparse_softmax_cross_entropy(forward(x, vars, T::relu), y))
}

fn squared_error<'g>(x: Tensor<'g, f32>, y: Tensor<'g, f32>, vars: &[Tensor<'g, f32>]) -> Tensor<'g, f32> {
    T::mean_all(T::square(forward(x, vars, T::tanh) - y))
}

/// Pairs of inputs and targets.
struct Data(Vec<(Array2<f32>, Array2<f32>)>);

impl Data {
    fn batches(size: usize, d: usize) -> Self {
        let arrays = |batch: data::Batch| {
            let labels = batch.y.iter().map(|&y| y as f32).collect();
            (matrix(batch.x, d), matrix(labels, 1))
        };
        Data(data::batches(size, d).into_iter().map(arrays).collect())
    }
    fn tiny() -> Self {
        let arrays = |(x, y): ([f32; 2], f32)| (matrix(x.to_vec(), 2), matrix(vec![y], 1));
        Data(data::tiny().into_iter().map(arrays).collect())
    }
}

type Loss = for<'g> fn(Tensor<'g, f32>, Tensor<'g, f32>, &[Tensor<'g, f32>]) -> Tensor<'g, f32>;

fn train(run: &mut Run, env: &Env, vars: &[VariableID], optimizer: &impl Optimizer<f32>, data: Data, loss: Loss) {
    env.run(|graph| {
        let graph: &Context<f32> = graph;
        let (x, y) = (graph.placeholder("x", &[-1, -1]), graph.placeholder("y", &[-1, -1]));
        let vars: Vec<_> = vars.iter().map(|&v| graph.variable(v)).collect();
        let loss = loss(x, y, &vars);
        let grads = T::grad(&[loss], &vars);
        // An update takes place as soon as it is evaluated, and the last one asked for is the first: that of the
        // first layer, whose gradient needs the others' weights as they were.
        let reversed = |tensors: &[_]| tensors.iter().rev().copied().collect::<Vec<Tensor<'_, f32>>>();
        let updates = optimizer.compute_updates(&reversed(&vars), &reversed(&grads), graph);
        let step = |i: usize| {
            let (inputs, targets) = &data.0[i % data.0.len()];
            let mut evaluator = graph.evaluator();
            evaluator.extend(&updates).push(loss).feed(x, inputs.view()).feed(y, targets.view());
            evaluator.run().pop().expect("the loss").expect("rust-autograd trains")
        };
        run.steps(step, |loss| f64::from(loss.sum()));
    });
}

/// The gradient of a function of one vector.
fn gradient(
    run: &mut Run,
    numbers: Array1<f32>,
    function: for<'g> fn(Tensor<'g, f32>, &'g Context<f32>) -> Tensor<'g, f32>,
    read: fn(&[f32]) -> f64,
) {
    let env = Env::new();
    env.run(|graph| {
        let graph: &Context<f32> = graph;
        let x = graph.placeholder("x", &[numbers.len() as isize]);
        let gradient = T::grad(&[function(x, graph)], &[x])[0];
        let step = |_| {
            let mut evaluator = graph.evaluator();
            evaluator.push(gradient).feed(x, numbers.view());
            evaluator.run().pop().expect("the gradient").expect("rust-autograd differentiates")
        };
        run.steps(step, |gradient| read(&gradient.into_raw_vec()));
    });
}

fn chain<'g>(x: Tensor<'g, f32>, graph: &'g Context<f32>) -> Tensor<'g, f32> {
    let (factor, term) = (T::scalar(1.01, graph), T::scalar(0.001, graph));
    T::sum_all((0..250).fold(x, |y, _| T::sin(T::tanh(y * factor + term))))
}

fn elementwise<'g>(x: Tensor<'g, f32>, _: &'g Context<f32>) -> Tensor<'g, f32> {
    T::mean_all(T::tanh(x) * T::exp(T::neg(T::square(x))) + T::sigmoid(x))
}

fn infer(run: &mut Run, env: &mut Env, rows: usize) {
    let vars = mlp(env, &[784, 512, 256, 10]);
    let inputs = matrix(data::batches(128, 784).swap_remove(0).x[..rows * 784].to_vec(), 784);
    env.run(|graph| {
        let graph: &Context<f32> = graph;
        let x = graph.placeholder("x", &[-1, 784]);
        let vars: Vec<_> = vars.iter().map(|&v| graph.variable(v)).collect();
        let logits = forward(x, &vars, T::relu);
        let step = |_| {
            let mut evaluator = graph.evaluator();
            evaluator.push(logits).feed(x, inputs.view());
            evaluator.run().pop().expect("the logits").expect("rust-autograd infers")
        };
        run.steps(step, |logits| sum(&logits.into_raw_vec()));
    });
}
