//! candle: eager tensors on the processor.

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{AdamW, Linear, Module, Optimizer, ParamsAdamW, SGD, loss, ops};

use crate::data::{self, Layout};
use crate::{Run, squares, sum};

const CPU: Device = Device::Cpu;

pub fn run(name: &str, run: &mut Run) -> bool {
    let done = match name {
        "mlp_big" => {
            let adam = |vars| AdamW::new(vars, ParamsAdamW { lr: 1e-3, weight_decay: 0.0, ..Default::default() });
            train(run, &[784, 512, 256, 10], 128, adam)
        }
        "mlp_small" => train(run, &[784, 128, 10], 32, |vars| Momentum::new(vars, (0.01, 0.9))),
        "wide" => train(run, &[1024, 2048, 2048, 10], 256, |vars| SGD::new(vars, 0.01)),
        "tiny" => tiny(run),
        "chain" => chain(run),
        "elementwise" => elementwise(run),
        "hvp" => hvp(run),
        "infer_b1" => infer(run, 1),
        "infer_b128" => infer(run, 128),
        _ => return false,
    };
    done.expect("candle computes");
    true
}

/// Layers, and their variables.
fn mlp(sizes: &[usize]) -> Result<(Vec<Linear>, Vec<Var>)> {
    let mut layers = Vec::new();
    let mut vars = Vec::new();
    for (l, s) in sizes.windows(2).enumerate() {
        let (weight, bias) = data::layer(l, s[0], s[1], Layout::OutIn);
        let (weight, bias) = (Var::from_vec(weight, (s[1], s[0]), &CPU)?, Var::from_vec(bias, s[1], &CPU)?);
        layers.push(Linear::new(weight.as_tensor().clone(), Some(bias.as_tensor().clone())));
        vars.extend([weight, bias]);
    }
    Ok((layers, vars))
}

fn forward(layers: &[Linear], x: &Tensor, activation: fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let mut x = layers[0].forward(x)?;
    for layer in &layers[1..] {
        x = layer.forward(&activation(&x)?)?;
    }
    Ok(x)
}

fn batches(size: usize, d: usize) -> Result<Vec<(Tensor, Tensor)>> {
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

fn train<O: Optimizer>(
    run: &mut Run,
    sizes: &[usize],
    batch: usize,
    optimizer: impl Fn(Vec<Var>) -> Result<O>,
) -> Result<()> {
    let (layers, vars) = mlp(sizes)?;
    let mut optimizer = optimizer(vars)?;
    let batches = batches(batch, sizes[0])?;
    let mut step = |i: usize| {
        let (x, y) = &batches[i % 16];
        let loss = loss::cross_entropy(&forward(&layers, x, Tensor::relu)?, y)?;
        optimizer.backward_step(&loss)?;
        Ok::<_, candle_core::Error>(loss)
    };
    run.steps(|i| step(i).expect("candle trains"), scalar);
    Ok(())
}

fn tiny(run: &mut Run) -> Result<()> {
    let (layers, vars) = mlp(&[2, 16, 16, 1])?;
    let mut optimizer = SGD::new(vars, 0.05)?;
    let tensors = |(x, y): ([f32; 2], f32)| Ok((Tensor::new(&[x], &CPU)?, Tensor::new(&[[y]], &CPU)?));
    let samples = data::tiny().into_iter().map(tensors).collect::<Result<Vec<_>>>()?;
    let mut step = |i: usize| {
        let (x, y) = &samples[i % 64];
        let loss = loss::mse(&forward(&layers, x, Tensor::tanh)?, y)?;
        optimizer.backward_step(&loss)?;
        Ok::<_, candle_core::Error>(loss)
    };
    run.steps(|i| step(i).expect("candle trains"), scalar);
    Ok(())
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
