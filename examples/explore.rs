//! The backprop explorer on five programs: each becomes a page on which you step through it, forward and backward.
//!
//! `cargo run --release --example explore -- line | reused | xor | digits | long`

use clap::{Parser, ValueEnum};
use gradus::prelude::*;
use ndarray::{Array1, array};

#[derive(Clone, Copy, ValueEnum)]
enum Demonstration {
    /// the cost of a line y = w x + b
    Line,
    /// a variable that is used twice, so that two gradients meet
    Reused,
    /// a perceptron with one hidden layer learns "either, but not both"
    Xor,
    /// a classifier of handwritten digits, while it learns
    Digits,
    /// a recurrence of 100 steps: a graph of some 500 nodes
    Long,
}

#[derive(Parser)]
struct Settings {
    /// Which program to explore
    #[arg(value_enum, default_value = "line")]
    which: Demonstration,
    /// The folder for the page
    #[arg(long, default_value = "target/explore")]
    out: std::path::PathBuf,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Settings { which, out } = Settings::parse();
    std::fs::create_dir_all(&out)?;
    let name = which.to_possible_value().expect("no demonstration is hidden");
    let page = out.join(name.get_name()).with_extension("html");
    match which {
        Demonstration::Line => line().save_html(&page)?,
        Demonstration::Reused => reused().save_html(&page)?,
        Demonstration::Xor => xor().save_html(&page)?,
        Demonstration::Digits => digits().save_html(&page)?,
        Demonstration::Long => long().save_html(&page)?,
    }
    println!("page: {}", page.display());
    Ok(())
}

/// How wrong is the line y = w x + b about three points?
fn line() -> gradus::Trace {
    let (x, y) = (array![0.0, 1.0, 2.0], array![1.0, 3.0, 5.0]);
    let tape = Tape::new();
    let (w, b) = (tape.var(0.5).named("w"), tape.var(0.0).named("b"));
    let loss = (w * &x + b - &y).square().mean();
    explain(loss)
}

/// Two uses of w: the gradient of w is the sum of what both pass back.
fn reused() -> gradus::Trace {
    let tape = Tape::new();
    let (w, x) = (tape.var(3.0).named("w"), tape.var(2.0).named("x"));
    let left = (w * x).named("left");
    let right = w.square().named("right");
    let cost = (left * 0.5 + right).named("cost");
    explain(cost)
}

/// Training of a small network on four rows, recorded at eight of its steps.
fn xor() -> Story {
    let x = array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    let y = array![[0.0], [1.0], [1.0], [0.0]];
    let mut model = Mlp::builder([2, 4, 1]).activation(Activation::Tanh).seed(1).build();
    let mut optimizer = Adam::new(0.1);
    let mut tape = Tape::training(0);
    let mut story = Story::titled("XOR: a network learns “either, but not both”");
    for step in 0..=140 {
        if step % 20 == 0 {
            let tape = Tape::training(0);
            tape.name_parameters(&model);
            let inputs = tape.constant(&x).named("x");
            let logits = model.forward(inputs);
            story.record(step, loss::binary_cross_entropy(logits, &y, Reduction::Mean));
        }
        let (_, grads) =
            tape.gradients(|t| loss::binary_cross_entropy(model.forward(t.constant(&x)), &y, Reduction::Mean));
        optimizer.step(&mut model, &grads);
    }
    story
}

/// A classifier of 8 × 8 pictures: the gradients of six of them, while the network learns from all.
fn digits() -> Story {
    let data = gradus::data::digits();
    let mut model = Mlp::builder([64, 16, 10]).seed(1).build();
    let mut optimizer = Adam::new(3e-3);
    let mut tape = Tape::training(0);
    let mut story = Story::titled("Handwritten digits: six pictures, while the network learns");
    let shown = data.train.select(&[0, 1, 2, 3, 4, 5]);
    for (step, batch) in data.train.batches(32).shuffle(0).enumerate() {
        if step % 8 == 0 {
            let tape = Tape::training(0);
            tape.name_parameters(&model);
            let pictures = tape.constant(&shown.x).named("pictures");
            let logits = model.forward(pictures);
            story.record(step, logits.cross_entropy(&shown.y));
        }
        let (_, grads) = tape.gradients(|t| model.forward(t.constant(&batch.x)).cross_entropy(&batch.y));
        optimizer.step(&mut model, &grads);
    }
    story
}

/// A state that is multiplied by w and squashed a hundred times: its gradient vanishes.
fn long() -> gradus::Trace {
    let tape = Tape::new();
    let (w, b) = (tape.var(0.9).named("w"), tape.var(0.1).named("b"));
    let mut state = tape.var(Array1::linspace(-1.0, 1.0, 4)).named("start");
    for step in 0..100 {
        let moved = state * w;
        let pushed = moved + b;
        let squashed = pushed.tanh();
        let scaled = squashed * (1.0 - 0.001 * f64::from(step));
        state = scaled - 0.01;
    }
    explain(state.square().sum())
}
