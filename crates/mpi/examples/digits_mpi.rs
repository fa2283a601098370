//! Trains an MLP on handwritten digits, on as many processes as `mpirun` starts:
//!
//! ```text
//! cargo build --release --manifest-path crates/mpi/Cargo.toml --example digits_mpi
//! mpirun -n 4 crates/mpi/target/release/examples/digits_mpi
//! ```
//!
//! The result is the same, bit for bit, on any number of processes up to that of the shards, and with any number of
//! threads. With `--out DIR` the run is saved there, and goes on from there if it is started again.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use gradus::data::{Scaler, digits};
use gradus::prelude::*;
use gradus::train::{Checkpoints, Ranks};
use gradus_mpi::World;

/// Trains a network on handwritten digits, on several processes.
#[derive(Parser)]
struct Settings {
    /// The number of epochs
    #[arg(long, default_value_t = 10)]
    epochs: u64,
    /// The parts of each batch, which the processes share
    #[arg(long, default_value_t = 8)]
    shards: usize,
    /// The threads of each process
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// The number of examples in a batch
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// The folder in which the run is saved after each epoch, and from which it goes on
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The seconds after which a process that does not answer is taken for lost
    #[arg(long, default_value_t = 600.0)]
    patience: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let world = World::init()?;
    let settings = Settings::parse();
    let world = world.patience(Duration::from_secs_f64(settings.patience));

    let digits = digits();
    let scaler = Scaler::overall(digits.train.x());
    let (train, test) = (digits.train.scaled(&scaler), digits.test.scaled(&scaler));
    let mut model = Mlp::builder([64, 128, 10]).dropout(0.2).seed(1).build::<f32>();

    let mut trainer = Trainer::new(AdamW::new(3e-3))
        .epochs(settings.epochs)
        .batch_size(settings.batch)
        .shards(settings.shards)
        .threads(settings.threads)
        .progress(true)
        .distributed(&world);
    if let Some(folder) = settings.out {
        trainer = trainer.checkpoints(Checkpoints::in_folder(folder).resume(true));
    }
    let history = trainer.fit(&mut model, &train, Some(&test))?;

    if world.rank() == 0 {
        let scores = history.last().valid.as_ref().ok_or("there was no epoch")?;
        println!("test accuracy {:.2} %", 100.0 * scores.get("accuracy").unwrap_or(f64::NAN));
        println!("the bits of all parameters: {:016x}", checksum(&model));
    }
    Ok(())
}

/// A number that changes if a bit of the model does (FNV-1a).
fn checksum(model: &Mlp) -> u64 {
    let params = model.params();
    let bytes = params.iter().flat_map(|(_, param)| param.data()).flat_map(|x| x.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
