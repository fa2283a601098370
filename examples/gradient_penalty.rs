//! A cost that contains a gradient: the penalty that keeps a critic's slope at 1 (Gulrajani et al. 2017,
//! <https://arxiv.org/abs/1704.00028>), `mean over x of (‖∇ₓ f(x)‖ − 1)²`.
//!
//! For a linear critic `f(x) = w · x` the slope is w everywhere, so the penalty is `(‖w‖ − 1)²` and its gradient `2
//! (‖w‖ − 1) w / ‖w‖`, in closed form. For a network there is no such formula; the tape finds the gradient all the
//! same.
//!
//! `cargo run --release --example gradient_penalty`

use gradus::prelude::*;
use ndarray::{Array2, array};

/// The penalty on a critic at some points, one in each row.
fn penalty<'t>(points: Var<'t>, critic: impl Fn(Var<'t>) -> Var<'t>) -> Var<'t> {
    // the value at a point depends on no other point, so the gradient of the sum has the slope at each point
    let [slopes] = critic(points).sum().grad([points]);
    (slopes.norm_axis(1, 2.0) - 1.0).square().mean()
}

fn main() {
    let points = Array2::from_shape_fn((32, 2), |(i, k)| ((i * 2 + k) as f32 * 12.9898).sin());

    let w = Param::new(array![3.0, -4.0]);
    let mut tape = Tape::training(0);
    let (cost, grads) = tape.gradients(|t| penalty(t.var(&points), |x| x.matmul(&w)));
    let gradient = grads.wrt(&w);
    println!("linear critic with w = (3, -4): penalty {cost}, gradient {gradient}");
    assert!((cost - 16.0).abs() < 1e-4); // (5 − 1)²
    assert!((&gradient - &array![4.8, -6.4]).iter().all(|d: &f32| d.abs() < 1e-4)); // 2 · 4 · w / 5

    let mut critic: Mlp = Mlp::builder([2, 32, 1]).activation(Activation::Tanh).seed(1).build();
    let mut optimizer = Adam::new(3e-3);
    let mut last = f32::NAN;
    for step in 0..600 {
        let (cost, grads) = tape.gradients(|t| penalty(t.var(&points), |x| critic.forward(x)));
        optimizer.step(&mut critic, &grads);
        if step % 100 == 0 {
            println!("network after {step:>3} steps: penalty {cost:.5}");
        }
        last = cost;
    }
    assert!(last < 2e-3, "the slopes are not near 1: penalty {last}");
}
