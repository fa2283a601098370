//! A cost over a plane, as a surface in space.

use std::ops::RangeInclusive;
use std::path::Path;

use gradus_autograd::{Tape, Var};
use gradus_landscape::Surface;
use gradus_optim::Minimum;
use gradus_train::FileError;
use ndarray::{Array2, Ix1};
use svg::Node;
use svg::node::element::Element;

use crate::axis::{Axis, Scale};
use crate::contours::direction_names;
use crate::file;
use crate::paint::{self, Place};
use crate::series::{Color, Look};

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
    /// the names of the two axes of the plane
    axes: [String; 2],
    x: Vec<f64>,
    y: Vec<f64>,
    costs: Array2<f64>,
    highest: Option<f64>,
    turn: f64,
    /// names of descents, with their points: places and heights
    paths: Vec<(String, Vec<[f64; 3]>)>,
}

impl Relief {
    /// The relief of a model's cost over a plane.
    ///
    /// # Panics
    /// If the surface has fewer than two points along each axis.
    #[track_caller]
    pub fn new(surface: &Surface) -> Self {
        let Surface { plane, x, y, costs } = surface.clone();
        assert!(x.len() > 1 && y.len() > 1, "Relief: {} × {} points are no surface", x.len(), y.len());
        Relief {
            title: String::new(),
            axes: direction_names(&plane),
            x,
            y,
            costs,
            highest: None,
            turn: 0.6,
            paths: Vec::new(),
        }
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
        let axes = ["first variable", "second variable"].map(str::to_owned);
        Relief { title: String::new(), axes, x, y, costs, highest: None, turn: 0.6, paths: Vec::new() }
    }

    /// Sets the title.
    pub fn title(mut self, title: &str) -> Self {
        self.title = title.to_owned();
        self
    }

    /// Names the axes of the plane.
    pub fn axes(mut self, x: &str, y: &str) -> Self {
        self.axes = [x.to_owned(), y.to_owned()];
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

    /// Adds the path of a descent in two variables, which is drawn on the surface, with its name beside the start. What
    /// lies behind a hill is seen through the hill.
    ///
    /// ```
    /// use gradus_optim::{Sgd, functions, minimize};
    /// use gradus_viz::Relief;
    /// let found = minimize(functions::double_well, ndarray::array![0.1, 1.0], Sgd::new(0.2), 60);
    /// let relief = Relief::of_function(functions::double_well, -1.5..=1.5, -1.2..=1.2).path("descent", &found);
    /// assert!(relief.svg().contains("descent"));
    /// ```
    ///
    /// # Panics
    /// If the descent is not in two variables.
    #[track_caller]
    pub fn path(mut self, name: &str, run: &Minimum<f64, Ix1>) -> Self {
        assert!(run.at.len() == 2, "Relief::path: `{name}` is a descent in {} variables, not two", run.at.len());
        let points = run.path.iter().zip(&run.costs).map(|(at, &cost)| [at[0], at[1], cost]);
        self.paths.push((name.to_owned(), points.collect()));
        self
    }

    /// Draws the relief as SVG.
    pub fn svg(&self) -> String {
        let finite = self.costs.iter().copied().filter(|cost| cost.is_finite());
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), c| (a.min(c), b.max(c)));
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        // a height that cuts off everything, or nothing, is none
        let cut = self.highest.filter(|cut| *cut > low && *cut < high);
        let high = cut.unwrap_or(high).max(low + 1e-9 * low.abs().max(1e-9));
        let axis = |from: f64, to: f64| Axis::new(std::iter::empty(), Scale::Linear, Some((from, to)));
        let ends = |places: &[f64]| axis(places[0], places[places.len() - 1]);
        let space = Space { x: ends(&self.x), y: ends(&self.y), height: axis(low, high), turn: self.turn };
        let mut picture = paint::picture(WIDTH, HEIGHT);
        if !self.title.is_empty() {
            picture.append(paint::title((WIDTH / 2.0, 28.0), &self.title));
        }
        space.draw_axes(&mut picture, &self.axes);
        self.draw_surface(&mut picture, &space, cut);
        self.draw_paths(&mut picture, &space);
        picture.to_string()
    }

    /// The squares of the grid, the far ones first, so that the near ones cover them.
    fn draw_surface(&self, picture: &mut Element, space: &Space, cut: Option<f64>) {
        let (low, high) = (space.height.from, space.height.to);
        let height = |(i, j): (usize, usize)| {
            let cost = self.costs[[j, i]];
            if cost.is_nan() { high } else { cost.clamp(low, high) }
        };
        let mut squares = Vec::new();
        for (i, j) in (0..self.x.len() - 1).flat_map(|i| (0..self.y.len() - 1).map(move |j| (i, j))) {
            let corners = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)];
            let mean = corners.map(height).iter().sum::<f64>() / 4.0;
            if cut.is_some() && mean >= high {
                continue; // what is cut off covers nothing
            }
            let places = corners.map(|corner| space.pixel(self.x[corner.0], self.y[corner.1], height(corner)));
            let depth = space.depth((self.x[i] + self.x[i + 1]) / 2.0, (self.y[j] + self.y[j + 1]) / 2.0);
            squares.push((depth, places, shade((mean - low) / (high - low))));
        }
        squares.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (_, places, color) in squares {
            let mut square = paint::polygon(&places, &color);
            for (key, value) in [("stroke", "#000"), ("stroke-opacity", "0.15"), ("stroke-width", "0.5")] {
                square.assign(key, value);
            }
            picture.append(square);
        }
    }

    /// The paths, on a border in the colour of the page, up to the first point that is not on the surface.
    fn draw_paths(&self, picture: &mut Element, space: &Space) {
        for (i, (name, points)) in self.paths.iter().enumerate() {
            // the surface is dark where it is low, so the first colour is a light one
            let look = Look::number(i + 5);
            let inside =
                |p: &&[f64; 3]| space.x.contains(p[0]) && space.y.contains(p[1]) && space.height.contains(p[2]);
            let places: Vec<Place> = points.iter().take_while(inside).map(|&[x, y, h]| space.pixel(x, y, h)).collect();
            let Some(&start) = places.first() else { continue };
            let mut border = paint::polyline(&places, &Look { color: Color::Ink, ..look }, false);
            border.assign("stroke-width", "4");
            picture.append(border);
            picture.append(paint::polyline(&places, &look, false));
            places.iter().for_each(|&place| picture.append(paint::mark(place, 2.5, &look)));
            picture.append(paint::text((start.0 - 10.0, start.1 + 4.0), "end", name));
        }
    }

    /// Writes the picture to a file: PNG if its name ends in `.png` (with the feature `png`), and else SVG. The file is
    /// written as a whole or not at all.
    ///
    /// # Errors
    /// If the system refuses; for PNG, also without the feature, or if the system has no font.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        file::save(path.as_ref(), &self.svg())
    }
}

/// From dark blue through green to yellow, which people with any colour vision see grow lighter.
fn shade(share: f64) -> String {
    let (dark, middle, light) = ([48.0, 48.0, 120.0], [45.0, 140.0, 130.0], [250.0, 225.0, 90.0]);
    let (from, to, t) = if share < 0.5 { (dark, middle, 2.0 * share) } else { (middle, light, 2.0 * share - 1.0) };
    let [r, g, b] = std::array::from_fn(|i| (from[i] + t * (to[i] - from[i])) as u8);
    format!("#{r:02x}{g:02x}{b:02x}")
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 560.0;
/// Half the side of the plane in pixels, and the angle under which one looks down on it.
const SIDE: f64 = 186.0;
const PITCH: f64 = 0.5;

/// The space in which the relief stands, seen from the front and from above.
struct Space {
    x: Axis,
    y: Axis,
    height: Axis,
    turn: f64,
}

impl Space {
    /// The place in the turned plane: to the right, and into the depth. Both sides go from −1 to 1 before the turn.
    fn turned(&self, x: f64, y: f64) -> Place {
        let (u, v) = (2.0 * self.x.share(x) - 1.0, 2.0 * self.y.share(y) - 1.0);
        let (sin, cos) = self.turn.sin_cos();
        (u * cos - v * sin, u * sin + v * cos)
    }

    fn depth(&self, x: f64, y: f64) -> f64 {
        self.turned(x, y).1
    }

    fn pixel(&self, x: f64, y: f64, height: f64) -> Place {
        let (right, depth) = self.turned(x, y);
        let up = 1.2 * (self.height.share(height) - 0.5);
        (WIDTH / 2.0 + SIDE * right, 0.52 * HEIGHT - SIDE * (up * PITCH.cos() + depth * PITCH.sin()))
    }

    /// The floor with its grid, and the three axes at the edges where they cover nothing: those of the plane in front,
    /// that of the heights at the left.
    fn draw_axes(&self, picture: &mut Element, [x_name, y_name]: &[String; 2]) {
        let Space { x, y, height, .. } = self;
        let floor = height.from;
        // the ends of each side of the plane, the near one first
        let by_depth = |a: f64, b: f64, depth: &dyn Fn(f64) -> f64| if depth(a) < depth(b) { (a, b) } else { (b, a) };
        let (middle_x, middle_y) = ((x.from + x.to) / 2.0, (y.from + y.to) / 2.0);
        let (near_y, far_y) = by_depth(y.from, y.to, &|y| self.depth(middle_x, y));
        let (near_x, far_x) = by_depth(x.from, x.to, &|x| self.depth(x, middle_y));
        // a place beyond the near edge, by a share of the side
        let beyond = |near: f64, far: f64, share: f64| near + share * (near - far);
        let mut edge = |label: &str, from: Place, to: Place, text: Place| {
            picture.append(paint::rule(from, to, 0.15));
            picture.append(paint::text((text.0, text.1 + 11.0), "middle", label));
        };
        for (at, label) in x.ticks() {
            let text = self.pixel(at, beyond(near_y, far_y, 0.09), floor);
            edge(&label, self.pixel(at, near_y, floor), self.pixel(at, far_y, floor), text);
        }
        for (at, label) in y.ticks() {
            let text = self.pixel(beyond(near_x, far_x, 0.09), at, floor);
            edge(&label, self.pixel(near_x, at, floor), self.pixel(far_x, at, floor), text);
        }
        picture.append(paint::rule(self.pixel(x.from, near_y, floor), self.pixel(x.to, near_y, floor), 0.7));
        picture.append(paint::rule(self.pixel(near_x, y.from, floor), self.pixel(near_x, y.to, floor), 0.7));
        // a name stands on the side to which its edge falls off
        let mut name = |text: &str, (x, y): Place, center: Place| {
            let anchor = if x < center.0 { "end" } else { "start" };
            picture.append(paint::text((x, y + 14.0), anchor, text));
        };
        let center = self.pixel(middle_x, middle_y, floor);
        name(x_name, self.pixel(middle_x, beyond(near_y, far_y, 0.2), floor), center);
        name(y_name, self.pixel(beyond(near_x, far_x, 0.2), middle_y, floor), center);
        let corners = [(near_x, near_y), (near_x, far_y), (far_x, near_y), (far_x, far_y)];
        let left = corners.into_iter().min_by(|a, b| self.turned(a.0, a.1).0.total_cmp(&self.turned(b.0, b.1).0));
        let (left_x, left_y) = left.unwrap_or((near_x, near_y));
        let up = |h: f64| self.pixel(left_x, left_y, h);
        picture.append(paint::rule(up(floor), up(height.to), 0.7));
        for (at, label) in height.ticks() {
            let (px, py) = up(at);
            picture.append(paint::rule((px - 4.0, py), (px, py), 0.7));
            picture.append(paint::text((px - 8.0, py + 4.0), "end", &label));
        }
        let (px, py) = up(height.to);
        picture.append(paint::text((px, py - 14.0), "middle", "cost"));
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
