//! Descent as a function: how it ends, many starting points, batches, the range test.

use gradus_autograd::{Param, Tape, with_threads};
use gradus_optim::{
    Adam, Descent, Lbfgs, Minimize, Rows, Sgd, Stop, descend, find_lr, functions, linear, minimize, random_restarts,
};
use ndarray::{Array1, Axis, array};
use proptest::prelude::*;
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

#[test]
fn a_descent_says_why_it_ended() {
    let from_1 = |optimizer: Sgd<f64>, n| minimize(|x| x.square().sum(), array![1.0], optimizer, n);
    let found = from_1(Sgd::new(0.25), 5);
    assert_eq!((found.stop, found.steps()), (Stop::Iterations, 5));
    assert_eq!(found.path.iter().map(|x| x[0]).collect::<Vec<_>>(), [1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125]);
    assert_eq!(found.costs, [1.0, 0.25, 0.0625, 0.015625, 0.00390625, 0.0009765625]);
    assert_eq!(found.grad_norms, [2.0, 1.0, 0.5, 0.25, 0.125, 0.0625]);
    assert_eq!(from_1(Sgd::new(0.25), 100).stop, Stop::Tolerance);
    assert_eq!(from_1(Sgd::new(2.0), 100).stop, Stop::Diverged);
    let found = minimize(|x| x.ln().sum(), array![1.0], Sgd::new(2.0), 100);
    assert_eq!((found.stop, found.steps()), (Stop::NonFinite, 1));
    assert_eq!(minimize(|x| x.square().sum(), array![1.0], Sgd::new(0.1), 0).stop, Stop::Iterations);
    // a saddle is a critical point too
    let found = minimize(functions::saddle, array![1.0, 0.0], Sgd::new(0.1), 1000);
    assert_eq!(found.stop, Stop::Tolerance);
    assert_eq!(minimize(functions::saddle, array![1.0, 1e-3], Sgd::new(0.1), 1000).stop, Stop::Diverged);
}

#[test]
fn a_cost_of_no_numbers_is_minimal() {
    let found = minimize(|x| x.square().sum(), Array1::<f64>::zeros(0), Adam::new(0.1), 10);
    assert_eq!((found.stop, found.steps(), found.cost()), (Stop::Tolerance, 0, 0.0));
}

#[test]
fn a_learning_rate_too_large_cannot_stay_in_the_sharp_minimum() {
    let run = |rate| -> f64 { minimize(functions::sharp_and_flat, array![2.1], Sgd::new(rate), 5000).at[0] };
    assert!((run(0.01) - 1.9985).abs() < 1e-3, "{}", run(0.01));
    assert!((run(0.1) + 1.9608).abs() < 1e-3, "{}", run(0.1));
}

fn anywhere(rng: &mut Xoshiro256PlusPlus) -> Array1<f64> {
    Array1::from_shape_fn(2, |_| rng.random_range(-5.0..5.0))
}

#[test]
fn restarts_depend_on_the_seed_and_not_on_the_threads() {
    let run = |threads, n, seed| {
        with_threads(threads, || random_restarts(functions::rastrigin, anywhere, n, &Sgd::new(0.002), 100, seed))
    };
    let one = run(1, 9, 3);
    assert_eq!(one, run(2, 9, 3));
    assert_eq!(one, run(7, 9, 3));
    assert_eq!(one.runs[..5], run(2, 5, 3).runs, "more starts leave the first ones as they are");
    assert_ne!(one, run(1, 9, 4));
    let best = one.runs.iter().map(|run| run.cost()).fold(f64::INFINITY, f64::min);
    assert_eq!(one.best().cost(), best);
    assert_eq!(one.distinct(1e-3).iter().map(|(_, count)| count).sum::<usize>(), 9);
}

#[test]
fn the_best_of_several_is_none_that_is_not_a_number() {
    let settings = Minimize { iterations: 3, ..Minimize::default() };
    let start = |rng: &mut Xoshiro256PlusPlus| array![rng.random_range(-1.0..1.0f64)];
    let found = settings.random_restarts(|x| x.sqrt().sum(), start, 12, &Sgd::new(1e-3), 0);
    assert!(found.runs.iter().any(|run| run.cost().is_nan()));
    assert!(found.best().cost().is_finite());
}

proptest! {
    #[test]
    fn an_epoch_of_rows_shows_each_once(rows in 1usize..40, size in 1usize..12, seed: u64) {
        let batches: Vec<Vec<usize>> = Rows::mini(rows, size, seed).epochs(3).collect();
        let all: Vec<usize> = batches.concat();
        prop_assert_eq!(all.len(), 3 * rows);
        for epoch in all.chunks(rows) {
            let mut sorted = epoch.to_vec();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..rows).collect::<Vec<_>>());
        }
        prop_assert_eq!(&batches, &Rows::mini(rows, size, seed).epochs(3).collect::<Vec<_>>());
        prop_assert!(batches.iter().all(|b| b.len() <= size));
    }
}

#[test]
fn each_epoch_has_an_order_of_its_own() {
    let all: Vec<usize> = Rows::stochastic(20, 1).epochs(2).flatten().collect();
    assert_ne!(all[..20], all[20..]);
}

/// The step of a full batch is the average of the steps of its samples.
#[test]
fn a_full_batch_averages_the_gradients_of_its_samples() {
    let x = array![1.0, -2.0, 4.0];
    let step = |rows: Vec<usize>| {
        let mut w = Param::new([0.5]);
        let costs: Vec<f64> = descend(&mut w, &mut Sgd::new(1.0), [rows], |w, t, rows| {
            (t.param(w) * &x.select(Axis(0), rows) - 1.0).square().mean()
        })
        .collect();
        (costs[0], w.data()[0] - 0.5)
    };
    let (cost, full) = step(vec![0, 1, 2]);
    let single: Vec<(f64, f64)> = (0..3).map(|i| step(vec![i])).collect();
    assert!((full - single.iter().map(|s| s.1).sum::<f64>() / 3.0).abs() < 1e-12);
    assert!((cost - single.iter().map(|s| s.0).sum::<f64>() / 3.0).abs() < 1e-12);
}

/// Online learning: samples from an endless source, each seen once.
#[test]
fn a_line_is_learned_from_an_endless_stream() {
    let mut rng = gradus_autograd::Stream { seed: 1, step: 0, shard: 0 }.rng();
    let samples = std::iter::repeat_with(move || {
        let x: f64 = rng.random_range(-1.0..1.0);
        (x, 3.0 * x + 1.0 + 0.01 * rng.random_range(-1.0..1.0))
    });
    let mut line = (Param::new([0.0]), Param::new([0.0]));
    let mut opt = Sgd::new(0.1);
    let costs = descend(&mut line, &mut opt, samples, |(m, b), t, (x, y)| (t.param(m) * *x + b - *y).square().sum());
    let steps = costs.map(|cost: f64| cost < 4e-4).scan(0, |run, good| {
        *run = if good { *run + 1 } else { 0 };
        Some(*run)
    });
    assert!(steps.take(5000).any(|run| run == 100), "a hundred predictions in a row within twice the noise");
    assert!((line.0.data()[0] - 3.0).abs() < 0.05 && (line.1.data()[0] - 1.0).abs() < 0.05);
}

#[test]
fn the_range_test_changes_nothing_and_ends_where_the_cost_explodes() {
    let (start, opt) = (Param::new([3.0f64, -2.0]), Sgd::new(0.1).schedule(linear(0.0, 1.0, 10)));
    let test =
        find_lr(&start, &opt, 1e-4..=1e3, 200, std::iter::repeat(()), |x, t, ()| functions::quadratic(t.param(x)));
    assert_eq!((start.data(), opt.steps()), ([3.0, -2.0].as_slice(), 0));
    assert!(test.rates.len() < 200 && test.rates.len() == test.costs.len());
    assert!((test.rates[0] - 1e-4).abs() < 1e-12 && test.rates.windows(2).all(|r| r[1] > r[0]));
    let rate = test.suggestion.unwrap();
    assert!(rate > 0.01 && rate < 2.0, "{rate}: descent diverges from 2 on");
    // if the cost never falls, there is no suggestion
    let flat = find_lr(&start, &opt, 1e-4..=1.0, 20, std::iter::repeat(()), |x, t, ()| t.param(x).sum() * 0.0 + 1.0);
    assert_eq!(flat.suggestion, None);
}

#[test]
fn lbfgs_takes_any_module_and_skips_what_has_no_gradient() {
    let mut pair = (Param::new([5.0f32, -3.0]), Param::new([7.0f32]));
    let mut tape = Tape::training(0);
    for _ in 0..3 {
        Lbfgs::new(1.0).descend(&mut pair, |pair| tape.gradients(|t| (t.param(&pair.0) - 1.0).square().sum()));
    }
    assert!(pair.0.data().iter().all(|x| (x - 1.0).abs() < 1e-4));
    assert_eq!(pair.1.data(), [7.0]);
}

#[test]
fn lbfgs_changes_nothing_where_the_cost_is_not_finite() {
    let mut w = Param::new([-1.0f64]);
    let cost = Lbfgs::new(1.0).step(&mut w, |w| Tape::mathematics().gradients(|t| t.param(w).ln().sum()));
    assert!(cost.is_nan() && w.data() == [-1.0]);
}

/// L-BFGS has its own tolerances; once they are met, nothing moves any more.
#[test]
fn a_descent_that_stands_still_has_stalled() {
    let start = || array![1.0, 3.0];
    let found = minimize(functions::ravine, start(), Lbfgs::new(1.0), 1000);
    assert_eq!(found.stop, Stop::Stalled);
    assert!(found.steps() < 10 && found.path.len() == found.costs.len());
    let to_the_end = Lbfgs::new(1.0).tolerance_change(0.0).tolerance_grad(0.0);
    assert_eq!(minimize(functions::rosenbrock, array![-1.2, 1.0], to_the_end, 100).stop, Stop::Tolerance);
    // a warm-up from 0 does not count as stalled, a learning rate of 0 does
    assert_eq!(
        minimize(functions::ravine, start(), Sgd::new(0.019).schedule(linear(0.0, 1.0, 5)), 3000).stop,
        Stop::Tolerance
    );
    assert_eq!(minimize(functions::ravine, start(), Sgd::new(0.0), 3000).steps(), 0);
}

#[test]
fn runs_that_are_not_numbers_come_last() {
    let start = |rng: &mut Xoshiro256PlusPlus| array![rng.random_range(-1.0..1.0f64)];
    let found = random_restarts(|x| x.sqrt().sum(), start, 6, &Sgd::new(1e-3), 3, 0);
    let costs: Vec<f64> = found.distinct(1e-9).iter().map(|(run, _)| run.cost()).collect();
    assert!(costs.iter().any(|c| c.is_nan()) && costs.is_sorted_by(|a, b| a <= b || b.is_nan()), "{costs:?}");
}

/// If the data end before the rates do, the last rate is not taken for the minimum.
#[test]
fn a_range_test_that_is_cut_short_suggests_nothing() {
    let test =
        find_lr(&Param::new([3.0f64]), &Sgd::new(0.1), 1e-4..=1e3, 200, std::iter::repeat_n((), 60), |x, t, ()| {
            functions::quadratic(t.param(x))
        });
    assert_eq!((test.rates.len(), test.suggestion), (60, None));
}
