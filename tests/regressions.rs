//! Faults of the prototypes. The name of each test says what it ensures.

use std::time::Instant;

use gradus::prelude::*;
use ndarray::{Array2, array};

#[test]
fn a_forgotten_clear_does_not_train_on_stale_weights() {
    let mut w = Param::new(array![1.0]);
    let mut opt = Sgd::new(0.1);
    let tape = Tape::new(); // never cleared
    let mut seen = Vec::new();
    for _ in 0..3 {
        let loss = tape.param(&w).square().sum();
        seen.push(loss.item());
        opt.step(&mut w, &loss.backward());
    }
    // each step multiplies w by 0.8; on stale weights the losses would stay at 1
    for (seen, w) in seen.iter().zip([1f32, 0.8, 0.64]) {
        assert!((seen - w * w).abs() < 1e-6, "{seen}, not {}", w * w);
    }
}

#[test]
#[should_panic(expected = "not from the tape, or the step")]
fn gradients_of_another_tape_are_not_read() {
    let (one, two) = (Tape::new(), Tape::new());
    let (x, y) = (one.var(1.0), two.var(1.0));
    x.square().backward().wrt(y);
}

#[test]
#[should_panic(expected = "not from the tape, or the step")]
fn gradients_of_an_earlier_step_are_not_read() {
    let mut tape = Tape::new();
    let old = {
        let x = tape.var(1.0);
        x.square().backward()
    };
    tape.clear();
    let x = tape.var(1.0); // has the same place on the tape
    old.wrt(x);
}

#[test]
fn stepping_while_the_tape_is_full_corrupts_nothing() {
    let mut w = Param::new(array![3.0]);
    let tape = Tape::new();
    let y = (tape.param(&w) * &w).sum(); // the rule needs w
    let (before, grads) = (w.data().as_ptr(), y.backward());
    Sgd::new(1.0).step(&mut w, &grads);
    assert_eq!(w.data(), [-3.0]);
    assert_ne!(w.data().as_ptr(), before, "the tape's value was written over");
    // the value on the tape, and therefore the gradient, are those of the forward pass
    assert_eq!(y.item(), 9.0);
    assert_eq!(y.backward().get(&w).unwrap(), array![6.0].into_dyn());
}

#[test]
fn a_saved_value_is_that_of_the_forward_pass() {
    let mut w = Param::new(array![3.0]);
    let tape = Tape::new();
    let x = tape.var(array![1.0]);
    let y = (x * &w).sum();
    w.set(array![200.0]);
    assert_eq!(y.backward().wrt(x), array![3.0].into_dyn());
}

#[test]
fn no_parameter_is_copied_in_the_normal_loop() {
    let mut model = Mlp::builder([3, 5, 2]).build::<f32>();
    let places = |model: &Mlp| model.params().iter().map(|(_, p)| p.data().as_ptr()).collect::<Vec<_>>();
    let before = places(&model);
    let (mut tape, mut opt) = (Tape::training(0), Adam::new(1e-3));
    for _ in 0..5 {
        let (_, grads) = tape.gradients(|t| model.forward(t.constant(Array2::ones((4, 3)))).square().sum());
        opt.step(&mut model, &grads);
        assert_eq!(places(&model), before, "a parameter moved");
    }
}

#[test]
fn a_clone_is_independent() {
    let mut student = Mlp::builder([2, 3, 1]).seed(1).build::<f32>();
    let teacher = student.clone();
    assert!(student.params().iter().zip(teacher.params()).all(|((_, a), (_, b))| a.id() != b.id()));
    let mut tape = Tape::training(0);
    let (_, grads) = tape.gradients(|t| student.forward(t.constant(array![[1.0, 2.0]])).square().sum());
    let kept: Vec<f32> = teacher.params()[0].1.data().to_vec();
    Sgd::new(0.5).step(&mut student, &grads);
    assert_eq!(teacher.params()[0].1.data(), kept);
    assert_ne!(student.params()[0].1.data(), kept);
}

#[test]
fn teacher_and_student_share_a_tape() {
    let mut teacher = Mlp::builder([2, 8, 1]).seed(1).build::<f32>();
    teacher.set_frozen("*", true);
    let mut student = Mlp::builder([2, 8, 1]).seed(2).build::<f32>();
    let x = array![[0.1, 0.9], [-0.5, 0.3], [0.7, -0.2], [0.0, 0.4]];
    let (mut tape, mut opt) = (Tape::training(0), Adam::new(2e-2));
    let mut losses = Vec::new();
    for _ in 0..200 {
        let (loss, grads) = tape.gradients(|t| {
            let x = t.constant(&x);
            (teacher.forward(x) - student.forward(x)).square().mean()
        });
        assert!(teacher.params().iter().all(|(_, p)| grads.get(p).is_none()), "a frozen parameter got a gradient");
        opt.step(&mut student, &grads);
        losses.push(loss);
    }
    assert!(losses[199] < 0.05 * losses[0], "{} to {}", losses[0], losses[199]);
}

#[test]
#[should_panic(expected = "was it cloned")]
fn a_step_on_a_clone_is_explained() {
    let model = Mlp::builder([2, 3, 1]).build::<f32>();
    let mut tape = Tape::training(0);
    let (_, grads) = tape.gradients(|t| model.forward(t.constant(array![[1.0, 2.0]])).sum());
    Sgd::new(0.1).step(&mut model.clone(), &grads);
}

#[test]
fn the_default_tape_is_f32() {
    let tape = Tape::new();
    let _: f32 = tape.var(1.0).item();
}

#[test]
fn a_million_operations_need_no_deep_stack() {
    let run = || {
        let tape = Tape::new();
        let x = tape.var(1.0);
        let mut y = x;
        for _ in 0..500_000 {
            y = (y * 1.000_001).sin() + 0.1;
        }
        assert!(tape.len() > 1_000_000);
        let slope = y.backward().wrt(x)[[]];
        assert!(slope.is_finite());
        let recorded = y.grad([x])[0].item();
        assert_eq!(slope, recorded);
    };
    // a stack of 256 KiB would not hold a million frames
    std::thread::Builder::new().stack_size(256 * 1024).spawn(run).unwrap().join().unwrap();
}

/// The momenta of units that get no gradient any more shrink toward 0. They would stay in the range of denormal
/// numbers, where arithmetic is a hundred times slower.
#[test]
fn two_thousand_steps_with_dead_units_do_not_slow_down() {
    let mut model = Mlp::builder([32, 256, 4]).seed(1).build::<f32>();
    let x = Array2::from_shape_fn((8, 32), |(i, j)| ((i * 32 + j) as f32).sin());
    let y: Vec<usize> = (0..8).map(|i| i % 4).collect();
    let (mut tape, mut opt) = (Tape::training(0), Sgd::new(0.01).momentum(0.9));
    let mut step = |model: &mut Mlp| {
        let (_, grads) = tape.gradients(|t| model.forward(t.constant(&x)).cross_entropy(&y));
        opt.step(model, &grads);
    };
    step(&mut model);
    // every hidden unit dies: relu passes no gradient on any more
    if let Some(bias) = &mut model.layers[0].bias {
        bias.update(|numbers| numbers.fill(-1e3));
    }
    let mut timed = |steps: usize| {
        let start = Instant::now();
        (0..steps).for_each(|_| step(&mut model));
        start.elapsed()
    };
    timed(100);
    let times: Vec<_> = (0..19).map(|_| timed(100)).collect();
    let denormal = opt.state().params.iter().flat_map(|p| &p.numbers).filter(|x| x.is_subnormal()).count();
    assert_eq!(denormal, 0, "of the momenta; times of each 100 steps: {times:?}");
}

#[test]
fn tapes_and_gradients_may_change_threads() {
    fn sendable<A: Send>() {}
    fn shared<A: Sync>() {}
    sendable::<Tape>();
    sendable::<Gradients>();
    sendable::<Adam<f64>>();
    sendable::<Mlp>();
    shared::<Mlp>();
    shared::<Sequential>();
}

#[test]
fn a_frozen_parameter_stays_and_a_thawed_one_moves() {
    let mut model = Mlp::builder([2, 3, 1]).seed(4).build::<f32>();
    assert_eq!(model.set_frozen("layers.0.*", true), 2);
    let before: Vec<Vec<f32>> = model.params().iter().map(|(_, p)| p.data().to_vec()).collect();
    let mut opt = AdamW::new(0.1);
    let mut tape = Tape::training(0);
    let mut step = |model: &mut Mlp| {
        let (_, grads) = tape.gradients(|t| model.forward(t.constant(array![[1.0, 2.0]])).square().sum());
        opt.step(model, &grads);
    };
    step(&mut model);
    let moved: Vec<bool> = model.params().iter().zip(&before).map(|((_, p), b)| p.data() != b).collect();
    assert_eq!(moved, [false, false, true, true], "decay included");
    model.set_frozen("*", false);
    step(&mut model);
    assert!(model.params().iter().zip(&before).all(|((_, p), b)| p.data() != b));
}

#[test]
fn a_loaded_optimizer_goes_on_bit_for_bit() {
    fn run<R: gradus::optim::Rule>(make: impl Fn() -> Optimizer<R>, through_state: bool) -> Vec<u32> {
        let mut model = Mlp::builder([3, 4, 2]).dropout(0.3).seed(9).build::<f32>();
        let (mut opt, mut tape) = (make(), Tape::training(5));
        for step in 0..20 {
            if step == 9 && through_state {
                let (state, stream) = (opt.state(), tape.stream());
                model = model.clone();
                opt = make();
                opt.load_state(state).unwrap();
                tape = Tape::training(0);
                tape.set_stream(stream);
            }
            let (_, grads) = tape.gradients(|t| {
                model.forward(t.constant(array![[1.0, 2.0, -1.0], [0.3, 0.1, 0.2]])).cross_entropy(&[0, 1])
            });
            opt.step(&mut model, &grads);
        }
        model.params().iter().flat_map(|(_, p)| p.data().iter().map(|x| x.to_bits())).collect()
    }
    let schedule = || warmup(5).then(cosine(15));
    macro_rules! same {
        ($($make:expr),*) => {
            $(assert_eq!(run(|| $make, false), run(|| $make, true));)*
        };
    }
    same!(
        Sgd::new(0.1).momentum(0.9).nesterov(true).schedule(schedule()),
        Adam::new(0.01).schedule(schedule()),
        AdamW::new(0.01).group("*.bias", |g| g.weight_decay(0.0)).clip_norm(0.1)
    );
}

/// An addition hands one gradient to both operands. If one of the two is changed later, the other must stay the same.
#[test]
fn gradients_of_two_parameters_share_no_memory() {
    let (a, b) = (Param::new([1.0, 2.0]), Param::new([3.0, 4.0]));
    let mut tape = Tape::<f32>::mathematics();
    let mut sweep = || tape.gradients(|t| (t.param(&a) + t.param(&b)).square().sum()).1;
    let (mut scaled, mut added, same) = (sweep(), sweep(), sweep());
    scaled.scale(0.5);
    assert_eq!((scaled.wrt(&a), scaled.wrt(&b)), (array![4.0, 6.0].into_dyn(), array![4.0, 6.0].into_dyn()));
    added.add(&same);
    assert_eq!((added.wrt(&a), added.wrt(&b)), (array![16.0, 24.0].into_dyn(), array![16.0, 24.0].into_dyn()));
    let tape = Tape::new();
    let x = tape.var(3.0);
    let y = (x + 0.0).keep_gradient();
    let mut grads = (y * 2.0).backward();
    grads.scale(10.0);
    assert_eq!((grads.wrt(x)[[]], grads.wrt(y)[[]]), (20.0, 20.0));
}

/// A gradient that the sweep did not keep is an error, not 0.
#[test]
fn a_gradient_kept_too_late_is_an_error_and_no_zero() {
    let ask = |late: fn(Var<'_>, Var<'_>) -> Gradients| {
        let asked = std::panic::catch_unwind(|| {
            let tape = Tape::new();
            let x = tape.var(3.0);
            let h = x * 2.0;
            let gradients = late(x, h);
            gradients.wrt(h).sum()
        });
        let message = *asked.expect_err("a panic").downcast::<String>().expect("a text");
        assert!(message.contains("was not kept; call `keep_gradient()` on it before `backward()`"), "{message}");
    };
    ask(|_, h| {
        let gradients = h.square().backward();
        h.keep_gradient();
        gradients
    });
    ask(|x, h| h.keep_gradient().square().hvp([(x, ndarray::arr0(1.0))]));
}
