//! A classifier of flowers: data, a model of your own, training, and a look at its mistakes.

use gradus::data::{Scaler, iris};
use gradus::prelude::*;

#[derive(Module, Clone)]
struct Net {
    scale: Standardize,
    hidden: Linear,
    out: Linear,
}

impl Forward for Net {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        self.out.forward(self.hidden.forward(self.scale.forward(x)).tanh())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (train, test) = iris().split(0.8, 1);
    let (scaler, mut rng) = (Scaler::standard(train.x()), gradus::nn::rng(1));
    let mut net = Net {
        scale: Standardize::new(&scaler.shift, &scaler.scale),
        hidden: Linear::new(4, 16, &mut rng),
        out: Linear::new(16, 3, &mut rng),
    };
    Trainer::new(AdamW::new(0.01)).epochs(20).progress(true).fit(&mut net, &train, Some(&test))?;
    let result = evaluate(&net, &test);
    println!("\nhow often a species (row) was taken for a species (column):\n{}", result.confusion());
    println!("\ntest accuracy: {:.1} %", 100.0 * result.accuracy());
    Ok(())
}
