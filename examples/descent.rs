//! The variants of gradient descent on functions whose minima are known, with pictures.
//!
//! `cargo run --release --example descent` prints the results and draws them into `target/descent`.

use std::error::Error;
use std::path::Path;

use gradus::optim::functions;
use gradus::optim::{
    Adagrad, Descent, Fade, Lbfgs, Minimize, Minimum, RmsProp, Stop, cyclic, find_lr, one_cycle, random_restarts,
    warm_restarts,
};
use gradus::prelude::*;
use gradus::viz::{Plot, save_stack};
use ndarray::{Array1, Ix1, array};
use rand::RngExt;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new("target/descent");
    std::fs::create_dir_all(folder)?;
    learning_rates();
    the_ravine(folder)?;
    a_saddle();
    local_minima(folder)?;
    schedules(folder)?;
    range_test(folder)?;
    println!("\nThe pictures are in {}.", folder.display());
    Ok(())
}

/// A rate that is too small crawls, and one that is too large diverges; the limit in the ravine is 2/100.
fn learning_rates() {
    println!("Plain descent in the ravine ½(100x² + y²), 500 steps:");
    for rate in [1e-4, 1e-2, 0.019, 0.021] {
        let found = minimize(functions::ravine, array![1.0, 3.0], Sgd::new(rate), 500);
        println!("  learning rate {rate:<6}: cost {:9.2e} after {} steps: {}", found.cost(), found.steps(), found.stop);
    }
    let diverged = minimize(functions::ravine, array![1.0, 3.0], Sgd::new(0.021), 500);
    assert_eq!(diverged.stop, Stop::Diverged);
}

/// Compares plain descent, which has one learning rate for all directions, with methods that cope with a ravine.
fn the_ravine(folder: &Path) -> Result<(), Box<dyn Error>> {
    fn run(optimizer: impl Descent<f64>) -> Minimum<f64, Ix1> {
        let settings = Minimize { iterations: 20_000, tolerance: 1e-4, ..Minimize::default() };
        settings.run(functions::ravine, array![1.0, 3.0], optimizer)
    }
    let runs = [
        ("plain", run(Sgd::new(0.019))),
        ("momentum", run(Sgd::new(0.01).momentum(0.8))),
        ("AdaGrad", run(Adagrad::new(0.6))),
        ("RMSprop", run(RmsProp::new(0.02).momentum(0.5).schedule(cosine(400)))),
        ("Adam", run(Adam::new(0.3))),
        ("L-BFGS", run(Lbfgs::new(1.0).max_iter(1))),
    ];
    println!("\nFrom (1, 3) to where the ravine's gradient is below 10⁻⁴:");
    for (name, found) in &runs {
        println!("  {name:<9}: {:>4} steps, cost {:9.2e}", found.steps(), found.cost());
    }
    assert!(runs[4].1.steps() < runs[0].1.steps(), "Adam gets through sooner than plain descent");
    let ravine = Plot::contours(functions::ravine, -1.0..=1.1, -1.0..=4.2);
    let paths = runs.iter().fold(ravine, |plot, (name, found)| plot.path(name, found));
    paths.save(folder.join("ravine.svg"))?;
    let costs = runs.map(|(name, found)| (name, found.costs));
    Plot::costs(&costs).save(folder.join("ravine_costs.svg"))?;
    Ok(())
}

/// A gradient of 0 is not yet a minimum. The Hessian's eigenvalues tell, and the direction of a negative one leads on.
fn a_saddle() {
    let stuck = minimize(functions::double_well, array![0.0, 1.0], Sgd::new(0.2), 1000);
    let h = hessian(functions::double_well, &stuck.at);
    // the eigenvalues are on the diagonal, because the variables do not mix
    println!(
        "\nThe double well from (0, 1): {} at {:.1}; the Hessian's eigenvalues are {:.1} and {:.1}: a saddle.",
        stuck.stop,
        stuck.at,
        h[[0, 0]],
        h[[1, 1]]
    );
    assert!(h[[0, 0]] < 0.0 && h[[1, 1]] > 0.0);
    let nudged = &stuck.at + &array![1e-3, 0.0];
    let found = minimize(functions::double_well, nudged, Sgd::new(0.2), 1000);
    println!("A nudge along the negative one: {:.4}, cost {:.4}.", found.at, found.cost());
    assert!((found.cost() + 0.25).abs() < 1e-9);
}

/// Descent finds some minimum, not always the lowest one, so start often.
fn local_minima(folder: &Path) -> Result<(), Box<dyn Error>> {
    let f = functions::named("himmelblau").expect("it is in the list");
    let anywhere = |rng: &mut rand::rngs::Xoshiro256PlusPlus| Array1::from_shape_fn(2, |_| rng.random_range(-5.0..5.0));
    let found = random_restarts(functions::himmelblau, anywhere, 40, &Sgd::new(0.005), 2000, 1);
    println!("\nHimmelblau's function from 40 random starts:");
    let ends = found.distinct(1e-3);
    for (run, count) in &ends {
        println!("  {count:>2} runs end at {:.4}, cost {:.0e}", run.at, run.cost());
    }
    assert_eq!(ends.len(), 4);
    let shown: Vec<_> = ends.iter().map(|(run, _)| ("", *run)).collect();
    Plot::paths(f, &shown).save(folder.join("himmelblau.svg"))?;
    let anywhere =
        |rng: &mut rand::rngs::Xoshiro256PlusPlus| Array1::from_shape_fn(2, |_| rng.random_range(-5.12..5.12));
    for n in [1, 10, 1000] {
        let found = random_restarts(functions::rastrigin, anywhere, n, &Sgd::new(0.002), 300, 1);
        println!("Rastrigin's function: the best of {n:>4} starts has cost {:.3}", found.best().cost());
    }
    Ok(())
}

fn schedules(folder: &Path) -> Result<(), Box<dyn Error>> {
    let once = [
        ("warm-up, then cosine", warmup(10).then(cosine(90))),
        ("step decay", step_decay(25, 0.5)),
        ("one cycle", one_cycle(100)),
    ];
    let again = [("warm restarts", warm_restarts(15, 2)), ("cyclic, halving", cyclic(0.1, 10, 10, Fade::Halve))];
    let plots = [Plot::schedules(&once, 105).size(900, 320), Plot::schedules(&again, 105).size(900, 320)];
    save_stack(&plots, folder.join("schedules.svg"))?;
    Ok(())
}

/// The range test on real data: handwritten digits.
fn range_test(folder: &Path) -> Result<(), Box<dyn Error>> {
    let digits = gradus::data::digits();
    let model = Mlp::builder([64, 32, 10]).seed(1).build();
    let batches = (0..).flat_map(|epoch| digits.train.batches(32).shuffle(epoch));
    let test = find_lr(&model, &Sgd::new(0.1).momentum(0.9), 1e-5..=10.0, 150, batches, |model, t, batch| {
        model.forward(t.constant(&batch.x)).cross_entropy(&batch.y)
    });
    let rate = test.suggestion.expect("some rate is right");
    println!("\nThe range test for a small network on the digits suggests a learning rate of {rate:.3}.");
    Plot::range_test(&test).save(folder.join("range_test.svg"))?;
    Ok(())
}
