//! Predicts heart disease with a perceptron, and the mass of a penguin with a line; both against what is known.
//!
//! `cargo run --release --example heart_disease`

use std::error::Error;

use gradus::data::{Scaler, heart_attacks, heart_disease, penguins};
use gradus::prelude::*;
use ndarray::{Array1, Array2};

fn main() -> Result<(), Box<dyn Error>> {
    line()?;
    let cleveland = heart_disease();
    let (x, y) = (cleveland.matrix(&["trestbps", "male", "age"])?, cleveland.numbers("heart_disease")?);
    perceptron("Cleveland", &x, &y, (0.60788, 0.719));
    let nhanes = heart_attacks();
    let (x, y) = (nhanes.matrix(&["sbp", "male", "age", "bmi"])?, nhanes.numbers("heart_attack")?);
    perceptron("NHANES", &x, &y, (0.163739, 0.796));
    Ok(())
}

/// mass = m · flipper + b, by full-batch descent on standardised numbers.
fn line() -> Result<(), Box<dyn Error>> {
    let table = penguins().complete(&["flipper_length_mm", "body_mass_g"])?;
    let both: Array2<f64> = table.matrix(&["flipper_length_mm", "body_mass_g"])?;
    let scaler = Scaler::standard(&both);
    let scaled = scaler.apply(&both);
    let (x, y) = (scaled.column(0).to_owned(), scaled.column(1).to_owned());
    let found =
        minimize(|theta| (theta.at(0) * &x + theta.at(1) - &y).square().mean(), Array1::zeros(2), Sgd::new(0.3), 200);
    let m = found.at[0] * scaler.scale[1] / scaler.scale[0];
    let b = found.at[1] * scaler.scale[1] + scaler.shift[1] - m * scaler.shift[0];
    println!("Penguins: mass in g = {m:.4} · flipper in mm + {b:.3}, r² = {:.4}", 1.0 - found.cost());
    assert!((m - 49.685566).abs() < 1e-5 && (b + 5780.831358).abs() < 1e-3, "the least-squares line");
    Ok(())
}

/// A perceptron without an activation gives a logit; its cost holds the sigmoid.
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
    let auc = auc(logits.data(), y);
    println!(
        "{name}: log loss {cost:.5}, AUC {auc:.3}, weights {:.5}, bias {:.5}",
        model.weight.value(),
        model.bias.as_ref().map_or(0.0, |b| b.data()[0])
    );
    let near = (cost - known.0).abs() < 1e-5 && (auc - known.1).abs() < 5e-4;
    assert!(near, "logistic regression has log loss and AUC {known:?}");
}

/// The share of pairs (ill, well) of which the ill one has the larger logit.
fn auc(logits: &[f64], y: &Array1<f64>) -> f64 {
    let of = |label: f64| logits.iter().zip(y).filter(move |(_, y)| **y == label).map(|(x, _)| *x);
    let (ill, well): (Vec<f64>, Vec<f64>) = (of(1.0).collect(), of(0.0).collect());
    let wins = |a: &f64| well.iter().map(|b| if a > b { 1.0 } else { f64::from(u8::from(a == b)) / 2.0 }).sum::<f64>();
    ill.iter().map(wins).sum::<f64>() / (ill.len() * well.len()) as f64
}
