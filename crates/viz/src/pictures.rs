//! Plots of the results of the other crates.

use std::borrow::Borrow;

use gradus_autograd::Float;
use gradus_landscape::{Line, Spectrum};
use gradus_optim::{Goal, RangeTest, Schedule};
use gradus_train::{History, Outcome, Setting, SweepResults};

use crate::{Plot, Style};

/// The number of bins of a spectrum.
const BINS: usize = 80;

/// The most steps of a schedule that a plot shows.
const POINTS: u64 = 5000;

impl Plot {
    /// Plots the factors of a schedule over its first steps.
    pub fn schedule(schedule: &Schedule, steps: u64) -> Plot {
        Self::schedules(&[("", schedule)], steps)
    }

    /// Plots several schedules in one picture, with their names.
    pub fn schedules<N: AsRef<str>, S: Borrow<Schedule>>(schedules: &[(N, S)], steps: u64) -> Plot {
        let mut plot = Plot::new("").axes("step", "factor of the learning rate");
        let (mut low, mut high) = (0.0f64, 0.0f64);
        for (name, schedule) in schedules {
            let stride = steps.div_ceil(POINTS).max(1);
            let shown = (0..steps.div_ceil(stride)).map(|k| k * stride).chain(steps.checked_sub(1));
            let points: Vec<(f64, f64)> = shown.map(|step| (step as f64, schedule.borrow().factor(step))).collect();
            (low, high) = points.iter().fold((low, high), |(a, b), &(_, f)| (a.min(f), b.max(f)));
            plot = plot.series(name.as_ref(), Style::Line, points);
        }
        let named = schedules.iter().filter(|(name, _)| !name.as_ref().is_empty()).count();
        let height = high - low;
        if height > 0.0 {
            plot.range_y(low - 0.03 * height, high + (0.03 + 0.09 * named as f64) * height)
        } else {
            plot
        }
    }

    /// Plots the cost against the learning rate, with the suggested rate.
    pub fn range_test(test: &RangeTest) -> Plot {
        let over = |costs: &[f64]| test.rates.iter().copied().zip(costs.iter().copied()).collect::<Vec<_>>();
        // the last costs may be far above the range that matters
        let low = test.smoothed.iter().copied().fold(f64::INFINITY, f64::min);
        let first = test.smoothed.first().copied().unwrap_or(1.0);
        let (from, to) = (low - 0.3 * (first - low), first + 0.6 * (first - low));
        let plot = Plot::new("learning-rate range test")
            .axes("learning rate", "cost")
            .log_x(true)
            .series("each batch", Style::Faint, over(&test.costs))
            .series("running mean", Style::Line, over(&test.smoothed));
        let plot = if from < to { plot.range_y(from, to) } else { plot };
        match test.suggestion {
            None => plot,
            Some(rate) => plot.mark_x(rate, &format!("suggested: {rate:.1e}")),
        }
    }

    /// Plots costs over steps, with their names, on a logarithmic axis if all of them are above 0.
    pub fn costs<N: AsRef<str>, C: AsRef<[T]>, T: Float>(costs: &[(N, C)]) -> Plot {
        let all = || costs.iter().flat_map(|(_, costs)| costs.as_ref());
        let positive = all().all(|cost| cost.to_f64() > 0.0 || !cost.to_f64().is_finite());
        costs.iter().fold(Plot::new("").axes("step", "cost").log_y(positive), |plot, (name, costs)| {
            let points = costs.as_ref().iter().enumerate().map(|(step, cost)| (step as f64, cost.to_f64()));
            plot.series(name.as_ref(), Style::Line, points)
        })
    }

    /// Plots the costs along lines between models, with their names.
    pub fn lines<N: AsRef<str>, L: Borrow<Line>>(lines: &[(N, L)]) -> Plot {
        let plot = Plot::new("").axes("from the first model (0) to the second (1)", "cost");
        lines.iter().fold(plot, |plot, (name, line)| {
            let Line { at, costs } = line.borrow();
            plot.series(name.as_ref(), Style::Line, at.iter().copied().zip(costs.iter().copied()))
        })
    }

    /// Plots how many eigenvalues lie where, as a histogram. The axis of the eigenvalues is logarithmic in both
    /// directions, and linear within a ten-thousandth of the largest in size; the counts are logarithmic.
    ///
    /// ```
    /// use gradus_landscape::SpectralDensity;
    /// use gradus_viz::Plot;
    /// use ndarray::{Array1, Array2};
    /// let a = Array2::from_diag(&Array1::linspace(-1.0, 30.0, 200));
    /// let svg = Plot::spectrum(&SpectralDensity::new().run(&a)?).svg();
    /// assert!(svg.contains("eigenvalue"));
    /// # Ok::<(), gradus_landscape::LandscapeError>(())
    /// ```
    pub fn spectrum(spectrum: &Spectrum) -> Plot {
        let (low, high) = spectrum.extremes().unwrap_or((0.0, 0.0));
        let linear = 1e-4 * low.abs().max(high.abs()).max(f64::MIN_POSITIVE / 1e-4);
        let plot = Plot::new("").axes("eigenvalue", "number of eigenvalues").log_y(true).symmetric_log_x(linear);
        // bins of one width on this axis, the middle one around 0
        let place = |value: f64| (value / (2.0 * linear)).asinh();
        let bin = (place(high) - place(low)).max(1.0) / BINS as f64;
        let edge = |i: i64| 2.0 * linear * ((i as f64 - 0.5) * bin).sinh();
        let number = |value: f64| (place(value) / bin).round() as i64;
        let edges: Vec<f64> = (number(low)..=number(high) + 1).map(edge).collect();
        let counts = spectrum.histogram(&edges).into_iter().map(|share| share * spectrum.dim as f64);
        let bars: Vec<(f64, f64)> = edges.windows(2).zip(counts).flat_map(|(e, n)| [(e[0], n), (e[1], n)]).collect();
        // less than a tenth of an eigenvalue is an artefact of the estimate
        let bars = bars.chunks(2).filter(|bar| bar[0].1 >= 0.1).flatten().copied();
        plot.range_y(0.1, 1.3 * spectrum.dim.max(1) as f64).series("", Style::Bars, bars)
    }

    /// Plots the scores of a sweep over one of its settings that are numbers, with the best run marked. The axis is
    /// logarithmic if the largest value is at least thirty times the smallest. If the sweep has other settings, each of
    /// their combinations is a series; if there are more than twelve, all runs are one series.
    ///
    /// # Panics
    /// If the sweep has no such setting, or its values are texts.
    ///
    /// ```
    /// use gradus_optim::Goal;
    /// use gradus_train::Sweep;
    /// use gradus_viz::Plot;
    /// let sweep = Sweep::new().over("lr", [0.001, 0.01, 0.1]).over("momentum", [0.0, 0.9]);
    /// let results = sweep.run(|trial| Ok::<f64, String>(trial.number("lr").ln().abs() - trial.number("momentum")))?;
    /// assert!(Plot::sweep(&results, "lr", Goal::Minimize).svg().contains("momentum 0.9"));
    /// # Ok::<(), gradus_train::FileError>(())
    /// ```
    #[track_caller]
    pub fn sweep(results: &SweepResults, setting: &str, goal: Goal) -> Plot {
        let known = results.names.join(", ");
        assert!(
            results.names.iter().any(|name| name == setting),
            "Plot::sweep: no setting `{setting}`; there are {known}"
        );
        let number = |outcome: &Outcome| match outcome.setting(setting) {
            Some(Setting::Number(x)) => Some(*x),
            _ => None,
        };
        let shown: Vec<(&Outcome, f64)> =
            results.outcomes.iter().filter_map(|outcome| Some((outcome, number(outcome)?))).collect();
        let texts = shown.is_empty() && !results.outcomes.is_empty();
        assert!(!texts, "Plot::sweep: `{setting}` has texts, which have no place on an axis");
        let (low, high) = shown.iter().fold((f64::INFINITY, 0.0f64), |(a, b), (_, x)| (a.min(*x), b.max(*x)));
        let plot = Plot::new("").axes(setting, "score").log_x(low > 0.0 && high >= 30.0 * low);
        // one series for each combination of the other settings, if they are few
        let others = |outcome: &Outcome| {
            let other = outcome.settings.iter().filter(|(name, _)| name != setting);
            other.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
        };
        let mut names: Vec<String> = Vec::new();
        for name in shown.iter().map(|(outcome, _)| others(outcome)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if names.len() > 12 {
            names = vec![String::new()];
        }
        let several = names.len() > 1;
        let plot = names.iter().fold(plot, |plot, name| {
            let own = shown.iter().filter(|(outcome, _)| !several || others(outcome) == *name);
            let mut points: Vec<(f64, f64)> = own.map(|(outcome, x)| (*x, outcome.score)).collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            let style = if several || results.names.len() == 1 { Style::Dotted } else { Style::Points };
            plot.series(if several { name } else { "" }, style, points)
        });
        match results.best(goal).and_then(|best| Some((best, number(best)?))) {
            Some((best, x)) if best.score.abs() < 1e-2 => plot.mark_x(x, &format!("best: {:.3e}", best.score)),
            Some((best, x)) => plot.mark_x(x, &format!("best: {:.4}", best.score)),
            None => plot,
        }
    }

    /// Plots a training run: its losses (of each batch and of each epoch), each of its metrics, its learning rates,
    /// and the norms of its gradients.
    /// Pass the plots to [`stack`](crate::stack).
    pub fn history(history: &History) -> Vec<Plot> {
        let steps = |value: fn(&gradus_train::StepRow) -> f64| {
            let numbered = (history.steps_before..).zip(&history.steps);
            numbered.map(move |(i, row)| (i as f64, value(row))).collect::<Vec<_>>()
        };
        let epochs = |value: &dyn Fn(&gradus_train::Epoch) -> Option<f64>| {
            let points = history.epochs.iter().filter_map(|e| Some((e.step as f64, value(e)?)));
            points.collect::<Vec<_>>()
        };
        let begin = history.steps_before as f64;
        let end = begin + history.steps.len().max(1) as f64;
        let best = history.best.and_then(|best| history.epochs.iter().find(|e| e.epoch == best));
        let both = |plot: Plot, name: &str, train: &str| {
            let plot = plot.range_x(begin, end).series(train, Style::Dotted, epochs(&|e| e.train.get(name)));
            let valid = epochs(&|e| e.valid.as_ref().and_then(|scores| scores.get(name)));
            let plot = if valid.is_empty() { plot } else { plot.series("validation", Style::Dotted, valid) };
            match best {
                Some(best) => plot.mark_x(best.step as f64, &format!("best: epoch {}", best.epoch)),
                None => plot,
            }
        };
        let positive = history.steps.iter().all(|row| row.loss > 0.0 || !row.loss.is_finite());
        let losses =
            both(Plot::new("loss").axes("step", "loss").log_y(positive), "loss", "training, mean of each epoch");
        let mut plots = vec![losses.series("each batch", Style::Faint, steps(|row| row.loss))];
        for (name, _) in history.epochs.first().map_or(&[][..], |row| &row.train.metrics) {
            plots.push(both(Plot::new(name).axes("step", name).size(900, 300), name, "training"));
        }
        let rate = Plot::new("learning rate").axes("step", "learning rate").size(900, 240).range_x(begin, end);
        plots.push(rate.series("", Style::Line, steps(|row| row.lr)));
        if history.steps.iter().any(|row| row.grad_norm > 0.0) {
            let norm =
                Plot::new("norm of the gradient").axes("step", "norm").size(900, 240).range_x(begin, end).log_y(true);
            plots.push(norm.series("", Style::Faint, steps(|row| row.grad_norm)));
        }
        plots
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_optim::warmup;

    #[test]
    fn a_schedule_draws_a_point_a_step() {
        assert_eq!(Plot::schedule(&warmup(3), 9), Plot::schedules(&[("", &warmup(3))], 9));
    }
}
