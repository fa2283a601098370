//! A run that is saved and goes on elsewhere is, bit for bit, the run that was never stopped: for every optimizer,
//! under every schedule.

use gradus_autograd::{Float, Param, Tape, Var};
use gradus_optim::{
    Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Asgd, Descent, Fade, Interpolation, Lbfgs, Lion, Lookahead,
    Muon, NAdam, RAdam, RmsProp, Rprop, Rule, Sag, Saga, Sam, SampleAverage, Schedule, Sgd, WeightAverage, constant,
    cosine, cyclic, exponential, inverse_sqrt, linear, multi_step, noam, one_cycle, piecewise, polynomial, rules,
    step_decay, warm_restarts, warmup, warmup_shaped,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A matrix, a vector and a number, because some rules treat them differently.
type Model = (Param<f64>, Param<f64>, Param<f64>);

fn start() -> Model {
    (Param::new(ndarray::array![[5.0, -3.0, 1.0], [0.5, 2.0, -1.0]]), Param::new([5.0, 4.0]), Param::new([0.3]))
}

fn cost<'t, T: Float>(t: &'t Tape<T>, (a, b, c): &(Param<T>, Param<T>, Param<T>), k: usize) -> Var<'t, T> {
    let (a, b, c) = (t.param(a), t.param(b), t.param(c));
    let shift = 0.1 * (k % 5) as f64;
    (a - shift).square().sum() + a.sin().sum() + 5 * (b - 1.0).square().sum() + (b * c).sum().tanh() + c.square().sum()
}

fn through_bytes<S: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(state: &S) -> S {
    let bytes = bincode::serde::encode_to_vec(state, bincode::config::standard()).unwrap();
    let (back, _) = bincode::serde::decode_from_slice(&bytes, bincode::config::standard()).unwrap();
    assert_eq!(&back, state);
    let text = serde_json::to_string(state).unwrap();
    assert_eq!(&serde_json::from_str::<S>(&text).unwrap(), state);
    back
}

const STEPS: usize = 23;

fn resumes<O: Descent<f64, State: PartialEq + std::fmt::Debug>>(
    name: &str,
    make: impl Fn() -> O,
    step: impl Fn(&mut O, &mut Model, usize),
) {
    let bits = |model: &Model| {
        let (a, b, c) = model;
        [a, b, c].iter().flat_map(|p| p.data().iter().map(|x| x.to_bits())).collect::<Vec<_>>()
    };
    let (mut whole, mut optimizer) = (start(), make());
    (0..STEPS).for_each(|k| step(&mut optimizer, &mut whole, k));
    assert_ne!(bits(&whole), bits(&start()), "{name}");
    for stop in [1, 7, 16] {
        let (mut half, mut first) = (start(), make());
        (0..stop).for_each(|k| step(&mut first, &mut half, k));
        let (mut resumed, mut second) = (half.clone(), make()) /* a clone's parameters were never seen */;
        second.load_state(through_bytes(&first.state())).unwrap();
        assert_eq!(second.state(), first.state(), "{name}: loading and saving again");
        (stop..STEPS).for_each(|k| step(&mut second, &mut resumed, k));
        assert_eq!(bits(&whole), bits(&resumed), "{name}, stopped after {stop} steps");
    }
}

/// Resumes an optimizer under every schedule; the schedule is saved and loaded too.
fn under_schedules<O: Descent<f64, State: PartialEq + std::fmt::Debug>>(name: &str, make: impl Fn(Schedule) -> O) {
    for schedule in schedules() {
        let schedule = through_bytes(&schedule);
        let what = format!("{name}, {schedule:?}");
        resumes(
            &what,
            || make(schedule.clone()),
            |optimizer, model, k| {
                let mut tape = Tape::mathematics();
                optimizer.descend(model, |model| tape.gradients(|t| cost(t, model, k)));
            },
        );
    }
}

fn schedules() -> Vec<Schedule> {
    vec![
        constant(),
        linear(1.0, 0.1, 20),
        polynomial(25, 2.0),
        step_decay(5, 0.5),
        multi_step(&[3, 9, 15], 0.3),
        exponential(1, 0.9),
        cosine(24),
        warm_restarts(4, 2).between(0.1, 1.0),
        one_cycle(25),
        cyclic(0.1, 3, 4, Fade::By(0.95)),
        inverse_sqrt(5),
        noam(4, 5),
        piecewise(&[(0, 1.0), (8, 0.3), (20, 0.1)], Interpolation::Geometric),
        warmup(5).then(cosine(20)),
        warmup_shaped(5, Interpolation::Cosine).times(exponential(2, 0.9)).clamp(0.1, 0.8),
        linear(1.0, 0.2, 5).every(4).scale(0.9),
    ]
}

#[test]
fn every_optimizer_resumes_bit_for_bit_under_every_schedule() {
    under_schedules("sgd", |s| Sgd::new(0.01).schedule(s));
    under_schedules("momentum", |s| Sgd::new(5e-3).momentum(0.9).dampening(0.1).weight_decay(0.1).schedule(s));
    under_schedules("nesterov", |s| Sgd::new(5e-3).momentum(0.9).nesterov(true).schedule(s));
    under_schedules("adam", |s| Adam::new(0.1).schedule(s));
    under_schedules("amsgrad", |s| Adam::new(0.1).amsgrad(true).schedule(s));
    under_schedules("adamw", |s| AdamW::new(0.1).clip_norm(1.0).schedule(s));
    under_schedules("adagrad", |s| Adagrad::new(1.0).lr_decay(0.1).initial_accumulator_value(0.1).schedule(s));
    under_schedules("adadelta", |s| Adadelta::new(1.0).schedule(s));
    under_schedules("rmsprop", |s| RmsProp::new(5e-3).centered(true).momentum(0.5).schedule(s));
    under_schedules("nadam", |s| NAdam::new(0.1).schedule(s));
    under_schedules("radam", |s| RAdam::new(0.1).schedule(s));
    under_schedules("adamax", |s| Adamax::new(0.1).schedule(s));
    under_schedules("rprop", |s| Rprop::new(0.1).schedule(s));
    under_schedules("asgd", |s| Asgd::new(0.01).t0(3.0).schedule(s));
    under_schedules("lion", |s| Lion::new(0.05).clip_value(0.5).schedule(s));
    under_schedules("adafactor", |s| Adafactor::new(0.1).clip_norm_each(2.0).schedule(s));
    under_schedules("muon", |s| Muon::new(0.05).schedule(s));
    under_schedules("groups", |s| Adam::new(0.1).schedule(s).group("1", |g| g.frozen(true)).group("2", |g| g.lr(0.3)));
    under_schedules("lookahead", |s| Lookahead::new(Adam::new(0.1).schedule(s)).every(3));
    under_schedules("sam", |s| Sam::new(AdamW::new(0.1).clip_norm(1.0).schedule(s)).rho(0.1).adaptive(true));
    under_schedules("an average around lookahead around RMSprop", |s| {
        WeightAverage::exponential(0.8).around(Lookahead::new(RmsProp::new(0.01).schedule(s)).every(4))
    });
    under_schedules("lookahead around an average around L-BFGS", |_| {
        Lookahead::new(WeightAverage::equal().around(Lbfgs::new(1.0).max_iter(2))).every(2)
    });
    // L-BFGS has no schedule, so the closures ignore it
    under_schedules("lbfgs", |_| Lbfgs::new(1.0).max_iter(2));
    under_schedules("lbfgs, no line search", |_| Lbfgs::new(0.1).max_iter(3).history_size(4).line_search(false));
}

#[test]
fn averaged_gradients_resume_bit_for_bit() {
    fn by_sample<const UNBIASED: bool, R: Rule>(o: &mut SampleAverage<UNBIASED, R, f64>, model: &mut Model, k: usize) {
        let grads = Tape::mathematics().gradients(|t| cost(t, model, k)).1;
        o.step(model, k % 5, grads);
    }
    resumes("sag", || Sag::new(0.01, 5), by_sample);
    resumes("saga", || Saga::new(0.01, 5), by_sample);
    let adam = || Adam::new(0.1).schedule(cosine(30));
    resumes("saga with adam", || SampleAverage::<true, rules::Adam, f64>::with_optimizer(adam(), 5), by_sample);
}

#[test]
fn averages_of_weights_resume_bit_for_bit() {
    for average in [WeightAverage::exponential(0.9), WeightAverage::equal()] {
        let (mut whole, mut resumed) = (average.clone(), average);
        for k in 0..10 {
            let w = Param::new([(k as f64).sin(), (k as f64).cos()]);
            whole.update(&w);
            resumed = through_bytes(&resumed);
            resumed.update(&w);
        }
        assert_eq!(whole, resumed);
        assert_eq!(whole.count(), 10);
    }
}

/// The factor by which a metric steers the learning rate is part of the saved state.
#[test]
fn the_factor_of_a_plateau_is_saved() {
    let mut opt: Adam<f64> = Adam::new(0.1);
    opt.set_factor(0.25);
    let mut other: Adam<f64> = Adam::new(0.1);
    other.load_state(through_bytes(&opt.state())).unwrap();
    assert_eq!(other.lr(), 0.025);
}
