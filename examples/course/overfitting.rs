//! Overfitting and validation.

use std::error::Error;

use gradus::prelude::*;
use gradus::viz::{Plot, Style};
use ndarray::{Array1, Array2, s};

use crate::Figures;

pub(crate) fn draw(figures: &Figures<'_>) -> Result<(), Box<dyn Error>> {
    let x = Array1::linspace(-1.0, 1.0, 28);
    let y = x.mapv(|x: f64| (3.0 * x).sin() + 0.3 * (97.0 * x * x + x).sin());
    let (seen, answers) = (x.slice(s![..;2]).to_owned(), y.slice(s![..;2]).to_owned());
    let unseen: Vec<(f64, f64)> = x.iter().copied().zip(y.iter().copied()).skip(1).step_by(2).collect();
    let plots = [1, 5, 13].map(|degree| {
        let powers = Array2::from_shape_fn((seen.len(), degree + 1), |(i, j)| seen[i].powi(j as i32));
        let cost = differentiable(|theta| (theta.tape().constant(&powers).matmul(theta) - &answers).square().mean());
        let found = minimize(cost, Array1::zeros(degree + 1), Lbfgs::new(1.0), 500).at;
        let polynomial = |x: f64| found.iter().rev().fold(0.0, |sum, coefficient| sum * x + coefficient);
        Plot::fit(&seen, &answers, &format!("degree {degree}"), polynomial)
            .series("not seen", Style::Points, unseen.iter().copied())
            .range_y(-2.5, 2.5)
            .size(760, 270)
    });
    figures.save_stack("polynomials", &plots)?;

    let (train, valid) = gradus::data::moons(200, 0.35, 1).split(0.5, 1);
    let mut model = Mlp::builder([2, 64, 64, 2]).seed(1).build::<f32>();
    let history = Trainer::new(Adam::new(0.02)).epochs(60).keep_best(true).fit(&mut model, &train, Some(&valid))?;
    let losses = |of: fn(&gradus::train::Epoch) -> Option<f64>| {
        history.epochs.iter().filter_map(move |e| Some((e.epoch as f64, of(e)?))).collect::<Vec<_>>()
    };
    let plot = Plot::new("A network on two half circles that overlap")
        .axes("epoch", "loss")
        .range_y(0.0, 0.9)
        .series("training", Style::Line, losses(|e| Some(e.train.loss)))
        .series("validation", Style::Line, losses(|e| e.valid.as_ref().map(|v| v.loss)));
    let plot = match history.best {
        Some(best) => plot.mark_x(best as f64, &format!("stop here: epoch {best}")),
        None => plot,
    };
    figures.save("early_stopping", &plot)
}
