//! No step reads numbers of an earlier step, and work grows with the data, not with its square.

use std::panic::{AssertUnwindSafe, catch_unwind};

use gradus::prelude::*;
use gradus::{Float, Operation, Output, Shape, Tensor, View, Vjp};
use ndarray::{Array2, Array3, array, s};

fn sequences(rows: usize) -> Array3<f32> {
    Array3::from_shape_fn((rows, 5, 3), |(i, j, k)| (i + 2 * j + 3 * k) as f32 * 0.1)
}

#[test]
fn a_recurrent_layer_starts_from_zeros_on_a_tape_that_was_used_before() {
    let gru: Gru = Gru::new(3, 16, &mut gradus::nn::rng(1));
    let mut tape = Tape::training(0);
    for rows in [32, 20, 1, 33] {
        let (cost, grads) = tape.gradients(|t| gru.forward(t.constant(sequences(rows))).square().mean());
        let (fresh, right) = Tape::training(0).gradients(|t| gru.forward(t.constant(sequences(rows))).square().mean());
        assert_eq!(cost, fresh, "{rows} sequences");
        assert_eq!(grads.wrt(&gru.weight_hh), right.wrt(&gru.weight_hh), "{rows} sequences");
    }
}

#[test]
fn constants_are_filled_from_zeros_in_every_step() {
    let mut tape = Tape::training(0);
    for step in 0..3 {
        let (sum, _) = tape.gradients(|t| {
            let hot = t.constant_with(&[40], |x| x[step] = 1.0);
            (t.var(vec![1.0f32; 40]) * hot).sum()
        });
        assert_eq!(sum, 1.0, "step {step}");
    }
}

/// This also holds for the constants that a rule makes in the sweep that computes.
#[test]
fn constants_of_a_rule_are_filled_from_zeros() {
    struct First;
    impl<T: Float> Operation<T> for First {
        fn name(&self) -> &'static str {
            "first"
        }
        fn shape(&self, _: &[&[usize]]) -> Result<Shape, String> {
            Ok(Shape::new())
        }
        fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
            output.data()[0] = inputs[0].data()[0];
        }
        fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
            cx.add(0, || {
                let x = cx.input(0);
                let one = x.constant(x.shape(), |one| one[0] = T::from_f64(1.0));
                one * cx.grad()
            });
        }
    }
    let mut tape = Tape::<f32>::training(0);
    for _ in 0..3 {
        let gradient = {
            let x = tape.var(vec![3.0; 40]);
            let gradient = (tape.apply(First, [x]) * 2.0 + x.square().sum() * 0.0).backward().wrt(x);
            gradient.sum()
        };
        assert_eq!(gradient, 2.0);
        tape.clear();
    }
}

/// In debug builds, numbers that an operation does not write are NaN, not numbers of an earlier step.
#[test]
#[cfg(debug_assertions)]
fn an_operation_that_writes_half_of_its_output_shows() {
    struct Half;
    impl<T: Float> Operation<T> for Half {
        fn name(&self) -> &'static str {
            "half"
        }
        fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
            Ok(inputs[0].into())
        }
        fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
            output.data()[0] = inputs[0].data()[0];
        }
        fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
            cx.add(0, || cx.grad());
        }
    }
    let tape = Tape::new();
    let y = tape.apply(Half, [tape.constant([1.0, 2.0])]);
    assert!(y.data()[0] == 1.0 && y.data()[1].is_nan());
}

/// If the `Drop` of an operation panics, it leaves nothing behind that the next step could take for its own.
#[test]
fn a_tape_is_clean_after_the_drop_of_an_operation_panicked() {
    struct Bomb;
    impl<T: Float> Operation<T> for Bomb {
        fn name(&self) -> &'static str {
            "bomb"
        }
        fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
            Ok(inputs[0].into())
        }
        fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
            output.data().copy_from_slice(inputs[0].data());
        }
        fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
            cx.add(0, || cx.grad());
        }
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("drop")
        }
    }
    let (w, mut tape) = (Param::new([1.0f32, 2.0]), Tape::training(0));
    catch_unwind(AssertUnwindSafe(|| drop(tape.gradients(|t| t.apply(Bomb, [t.param(&w)]).sum())))).unwrap_err();
    let (cost, grads) = tape.gradients(|t| {
        let k = t.var([100.0, 100.0]);
        (t.param(&w).square() + k * 0.0).sum()
    });
    assert_eq!((cost, grads.wrt(&w)), (5.0, array![2.0, 4.0].into_dyn()));
}

/// Compares how many numbers are written for the gradient of a sequence, by the layer over the whole and step by step.
#[test]
fn a_recurrent_layer_takes_work_that_grows_with_the_sequence() {
    let gru: Gru = Gru::new(4, 8, &mut gradus::nn::rng(0));
    let work = |steps: usize, whole: bool| {
        let x = Array3::from_elem((2, steps, 4), 0.1f32);
        let mut tape = Tape::training(0);
        let (_, grads) = tape.gradients(|t| match whole {
            true => gru.last(t.constant(&x)).sum(),
            false => {
                let mut h = t.constant(Array2::zeros((2, 8)));
                for k in 0..steps {
                    h = gru.step(t.constant(x.slice(s![.., k, ..])), h);
                }
                h.sum()
            }
        });
        grads.numbers_written()
    };
    let (short, long) = (work(800, true), work(6400, true));
    assert!(long < 9 * short, "{short} numbers for 800 steps, {long} for 6,400");
    let by_step = work(6400, false);
    assert!(long < 2 * by_step, "{long} numbers for the whole, {by_step} step by step");
}
