//! Decay and warm-up.

use std::error::Error;

use gradus::optim::{Adagrad, Descent, Minimize, inverse_sqrt, linear, warm_restarts};
use gradus::prelude::*;
use gradus::viz::{Plot, Style};
use ndarray::array;

use crate::Figures;

/// A ravine a million times steeper across than along.
fn ravine(theta: Var<'_, f64>) -> Var<'_, f64> {
    0.5 * (2e-4 * theta.at(0).square() + 200.0 * theta.at(1).square())
}

pub(crate) fn draw(figures: &Figures<'_>) -> Result<(), Box<dyn Error>> {
    // AdaGrad divides by the root of a sum; with this factor it is the root of the mean
    let root = || Schedule::custom(|t| ((t + 1) as f64).sqrt());
    fn across(optimizer: impl Descent<f64>) -> Vec<(f64, f64)> {
        let settings = Minimize { iterations: 1600, tolerance: 0.0, ..Minimize::default() };
        let run = settings.run(ravine, array![200.0, 4.0], optimizer);
        run.path.iter().enumerate().map(|(t, at)| (t as f64, at[1])).collect()
    }
    let plot = |title: &str, points| {
        let axes = ("step", "distance from the floor");
        Plot::new(title).axes(axes.0, axes.1).size(900, 230).range_x(0.0, 1600.0).range_y(-8.0, 8.0).series(
            "",
            Style::Line,
            points,
        )
    };
    let plots = [
        plot("AdaGrad with a constant rate: bursts", across(Adagrad::new(1.0).schedule(root()))),
        plot(
            "AdaGrad with a rate that falls to 0 in 800 steps: no bursts",
            across(Adagrad::new(1.0).schedule(root().times(linear(1.0, 0.0, 800)))),
        ),
    ];
    figures.save_stack("bursts", &plots)?;

    let schedules = [
        ("cosine", cosine(100)),
        ("warm-up, then cosine", warmup(15).then(cosine(85))),
        ("step decay", step_decay(25, 0.5)),
        ("inverse square root", inverse_sqrt(15)),
        ("warm restarts", warm_restarts(35, 1)),
    ];
    figures.save("schedules", &Plot::schedules(&schedules, 105))
}
