//! Stops a training run in the middle of an epoch, resumes it from its last checkpoint, and shows that nothing was
//! lost: the model is the same as that of a run that was never stopped, bit for bit, although it has dropout.
//!
//! `cargo run --release --example resume`

use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;

use gradus::data::digits;
use gradus::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new("target/resume");
    if folder.exists() {
        std::fs::remove_dir_all(folder)?; // the files that an earlier run of this example left
    }

    let whole = run(&folder.join("whole"), None)?;
    println!("a run of {} steps, never stopped", whole.1);
    let stopped = run(&folder.join("parts"), Some(100))?;
    println!("the same run, stopped after step {} of 178: here the process might have ended", stopped.1);
    let resumed = run(&folder.join("parts"), None)?;
    println!("taken up from its last checkpoint, to step {}", resumed.1);

    assert_ne!(stopped.0, whole.0);
    assert_eq!(resumed.0, whole.0);
    println!("the models are the same, bit for bit: {} numbers", whole.0.len());
    Ok(())
}

/// Trains for two epochs, or until the step `stop`, from the last checkpoint in the folder if there is one. Returns the
/// model's bits and the number of steps made.
fn run(folder: &Path, stop: Option<usize>) -> Result<(Vec<u32>, usize), Box<dyn Error>> {
    let mut model = Mlp::builder([64, 32, 10]).dropout(0.2).seed(1).build::<f32>();
    let mut trainer = Trainer::new(AdamW::new(3e-3).schedule(warmup(20).then(cosine(158))))
        .epochs(2)
        .batch_size(43)
        .seed(7)
        .stop_on_ctrl_c(true)
        .checkpoints(Checkpoints::in_folder(folder).every_steps(25).resume(true));
    let history = trainer.fit_with(&mut model, &digits().train, None, |at| match stop {
        Some(step) if at.history.steps.len() == step => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })?;
    let bits = model.params().iter().flat_map(|(_, p)| p.data().iter().map(|x| x.to_bits())).collect();
    Ok((bits, history.steps.len()))
}
