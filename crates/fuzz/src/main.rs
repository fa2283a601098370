//! `cargo run --release -p fuzz -- TARGET SECONDS [FIRST]` runs mutations of the seeds of a target, or of every target
//! (`all`), for `SECONDS` seconds each. `FIRST` is the number of the first mutation.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use fuzz::targets::ALL;
use fuzz::{SECONDS, Target, allowed, mutated};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The input that runs now: the time of its start, the target, and the bytes.
static NOW: Mutex<Option<(Instant, &'static str, Vec<u8>)>> = Mutex::new(None);

/// Writes the input that did harm to a file, and ends the program.
fn fail(name: &str, bytes: &[u8], why: &str) -> ! {
    let path =
        std::env::temp_dir().join(format!("gradus-fuzz-{}-{:08x}", name.replace(' ', "-"), crc32fast::hash(bytes)));
    let _ = std::fs::write(&path, bytes);
    eprintln!("{name}: {why}; the input is {}", path.display());
    std::process::exit(1)
}

fn watch() {
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let now = NOW.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((since, name, bytes)) = &*now
            && since.elapsed() > Duration::from_secs(SECONDS)
        {
            fail(name, bytes, &format!("it takes longer than {SECONDS} s"));
        }
    }
}

fn check(target: &'static Target, bytes: Vec<u8>) {
    let set = |now| *NOW.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = now;
    set(Some((Instant::now(), target.name, bytes.clone())));
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let ran = catch_unwind(AssertUnwindSafe(|| (target.run)(&bytes)));
    let peak = MEMORY.peak_usage().saturating_sub(before);
    set(None);
    if ran.is_err() {
        fail(target.name, &bytes, "it panicked");
    }
    if peak > allowed(bytes.len()) {
        fail(target.name, &bytes, &format!("{} bytes ask for {peak}", bytes.len()));
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let name = arguments.first().map_or("all", String::as_str);
    let seconds = arguments.get(1).map_or(Ok(10), |s| s.parse()).expect("how many seconds");
    let first: u64 = arguments.get(2).map_or(Ok(0), |s| s.parse()).expect("the number of the first mutation");
    static TARGETS: [Target; 10] = ALL;
    let chosen: Vec<&'static Target> = TARGETS.iter().filter(|target| name == "all" || target.name == name).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("there is no target `{name}`; there are {}", names.join(", "));
        std::process::exit(2);
    }
    std::thread::spawn(watch);
    for target in chosen {
        let seeds = (target.seeds)();
        seeds.iter().cloned().chain((target.found)()).for_each(|bytes| check(target, bytes));
        let (clock, mut runs) = (Instant::now(), 0u64);
        while clock.elapsed() < Duration::from_secs(seconds) {
            check(target, mutated(target, &seeds, first.wrapping_add(runs)));
            runs += 1;
        }
        println!("{:12} {runs} inputs", target.name);
    }
}
