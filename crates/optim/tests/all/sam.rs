//! Sharpness-aware minimization.

use gradus_autograd::{Buffer, Leaf, LeafMut, Module, Param, Tape, Visitor};
use gradus_optim::{Descent, Sam, Sgd};

/// f = ½ (9 a² + b²): its gradient at (1, 2) is (9, 2).
fn bowl(w: &Param<f64>, tape: &mut Tape<f64>) -> (f64, gradus_autograd::Gradients<f64>) {
    tape.gradients(|t| {
        let w = t.param(w);
        4.5 * w.at(0).square() + 0.5 * w.at(1).square()
    })
}

#[test]
fn the_gradient_is_taken_uphill() {
    let (mut w, mut tape) = (Param::new([1.0, 2.0]), Tape::training(0));
    let mut evaluations = 0;
    Sam::new(Sgd::new(0.1)).rho(0.5).descend(&mut w, |w| {
        evaluations += 1;
        bowl(w, &mut tape)
    });
    let norm = 85f64.sqrt();
    let uphill = [1.0 + 0.5 * 9.0 / norm, 2.0 + 0.5 * 2.0 / norm];
    let expected = [1.0 - 0.1 * 9.0 * uphill[0], 2.0 - 0.1 * uphill[1]];
    assert!(w.data().iter().zip(expected).all(|(w, e)| (w - e).abs() < 1e-14), "{w:?}");
    assert_eq!(evaluations, 2);
}

#[test]
fn adaptive_steps_are_measured_in_the_parameters_sizes() {
    let (mut w, mut tape) = (Param::new([1.0, 2.0]), Tape::training(0));
    Sam::new(Sgd::new(0.1)).rho(0.5).adaptive(true).descend(&mut w, |w| bowl(w, &mut tape));
    let (t, g) = ([1.01f64, 2.01], [9.0, 2.0]);
    let norm = (t[0] * g[0]).hypot(t[1] * g[1]);
    let uphill = |i: usize, x: f64| x + 0.5 * t[i] * t[i] * g[i] / norm;
    let expected = [1.0 - 0.1 * 9.0 * uphill(0, 1.0), 2.0 - 0.1 * uphill(1, 2.0)];
    assert!(w.data().iter().zip(expected).all(|(w, e)| (w - e).abs() < 1e-14), "{w:?}");
}

#[test]
fn where_the_gradient_is_0_nothing_moves() {
    let (mut w, mut tape) = (Param::new([0.0, 0.0]), Tape::training(0));
    Sam::new(Sgd::new(0.1)).descend(&mut w, |w| bowl(w, &mut tape));
    assert_eq!(w.data(), [0.0, 0.0]);
}

#[test]
fn a_frozen_group_is_moved_neither_uphill_nor_down() {
    let mut pair = (Param::new([1.0f64]), Param::new([1.0f64]));
    let (mut tape, mut seen) = (Tape::training(0), Vec::new());
    let optimizer = Sgd::new(0.1).group("1", |g| g.frozen(true));
    Sam::new(optimizer).rho(0.5).descend(&mut pair, |(a, b)| {
        seen.push((a.data()[0], b.data()[0]));
        tape.gradients(|t| (t.param(a) * b).sum().square())
    });
    assert_eq!(seen, [(1.0, 1.0), (1.5, 1.0)]);
    assert_eq!(pair.1.data(), [1.0]);
    assert!((pair.0.data()[0] - (1.0 - 0.1 * 3.0)).abs() < 1e-12); // the gradient at 1.5 is 2 · 1.5
}

struct Counted(Param<f64>, Buffer<f64>);

impl Module<f64> for Counted {
    fn visit<'a>(&'a self, v: &mut Visitor<'_, Leaf<'a, f64>>) {
        v.field("w", &self.0);
        v.field("seen", &self.1);
    }
    fn visit_mut<'a>(&'a mut self, v: &mut Visitor<'_, LeafMut<'a, f64>>) {
        v.field_mut("w", &mut self.0);
        v.field_mut("seen", &mut self.1);
    }
}

/// Running statistics are those of the model, not of the point uphill, and one step updates them once.
#[test]
fn buffers_follow_the_first_forward_pass_alone() {
    let mut model = Counted(Param::new([2.0]), Buffer::new([0.0]));
    let mut tape = Tape::training(0);
    Sam::new(Sgd::new(0.1)).rho(1.0).descend(&mut model, |m| {
        tape.gradients(|t| {
            let w = t.param(&m.0);
            m.1.move_toward(0.5, w);
            w.square().sum()
        })
    });
    assert_eq!(model.1.value()[[0]], 1.0);
}
