use gradus_optim::Goal;

use super::*;

type Never = std::convert::Infallible;

#[test]
fn a_grid_has_all_combinations_and_random_runs_stay_within_their_ranges() {
    let grid = Sweep::new().over("a", [1, 2]).over("b", ["x", "y", "z"]);
    let trials = grid.trials();
    assert_eq!(trials.len(), 6);
    assert_eq!((trials[1].number("a"), trials[1].text("b")), (1.0, "y"));
    let random = Sweep::new().log_range("lr", 1e-4..=1e-1).range("m", 0.5..=0.5).over("b", ["x", "y"]).random(200);
    let trials = random.seed(3).trials();
    let low = trials.iter().filter(|t| t.number("lr") < 10f64.powf(-2.5)).count();
    assert!((70..130).contains(&low), "{low} of 200 are in the lower half of the scale");
    assert!(trials.iter().all(|t| (1e-4..=1e-1).contains(&t.number("lr")) && t.number("m") == 0.5));
    assert!(trials.iter().any(|t| t.text("b") == "x") && trials.iter().any(|t| t.text("b") == "y"));
    assert!(trials.iter().all(|t| t.seed == 3));
}

#[test]
fn the_number_of_threads_changes_nothing_and_an_error_ends_one_run_only() {
    let sweep = Sweep::new().over("x", [0, 1, 2, 3, 4]);
    let run = |trial: &Trial| match trial.number("x") {
        3.0 => Err("the loss is NaN at step 7"),
        x => Ok((x - 1.5).abs() + (trial.seed % 2) as f64 * 1e-9),
    };
    let of = |threads| {
        let mut results = sweep.clone().threads(threads).run(run).unwrap();
        results.outcomes.iter_mut().for_each(|outcome| outcome.seconds = 0.0);
        format!("{results:?}")
    };
    assert_eq!(of(1), of(4));
    let results = sweep.run(run).unwrap();
    assert_eq!(results.best(Goal::Maximize).unwrap().setting("x"), Some(&Setting::Number(4.0)));
    let table = results.table(Goal::Minimize);
    let last = table.lines().last().unwrap();
    assert!(last.contains("NaN") && last.ends_with("the loss is NaN at step 7"), "{table}");
    let nothing = Sweep::new().over("x", [3]).run(run).unwrap();
    assert_eq!(nothing.best(Goal::Minimize), None);
}

#[test]
fn a_sweep_goes_on_with_the_runs_that_its_log_does_not_have() {
    let folder = tempfile::tempdir().unwrap();
    let (log, counted) = (folder.path().join("sweep.jsonl"), AtomicUsize::new(0));
    let run = |trial: &Trial| {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok::<f64, Never>(trial.number("x"))
    };
    let sweep = |values: &[i32]| Sweep::new().over("x", values.to_vec()).log(&log);
    let first = sweep(&[1, 2]).run(run).unwrap();
    let more = sweep(&[1, 2, 5]).run(run).unwrap();
    assert_eq!(counted.load(Ordering::Relaxed), 3, "the first two were not made again");
    assert_eq!(more.outcomes[..2], first.outcomes);
    sweep(&[1, 2, 5]).seed(9).run(run).unwrap();
    assert_eq!(counted.load(Ordering::Relaxed), 6, "other seeds are other runs");
    let path = folder.path().join("results.csv");
    more.write(&path).unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("x,seed,score,seconds,error\n1,"));
    std::fs::write(&log, "{\"settings\":[]\n").unwrap();
    let error = sweep(&[1]).run(run).unwrap_err().to_string();
    assert!(error.contains("sweep.jsonl: line 1 is no run of a sweep"), "{error}");
    let error = Sweep::new().over("x", [7]).log(folder.path().join("no/such/log")).run(run).unwrap_err().to_string();
    assert!(error.contains("no/such/log"), "{error}");
    assert_eq!(counted.load(Ordering::Relaxed), 6, "a log that cannot be written is an error before the first run");
}

#[test]
#[should_panic(expected = "`lr` is drawn from a range; say how many runs there are")]
fn a_range_needs_a_number_of_runs() {
    let _ = Sweep::new().range("lr", 0.0..=1.0).trials();
}

#[test]
#[should_panic(expected = "there is no setting `rate`; there are `lr`")]
fn a_setting_that_is_not_there_is_told() {
    Sweep::new().over("lr", [1.0]).trials()[0].number("rate");
}

#[test]
fn settings_that_are_not_finite_come_back_from_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let (log, counted) = (folder.path().join("sweep.jsonl"), AtomicUsize::new(0));
    let sweep = Sweep::new().over("clip", [1.0, f64::INFINITY, f64::NAN]).log(&log);
    for _ in 0..2 {
        let results = sweep.run(|_| {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok::<f64, Never>(1e-5)
        });
        let table = results.unwrap().table(Goal::Minimize);
        assert!(table.contains("inf") && table.contains("1.000e-5"), "{table}");
    }
    assert_eq!(counted.load(Ordering::Relaxed), 3);
}
