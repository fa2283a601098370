//! dfdx: shapes in the types, a tape that owns the operations.

use dfdx::losses::{cross_entropy_with_logits_loss, mse_loss};
use dfdx::nn::modules::{Linear, ReLU, Tanh};
use dfdx::nn::{Module, ZeroGrads};
use dfdx::optim::{Adam, AdamConfig, Momentum, Optimizer, Sgd, SgdConfig};
use dfdx::shapes::{Const, Rank1, Rank2};
use dfdx::tensor::{AsArray, Cache, Cpu, OwnedTape, Tensor, TensorFromVec, Trace};
use dfdx::tensor_ops::{Backward, MeanTo, SumTo};

use crate::data::{self, Layout};
use crate::{Run, squares, sum};

type Matrix<const M: usize, const N: usize, T = dfdx::tensor::NoneTape> = Tensor<Rank2<M, N>, f32, Cpu, T>;
type Tape = OwnedTape<f32, Cpu>;

pub fn run(name: &str, run: &mut Run) -> bool {
    let dev = Cpu::default();
    // reuses the memory of dropped tensors
    dev.enable_cache();
    match name {
        "mlp_big" => {
            let model = big(&dev);
            let optimizer = Adam::new(&model, AdamConfig { lr: 1e-3, ..Default::default() });
            train::<128, 784, _, _>(run, &dev, model, optimizer);
        }
        "mlp_small" => {
            let model = (linear::<784, 128>(&dev, 0), ReLU, linear::<128, 10>(&dev, 1));
            let config = SgdConfig { lr: 0.01, momentum: Some(Momentum::Classic(0.9)), weight_decay: None };
            let optimizer = Sgd::new(&model, config);
            train::<32, 784, _, _>(run, &dev, model, optimizer);
        }
        "wide" => {
            let layers = (linear::<1024, 2048>(&dev, 0), linear::<2048, 2048>(&dev, 1), linear::<2048, 10>(&dev, 2));
            let model = (layers.0, ReLU, layers.1, ReLU, layers.2);
            let optimizer = Sgd::new(&model, SgdConfig { lr: 0.01, momentum: None, weight_decay: None });
            train::<256, 1024, _, _>(run, &dev, model, optimizer);
        }
        "tiny" => tiny(run, &dev),
        "chain" => chain(run, &dev),
        "elementwise" => elementwise(run, &dev),
        "infer_b1" => infer::<1>(run, &dev),
        "infer_b128" => infer::<128>(run, &dev),
        // hvp: its gradients are not differentiable
        _ => return false,
    }
    // else the cache leaks its memory
    dev.empty_cache();
    true
}

fn linear<const I: usize, const O: usize>(dev: &Cpu, l: usize) -> Linear<I, O, f32, Cpu> {
    let (weight, bias) = data::layer(l, I, O, Layout::OutIn);
    Linear { weight: dev.tensor_from_vec(weight, (Const, Const)), bias: dev.tensor_from_vec(bias, (Const,)) }
}

type Big = (Linear<784, 512, f32, Cpu>, ReLU, Linear<512, 256, f32, Cpu>, ReLU, Linear<256, 10, f32, Cpu>);

fn big(dev: &Cpu) -> Big {
    (linear(dev, 0), ReLU, linear(dev, 1), ReLU, linear(dev, 2))
}

fn train<const B: usize, const D: usize, M, O>(run: &mut Run, dev: &Cpu, mut model: M, mut optimizer: O)
where
    M: Module<Matrix<B, D, Tape>, Output = Matrix<B, 10, Tape>> + ZeroGrads<f32, Cpu>,
    O: Optimizer<M, Cpu, f32>,
{
    let tensors = |batch: data::Batch| {
        let y: Matrix<B, 10> = dev.tensor_from_vec(batch.one_hot(), (Const, Const));
        let x: Matrix<B, D> = dev.tensor_from_vec(batch.x, (Const, Const));
        (x, y)
    };
    let batches: Vec<_> = data::batches(B, D).into_iter().map(tensors).collect();
    let mut grads = Some(model.alloc_grads());
    let step = |i: usize| {
        let (x, y) = &batches[i % 16];
        let logits = model.forward(x.trace(grads.take().expect("returned by each step")));
        let loss = cross_entropy_with_logits_loss(logits, y.clone());
        let value = loss.array();
        let mut gradients = loss.backward();
        optimizer.update(&mut model, &gradients).expect("every parameter has a gradient");
        model.zero_grads(&mut gradients);
        grads = Some(gradients);
        value
    };
    run.steps(step, f64::from);
}

fn tiny(run: &mut Run, dev: &Cpu) {
    let mut model = (linear::<2, 16>(dev, 0), Tanh, linear::<16, 16>(dev, 1), Tanh, linear::<16, 1>(dev, 2));
    let mut optimizer = Sgd::new(&model, SgdConfig { lr: 0.05, momentum: None, weight_decay: None });
    let tensors = |(x, y): ([f32; 2], f32)| {
        let x: Matrix<1, 2> = dev.tensor_from_vec(x.to_vec(), (Const, Const));
        let y: Matrix<1, 1> = dev.tensor_from_vec(vec![y], (Const, Const));
        (x, y)
    };
    let samples: Vec<_> = data::tiny().into_iter().map(tensors).collect();
    let mut grads = Some(model.alloc_grads());
    let step = |i: usize| {
        let (x, y) = &samples[i % 64];
        let loss = mse_loss(model.forward(x.trace(grads.take().expect("returned by each step"))), y.clone());
        let value = loss.array();
        let mut gradients = loss.backward();
        optimizer.update(&mut model, &gradients).expect("every parameter has a gradient");
        model.zero_grads(&mut gradients);
        grads = Some(gradients);
        value
    };
    run.steps(step, f64::from);
}

fn chain(run: &mut Run, dev: &Cpu) {
    let x: Tensor<Rank1<10>, f32, Cpu> = dev.tensor_from_vec(data::chain(), (Const,));
    let step = |_| {
        let mut y = x.trace(x.alloc_grads());
        for _ in 0..250 {
            y = ((y * 1.01) + 0.001).tanh().sin();
        }
        y.sum().backward().get(&x)
    };
    run.steps(step, |gradient| sum(&gradient.array()));
}

fn elementwise(run: &mut Run, dev: &Cpu) {
    let x: Tensor<Rank1<1_000_000>, f32, Cpu> = dev.tensor_from_vec(data::elementwise(), (Const,));
    let step = |_| {
        let y = x.trace(x.alloc_grads()).tanh() * x.retaped::<Tape>().square().negate().exp()
            + x.retaped::<Tape>().sigmoid();
        y.mean().backward()
    };
    run.steps(step, |gradients| 1e6 * squares(&gradients.get(&x).as_vec()));
}

fn infer<const B: usize>(run: &mut Run, dev: &Cpu) {
    let model = big(dev);
    let rows = data::batches(128, 784).swap_remove(0).x[..B * 784].to_vec();
    let x: Matrix<B, 784> = dev.tensor_from_vec(rows, (Const, Const));
    run.steps(|_| model.forward(x.clone()), |logits: Matrix<B, 10>| sum(&logits.as_vec()));
}
