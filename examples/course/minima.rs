//! Local minima, random restarts and momentum.

use std::error::Error;

use gradus::optim::functions;
use gradus::prelude::*;
use gradus::rand::{RngExt, rngs::Xoshiro256PlusPlus};
use gradus::viz::{Plot, Style};
use ndarray::{Array1, array};

use crate::Figures;

/// Two valleys, of which the left one is deeper.
fn cost(theta: Var<'_, f64>) -> Var<'_, f64> {
    0.25 * theta.pow(4.0) - 0.5 * theta.square() + 0.1 * theta
}

pub(crate) fn draw(figures: &Figures<'_>) -> Result<(), Box<dyn Error>> {
    let run = |optimizer| minimize(|theta| cost(theta.at(0)), array![1.6], optimizer, 70);
    let plot = Plot::curve(cost, -1.8..=1.8)
        .title("Both start at 1.6, with the rate 0.05")
        .axes("θ", "cost")
        .steps("plain descent", &run(Sgd::new(0.05)))
        .steps("momentum 0.9", &run(Sgd::new(0.05).momentum(0.9)));
    figures.save("momentum", &plot.moving(9.0))?;

    let anywhere = |rng: &mut Xoshiro256PlusPlus| Array1::from_shape_fn(2, |_| rng.random_range(-5.0..5.0));
    let found = random_restarts(functions::himmelblau, anywhere, 16, &Sgd::new(0.005), 30, 1);
    let plot = Plot::contours(functions::himmelblau, -5.0..=5.0, -5.0..=5.0)
        .title("Sixteen random starts, four minima")
        .axes("first parameter", "second parameter");
    let plot = found.runs.iter().enumerate().fold(plot, |plot, (i, run)| {
        plot.series(if i == 0 { "descents" } else { "" }, Style::Dotted, run.path.iter().map(|at| (at[0], at[1])))
    });
    figures.save("restarts", &plot.moving(6.0))
}
