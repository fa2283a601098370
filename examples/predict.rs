//! Uses a trained model: loads it, predicts digits that it has not seen, and shows which pixels decided.
//!
//! `cargo run --release --example predict` loads the small model beside this file; `-- FILE` loads another one, saved
//! by `--example digits -- --hidden 32` with its other settings as they are.

use std::error::Error;
use std::process::ExitCode;

use gradus::data::digits;
use gradus::prelude::*;

fn main() -> ExitCode {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/models/digits.gradus");
    match run(&std::env::args().nth(1).unwrap_or_else(|| own.to_owned())) {
        Ok(accuracy) if accuracy > 0.9 => ExitCode::SUCCESS,
        Ok(_) => {
            eprintln!("predict: fewer than 90 % are right; does the file come from another activation, or other data?");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("predict: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The share of test digits that a saved model gets right.
fn run(file: &str) -> Result<f64, Box<dyn Error>> {
    // the architecture is code; the file holds the model's numbers, among them the scaling of pixels
    let mut model = Sequential::new()
        .named("pixels", Standardize::identity(64))
        .named("mlp", Mlp::builder([64, 32, 10]).dropout(0.2).build());
    load(&mut model, file)?;

    let test = digits().test;
    let result = evaluate(&model, &test);
    println!("{file}: {:.2} % of {} digits are right\n", 100.0 * result.accuracy(), test.len());
    let classes = result.predictions.classes();
    let wrong = (0..test.len()).find(|&i| classes[i] != test.y()[i]);
    for example in [0, 1].into_iter().chain(wrong) {
        explain(&model, test.x().row(example).to_vec(), test.y()[example]);
    }
    Ok(result.accuracy())
}

/// Draws a digit, the classes that the model takes it for, and the pixels that speak for the first of these.
fn explain(model: &Sequential, image: Vec<f32>, label: usize) {
    let tape = Tape::inference();
    let x = tape.var(ndarray::Array2::from_shape_vec((1, 64), image).expect("64 pixels"));
    let logits = model.forward(x);
    let probabilities = logits.softmax(-1);
    let mut ranked: Vec<usize> = (0..10).collect();
    ranked.sort_by(|&a, &b| probabilities.data()[b].total_cmp(&probabilities.data()[a]));
    let (first, second) = (ranked[0], ranked[1]);

    // the share of each pixel in the decision: the derivative of the first class's lead over the second, times the
    // pixel
    let lead = logits.narrow(1, first, 1).sum() - logits.narrow(1, second, 1).sum();
    let shares = lead.backward().wrt(x) * x.value();
    let most = shares.iter().fold(0.0f32, |most, s| most.max(s.abs()));

    println!(
        "{label}, taken for {first} rather than {second}; at the right, what speaks for that (+) and against it (−):"
    );
    for row in 0..8 {
        let at = |column: usize| 8 * row + column;
        let pixel = |column: usize| [' ', '░', '▒', '▓', '█'][(x.data()[at(column)] / 16.0 * 4.0).round() as usize];
        let share = |column: usize| match shares[[0, at(column)]] / most {
            s if s > 0.25 => '+',
            s if s < -0.25 => '−',
            _ => '·',
        };
        let drawn: String = (0..8).flat_map(|column| [pixel(column); 2]).collect();
        let shares: String = (0..8).flat_map(|column| [share(column), ' ']).collect();
        let bar = ranked.get(row).filter(|_| row < 3).map_or(String::new(), |&class| {
            let p = probabilities.data()[class];
            format!("   {class}: {:5.1} % {}", 100.0 * p, "▇".repeat((p * 20.0).round() as usize))
        });
        println!("  {drawn}   {shares}{bar}");
    }
    println!();
}
