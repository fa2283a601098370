//! One rate for each parameter.

use std::error::Error;

use gradus::optim::{Adagrad, Descent, RmsProp, functions::ravine};
use gradus::prelude::*;
use gradus::viz::Plot;
use ndarray::array;

use crate::Figures;

pub(crate) fn draw(figures: &Figures<'_>) -> Result<(), Box<dyn Error>> {
    fn run(optimizer: impl Descent<f64>) -> gradus::optim::Minimum<f64, ndarray::Ix1> {
        minimize(ravine, array![1.0, 3.0], optimizer, 60)
    }
    let plot = Plot::contours(ravine, -1.1..=1.4, -1.0..=3.4)
        .title("Sixty steps in a ravine, ½ (100 x² + y²)")
        .axes("x: steep", "y: shallow")
        .path("plain, rate 0.019", &run(Sgd::new(0.019)))
        .path("AdaGrad, rate 0.6", &run(Adagrad::new(0.6)))
        .path("RMSprop, rate 0.05", &run(RmsProp::new(0.05)))
        .path("Adam, rate 0.3", &run(Adam::new(0.3)));
    figures.save("ravine", &plot.moving(9.0))
}
