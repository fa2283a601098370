//! The figures of the course.
//!
//! `cargo run --release --example course` writes them into `target/course`. Each module draws those of one chapter.

use std::error::Error;
use std::path::Path;

use gradus::viz::Plot;

mod adaptive;
mod batches;
mod costs;
mod digits;
mod flat_sharp;
mod gradient;
mod heart_disease;
mod higher_order;
mod inside;
mod learning_rate;
mod line;
mod minima;
mod overfitting;
mod perceptron;
mod play;
mod saddles;
mod schedules;
mod slope;
mod your_own;

/// Where a figure goes.
struct Figures<'p>(&'p Path);

impl Figures<'_> {
    fn save(&self, name: &str, plot: &Plot) -> Result<(), Box<dyn Error>> {
        self.save_stack(name, std::slice::from_ref(plot))
    }

    fn save_stack(&self, name: &str, plots: &[Plot]) -> Result<(), Box<dyn Error>> {
        Ok(gradus::viz::save_stack(plots, self.0.join(name).with_extension("svg"))?)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new("target/course");
    std::fs::create_dir_all(folder)?;
    let figures = Figures(folder);
    line::draw(&figures)?;
    slope::draw(&figures)?;
    perceptron::draw(&figures)?;
    costs::draw(&figures)?;
    gradient::draw(&figures)?;
    learning_rate::draw(&figures)?;
    minima::draw(&figures)?;
    batches::draw(&figures)?;
    overfitting::draw(&figures)?;
    saddles::draw(&figures)?;
    flat_sharp::draw(&figures)?;
    adaptive::draw(&figures)?;
    schedules::draw(&figures)?;
    heart_disease::draw(&figures)?;
    digits::draw(&figures)?;
    your_own::draw(&figures)?;
    higher_order::draw(&figures)?;
    inside::draw(&figures)?;
    play::write()?;
    println!("The figures are in {}.", folder.display());
    Ok(())
}
