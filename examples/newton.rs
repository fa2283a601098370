//! Newton's method: each step goes to the point where the second-order model of the cost is lowest, `x ← x − H⁻¹ ∇f`.
//!
//! On a quadratic cost that model is the cost itself, so one step from anywhere lands on the minimum, which is known in
//! closed form. In Rosenbrock's banana valley, where plain descent takes thousands of steps, a handful is enough.
//!
//! `cargo run --release --example newton`

use gradus::prelude::*;
use ndarray::{Array1, Array2, array};

/// Solves two linear equations by Cramer's rule.
fn solve(h: &Array2<f64>, g: &Array1<f64>) -> Array1<f64> {
    let determinant = h[[0, 0]] * h[[1, 1]] - h[[0, 1]] * h[[1, 0]];
    array![g[0] * h[[1, 1]] - g[1] * h[[0, 1]], g[1] * h[[0, 0]] - g[0] * h[[1, 0]]] / determinant
}

fn newton_step(f: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>, x: &Array1<f64>) -> Array1<f64> {
    x - solve(&hessian(&f, x), &grad(&f, x))
}

fn rosenbrock(x: Var<'_, f64>) -> Var<'_, f64> {
    let (x, y) = (x.at(0), x.at(1));
    100.0 * (y - x.square()).square() + (1.0 - x).square()
}

fn main() {
    // f = ½ xᵀ A x − bᵀ x has its minimum at A⁻¹ b = (0, 1)
    let (a, b) = (array![[3.0, 1.0], [1.0, 2.0]], array![1.0, 2.0]);
    let found = newton_step(|x| 0.5 * x.dot(x.tape().constant(&a).matmul(x)) - x.dot(&b), &array![-7.0, 40.0]);
    println!("quadratic: one step from (-7, 40) to {found:.6}");
    assert!((&found - &array![0.0, 1.0]).iter().all(|d| d.abs() < 1e-12));

    let mut x = array![-1.2, 1.0];
    for step in 1..=6 {
        x = newton_step(rosenbrock, &x);
        println!("Rosenbrock: after step {step}: {x:.6}");
    }
    assert!((&x - &array![1.0, 1.0]).iter().all(|d| d.abs() < 1e-9), "the minimum is at (1, 1), not {x}");
}
