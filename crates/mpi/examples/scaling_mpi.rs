//! Predicts how training scales past the machines at hand.
//!
//! It measures what a message costs between the ranks that `mpirun` started, how long the sum over ranks takes, of
//! gradus and of MPI's own `Allreduce`, and whether a formula of latency and bandwidth predicts that. Then it applies
//! the formula to 2 … 1,024 ranks, on these and on published interconnects.
//!
//! ```text
//! mpirun -n 2 crates/mpi/target/release/examples/scaling_mpi --numbers 6314506 --step 0.043
//! ```

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use clap::Parser;
use gradus::train::Ranks;
use gradus::train::internal::ArraySum;
use gradus_mpi::World;
use mpi::collective::SystemOperation;
use mpi::topology::SimpleCommunicator;
use mpi::traits::*;

/// Measures messages, and predicts the time of a training step on more ranks.
#[derive(Parser)]
struct Settings {
    /// The parameters of the model, which are f32
    #[arg(long, default_value_t = 6_314_506)]
    numbers: usize,
    /// The seconds of a step on one rank
    #[arg(long, default_value_t = 0.043)]
    step: f64,
}

/// What a message costs.
struct Network {
    name: &'static str,
    /// seconds of an empty message
    latency: f64,
    /// seconds a byte, while as many bytes come back
    per_byte: f64,
    /// seconds to add a byte of numbers
    add: f64,
}

/// Latency and bandwidth as published; the source follows.
const PUBLISHED: [(&str, f64, f64, &str); 3] = [
    ("Gigabit Ethernet", 50e-6, 1e9 / 8.0, "latency of 40 to 300 µs: aspsys.com, glossary, “low latency”"),
    (
        "40 Gb/s Ethernet, usNIC",
        1.93e-6,
        37.23e9 / 8.0,
        "NetPIPE over Open MPI: J. Squyres, blogs.cisco.com, “MPI over 40GB Ethernet”",
    ),
    (
        "InfiniBand HDR, ConnectX-6",
        0.6e-6,
        200e9 / 8.0,
        "at most, of the adapter alone: NVIDIA, ConnectX-6 user manual",
    ),
];

impl Network {
    /// The sum of `bytes` bytes over ranks: see the page on clusters for the formula.
    fn sum(&self, ranks: usize, bytes: f64) -> f64 {
        let moved = bytes * (ranks - 1) as f64 / ranks as f64;
        let messages = match ranks.is_power_of_two() {
            true => 2 * ranks.ilog2() as usize,
            false => 2 * (ranks - 1),
        };
        messages as f64 * self.latency + 2.0 * moved * self.per_byte + moved * self.add
    }

    /// The same sum around a ring: each rank passes pieces on to the next one.
    fn ring(&self, ranks: usize, bytes: f64) -> f64 {
        let moved = bytes * (ranks - 1) as f64 / ranks as f64;
        2.0 * (ranks - 1) as f64 * self.latency + 2.0 * moved * self.per_byte + moved * self.add
    }

    /// The same sum if each rank sent its whole array to every other.
    fn everything(&self, ranks: usize, bytes: f64) -> f64 {
        (ranks - 1) as f64 * (self.latency + bytes * (self.per_byte + self.add))
    }

    /// What the ranks tell each other before and after a step.
    fn words(&self, ranks: usize) -> f64 {
        2.0 * f64::from(ranks.next_power_of_two().ilog2()) * self.latency
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (world, settings) = (World::init()?, Settings::parse());
    let (rank, count) = (world.rank(), world.count());
    if count < 2 {
        return Err("there is nothing to measure with one rank: start it with mpirun -n 2".into());
    }
    let own = measured(&world);
    let cores = std::thread::available_parallelism()?.get();
    // ranks that share a core do everything one after the other
    let crowd = (count as f64 / cores as f64).max(1.0);
    if rank == 0 {
        println!(
            "between these {count} ranks: {:.1} µs a message, {:.2} GB/s each way; {:.1} GB/s are added\n",
            1e6 * own.latency,
            1e-9 / own.per_byte,
            1e-9 / own.add
        );
        println!("the sum over {count} ranks, in milliseconds (medians)");
        println!("{:>12} {:>10} {:>11} {:>16}", "numbers", "gradus", "predicted", "MPI_Allreduce");
    }
    let mut sum = ArraySum::over(&(Arc::new(world.clone()) as Arc<dyn Ranks>));
    for numbers in [1_000, 100_000, settings.numbers] {
        let mut array = vec![1.0f32; numbers];
        let ours = median(&world, numbers, || {
            sum.add(count, &mut [&mut array]);
            array.fill(1.0);
        });
        let mut received = vec![0.0f32; numbers];
        let sent = vec![1.0f32; numbers];
        let theirs = median(&world, numbers, || {
            SimpleCommunicator::world().all_reduce_into(&sent[..], &mut received[..], SystemOperation::sum());
            black_box(&received);
        });
        let fill = median(&world, numbers, || black_box(&mut array[..]).fill(1.0));
        if rank == 0 {
            let predicted = crowd * own.sum(count, 4.0 * numbers as f64);
            let [ours, predicted, theirs] = [ours - fill, predicted, theirs].map(|seconds| 1e3 * seconds);
            println!("{numbers:>12} {ours:>10.3} {predicted:>11.3} {theirs:>16.3}");
        }
    }
    if rank == 0 {
        let published = PUBLISHED.map(|(name, latency, bandwidth, _)| Network {
            name,
            latency,
            per_byte: 1.0 / bandwidth,
            add: own.add,
        });
        predict(&settings, [own].into_iter().chain(published));
        for (name, .., source) in PUBLISHED {
            println!("{name}: {source}");
        }
    }
    Ok(())
}

/// Prints what to expect of more ranks.
fn predict(settings: &Settings, networks: impl Iterator<Item = Network>) {
    let bytes = 4.0 * settings.numbers as f64;
    println!(
        "\na model of {} parameters, whose step takes {} ms on one rank; predicted for more, without overlap:",
        settings.numbers,
        1e3 * settings.step
    );
    println!(
        "  halving: milliseconds of a step for messages, by recursive halving and doubling, as gradus adds; ring, all:"
    );
    println!(
        "  if gradients went around a ring, or from each rank to all; weak: the share of the speed that is left if"
    );
    println!(
        "  each rank has as many rows as one has alone; strong: how many times faster than one rank, if they share"
    );
    println!("  its rows\n");
    for network in networks {
        println!("{}", network.name);
        println!("{:>8} {:>10} {:>10} {:>11} {:>8} {:>8}", "ranks", "halving", "ring", "all", "weak", "strong");
        for ranks in (1..=10).map(|k| 1 << k) {
            let messages = network.sum(ranks, bytes) + network.words(ranks);
            let weak = settings.step / (settings.step + messages);
            let strong = settings.step / (settings.step / ranks as f64 + messages);
            let words = network.words(ranks);
            let others = [network.ring(ranks, bytes), network.everything(ranks, bytes)];
            let [ring, all] = others.map(|seconds| 1e3 * (seconds + words));
            let weak = 100.0 * weak;
            println!("{ranks:>8} {:>10.3} {ring:>10.3} {all:>11.1} {weak:>6.1} % {strong:>8.1}", 1e3 * messages);
        }
        println!();
    }
}

/// Measures messages between neighbours, and additions.
fn measured(world: &World) -> Network {
    let partner = world.rank() ^ 1;
    let exchange = |bytes: usize| {
        let (sent, mut received) = (vec![1u8; bytes], vec![0u8; bytes]);
        median(world, bytes / 4, || {
            if partner < world.count() {
                world.exchange(partner, &sent, partner, &mut received);
            }
        })
    };
    let (latency, long) = (exchange(8), 1 << 23);
    let per_byte = (exchange(long) - latency) / long as f64;
    let (mut a, b) = (vec![0.0f32; long / 4], vec![1.0f32; long / 4]);
    let add = median(world, long / 4, || a.iter_mut().zip(&b).for_each(|(a, b)| *a += b));
    black_box(a);
    Network { name: "these ranks", latency, per_byte, add: add / long as f64 }
}

/// The median of the seconds that a call takes, which all ranks make together; rank 0 measures.
fn median(world: &World, numbers: usize, mut call: impl FnMut()) -> f64 {
    let times = if numbers > 1_000_000 { 15 } else { 201 };
    let mut seconds: Vec<f64> = (0..times)
        .map(|_| {
            world.all_gather(&[]);
            let start = Instant::now();
            call();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    let median = world.all_gather(&seconds[times / 2].to_le_bytes()).swap_remove(0);
    f64::from_le_bytes(median.try_into().expect("eight bytes"))
}
