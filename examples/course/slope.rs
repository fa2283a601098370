//! The slope, and a step downhill.

use std::error::Error;

use gradus::prelude::*;
use gradus::viz::Plot;
use ndarray::array;

use crate::Figures;

/// The mean squared error of y = m x for the points (1, 3) and (2, 6).
fn cost(m: Var<'_, f64>) -> Var<'_, f64> {
    2.5 * (m - 3.0).square()
}

pub(crate) fn draw(figures: &Figures<'_>) -> Result<(), Box<dyn Error>> {
    let curve = || Plot::curve(cost, 0.0..=6.0).axes("m", "cost J(m)");
    let slopes = curve().title("The slope, left and right of the valley").tangent(cost, 1.0).tangent(cost, 4.5);
    figures.save("slope", &slopes)?;
    let run = minimize(|m| cost(m.at(0)), array![1.0], Sgd::new(0.1), 8);
    let steps = curve().title("From m = 1, with the learning rate 0.1").steps("gradient descent", &run).moving(7.0);
    figures.save("steps", &steps)
}
