//! Do small batches find flatter minima, and do these generalise better? The digits perceptron is trained with batches
//! of 16, with full batches, and with sharpness-aware steps, to the same training loss, from ten seeds. Then the
//! largest eigenvalue of the Hessian, its trace, and the accuracy on the test set are compared.
//!
//! Keskar et al. 2017 (<https://arxiv.org/abs/1609.04836>) found that small batches lead to flatter minima. Dinh et al.
//! 2017 (<https://arxiv.org/abs/1703.04933>) showed that sharpness alone cannot mean anything: in a ReLU network, one
//! layer scaled up and the next one down by the same factor is the same function with another sharpness. The last part
//! shows it.
//!
//! `cargo run --release --example flat_or_sharp` takes a minute or two; `-- --quick` takes three seeds.

use std::error::Error;
use std::path::Path;

use gradus::data::Dataset;
use gradus::landscape::{Landscape, hutch_pp};
use gradus::optim::{Descent, Sam};
use gradus::prelude::*;
use gradus::viz::{Plot, Style};

const LOSS: f64 = 0.05;
const RATE: f64 = 0.2;

/// What is compared of each trained model.
struct Found {
    steps: usize,
    largest: f64,
    trace: f64,
    accuracy: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let seeds = if quick { 3 } else { 10 };
    let digits = gradus::data::digits();
    let scaled = |data: &Dataset| Dataset::new(data.x() / 16.0, data.y().to_vec(), 10);
    let (train, test) = (scaled(&digits.train)?, scaled(&digits.test)?);
    let landscape = Landscape::new(Classify::new(), &train);

    let mut runs = Vec::new();
    for (name, batch, rho) in
        [("batches of 16", 16, 0.0), ("full batches", train.len(), 0.0), ("batches of 16, SAM", 16, 0.1)]
    {
        let mut found = Vec::new();
        for seed in 0..seeds {
            let (model, steps) = descend(&landscape, &train, batch, rho, seed)?;
            let largest = landscape.sharpness(&model)?.values[0];
            let trace = hutch_pp(&landscape.hessian(&model), 90, seed)?.value;
            found.push(Found { steps, largest, trace, accuracy: 100.0 * evaluate(&model, &test).accuracy() });
        }
        runs.push((name, found));
    }
    println!("To a training loss of {LOSS}, {seeds} seeds, mean ± standard deviation:\n");
    println!("                       steps    largest eigenvalue         trace    test accuracy");
    for (name, found) in &runs {
        let of = |value: fn(&Found) -> f64| mean_and_spread(found, value);
        let ((steps, _), (top, top_spread)) = (of(|f| f.steps as f64), of(|f| f.largest));
        let ((trace, trace_spread), (right, right_spread)) = (of(|f| f.trace), of(|f| f.accuracy));
        println!(
            "  {name:<18} {steps:>7.0}      {top:>6.2} ± {top_spread:<5.2}  {trace:>8.1} ± {trace_spread:<4.1}  \
             {right:>6.2} % ± {right_spread:.2}"
        );
    }
    println!("\n{}", verdict(&runs[0].1, &runs[1].1));
    let largest = |of: usize| mean_and_spread(&runs[of].1, |f| f.largest);
    assert!(largest(0).0 + 3.0 * largest(0).1 < largest(1).0, "small batches come to flatter minima");
    assert!(largest(2).0 < largest(0).0, "sharpness-aware steps come to still flatter ones");
    rescaled(&landscape, &train)?;

    let folder = Path::new("target/flat_or_sharp");
    std::fs::create_dir_all(folder)?;
    let plot = runs.iter().fold(Plot::new("ten seeds each"), |plot, (name, found)| {
        plot.series(name, Style::Points, found.iter().map(|f| (f.largest, f.accuracy)))
    });
    plot.axes("largest eigenvalue of the Hessian", "test accuracy in %").save(folder.join("seeds.svg"))?;
    println!("The picture is {}.", folder.join("seeds.svg").display());
    Ok(())
}

/// Trains until the loss over the whole training set is reached: by plain descent, or by sharpness-aware steps if `rho`
/// is above 0.
fn descend(
    landscape: &Landscape<Classify, &Dataset>,
    train: &Dataset,
    batch: usize,
    rho: f64,
    seed: u64,
) -> Result<(Mlp, usize), Box<dyn Error>> {
    let mut model = Mlp::builder([64, 32, 10]).seed(seed).build();
    let (mut tape, mut steps) = (Tape::training(seed), 0);
    let (mut plain, mut aware) = (Sgd::new(RATE), Sam::new(Sgd::new(RATE)).rho(rho));
    for epoch in 0.. {
        for batch in train.batches(batch).shuffle(1000 * seed + epoch) {
            let evaluate =
                |model: &Mlp| tape.gradients(|t| model.forward(t.constant(&batch.x)).cross_entropy(&batch.y));
            if rho > 0.0 {
                aware.descend(&mut model, evaluate)
            } else {
                plain.descend(&mut model, evaluate)
            };
            steps += 1;
            if steps % 10 == 0 && landscape.cost(&model)? <= LOSS {
                return Ok((model, steps));
            }
        }
    }
    unreachable!("the loss is reached")
}

fn mean_and_spread(found: &[Found], value: fn(&Found) -> f64) -> (f64, f64) {
    let n = found.len() as f64;
    let mean = found.iter().map(value).sum::<f64>() / n;
    (mean, (found.iter().map(|f| (value(f) - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt())
}

/// Says what the runs show, and no more: a difference counts if it is more than twice its standard error.
fn verdict(small: &[Found], full: &[Found]) -> String {
    let differs = |value: fn(&Found) -> f64| {
        let ((a, spread_a), (b, spread_b)) = (mean_and_spread(small, value), mean_and_spread(full, value));
        let error = ((spread_a.powi(2) + spread_b.powi(2)) / small.len() as f64).sqrt();
        ((a - b).abs() > 2.0 * error).then_some(a > b)
    };
    let sharper = match differs(|f| f.largest) {
        Some(true) => "Small batches came to sharper minima here",
        Some(false) => "Small batches came to flatter minima here",
        None => "Small and full batches came to minima of one sharpness here, within the spread",
    };
    let better = match differs(|f| f.accuracy) {
        Some(true) => "and they generalise better",
        Some(false) => "and they generalise worse",
        None => "and the accuracies do not differ by more than their spread",
    };
    format!("{sharper}, {better}.")
}

/// One layer ten times as large, and the next one a tenth: the same function, and another sharpness.
fn rescaled(landscape: &Landscape<Classify, &Dataset>, train: &Dataset) -> Result<(), Box<dyn Error>> {
    let (model, _) = descend(landscape, train, 16, 0.0, 0)?;
    let mut other = model.clone();
    let [first, second] = &mut other.layers[..] else { panic!("two layers") };
    first.weight.update(|w| w.iter_mut().for_each(|w| *w *= 10.0));
    first.bias.as_mut().unwrap().update(|b| b.iter_mut().for_each(|b| *b *= 10.0));
    second.weight.update(|w| w.iter_mut().for_each(|w| *w /= 10.0));
    let (before, after) = (landscape.sharpness(&model)?.values[0], landscape.sharpness(&other)?.values[0]);
    let (cost, same) = (landscape.cost(&model)?, landscape.cost(&other)?);
    println!(
        "\nThe first layer times ten, the second by ten: the cost stays {cost:.6} ({same:.6}),\nand the largest \
         eigenvalue goes from {before:.2} to {after:.2}. So sharpness compares minima only within one scale of\nthe \
         parameters."
    );
    assert!((cost - same).abs() < 1e-5 && after > 5.0 * before);
    Ok(())
}
