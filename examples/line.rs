//! Fits a line y = mx + b to penguins in three ways, and compares it with the known least-squares line.
//!
//! `cargo run --release --example line`

use std::error::Error;

use gradus::data::{Scaler, penguins};
use gradus::prelude::*;
use ndarray::{Array1, Array2, Axis};

fn main() -> Result<(), Box<dyn Error>> {
    let table = penguins().complete(&["flipper_length_mm", "body_mass_g"])?;
    let both: Array2<f64> = table.matrix(&["flipper_length_mm", "body_mass_g"])?;
    // with both columns at mean 0 and standard deviation 1, one learning rate fits slope and intercept
    let scaler = Scaler::standard(&both);
    let scaled = scaler.apply(&both);
    let (x, y) = (scaled.column(0).to_owned(), scaled.column(1).to_owned());

    // 1. a function of two numbers, minimised
    let found =
        minimize(|theta| (theta.at(0) * &x + theta.at(1) - &y).square().mean(), Array1::zeros(2), Sgd::new(0.3), 200);
    report("minimize", &scaler, found.at[0], found.at[1], 1e-5);

    // 2. a loop of your own, a few penguins a step: the noise of the steps falls with the learning rate
    let mut line = (Param::new(0.0), Param::new(0.0));
    let mut opt = Sgd::new(0.1).schedule(cosine(1100));
    let costs = descend(&mut line, &mut opt, Rows::mini(x.len(), 32, 1).epochs(100), |(m, b), t, rows| {
        let (x, y) = (x.select(Axis(0), rows), y.select(Axis(0), rows));
        (t.param(m) * &x + t.param(b) - &y).square().mean()
    });
    assert_eq!(costs.count(), 1100);
    report("descend", &scaler, line.0.data()[0], line.1.data()[0], 1e-2);

    // 3. a layer and a trainer
    let mut layer = Linear::<f64>::new(1, 1, &mut gradus::nn::rng(1));
    let data = (x.insert_axis(Axis(1)), y.insert_axis(Axis(1)));
    let mut trainer = Trainer::new(Sgd::new(0.1).schedule(cosine(1100))).task(Regress::new()).epochs(100);
    let history = trainer.fit(&mut layer, &data, None)?;
    let bias = layer.bias.as_ref().map_or(0.0, |b| b.data()[0]);
    report("Trainer", &scaler, layer.weight.data()[0], bias, 1e-2);
    let r2 = evaluate_task(&layer, &Regress::new(), &data)?.scores.get("r2").unwrap_or(f64::NAN);
    println!("r² = {r2:.4} after {} steps", history.steps.len());
    assert!((r2 - 0.7590).abs() < 1e-3);
    Ok(())
}

/// Prints the line in grams and millimetres, and compares it with the least-squares line.
fn report(how: &str, scaler: &Scaler, slope: f64, intercept: f64, tolerance: f64) {
    let m = slope * scaler.scale[1] / scaler.scale[0];
    let b = intercept * scaler.scale[1] + scaler.shift[1] - m * scaler.shift[0];
    println!("{how:>9}: mass in g = {m:.3} · flipper in mm {b:+.1}");
    let (known_m, known_b) = (49.685566, -5780.831358);
    let near = |a: f64, b: f64| (a / b - 1.0).abs() < tolerance;
    assert!(near(m, known_m) && near(b, known_b), "least squares give {known_m} and {known_b}");
}
