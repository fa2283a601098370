//! A task for numbers, with labels.

use gradus::prelude::*;

fn main() {
    let mut model: Linear = Linear::new(4, 3, &mut gradus::nn::rng(0));
    let _ = Trainer::new(Sgd::new(0.1)).task(Regress::new()).fit(&mut model, &gradus::data::iris(), None);
}
