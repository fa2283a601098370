//! Flat and sharp minima.

use std::error::Error;

use gradus::optim::functions::sharp_and_flat;
use gradus::prelude::*;
use gradus::viz::Plot;
use ndarray::array;

use crate::Figures;

pub(crate) fn draw(figures: &Figures<'_>) -> Result<(), Box<dyn Error>> {
    let run = |rate| minimize(sharp_and_flat, array![2.1], Sgd::new(rate), 160);
    let plot = Plot::curve(sharp_and_flat, -6.0..=4.0)
        .title("Both start at 2.1, in the sharp valley")
        .axes("θ", "cost")
        .steps("rate 0.01: stays", &run(0.01))
        .steps("rate 0.1: is thrown out", &run(0.1));
    figures.save("sharp_and_flat", &plot.moving(9.0))
}
