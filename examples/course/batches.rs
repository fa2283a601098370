//! Batches: full, stochastic, mini.

use std::error::Error;

use gradus::prelude::*;
use gradus::viz::{Plot, Style};
use ndarray::{Array1, Axis};

use crate::Figures;

pub(crate) fn draw(figures: &Figures<'_>) -> Result<(), Box<dyn Error>> {
    let x = Array1::linspace(-1.0, 1.0, 60);
    let y = x.mapv(|x: f64| 2.0 * x + 1.0 + 1.5 * (40.0 * x).sin());
    let cost = differentiable(|theta| (theta.at(0) * &x + theta.at(1) - &y).square().mean());
    let plot = Plot::contours(cost, -1.0..=4.0, -1.0..=2.5)
        .title("Forty steps with the same rate, from batches of three sizes")
        .axes("m", "b");
    let variants = [
        ("one example", Rows::stochastic(60, 3)),
        ("batches of 10", Rows::mini(60, 10, 1)),
        ("all 60", Rows::full(60)),
    ];
    let plot = variants.into_iter().fold(plot, |plot, (name, rows)| {
        let mut theta = Param::new([-0.5, -0.5]);
        let mut sgd = Sgd::new(0.15);
        let mut path = vec![(-0.5, -0.5)];
        for rows in rows.epochs(40).take(40) {
            let (x, y) = (x.select(Axis(0), &rows), y.select(Axis(0), &rows));
            let mut tape = Tape::training(0);
            let (_, gradients) = tape.gradients(|t| {
                let theta = t.param(&theta);
                (theta.at(0) * &x + theta.at(1) - &y).square().mean()
            });
            sgd.step(&mut theta, &gradients);
            path.push((theta.data()[0], theta.data()[1]));
        }
        plot.series(name, Style::Dotted, path)
    });
    figures.save("batches", &plot.moving(8.0))
}
