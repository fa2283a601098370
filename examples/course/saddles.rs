//! Critical points and saddles.

use std::error::Error;

use gradus::prelude::*;
use gradus::viz::Relief;
use ndarray::array;

use crate::Figures;

/// The cost of the smallest network with a saddle.
fn cost(w: Var<'_, f64>) -> Var<'_, f64> {
    (1.0 - w.at(0) * w.at(1)).square()
}

pub(crate) fn draw(figures: &Figures<'_>) -> Result<(), Box<dyn Error>> {
    let saddle = Relief::of_function(cost, -1.2..=1.2, -1.2..=1.2)
        .title("(1 − w₁ w₂)²: level in the middle, and yet no minimum")
        .axes("w₁", "w₂")
        .path("a descent", &minimize(cost, array![-0.05, -0.02], Sgd::new(0.1), 60));
    Ok(saddle.save(figures.0.join("saddle.svg"))?)
}
