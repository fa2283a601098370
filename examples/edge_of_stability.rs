//! The edge of stability: full-batch descent makes a network's landscape sharper until the largest eigenvalue of the
//! Hessian is 2/η, the most that the rate η can stand, and then keeps it there.
//!
//! On a quadratic bowl the edge is exact: just below 2/η descent converges, and just above it diverges. A network is
//! not quadratic: where it becomes too sharp, the descent begins to swing, and swings off to where it is less sharp.
//! Cohen et al. 2021 (<https://arxiv.org/abs/2103.00065>).
//!
//! `cargo run --release --example edge_of_stability` draws into `target/edge_of_stability`.

use std::error::Error;
use std::path::Path;

use gradus::landscape::{Landscape, parameters, set_parameters};
use gradus::optim::Stop;
use gradus::prelude::*;
use gradus::viz::{Plot, Series, Style, save_stack};
use ndarray::{Array2, array};

fn main() -> Result<(), Box<dyn Error>> {
    a_quadratic();
    let folder = Path::new("target/edge_of_stability");
    std::fs::create_dir_all(folder)?;

    println!("\nA network of 32 tanh neurons on a thousand digits, squared error, full batches:");
    let mut sharpness = Plot::new("the largest eigenvalue; thin lines: 2/η").axes("step", "largest eigenvalue");
    let mut costs = Plot::new("the cost").axes("step", "mean squared error").log_y(true);
    for (rate, steps) in [(0.5, 4000), (1.0, 3000), (2.0, 2000)] {
        let run = descend(rate, steps)?;
        let edge = 2.0 / rate;
        let late: Vec<f64> = run.iter().skip(3 * run.len() / 4).map(|at| at.largest).collect();
        let mean = late.iter().sum::<f64>() / late.len() as f64;
        println!(
            "  η = {rate}: from {:.2} to around {mean:.2}, where 2/η is {edge}; the cost falls from {:.3} to {:.3}",
            run[0].largest,
            run[0].cost,
            run[run.len() - 1].cost
        );
        assert!((mean / edge - 1.0).abs() < 0.15, "it stays at the edge: {mean} and {edge}");
        assert!(run[run.len() - 1].cost < 0.5 * run[1].cost, "and the cost falls all the same");
        let over = |value: fn(&Point) -> f64| run.iter().map(|at| (at.step as f64, value(at))).collect::<Vec<_>>();
        let limit = vec![(0.0, edge), (4000.0, edge)];
        let limit = Series { name: String::new(), style: Style::Faint, points: limit, color: Some((0, 0, 0)) };
        sharpness = sharpness.series(&format!("η = {rate}"), Style::Line, over(|at| at.largest)).with(limit);
        costs = costs.series(&format!("η = {rate}"), Style::Line, over(|at| at.cost));
    }
    let path = folder.join("edge.svg");
    save_stack(&[sharpness.range_y(0.0, 5.0), costs], &path)?;
    println!("\nThe picture is {}.", path.display());
    Ok(())
}

/// In the bowl ½ a x², the curvature is a everywhere.
fn a_quadratic() {
    println!("The bowl ½ a x² with the rate 0.1, from x = 1; 2/η is 20:");
    for (curvature, expected) in [(19.99, Stop::Tolerance), (20.0, Stop::Iterations), (20.01, Stop::Diverged)] {
        let found = minimize(|x| 0.5 * curvature * x.square().sum(), array![1.0], Sgd::new(0.1), 100_000);
        println!("  a = {curvature}: |x| is {:.1e} after {} steps: {}", found.at[0].abs(), found.steps(), found.stop);
        assert_eq!(found.stop, expected);
    }
}

struct Point {
    step: usize,
    cost: f64,
    largest: f64,
}

/// Plain descent on full batches. The cost and the sharpness are noted fifty times.
fn descend(rate: f64, steps: usize) -> Result<Vec<Point>, Box<dyn Error>> {
    let digits = gradus::data::digits().train;
    let rows: Vec<usize> = (0..1000).collect();
    let data = digits.subset(&rows);
    let targets = Array2::from_shape_fn((rows.len(), 10), |(i, k)| if data.y()[i] == k { 1.0 } else { 0.0 });
    let mut model = Mlp::builder([64, 32, 10]).activation(Activation::Tanh).seed(1).build::<f32>();
    let landscape = Landscape::new(Regress::new(), (data.x() / 16.0, targets));
    let mut run = Vec::new();
    for step in 0..=steps {
        let (cost, gradient) = landscape.gradient(&model)?;
        if step % (steps / 50) == 0 {
            let largest = landscape.sharpness(&model)?.values[0];
            run.push(Point { step, cost, largest });
        }
        let theta = parameters(&model) - gradient * rate;
        set_parameters(&mut model, &theta);
    }
    Ok(run)
}
