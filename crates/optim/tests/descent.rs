//! Every optimizer on problems whose minimum is known, and the settings that all share.

use approx::assert_abs_diff_eq;
use gradus_autograd::{Float, Module, Param, Tape};
use gradus_optim::{
    Adadelta, Adagrad, Adam, AdamW, Adamax, Asgd, Lion, NAdam, Optimizer, RAdam, RmsProp, Rprop, Rule, Sgd,
};
use ndarray::Array1;

fn centred<T: Float>() -> RmsProp<T> {
    RmsProp::new(0.005).centered(true).momentum(0.5)
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
