//! Every optimizer on problems whose minimum is known, and the settings that all optimizers share.

use approx::assert_abs_diff_eq;
use gradus_autograd::{Float, Module, Param, Tape};
use gradus_optim::{
    Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Asgd, Descent, Lbfgs, Lion, Lookahead, Muon, NAdam, Optimizer,
    RAdam, RmsProp, Rprop, Rule, Saga, Sgd, WeightAverage, rules,
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

/// The state is the average of the iterates, which is the purpose of averaged descent.
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
    // the padding is zeros, for which 1/x is infinite
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

/// Makes steps along the given gradients, and returns the parameter.
fn steps<R: Rule>(
    start: ndarray::Array2<f64>,
    gradients: &[ndarray::Array2<f64>],
    mut opt: Optimizer<R, f64>,
) -> Vec<f64> {
    let mut w = Param::new(&start);
    for gradient in gradients {
        let (_, grads) = Tape::mathematics().gradients(|t| (t.param(&w) * gradient).sum());
        opt.step(&mut w, &grads);
    }
    w.data().to_vec()
}

/// The expected numbers come from the algorithm of PyTorch's `Muon` in f64 (numpy); PyTorch itself, which iterates in
/// bfloat16, agrees to 4·10⁻³.
#[test]
fn muon_makes_pytorchs_steps() {
    for (rows, columns, plain, matched) in [
        (
            2,
            3,
            [
                0.373426264708795,
                0.854221952259012,
                1.597083512322215,
                2.06012319932214,
                2.21881371044093,
                2.84469635961465,
            ],
            [
                0.446019918964247,
                0.910464656536351,
                1.50999673248591,
                1.991350102391736,
                2.357730126012236,
                2.87767222591779,
            ],
        ),
        (
            3,
            2,
            [
                0.458544657578881,
                0.768618932415715,
                1.567196909783143,
                2.008729990500337,
                2.236276021217176,
                2.980837297039151,
            ],
            [
                0.487839794740099,
                0.909360184668947,
                1.485414186455667,
                1.967024686646624,
                2.365115662250417,
                2.920737269559412,
            ],
        ),
    ] {
        let at = |f: &dyn Fn(f64) -> f64| {
            ndarray::Array2::from_shape_fn((rows, columns), |(i, j)| f((i * columns + j) as f64))
        };
        let start = at(&|i| 0.5 * (i + 1.0));
        let gradients: Vec<_> = (0..3).map(|k| at(&|i| (1.7 * i + f64::from(k)).sin())).collect();
        let got = steps(start.clone(), &gradients, Muon::new(0.1));
        assert_abs_diff_eq!(got.as_slice(), plain.as_slice(), epsilon = 1e-12);
        let got = steps(start, &gradients, Muon::new(0.1).nesterov(false).match_adamw(true));
        assert_abs_diff_eq!(got.as_slice(), matched.as_slice(), epsilon = 1e-12);
    }
}

#[test]
fn muon_steps_what_is_no_matrix_as_adamw() {
    let run = |opt: &mut dyn FnMut(&mut Param<f64>, &gradus_autograd::Gradients<f64>)| {
        let mut w = Param::new([1.0, -2.0, 0.5]);
        for _ in 0..5 {
            let (_, grads) = Tape::mathematics().gradients(|t| t.param(&w).square().sum());
            opt(&mut w, &grads);
        }
        w.data().to_vec()
    };
    let (mut muon, mut adamw) = (Muon::new(0.1), AdamW::new(0.1));
    assert_eq!(run(&mut |w, g| muon.step(w, g)), run(&mut |w, g| adamw.step(w, g)));
}

/// k = 2 and α = ½ around plain descent with learning rate 1, so that the gradients are the steps.
#[test]
fn lookahead_follows_half_way_every_second_step() {
    let (mut w, mut opt) = (Param::new([0.0f64]), Lookahead::new(Sgd::new(1.0)).every(2).alpha(0.5));
    let mut seen = Vec::new();
    for _ in 0..5 {
        let (_, grads) = Tape::mathematics().gradients(|t| (t.param(&w) * -4.0).sum());
        opt.step(&mut w, &grads);
        seen.push(w.data()[0]);
    }
    assert_eq!(seen, [4.0, 4.0, 8.0, 8.0, 12.0]);
}

#[test]
fn averages_of_weights_follow_their_formulas() {
    let (mut mean, mut ema) = (WeightAverage::equal(), WeightAverage::exponential(0.75));
    let mut w = Param::new([0.0f64]);
    for value in [2.0, 4.0, 9.0] {
        w.set([value]);
        mean.update(&w);
        ema.update(&w);
    }
    assert_abs_diff_eq!(mean.applied_to(&w).data()[0], 5.0, epsilon = 1e-12);
    assert_eq!(ema.applied_to(&w).data(), [0.75 * 2.5 + 0.25 * 9.0]);
    assert_eq!(w.data(), [9.0]);
}

#[test]
#[should_panic(expected = "the weights of `` (1 numbers) are not for `` of shape [2]")]
fn an_average_of_another_model_is_refused() {
    let mut average = WeightAverage::equal();
    average.update(&Param::new([1.0f64]));
    average.update(&Param::new([1.0f64, 2.0]));
}

#[test]
fn frozen_groups_stay_and_do_not_count_in_the_norm() {
    let mut model: Vec<Param<f64>> = (0..2).map(|_| Param::new([1.0])).collect();
    let mut opt =
        Adam::new(0.1).weight_decay(0.5).clip_norm(1e9).group("0", |g| g.frozen(true)).group("1", |g| g.lr(0.3));
    let (_, grads) = Tape::mathematics().gradients(|t| 3 * t.param(&model[0]).sum() + 4 * t.param(&model[1]).sum());
    opt.step(&mut model, &grads);
    assert_eq!(model[0].data(), [1.0]);
    assert!(model[1].data()[0] < 1.0);
    assert_eq!(opt.last_norm(), Some(4.0));
    assert_eq!((opt.lr_of("0"), opt.lr_of("1"), opt.lr_of("2")), (0.1, 0.3, 0.1));
}

#[test]
fn a_step_that_is_not_finite_is_refused_with_its_place() {
    let mut model = (Param::new([1.0f64]), Param::new([1.0, 0.0]));
    let mut opt = Adam::new(0.1);
    let (_, grads) = Tape::mathematics().gradients(|t| t.param(&model.0).sum() + t.param(&model.1).ln().sum());
    let error = opt.try_step(&mut model, &grads).unwrap_err();
    assert_eq!((error.step, error.path.as_str(), error.index, error.value), (0, "1", 1, f64::INFINITY));
    assert_eq!((model.0.data(), opt.steps(), opt.last_norm()), ([1.0].as_slice(), 0, Some(f64::INFINITY)));
    let (_, grads) = Tape::mathematics().gradients(|t| t.param(&model.0).sum());
    assert!(opt.try_step(&mut model, &grads).is_ok() && opt.steps() == 1);
    // the gradients of frozen parameters are not checked, so the error names a later parameter
    let mut opt = Adam::new(0.1).group("0", |g| g.frozen(true));
    let (_, grads) =
        Tape::mathematics().gradients(|t| (t.param(&model.0) * f64::NAN).sum() + t.param(&model.1).ln().sum());
    assert_eq!(opt.try_step(&mut model, &grads).unwrap_err().path, "1");
}

#[test]
fn states_of_other_sizes_are_refused_by_every_wrapper() {
    let mut w = Param::new([1.0f64]);
    let mut saga = Saga::new(0.1, 3);
    let (_, grads) = Tape::mathematics().gradients(|t| t.param(&w).sum());
    saga.step(&mut w, 2, grads);
    let error = Saga::<f64>::new(0.1, 4).load_state(saga.state()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the saved state has 3 samples, this one has 4; load it into one with the settings it was saved with"
    );
    let mut broken = saga.state();
    broken.sum.push(0.0);
    assert!(Saga::<f64>::new(0.1, 3).load_state(broken).unwrap_err().to_string().contains("2 numbers of a gradient"));
    let mut lbfgs = Lbfgs::new(1.0);
    lbfgs.step(&mut w, |w| Tape::mathematics().gradients(|t| t.param(w).square().sum()));
    let mut broken = lbfgs.state().clone();
    broken.direction.clear();
    assert!(Lbfgs::<f64>::new(1.0).load_state(broken).is_err());
    let other = Lookahead::<_, f64>::new(Sgd::new(0.1)).load_state(Lookahead::new(Adam::new(0.1)).state());
    assert_eq!(other.unwrap_err().to_string(), "the saved state is of adam, the optimizer is sgd");
}

#[test]
#[should_panic(expected = "Lbfgs::step: the state is of another model")]
fn lbfgs_refuses_another_model() {
    let mut opt = Lbfgs::new(1.0);
    for mut w in [Param::new([1.0f64]), Param::new([1.0, 2.0])] {
        opt.step(&mut w, |w| Tape::mathematics().gradients(|t| t.param(w).square().sum()));
    }
}

/// Parameters of 0 numbers have padding, but their states have none.
#[test]
fn every_rule_steps_parameters_of_no_numbers() {
    fn runs<R: Rule>(mut opt: Optimizer<R, f64>) {
        let empty = |shape: &[usize]| Param::<f64>::zeros(shape);
        let mut model = vec![empty(&[0]), empty(&[0, 3]), empty(&[3, 0]), Param::new([1.0])];
        for _ in 0..2 {
            let (_, grads) = Tape::mathematics()
                .gradients(|t| model.iter().fold(t.constant(0.0), |sum, p| sum + t.param(p).square().sum()));
            opt.step(&mut model, &grads);
        }
        assert!(model[3].data()[0] < 1.0, "{}", R::NAME);
        opt.load_state(opt.state()).unwrap();
        let (_, grads) = Tape::mathematics().gradients(|t| t.param(&model[0]).sum() + t.param(&model[2]).sum());
        opt.step(&mut model, &grads);
    }
    runs(Sgd::new(0.1).momentum(0.9));
    runs(Adam::new(0.1).amsgrad(true));
    runs(AdamW::new(0.1).clip_value(1.0));
    runs(Adagrad::new(0.1));
    runs(Adadelta::new(0.1));
    runs(centred());
    runs(NAdam::new(0.1));
    runs(RAdam::new(0.1));
    runs(Adamax::new(0.1));
    runs(Rprop::new(0.1));
    runs(Asgd::new(0.1));
    runs(Lion::new(0.1).clip_norm_each(1.0));
    runs(Adafactor::new(0.1));
    runs(Muon::new(0.1));
}

#[test]
fn a_gradient_that_is_not_a_number_shows_in_adafactor() {
    let got = steps(
        ndarray::array![[1.0, 2.0], [3.0, 4.0]],
        &[ndarray::array![[f64::NAN, 1.0], [1.0, 1.0]]],
        Adafactor::new(0.01),
    );
    assert!(got.iter().all(|w| w.is_nan()), "{got:?}");
}

/// If all gradients are equal, the variance is 0, and rounding may make its estimate negative.
#[test]
fn centred_rmsprop_bears_gradients_that_do_not_change() {
    fn run<T: Float>(gradient: f64) -> f64 {
        let (mut w, mut opt) = (Param::<T>::new([T::default()]), RmsProp::new(1e-6).centered(true));
        let mut tape = Tape::mathematics();
        for _ in 0..4000 {
            let (_, grads) = tape.gradients(|t| (t.param(&w) * gradient).sum());
            opt.step(&mut w, &grads);
        }
        w.data()[0].to_f64()
    }
    for gradient in [0.1, 0.7] {
        assert!(run::<f32>(gradient).is_finite() && run::<f64>(gradient).is_finite(), "{gradient}");
    }
}

#[test]
fn settings_out_of_range_are_refused_where_they_are_made() {
    let refused = |make: fn()| {
        let panic = std::panic::catch_unwind(make).unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    };
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let messages = [
        refused(|| {
            let _ = Adam::<f32>::new(0.1).betas((1.0, 0.999));
        }),
        refused(|| {
            let _ = Sgd::<f32>::new(-0.1);
        }),
        refused(|| {
            let _ = Sgd::<f32>::new(0.1).clip_norm(f64::NAN);
        }),
        refused(|| {
            let _ = Sgd::<f32>::new(0.1).group("*", |g| g.lr(f64::INFINITY));
        }),
        refused(|| {
            let _ = Lookahead::<_, f32>::new(Sgd::new(0.1)).alpha(-1.0);
        }),
        refused(|| {
            let _ = gradus_optim::ReduceOnPlateau::new().factor(2.0);
        }),
        refused(|| {
            let _ = Lbfgs::<f32>::new(-1.0);
        }),
        refused(|| {
            let _ = Optimizer::<_, f32>::with_rule(0.1, rules::AdamW { weight_decay: -1.0, ..Default::default() });
        }),
        refused(|| {
            let _ =
                Sgd::<f32>::new(0.1).group("*", |g| g.rule(rules::Sgd { momentum: f64::NAN, ..Default::default() }));
        }),
    ];
    std::panic::set_hook(hook);
    assert_eq!(
        messages,
        [
            "betas: (1.0, 0.999) is out of range; it must be in 0.0..1.0",
            "lr: -0.1 is out of range; it must be in 0.0..inf",
            "clip_norm: NaN is out of range; it must be in 0.0..inf",
            "lr: inf is out of range; it must be in 0.0..inf",
            "alpha: -1.0 is out of range; it must be in 0.0..=1.0",
            "factor: 2.0 is out of range; it must be in 0.0..1.0",
            "lr: -1.0 is out of range; it must be in 0.0..inf",
            "weight_decay: -1.0 is out of range; it must be in 0.0..inf",
            "momentum: NaN is out of range; it must be in 0.0..inf",
        ]
    );
}

#[test]
#[should_panic(expected = "the state is of none of the model's parameters: it has ``, the model `0`, `1`")]
fn a_state_of_another_place_in_the_model_is_refused() {
    let mut opt = Adam::<f64>::new(0.1);
    opt.load_state(one_step(Adam::new(0.1), [1.0, 1.0]).1.state()).unwrap();
    let mut model = vec![Param::new([1.0, 2.0]), Param::new([3.0])];
    let (_, grads) = Tape::mathematics().gradients(|t| t.param(&model[0]).sum());
    opt.step(&mut model, &grads);
}

/// A parameter that moved is saved under its new path.
#[test]
fn a_parameter_that_moved_is_saved_where_it_is() {
    let step = |model: &mut Vec<Param<f64>>, opt: &mut Adam<f64>| {
        let (_, grads) = Tape::mathematics()
            .gradients(|t| model.iter().fold(t.constant(0.0), |sum, p| sum + t.param(p).square().sum()));
        opt.step(model, &grads);
    };
    let (mut model, mut opt) = (vec![Param::new([1.0]), Param::new([2.0])], Adam::new(0.1));
    (0..5).for_each(|_| step(&mut model, &mut opt));
    model.remove(0);
    step(&mut model, &mut opt);
    let state = opt.state();
    assert_eq!(state.params.iter().map(|p| (p.path.as_str(), p.steps)).collect::<Vec<_>>(), [("0", 6)]);
    let (mut resumed, mut other) = (model.clone(), Adam::new(0.1));
    other.load_state(state).unwrap();
    step(&mut model, &mut opt);
    step(&mut resumed, &mut other);
    assert_eq!(model[0].data(), resumed[0].data());
}

#[test]
fn gradients_too_large_for_their_squares_still_have_a_norm() {
    let mut w = Param::new([1.0f32, 1.0]);
    let (_, grads) = Tape::training(0).gradients(|t| (t.param(&w) * 1e20).sum());
    let mut opt = Sgd::new(1.0).clip_norm(1.0);
    opt.try_step(&mut w, &grads).unwrap();
    assert!((opt.last_norm().unwrap() / (2f64.sqrt() * 1e20) - 1.0).abs() < 1e-6);
    assert!((w.data()[0] - (1.0 - 0.5f32.sqrt())).abs() < 1e-6);
}

#[test]
fn a_bad_gradient_does_not_stay_in_averaged_gradients() {
    let mut opt = Saga::new(0.1, 2);
    let mut w = Param::new([1.0f64]);
    for (k, factor) in [1.0, f64::NAN, 1.0, 1.0].into_iter().enumerate() {
        let (_, grads) = Tape::mathematics().gradients(|t| (t.param(&w) * factor).sum());
        opt.step(&mut w, k % 2, grads);
        assert_eq!(w.data()[0].is_nan(), factor.is_nan(), "step {k}");
        if factor.is_nan() {
            w.set([1.0]);
        }
    }
}
