//! Predicts heart disease: first with a perceptron, which is logistic regression and is compared with its known
//! results, then with a multilayer perceptron, which is tested on people it has not seen.
//!
//! `cargo run --release --example heart_disease`

use std::error::Error;

use gradus::data::{Dataset, Scaler, heart_attacks, heart_disease};
use gradus::optim::EarlyStopping;
use gradus::prelude::*;
use gradus::train::auc;
use ndarray::{Array1, Array2};

fn main() -> Result<(), Box<dyn Error>> {
    let cleveland = heart_disease();
    let (x, y) = (cleveland.matrix(&["trestbps", "male", "age"])?, cleveland.numbers("heart_disease")?);
    perceptron("Cleveland", &x, &y, (0.60788, 0.719));
    let nhanes = heart_attacks();
    let (x, y) = (nhanes.matrix(&["sbp", "male", "age", "bmi"])?, nhanes.numbers("heart_attack")?);
    perceptron("NHANES", &x, &y, (0.163739, 0.796));
    multilayer()
}

/// Trains a perceptron without an activation, so that it gives a logit; the sigmoid is part of the cost.
fn perceptron(name: &str, x: &Array2<f64>, y: &Array1<f64>, known: (f64, f64)) {
    let x = Scaler::standard(x).apply(x);
    let mut model = Perceptron::new(x.ncols(), Activation::Identity, &mut gradus::nn::rng(1));
    let mut tape = Tape::training(1);
    let mut opt = Lbfgs::new(1.0).tolerance_change(0.0);
    let mut cost = f64::NAN;
    for _ in 0..5 {
        cost = opt.step(&mut model, |model: &Perceptron<f64>| {
            tape.gradients(|t| loss::binary_cross_entropy(model.forward(t.constant(&x)), y, Reduction::Mean))
        });
    }
    let tape = Tape::inference();
    let logits = model.forward(tape.constant(&x));
    let auc = auc(logits.data(), &y.iter().map(|&y| y == 1.0).collect::<Vec<_>>());
    println!(
        "{name}: log loss {cost:.5}, AUC {auc:.3}, weights {:.5}, bias {:.5}",
        model.weight.value(),
        model.bias.as_ref().map_or(0.0, |b| b.data()[0])
    );
    let near = (cost - known.0).abs() < 1e-5 && (auc - known.1).abs() < 5e-4;
    assert!(near, "logistic regression has log loss and AUC {known:?}");
}

/// Ten-fold cross-validation on the measurements of Cleveland: every patient is predicted once, by a model that has not
/// seen this patient.
fn multilayer() -> Result<(), Box<dyn Error>> {
    let columns = ["age", "male", "trestbps", "chol", "fbs", "thalach", "exang", "oldpeak"];
    let table = heart_disease();
    let (kinds, _) = table.one_hot::<f32>("chest_pain")?; // four kinds of pain, no order among them
    let numbers = table.matrix::<f32>(&columns)?;
    let x = ndarray::concatenate(ndarray::Axis(1), &[numbers.view(), kinds.view()])?;
    let (labels, _) = table.categories("heart_disease")?;
    let data = Dataset::new(x, labels, 2)?;

    let task = ClassifyBinary::new();
    let (mut loss, mut scores, mut ill, mut right) = (0.0, Vec::new(), Vec::new(), 0.0);
    for (fold, (rest, test)) in data.k_folds(10, 1).enumerate() {
        let (train, valid) = rest.split(0.85, fold as u64);
        let scaler = Scaler::standard(train.x());
        let mut model = Sequential::new()
            .layer(Standardize::new(&scaler.shift, &scaler.scale))
            .layer(Mlp::builder([train.x().ncols(), 16, 1]).activation(Activation::Tanh).dropout(0.3).seed(1).build());
        let mut trainer = Trainer::new(AdamW::new(0.01).weight_decay(0.1))
            .task(task.clone())
            .epochs(200)
            .seed(fold as u64)
            .early_stopping(EarlyStopping::new(15))
            .keep_best(true);
        trainer.fit(&mut model, &train, Some(&valid))?;
        let result = evaluate_task(&model, &task, &test)?;
        loss += result.loss() * test.len() as f64;
        right += result.accuracy() * test.len() as f64;
        scores.extend(result.predictions.outputs.iter().map(|&x| f64::from(x)));
        ill.extend(test.y().iter().map(|&y| y == 1));
    }
    let (loss, right, auc) = (loss / ill.len() as f64, right / ill.len() as f64, auc(&scores, &ill));
    println!(
        "Cleveland, 9 measurements in {} columns, MLP, people not seen: log loss {loss:.3}, AUC {auc:.3}, {:.1} % \
         right",
        data.x().ncols(),
        100.0 * right
    );
    assert!(auc > 0.719 && loss < 0.60788, "better than the perceptron that saw three measurements of everybody");
    Ok(())
}
