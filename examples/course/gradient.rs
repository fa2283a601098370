//! All parameters at once: the gradient.

use std::error::Error;

use gradus::prelude::*;
use gradus::viz::Plot;
use ndarray::array;

use crate::Figures;

/// The mean squared error of a line for the points (0, 1), (1, 3), (2, 5), (3, 7).
fn cost(theta: Var<'_, f64>) -> Var<'_, f64> {
    let (x, y) = (array![0.0, 1.0, 2.0, 3.0], array![1.0, 3.0, 5.0, 7.0]);
    (theta.at(0) * &x + theta.at(1) - &y).square().mean()
}

pub(crate) fn draw(figures: &Figures<'_>) -> Result<(), Box<dyn Error>> {
    let run = minimize(cost, array![-0.5, 3.5], Sgd::new(0.1), 70);
    let map = Plot::contours(cost, -1.0..=4.0, -2.0..=4.0)
        .title("The cost over both parameters")
        .axes("m", "b")
        .path("gradient descent", &run)
        .moving(8.0);
    figures.save("map", &map)
}
