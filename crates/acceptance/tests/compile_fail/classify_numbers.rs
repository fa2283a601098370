//! Targets that are numbers, and no task.

use gradus::prelude::*;
use ndarray::array;

fn main() {
    let data = (array![[1.0f32], [2.0]], array![[2.0f32], [4.0]]);
    let mut line: Linear = Linear::new(1, 1, &mut gradus::nn::rng(0));
    let _ = Trainer::new(Sgd::new(0.1)).fit(&mut line, &data, None);
}
