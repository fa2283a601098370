//! A line and its cost.

use std::error::Error;

use gradus::viz::Plot;

use crate::Figures;

pub(crate) fn draw(figures: &Figures<'_>) -> Result<(), Box<dyn Error>> {
    let penguins = gradus::data::penguins().complete(&["flipper_length_mm", "body_mass_g"])?;
    let every_sixth: Vec<usize> = (0..penguins.len()).step_by(6).collect();
    let few = penguins.select(&every_sixth);
    let (x, y) = (few.numbers::<f64>("flipper_length_mm")?, few.numbers::<f64>("body_mass_g")?);
    let plot = Plot::fit(&x, &y, "y = 50x − 5800", |x| 50.0 * x - 5800.0)
        .title("Every sixth of the penguins, a line, and the residuals")
        .axes("x: length of the flipper, in millimetres", "y: mass, in grams");
    figures.save("line", &plot)
}
