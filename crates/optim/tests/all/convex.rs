//! Every optimizer on every convex test function, with and without warm-up and decay; and the functions themselves.

use approx::assert_abs_diff_eq;
use gradus_autograd::{Float, Param, Tape, Var, grad, hessian};
use gradus_optim::functions::{self, Function};
use gradus_optim::{
    Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Asgd, Descent, Lbfgs, Lion, Lookahead, Minimum, Muon, NAdam,
    RAdam, RmsProp, Rprop, Sag, Saga, SampleAverage, Schedule, Sgd, constant, cosine, minimize, rules, warmup,
};
use ndarray::{Array1, Array2, Axis, Ix1, array};

const STEPS: u64 = 20_000;

/// An optimizer's name, and a closure that runs it on a function with a schedule.
type Entry = (&'static str, Box<dyn Fn(&Function, Schedule) -> Minimum<f64, Ix1>>);

fn entry<O: Descent<f64>>(name: &'static str, make: impl Fn(Schedule) -> O + 'static) -> Entry {
    (name, Box::new(move |f, schedule| minimize(f.cost, f.start(), make(schedule), STEPS as usize)))
}

/// Runs with the parameter as a matrix of one row, for an optimizer of matrices.
fn as_matrix(f: &Function, optimizer: impl Descent<f64>) -> Minimum<f64, Ix1> {
    let start = f.start().insert_axis(Axis(0));
    let cost = f.cost;
    let Minimum { at, path, costs, grad_norms, stop } =
        minimize(|x| cost(x.flatten()), start, optimizer, STEPS as usize);
    let row = |x: Array2<f64>| x.remove_axis(Axis(0));
    Minimum { at: row(at), path: path.into_iter().map(row).collect(), costs, grad_norms, stop }
}

/// All optimizers, with settings that are not chosen for a function: each has one learning rate for all functions.
fn optimizers() -> Vec<Entry> {
    vec![
        entry("sgd", |s| Sgd::new(0.015).schedule(s)),
        entry("sgd, momentum", |s| Sgd::new(5e-3).momentum(0.9).schedule(s)),
        entry("sgd, dampened", |s| Sgd::new(0.015).momentum(0.9).dampening(0.5).schedule(s)),
        entry("sgd, nesterov", |s| Sgd::new(5e-3).momentum(0.9).nesterov(true).schedule(s)),
        entry("sgd, clipped", |s| Sgd::new(0.015).clip_norm(1.0).clip_value(0.8).schedule(s)),
        entry("adagrad", |s| Adagrad::new(0.5).schedule(s)),
        entry("adadelta", |s| Adadelta::new(0.05).schedule(s)),
        entry("rmsprop", |s| RmsProp::new(1e-3).schedule(s)),
        entry("rmsprop, centred, momentum", |s| RmsProp::new(1e-3).centered(true).momentum(0.5).schedule(s)),
        entry("adam", |s| Adam::new(0.01).schedule(s)),
        entry("adam, amsgrad", |s| Adam::new(0.05).amsgrad(true).schedule(s)),
        entry("adamw, no decay", |s| AdamW::new(0.01).weight_decay(0.0).schedule(s)),
        entry("nadam", |s| NAdam::new(0.01).schedule(s)),
        entry("radam", |s| RAdam::new(0.01).schedule(s)),
        entry("adamax", |s| Adamax::new(0.01).schedule(s)),
        entry("rprop", |s| Rprop::new(0.01).schedule(s)),
        entry("asgd", |s| Asgd::new(0.015).schedule(s)),
        entry("lion", |s| Lion::new(2e-3).schedule(s)),
        entry("adafactor", |s| Adafactor::new(2e-3).schedule(s)),
        ("muon", Box::new(|f, s| as_matrix(f, Muon::new(2e-3).weight_decay(0.0).schedule(s)))),
        entry("muon, a vector", |s| {
            Muon::new(0.01).others(rules::AdamW { weight_decay: 0.0, ..Default::default() }).schedule(s)
        }),
        entry("lookahead", |s| Lookahead::new(Adam::new(0.02).schedule(s))),
        entry("lbfgs", |_| Lbfgs::new(1.0)),
        entry("lbfgs, to the end", |_| Lbfgs::new(1.0).tolerance_change(0.0).tolerance_grad(0.0)),
        entry("lbfgs, no line search", |_| Lbfgs::new(0.1).line_search(false)),
    ]
}

#[test]
fn every_optimizer_finds_every_convex_minimum_with_and_without_warm_up_and_decay() {
    let schedules = [("plain", constant()), ("warm-up, decay", warmup(200).then(cosine(STEPS - 200)))];
    let mut missed = Vec::new();
    for (name, run) in optimizers() {
        for function in functions::all().iter().filter(|f| f.convex) {
            for (how, schedule) in &schedules {
                let found = run(function, schedule.clone());
                let far = (&found.at - &Array1::from(function.minima[0].to_vec())).mapv(|d| d * d).sum().sqrt();
                if far.is_nan() || far > 0.01 || found.cost() - function.minimum > 1e-3 {
                    missed.push(format!("{name} on {}, {how}: {far} away, {}", function.name, found.stop));
                }
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// The ravine, a hundred times steeper across than along, with its minimum away from 0.
fn ravine<T: Float>(x: Var<'_, T>) -> Var<'_, T> {
    functions::ravine(x - &Array1::from(vec![T::from_f64(1.0), T::from_f64(-2.0)]))
}

#[test]
fn optimizers_work_in_f32_too() {
    let reached = |found: Minimum<f32, Ix1>| {
        assert_abs_diff_eq!(found.at.as_slice().unwrap(), [1.0, -2.0].as_slice(), epsilon = 1e-2)
    };
    let start = || array![5.0f32, 5.0];
    let steps = 4000;
    reached(minimize(ravine, start(), Sgd::new(5e-3).momentum(0.9), steps));
    reached(minimize(ravine, start(), Adam::new(0.05), steps));
    reached(minimize(ravine, start(), Adagrad::new(2.0), steps));
    reached(minimize(ravine, start(), RAdam::new(0.02), steps));
    reached(minimize(ravine, start(), Lion::new(0.05).schedule(cosine(3000)), steps));
    reached(minimize(ravine, start(), Adafactor::new(0.1).schedule(cosine(3000)), steps));
    reached(minimize(ravine, start(), Lookahead::new(NAdam::new(0.05)), steps));
    reached(minimize(ravine, start(), Lbfgs::new(1.0), 20));
}

#[test]
fn one_rate_for_all_diverges_where_it_is_too_large() {
    let cost = |rate| minimize(ravine, array![5.0, 5.0], Sgd::new(rate), 50).cost();
    assert!(cost(0.021) > 1e2, "past 2/100 it climbs");
    assert!(cost(0.019) < 50.0);
}

/// The samples have different costs: where the mean cost is least, the gradients of single samples are not 0. So steps
/// of a constant learning rate scatter, while averaged gradients come to rest.
#[test]
fn averaged_gradients_come_to_rest_where_stochastic_descent_scatters() {
    const N: usize = 50;
    let x = Array2::from_shape_fn((N, 2), |(i, j)| ((i * 7 + j * 13) as f64 * 0.37).sin());
    let y = Array1::from_shape_fn(N, |i| (i as f64 * 1.3).cos());
    let gram = x.t().dot(&x);
    let (a, b, d) = (gram[[0, 0]], gram[[0, 1]], gram[[1, 1]]);
    let right = x.t().dot(&y);
    let least = array![d * right[0] - b * right[1], a * right[1] - b * right[0]] / (a * d - b * b);
    let order = |step: usize| (step * 31 + step / N) % N;
    let gradients = |tape: &mut Tape<f64>, w: &Param<f64>, i: usize| {
        tape.gradients(|t| 0.5 * (t.param(w).dot(&x.row(i)) - y[i]).square().sum()).1
    };
    let far = |w: &Param<f64>| {
        (&least - &w.value().to_owned().into_dimensionality::<Ix1>().unwrap()).mapv(|d| d * d).sum().sqrt()
    };
    fn averaged<const UNBIASED: bool>(
        mut optimizer: SampleAverage<UNBIASED, rules::Sgd, f64>,
        step: impl Fn(&mut SampleAverage<UNBIASED, rules::Sgd, f64>, &mut Param<f64>, usize),
    ) -> Param<f64> {
        let mut w = Param::new([0.0, 0.0]);
        (0..100 * N).for_each(|k| step(&mut optimizer, &mut w, k));
        w
    }
    let w =
        averaged(Sag::new(0.05, N), |o, w, k| o.step(w, order(k), gradients(&mut Tape::mathematics(), w, order(k))));
    assert!(far(&w) < 1e-9, "SAG ends {} away", far(&w));
    let w =
        averaged(Saga::new(0.2, N), |o, w, k| o.step(w, order(k), gradients(&mut Tape::mathematics(), w, order(k))));
    assert!(far(&w) < 1e-9, "SAGA ends {} away", far(&w));
    let (mut w, mut sgd) = (Param::new([0.0, 0.0]), Sgd::new(0.05));
    for k in 0..100 * N {
        let grads = gradients(&mut Tape::mathematics(), &w, order(k));
        sgd.step(&mut w, &grads);
    }
    assert!(far(&w) > 1e-3, "stochastic descent ends {} away", far(&w));
}

/// The listed points are what they are said to be, and convex functions lie below their chords.
#[test]
fn test_functions_have_the_minima_and_saddles_they_list() {
    for f in functions::all() {
        let at = |x: &Array1<f64>| {
            let tape = Tape::mathematics();
            (f.cost)(tape.constant(x)).item()
        };
        let smooth = f.name != "ackley"; // ackley is a cone at its minimum
        let points = f.minima.iter().map(|p| (*p, true)).chain(f.local_minima.iter().map(|p| (*p, true)));
        for (point, is_minimum) in points.chain(f.saddles.iter().map(|p| (*p, false))) {
            let x = Array1::from(point.to_vec());
            if !smooth {
                continue;
            }
            let slope = grad(f.cost, &x).mapv(|g| g * g).sum().sqrt();
            assert!(slope < 1e-10, "{} at {point:?}: the gradient is {slope}", f.name);
            let h = hessian(f.cost, &x);
            // with one or two variables, a critical point is a minimum if trace and determinant are positive
            let (trace, det) = match point.len() {
                1 => (h[[0, 0]], h[[0, 0]]),
                _ => (h[[0, 0]] + h[[1, 1]], h[[0, 0]] * h[[1, 1]] - h[[0, 1]] * h[[1, 0]]),
            };
            assert_eq!(trace > 0.0 && det > 0.0, is_minimum, "{} at {point:?}: {h}", f.name);
        }
        for point in f.minima {
            assert_abs_diff_eq!(at(&Array1::from(point.to_vec())), f.minimum, epsilon = 1e-10);
        }
        for point in f.local_minima {
            assert!(at(&Array1::from(point.to_vec())) > f.minimum + 0.1, "{} at {point:?}", f.name);
        }
        let below_chords = (0..2000).all(|i| {
            let scatter = |n: usize| 2.0 * ((n as f64 * 12.9898).sin() * 43758.5453).rem_euclid(1.0) - 1.0;
            let draw = |k: usize| Array1::from_shape_fn(f.start.len(), |j| f.radius * scatter(i * 4 + k * 2 + j));
            let (a, b) = (draw(0), draw(1));
            at(&((&a + &b) / 2.0)) <= (at(&a) + at(&b)) / 2.0 + 1e-12
        });
        assert_eq!(below_chords, f.convex, "{}", f.name);
    }
}
