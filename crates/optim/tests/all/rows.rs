//! Steps that pass over the rows of a table that have no gradient.

use gradus_autograd::{Gradients, Param, Tape};
use gradus_optim::{
    Adadelta, Adagrad, Adam, AdamW, Adamax, Asgd, Lion, NAdam, Optimizer, RAdam, RmsProp, Rprop, Rule, Sgd,
};
use ndarray::Array1;

const ROWS: usize = 1500;

/// A few rows, different ones at each step.
fn words(step: usize) -> Array1<usize> {
    (0..12).map(|k| (step * 7 + k * 131 + k * k * step) % ROWS).collect()
}

fn gradients(table: &Param<f32>, step: usize) -> Gradients<f32> {
    let (_, grads) = Tape::training(0).gradients(|t| {
        let rows = t.param(table).embedding(&words(step));
        (rows * 3.0).sin().sum() + rows.square().sum()
    });
    grads
}

fn table() -> Param<f32> {
    Param::with(&[ROWS, 3], |numbers| {
        numbers.iter_mut().enumerate().for_each(|(i, x)| *x = (i * 37 % 101) as f32 / 50.0 - 1.0);
    })
}

/// With the list of rows and without it, each step is the same, bit for bit: also after a state is loaded, a step of
/// all rows, a sum of two sweeps, a scaled gradient, and with clipping.
fn same_with_and_without<R: Rule>(new: impl Fn() -> Optimizer<R>) {
    let (mut fast, mut slow) = (table(), table());
    let (mut of_fast, mut of_slow) = (new().clip_norm(4.0), new().clip_norm(4.0));
    for step in 0..40 {
        let (mut ours, mut theirs) = (gradients(&fast, step), gradients(&slow, step));
        if step % 5 == 2 {
            ours.add(&gradients(&fast, step + 1));
            theirs.add(&gradients(&slow, step + 1));
            ours.scale(0.5);
            theirs.scale(0.5);
        }
        assert!(ours.rows(&fast).is_some_and(|rows| rows.is_sorted() && rows.len() < 30));
        theirs.update(&slow, |_| {});
        assert_eq!(theirs.rows(&slow), None);
        if step == 20 {
            ours.update(&fast, |g| g[0] = 1.0);
            theirs.update(&slow, |g| g[0] = 1.0);
        }
        if step == 30 {
            let state = of_fast.state();
            assert_eq!(state, of_slow.state());
            of_fast = new().clip_norm(4.0);
            of_fast.load_state(state).unwrap();
        }
        of_fast.step(&mut fast, &ours);
        of_slow.step(&mut slow, &theirs);
        assert!(fast.data() == slow.data(), "{} differs at step {step}", R::NAME);
    }
    assert_eq!(of_fast.state(), of_slow.state());
}

#[test]
fn rows_are_passed_over_only_where_no_step_changes_them() {
    same_with_and_without(|| Sgd::new(0.1));
    same_with_and_without(|| Sgd::new(0.1).momentum(0.9).dampening(0.3).nesterov(true));
    same_with_and_without(|| Sgd::new(0.1).weight_decay(0.1));
    same_with_and_without(|| Adagrad::new(0.1));
    same_with_and_without(|| Adagrad::new(0.1).initial_accumulator_value(0.1));
    same_with_and_without(|| Adadelta::new(1.0));
    same_with_and_without(|| RmsProp::new(0.01));
    same_with_and_without(|| RmsProp::new(0.01).centered(true).momentum(0.9));
    same_with_and_without(|| Adam::new(0.01));
    same_with_and_without(|| Adam::new(0.01).amsgrad(true));
    same_with_and_without(|| AdamW::new(0.01));
    same_with_and_without(|| AdamW::new(0.01).weight_decay(0.0));
    same_with_and_without(|| RAdam::new(0.01));
    same_with_and_without(|| NAdam::new(0.01));
    same_with_and_without(|| Adamax::new(0.01));
    same_with_and_without(|| Lion::new(0.01));
    same_with_and_without(|| Rprop::new(0.01));
    same_with_and_without(|| Asgd::new(0.01));
}

/// `lazy` is PyTorch's `SparseAdam`: a row that has no gradient at a step stays, and so do its momenta.
#[test]
fn lazy_rows_rest() {
    let (mut table, mut rows) = (table(), table());
    let mut lazy = Adam::new(0.01).lazy(true);
    let (mut m, mut v) = (vec![0.0f64; ROWS * 3], vec![0.0f64; ROWS * 3]);
    for step in 0..20 {
        let grads = gradients(&table, step);
        let dense = grads.wrt(&table);
        let t = step as i32 + 1;
        for &row in grads.rows(&table).unwrap() {
            for i in row * 3..row * 3 + 3 {
                let g = f64::from(dense.as_slice().unwrap()[i]);
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.999 * v[i] + 0.001 * g * g;
                let moved = 0.01 * m[i] / (1.0 - 0.9f64.powi(t)) / ((v[i] / (1.0 - 0.999f64.powi(t))).sqrt() + 1e-8);
                rows.update(|numbers| numbers[i] -= moved as f32);
            }
        }
        lazy.step(&mut table, &grads);
    }
    let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
    assert!(table.data().iter().zip(rows.data()).all(close));
}

/// A gradient of few rows is zeros elsewhere at every step, whatever earlier steps wrote to its memory.
#[test]
fn memory_of_earlier_gradients_does_not_show() {
    let table = table();
    let mut tape = Tape::training(0);
    for step in 0..10 {
        let (_, mut grads) = tape.gradients(|t| t.param(&table).embedding(&words(step)).sum());
        let mut expected = vec![0.0f32; ROWS * 3];
        words(step).iter().for_each(|row| expected[row * 3..row * 3 + 3].iter_mut().for_each(|x| *x += 1.0));
        assert_eq!(grads.wrt(&table).as_slice().unwrap(), expected);
        match step % 3 {
            0 => drop(grads.update(&table, |g| g.fill(7.0))),
            1 => grads.scale(f64::INFINITY),
            _ => grads.scale(3.0),
        }
    }
    // the same table in another use, which gives every row a gradient
    let (_, grads) = tape.gradients(|t| t.param(&table).embedding(&words(1)).sum() + t.param(&table).sum());
    assert_eq!(grads.rows(&table), None);
    assert_eq!(grads.wrt(&table).iter().filter(|g| **g == 0.0).count(), 0);
}

/// A table that is looked up in another shape has no list of rows, and no step is lost.
#[test]
fn rows_of_a_reshaped_table_are_rows_of_another_array() {
    let mut tape = Tape::training(0);
    let mut table = Param::<f32>::zeros(&[4, 2048]);
    for (rows, row) in [(2048, 2047), (2048, 1), (4096, 0)] {
        let width = 4 * 2048 / rows;
        let (_, mut grads) = tape.gradients(|t| t.param(&table).reshape([rows, width]).index_select(0, &[row]).sum());
        assert_eq!(grads.rows(&table), None);
        grads.scale(2.0);
        assert_eq!(grads.wrt(&table).sum(), 2.0 * width as f32);
        Sgd::new(1.0).step(&mut table, &grads);
    }
    let moved: Vec<usize> = (0..8192).filter(|&i| table.data()[i] == -2.0).collect();
    assert_eq!(moved, [0, 1, 4, 5, 6, 7, 8188, 8189, 8190, 8191]);
}

/// Tables of ever other sizes do not pile up.
#[test]
fn memory_of_few_rows_is_given_back() {
    let mut tape = Tape::training(0);
    let mut sizes = Vec::new();
    for n in 2000..2040 {
        let x = ndarray::Array2::<f32>::ones((n, 64));
        let (_, grads) = tape.gradients(|t| t.var(&x).index_select(0, &[0]).sum());
        drop(grads);
        sizes.push(tape.memory().gradients);
    }
    assert!(sizes[39] < 3 * sizes[0], "{sizes:?}");
}

/// Of a gradient with few rows, only the blocks in which they lie are added up; the blocks around them are zeros.
#[test]
fn the_norm_of_few_rows_is_that_of_the_whole_gradient_bit_for_bit() {
    let mut table = Param::<f32>::with(&[60_000, 3], |numbers| {
        numbers.iter_mut().enumerate().for_each(|(i, x)| *x = (i * 37 % 101) as f32 / 50.0 - 1.0);
    });
    let index = Array1::from_iter([3usize, 10_922, 10_923, 10_923, 45_000, 59_999]);
    let (_, mut grads) = Tape::training(0).gradients(|t| t.param(&table).embedding(&index).square().sum());
    let mut opt = Sgd::new(0.0).watch_norm();
    opt.step(&mut table, &grads);
    assert!(grads.rows(&table).is_some());
    let of_rows = opt.last_norm();
    grads.update(&table, |_| {});
    assert!(grads.rows(&table).is_none());
    opt.step(&mut table, &grads);
    assert_eq!(of_rows, opt.last_norm());
    assert_eq!(of_rows, Some(grads.norm()));
}
