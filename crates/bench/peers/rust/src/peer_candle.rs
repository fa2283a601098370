//! candle: eager tensors on the processor.

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Result, Shape, Tensor, Var};
use candle_nn::{AdamW, Linear, Module, Optimizer, ParamsAdamW, SGD, loss, ops};

use crate::data::{self, Layout};
use crate::{Run, peer_candle_networks as networks, squares, sum};

pub(crate) const CPU: Device = Device::Cpu;

pub fn run(name: &str, run: &mut Run) -> bool {
    let done = match name {
        "mlp_big" => classify(run, &[784, 512, 256, 10], 128, adam),
        "mlp_small" => classify(run, &[784, 128, 10], 32, |vars| Momentum::new(vars, (0.01, 0.9))),
        "wide" => classify(run, &[1024, 2048, 2048, 10], 256, |vars| SGD::new(vars, 0.01)),
        "tiny" => tiny(run),
        "chain" => chain(run),
        "elementwise" => elementwise(run),
        "hvp" => hvp(run),
        "infer_b1" => infer(run, 1),
        "infer_b128" => infer(run, 128),
        "cnn" => networks::cnn(run),
        "gru" => networks::gru(run),
        "transformer" => networks::transformer(run),
        "embedding" => networks::embedding(run),
        "table" => networks::table(run),
        _ => return false,
    };
    done.expect("candle computes");
    true
}

/// A variable with these numbers, which is added to the others.
pub(crate) fn var(vars: &mut Vec<Var>, numbers: Vec<f32>, shape: impl Into<Shape>) -> Result<Tensor> {
    vars.push(Var::from_vec(numbers, shape.into(), &CPU)?);
    Ok(vars[vars.len() - 1].as_tensor().clone())
}

/// Layer `l`, whose variables are added to the others.
pub(crate) fn linear(vars: &mut Vec<Var>, l: usize, inputs: usize, outputs: usize) -> Result<Linear> {
    let (weight, bias) = data::layer(l, inputs, outputs, Layout::OutIn);
    Ok(Linear::new(var(vars, weight, (outputs, inputs))?, Some(var(vars, bias, outputs)?)))
}

/// Layers, and their variables.
pub(crate) fn mlp(sizes: &[usize]) -> Result<(Vec<Linear>, Vec<Var>)> {
    let mut vars = Vec::new();
    let layers = sizes.windows(2).enumerate().map(|(l, s)| linear(&mut vars, l, s[0], s[1])).collect::<Result<_>>()?;
    Ok((layers, vars))
}

pub(crate) fn forward(layers: &[Linear], x: &Tensor, activation: fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let mut x = layers[0].forward(x)?;
    for layer in &layers[1..] {
        x = layer.forward(&activation(&x)?)?;
    }
    Ok(x)
}

pub(crate) fn batches(size: usize, d: usize) -> Result<Vec<(Tensor, Tensor)>> {
    let tensors = |batch: data::Batch| {
        let y: Vec<u32> = batch.y.iter().map(|&y| y as u32).collect();
        Ok((Tensor::from_vec(batch.x, (size, d), &CPU)?, Tensor::from_vec(y, size, &CPU)?))
    };
    data::batches(size, d).into_iter().map(tensors).collect()
}

fn scalar(x: Tensor) -> f64 {
    f64::from(x.to_scalar::<f32>().expect("one number"))
}

/// SGD with momentum, which candle lacks.
struct Momentum {
    vars: Vec<(Var, Tensor)>,
    rate: f64,
    momentum: f64,
}

impl Optimizer for Momentum {
    type Config = (f64, f64);
    fn new(vars: Vec<Var>, (rate, momentum): (f64, f64)) -> Result<Self> {
        let with_velocity = |var: Var| {
            let velocity = Tensor::zeros(var.shape(), DType::F32, &CPU)?;
            Ok((var, velocity))
        };
        Ok(Momentum { vars: vars.into_iter().map(with_velocity).collect::<Result<_>>()?, rate, momentum })
    }
    fn step(&mut self, grads: &GradStore) -> Result<()> {
        for (var, velocity) in &mut self.vars {
            let grad = grads.get(var).expect("every parameter has one");
            *velocity = ((&*velocity * self.momentum)? + grad)?;
            var.set(&var.sub(&(&*velocity * self.rate)?)?)?;
        }
        Ok(())
    }
    fn learning_rate(&self) -> f64 {
        self.rate
    }
    fn set_learning_rate(&mut self, rate: f64) {
        self.rate = rate;
    }
}

/// Adam with PyTorch's settings.
pub(crate) fn adam(vars: Vec<Var>) -> Result<AdamW> {
    AdamW::new(vars, ParamsAdamW { lr: 1e-3, weight_decay: 0.0, ..Default::default() })
}

/// Training steps, on the batches in turn.
pub(crate) fn train(
    run: &mut Run,
    mut optimizer: impl Optimizer,
    batches: &[(Tensor, Tensor)],
    cost: impl Fn(&Tensor, &Tensor) -> Result<Tensor>,
) -> Result<()> {
    let mut step = |i: usize| {
        let (x, y) = &batches[i % batches.len()];
        let loss = cost(x, y)?;
        optimizer.backward_step(&loss)?;
        Ok::<_, candle_core::Error>(loss)
    };
    run.steps(|i| step(i).expect("candle trains"), scalar);
    Ok(())
}

fn classify<O: Optimizer>(
    run: &mut Run,
    sizes: &[usize],
    batch: usize,
    optimizer: impl Fn(Vec<Var>) -> Result<O>,
) -> Result<()> {
    let (layers, vars) = mlp(sizes)?;
    let cost = |x: &Tensor, y: &Tensor| loss::cross_entropy(&forward(&layers, x, Tensor::relu)?, y);
    train(run, optimizer(vars)?, &batches(batch, sizes[0])?, cost)
}

fn tiny(run: &mut Run) -> Result<()> {
    let (layers, vars) = mlp(&[2, 16, 16, 1])?;
    let tensors = |(x, y): ([f32; 2], f32)| Ok((Tensor::new(&[x], &CPU)?, Tensor::new(&[[y]], &CPU)?));
    let samples = data::tiny().into_iter().map(tensors).collect::<Result<Vec<_>>>()?;
    let cost = |x: &Tensor, y: &Tensor| loss::mse(&forward(&layers, x, Tensor::tanh)?, y);
    train(run, SGD::new(vars, 0.05)?, &samples, cost)
}

/// The gradient of a variable.
fn gradient(loss: &Tensor, x: &Var) -> Result<Tensor> {
    Ok(loss.backward()?.remove(x).expect("the loss depends on it"))
}

fn numbers(x: &Tensor) -> Vec<f32> {
    x.flatten_all().and_then(|x| x.to_vec1()).expect("numbers in memory")
}

fn chain(run: &mut Run) -> Result<()> {
    let x = Var::from_vec(data::chain(), 10, &CPU)?;
    let step = || {
        let mut y = x.as_tensor().clone();
        for _ in 0..250 {
            y = ((y * 1.01)? + 0.001)?.tanh()?.sin()?;
        }
        gradient(&y.sum_all()?, &x)
    };
    run.steps(|_| step().expect("candle differentiates"), |gradient| sum(&numbers(&gradient)));
    Ok(())
}

fn elementwise(run: &mut Run) -> Result<()> {
    let x = Var::from_vec(data::elementwise(), 1_000_000, &CPU)?;
    let step = || {
        let y = (x.tanh()? * x.sqr()?.neg()?.exp()?)? + ops::sigmoid(&x)?;
        gradient(&y?.mean_all()?, &x)
    };
    run.steps(|_| step().expect("candle differentiates"), |gradient| 1e6 * squares(&numbers(&gradient)));
    Ok(())
}

/// Backward through the gradients: right for this network, though not for every function candle has.
fn hvp(run: &mut Run) -> Result<()> {
    let sizes = [784, 128, 10];
    let (layers, vars) = mlp(&sizes)?;
    let mut directions = Vec::new();
    for (l, s) in sizes.windows(2).enumerate() {
        let (weight, bias) = data::direction(l, s[0], s[1], Layout::OutIn);
        directions.extend([Tensor::from_vec(weight, (s[1], s[0]), &CPU)?, Tensor::from_vec(bias, s[1], &CPU)?]);
    }
    let (x, y) = batches(32, 784)?.swap_remove(0);
    let step = || {
        let grads = loss::cross_entropy(&forward(&layers, &x, Tensor::relu)?, &y)?.backward()?;
        let mut slope = Tensor::zeros((), DType::F32, &CPU)?;
        for (var, direction) in vars.iter().zip(&directions) {
            slope = (slope + (grads.get(var).expect("every parameter has one") * direction)?.sum_all()?)?;
        }
        let mut product = slope.backward()?;
        Ok::<_, candle_core::Error>(vars.iter().map(|v| product.remove(v).expect("the slope depends on it")).collect())
    };
    let read = |product: Vec<Tensor>| product.iter().map(|x| squares(&numbers(x))).sum();
    run.steps(|_| step().expect("candle differentiates twice"), read);
    Ok(())
}

fn infer(run: &mut Run, rows: usize) -> Result<()> {
    // no variables: nothing records a graph
    let (layers, _) = mlp(&[784, 512, 256, 10])?;
    let detached = |layer: Linear| Linear::new(layer.weight().detach(), layer.bias().map(Tensor::detach));
    let layers: Vec<Linear> = layers.into_iter().map(detached).collect();
    let x = batches(128, 784)?.swap_remove(0).0.narrow(0, 0, rows)?.contiguous()?;
    run.steps(|_| forward(&layers, &x, Tensor::relu).expect("candle infers"), |logits| sum(&numbers(&logits)));
    Ok(())
}
