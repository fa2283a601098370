//! A run that is stopped and resumed gives the same results as a run that was never stopped.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Net, bits, timeless};
use gradus_data::{Augment, Dataset, Sampling, digits, iris};
use gradus_nn::Mlp;
use gradus_optim::{
    Adam, Descent, EarlyStopping, Lbfgs, Lookahead, ReduceOnPlateau, Saga, Sam, Sgd, WeightAverage, cosine, warmup,
};
use gradus_train::{
    Checkpoints, Classify, ContainerError, Ended, History, LoadError, Metric, TrainError, Trainer, load,
    load_checkpoint, save,
};

fn data() -> Dataset {
    digits().test.subset(&(0..90).collect::<Vec<_>>())
}

/// A run with every feature at once.
fn run(checkpoints: Checkpoints) -> (Net, History) {
    let data = data();
    let (train, valid) = data.split(0.8, 1);
    let mut model = Net::new(3);
    let task = Classify::new().metric(Metric::top_k(3)).augment(Augment::images(8, 8).shift(1.0));
    let mut trainer = Trainer::new(Adam::new(1e-2).schedule(warmup(3).then(cosine(20))).clip_norm(1.0))
        .task(task)
        .epochs(4)
        .batch_size(10)
        .accumulate(2)
        .seed(9)
        .shards(2)
        .threads(2)
        .keep_best(true)
        .early_stopping(EarlyStopping::new(3))
        .reduce_on_plateau(ReduceOnPlateau::new().patience(0).factor(0.5))
        .checkpoints(checkpoints);
    let history = trainer.fit(&mut model, &train, Some(&valid)).unwrap();
    (model, timeless(history))
}

#[test]
fn a_run_goes_on_exactly_from_any_of_its_steps() {
    let folder = tempfile::tempdir().unwrap();
    let all = Checkpoints::in_folder(folder.path().join("all")).every_steps(1).keep(1000);
    let (model, history) = run(all.clone());
    let saved = all.list().unwrap();
    assert_eq!(saved.len(), history.steps.len());
    assert!(history.steps.len() >= 12);
    for (step, path) in saved {
        let from = folder.path().join(format!("from-{step}"));
        std::fs::create_dir(&from).unwrap();
        std::fs::copy(&path, from.join(path.file_name().unwrap())).unwrap();
        let (again, continued) = run(Checkpoints::in_folder(&from).resume(true));
        assert_eq!(continued, history, "from step {step}");
        assert_eq!(bits(&again), bits(&model), "from step {step}");
    }
}

/// Every kind of descent can be stopped and resumed, and so can the wrappers around it.
#[test]
fn every_kind_of_descent_goes_on_from_a_checkpoint() {
    fn goes_on<D: Descent<f32>>(name: &str, batch: usize, make: impl Fn() -> D) {
        let folder = tempfile::tempdir().unwrap();
        let run = |folder: PathBuf, epochs: u64| {
            let mut model = Mlp::builder([4, 6, 3]).dropout(0.1).seed(1).build::<f32>();
            let trainer = Trainer::new(make()).sampling(Sampling::InOrder).batch_size(batch).seed(2);
            let checkpoints = Checkpoints::in_folder(folder).resume(true);
            let mut trainer = trainer.epochs(epochs).checkpoints(checkpoints);
            let history = timeless(trainer.fit(&mut model, &iris(), None).unwrap());
            (bits(&model), history)
        };
        let whole = run(folder.path().join("whole"), 4);
        run(folder.path().join("parts"), 2);
        assert!(whole == run(folder.path().join("parts"), 4), "{name}");
        assert!(whole.1.last().train.loss < whole.1.epochs[0].train.loss, "{name}");
    }
    goes_on("lookahead", 30, || Lookahead::new(Adam::new(0.01)).every(3));
    goes_on("sharpness-aware steps", 30, || Sam::new(Sgd::new(0.1).momentum(0.9)));
    goes_on("an average", 30, || WeightAverage::exponential(0.9).around(Sgd::new(0.1).momentum(0.9)));
    goes_on("both", 30, || Lookahead::new(WeightAverage::equal().around(Adam::new(0.01))));
    goes_on("L-BFGS", 150, || Lbfgs::new(0.5).max_iter(3).history_size(5));
    goes_on("SAGA", 30, || Saga::new(0.1, 5));
}

/// A later call also saves how an earlier call ended, so that a program that is started again learns it.
#[test]
fn a_call_that_is_over_after_a_resume_says_how_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let program = || {
        let mut model = Mlp::builder([4, 6, 3]).seed(1).build::<f32>();
        let stopping = EarlyStopping::new(1).min_delta(10.0);
        let checkpoints = Checkpoints::in_folder(folder.path()).resume(true);
        let mut trainer =
            Trainer::new(Adam::new(0.01)).epochs(20).early_stopping(stopping).keep_best(true).checkpoints(checkpoints);
        [0, 1].map(|_| timeless(trainer.fit(&mut model, &iris(), None).unwrap()))
    };
    let first = program();
    assert_eq!(first[0].ended, Ended::Early);
    assert_eq!(program()[0].ended, Ended::Early);
}

/// A saved state is not read as the state of another kind of optimizer.
#[test]
fn a_checkpoint_of_another_kind_of_descent_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = || Checkpoints::in_folder(folder.path()).resume(true);
    let mut model = Mlp::builder([4, 6, 3]).seed(1).build::<f32>();
    Trainer::new(Adam::new(0.01)).epochs(2).checkpoints(checkpoints()).fit(&mut model, &iris(), None).unwrap();
    let before = bits(&model);
    let mut other = Trainer::new(Lookahead::new(Adam::new(0.01))).epochs(3).checkpoints(checkpoints());
    let error = other.fit(&mut model, &iris(), None).unwrap_err();
    // the file is sound, so the error must not advise to go on without it
    assert!(matches!(error, TrainError::Load(LoadError::Optimizer { .. })), "{error}");
    let error = error.to_string();
    assert!(error.contains("is OptimizerState<f32>, not LookaheadState<OptimizerState<f32>, f32>"), "{error}");
    assert_eq!(bits(&model), before);
}

#[test]
fn only_the_last_checkpoints_are_kept_and_half_written_files_are_cleared() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".gradus-unfinished-h4lf00"), b"half").unwrap();
    std::fs::write(folder.path().join("notes.txt"), b"mine").unwrap();
    let checkpoints = Checkpoints::in_folder(folder.path()).every_steps(1).keep(2);
    let (_, history) = run(checkpoints.clone());
    let steps: Vec<u64> = checkpoints.list().unwrap().into_iter().map(|(step, _)| step).collect();
    let last = history.steps.len() as u64;
    assert_eq!(steps, [last - 1, last]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "two checkpoints and what is not ours");
}

#[test]
fn other_runs_and_other_settings_are_refused_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let data = iris();
    let fit = |model: &mut Mlp, resume: bool, seed: u64, batch: usize| {
        let checkpoints = Checkpoints::in_folder(folder.path());
        let checkpoints = checkpoints.resume(resume);
        let mut trainer = Trainer::new(Adam::new(0.01)).epochs(2).seed(seed).batch_size(batch).checkpoints(checkpoints);
        trainer.fit(model, &data, None).map(|history| history.steps.len())
    };
    let new = |sizes: [usize; 3]| Mlp::builder(sizes).seed(1).build::<f32>();
    let mut model = new([4, 8, 3]);
    assert_eq!(fit(&mut model, false, 1, 32).unwrap(), 10);
    let error = fit(&mut model, false, 1, 32).unwrap_err().to_string();
    assert!(error.contains("there are checkpoints of a run (the last: step 10)"), "{error}");
    std::fs::write(folder.path().join(".gradus-of-a-run-that-runs"), b"half").unwrap();
    assert!(fit(&mut model, false, 1, 32).is_err());
    assert_eq!(being_written(folder.path()), 1, "nothing is touched");

    let mut model = new([4, 8, 3]);
    let before = bits(&model);
    let error = fit(&mut model, true, 2, 16).unwrap_err().to_string();
    assert!(error.contains("the seed: 1 in the checkpoint, 2 here"), "{error}");
    assert!(error.contains("the batch size: 32 in the checkpoint, 16 here"), "{error}");
    assert_eq!(bits(&model), before);
    let error = fit(&mut new([4, 9, 3]), true, 1, 32).unwrap_err().to_string();
    assert!(error.contains("layers.0.weight: [8, 4] in the file, [9, 4] in the model"), "{error}");

    // the same folder, another optimizer
    let mut trainer =
        Trainer::new(Sgd::new(0.01)).seed(1).checkpoints(Checkpoints::in_folder(folder.path()).resume(true));
    let error = trainer.fit(&mut model, &data, None).unwrap_err();
    assert!(matches!(error, TrainError::Load(LoadError::Optimizer { .. })), "{error}");
    assert!(error.to_string().contains("the saved state is of adam"), "{error}");
    assert_eq!(bits(&model), before);

    // a run that is complete is loaded and ends at once
    assert_eq!(fit(&mut model, true, 1, 32).unwrap(), 10);
    assert_ne!(bits(&model), before);
}

#[test]
fn every_damage_of_a_checkpoint_is_its_own_error() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::in_folder(folder.path()).keep(1);
    let mut model = Mlp::builder([4, 2, 3]).seed(1).build::<f32>();
    let mut opt = Adam::new(0.01);
    Trainer::new(opt.clone()).epochs(1).checkpoints(checkpoints.clone()).fit(&mut model, &iris(), None).unwrap();
    let path = checkpoints.list().unwrap().pop().unwrap().1;
    let whole = std::fs::read(&path).unwrap();
    let before = (bits(&model), opt.state());
    let mut error_of = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let result: Result<u8, LoadError> = load_checkpoint(&path, &mut model, &mut opt);
        assert_eq!((bits(&model), opt.state()), before);
        result.unwrap_err()
    };
    for end in (0..whole.len()).step_by(7) {
        let error = error_of(&whole[..end]);
        assert!(
            matches!(
                error,
                LoadError::Container { error: ContainerError::Magic { .. } | ContainerError::Length { .. }, .. }
            ),
            "{end}: {error}"
        );
    }
    for place in (0..whole.len()).step_by(5) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        let error = error_of(&bytes);
        let right = match place {
            0..8 => matches!(error, LoadError::Container { error: ContainerError::Magic { .. }, .. }),
            8..12 => matches!(error, LoadError::Container { error: ContainerError::Version { .. }, .. }),
            12..20 => matches!(
                error,
                LoadError::Container { error: ContainerError::Length { .. } | ContainerError::TooLarge { .. }, .. }
            ),
            _ => matches!(error, LoadError::Container { error: ContainerError::Checksum, .. }),
        };
        assert!(right, "{place}: {error}");
    }
    assert!(
        matches!(error_of(&whole), LoadError::Container { error: ContainerError::Content { .. }, .. }),
        "what was saved beside the model is not a number"
    );
    let mut oversized = whole.clone();
    oversized[12..20].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(error_of(&oversized), LoadError::Container { error: ContainerError::TooLarge { .. }, .. }));
    let grown = [&whole[..], b"more"].concat();
    assert!(matches!(error_of(&grown), LoadError::Container { error: ContainerError::Length { .. }, .. }));

    let other = folder.path().join("model.gradus");
    save(&model, &other).unwrap();
    let error = load_checkpoint::<f32, _, _, u8>(&other, &mut model, &mut opt).unwrap_err().to_string();
    assert!(error.ends_with("not a checkpoint: it is a saved model"), "{error}");
    std::fs::write(&path, &whole).unwrap();
    let error = load(&mut model, &path).unwrap_err().to_string();
    assert!(error.ends_with("not a saved model: it is a checkpoint"), "{error}");
}

/// The run of the child processes below: tiny, saved after every step, and without an end for them.
fn endless(folder: &Path, steps: u64) -> (Mlp, History) {
    let mut model = Mlp::builder([4, 64, 3]).dropout(0.2).seed(1).build::<f32>();
    let mut trainer = Trainer::new(Adam::new(1e-3))
        .steps(steps)
        .seed(4)
        .stop_on_ctrl_c(true)
        .checkpoints(Checkpoints::in_folder(folder).every_steps(1).resume(true));
    let history = trainer.fit(&mut model, &iris(), None).unwrap();
    (model, history)
}

/// Not a test, but the process that the tests below start.
#[test]
#[ignore = "run by the tests that kill it"]
fn child() {
    let folder = PathBuf::from(std::env::var_os("GRADUS_TEST_FOLDER").expect("started by a test"));
    let (_, history) = endless(&folder, u64::MAX);
    assert!(matches!(history.ended, Ended::Interrupted { checkpoint: Some(_) }));
}

fn start(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "child", "--nocapture"])
        .env("GRADUS_TEST_FOLDER", folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn last(folder: &Path) -> Option<(u64, PathBuf)> {
    Checkpoints::in_folder(folder).list().unwrap().pop()
}

/// The number of files that are not complete yet.
fn being_written(folder: &Path) -> usize {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().starts_with(".gradus-")).count()
}

/// The model of a run of `steps` steps that was never stopped.
fn never_stopped(steps: u64) -> Vec<u32> {
    let mut model = Mlp::builder([4, 64, 3]).dropout(0.2).seed(1).build::<f32>();
    Trainer::new(Adam::new(1e-3)).steps(steps).seed(4).fit(&mut model, &iris(), None).unwrap();
    bits(&model)
}

#[test]
fn a_process_killed_200_times_never_loses_its_last_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let (mut step, mut half_written) = (0, 0);
    let mut model = Mlp::builder([4, 64, 3]).build::<f32>();
    for kill in 0..200u64 {
        let mut child = start(folder.path());
        let mut wait = |until: &dyn Fn() -> bool| {
            let start = Instant::now();
            while !until() {
                std::thread::sleep(Duration::from_micros(100));
                assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
                assert!(start.elapsed() < Duration::from_secs(60), "the child does nothing");
            }
        };
        // kill it after it has saved something new: at any time, or, every other time, while it writes
        wait(&|| last(folder.path()).is_some_and(|(now, _)| now > step));
        match kill % 2 {
            0 => std::thread::sleep(Duration::from_micros(kill.wrapping_mul(0x9E37_79B9) % 9000)),
            _ => wait(&|| being_written(folder.path()) > 0),
        }
        child.kill().unwrap();
        child.wait().unwrap();
        half_written += being_written(folder.path());
        let (now, _) = last(folder.path()).expect("a checkpoint is there");
        assert!(now > step, "kill {kill}: step {now} after {step}");
        let (loaded, history) = endless(folder.path(), now); // the run is complete, so it is only loaded
        assert_eq!(history.steps.len() as u64, now);
        model = loaded;
        step = now;
    }
    assert!(half_written > 0, "no kill met a file that was being written: the test looks at nothing");
    assert_eq!(bits(&model), never_stopped(step), "after {step} steps");
}

#[test]
#[cfg(unix)]
fn ctrl_c_finishes_the_step_saves_and_says_how_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path());
    let begun = Instant::now();
    while last(folder.path()).is_none_or(|(step, _)| step < 20) {
        std::thread::sleep(Duration::from_millis(1));
        assert!(child.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(60));
    }
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let (step, path) = last(folder.path()).unwrap();
    let promise = format!("stopped after step {step}, saved as {}; run it again with `resume(true)`", path.display());
    assert!(said.contains(&promise), "{said}");
    let (model, history) = endless(folder.path(), step + 5);
    assert_eq!(history.steps.len() as u64, step + 5);
    assert_eq!(bits(&model), never_stopped(step + 5));
}

#[test]
fn a_run_of_more_steps_goes_on_as_if_it_had_been_asked_for_them_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (train, valid) = data().split(0.8, 1);
    let run = |name: &str, steps| {
        let mut model = Net::new(1);
        let mut trainer = Trainer::new(Adam::new(1e-2))
            .steps(steps)
            .batch_size(20)
            .reduce_on_plateau(ReduceOnPlateau::new().patience(0).factor(0.5))
            .early_stopping(EarlyStopping::new(4))
            .keep_best(true)
            .checkpoints(Checkpoints::in_folder(folder.path().join(name)).resume(true));
        let history = trainer.fit(&mut model, &train, Some(&valid)).unwrap();
        (bits(&model), timeless(history))
    };
    let whole = run("whole", 15); // four steps an epoch
    let part = run("parts", 6);
    assert_eq!(part.1.epochs.iter().map(|row| (row.epoch, row.step)).collect::<Vec<_>>(), [(1, 4), (2, 6)]);
    assert_eq!(run("parts", 6), part, "complete: the same once more");
    assert_eq!(run("parts", 15), whole);
}

#[test]
fn what_decides_cannot_be_changed_in_the_middle_of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let run = |change: fn(Trainer<Adam>) -> Trainer<Adam>| {
        let mut model = Mlp::builder([4, 8, 3]).seed(1).build::<f32>();
        let checkpoints = Checkpoints::in_folder(folder.path()).resume(true);
        let trainer = Trainer::new(Adam::new(0.01)).epochs(2).early_stopping(EarlyStopping::new(2));
        change(trainer.checkpoints(checkpoints)).fit(&mut model, &iris(), None)
    };
    run(|trainer| trainer).unwrap();
    for change in [
        |trainer: Trainer<_>| trainer.watch("accuracy"),
        |trainer: Trainer<_>| trainer.early_stopping(EarlyStopping::new(10)),
        |trainer: Trainer<_>| trainer.keep_best(true),
    ] {
        let error = run(change).unwrap_err().to_string();
        assert!(error.contains("`watch`, `keep_best`, `early_stopping` or `reduce_on_plateau`"), "{error}");
    }
    assert_eq!(run(|trainer| trainer.epochs(3)).unwrap().epochs.len(), 3);
}

#[test]
fn a_damaged_last_checkpoint_names_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let run = || {
        let mut model = Mlp::builder([4, 8, 3]).seed(1).build::<f32>();
        let checkpoints = Checkpoints::in_folder(folder.path()).resume(true);
        Trainer::new(Adam::new(0.01)).epochs(3).checkpoints(checkpoints).fit(&mut model, &iris(), None)
    };
    let whole = timeless(run().unwrap());
    let path = last(folder.path()).unwrap().1;
    std::fs::write(&path, b"damaged").unwrap();
    let error = run().unwrap_err().to_string();
    assert!(error.contains("step-0000000015.checkpoint") && error.contains("goes on from"), "{error}");
    assert!(error.contains("step-0000000010.checkpoint"), "{error}");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(timeless(run().unwrap()), whole);
}

#[test]
fn a_run_that_was_broken_off_by_its_callback_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, stop: usize| {
        let mut model = Net::new(1);
        let checkpoints = Checkpoints::in_folder(folder.path().join(name)).resume(true);
        let mut trainer = Trainer::new(Adam::new(1e-2)).epochs(3).batch_size(20).checkpoints(checkpoints);
        let history = trainer.fit_with(&mut model, &data(), None, |at| match at.history.steps.len() {
            step if step == stop => std::ops::ControlFlow::Break(()),
            _ => std::ops::ControlFlow::Continue(()),
        });
        (bits(&model), timeless(history.unwrap()))
    };
    let whole = run("whole", usize::MAX);
    assert_eq!(run("parts", 7).1.ended, Ended::Callback);
    assert_eq!(run("parts", usize::MAX), whole);
}
