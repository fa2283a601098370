//! Plots of the results of the other crates.

use std::borrow::Borrow;
use std::ops::RangeInclusive;

use contour::ContourBuilder;
use gradus_autograd::{Float, Tape, Var};
use gradus_landscape::{Line, Spectrum, Surface};
use gradus_optim::{Minimum, RangeTest, Schedule, functions::Function};
use gradus_train::History;
use ndarray::Ix1;

use crate::plot::COLORS;
use crate::{Plot, Series, Style};

/// The number of grid points along each axis from which contours are computed.
const GRID: usize = 161;
/// The number of contours.
const LEVELS: usize = 18;
const GREY: (u8, u8, u8) = (150, 150, 150);

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
            Some(rate) => {
                let name = format!("suggested: {rate:.1e}, a tenth of the best");
                plot.series(&name, Style::Line, [(rate, from), (rate, to)])
            }
        }
    }

    /// Plots costs over steps, with their names, on a logarithmic axis.
    pub fn costs<N: AsRef<str>, C: AsRef<[T]>, T: Float>(costs: &[(N, C)]) -> Plot {
        costs.iter().fold(Plot::new("").axes("step", "cost").log_y(true), |plot, (name, costs)| {
            let points = costs.as_ref().iter().enumerate().map(|(step, cost)| (step as f64, cost.to_f64()));
            plot.series(name.as_ref(), Style::Line, points)
        })
    }

    /// Plots contours of a function of two variables over a part of the plane. They are closer where the function is
    /// low.
    ///
    /// ```
    /// use gradus_optim::{Sgd, functions, minimize};
    /// use gradus_viz::Plot;
    /// let found = minimize(functions::ravine, ndarray::array![1.0, 3.0], Sgd::new(0.019), 100);
    /// let plot = Plot::contours(functions::ravine, -1.0..=1.0, -0.5..=3.5).path("plain", &found);
    /// assert!(plot.svg().contains("plain"));
    /// ```
    ///
    /// # Panics
    /// If the function is not of two variables, or a range is empty.
    #[track_caller]
    pub fn contours(
        cost: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>,
        x: RangeInclusive<f64>,
        y: RangeInclusive<f64>,
    ) -> Plot {
        let ((x0, x1), (y0, y1)) = (x.into_inner(), y.into_inner());
        assert!(x0 < x1 && y0 < y1, "Plot::contours: {x0} … {x1}, {y0} … {y1} is no part of a plane");
        // the grid goes one step beyond the picture on each side, because contours are closed along its edge
        let step = |from: f64, to: f64| (to - from) / (GRID - 3) as f64;
        let (dx, dy) = (step(x0, x1), step(y0, y1));
        let at = |from: f64, step: f64, i: usize| from + step * (i as f64 - 1.0);
        let mut tape = Tape::mathematics();
        let mut values = Vec::with_capacity(GRID * GRID);
        for j in 0..GRID {
            for i in 0..GRID {
                tape.clear();
                values.push(cost(tape.constant([at(x0, dx, i), at(y0, dy, j)])).item());
            }
        }
        let size = (620, 600);
        let levels = Levels { values: &values, width: GRID, x: (x0 - dx, dx), y: (y0 - dy, dy) };
        levels.draw(Plot::new("").range_x(x0, x1).range_y(y0, y1).size(size.0, size.1))
    }

    /// Plots contours of a model's cost over a plane, closer where the cost is low, with the path that the plane was
    /// made from. The model's own place, where both coordinates are 0, has a dot.
    ///
    /// # Panics
    /// If the surface has fewer than two points along each axis.
    #[track_caller]
    pub fn surface(surface: &Surface) -> Plot {
        let Surface { plane, x, y, costs } = surface;
        assert!(x.len() > 1 && y.len() > 1, "Plot::surface: {} × {} points are no surface", x.len(), y.len());
        let values: Vec<f64> = costs.iter().copied().collect();
        let levels = Levels { values: &values, width: x.len(), x: (x[0], x[1] - x[0]), y: (y[0], y[1] - y[0]) };
        let name = |axis: usize, name: &str| match plane.explained {
            Some(shares) => format!("{name} principal component, {:.0} % of the path", 100.0 * shares[axis]),
            None => format!("{name} direction"),
        };
        let plot = Plot::new("")
            .axes(&name(0, "first"), &name(1, "second"))
            .range_x(x[0], x[x.len() - 1])
            .range_y(y[0], y[y.len() - 1])
            .size(620, 600);
        let plot = levels.draw(plot);
        let plot =
            if plane.path.is_empty() { plot } else { plot.series("", Style::Dotted, plane.path.iter().copied()) };
        plot.with(Series {
            name: String::new(),
            style: Style::Points,
            points: vec![(0.0, 0.0)],
            color: Some((0, 0, 0)),
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

    /// Adds the path of a descent in two variables.
    ///
    /// # Panics
    /// If the descent is not in two variables.
    #[track_caller]
    pub fn path(self, name: &str, run: &Minimum<f64, Ix1>) -> Plot {
        assert!(run.at.len() == 2, "Plot::path: `{name}` is a descent in {} variables, not two", run.at.len());
        self.series(name, Style::Dotted, run.path.iter().map(|x| (x[0], x[1])))
    }

    /// Plots the [`contours`](Self::contours) of a test function with its minima, and the [`path`](Self::path)s of
    /// descents with their names.
    ///
    /// # Panics
    /// If the function is not of two variables.
    #[track_caller]
    pub fn paths<N: AsRef<str>, R: Borrow<Minimum<f64, Ix1>>>(function: &Function, runs: &[(N, R)]) -> Plot {
        assert!(function.start.len() == 2, "Plot::paths: {} is not a function of two variables", function.name);
        let square = -function.radius..=function.radius;
        let plot = Self::contours(function.cost, square.clone(), square).title(function.name);
        let plot = runs.iter().fold(plot, |plot, (name, run)| plot.path(name.as_ref(), run.borrow()));
        let points = function.minima.iter().map(|m| (m[0], m[1])).collect();
        plot.with(Series { name: String::new(), style: Style::Points, points, color: Some((0, 0, 0)) })
    }

    /// Plots a training run: its losses (of each batch and of each epoch), each of its metrics, and its learning rates.
    /// Pass the plots to [`stack`](crate::stack).
    pub fn history(history: &History) -> Vec<Plot> {
        let steps = |value: fn(&gradus_train::StepRow) -> f64| {
            history.steps.iter().enumerate().map(move |(i, row)| (i as f64, value(row))).collect::<Vec<_>>()
        };
        let epochs = |value: &dyn Fn(&gradus_train::Epoch) -> Option<f64>| {
            let points = history.epochs.iter().filter_map(|e| Some((e.step as f64, value(e)?)));
            points.collect::<Vec<_>>()
        };
        let end = history.steps.len().max(1) as f64;
        let both = |plot: Plot, name: &str, train: &str| {
            let dotted = |name: &str, points, color| Series {
                name: name.to_owned(),
                style: Style::Dotted,
                points,
                color: Some(COLORS[color]),
            };
            let plot = plot.range_x(0.0, end).with(dotted(train, epochs(&|e| e.train.get(name)), 1));
            let valid = epochs(&|e| e.valid.as_ref().and_then(|scores| scores.get(name)));
            if valid.is_empty() { plot } else { plot.with(dotted("validation", valid, 2)) }
        };
        let batches =
            Plot::new("loss").axes("step", "").log_y(true).series("each batch", Style::Faint, steps(|row| row.loss));
        let mut plots = vec![both(batches, "loss", "training, mean of each epoch")];
        for (name, _) in history.epochs.first().map_or(&[][..], |row| &row.train.metrics) {
            plots.push(both(Plot::new(name).axes("step", "").size(900, 300), name, "training"));
        }
        let rate = Plot::new("learning rate").axes("step", "").size(900, 240).range_x(0.0, end);
        plots.push(rate.series("", Style::Line, steps(|row| row.lr)));
        plots
    }
}

/// Values on a grid, to be drawn as contours.
struct Levels<'v> {
    values: &'v [f64],
    /// the number of columns
    width: usize,
    /// the first place along the axis, and the distance to the next
    x: (f64, f64),
    y: (f64, f64),
}

impl Levels<'_> {
    fn draw(&self, mut plot: Plot) -> Plot {
        let Levels { values, width, x, y } = *self;
        let height = values.len() / width;
        let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let mut levels: Vec<f64> = (1..=LEVELS)
            .filter_map(|i| sorted.get((sorted.len() as f64 * (i as f64 / (LEVELS + 1) as f64).powi(2)) as usize))
            .copied()
            .collect();
        levels.dedup();
        // the builder takes each value to lie in the middle of a cell of the grid
        let lines = ContourBuilder::new(width, height, true)
            .x_origin(x.0 - 0.5 * x.1)
            .y_origin(y.0 - 0.5 * y.1)
            .x_step(x.1)
            .y_step(y.1)
            .lines(values, &levels)
            .expect("as many values as the grid has");
        // contours are closed along the edge of the grid, half a cell outside
        let (x1, y1) = (x.0 + x.1 * (width - 1) as f64, y.0 + y.1 * (height - 1) as f64);
        for line in lines.iter().flat_map(|level| level.geometry().iter()) {
            let inside = |p: &(f64, f64)| (x.0..=x1).contains(&p.0) && (y.0..=y1).contains(&p.1);
            let points: Vec<(f64, f64)> = line.coords().map(|c| (c.x, c.y)).collect();
            for part in points.split(|p| !inside(p)).filter(|part| part.len() > 1) {
                let (name, points) = (String::new(), part.to_vec());
                plot = plot.with(Series { name, style: Style::Faint, points, color: Some(GREY) });
            }
        }
        plot
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
        assert_eq!(svg.matches("<circle").count(), 11 + 4); // the points of the path, and the minima
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
        let none: [(&str, &Minimum<f64, Ix1>); 0] = [];
        let _ = Plot::paths(f, &none);
    }

    #[test]
    fn a_schedule_draws_a_point_a_step() {
        assert_eq!(Plot::schedule(&warmup(3), 9), Plot::schedules(&[("", &warmup(3))], 9));
    }
}
