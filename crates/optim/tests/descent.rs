//! Every optimizer on problems whose minimum is known, and the settings that all share.

use approx::assert_abs_diff_eq;
use gradus_autograd::{Float, Module, Param, Tape, Var};
use gradus_optim::{
    Adadelta, Adagrad, Adam, AdamW, Adamax, Asgd, Lion, NAdam, Optimizer, RAdam, RmsProp, Rprop, Rule, Sgd, cosine,
    minimize, warmup,
};
use ndarray::{Array1, array};

/// A ravine: a hundred times steeper across than along.
fn ravine<T: Float>(x: Var<'_, T>) -> Var<'_, T> {
    50 * (x.at(0) - 1.0).square() + 0.5 * (x.at(1) + 2.0).square()
}

fn reaches<R: Rule, T: Float>(name: &str, optimizer: Optimizer<R, T>, steps: usize) {
    let start = Array1::from(vec![T::from_f64(5.0), T::from_f64(5.0)]);
    let found = minimize(ravine, start, optimizer, steps);
    for (found, want) in found.at.iter().zip([1.0, -2.0]) {
        assert!((found.to_f64() - want).abs() < 1e-2, "{name}: {found} after {steps} steps, not {want}");
    }
    assert!(found.cost().to_f64() < 1e-3 && found.costs.len() == steps + 1, "{name}");
}

#[test]
fn every_optimizer_gets_through_the_ravine() {
    let schedule = |steps: u64| warmup(20).then(cosine(steps - 20));
    reaches::<_, f64>("sgd", Sgd::new(0.015), 1000);
    reaches::<_, f32>("momentum", Sgd::new(0.005).momentum(0.9), 500);
    reaches::<_, f64>("nesterov", Sgd::new(0.005).momentum(0.9).nesterov(true), 500);
    reaches::<_, f64>("adam", Adam::new(0.1), 1000);
    reaches::<_, f32>("adam, warmed up and cooled down", Adam::new(0.3).schedule(schedule(500)), 500);
    reaches::<_, f32>("adamw without decay", AdamW::new(0.1).weight_decay(0.0), 1000);
    reaches::<_, f64>("adam, clipped", Adam::new(0.1).clip_norm(1.0), 1000);
    reaches::<_, f64>("adam, amsgrad", Adam::new(0.3).amsgrad(true), 1000);
    reaches::<_, f32>("adagrad", Adagrad::new(2.0), 1000);
    reaches::<_, f64>("adadelta", Adadelta::new(10.0), 4000);
    reaches::<_, f32>("rmsprop", RmsProp::new(0.05).schedule(schedule(1000)), 1000);
    reaches::<_, f64>("rmsprop, centred, with momentum", centred().schedule(schedule(2000)), 2000);
    reaches::<_, f64>("nadam", NAdam::new(0.1), 1000);
    reaches::<_, f32>("radam", RAdam::new(0.02), 3000);
    reaches::<_, f64>("adamax", Adamax::new(0.2), 1000);
    reaches::<_, f64>("rprop", Rprop::new(0.1), 300);
    reaches::<_, f64>("asgd", Asgd::new(0.015).lambd(0.0), 1000);
    reaches::<_, f32>("lion", Lion::new(0.05).schedule(schedule(1000)), 1000);
    reaches::<_, f64>("sgd, dampened", Sgd::new(0.01).momentum(0.9).dampening(0.5), 1000);
}

fn centred<T: Float>() -> RmsProp<T> {
    RmsProp::new(0.005).centered(true).momentum(0.5)
}

/// A run that is saved after 7 of 20 steps and goes on elsewhere is, bit for bit, the run that was never stopped.
#[test]
fn every_optimizer_resumes_bit_for_bit() {
    fn resumes<R: Rule>(name: &str, make: impl Fn() -> Optimizer<R, f64>) {
        let run = |w: &mut Param<f64>, optimizer: &mut Optimizer<R, f64>, steps: usize| {
            let mut tape = Tape::mathematics();
            for _ in 0..steps {
                let (_, grads) = tape.gradients(|t| ravine(t.param(w)) + t.param(w).sin().sum());
                optimizer.step(w, &grads);
            }
        };
        let start = || Param::new([5.0, 5.0]);
        let (mut w, mut optimizer) = (start(), make());
        run(&mut w, &mut optimizer, 20);
        let (mut half, mut first) = (start(), make());
        run(&mut half, &mut first, 7);
        let saved = serde_json::to_string(&first.state()).unwrap();
        let (mut resumed, mut second) = (Param::new([half.data()[0], half.data()[1]]), make());
        second.load_state(serde_json::from_str(&saved).unwrap()).unwrap();
        assert_eq!(second.state(), first.state(), "{name}: loading and saving again");
        run(&mut resumed, &mut second, 13);
        let bits = |w: &Param<f64>| w.data().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&w), bits(&resumed), "{name}");
    }
    let schedule = || warmup(5).then(cosine(20));
    resumes("sgd", || Sgd::new(0.01));
    resumes("momentum", || Sgd::new(0.005).momentum(0.9).dampening(0.1).schedule(schedule()));
    resumes("nesterov", || Sgd::new(0.005).momentum(0.9).nesterov(true));
    resumes("adam", || Adam::new(0.1).schedule(schedule()));
    resumes("amsgrad", || Adam::new(0.1).amsgrad(true));
    resumes("adamw", || AdamW::new(0.1).clip_norm(1.0));
    resumes("adagrad", || Adagrad::new(1.0).lr_decay(0.1).initial_accumulator_value(0.1));
    resumes("adadelta", || Adadelta::new(1.0));
    resumes("rmsprop", centred);
    resumes("nadam", || NAdam::new(0.1));
    resumes("radam", || RAdam::new(0.1).schedule(schedule()));
    resumes("adamax", || Adamax::new(0.1));
    resumes("rprop", || Rprop::new(0.1));
    resumes("asgd", || Asgd::new(0.01).t0(3.0));
    resumes("lion", || Lion::new(0.05).clip_value(0.5));
}

#[test]
#[should_panic(expected = "has 4 numbers, but these settings keep 6")]
fn a_state_of_other_settings_is_refused() {
    let mut opt = Adam::<f64>::new(0.1).amsgrad(true);
    opt.load_state(one_step(Adam::new(0.1), [1.0, 1.0]).1.state()).unwrap();
    let mut w = Param::new([1.0, 2.0]);
    let (_, grads) = Tape::mathematics().gradients(|t| t.param(&w).sum());
    opt.step(&mut w, &grads);
}

/// The average of the iterates, which is what averaged descent is for.
#[test]
fn averaged_descent_keeps_the_mean_of_its_iterates() {
    let (mut w, mut optimizer) = (Param::new([1.0f64]), Asgd::new(0.1).lambd(0.0).t0(0.0));
    let (mut tape, mut seen) = (Tape::mathematics(), Vec::new());
    for step in 0..10 {
        let (_, grads) = tape.gradients(|t| (t.param(&w) * f64::from(step % 3)).sum());
        optimizer.step(&mut w, &grads);
        seen.push(w.data()[0]);
    }
    let mean = seen.iter().sum::<f64>() / 10.0;
    assert_abs_diff_eq!(optimizer.state().params[0].numbers[0], mean, epsilon = 1e-12);
}

#[test]
fn one_rate_for_all_diverges_where_it_is_too_large() {
    let cost = |rate| minimize(ravine, array![5.0, 5.0], Sgd::new(rate), 50).cost();
    assert!(cost(0.021) > 1e2, "past 2/100 it climbs");
    assert!(cost(0.019) < 50.0);
}

fn one_step<R: Rule>(optimizer: Optimizer<R, f64>, grad: [f64; 2]) -> (Vec<f64>, Optimizer<R, f64>) {
    let (mut w, mut optimizer) = (Param::new([1.0, -1.0]), optimizer);
    let mut tape = Tape::mathematics();
    let (_, grads) = tape.gradients(|t| (t.param(&w) * t.constant(grad)).sum());
    optimizer.step(&mut w, &grads);
    (w.data().to_vec(), optimizer)
}

#[test]
fn clipping_scales_all_gradients_together() {
    let (w, optimizer) = one_step(Sgd::new(1.0).clip_norm(1.0), [3.0, 4.0]);
    assert_eq!(optimizer.last_norm(), Some(5.0));
    assert_abs_diff_eq!(w[0], 1.0 - 0.6, epsilon = 1e-6);
    assert_abs_diff_eq!(w[1], -1.0 - 0.8, epsilon = 1e-6);
    let (w, _) = one_step(Sgd::new(1.0).clip_norm(10.0), [3.0, 4.0]);
    assert_eq!(w, [-2.0, -5.0]);
}

#[test]
fn zero_gradients_give_no_nan() {
    assert_eq!(one_step(Adam::new(0.1), [0.0, 0.0]).0, [1.0, -1.0]);
    assert_eq!(one_step(Sgd::new(0.1).momentum(0.9).clip_norm(1.0), [0.0, 0.0]).0, [1.0, -1.0]);
    assert_eq!(one_step(Adagrad::new(0.1), [0.0, 0.0]).0, [1.0, -1.0]);
    assert_eq!(one_step(Adadelta::new(0.1), [0.0, 0.0]).0, [1.0, -1.0]);
    assert_eq!(one_step(centred(), [0.0, 0.0]).0, [1.0, -1.0]);
    assert_eq!(one_step(NAdam::new(0.1), [0.0, 0.0]).0, [1.0, -1.0]);
    assert_eq!(one_step(RAdam::new(0.1), [0.0, 0.0]).0, [1.0, -1.0]);
    assert_eq!(one_step(Adamax::new(0.1), [0.0, 0.0]).0, [1.0, -1.0]);
    assert_eq!(one_step(Rprop::new(0.1), [0.0, 0.0]).0, [1.0, -1.0]);
    assert_eq!(one_step(Asgd::new(0.1).lambd(0.0), [0.0, 0.0]).0, [1.0, -1.0]);
    assert_eq!(one_step(Lion::new(0.1), [0.0, 0.0]).0, [1.0, -1.0]);
}

#[test]
fn a_parameter_without_a_gradient_is_untouched_decay_included() {
    let mut pair = (Param::new([1.0f32]), Param::new([1.0f32]));
    let mut opt = AdamW::new(0.1).weight_decay(0.5);
    let mut tape = Tape::training(0);
    let (_, grads) = tape.gradients(|t| t.param(&pair.0).sum());
    opt.step(&mut pair, &grads);
    assert_ne!(pair.0.data(), [1.0]);
    assert_eq!(pair.1.data(), [1.0]);
}

#[test]
fn a_tied_parameter_steps_once() {
    let mut w = Param::new([2.0f64]);
    let mut tape = Tape::mathematics();
    let (_, grads) = tape.gradients(|t| (t.param(&w) * &w).sum());
    Sgd::new(0.25).step(&mut w, &grads);
    assert_eq!(w.data(), [1.0]); // 2 − ¼ · 2w
}

#[test]
fn the_last_group_that_fits_counts() {
    let mut model: Vec<Param<f64>> = (0..3).map(|_| Param::new([1.0])).collect();
    let mut opt = Sgd::new(1.0).group("*", |g| g.lr(0.5)).group("1", |g| g.lr(0.1).weight_decay(1.0));
    let mut tape = Tape::mathematics();
    let (_, grads) = tape.gradients(|t| model.iter().fold(t.constant(0.0), |sum, p| sum + t.param(p).sum()));
    opt.step(&mut model, &grads);
    let values: Vec<f64> = model.params().iter().map(|(_, p)| p.data()[0]).collect();
    assert_abs_diff_eq!(values.as_slice(), [0.5, 0.8, 0.5].as_slice(), epsilon = 1e-12);
    assert_eq!((opt.lr(), opt.steps()), (1.0, 1));
}

#[test]
#[should_panic(expected = "the state of `` is for a parameter of shape [2], but this one is [40]")]
fn a_state_of_another_model_is_refused() {
    let mut opt = Adam::<f64>::new(0.1);
    opt.load_state(one_step(Adam::new(0.1), [1.0, 1.0]).1.state()).unwrap();
    let mut w = Param::new(Array1::zeros(40));
    let (_, grads) = Tape::mathematics().gradients(|t| t.param(&w).sum());
    opt.step(&mut w, &grads);
}

#[test]
fn a_group_added_after_loading_keeps_the_state() {
    let state = one_step(Adam::new(0.1), [1.0, 1.0]).1.state();
    let mut opt = Adam::<f64>::new(0.1);
    opt.load_state(state.clone()).unwrap();
    assert_eq!(opt.group("*", |g| g.lr(0.2)).state(), state);
}

#[test]
fn a_saved_state_holds_no_padding() {
    let mut w = Param::new([2.0f64, 4.0]);
    let mut opt = Adam::new(0.1);
    // 1/x of the padding's zeros is infinite
    let (_, grads) = Tape::mathematics().gradients(|t| t.param(&w).recip().sum());
    opt.step(&mut w, &grads);
    let state = opt.state();
    assert_eq!(state.params[0].numbers.len(), 4);
    assert!(state.params[0].numbers.iter().all(|x| x.is_finite()));
}

#[test]
fn a_gradient_that_is_not_a_number_shows_through_clipping() {
    let (w, optimizer) = one_step(Sgd::new(1.0).clip_norm(1.0), [f64::NAN, 4.0]);
    assert!(w.iter().all(|w| w.is_nan()) && optimizer.last_norm().unwrap().is_nan());
}

#[test]
fn a_state_of_another_rule_is_refused() {
    let state = one_step(Adam::new(0.1), [1.0, 1.0]).1.state();
    let error = Sgd::<f64>::new(0.1).load_state(state).unwrap_err();
    assert_eq!(error.to_string(), "the saved state is of adam, the optimizer is sgd");
}
