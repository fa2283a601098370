//! candle: networks that are more than an MLP, trained by Adam.

use std::collections::HashMap;

use candle_core::{D, DType, Result, Tensor, Var};
use candle_nn::rnn::{GRU, GRUConfig, RNN};
use candle_nn::{BatchNorm, Conv2d, Conv2dConfig, Embedding, Module, VarBuilder, loss, ops};

use crate::Run;
use crate::data::{self, Layout};
use crate::peer_candle::{CPU, adam, batches, forward, linear, mlp, train, var};

/// Inputs in another shape.
fn shaped(batches: Vec<(Tensor, Tensor)>, shape: &[usize]) -> Result<Vec<(Tensor, Tensor)>> {
    batches.into_iter().map(|(x, y)| Ok((x.reshape(shape)?, y))).collect()
}

/// Layer `l` as a convolution of 3 × 3, whose variables are added to the others.
fn convolution(vars: &mut Vec<Var>, l: usize, inputs: usize, outputs: usize) -> Result<Conv2d> {
    let (weight, bias) = data::layer(l, inputs * 9, outputs, Layout::OutIn);
    let (weight, bias) = (var(vars, weight, (outputs, inputs, 3, 3))?, var(vars, bias, outputs)?);
    Ok(Conv2d::new(weight, Some(bias), Conv2dConfig { padding: 1, ..Default::default() }))
}

/// Weight and bias of a normalisation.
fn norm(vars: &mut Vec<Var>, n: usize) -> Result<(Tensor, Tensor)> {
    Ok((var(vars, vec![1.0; n], n)?, var(vars, vec![0.0; n], n)?))
}

fn batch_norm(vars: &mut Vec<Var>, n: usize) -> Result<BatchNorm> {
    let (weight, bias) = norm(vars, n)?;
    let (mean, variance) = (Tensor::zeros(n, DType::F32, &CPU)?, Tensor::ones(n, DType::F32, &CPU)?);
    BatchNorm::new(n, mean, variance, weight, bias, 1e-5)
}

/// The maximum of 2 × 2, by maxima over axes: the gradient of candle's `max_pool2d` is a quarter of the true one.
fn max_pool(x: &Tensor) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    x.reshape((batch, channels, height / 2, 2, width / 2, 2))?.max(5)?.max(3)
}

pub(crate) fn cnn(run: &mut Run) -> Result<()> {
    let mut vars = Vec::new();
    let blocks = [
        (convolution(&mut vars, 0, 1, 16)?, batch_norm(&mut vars, 16)?),
        (convolution(&mut vars, 1, 16, 32)?, batch_norm(&mut vars, 32)?),
    ];
    let (hidden, out) = (linear(&mut vars, 2, 32 * 49, 128)?, linear(&mut vars, 3, 128, 10)?);
    let batches = shaped(batches(128, 784)?, &[128, 1, 28, 28])?;
    train(run, adam(vars)?, &batches, |x, y| {
        let mut x = x.clone();
        for (convolution, norm) in &blocks {
            x = max_pool(&norm.forward_train(&convolution.forward(&x)?)?.relu()?)?;
        }
        loss::cross_entropy(&out.forward(&hidden.forward(&x.flatten_from(1)?)?.relu()?)?, y)
    })
}

pub(crate) fn gru(run: &mut Run) -> Result<()> {
    let mut vars = Vec::new();
    let mut tensors = HashMap::new();
    for (l, inputs, name) in [(0, 64, "ih_l0"), (1, 128, "hh_l0")] {
        let (weight, bias) = data::layer_of_fan(l, inputs, 384, 128, Layout::OutIn);
        tensors.insert(format!("weight_{name}"), var(&mut vars, weight, (384, inputs))?);
        tensors.insert(format!("bias_{name}"), var(&mut vars, bias, 384)?);
    }
    let gru = GRU::new(64, 128, GRUConfig::default(), VarBuilder::from_tensors(tensors, DType::F32, &CPU))?;
    let out = linear(&mut vars, 2, 128, 10)?;
    let batches = shaped(batches(64, 32 * 64)?, &[64, 32, 64])?;
    train(run, adam(vars)?, &batches, |x, y| {
        let states = gru.seq(x)?;
        loss::cross_entropy(&out.forward(states[31].h())?, y)
    })
}

pub(crate) fn transformer(run: &mut Run) -> Result<()> {
    const TOKENS: usize = 32;
    let mut vars = Vec::new();
    let norms = [norm(&mut vars, 64)?, norm(&mut vars, 64)?, norm(&mut vars, 64)?];
    // the fused one, `layer_norm`, has no gradient
    let norm = |k: usize, x: &Tensor| ops::layer_norm_slow(x, &norms[k].0, &norms[k].1, 1e-5);
    let (qkv, joined) = (linear(&mut vars, 0, 64, 192)?, linear(&mut vars, 1, 64, 64)?);
    let (up, down, out) =
        (linear(&mut vars, 2, 64, 256)?, linear(&mut vars, 3, 256, 64)?, linear(&mut vars, 4, 64, 10)?);
    let batches = shaped(batches(32 * TOKENS, 64)?, &[32, TOKENS, 64])?;
    let mask = (0..TOKENS * TOKENS).map(|n| if n % TOKENS > n / TOKENS { f32::NEG_INFINITY } else { 0.0 }).collect();
    let mask = Tensor::from_vec(mask, (TOKENS, TOKENS), &CPU)?;
    train(run, adam(vars)?, &batches, |x, y| {
        let qkv = qkv.forward(&norm(0, x)?)?.reshape((32, TOKENS, 3, 4, 16))?.permute((2, 0, 3, 1, 4))?.contiguous()?;
        let (q, k, v) = (qkv.get(0)?, qkv.get(1)?, qkv.get(2)?);
        // nor has `softmax_last_dim`
        let weights = ops::softmax(&(q * 0.25)?.matmul(&k.t()?)?.broadcast_add(&mask)?, D::Minus1)?;
        let seen = weights.matmul(&v)?.transpose(1, 2)?.reshape((32, TOKENS, 64))?;
        let x = (x + joined.forward(&seen)?)?;
        let x = (&x + down.forward(&up.forward(&norm(1, &x)?)?.relu()?)?)?;
        loss::cross_entropy(&out.forward(&norm(2, &x)?)?.flatten_to(1)?, y)
    })
}

pub(crate) fn embedding(run: &mut Run) -> Result<()> {
    let mut vars = Vec::new();
    let table = Embedding::new(var(&mut vars, data::embedding(), (50_000, 64))?, 64);
    let out = linear(&mut vars, 0, 64, 10)?;
    let tensors = |(x, y)| Ok((Tensor::from_vec(x, 512, &CPU)?, Tensor::from_vec(y, 512, &CPU)?));
    let batches = data::words().into_iter().map(tensors).collect::<Result<Vec<_>>>()?;
    train(run, adam(vars)?, &batches, |x, y| loss::cross_entropy(&out.forward(&table.forward(x)?)?, y))
}

pub(crate) fn table(run: &mut Run) -> Result<()> {
    let (layers, vars) = mlp(&[20, 64, 64, 1])?;
    let answers = |(x, y): (Tensor, Tensor)| Ok((x, y.ge(5u32)?.to_dtype(DType::F32)?.unsqueeze(1)?));
    let batches = batches(256, 20)?.into_iter().map(answers).collect::<Result<Vec<_>>>()?;
    train(run, adam(vars)?, &batches, |x, y| {
        loss::binary_cross_entropy_with_logit(&forward(&layers, x, Tensor::relu)?, y)
    })
}
