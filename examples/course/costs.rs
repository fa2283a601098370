//! Squared error and cross-entropy.

use std::error::Error;

use gradus::viz::{Plot, Style};

use crate::Figures;

pub(crate) fn draw(figures: &Figures<'_>) -> Result<(), Box<dyn Error>> {
    let over = |cost: fn(f64) -> f64| (1..=400).map(move |k| (f64::from(k) / 400.0, cost(f64::from(k) / 400.0)));
    let plot = Plot::new("What it costs to give the right class the probability p")
        .axes("p", "cost")
        .range_x(0.0, 1.0)
        .range_y(0.0, 5.0)
        .series("cross-entropy, −ln p", Style::Line, over(|p| -p.ln()))
        .series("squared error, (1 − p)²", Style::Line, over(|p| (1.0 - p) * (1.0 - p)));
    figures.save("costs", &plot)
}
