//! A saddle, where the gradient is 0 and plain descent stays put for ever, and the way off it: first of a function of
//! two variables, then of a network.
//!
//! The smallest network is y = w₁ w₂ x. It has one example: x = 1, y = 1. Its cost (1 − w₁ w₂)² is 1 at w = (0, 0). The
//! gradient there is 0, though the cost is 0 wherever w₁ w₂ = 1. The Hessian tells what kind of point it is, and which
//! way leads down. A network that starts with all weights 0 is in the same place.
//!
//! `cargo run --release --example saddle` draws into `target/saddle`.

use std::error::Error;
use std::path::Path;

use gradus::landscape::{Kind, Lanczos, Landscape, critical_point, escape_saddle, parameters, set_parameters};
use gradus::prelude::*;
use gradus::viz::{Plot, Relief, Style};
use ndarray::{Array1, array};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new("target/saddle");
    std::fs::create_dir_all(folder)?;
    two_weights(folder)?;
    a_network(folder)?;
    println!("\nThe pictures are in {}.", folder.display());
    Ok(())
}

fn cost(w: Var<'_, f64>) -> Var<'_, f64> {
    (1.0 - w.at(0) * w.at(1)).square()
}

fn two_weights(folder: &Path) -> Result<(), Box<dyn Error>> {
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

    Relief::of_function(cost, -1.5..=1.5, -1.5..=1.5)
        .title("(1 − w₁ w₂)²: a saddle at (0, 0)")
        .highest(4.0)
        .save(folder.join("relief.svg"))?;
    Plot::contours(cost, -1.5..=1.5, -1.5..=1.5)
        .title("off the saddle, and down")
        .axes("w₁", "w₂")
        .series("the escape", Style::Dotted, [(0.0, 0.0), (escape.theta[0], escape.theta[1])])
        .path("plain descent from there", &found)
        .save(folder.join("escape.svg"))?;
    Ok(())
}

/// A network of 8 tanh neurons at zero, on Iris. Only the biases of the output have a slope there.
fn a_network(folder: &Path) -> Result<(), Box<dyn Error>> {
    let iris = gradus::data::iris();
    let scaler = gradus::data::Scaler::standard(iris.x());
    let iris = iris.scaled(&scaler);
    let mut model = Mlp::builder([4, 8, 3]).activation(Activation::Tanh).build::<f32>();
    let zeros = Array1::zeros(model.param_count());
    set_parameters(&mut model, &zeros);
    let landscape = Landscape::new(Classify::new(), &iris);

    let descend = |model: &mut Mlp<f32>, epochs| {
        let mut trainer = Trainer::new(Sgd::new(0.5)).epochs(epochs).batch_size(150).progress(false);
        trainer.fit(model, &iris, None).map(|history| history.steps.iter().map(|step| step.loss).collect::<Vec<_>>())
    };
    let stuck = descend(&mut model, 200)?;
    let (cost, gradient) = landscape.gradient(&model)?;
    println!("\na network at zero, after 200 steps: cost {cost:.4}, gradient {:.1e}", gradient.dot(&gradient).sqrt());
    assert!((cost - 3f64.ln()).abs() < 1e-3, "it guesses: one of three classes");

    let lowest = Lanczos::smallest(3).run(&landscape.hessian(&model))?;
    print!("the most negative curvatures there:\n{lowest}");
    let escape = landscape.escape_saddle(&mut model)?;
    println!("a step of {:.2} along the first leads to a cost of {:.4}", escape.step, escape.cost);
    assert!(escape.cost < cost - 0.1 && escape.theta == parameters(&model));
    let free = descend(&mut model, 200)?;
    let accuracy = evaluate(&model, &iris).accuracy();
    println!("after 200 more steps: cost {:.4}, accuracy {:.1} %", free[199], 100.0 * accuracy);
    assert!(accuracy > 0.9);

    let steps = |from: usize, costs: &[f64]| {
        costs.iter().enumerate().map(|(i, cost)| ((from + i) as f64, *cost)).collect::<Vec<_>>()
    };
    Plot::new("a network that started at zero")
        .axes("step", "cost")
        .series("stuck on the saddle", Style::Line, steps(0, &stuck))
        .series("after the escape", Style::Line, steps(200, &free))
        .save(folder.join("network.svg"))?;
    Ok(())
}
