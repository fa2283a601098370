//! Heart disease: how good are the scores of two models?

use std::error::Error;

use gradus::data::{Dataset, Scaler, heart_disease};
use gradus::prelude::*;
use gradus::viz::Plot;

use crate::Figures;

pub(crate) fn draw(figures: &Figures<'_>) -> Result<(), Box<dyn Error>> {
    let columns = ["age", "male", "trestbps", "chol", "thalach", "exang", "oldpeak"];
    let table = heart_disease();
    let (labels, _) = table.categories("heart_disease")?;
    let (train, test) = Dataset::new(table.matrix::<f32>(&columns)?, labels, 2)?.split(0.7, 1);
    let scaler = Scaler::standard(train.x());
    let (train, test) = (train.scaled(&scaler), test.scaled(&scaler));
    let ill: Vec<bool> = test.y().iter().map(|&y| y == 1).collect();
    let probabilities = |logits: ndarray::ArrayD<f32>| -> Vec<f64> {
        logits.iter().map(|&z| 1.0 / (1.0 + f64::from(-z).exp())).collect()
    };

    let mut perceptron = Perceptron::new(columns.len(), Activation::Identity, &mut gradus::nn::rng(1));
    Trainer::new(Adam::new(0.05)).task(ClassifyBinary::new()).epochs(60).fit(&mut perceptron, &train, None)?;
    let one = probabilities(predict(&perceptron, test.x()));

    let mut network =
        Mlp::builder([columns.len(), 16, 1]).activation(Activation::Tanh).dropout(0.3).seed(1).build::<f32>();
    let mut trainer = Trainer::new(AdamW::new(0.01).weight_decay(0.1)).task(ClassifyBinary::new()).epochs(60);
    trainer.fit(&mut network, &train, None)?;
    let many = probabilities(predict(&network, test.x()));

    let scores = [("perceptron", &one[..]), ("network", &many[..])];
    figures.save("roc", &Plot::roc(&scores, &ill).title("91 patients that the models have not seen"))?;
    figures.save("calibration", &Plot::calibration(&scores, &ill).title("Can the probabilities be trusted?"))
}
