//! Functions of one variable: curves with tangents and steps, a function beside its derivative, a line through points.

use std::ops::RangeInclusive;

use gradus_autograd::{Float, Tape, Var};
use gradus_optim::Minimum;
use ndarray::{ArrayView1, Dimension};

use crate::{Plot, Series, Style};

/// The number of points of a curve.
const POINTS: usize = 241;
/// Half the length of a tangent, as a share of the picture.
const TANGENT: f64 = 0.2;
const GREY: (u8, u8, u8) = (150, 150, 150);
/// It is drawn in the colour of text.
const INK: (u8, u8, u8) = (0, 0, 0);

impl Plot {
    /// Plots a cost of one variable over a range.
    ///
    /// ```
    /// use gradus_optim::{Sgd, minimize};
    /// use gradus_viz::Plot;
    /// let found = minimize(|x| x.square().sum(), ndarray::array![2.0], Sgd::new(0.2), 10);
    /// let plot = Plot::curve(|x| x.square(), -2.5..=2.5).tangent(|x| x.square(), 1.0).steps("descent", &found);
    /// assert!(plot.svg().contains("the slope at 1 is 2"));
    /// ```
    ///
    /// # Panics
    /// If the range is empty.
    #[track_caller]
    pub fn curve(cost: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>, x: RangeInclusive<f64>) -> Plot {
        let (from, to) = (*x.start(), *x.end());
        let points = sampled(x).into_iter().map(|x| (x, value_and_slope(&cost, x).0));
        Plot::new("").axes("parameter", "cost").range_x(from, to).with(Series {
            name: String::new(),
            style: Style::Line,
            points: points.collect(),
            color: Some(GREY),
        })
    }

    /// Plots a function of one variable and its derivative over a range.
    ///
    /// ```
    /// use gradus_viz::Plot;
    /// let svg = Plot::with_derivative("tanh", |x| x.tanh(), -4.0..=4.0).svg();
    /// assert!(svg.contains("tanh") && svg.contains("its derivative"));
    /// ```
    ///
    /// # Panics
    /// If the range is empty.
    #[track_caller]
    pub fn with_derivative(
        name: &str,
        function: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>,
        x: RangeInclusive<f64>,
    ) -> Plot {
        let places = sampled(x);
        let both: Vec<(f64, f64)> = places.iter().map(|&x| value_and_slope(&function, x)).collect();
        let with = |of: fn(&(f64, f64)) -> f64| places.iter().copied().zip(both.iter().map(of)).collect::<Vec<_>>();
        Plot::new("").axes("x", "").series(name, Style::Line, with(|both| both.0)).series(
            "its derivative",
            Style::Line,
            with(|both| both.1),
        )
    }

    /// Adds the tangent of a cost at a point: the line that has the cost's slope there.
    pub fn tangent(self, cost: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>, at: f64) -> Plot {
        let (value, slope) = value_and_slope(&cost, at);
        let [width, height] = self.extent();
        // about as long in the picture, whatever its slope
        let half = TANGENT / (1.0 / width).hypot(slope / height);
        let end = |dx: f64| (at + dx, value + dx * slope);
        let name = format!("the slope at {} is {}", short(at), short(slope));
        self.series(&name, Style::Line, [end(-half), end(half)]).with(Series {
            name: String::new(),
            style: Style::Points,
            points: vec![(at, value)],
            color: Some(INK),
        })
    }

    /// Adds the steps of a descent in one variable, as points of its cost.
    ///
    /// # Panics
    /// If the descent is not in one variable.
    #[track_caller]
    pub fn steps<D: Dimension>(self, name: &str, run: &Minimum<f64, D>) -> Plot {
        assert!(run.at.len() == 1, "Plot::steps: `{name}` is a descent in {} variables, not one", run.at.len());
        let places = run.path.iter().flat_map(|at| at.iter().copied());
        self.series(name, Style::Dotted, places.zip(run.costs.iter().copied()).collect::<Vec<_>>())
    }

    /// Plots points, a function that is to be near them, and how far each point is from it (the residuals).
    ///
    /// ```
    /// use gradus_viz::Plot;
    /// use ndarray::array;
    /// let plot = Plot::fit(&array![0.0, 1.0, 2.0], &array![1.0, 2.5, 5.5], "y = 2x + 1", |x| 2.0 * x + 1.0);
    /// assert!(plot.svg().contains("y = 2x + 1"));
    /// ```
    ///
    /// # Panics
    /// If there are not as many x as y.
    #[track_caller]
    pub fn fit<'a, T: Float>(
        x: impl Into<ArrayView1<'a, T>>,
        y: impl Into<ArrayView1<'a, T>>,
        name: &str,
        function: impl Fn(f64) -> f64,
    ) -> Plot {
        let (x, y) = (x.into(), y.into());
        assert!(x.len() == y.len(), "Plot::fit: {} numbers on the x axis, and {} on the y axis", x.len(), y.len());
        let points: Vec<(f64, f64)> = x.iter().zip(&y).map(|(x, y)| (x.to_f64(), y.to_f64())).collect();
        let finite = || points.iter().filter(|p| p.0.is_finite() && p.1.is_finite());
        let (from, to) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), p| (a.min(p.0), b.max(p.0)));
        let air = 0.05 * (to - from);
        let places = if from < to { sampled(from - air..=to + air) } else { Vec::new() };
        let plot = finite().fold(Plot::new("").axes("x", "y"), |plot, &(x, y)| {
            let points = vec![(x, y), (x, function(x))];
            plot.with(Series { name: String::new(), style: Style::Faint, points, color: Some(INK) })
        });
        plot.series("examples", Style::Points, points.clone()).series(
            name,
            Style::Line,
            places.into_iter().map(|x| (x, function(x))),
        )
    }

    /// Adds points as they are, which are pale, and their moving mean, which is a line: a curve that is too noisy to be
    /// read. The mean forgets all but the share `keep` of what it knows at each point; it is divided by its weights, so
    /// that the first points are not drawn towards 0 (bias correction, as in Adam).
    ///
    /// ```
    /// use gradus_viz::Plot;
    /// let noisy = (0..100).map(|k| (f64::from(k), 1.0 + f64::from(k % 7)));
    /// assert!(Plot::new("").smoothed("loss", 0.9, noisy).svg().contains("moving mean"));
    /// ```
    ///
    /// # Panics
    /// If `keep` is not in 0 … 1, or is 1.
    #[track_caller]
    pub fn smoothed(self, name: &str, keep: f64, points: impl IntoIterator<Item = (f64, f64)>) -> Plot {
        assert!((0.0..1.0).contains(&keep), "Plot::smoothed: keeps {keep} of the mean, but must forget some of it");
        let points: Vec<(f64, f64)> = points.into_iter().collect();
        let (mut sum, mut weight) = (0.0, 0.0);
        let known = points.iter().filter(|point| point.1.is_finite());
        let smooth = known.map(|&(x, y)| {
            (sum, weight) = (keep * sum + (1.0 - keep) * y, keep * weight + (1.0 - keep));
            (x, sum / weight)
        });
        let smooth: Vec<(f64, f64)> = smooth.collect();
        self.series(name, Style::Faint, points).series(&format!("{name}, moving mean"), Style::Line, smooth)
    }

    /// The width and the height of the part of the plane that is shown, before any air around it.
    fn extent(&self) -> [f64; 2] {
        let ends = |axis: usize| {
            self.ranges[axis].unwrap_or_else(|| {
                let points = self.series.iter().flat_map(|series| &series.points);
                let numbers = points.map(|p| if axis == 0 { p.0 } else { p.1 }).filter(|v| v.is_finite());
                numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)))
            })
        };
        [0, 1].map(|axis| {
            let (from, to) = ends(axis);
            if (to - from).is_normal() { (to - from).abs() } else { 1.0 }
        })
    }
}

/// The value and the derivative of a function at a point.
fn value_and_slope(function: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>, at: f64) -> (f64, f64) {
    let tape = Tape::mathematics();
    let x = tape.var(at);
    let y = function(x).sum();
    let slope = y.backward().wrt(x);
    (y.item(), slope.first().copied().unwrap_or(0.0))
}

/// Places at equal distances.
#[track_caller]
fn sampled(range: RangeInclusive<f64>) -> Vec<f64> {
    let (from, to) = range.into_inner();
    assert!(from < to, "Plot: {from} … {to} is no range");
    (0..POINTS).map(|i| from + (to - from) * i as f64 / (POINTS - 1) as f64).collect()
}

/// A number with at most two digits after the point, or two digits if it is small.
fn short(number: f64) -> String {
    if number != 0.0 && number.abs() < 0.01 {
        return format!("{number:.1e}").replace('-', "−");
    }
    let rounded = (100.0 * number).round() / 100.0;
    format!("{}", if rounded == 0.0 { 0.0 } else { rounded }).replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_optim::{Sgd, minimize};
    use ndarray::array;

    #[test]
    fn tangents_are_equally_long_in_the_picture_and_touch_the_curve() {
        fn cube(x: Var<'_, f64>) -> Var<'_, f64> {
            x.pow(3.0)
        }
        let lengths = [-2.0, 0.0, 1.0].map(|at| {
            let plot = Plot::curve(|x| x.pow(3.0), -2.0..=2.0).size(400, 400).tangent(cube, at);
            let [width, height] = plot.extent();
            let ends = &plot.series[1].points;
            assert!((ends[0].0 + ends[1].0 - 2.0 * at).abs() < 1e-12, "its middle is the point");
            let slope = (ends[1].1 - ends[0].1) / (ends[1].0 - ends[0].0);
            assert!((slope - 3.0 * at * at).abs() < 1e-9, "the derivative of x³ is 3x²");
            ((ends[1].0 - ends[0].0) / width).hypot((ends[1].1 - ends[0].1) / height)
        });
        // the second is drawn on the same curve; its height counts for the others' lengths
        assert!(lengths.iter().all(|length| (length / lengths[1] - 1.0).abs() < 0.3), "{lengths:?}");
    }

    #[test]
    fn a_smoothed_constant_stays_what_it_is_from_the_first_point_on() {
        let plot = Plot::new("").smoothed("", 0.9, (0..5).map(|k| (f64::from(k), if k == 2 { f64::NAN } else { 3.0 })));
        let smooth = &plot.series[1].points;
        assert!(smooth.len() == 4 && smooth.iter().all(|p| (p.1 - 3.0).abs() < 1e-12), "{smooth:?}");
    }

    #[test]
    fn residuals_go_from_each_point_to_the_line() {
        let plot = Plot::fit(&array![0.0f32, 1.0, f32::NAN], &array![1.0f32, 5.0, 2.0], "", |x| 2.0 * x + 1.0);
        let faint: Vec<_> = plot.series.iter().filter(|s| s.style == Style::Faint).map(|s| s.points.clone()).collect();
        assert_eq!(faint, [[(0.0, 1.0), (0.0, 1.0)], [(1.0, 5.0), (1.0, 3.0)]]);
        let one = Plot::fit(&[2.0][..], &[1.0][..], "a point", |x| x);
        assert!(!one.svg().contains("NaN"));
    }

    #[test]
    #[should_panic(expected = "`wide` is a descent in 2 variables, not one")]
    fn steps_want_one_variable() {
        let run = minimize(|x| x.square().sum(), array![1.0, 2.0], Sgd::new(0.1), 3);
        let _ = Plot::curve(|x| x.square(), -1.0..=1.0).steps("wide", &run);
    }
}
