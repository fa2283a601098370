//! `bench WORKLOAD THREADS` runs one benchmark workload and prints one line of JSON. `docs/benchmarks.md` defines the
//! workloads so exactly that every framework computes the same numbers; the `check` value shows that they do.

mod data;
mod networks;
mod workloads;

use std::process::ExitCode;
use std::time::Instant;

/// A workload in a fresh state.
trait Workload {
    /// Makes one step.
    fn step(&mut self);
    /// Reads a result that depends on the last step, so that the compiler can leave none of the steps out.
    fn finish(&mut self) -> f64;
}

/// The unit of the printed value, and how the time of a step becomes this value.
struct Unit {
    name: &'static str,
    /// the value from the seconds per step
    convert: fn(f64) -> f64,
}

const STEPS: Unit = Unit { name: "steps/s", convert: |seconds| 1.0 / seconds };
const MILLISECONDS: Unit = Unit { name: "ms/iter", convert: |seconds| seconds * 1e3 };

/// The number of measured repetitions.
const REPETITIONS: usize = 7;
/// The time that a repetition takes, in seconds.
const DURATION: f64 = 0.4;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, threads] = arguments.as_slice() else {
        eprintln!("usage: bench WORKLOAD THREADS\nworkloads: {}", workloads::NAMES.join(" "));
        return ExitCode::from(2);
    };
    let Ok(threads @ 1..) = threads.parse::<usize>() else {
        eprintln!("bench: {threads} is not a number of threads");
        return ExitCode::from(2);
    };
    gradus_autograd::set_threads(threads);
    let Some(workloads::Definition { unit, check, start }) = workloads::find(name) else {
        eprintln!("bench: there is no workload {name}; there are {}", workloads::NAMES.join(" "));
        return ExitCode::from(3);
    };
    let mut seconds: Vec<f64> = (0..REPETITIONS).map(|_| repetition(&mut *start())).collect();
    seconds.sort_by(f64::total_cmp);
    let mut values: Vec<f64> = seconds.iter().map(|&s| (unit.convert)(s)).collect();
    values.sort_by(f64::total_cmp);
    let line = serde_json::json!({
        "peer": "gradus",
        "version": env!("CARGO_PKG_VERSION"),
        "workload": name,
        "threads": threads,
        "value": values[REPETITIONS / 2],
        "unit": unit.name,
        "reps": REPETITIONS,
        "min": values[0],
        "max": values[REPETITIONS - 1],
        "check": check(),
    });
    println!("{line}");
    ExitCode::SUCCESS
}

/// Measures the seconds per step: one step that is not timed, then as many steps as fill the duration.
fn repetition(workload: &mut dyn Workload) -> f64 {
    workload.step();
    let start = Instant::now();
    let mut steps = 0u64;
    let mut batch = 1;
    while start.elapsed().as_secs_f64() < DURATION {
        for _ in 0..batch {
            workload.step();
        }
        steps += batch;
        // look at the clock about a thousand times in total
        batch = (steps / 1000).max(1);
    }
    std::hint::black_box(workload.finish());
    start.elapsed().as_secs_f64() / steps as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values are those that every framework computes, so the workloads follow the definition and our arithmetic is
    /// right.
    #[test]
    fn check_values_are_those_of_every_framework() {
        let table = [
            ("mlp_big", 0.000_517_6, 1e-7),
            ("mlp_small", 0.036_446, 1e-6),
            ("tiny", 0.064_126_5, 1e-7),
            ("chain", 2.056_24, 1e-5),
            ("elementwise", 0.2685, 1e-4),
            ("elementwise_fused", 0.2685, 1e-4),
            ("wide", 2.243_02, 1e-5),
            ("hvp", 441.50, 1e-2),
            ("lanczos", 1.237_955, 1e-5),
            ("adamw", 3.334_964, 1e-6),
            ("cnn", 0.124_134, 1e-6),
            ("gru", 2.190_392, 1e-6),
            ("transformer", 0.204_97, 1e-5),
            ("embedding", 2.339_163, 1e-6),
            ("table", 0.310_365, 1e-6),
        ];
        for (name, want, tolerance) in table {
            let got = workloads::find(name).map(|w| (w.check)()).unwrap_or(f64::NAN);
            assert!((got - want).abs() <= tolerance, "{name}: {got}, not {want}");
        }
        assert_eq!(table.len() + 2, workloads::NAMES.len(), "all but the two of inference");
    }
}
