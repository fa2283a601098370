//! A layer and a cost that no library has: distances to centres that are learned, and a cost that looks mostly at hard
//! examples. Nobody has to write a derivative.
//!
//! `cargo run --release --example own_layer`

use std::error::Error;

use gradus::data::{Batch, spirals};
use gradus::prelude::*;
use gradus::train::{Targets, Task};

/// `yⱼ = exp(−wⱼ² |x − cⱼ|²)`: how near x is to each of several centres, each of which has a width of its own.
#[derive(Module, Clone)]
struct RadialBasis {
    /// centres × inputs
    centers: Param,
    /// one for each centre
    widths: Param,
}

impl RadialBasis {
    fn new(inputs: usize, centers: usize, rng: &mut impl rand::Rng) -> Self {
        let widths = Param::with(&[centers], |w| w.fill(4.0));
        RadialBasis { centers: Init::Uniform { bound: 1.0 }.param(&[centers, inputs], rng), widths }
    }
}

impl Forward for RadialBasis {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let differences = x.unsqueeze(1) - &self.centers; // examples × centres × inputs
        let squares = differences.square().sum_axis(-1);
        (-squares * x.tape().param(&self.widths).square()).exp()
    }
}

#[derive(Module, Clone)]
struct Net {
    near: RadialBasis,
    out: Linear,
}

impl Forward for Net {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        self.out.forward(self.near.forward(x))
    }
}

/// Focal loss: `−(1 − p)^γ ln p` of the probability p of the right class. Examples that the model knows well hardly
/// count (Lin et al. 2017, <https://arxiv.org/abs/1708.02002>).
struct Focal {
    gamma: f64,
    metrics: [Metric<f32>; 1],
}

impl Task<f32, Net, Batch> for Focal {
    fn forward<'t>(&self, model: &Net, tape: &'t Tape, batch: &Batch) -> (Var<'t>, Var<'t>) {
        let logits = model.forward(tape.constant(&batch.x));
        let log_p = -logits.cross_entropy_rows(&batch.y);
        let cost = -((1.0 - log_p.exp()).pow(self.gamma) * log_p).mean();
        (logits, cost)
    }
    fn targets(&self, batch: &Batch) -> Targets<f32> {
        Targets::Labels(batch.y.clone())
    }
    fn metrics(&self) -> &[Metric<f32>] {
        &self.metrics
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (train, test) = (spirals(900, 3, 0.03, 1), spirals(900, 3, 0.03, 2));
    let mut rng = gradus::nn::rng(1);
    let mut net = Net { near: RadialBasis::new(2, 48, &mut rng), out: Linear::new(48, 3, &mut rng) };

    // checks the layer's derivatives against finite differences
    let x = ndarray::array![[0.1, 0.7], [-0.4, 0.2]];
    let centers = ndarray::array![[0.3, -0.2], [0.0, 0.5], [-0.6, 0.1]];
    gradcheck(|v| (-(v[0].unsqueeze(1) - v[1]).square().sum_axis(-1)).exp(), &[x.into_dyn(), centers.into_dyn()])?;

    let focal = Focal { gamma: 2.0, metrics: [Metric::accuracy()] };
    let mut trainer = Trainer::new(Adam::new(0.02).schedule(cosine(29 * 40))).task(focal).epochs(40).seed(1);
    let history = trainer.fit(&mut net, &train, Some(&test))?;
    for row in history.epochs.iter().step_by(8).chain([history.last()]) {
        let valid = row.valid.as_ref().ok_or("there is validation data")?;
        println!(
            "epoch {:>2}: cost {:.4}, accuracy {:.3}",
            row.epoch,
            valid.loss,
            valid.get("accuracy").unwrap_or(0.0)
        );
    }
    let accuracy = evaluate(&net, &test).accuracy();
    println!("three spirals, 48 centres: {:.1} % of points not seen are right", 100.0 * accuracy);
    assert!(accuracy > 0.95, "{accuracy}");
    Ok(())
}
