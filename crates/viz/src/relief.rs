//! A cost over a plane, as a surface in space.

use std::ops::RangeInclusive;
use std::path::Path;

use gradus_autograd::{Tape, Var};
use gradus_landscape::Surface;
use gradus_train::{FileError, write_atomically};
use ndarray::Array2;
use plotters::prelude::*;

/// The number of points along each axis at which a function is computed.
const GRID: usize = 41;

/// A cost over a part of a plane, drawn as a surface in space. Low places are dark, high places are light.
///
/// ```
/// use gradus_viz::Relief;
/// let saddle = Relief::of_function(|x| x.at(0).square() - x.at(1).square(), -1.0..=1.0, -1.0..=1.0);
/// assert!(saddle.title("a saddle").svg().contains("a saddle"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Relief {
    title: String,
    x: Vec<f64>,
    y: Vec<f64>,
    costs: Array2<f64>,
    highest: Option<f64>,
    turn: f64,
}

impl Relief {
    /// The relief of a model's cost over a plane.
    ///
    /// # Panics
    /// If the surface has fewer than two points along each axis.
    #[track_caller]
    pub fn new(surface: &Surface) -> Self {
        let Surface { x, y, costs, .. } = surface.clone();
        assert!(x.len() > 1 && y.len() > 1, "Relief: {} × {} points are no surface", x.len(), y.len());
        Relief { title: String::new(), x, y, costs, highest: None, turn: 0.6 }
    }

    /// The relief of a function of two variables.
    ///
    /// # Panics
    /// If the function is not of two variables, or a range is empty.
    #[track_caller]
    pub fn of_function(
        cost: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>,
        x: RangeInclusive<f64>,
        y: RangeInclusive<f64>,
    ) -> Self {
        let places = |range: RangeInclusive<f64>| {
            let (from, to) = range.into_inner();
            assert!(from < to, "Relief: {from} … {to} is no range");
            (0..GRID).map(|i| from + (to - from) * i as f64 / (GRID - 1) as f64).collect::<Vec<_>>()
        };
        let (x, y) = (places(x), places(y));
        let mut tape = Tape::mathematics();
        let costs = Array2::from_shape_fn((GRID, GRID), |(i, j)| {
            tape.clear();
            cost(tape.constant([x[j], y[i]])).item()
        });
        Relief { title: String::new(), x, y, costs, highest: None, turn: 0.6 }
    }

    /// Sets the title.
    pub fn title(mut self, title: &str) -> Self {
        self.title = title.to_owned();
        self
    }

    /// Cuts the relief off at a height, so that what is low can be seen. A height below all costs, or above all of
    /// them, changes nothing.
    pub fn highest(mut self, cost: f64) -> Self {
        self.highest = Some(cost);
        self
    }

    /// Turns the relief around its vertical axis. The default is 0.6 radians.
    pub fn turn(mut self, radians: f64) -> Self {
        self.turn = radians;
        self
    }

    /// Draws the relief as SVG.
    pub fn svg(&self) -> String {
        let mut svg = String::new();
        self.draw(&mut svg).expect("pictures are drawn into memory"); // writing to a string cannot fail
        svg
    }

    /// Writes the picture to a file. The file is written as a whole or not at all.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        write_atomically(path.as_ref(), self.svg().as_bytes())
    }

    fn draw(&self, svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
        let finite = self.costs.iter().copied().filter(|cost| cost.is_finite());
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), c| (a.min(c), b.max(c)));
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        // a height that cuts off everything, or nothing, is none
        let cut = self.highest.filter(|cut| *cut > low && *cut < high);
        let high = cut.unwrap_or(high).max(low + 1e-9 * low.abs().max(1e-9));
        let last = |places: &[f64]| (places[0], places[places.len() - 1]);
        let ((x0, x1), (y0, y1)) = (last(&self.x), last(&self.y));
        let (columns, rows) = (self.x.len(), self.y.len());
        let index = |value: f64, (from, to): (f64, f64), count: usize| {
            (((value - from) / (to - from) * (count - 1) as f64).round().max(0.0) as usize).min(count - 1)
        };
        let height = |x: f64, y: f64| {
            let cost = self.costs[[index(y, (y0, y1), rows), index(x, (x0, x1), columns)]];
            if cost.is_nan() { high } else { cost.clamp(low, high) }
        };
        let root = SVGBackend::with_string(svg, (720, 560)).into_drawing_area();
        root.fill(&WHITE).map_err(|e| e.to_string())?;
        let mut chart = ChartBuilder::on(&root)
            .caption(&self.title, ("sans-serif", 20))
            .margin(12)
            .build_cartesian_3d(x0..x1, low..high, y0..y1)
            .map_err(|e| e.to_string())?;
        chart.with_projection(|mut projection| {
            (projection.pitch, projection.yaw, projection.scale) = (0.45, self.turn, 0.8);
            projection.into_matrix()
        });
        chart
            .configure_axes()
            .light_grid_style(BLACK.mix(0.05))
            .bold_grid_style(BLACK.mix(0.15))
            .max_light_lines(0)
            .x_labels(5)
            .y_labels(5)
            .z_labels(5)
            .draw()
            .map_err(|e| e.to_string())?;
        let shade = |cost: &f64| {
            if *cost >= high && cut.is_some() {
                return BLACK.mix(0.0).filled(); // what is cut off covers nothing
            }
            // from dark blue through green to yellow, which people with any colour vision see grow lighter
            let t = (cost - low) / (high - low);
            let (dark, middle, light) = ([48.0, 48.0, 120.0], [45.0, 140.0, 130.0], [250.0, 225.0, 90.0]);
            let (from, to, share) = if t < 0.5 { (dark, middle, 2.0 * t) } else { (middle, light, 2.0 * t - 1.0) };
            let [r, g, b] = std::array::from_fn(|i| (from[i] + share * (to[i] - from[i])) as u8);
            RGBColor(r, g, b).mix(1.0).filled()
        };
        let surface = SurfaceSeries::xoz(self.x.iter().copied(), self.y.iter().copied(), height);
        chart.draw_series(surface.style_func(&shade)).map_err(|e| e.to_string())?;
        root.present().map_err(|e| e.to_string())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_that_are_not_finite_are_drawn_at_the_top() {
        let svg = Relief::of_function(|x| x.ln().sum(), -1.0..=1.0, -1.0..=1.0).svg();
        assert!(!svg.contains("NaN") && svg.matches("<polygon").count() >= (GRID - 1) * (GRID - 1));
        let level = Relief::of_function(|x| 0.0 * x.sum(), -1.0..=1.0, -1.0..=1.0).svg();
        assert!(!level.contains("NaN"));
        let bowl = || Relief::of_function(|x| x.square().sum(), -1.0..=1.0, -1.0..=1.0);
        for nothing in [f64::INFINITY, f64::NAN, -1.0, 1e24] {
            assert_eq!(bowl().highest(nothing).svg(), bowl().svg());
        }
        assert!(bowl().highest(1.0).svg() != bowl().svg());
    }
}
