//! Trains an MLP, or a small convolutional network, on real handwritten digits and shows that it learned.
//!
//! `cargo run --release --example digits` uses the embedded set (8 × 8 pixels), with `-- --data DIR` the MNIST files in
//! a folder. `-- --model cnn` trains the convolutional network; `-- --help` lists the settings.

use std::error::Error;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use gradus::data::{Augment, Dataset, Scaler, Split, digits, mnist};
use gradus::prelude::*;
use gradus::train::{Epoch, Evaluation, History};
use gradus::viz::{Images, Plot, Report, save_stack};
use gradus::{NormThen, Pooling};
use ndarray::ArrayView1;

/// Trains a network on handwritten digits.
#[derive(Parser)]
struct Settings {
    /// A multilayer perceptron, or two convolutions and two layers
    #[arg(long, value_enum, default_value_t = Kind::Mlp)]
    model: Kind,
    /// The number of epochs [default: 30, with --data 10, for cnn 6]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    epochs: Option<u64>,
    /// The number of examples in a batch [default: 32, with --data 128]
    #[arg(long, value_parser = positive)]
    batch: Option<usize>,
    /// Sizes of the MLP's hidden layers, separated by commas [default: 128, with --data 256,128]
    #[arg(long, value_delimiter = ',', value_parser = positive)]
    hidden: Option<Vec<usize>>,
    /// How many pixels training images are moved at random, at most [default: 0, for cnn with --data 1.5]
    #[arg(long, value_parser = pixels_moved)]
    shift: Option<f64>,
    /// The activation between the layers: relu, tanh, sigmoid, gelu, …
    #[arg(long, default_value_t = Activation::Relu)]
    activation: Activation,
    /// The probability that a hidden number is dropped in training
    #[arg(long, default_value_t = 0.2, value_parser = probability)]
    dropout: f64,
    /// The rule of the optimizer
    #[arg(long, value_enum, default_value_t = Rule::Adamw)]
    optimizer: Rule,
    /// The highest learning rate [default: 0.003, for sgd 0.05]
    #[arg(long, value_parser = rate)]
    lr: Option<f64>,
    /// The schedule of the learning rate after its warm-up
    #[arg(long, value_enum, default_value_t = Decay::Cosine)]
    schedule: Decay,
    /// The seed of the first weights, the order of the examples, and dropout
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The number of threads that work on a batch; it does not change the model
    #[arg(long, default_value_t = 1, value_parser = positive)]
    threads: usize,
    /// A folder with MNIST's four IDX files, gzipped or not, instead of the embedded digits
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The folder for the model and the plot
    #[arg(long, value_name = "DIR", default_value = "target/digits")]
    out: PathBuf,
    /// A short run that only shows that everything works
    #[arg(long)]
    quick: bool,
}

fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&n| n > 0).ok_or_else(|| format!("{text} is not a whole number from 1 on"))
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|&r: &f64| r > 0.0 && r.is_finite());
    rate.ok_or_else(|| format!("{text} is not a number above 0"))
}

fn probability(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|p| (0.0..1.0).contains(p)).ok_or_else(|| format!("{text} is not in 0..1"))
}

fn pixels_moved(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|p| (0.0..=8.0).contains(p)).ok_or_else(|| format!("{text} is not in 0..=8"))
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Kind {
    Mlp,
    Cnn,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Rule {
    Sgd,
    Adam,
    Adamw,
}

#[derive(Clone, Copy, ValueEnum)]
enum Decay {
    Cosine,
    Step,
    Constant,
}

/// The number of parts of a batch that are computed separately. It affects the results, so it does not depend on the
/// threads.
const SHARDS: usize = 2;

fn main() -> ExitCode {
    match run(Settings::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("digits: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(settings: Settings) -> Result<(), Box<dyn Error>> {
    let large = settings.data.is_some();
    let epochs = settings.epochs.unwrap_or(match settings.model {
        _ if settings.quick => 3,
        Kind::Mlp if large => 10,
        Kind::Cnn if large => 6,
        _ => 30,
    });
    let batch = settings.batch.unwrap_or(if large { 128 } else { 32 });
    let lr = settings.lr.unwrap_or(if settings.optimizer == Rule::Sgd { 0.05 } else { 3e-3 });

    std::fs::create_dir_all(&settings.out).map_err(|e| format!("{}: {e}", settings.out.display()))?;
    let Split { train, test } = match &settings.data {
        Some(folder) => mnist(folder)?,
        None => digits(),
    };
    let side = (train.x().ncols() as f64).sqrt() as usize;
    let (mut model, text) = match settings.model {
        Kind::Mlp => mlp(&settings, &train, if large { vec![256, 128] } else { vec![128] }),
        Kind::Cnn => cnn(&settings, &train, side),
    };
    println!("{} digits to train on, {} to test on", train.len(), test.len());
    println!("{text}: {} parameters\n", model.param_count());

    let steps = epochs * train.len().div_ceil(batch) as u64;
    let warm = steps / 20;
    let decay = match settings.schedule {
        Decay::Cosine => cosine(steps - warm),
        Decay::Step => step_decay((steps / 3).max(1), 0.3),
        Decay::Constant => schedule::constant(),
    };
    let schedule = warmup(warm).then(decay);
    let start = Instant::now();
    let shift = settings.shift.unwrap_or(if large && settings.model == Kind::Cnn { 1.5 } else { 0.0 });
    let augment = Augment::images(side, side).shift(shift);
    let run = Run { settings: &settings, epochs, batch, augment, train: &train, test: &test };
    let (history, described) = match settings.optimizer {
        Rule::Sgd => run.fit(&mut model, Sgd::new(lr).momentum(0.9).schedule(schedule)),
        Rule::Adam => run.fit(&mut model, Adam::new(lr).schedule(schedule)),
        Rule::Adamw => run.fit(&mut model, AdamW::new(lr).weight_decay(0.05).schedule(schedule)),
    }?;
    println!("\ntrained in {:.1} s", start.elapsed().as_secs_f64());

    let result = evaluate(&model, &test);
    println!("\nhow often digit (row) was taken for digit (column):\n{}", result.predictions.confusion());
    show_mistakes(&result, &test);
    let (saved, plot) = (settings.out.join("model.gradus"), settings.out.join("training.svg"));
    save(&model, &saved)?;
    save_stack(&Plot::history(&history), &plot)?;
    let report = settings.out.join("report.html");
    let command =
        std::env::args().skip(1).fold("cargo run --release --example digits --".to_owned(), |c, a| c + " " + &a);
    let mistakes = Images::mistakes(test.x(), (side, side), test.y(), &result.predictions.classes(), 40);
    Report::new(&format!("Handwritten digits: {:.2} % right", 100.0 * result.accuracy()))
        .history(&history)
        .confusion(&result.confusion())
        .images("Mistakes", &mistakes)
        .text("The model", &format!("{text}\n\n{}", model.summary()))
        .table("Settings", &described)
        .text("How to reproduce it", &command)
        .save(&report)?;
    println!("\nmodel:  {}\nplot:   {}\nreport: {}", saved.display(), plot.display(), report.display());
    println!("test accuracy: {:.2} %", 100.0 * result.accuracy());
    if settings.quick && result.accuracy() < 0.9 {
        return Err(format!("a quick run should reach 90 %, not {:.2} %", 100.0 * result.accuracy()).into());
    }
    Ok(())
}

/// Scaling, then fully connected layers. The scaling is saved with the model, so the model takes pixels as they are.
fn mlp(settings: &Settings, train: &Dataset, hidden: Vec<usize>) -> (Sequential, String) {
    let hidden = settings.hidden.clone().unwrap_or(hidden);
    let sizes: Vec<usize> = [train.x().ncols()].into_iter().chain(hidden).chain([train.classes()]).collect();
    let mlp: Mlp = Mlp::builder(sizes.as_slice())
        .activation(settings.activation)
        .dropout(settings.dropout)
        .seed(settings.seed)
        .build();
    let text = format!("an MLP of {sizes:?} with {}", settings.activation);
    (Sequential::new().named("pixels", scaling(train)).named("mlp", mlp), text)
}

/// Scaling, then twice a convolution, batch normalisation, an activation and the maximum of 2 × 2 pixels, then two
/// layers.
fn cnn(settings: &Settings, train: &Dataset, side: usize) -> (Sequential, String) {
    let (mut rng, activation) = (gradus::nn::rng(settings.seed), settings.activation);
    // one operation where the activation is ReLU
    let normalized = |model: Sequential, name: &str, channels: usize| match activation {
        Activation::Relu => {
            model.named(name, BatchNorm::new(channels).then(NormThen::ReluMaxPool(Pooling::new([2, 2]))))
        }
        other => model.named(name, BatchNorm::new(channels)).layer(other).layer(MaxPool2d::new([2, 2])),
    };
    let model = Sequential::new()
        .named("pixels", scaling(train))
        .map(move |x| x.reshape([-1, 1, side as i32, side as i32]))
        .named("conv1", Conv2d::new(1, 16, [3, 3], &mut rng).padding([1, 1]));
    let model = normalized(model, "norm1", 16).named("conv2", Conv2d::new(16, 32, [3, 3], &mut rng).padding([1, 1]));
    let model = normalized(model, "norm2", 32)
        .layer(Flatten)
        .layer(Dropout::new(settings.dropout))
        .named("hidden", Linear::new(32 * (side / 4).pow(2), 128, &mut rng))
        .layer(activation)
        .named("out", Linear::new(128, train.classes(), &mut rng));
    (model, format!("16 and 32 channels of 3 × 3, 128 hidden, with {activation}"))
}

fn scaling(train: &Dataset) -> Standardize {
    let scaler = Scaler::overall(train.x());
    Standardize::new(&scaler.shift, &scaler.scale)
}

/// The settings of a run, by name.
type Described = Vec<(String, String)>;

struct Run<'a> {
    settings: &'a Settings,
    epochs: u64,
    batch: usize,
    augment: Augment,
    train: &'a Dataset,
    test: &'a Dataset,
}

impl Run<'_> {
    fn fit<R: gradus::optim::Rule>(
        &self,
        model: &mut Sequential,
        opt: Optimizer<R>,
    ) -> Result<(History, Described), Box<dyn Error>> {
        println!("epoch   train loss  accuracy    test loss  accuracy   learning rate");
        let mut trainer = Trainer::new(opt)
            .task(Classify::new().augment(self.augment))
            .epochs(self.epochs)
            .batch_size(self.batch)
            .seed(self.settings.seed)
            .shards(SHARDS)
            .threads(self.settings.threads);
        // the scores of the test digits are shown after each epoch; nothing is chosen by them
        let history = trainer.fit_with(model, self.train, Some(self.test), |at| {
            if let Some(epoch) = at.epoch {
                show_epoch(epoch);
            }
            ControlFlow::Continue(())
        })?;
        Ok((history, trainer.describe()))
    }
}

fn show_epoch(Epoch { epoch, train, valid, lr, .. }: &Epoch) {
    let of = |scores: &gradus::train::Scores| (scores.loss, 100.0 * scores.get("accuracy").unwrap_or(f64::NAN));
    let (loss, accuracy) = of(train);
    let (test_loss, test_accuracy) = valid.as_ref().map_or((f64::NAN, f64::NAN), of);
    println!("{epoch:>5} {loss:>12.4} {accuracy:>8.2} % {test_loss:>11.4} {test_accuracy:>7.2} % {lr:>15.6}");
}

/// Draws the first mistakes side by side, two pixels per character.
fn show_mistakes(result: &Evaluation, raw: &Dataset) {
    let side = (raw.x().ncols() as f64).sqrt() as usize;
    let count = if side > 16 { 3 } else { 6 };
    let classes = result.predictions.classes();
    let wrong: Vec<usize> = (0..raw.len()).filter(|&i| classes[i] != raw.y()[i]).collect();
    println!("\n{} of {} are wrong; the first of them:", wrong.len(), raw.len());
    let shown = &wrong[..count.min(wrong.len())];
    let title = |&i: &usize| {
        format!("{:<width$}", format!("{} taken for {}", raw.y()[i], classes[i]), width = 2 * side.max(8) + 3)
    };
    println!("{}", shown.iter().map(title).collect::<String>());
    let brightest = raw.x().iter().copied().fold(1.0, f32::max);
    for y in 0..side {
        let line = |&i: &usize| {
            let text: String = pixels(raw.x().row(i), y, side, brightest).collect();
            text + &" ".repeat(2 * (side.max(8) - side) + 3)
        };
        println!("{}", shown.iter().map(line).collect::<String>());
    }
}

fn pixels(image: ArrayView1<'_, f32>, y: usize, side: usize, brightest: f32) -> impl Iterator<Item = char> {
    let shades = [' ', '░', '▒', '▓', '█'];
    let shade = move |x: usize| shades[(image[y * side + x] / brightest * 4.0).round() as usize];
    (0..side).flat_map(move |x| [shade(x), shade(x)]).collect::<Vec<_>>().into_iter()
}
