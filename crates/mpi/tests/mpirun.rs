//! Training over MPI, as `mpirun` runs it. Each test starts this program again, several times, as the test `child`.

use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use gradus::data::{Dataset, digits, iris};
use gradus::optim::{functions, random_restarts};
use gradus::prelude::*;
use gradus::rand::RngExt;
use gradus::train::{AfterStep, Checkpoints, Classify, History, Ranks, Shards, evaluate_distributed};
use gradus_mpi::World;
use ndarray::Array1;

/// One `mpirun` at a time: the ranks of several would wait for a processor, not for each other.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The `mpirun` of the MPI library that the tests are built with. `MPIRUN` names it where several are installed.
fn launcher() -> String {
    std::env::var("MPIRUN").unwrap_or_else(|_| "mpirun".to_owned())
}

/// Whether the library is Open MPI. Otherwise it is MPICH.
static OPEN_MPI: LazyLock<bool> = LazyLock::new(|| {
    let version = Command::new(launcher()).arg("--version").output().expect("mpirun is installed");
    String::from_utf8_lossy(&version.stdout).contains("Open MPI")
});

/// What Open MPI must be told to start more ranks than there are processors, and as root. MPICH does so unasked.
fn options() -> &'static [&'static str] {
    if *OPEN_MPI { &["--oversubscribe", "--allow-run-as-root", "--bind-to", "none"] } else { &[] }
}

/// A run of `mpirun` with so many ranks, which does what a case of [`child`] says.
fn mpirun(ranks: usize, case: &str, folder: &Path) -> Command {
    let mut command = Command::new(launcher());
    command
        .args(["-n", &ranks.to_string()])
        .args(options())
        .arg(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--ignored", "--nocapture"])
        .env("CASE", case)
        .env("FOLDER", folder)
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn text(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs a case that must succeed, and returns the words after `outcome:`, which rank 0 prints.
#[track_caller]
fn result(ranks: usize, case: &str, folder: &Path) -> String {
    let _alone = alone();
    let output = mpirun(ranks, case, folder).output().expect("mpirun is installed");
    let text = text(&output);
    assert!(output.status.success(), "{case} on {ranks} ranks:\n{text}");
    let results: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("outcome: ")).collect();
    assert_eq!(results.len(), 1, "one rank speaks:\n{text}");
    results[0].to_owned()
}

/// Longer than an end takes on a machine that has much else to do, and shorter than the sleep of a rank that hangs.
const HANGS: Duration = Duration::from_secs(120);

/// Runs a case that must fail, and not hang, and returns what it printed.
#[track_caller]
fn failure(ranks: usize, case: &str, folder: &Path) -> String {
    let _alone = alone();
    let child = mpirun(ranks, case, folder).spawn().expect("mpirun is installed");
    end(child)
}

/// Waits until a run has failed, and returns what it printed.
#[track_caller]
fn end(mut child: Child) -> String {
    let read = |mut pipe: Box<dyn Read + Send>| {
        spawn(move || {
            let mut text = Vec::new();
            pipe.read_to_end(&mut text).expect("a pipe can be read");
            String::from_utf8_lossy(&text).into_owned()
        })
    };
    let (out, err) = (child.stdout.take().map(|p| read(Box::new(p))), child.stderr.take().map(|p| read(Box::new(p))));
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if begun.elapsed() > HANGS => {
                child.kill().unwrap();
                break child.wait().unwrap();
            }
            None => sleep(Duration::from_millis(20)),
        }
    };
    let text: String = [out, err].into_iter().flatten().map(|thread| thread.join().unwrap() + "\n").collect();
    assert!(begun.elapsed() < HANGS, "it hangs:\n{text}");
    assert!(!status.success(), "it succeeds:\n{text}");
    text
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// The program of the tests: one rank of a case.
#[test]
#[ignore = "run by the other tests"]
fn child() {
    let Ok(case) = std::env::var("CASE") else { return };
    let folder = std::env::var("FOLDER").unwrap();
    let patience = if case.starts_with("hangs") { 3 } else { 60 };
    let world = World::init().unwrap().patience(Duration::from_secs(patience));
    let (words, number) = case.rsplit_once(' ').unwrap_or((&case, ""));
    let (case, argument) = number.parse().map_or((&*case, 0), |number| (words, number));
    case_of(case, argument, &world, Path::new(&folder));
    let rank = world.rank();
    drop(world);
    eprintln!("rank {rank} has left");
    if (case, rank) == ("leaves", 1) {
        std::process::exit(1) // as a `main` that returns an error
    }
}

fn bits(model: &impl Module) -> u64 {
    let leaves = model.leaves();
    let numbers = leaves.iter().flat_map(|(_, leaf)| leaf.data());
    numbers.fold(0xcbf2_9ce4_8422_2325, |hash, x| (hash ^ u64::from(x.to_bits())).wrapping_mul(0x0100_0000_01b3))
}

fn data() -> Dataset {
    digits().test.subset(&(0..400).collect::<Vec<_>>())
}

fn model() -> Sequential {
    let mut rng = gradus::nn::rng(1);
    Sequential::new()
        .named("hidden", Linear::new(64, 32, &mut rng))
        .named("norm", BatchNorm::new(32))
        .layer(Activation::Relu)
        .layer(Dropout::new(0.2))
        .named("out", Linear::new(32, 10, &mut rng))
}

fn trainer() -> Trainer<Adam> {
    Trainer::new(Adam::new(1e-2).clip_norm(1.0)).epochs(4).batch_size(33).shards(8).keep_best(true).seed(3)
}

/// Says on rank 0 what a run came to.
fn say(world: &World, model: &Sequential, history: &History) {
    if world.rank() == 0 {
        let losses: Vec<u64> = history.epochs.iter().map(|row| row.train.loss.to_bits()).collect();
        println!("\noutcome: {:016x} {losses:x?} {:?}", bits(model), history.ended);
    }
}

fn case_of(case: &str, argument: usize, world: &World, folder: &Path) {
    let (data, mut model, rank) = (data(), model(), world.rank());
    let (train, valid) = data.split(0.8, 1);
    let checkpoints = || Checkpoints::in_folder(folder).every_steps(1).keep(1000).resume(true);
    let trainer = trainer().distributed(world);
    // trains, and does something after the fifth step
    let run = |mut trainer: Trainer<Adam>, then: &dyn Fn()| {
        let mut model = self::model();
        let callback = |after: AfterStep<'_, Sequential, Adam>| {
            if after.history.steps.len() == 5 {
                then();
            }
            ControlFlow::Continue(())
        };
        let history = trainer.fit_with(&mut model, &train, Some(&valid), callback).unwrap();
        say(world, &model, &history);
    };
    let fit = |trainer: Trainer<Adam>| run(trainer, &|| ());
    match case {
        "train" => fit(trainer.threads(argument)),
        "resume" => fit(trainer.checkpoints(checkpoints()).steps(argument as u64)),
        "whole" => fit(trainer.checkpoints(checkpoints())),
        "settings" => fit(if rank == 2 { trainer.batch_size(16) } else { trainer }),
        "killed" => run(trainer.checkpoints(checkpoints()), &|| {
            if rank == 1 {
                // as a machine that fails: nothing is said, nothing is cleaned up
                Command::new("kill").args(["-9", &std::process::id().to_string()]).status().unwrap();
                sleep(3 * HANGS);
            }
        }),
        "hangs" => run(trainer.checkpoints(checkpoints()), &|| {
            if rank == 1 {
                sleep(3 * HANGS);
            }
        }),
        // rank 1 gets what it waits for, and leaves
        "hangs while another leaves" if rank == 2 => sleep(3 * HANGS),
        "hangs while another leaves" => world.exchange((rank + 1) % 3, b"a", (rank + 2) % 3, &mut [0]),
        "leaves" if rank == 1 => {}
        "leaves" => fit(trainer),
        "panics" => run(trainer, &|| assert!(rank != 1, "a fault of rank 1")),
        "slow" => run(trainer.progress(true), &|| {
            if rank == 1 {
                sleep(Duration::from_secs(2));
            }
        }),
        "endless" => {
            let trainer =
                trainer.epochs(1_000_000).checkpoints(checkpoints().every_steps(1_000_000_000).every_epochs(1_000_000));
            run(trainer, &|| {
                if rank == 1 {
                    println!("\nready: {}", std::process::id());
                }
            });
        }
        "not a number" => {
            let mut trainer = trainer;
            let mut x = train.x().to_owned();
            x[[300, 7]] = f32::NAN;
            let data = (x, train.y().to_vec());
            let error = trainer.fit(&mut model, &data, None).unwrap_err();
            println!("\nerror of rank {rank}: {error}");
            std::process::exit(1);
        }
        "full" => {
            let full = Checkpoints::in_folder(folder.join("full")).every_steps(1);
            let error = trainer.checkpoints(full).fit(&mut model, &train, None).unwrap_err();
            println!("\nerror of rank {rank}: {error}");
            std::process::exit(1);
        }
        "own loop" => {
            let mut model = Mlp::builder([4, 8, 3]).seed(1).build::<f32>();
            let mut shards = Shards::new(4, 1, 0).distributed(world, &model).unwrap();
            let (mut opt, iris) = (Adam::new(0.01), iris());
            for batch in (0..5).flat_map(|epoch| iris.batches(30).shuffle(epoch)) {
                let model_now = &model;
                let (_, _, grads) = shards.gradients(batch.y.len(), |t, rows| {
                    let x = t.constant(batch.x.slice(ndarray::s![rows.clone(), ..]));
                    let share = rows.len() as f32 / batch.y.len() as f32;
                    (model_now.forward(x).cross_entropy(&batch.y[rows]) * share, ())
                });
                opt.step(&mut model, &grads);
            }
            if rank == 0 {
                println!("\noutcome: {:016x}", bits(&model));
            }
        }
        "folds" => {
            // each fold is trained by one rank alone
            let folds: Vec<_> = iris().k_folds(5, 1).collect();
            let accuracies = world.map(&folds, |(train, test)| {
                let mut model = Mlp::builder([4, 8, 3]).seed(1).build::<f32>();
                Trainer::new(Adam::new(0.01)).epochs(20).fit(&mut model, train, None).unwrap();
                evaluate(&model, test).accuracy()
            });
            if rank == 0 {
                println!("\noutcome: {accuracies:?}");
            }
        }
        "test set" => {
            let result = evaluate_distributed(world, &model, &Classify::new(), &digits().test).unwrap();
            if rank == 0 {
                println!("\noutcome: {:?} {}", result.scores, result.confusion().matrix);
            }
        }
        "starts" => {
            // each descent is made by one rank alone
            let seeds: Vec<u64> = (0..7).collect();
            let ends = world.map(&seeds, |seed| {
                let anywhere = |rng: &mut _| Array1::from_shape_fn(2, |_| RngExt::random_range(rng, -4.0..4.0));
                let found = random_restarts(functions::himmelblau, anywhere, 1, &Sgd::new(0.005), 500, *seed);
                (found.best().cost(), found.best().at.to_vec())
            });
            if rank == 0 {
                println!("\noutcome: {ends:?}");
            }
        }
        "messages" => {
            // of any length, and longer than what travels with a length
            for length in [0, 1, 503, 504, 505, 70_000] {
                let message = |rank: usize| (0..length * (rank + 1)).map(|i| (i * 7 + rank) as u8).collect::<Vec<_>>();
                for world in [world.clone(), world.clone().with_pieces_of(1000)] {
                    let all = world.all_gather(&message(rank));
                    assert_eq!(all, (0..world.count()).map(message).collect::<Vec<_>>());
                    let (next, last) = ((rank + 1) % world.count(), (rank + world.count() - 1) % world.count());
                    if next != rank {
                        let mut received = vec![0; length * (last + 1)];
                        world.exchange(next, &message(rank), last, &mut received);
                        assert_eq!(received, message(last));
                    }
                }
            }
            if rank == 0 {
                println!("\noutcome: all arrived");
            }
        }
        _ => panic!("no case is called {case}"),
    }
}

#[test]
fn any_number_of_ranks_gives_the_same_model_bit_for_bit() {
    let folder = folder();
    let alone = result(1, "train 1", folder.path());
    for (ranks, threads) in [(1, 4), (2, 1), (2, 2), (3, 1), (4, 1)] {
        assert_eq!(result(ranks, &format!("train {threads}"), folder.path()), alone, "{ranks} × {threads}");
    }
}

#[test]
fn a_loop_of_ones_own_and_independent_pieces_of_work_run_over_ranks_too() {
    let folder = folder();
    for case in ["own loop", "folds", "test set", "starts", "messages"] {
        let alone = result(1, case, folder.path());
        for ranks in [2, 3, 4] {
            assert_eq!(result(ranks, case, folder.path()), alone, "{case} on {ranks} ranks");
        }
    }
}

#[test]
fn a_run_that_was_saved_on_four_ranks_goes_on_with_one_two_or_eight() {
    let whole = result(1, "whole", folder().path());
    for ranks in [1, 2, 8] {
        let folder = folder();
        result(4, "resume 13", folder.path());
        assert_eq!(result(ranks, "whole", folder.path()), whole, "{ranks} ranks");
    }
}

#[test]
fn ranks_with_other_settings_are_refused_with_what_differs() {
    let text = failure(3, "settings", folder().path());
    assert!(text.contains("rank 2 differs from rank 0") && text.contains("the batch size: 33 on rank 0, 16"), "{text}");
}

#[test]
fn the_loss_of_a_rank_ends_the_others_with_a_message_that_says_how_to_go_on() {
    let folder = folder();
    let text = failure(3, "killed", folder.path());
    assert!(text.contains("signal 9"), "mpirun says what happened:\n{text}");
    // the `mpirun` of MPICH names the process by its number, and ends the other ranks before they can speak
    if *OPEN_MPI {
        assert!(text.contains("process rank 1"), "mpirun names the rank:\n{text}");
        let advice = "If that rank is lost: The run is saved as";
        assert!(text.contains(advice) && text.contains("step-0000000004.checkpoint; start it again"), "{text}");
    }
    // and it does go on
    let whole = result(1, "whole", self::folder().path());
    assert_eq!(result(2, "whole", folder.path()), whole);
}

#[test]
fn a_rank_that_does_not_answer_is_named_and_all_end() {
    let text = failure(3, "hangs", folder().path());
    assert!(
        text.contains("rank 1 does not answer (the patience was 3 s); all ranks end. The run is saved as"),
        "{text}"
    );
}

/// Its error is shown, as that of a `main` is: after its world was dropped.
#[test]
fn a_rank_whose_program_has_ended_is_named_and_all_end() {
    let text = failure(3, "leaves", folder().path());
    assert!(text.contains("the program of rank 1 has ended, and this rank waits for it; all ranks end."), "{text}");
    assert!(text.contains("rank 1 has left") && !text.contains("rank 0 has left"), "{text}");
}

#[test]
fn a_rank_that_has_done_its_work_is_not_taken_for_lost() {
    let text = failure(3, "hangs while another leaves", folder().path());
    assert!(text.contains("rank 0: rank 2 does not answer (the patience was 3 s); all ranks end."), "{text}");
}

#[test]
fn a_rank_that_panics_ends_the_others_at_once() {
    let text = failure(3, "panics", folder().path());
    assert!(text.contains("a fault of rank 1"), "{text}");
}

#[test]
fn a_loss_that_is_not_a_number_ends_all_ranks_with_the_same_words() {
    let text = failure(3, "not a number", folder().path());
    let errors: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("error of rank ")).map(|s| &s[3..]).collect();
    assert!(!errors.is_empty() && errors.iter().all(|error| *error == errors[0]), "{text}");
    assert!(errors[0].starts_with("the loss is NaN at step"), "{text}");
}

#[test]
fn a_checkpoint_that_cannot_be_written_ends_all_ranks() {
    let folder = folder();
    std::fs::write(folder.path().join("full"), "a file where a folder should be").unwrap();
    let text = failure(2, "full", folder.path());
    assert!(text.contains("full: "), "{text}");
}

#[test]
fn a_slow_rank_is_named_in_the_line_of_its_epoch() {
    let _alone = alone();
    let output = mpirun(3, "slow", folder().path()).output().unwrap();
    let text = text(&output);
    let line = text.lines().find(|line| line.starts_with("epoch  1/4")).expect("rank 0 shows progress");
    let waited = line.split_once("for other ranks, ").and_then(|(_, rest)| rest.split_once(" s for rank 1"));
    assert!(waited.is_some_and(|(seconds, _)| seconds.parse::<f64>().unwrap() >= 1.0), "{text}");
    let account =
        text.lines().find(|line| line.starts_with("3 ranks × 1 thread: ")).expect("the time is accounted for");
    assert!(account.contains("in communication; rank 0 sent"), "{text}");
}

/// `SIGTERM`, which clusters send before they end a job, reaches one rank; all stop after the same step, and save.
#[test]
fn a_request_to_end_stops_all_ranks_after_the_same_step_and_saves() {
    let (folder, _alone) = (folder(), alone());
    let mut child = mpirun(3, "endless", folder.path()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said = lines.by_ref().map_while(Result::ok).find_map(|line| line.strip_prefix("ready: ").map(str::to_owned));
    let rank = &said.expect("rank 1 says its process");
    assert!(Command::new("kill").args(["-TERM", rank]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let (text, rest) = (text(&output), lines.map_while(Result::ok).collect::<Vec<_>>().join("\n"));
    assert!(output.status.success(), "{text}");
    assert!(rest.contains("Interrupted"), "{rest}\n{text}");
    let saved = Checkpoints::in_folder(folder.path()).list().unwrap();
    assert_eq!(saved.len(), 1, "{text}");
}
