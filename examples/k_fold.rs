//! Compares two models by cross-validation: each is trained five times, and tested each time on the fifth of the data
//! that it has not seen.
//!
//! `cargo run --release --example k_fold`

use std::error::Error;

use gradus::data::{Dataset, Scaler, moons};
use gradus::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let data = moons(500, 0.2, 1);
    let line = folds(&data, &[2, 2])?;
    let network = folds(&data, &[2, 16, 16, 2])?;
    println!("two half circles, accuracy on each fifth:");
    let show = |name: &str, all: &[f64]| {
        let (mean, error) = mean_and_error(all);
        let each: Vec<String> = all.iter().map(|a| format!("{:5.1}", 100.0 * a)).collect();
        println!("  {name:<16} {}   mean {:.1} ± {:.1} %", each.join("  "), 100.0 * mean, 100.0 * error);
    };
    show("a line", &line);
    show("two hidden layers", &network);

    // both models have the same folds, so compare them fold by fold
    let differences: Vec<f64> = network.iter().zip(&line).map(|(a, b)| a - b).collect();
    let (mean, error) = mean_and_error(&differences);
    println!("the network is better by {:.1} ± {:.1} points", 100.0 * mean, 100.0 * error);
    assert!(mean > 3.0 * error && mean_and_error(&network).0 > 0.95);
    Ok(())
}

/// The accuracy of an MLP of the given sizes on each of five folds, which have the same share of each class.
fn folds(data: &Dataset, sizes: &[usize]) -> Result<Vec<f64>, Box<dyn Error>> {
    let one = |(train, test): (Dataset, Dataset)| {
        let scaler = Scaler::standard(train.x()); // fitted on this fold's training data alone
        let (train, test) = (train.scaled(&scaler), test.scaled(&scaler));
        let mut model = Mlp::builder(sizes).seed(1).build::<f32>();
        Trainer::new(Adam::new(0.01)).epochs(60).fit(&mut model, &train, None)?;
        Ok(evaluate(&model, &test).accuracy())
    };
    data.k_folds(5, 1).map(one).collect()
}

/// The mean, and its standard error.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}
