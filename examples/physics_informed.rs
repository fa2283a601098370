//! A network that solves a differential equation: `u″ = −u` with `u(0) = 0` and `u′(0) = 1`, whose solution is sin x.
//!
//! The network N never sees the solution. The form `u = x + x² N(x)` meets both conditions, and the cost is how far u
//! is from meeting the equation. The second derivative with respect to the input is taken on the tape (Lagaris et al.
//! 1998, <https://arxiv.org/abs/physics/9705023>; Raissi et al. 2019).
//!
//! `cargo run --release --example physics_informed`

use gradus::prelude::*;
use ndarray::Array2;

fn solution<'t>(network: &Mlp, x: Var<'t>) -> Var<'t> {
    x + x.square() * network.forward(x)
}

fn main() {
    let points = Array2::from_shape_fn((40, 1), |(i, _)| 3.0 * i as f32 / 39.0);
    let mut network: Mlp = Mlp::builder([1, 24, 1]).activation(Activation::Tanh).seed(3).build();
    let mut optimizer = Adam::new(1e-2).schedule(cosine(2000));
    let mut tape = Tape::training(0);
    for step in 0..2000 {
        let (cost, grads) = tape.gradients(|t| {
            let x = t.var(&points);
            let u = solution(&network, x);
            let [slope] = u.sum().grad([x]); // u at a point depends on no other x
            let [curvature] = slope.sum().grad([x]);
            (curvature + u).square().mean()
        });
        optimizer.step(&mut network, &grads);
        if step % 400 == 0 {
            println!("step {step:>4}: mean (u″ + u)² = {cost:.2e}");
        }
    }
    let tape = Tape::inference();
    let u = solution(&network, tape.constant(&points));
    let worst = u.data().iter().zip(&points).map(|(u, x)| (u - x.sin()).abs()).fold(0.0, f32::max);
    println!("largest error against sin x on 0 … 3: {worst:.1e}");
    assert!(worst < 1e-2);
}
