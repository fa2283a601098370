//! Squared error and cross-entropy.

use std::error::Error;

use gradus::viz::{Plot, Style};

use crate::Figures;

pub(crate) fn draw(figures: &Figures<'_>) -> Result<(), Box<dyn Error>> {
    let logits = || (0..=240).map(|k| f64::from(k) / 20.0 - 6.0);
    let probability = |z: f64| 1.0 / (1.0 + (-z).exp());
    let over = |cost: fn(f64) -> f64| logits().map(move |z| (z, cost(probability(z)))).collect::<Vec<_>>();
    let plot = Plot::new("The cost of an example whose right answer is yes")
        .axes("logit z: negative says no, positive says yes", "cost")
        .series("cross-entropy, −ln p", Style::Line, over(|p| -p.ln()))
        .series("squared error, (1 − p)²", Style::Line, over(|p| (1.0 - p) * (1.0 - p)));
    figures.save("costs", &plot)
}
