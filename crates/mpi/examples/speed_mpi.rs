//! Measures training steps of the MLPs of the benchmarks on several processes: steps a second, bytes that a rank sends,
//! the share of the time that messages take. `crates/mpi/peers/compare.py` runs it beside PyTorch's
//! `DistributedDataParallel`, which starts from the same numbers.

use std::error::Error;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use gradus::prelude::*;
use gradus::train::{Ranks, Shards};
use gradus_mpi::World;
use ndarray::{Array1, Array2, s};

/// Measures training steps on several processes.
#[derive(Parser)]
struct Settings {
    /// The network
    #[arg(value_enum)]
    network: Network,
    /// The number of steps that are measured, after a tenth as many that are not
    #[arg(long, default_value_t = 100)]
    steps: usize,
    /// The threads of each process
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// As many rows for each process as else for all (weak scaling)
    #[arg(long)]
    weak: bool,
    /// Whether gradients travel while the sweep goes on; by default, if that pays
    #[arg(long)]
    overlap: Option<bool>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Network {
    MlpSmall,
    MlpBig,
    Wide,
}

fn main() -> Result<(), Box<dyn Error>> {
    let (world, settings) = (World::init()?, Settings::parse());
    match settings.network {
        Network::MlpSmall => measure(&world, &settings, &[784, 128, 10], 32, Sgd::new(0.01).momentum(0.9)),
        Network::MlpBig => measure(&world, &settings, &[784, 512, 256, 10], 128, Adam::new(1e-3)),
        Network::Wide => measure(&world, &settings, &[1024, 2048, 2048, 10], 256, Sgd::new(0.01)),
    }
}

fn measure<R: gradus::optim::Rule>(
    world: &World,
    settings: &Settings,
    sizes: &[usize],
    rows: usize,
    mut optimizer: Optimizer<R>,
) -> Result<(), Box<dyn Error>> {
    let (ranks, threads) = (world.count(), settings.threads);
    let rows = if settings.weak { rows * ranks } else { rows };
    let mut model = mlp(sizes);
    let batches: Vec<_> = (0..16).map(|b| batch(b, rows, sizes[0])).collect();
    let mut shards = Shards::new(ranks * threads, threads, 0).distributed(world, &model)?;
    if let Some(overlap) = settings.overlap {
        shards = shards.overlap(overlap);
    }
    let mut loss = f32::NAN;
    let (mut start, mut before) = (Instant::now(), shards.communication());
    let warm_up = settings.steps / 10;
    for step in 0..warm_up + settings.steps {
        if step == warm_up {
            (start, before) = (Instant::now(), shards.communication());
        }
        let (model_now, (x, y)) = (&model, &batches[step % 16]);
        let (value, _, grads) = shards.gradients(rows, |t, range| {
            let share = range.len() as f32 / rows as f32;
            let inputs = t.constant(x.slice(s![range.clone(), ..]));
            (model_now.forward(inputs).cross_entropy(&y[range]) * share, ())
        });
        optimizer.step(&mut model, &grads);
        loss = value;
    }
    if world.rank() == 0 {
        let (seconds, (time, bytes)) = (start.elapsed().as_secs_f64(), shards.communication());
        println!(
            "{{\"network\": \"{:?}\", \"ranks\": {ranks}, \"threads\": {threads}, \"steps_per_s\": {}, \
             \"bytes_per_step\": {}, \"share_of_messages\": {}, \"loss\": {loss}}}",
            settings.network,
            settings.steps as f64 / seconds,
            (bytes - before.1) / settings.steps as u64,
            (time - before.0).as_secs_f64() / seconds,
        );
    }
    Ok(())
}

/// A number in [0, 1), by wrapping 64-bit arithmetic (splitmix64), as in the benchmarks' definition.
fn u(seed: u64, i: usize) -> f32 {
    let mut z =
        seed.wrapping_mul(0xD1B5_4A32_D192_ED03).wrapping_add((i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    (z >> 40) as f32 / 16_777_216.0
}

fn mlp(sizes: &[usize]) -> Mlp {
    let mut model = Mlp::builder(sizes).build();
    for (l, layer) in model.layers.iter_mut().enumerate() {
        let (seed, inputs, outputs) = (10 + 2 * l as u64, sizes[l], sizes[l + 1]);
        let k = 1.0 / (inputs as f32).sqrt();
        let number = |seed, i| (2.0 * u(seed, i) - 1.0) * k;
        let weight = Array2::from_shape_fn((outputs, inputs), |(j, i)| number(seed, i * outputs + j));
        let bias = Array1::from_shape_fn(outputs, |j| number(seed + 1, j));
        *layer = Linear { weight: Param::new(weight), bias: Some(Param::new(bias)) };
    }
    model
}

fn batch(b: usize, rows: usize, columns: usize) -> (Array2<f32>, Vec<usize>) {
    let y: Vec<usize> = (0..rows).map(|i| (10.0 * u(2, b * rows + i)) as usize).collect();
    let x = Array2::from_shape_fn((rows, columns), |(i, j)| {
        0.5 * u(1, (b * rows + i) * columns + j) + 0.5 * u(3, y[i] * columns + j)
    });
    (x, y)
}
