//! Plots of what the other crates return.

use contour::ContourBuilder;
use gradus_autograd::Tape;
use gradus_optim::{Minimum, RangeTest, Schedule, functions::Function};
use gradus_train::History;
use ndarray::Ix1;

use crate::{Plot, Series, Style};

/// Points of the grid along each axis that contours are taken from.
const GRID: usize = 161;
const GREY: (u8, u8, u8) = (150, 150, 150);

impl Plot {
    /// A schedule's factors over its first steps.
    pub fn schedule(schedule: &Schedule, steps: u64) -> Plot {
        Self::schedules(&[("", schedule)], steps)
    }

    /// Several schedules in one plot, by name.
    pub fn schedules(schedules: &[(&str, &Schedule)], steps: u64) -> Plot {
        let plot = Plot::new("").axes("step", "factor of the learning rate");
        schedules.iter().fold(plot, |plot, (name, schedule)| {
            let points = schedule.values(steps).into_iter().enumerate().map(|(step, factor)| (step as f64, factor));
            plot.series(name, Style::Line, points)
        })
    }

    /// The cost against the learning rate, with the rate that is suggested.
    pub fn range_test(test: &RangeTest) -> Plot {
        let over = |costs: &[f64]| test.rates.iter().copied().zip(costs.iter().copied()).collect::<Vec<_>>();
        // costs may end far above everything that matters
        let low = test.smoothed.iter().copied().fold(f64::INFINITY, f64::min);
        let first = test.smoothed.first().copied().unwrap_or(1.0);
        let (from, to) = (low - 0.1 * (first - low), first + 0.6 * (first - low));
        let plot = Plot::new("learning-rate range test")
            .axes("learning rate", "cost")
            .log_x()
            .with(Series { name: "each batch".into(), style: Style::Faint, points: over(&test.costs), color: None })
            .series("running mean", Style::Line, over(&test.smoothed));
        let plot = if from < to { plot.range_y(from, to) } else { plot };
        match test.suggestion {
            None => plot,
            Some(rate) => plot.series(&format!("suggested: {rate:.2e}"), Style::Line, [(rate, from), (rate, to)]),
        }
    }

    /// Costs over steps, by name, on a logarithmic axis.
    pub fn costs(costs: &[(&str, &[f64])]) -> Plot {
        costs.iter().fold(Plot::new("").axes("step", "cost").log_y(), |plot, (name, costs)| {
            plot.series(name, Style::Line, costs.iter().enumerate().map(|(step, &cost)| (step as f64, cost)))
        })
    }

    /// Contours of a function of two variables, with the paths of descents on it, by name.
    ///
    /// Contours are drawn at costs that grow with the cube of their number, above the least one seen.
    ///
    /// # Panics
    /// If the function is not of two variables.
    #[track_caller]
    pub fn paths(function: &Function, runs: &[(&str, &Minimum<f64, Ix1>)]) -> Plot {
        assert!(function.start.len() == 2, "Plot::paths: {} is not a function of two variables", function.name);
        let radius = function.radius;
        let step = 2.0 * radius / (GRID - 1) as f64;
        let at = |i: usize| -radius + step * i as f64;
        let mut tape = Tape::mathematics();
        let mut values = Vec::with_capacity(GRID * GRID);
        for j in 0..GRID {
            for i in 0..GRID {
                tape.clear();
                values.push((function.cost)(tape.constant([at(i), at(j)])).item());
            }
        }
        let (low, high) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &v| (a.min(v), b.max(v)));
        let levels: Vec<f64> = (1..=18).map(|i| low + (high - low) * (f64::from(i) / 18.5).powi(3)).collect();
        // a grid's values lie in the middle of its cells
        let lines = ContourBuilder::new(GRID, GRID, true)
            .x_origin(-radius - step / 2.0)
            .y_origin(-radius - step / 2.0)
            .x_step(step)
            .y_step(step)
            .lines(&values, &levels)
            .expect("as many values as the grid has");
        let mut plot = Plot::new(function.name).range_x(-radius, radius).range_y(-radius, radius).size(620, 600);
        for line in lines.iter().flat_map(|level| level.geometry().iter()) {
            let inside = |p: &(f64, f64)| p.0.abs() < radius - step && p.1.abs() < radius - step;
            let points: Vec<(f64, f64)> = line.coords().map(|c| (c.x, c.y)).collect();
            // rings are closed along the edge of the grid, which no contour is
            for part in points.split(|p| !inside(p)).filter(|part| part.len() > 1) {
                let (name, points) = (String::new(), part.to_vec());
                plot = plot.with(Series { name, style: Style::Faint, points, color: Some(GREY) });
            }
        }
        for (name, run) in runs {
            plot = plot.series(name, Style::Dotted, run.path.iter().map(|x| (x[0], x[1])));
        }
        plot
    }

    /// The losses of a training run, of each batch and each epoch, and its learning rates: two plots for
    /// [`stack`](crate::stack).
    pub fn history(history: &History) -> [Plot; 2] {
        let per_epoch = history.steps.len() as f64 / history.epochs.len().max(1) as f64;
        let steps = |value: fn(&gradus_train::StepRow) -> f64| {
            history.steps.iter().enumerate().map(move |(i, row)| (i as f64, value(row))).collect::<Vec<_>>()
        };
        let epochs = |value: &dyn Fn(&gradus_train::Epoch) -> Option<f64>| {
            let points = history.epochs.iter().filter_map(|e| Some((e.epoch as f64 * per_epoch, value(e)?)));
            points.collect::<Vec<_>>()
        };
        let loss = Plot::new("loss")
            .axes("step", "")
            .log_y()
            .series("each batch", Style::Faint, steps(|row| row.loss))
            .series("training, mean of each epoch", Style::Dotted, epochs(&|e| Some(e.loss)));
        let valid = epochs(&|e| e.valid.as_ref().map(|v| v.loss));
        let loss = if valid.is_empty() { loss } else { loss.series("validation", Style::Dotted, valid) };
        let rate = Plot::new("learning rate").axes("step", "").size(900, 240);
        [loss, rate.series("", Style::Line, steps(|row| row.lr))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_optim::{Sgd, functions, minimize, warmup};

    fn himmelblau() -> &'static Function {
        functions::all().iter().find(|f| f.name == "himmelblau").unwrap()
    }

    #[test]
    fn paths_show_their_points_on_contours() {
        let f = himmelblau();
        let run = minimize(f.cost, f.start(), Sgd::new(0.01), 10);
        let svg = Plot::paths(f, &[("descent", &run)]).svg();
        assert_eq!(svg.matches("<circle").count(), 11);
        assert!(svg.matches("<polyline").count() > 20 && svg.contains("descent"));
        assert!(svg.len() < 200_000, "{} bytes", svg.len());
    }

    #[test]
    fn a_descent_that_diverges_stays_within_the_picture() {
        let f = himmelblau();
        let run = minimize(f.cost, ndarray::array![4.0, 4.0], Sgd::new(0.2), 10);
        let svg = Plot::paths(f, &[("too fast", &run)]).svg();
        assert!(!svg.contains("NaN") && svg.len() < 200_000);
    }

    #[test]
    #[should_panic(expected = "sharp_and_flat is not a function of two variables")]
    fn paths_want_two_variables() {
        let f = functions::all().iter().find(|f| f.name == "sharp_and_flat").unwrap();
        let _ = Plot::paths(f, &[]);
    }

    #[test]
    fn a_schedule_draws_a_point_a_step() {
        assert_eq!(Plot::schedule(&warmup(3), 9), Plot::schedules(&[("", &warmup(3))], 9));
    }
}
