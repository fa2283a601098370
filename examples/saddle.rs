//! A saddle, where the gradient is 0 and plain descent stays put for ever, and the way off it.
//!
//! The network is y = w₁ w₂ x, and it has one example: x = 1, y = 1. Its cost (1 − w₁ w₂)² is 1 at w = (0, 0). The
//! gradient there is 0, though the cost is 0 wherever w₁ w₂ = 1. The Hessian tells what kind of point it is, and which
//! way leads down.
//!
//! `cargo run --release --example saddle`

use gradus::landscape::{Kind, critical_point, escape_saddle};
use gradus::prelude::*;
use ndarray::array;

fn cost(w: Var<'_, f64>) -> Var<'_, f64> {
    (1.0 - w.at(0) * w.at(1)).square()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let zero = array![0.0, 0.0];
    let stuck = minimize(cost, zero.clone(), Sgd::new(0.1), 1000);
    println!("plain descent from (0, 0) stops at once, at a cost of {}: {}", stuck.cost(), stuck.stop);
    assert_eq!(stuck.at, zero);

    let point = critical_point(cost, &zero)?;
    print!("\n{point}");
    assert_eq!(point.kind, Kind::Saddle);
    assert!((&point.eigenvalues - &array![-2.0, 2.0]).iter().all(|d| d.abs() < 1e-12));

    let escape = escape_saddle(cost, &zero)?;
    println!(
        "\na step of {:.2} along {:.3} leads to {:.3}, where the cost is {:.4}",
        escape.step, escape.direction, escape.theta, escape.cost
    );
    let found = minimize(cost, escape.theta.clone(), Sgd::new(0.1), 1000);
    println!("descent from there: w = {:.4}, cost {:.1e}", found.at, found.cost());
    assert!(found.cost() < 1e-10);

    let minimum = critical_point(cost, &found.at)?;
    print!("\n{minimum}");
    // along the curve w₁ w₂ = 1 the cost stays 0, so one eigenvalue is 0
    assert_eq!(minimum.kind, Kind::Degenerate);
    Ok(())
}
