//! The figures of the course.
//!
//! `cargo run --release --example course` writes them into `target/course`. Each module draws those of one chapter.

use std::error::Error;
use std::path::Path;

use gradus::viz::Plot;

mod costs;
mod gradient;
mod line;
mod perceptron;
mod slope;

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
    println!("The figures are in {}.", folder.display());
    Ok(())
}
