//! A layer of one's own.

use std::error::Error;

use gradus::prelude::*;
use gradus::viz::{Plot, Style};
use ndarray::Array2;

use crate::Figures;

/// Waves with learned frequencies.
#[derive(Module, Clone)]
struct Waves {
    frequencies: Param,
    out: Linear,
}

impl Forward for Waves {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        self.out.forward((x * &self.frequencies).sin())
    }
}

pub(crate) fn draw(figures: &Figures<'_>) -> Result<(), Box<dyn Error>> {
    let x = Array2::from_shape_fn((100, 1), |(i, _)| i as f32 / 50.0 - 1.0);
    let y = x.mapv(|x| (7.0 * x).sin() + 0.5 * (11.0 * x).sin());
    let mut waves =
        Waves { frequencies: Param::new([3.0, 6.0, 9.0, 12.0]), out: Linear::new(4, 1, &mut gradus::nn::rng(1)) };
    let mut network = Mlp::builder([1, 4, 1]).seed(1).build::<f32>();
    fn fit<M: Module + Forward>(model: &mut M, x: &Array2<f32>, y: &Array2<f32>) -> Vec<(f64, f64)> {
        let mut adam = Adam::new(0.02);
        descend(model, &mut adam, Rows::full(100).epochs(600), |model, tape, _| {
            (model.forward(tape.constant(x)) - y).square().mean()
        })
        .for_each(drop);
        x.iter().zip(predict(model, x).iter()).map(|(&x, &y)| (x.into(), y.into())).collect()
    }
    let points = x.iter().zip(&y).map(|(&x, &y)| (f64::from(x), f64::from(y)));
    let plot = Plot::new("600 steps, four neurons each")
        .axes("x", "y")
        .series("the signal", Style::Points, points)
        .series("waves with learned frequencies", Style::Line, fit(&mut waves, &x, &y))
        .series("ReLU", Style::Line, fit(&mut network, &x, &y));
    figures.save("own_layer", &plot)
}
