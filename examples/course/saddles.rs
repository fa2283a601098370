//! Critical points and saddles.

use std::error::Error;

use gradus::viz::Relief;

use crate::Figures;

pub(crate) fn draw(figures: &Figures<'_>) -> Result<(), Box<dyn Error>> {
    let saddle = Relief::of_function(|w| (1.0 - w.at(0) * w.at(1)).square(), -1.2..=1.2, -1.2..=1.2)
        .title("(1 − w₁ w₂)²: level in the middle, and yet no minimum")
        .axes("w₁", "w₂");
    Ok(saddle.save(figures.0.join("saddle.svg"))?)
}
