//! `peer PEER WORKLOAD THREADS`: one benchmark workload in another framework, measured as `bench` measures ours, one
//! line of JSON. Exit status 3: it cannot do this workload.

mod data;
mod peer_autograd;
mod peer_candle;
mod peer_candle_networks;
mod peer_dfdx;

use std::process::ExitCode;
use std::time::Instant;

/// Measured repetitions.
const REPETITIONS: usize = 7;
/// How long a repetition takes, in seconds.
const DURATION: f64 = 0.4;

struct Peer {
    name: &'static str,
    version: &'static str,
    /// Runs a workload from a fresh state; false if the framework cannot.
    run: fn(&str, &mut Run) -> bool,
}

const PEERS: [Peer; 3] = [
    Peer { name: "candle", version: "0.11.1", run: peer_candle::run },
    Peer { name: "dfdx", version: "0.13.0", run: peer_dfdx::run },
    Peer { name: "rust-autograd", version: "2.0.0-rc3", run: peer_autograd::run },
];

struct Workload {
    name: &'static str,
    unit: &'static str,
    /// the value printed, from seconds a step
    convert: fn(f64) -> f64,
    /// the step whose result is the check value
    steps: usize,
    /// the check value is the mean of so many last results
    mean: usize,
    /// whether a repetition reads its last result: not where reading takes as long as computing
    read: bool,
}

/// Of one step.
const ONE: Workload = Workload { name: "", unit: "", convert: |s| s, steps: 1, mean: 1, read: true };

const WORKLOADS: [Workload; 14] = [
    Workload { name: "mlp_big", unit: "steps/s", convert: |s| 1.0 / s, steps: 100, ..ONE },
    Workload { name: "mlp_small", unit: "steps/s", convert: |s| 1.0 / s, steps: 100, ..ONE },
    Workload { name: "tiny", unit: "steps/s", convert: |s| 1.0 / s, steps: 640, mean: 64, ..ONE },
    Workload { name: "chain", unit: "ns/op", convert: |s| s * 1e9 / 1000.0, ..ONE },
    Workload { name: "elementwise", unit: "ms/iter", convert: |s| s * 1e3, read: false, ..ONE },
    Workload {
        name: "wide",
        unit: "GFLOP/s",
        // 3 · 2mnk a layer: forward, and the gradients of weight and input
        convert: |s| 6.0 * 256.0 * (1024 * 2048 + 2048 * 2048 + 2048 * 10) as f64 / s / 1e9,
        steps: 20,
        ..ONE
    },
    Workload { name: "hvp", unit: "ms/hvp", convert: |s| s * 1e3, read: false, ..ONE },
    Workload { name: "infer_b1", unit: "µs/forward", convert: |s| s * 1e6, ..ONE },
    Workload { name: "infer_b128", unit: "µs/forward", convert: |s| s * 1e6, ..ONE },
    Workload { name: "cnn", unit: "steps/s", convert: |s| 1.0 / s, steps: 20, ..ONE },
    Workload { name: "gru", unit: "steps/s", convert: |s| 1.0 / s, steps: 20, ..ONE },
    Workload { name: "transformer", unit: "steps/s", convert: |s| 1.0 / s, steps: 20, ..ONE },
    Workload { name: "embedding", unit: "steps/s", convert: |s| 1.0 / s, steps: 20, ..ONE },
    Workload { name: "table", unit: "steps/s", convert: |s| 1.0 / s, steps: 100, ..ONE },
];

/// What a workload is run for, and then the result.
pub enum Run {
    /// seconds a step
    Time { read: bool, seconds: f64 },
    /// the mean of the last results
    Check { steps: usize, mean: usize, value: f64 },
}

impl Run {
    /// Runs a workload: `step` is given the number of the step, `read` its result, now and then.
    pub fn steps<T>(&mut self, mut step: impl FnMut(usize) -> T, read: impl Fn(T) -> f64) {
        match self {
            Run::Check { steps, mean, value } => {
                for i in 0..*steps {
                    let result = step(i);
                    if i >= *steps - *mean {
                        *value += read(result) / *mean as f64;
                    }
                }
            }
            Run::Time { read: with_read, seconds } => {
                let mut last = Some(step(0));
                let start = Instant::now();
                let mut steps = 0;
                let mut batch = 1;
                while start.elapsed().as_secs_f64() < DURATION {
                    for i in steps..steps + batch {
                        // its memory is free for the next one
                        drop(last.take());
                        last = Some(step(i + 1));
                    }
                    steps += batch;
                    // look at the clock about a thousand times in all
                    batch = (steps / 1000).max(1);
                }
                if *with_read {
                    std::hint::black_box(last.take().map(read));
                }
                *seconds = start.elapsed().as_secs_f64() / steps as f64;
                std::hint::black_box(last);
            }
        }
    }
}

/// Sum of squares.
fn squares(numbers: &[f32]) -> f64 {
    numbers.iter().map(|&x| f64::from(x).powi(2)).sum()
}

/// In f64.
fn sum(numbers: &[f32]) -> f64 {
    numbers.iter().map(|&x| f64::from(x)).sum()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage = || {
        eprintln!("usage: peer PEER WORKLOAD THREADS");
        eprintln!("peers: {}", PEERS.map(|p| p.name).join(" "));
        eprintln!("workloads: {}", WORKLOADS.map(|w| w.name).join(" "));
    };
    let [peer, name, threads] = arguments.as_slice() else {
        usage();
        return ExitCode::from(2);
    };
    let (Some(peer), Ok(threads @ 1..)) = (PEERS.iter().find(|p| p.name == peer), threads.parse::<usize>()) else {
        usage();
        return ExitCode::from(2);
    };
    let Some(workload) = WORKLOADS.iter().find(|w| w.name == name) else {
        usage();
        return ExitCode::from(3);
    };
    // SAFETY: no other thread has started yet
    unsafe {
        std::env::set_var("RAYON_NUM_THREADS", threads.to_string());
        std::env::set_var("CANDLE_NUM_THREADS", threads.to_string());
        if name == "hvp" {
            // candle then keeps the graph of a gradient
            std::env::set_var("CANDLE_GRAD_DO_NOT_DETACH", "1");
        }
    }
    let mut check = Run::Check { steps: workload.steps, mean: workload.mean, value: 0.0 };
    let mut values = Vec::new();
    for _ in 0..REPETITIONS {
        let mut time = Run::Time { read: workload.read, seconds: 0.0 };
        if !(peer.run)(name, &mut time) {
            eprintln!("peer: {} cannot do {name}", peer.name);
            return ExitCode::from(3);
        }
        if let Run::Time { seconds, .. } = time {
            values.push((workload.convert)(seconds));
        }
    }
    (peer.run)(name, &mut check);
    let Run::Check { value: check, .. } = check else { unreachable!() };
    values.sort_by(f64::total_cmp);
    let line = serde_json::json!({
        "peer": peer.name,
        "version": peer.version,
        "workload": name,
        "threads": threads,
        "value": values[REPETITIONS / 2],
        "unit": workload.unit,
        "reps": REPETITIONS,
        "min": values[0],
        "max": values[REPETITIONS - 1],
        "check": check,
    });
    println!("{line}");
    ExitCode::SUCCESS
}
