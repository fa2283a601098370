//! Contours of a cost over a plane, and the paths of descents on them.

use std::borrow::Borrow;
use std::ops::RangeInclusive;

use contour::ContourBuilder;
use gradus_autograd::{Tape, Var};
use gradus_landscape::{Plane, Surface};
use gradus_optim::{Minimum, functions::Function};
use ndarray::Ix1;

use crate::{Plot, Series, Style};

/// The number of grid points along each axis from which contours are computed.
const GRID: usize = 161;
/// The number of contours.
const LEVELS: usize = 18;
/// Every so many contours one has a label.
const LABELLED: usize = 3;
const GREY: (u8, u8, u8) = (150, 150, 150);

impl Plot {
    /// Plots contours of a function of two variables over a part of the plane. They are closer where the function is
    /// low, and every third has a label.
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
        levels.draw(
            Plot::new("")
                .axes("first variable", "second variable")
                .range_x(x0, x1)
                .range_y(y0, y1)
                .size(size.0, size.1),
        )
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
        let [first, second] = direction_names(plane);
        let plot = Plot::new("")
            .axes(&first, &second)
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
}

/// The names of the two directions of a plane.
pub(crate) fn direction_names(plane: &Plane) -> [String; 2] {
    let name = |axis: usize, name: &str| match plane.explained {
        Some(shares) => format!("{name} principal component, {:.0} % of the path", 100.0 * shares[axis]),
        None => format!("{name} direction"),
    };
    [name(0, "first"), name(1, "second")]
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
        // more of them where the numbers are low: the i-th lies above (i/n)² of the numbers
        let place = |i: usize| (sorted.len() as f64 * (i as f64 / (LEVELS + 1) as f64).powi(2)) as usize;
        let mut levels: Vec<f64> = (1..=LEVELS).filter_map(|i| sorted.get(place(i))).copied().collect();
        levels.dedup();
        let levels: Vec<(f64, String)> = (0..levels.len()).map(|i| rounded(&levels, i)).collect();
        // the builder takes each value to lie in the middle of a cell of the grid
        let lines = ContourBuilder::new(width, height, true)
            .x_origin(x.0 - 0.5 * x.1)
            .y_origin(y.0 - 0.5 * y.1)
            .x_step(x.1)
            .y_step(y.1)
            .lines(values, &levels.iter().map(|level| level.0).collect::<Vec<_>>())
            .expect("as many values as the grid has");
        // contours are closed along the edge of the grid, half a cell outside
        let (x1, y1) = (x.0 + x.1 * (width - 1) as f64, y.0 + y.1 * (height - 1) as f64);
        let within = |v: f64, from: f64, to: f64, step: f64| (from - 1e-9 * step..=to + 1e-9 * step).contains(&v);
        let inside = |p: &(f64, f64)| within(p.0, x.0, x1, x.1) && within(p.1, y.0, y1, y.1);
        let mut name = format!("the cost, at {} heights that are closer where it is low", levels.len());
        let mut labels: Vec<(f64, f64)> = Vec::new();
        for (i, (line, (_, label))) in lines.iter().zip(&levels).enumerate() {
            let parts = line.geometry().iter().flat_map(|line| {
                let points: Vec<(f64, f64)> = line.coords().map(|c| (c.x, c.y)).collect();
                points.split(|p| !inside(p)).filter(|part| part.len() > 1).map(<[_]>::to_vec).collect::<Vec<_>>()
            });
            let mut parts: Vec<Vec<(f64, f64)>> = parts.collect();
            parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
            if i % LABELLED == 0 {
                // where no other label is near, and not on the edge
                let share = |a: (f64, f64), b: (f64, f64)| ((a.0 - b.0) / (x1 - x.0)).hypot((a.1 - b.1) / (y1 - y.0));
                let inner = |p: f64, from: f64, to: f64| (0.05..=0.95).contains(&((p - from) / (to - from)));
                let free = |p: &&(f64, f64)| {
                    inner(p.0, x.0, x1) && inner(p.1, y.0, y1) && labels.iter().all(|&label| share(**p, label) > 0.09)
                };
                let middle_out = |part: &Vec<(f64, f64)>| {
                    let middle = part.len() / 2;
                    part[middle..].iter().chain(part[..middle].iter().rev()).find(free).copied()
                };
                if let Some(at) = parts.iter().find_map(middle_out) {
                    labels.push(at);
                    plot = plot.label(at, label);
                }
            }
            for points in parts {
                let name = std::mem::take(&mut name); // one entry in the legend
                plot = plot.with(Series { name, style: Style::Faint, points, color: Some(GREY) });
            }
        }
        plot
    }
}

/// A level, rounded as far as its distance from its neighbours allows, so that its label is exact; and the label.
fn rounded(levels: &[f64], i: usize) -> (f64, String) {
    let level = levels[i];
    let below = i.checked_sub(1).map_or(f64::INFINITY, |i| level - levels[i]);
    let above = levels.get(i + 1).map_or(f64::INFINITY, |next| next - level);
    let gap = below.min(above);
    let unit = 10f64.powf((0.5 * gap).log10().floor());
    let level = if unit.is_normal() { (level / unit).round() * unit } else { level };
    let digits = (-unit.log10()).clamp(0.0, 17.0);
    let label = match level.abs() {
        0.0 => "0".to_owned(),
        size if (1e-3..1e5).contains(&size) && unit.is_normal() => format!("{level:.*}", digits as usize),
        size if unit.is_normal() => format!("{level:.*e}", (size / unit).log10().clamp(0.0, 17.0) as usize),
        _ => format!("{level:e}"),
    };
    (level, label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_optim::{Sgd, functions, minimize};

    fn himmelblau() -> &'static Function {
        functions::all().iter().find(|f| f.name == "himmelblau").unwrap()
    }

    #[test]
    fn paths_show_their_points_on_contours() {
        let f = himmelblau();
        let run = minimize(f.cost, f.start(), Sgd::new(0.01), 10);
        let svg = Plot::paths(f, &[("descent", &run)]).svg();
        assert_eq!(svg.matches("<circle").count(), 11 + 4 + 1); // the points of the path, the minima, the legend
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
}
