//! The learning rate: too small, right, too large.

use std::error::Error;

use gradus::prelude::*;
use gradus::viz::Plot;
use ndarray::array;

use crate::Figures;

fn cost(theta: Var<'_, f64>) -> Var<'_, f64> {
    5.0 * theta.square()
}

pub(crate) fn draw(figures: &Figures<'_>) -> Result<(), Box<dyn Error>> {
    let plot = Plot::curve(cost, -1.6..=1.6).title("The cost 5θ², whose border is the rate 0.2");
    let rates = [("rate 0.005: creeps", 0.005), ("rate 0.06: arrives", 0.06), ("rate 0.205: jumps out", 0.205)];
    let plot = rates.into_iter().fold(plot, |plot, (name, rate)| {
        plot.steps(name, &minimize(|theta| cost(theta.at(0)), array![-1.0], Sgd::new(rate), 16))
    });
    figures.save("rates", &plot.axes("θ", "cost").moving(8.0))?;

    let digits = gradus::data::digits();
    let model = Mlp::builder([64, 32, 10]).seed(1).build::<f32>();
    let batches = (0..).flat_map(|epoch| digits.train.batches(32).shuffle(epoch));
    let test = find_lr(&model, &Sgd::new(0.1), 1e-4..=10.0, 200, batches, |model, tape, batch| {
        model.forward(tape.constant(&batch.x)).cross_entropy(&batch.y)
    });
    figures.save("range_test", &Plot::range_test(&test))
}
