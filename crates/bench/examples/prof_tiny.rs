#![allow(missing_docs)]
use gradus_autograd::Tape;
use gradus_nn::{Activation, Forward, Mlp, Reduction, loss};
use gradus_optim::Sgd;
fn main() {
    let mut model: Mlp = Mlp::builder(&[2, 16, 16, 1]).activation(Activation::Tanh).build();
    let mut optimizer: Sgd<f32> = Sgd::new(0.05);
    let mut tape = Tape::training(0);
    let (x, y) = (ndarray::array![[0.5f32, 0.2]], ndarray::array![[0.1f32]]);
    for _ in 0..2000 {
        let (_, grads) = tape.gradients(|t| loss::mse(model.forward(t.constant(&x)), &y, Reduction::Mean));
        optimizer.step(&mut model, &grads);
    }
}
