//! The paths of descents, with which the test of the page to play with (`docs/play.html`) compares those of the page.

use std::error::Error;

use gradus::optim::{Adagrad, Descent, Minimize, RmsProp, functions};
use gradus::prelude::*;
use ndarray::Array1;
use serde_json::{Value, json};

/// Writes the paths beside the figures' folder.
pub(crate) fn write() -> Result<(), Box<dyn Error>> {
    fn bowl(x: Var<'_, f64>) -> Var<'_, f64> {
        5.0 * x.square().sum()
    }
    fn two_valleys(x: Var<'_, f64>) -> Var<'_, f64> {
        (0.25 * x.pow(4.0) - 0.5 * x.square() + 0.1 * x).sum()
    }
    let paths = [
        run("bowl", bowl, "plain", &[-1.0], 0.03, Sgd::new(0.03)),
        run("twoValleys", two_valleys, "momentum", &[1.6], 0.05, Sgd::new(0.05).momentum(0.9)),
        run("himmelblau", functions::himmelblau, "Nesterov", &[4.5, 4.5], 0.002, nesterov(0.002)),
        run("ravine", functions::ravine, "AdaGrad", &[1.0, 3.0], 0.6, Adagrad::new(0.6)),
        run("ravine", functions::ravine, "RMSprop", &[1.0, 3.0], 0.05, RmsProp::new(0.05)),
        run("ravine", functions::ravine, "Adam", &[1.0, 3.0], 0.2, Adam::new(0.2)),
    ];
    std::fs::write("target/play.json", serde_json::to_string(&paths)?)?;
    Ok(())
}

fn nesterov(rate: f64) -> Sgd<f64> {
    Sgd::new(rate).momentum(0.9).nesterov(true)
}

fn run(
    name: &str,
    cost: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>,
    method: &str,
    start: &[f64],
    rate: f64,
    optimizer: impl Descent<f64>,
) -> Value {
    let settings = Minimize { iterations: 60, tolerance: 0.0, ..Minimize::default() };
    let run = settings.run(cost, Array1::from(start.to_vec()), optimizer);
    let path: Vec<Vec<f64>> = run.path.iter().map(|at| at.to_vec()).collect();
    json!({ "cost": name, "method": method, "rate": rate, "keep": 0.9, "steps": 60, "path": path })
}
