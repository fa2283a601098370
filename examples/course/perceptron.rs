//! The perceptron.

use std::error::Error;

use gradus::viz::Plot;

use crate::Figures;

pub(crate) fn draw(figures: &Figures<'_>) -> Result<(), Box<dyn Error>> {
    let range = -4.0..=4.0;
    let plots = [
        Plot::with_derivative("sigmoid", |x| x.sigmoid(), range.clone()).title("Activations and their derivatives"),
        Plot::with_derivative("tanh", |x| x.tanh(), range.clone()),
        Plot::with_derivative("ReLU", |x| x.relu(), range.clone()),
        Plot::with_derivative("GELU", |x| x.gelu(), range),
    ];
    figures.save_stack("activations", &plots.map(|plot| plot.axes("weighted sum z", "").size(760, 200)))
}
