//! Handwritten digits: mistakes, weights, and what activations are for.

use std::error::Error;

use gradus::prelude::*;
use gradus::viz::{Heatmap, Images, Plot};

use crate::Figures;

pub(crate) fn draw(figures: &Figures<'_>) -> Result<(), Box<dyn Error>> {
    let digits = gradus::data::digits();
    let (train, valid) = digits.train.split(0.9, 1);
    let mut model = Mlp::builder([64, 32, 10]).seed(1).build::<f32>();
    let steps = 30 * train.len().div_ceil(32) as u64;
    let trainer = Trainer::new(AdamW::new(5e-3).schedule(warmup(50).then(cosine(steps - 50)))).epochs(30);
    trainer.keep_best(true).fit(&mut model, &train, Some(&valid))?;
    let test = evaluate(&model, &digits.test);
    Heatmap::confusion(&test.confusion()).save(figures.0.join("confusion.svg"))?;
    Images::mistakes(digits.test.x(), (8, 8), digits.test.y(), &test.predictions.classes(), 30)
        .save(figures.0.join("mistakes.svg"))?;
    let weights = &model.layers[0].weight;
    let rows = ndarray::Array2::from_shape_vec((32, 64), weights.data().to_vec())?;
    Images::new(&rows, (8, 8))
        .signed()
        .columns(8)
        .title("What 32 neurons look for")
        .save(figures.0.join("weights.svg"))?;

    let (train, _) = gradus::data::moons(600, 0.15, 1).split(0.5, 1);
    let mut plots = Vec::new();
    for (activation, title) in [
        (Activation::Identity, "Without activations, the network is a straight line"),
        (Activation::Relu, "With ReLU, it bends"),
    ] {
        let mut model = Mlp::builder([2, 16, 16, 2]).activation(activation).seed(1).build::<f32>();
        Trainer::new(Adam::new(0.01)).epochs(60).fit(&mut model, &train, None)?;
        let plot = Plot::decisions(|points| predict(&model, points), -1.7..=2.7, -1.2..=1.7);
        plots.push(plot.classes(train.x(), train.y()).title(title).size(620, 380));
    }
    figures.save_stack("boundaries", &plots)
}
