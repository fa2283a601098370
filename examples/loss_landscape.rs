//! Pictures of a network's landscape: what residual connections do to it (Li et al. 2018,
//! <https://arxiv.org/abs/1712.09913>), the way that a training takes, the line between two trained networks, and the
//! spectrum of the Hessian.
//!
//! `cargo run --release --example loss_landscape` draws into `target/loss_landscape`; `--
//! --quick` takes fewer points.

use std::error::Error;
use std::path::Path;

use gradus::data::Dataset;
use gradus::landscape::{Landscape, Plane, SpectralDensity, Surface, parameters};
use gradus::prelude::*;
use gradus::viz::{Plot, Relief};
use ndarray::Array1;

/// A deep perceptron. With residual connections, a hidden layer's output is added to what goes around the layer, as a
/// fourteenth, so that the numbers do not grow from layer to layer.
#[derive(Module, Clone)]
struct Deep {
    first: Linear,
    hidden: Vec<Linear>,
    last: Linear,
    #[module(skip)]
    residual: bool,
}

const DEPTH: usize = 14;
const WIDTH: usize = 24;

impl Deep {
    fn new(residual: bool, seed: u64) -> Self {
        let mut rng = gradus::nn::rng(seed);
        let layer = |inputs, outputs, rng: &mut _| Linear::with_init(inputs, outputs, Init::HE_NORMAL, rng);
        let hidden = (0..DEPTH).map(|_| layer(WIDTH, WIDTH, &mut rng)).collect();
        Deep { first: layer(64, WIDTH, &mut rng), hidden, last: layer(WIDTH, 10, &mut rng), residual }
    }
}

impl Forward for Deep {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let x = self.first.forward(x).relu();
        let deep = self.hidden.iter().fold(x, |x, layer| {
            let y = layer.forward(x).relu();
            if self.residual { x + y * (1.0 / DEPTH as f32) } else { y }
        });
        self.last.forward(deep)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let points = if quick { 15 } else { 41 };
    let folder = Path::new("target/loss_landscape");
    std::fs::create_dir_all(folder)?;
    let digits = gradus::data::digits().train;
    let train = Dataset::new(digits.x() / 16.0, digits.y().to_vec(), 10)?;
    let some = train.subset(&(0..500).collect::<Vec<_>>()); // a picture needs no more
    let landscape = Landscape::new(Classify::new(), &some);

    // around the end of the training, along two random directions as long as the parameters, filter by filter
    let (mut found, mut rough) = (Vec::new(), Vec::new());
    for (residual, name) in [(false, "without"), (true, "with")] {
        let mut roughnesses = Vec::new();
        for seed in 1..=3 {
            let (model, path) = teach(Deep::new(residual, seed), &train);
            let surface = landscape.surface(&model, Plane::random(&model, 1.0, seed), points)?;
            roughnesses.push(roughness(&surface));
            if seed == 1 {
                println!("{name} residual connections: cost {:.4} in the middle", landscape.cost(&model)?);
                let title = format!("{name} residual connections");
                Plot::surface(&surface).title(&title).save(folder.join(format!("{name}.svg")))?;
                Relief::new(&surface).title(&title).highest(8.0).save(folder.join(format!("{name}_relief.svg")))?;
                found.push((model, path));
            }
        }
        println!("  roughness of three networks: {roughnesses:.1?}");
        rough.push(roughnesses);
    }
    let (without, with) = (&rough[0], &rough[1]);
    assert!(without.iter().zip(with).all(|(a, b)| *a > 1.3 * b), "residual connections make the landscape smoother");

    // the way of the training, in the plane that it varies in most
    let (model, path) = &found[1];
    let way = landscape.surface(model, Plane::of_path(path), points)?;
    let [first, second] = way.plane.explained.expect("a plane of a path");
    println!("the two principal components explain {:.0} % of the path", 100.0 * (first + second));
    assert!(first + second > 0.6);
    Plot::surface(&way).title("the way of the training").save(folder.join("path.svg"))?;

    // between two trained networks there is a ridge
    let (other, _) = teach(Deep::new(true, 2), &train);
    let line = landscape.line(model, &other, -0.25..=1.25, 2 * points)?;
    let ridge = line.costs.iter().zip(&line.at).filter(|(_, t)| (0.0..=1.0).contains(*t)).map(|(c, _)| *c);
    let ridge = ridge.fold(0.0, f64::max);
    let ends = landscape.cost(model)?.max(landscape.cost(&other)?);
    println!("between two trained networks the cost rises to {ridge:.2}; at their ends it is up to {ends:.2}");
    assert!(ridge > 3.0 * ends);
    Plot::lines(&[("", &line)]).title("from one trained network to another").save(folder.join("line.svg"))?;

    let hessian = landscape.hessian(model);
    let spectrum = SpectralDensity::new().run(&hessian)?;
    let (low, high) = spectrum.extremes().expect("a model has parameters");
    println!(
        "the Hessian's eigenvalues lie between {low:.3} and {high:.1}; {:.1} % are within a hundredth of the largest",
        100.0 * spectrum.share(-0.01 * high..=0.01 * high)
    );
    assert!(high > 0.0 && spectrum.share(-0.01 * high..=0.01 * high) > 0.8);
    Plot::spectrum(&spectrum).title("the spectrum of the Hessian").save(folder.join("spectrum.svg"))?;
    println!("The pictures are in {}.", folder.display());
    Ok(())
}

/// Trains a network, and notes its parameters ten times an epoch.
fn teach(mut model: Deep, train: &Dataset) -> (Deep, Vec<Array1<f64>>) {
    let mut path = vec![parameters(&model)];
    let (mut tape, mut optimizer) = (Tape::training(0), Sgd::new(0.05).momentum(0.9).clip_norm(1.0));
    for epoch in 0..6 {
        for (step, batch) in train.batches(64).shuffle(epoch).enumerate() {
            let (_, grads) = tape.gradients(|t| model.forward(t.constant(&batch.x)).cross_entropy(&batch.y));
            optimizer.step(&mut model, &grads);
            if step % 6 == 0 {
                path.push(parameters(&model));
            }
        }
    }
    path.push(parameters(&model));
    (model, path)
}

fn roughness(surface: &Surface) -> f64 {
    let log = surface.costs.mapv(|cost| cost.max(1e-6).ln());
    let n = log.nrows();
    let bend = |a: f64, b: f64, c: f64| (a - 2.0 * b + c).abs();
    let mut sum = 0.0;
    for i in 1..n - 1 {
        for j in 1..n - 1 {
            sum += bend(log[[i - 1, j]], log[[i, j]], log[[i + 1, j]]);
            sum += bend(log[[i, j - 1]], log[[i, j]], log[[i, j + 1]]);
        }
    }
    let spacing = surface.x[1] - surface.x[0];
    sum / (2 * (n - 2) * (n - 2)) as f64 / spacing.powi(2)
}
