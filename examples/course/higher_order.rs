//! Derivatives of derivatives: Newton's method.

use std::error::Error;

use gradus::prelude::*;
use gradus::viz::{Plot, Style};
use ndarray::array;

use crate::Figures;

fn cost(x: Var<'_, f64>) -> Var<'_, f64> {
    x.exp() - 3.0 * x
}

pub(crate) fn draw(figures: &Figures<'_>) -> Result<(), Box<dyn Error>> {
    let least = 3.0 - 3.0 * 3f64.ln();
    let mut theta = 2.0;
    let mut newton = Vec::new();
    for step in 0..=5 {
        let tape = Tape::<f64>::mathematics();
        let x = tape.var(theta);
        let value = cost(x);
        newton.push((f64::from(step), value.item() - least));
        let [slope] = value.grad([x]);
        let [curvature] = slope.grad([x]);
        theta -= slope.item() / curvature.item();
    }
    let above = |costs: &[f64]| costs.iter().enumerate().map(|(t, cost)| (t as f64, cost - least)).collect::<Vec<_>>();
    let plot = Plot::new("How far the cost eˣ − 3x is above its minimum")
        .axes("step", "cost above the minimum")
        .log_y(true)
        .range_x(0.0, 40.0)
        .range_y(1e-13, 10.0)
        .series("Newton's method", Style::Dotted, newton);
    let plot = [0.02, 0.1, 0.3].into_iter().fold(plot, |plot, rate| {
        let run = minimize(|x| cost(x).sum(), array![2.0], Sgd::new(rate), 60);
        plot.series(&format!("plain descent, rate {rate}"), Style::Dotted, above(&run.costs))
    });
    figures.save("newton", &plot)
}
