//! A ravine a million times steeper across than along, where one learning rate for all parameters oscillates or stalls,
//! and where a rate for each parameter gets through: AdaGrad with bursts, which decay removes, and RMSprop, whose start
//! warm-up tames.
//!
//! The cost is ½ (2·10⁻⁴ x² + 200 y²), the start is (200, 4), and the minimum (0, 0) is far along the valley. Plain
//! descent with the rate 10⁻² leaps from wall to wall: the edge of stability is 2/200. With 10⁻⁷ it comes down to the
//! valley, turns toward the minimum, and stalls.
//!
//! AdaGrad is shown as lectures teach it, with the root of the *mean* of all squared gradients, σ, as the divisor: `θ ←
//! θ − η g / σ`. (The published rule divides by the root of their *sum*, so its steps shrink with the square root of
//! the step's number, and it needs a rate that grows as fast to be the same.) In the valley the gradient across is
//! almost 0 for long, so σ across falls. Below 200 η / 2 the step across is too large for the curvature there: what is
//! left of y grows from step to step, until its gradients are large enough to lift σ again. That is a burst.
//!
//! `cargo run --release --example ravine` draws into `target/ravine`.

use std::error::Error;
use std::path::Path;

use gradus::optim::{Adagrad, Descent, Minimize, Minimum, RmsProp, linear};
use gradus::prelude::*;
use gradus::viz::{Plot, Style, save_stack};
use ndarray::{Ix1, array};

/// The curvatures along the valley and across.
const ALONG: f64 = 2e-4;
const ACROSS: f64 = 200.0;
const START: [f64; 2] = [200.0, 4.0];

fn cost(theta: Var<'_, f64>) -> Var<'_, f64> {
    0.5 * (ALONG * theta.at(0).square() + ACROSS * theta.at(1).square())
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new("target/ravine");
    std::fs::create_dir_all(folder)?;

    let leaping = run(Sgd::new(1e-2), 500);
    let stalling = run(Sgd::new(1e-7), 300_000);
    let root = || Schedule::custom(|t| ((t + 1) as f64).sqrt()); // makes the root of a sum that of a mean
    let bursts = run(Adagrad::new(1.0).schedule(root()), 800);
    let decayed = run(Adagrad::new(1.0).schedule(root().times(linear(1.0, 0.0, 800))), 800);
    let rmsprop = run(RmsProp::new(1.0), 800);
    let warmed = run(RmsProp::new(1.0).schedule(warmup(100)), 800);

    println!("From (200, 4) to the minimum at (0, 0):\n");
    println!("                              steps     x at the end   largest |y| after step 50");
    let runs = [
        ("plain, rate 10⁻²", &leaping),
        ("plain, rate 10⁻⁷", &stalling),
        ("AdaGrad", &bursts),
        ("AdaGrad, decay", &decayed),
        ("RMSprop", &rmsprop),
        ("RMSprop, warm-up", &warmed),
    ];
    for (name, run) in runs {
        let late = largest_across(run, 50..run.steps());
        println!("  {name:<20} {:>12}   {:>12.3}   {late:>12.3}", run.steps(), run.at[0]);
    }

    // one rate for both directions
    assert!((leaping.at[1].abs() - 4.0).abs() < 1e-9, "it leaps from wall to wall for ever");
    assert!(stalling.at[1].abs() < 0.02 && stalling.at[0] > 199.9, "it stalls in the valley");

    // AdaGrad's bursts, and why they come
    let sigma = sigma(&bursts);
    let limit = ACROSS / 2.0; // η is 1
    let settled = (0..).find(|&t| bursts.path[t][1].abs() < 0.04).expect("it comes down to the valley");
    let below = (0..).find(|&t| sigma[t] < limit).expect("σ falls");
    let burst = (below..800).max_by(|&a, &b| bursts.path[a][1].abs().total_cmp(&bursts.path[b][1].abs())).unwrap();
    println!(
        "\nAdaGrad is in the valley at step {settled}. σ across falls below {limit} at step {below}. The burst \
         comes at step {burst}:\ny is {:.1}, after σ was {:.0}; it lifts σ to {:.0}.",
        bursts.path[burst][1],
        sigma[below..burst].iter().copied().fold(f64::INFINITY, f64::min),
        sigma[burst + 1]
    );
    assert!(settled < below && below < burst && bursts.path[burst][1].abs() > 4.0 && sigma[burst + 1] > limit);
    assert!(bursts.at[0].abs() < 1.0, "and yet it gets through");

    assert!(largest_across(&decayed, settled..800) < 0.05, "a rate that falls to 0 has no bursts");
    assert!(decayed.at[0] < 20.0);
    let (adagrad, rmsprop_bursts) = (largest_across(&bursts, 50..800), largest_across(&rmsprop, 50..800));
    println!("RMSprop forgets, so σ follows sooner: its bursts are up to {rmsprop_bursts:.1}, AdaGrad's {adagrad:.1}.");
    assert!(rmsprop_bursts < 0.6 * adagrad && rmsprop.at[0].abs() < 1.0);
    let (wild, tame) = (largest_across(&rmsprop, 1..50), largest_across(&warmed, 1..50));
    println!(
        "Its first step is ten times the rate, since σ starts at 0: |y| is {wild:.1} then, and {tame:.1} with warm-up."
    );
    assert!(wild > 5.0 && tame < 4.0);

    let panel = |title: &str, run: &Minimum<f64, Ix1>| {
        let shown = run.path.iter().step_by(run.path.len().div_ceil(1000));
        let plot = Plot::contours(cost, -20.0..=220.0, -8.0..=8.0).title(title).axes("x", "y").size(900, 260);
        plot.series("", Style::Dotted, shown.map(|point| (point[0], point[1])))
    };
    let steps = |values: &[f64]| values.iter().enumerate().map(|(t, v)| (t as f64, *v)).collect::<Vec<_>>();
    let across: Vec<f64> = bursts.path.iter().map(|point| point[1]).collect();
    let panels = [
        panel("plain descent, rate 10⁻²: from wall to wall", &leaping),
        panel("plain descent, rate 10⁻⁷, 300,000 steps: down, and no further", &stalling),
        panel("AdaGrad: through, with bursts", &bursts),
        Plot::new("AdaGrad's y over the steps").axes("step", "y").size(900, 220).series(
            "",
            Style::Line,
            steps(&across),
        ),
        Plot::new("its σ across: below 100, y grows")
            .axes("step", "σ")
            .log_y(true)
            .size(900, 220)
            .series("σ", Style::Line, steps(&sigma))
            .series("curvature × rate / 2", Style::Line, [(0.0, limit), (800.0, limit)]),
        panel("AdaGrad, the rate falling to 0", &decayed),
        panel("RMSprop: smaller bursts, and a wild start", &rmsprop),
        panel("RMSprop, warm-up over 100 steps", &warmed),
    ];
    save_stack(&panels, folder.join("ravine.svg"))?;
    println!("\nThe picture is {}.", folder.join("ravine.svg").display());
    Ok(())
}

fn run(optimizer: impl Descent<f64>, iterations: usize) -> Minimum<f64, Ix1> {
    Minimize { iterations, tolerance: 0.0, ..Minimize::default() }.run(cost, array![START[0], START[1]], optimizer)
}

fn largest_across(run: &Minimum<f64, Ix1>, steps: std::ops::Range<usize>) -> f64 {
    run.path[steps].iter().fold(0.0, |largest: f64, point| largest.max(point[1].abs()))
}

/// The root of the mean of all squared gradients across the valley, after each step.
fn sigma(run: &Minimum<f64, Ix1>) -> Vec<f64> {
    let mut sum = 0.0;
    let after = run.path.iter().enumerate().map(|(t, point)| {
        sum += (ACROSS * point[1]).powi(2);
        (sum / (t + 1) as f64).sqrt()
    });
    after.collect()
}
