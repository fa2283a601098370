//! A training loop of your own, in ten lines: the loop of `Trainer`, written out.
//!
//! `cargo run --release --example own_loop`

use gradus::prelude::*;

fn main() {
    let digits = gradus::data::digits();
    let mut model = Mlp::builder([64, 32, 10]).seed(1).build();
    let mut tape = Tape::training(1);
    let mut opt = Adam::new(3e-3).schedule(warmup(50).then(cosine(550)));

    for epoch in 0..5 {
        let mut total = 0.0;
        for batch in digits.train.batches(32).shuffle(epoch) {
            let (loss, grads) = tape.gradients(|t| model.forward(t.constant(&batch.x)).cross_entropy(&batch.y));
            opt.step(&mut model, &grads);
            total += loss * batch.y.len() as f32;
        }
        let test = evaluate(&model, &digits.test);
        println!(
            "epoch {}: train loss {:.4}, test loss {:.4}, test accuracy {:.2} %",
            epoch + 1,
            total / digits.train.len() as f32,
            test.loss(),
            100.0 * test.accuracy()
        );
    }
    assert!(evaluate(&model, &digits.test).accuracy() > 0.93);
}
