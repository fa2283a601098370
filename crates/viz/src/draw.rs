//! Drawing a plot.

use svg::Node;
use svg::node::element::Element;

use crate::axis::{Axis, Scale};
use crate::cut::{apart, bars, pieces};
use crate::legend::Legend;
use crate::moving::{self, Motion};
use crate::paint::{self, Place, text_width, title_width};
use crate::plot::Plot;
use crate::series::{Look, Series, Style};

/// The space around a plot, without its texts.
const MARGIN: f64 = 14.0;
/// The height of a title, and of a line of text below or beside an axis.
const TITLE: f64 = 26.0;
const LINE: f64 = 20.0;

/// Draws plots one below the other. Their frames have the same left and right edges, if the plots are of one width.
pub(crate) fn stack(plots: &[Plot]) -> String {
    let width = plots.iter().map(|plot| plot.size.0).max().unwrap_or(0);
    let height: u32 = plots.iter().map(|plot| plot.size.1).sum();
    let mut picture = paint::picture(width.into(), height.into());
    let mut canvases: Vec<Canvas<'_>> = plots.iter().map(Canvas::new).collect();
    let edge = |of: fn(&Canvas<'_>) -> f64| canvases.iter().map(of).fold(0.0, f64::max);
    let (left, right) = (edge(|canvas| canvas.margins.left), edge(|canvas| canvas.margins.right));
    let mut top = 0.0;
    for canvas in &mut canvases {
        if canvas.plot.size.0 == width {
            (canvas.margins.left, canvas.margins.right) = (left, right);
            canvas.settle_legend();
        }
        let mut group = canvas.draw();
        if top > 0.0 {
            group.assign("transform", format!("translate(0 {})", paint::px(top)));
        }
        picture.append(group);
        top += f64::from(canvas.plot.size.1);
    }
    picture.to_string()
}

struct Margins {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

/// Where the legend stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    Inside,
    Right,
    Below,
}

/// A plot with its axes, and the margins that its texts need.
struct Canvas<'p> {
    plot: &'p Plot,
    axes: [Axis; 2],
    looks: Vec<Look>,
    legend: Option<(Legend<'p>, Side)>,
    margins: Margins,
}

impl<'p> Canvas<'p> {
    fn new(plot: &'p Plot) -> Self {
        let [x, y] = plot.scales;
        let points = plot.series.iter().flat_map(|series| &series.points);
        // a point that is not shown has no part in the ranges
        let points = points.copied().filter(|p| x.place(p.0).is_some() && y.place(p.1).is_some());
        let bars = plot.series.iter().any(|series| series.style == Style::Bars) && y == Scale::Linear;
        let axes = [
            Axis::new(points.clone().map(|p| p.0), x, plot.ranges[0]),
            Axis::new(points.map(|p| p.1).chain(bars.then_some(0.0)), y, plot.ranges[1]), // bars begin at 0
        ];
        let widest = axes[1].ticks().iter().map(|(_, label)| text_width(label)).fold(0.0, f64::max);
        let line = |name: &str| if name.is_empty() { 0.0 } else { LINE };
        let margins = Margins {
            left: MARGIN + widest + 8.0 + line(&plot.axes.1),
            right: MARGIN + 14.0,
            top: MARGIN + if plot.title.is_empty() { 0.0 } else { TITLE },
            bottom: MARGIN + LINE + line(&plot.axes.0),
        };
        let mut canvas = Canvas { plot, axes, looks: Look::all(&plot.series), legend: None, margins };
        canvas.place_legend();
        canvas
    }

    /// Puts the legend into a corner where it covers nothing; if there is none, beside the frame, or below it if the
    /// names are long or the plot is high.
    fn place_legend(&mut self) {
        let (width, height) = (f64::from(self.plot.size.0), f64::from(self.plot.size.1));
        let Some(legend) = Legend::beside(&self.plot.series, &self.looks, self.height()) else { return };
        let (wide, _) = legend.size();
        let side = if legend.free_corner(self.frame(), &self.drawn()).is_some() {
            Side::Inside
        } else if wide < 0.4 * width && height < 0.8 * width {
            self.margins.right += wide + 8.0;
            Side::Right
        } else {
            Side::Below
        };
        self.legend = Some((legend, side));
        if side == Side::Below {
            self.put_legend(side);
        }
    }

    fn put_legend(&mut self, side: Side) {
        let width = f64::from(self.plot.size.0) - 2.0 * MARGIN;
        if let Some(legend) = Legend::below(&self.plot.series, &self.looks, width) {
            self.margins.bottom += legend.size().1 + 4.0;
            self.legend = Some((legend, side));
        }
    }

    /// Puts a legend that lost its free corner, because the frame became narrower, below the frame.
    fn settle_legend(&mut self) {
        if let Some((legend, Side::Inside)) = &self.legend
            && legend.free_corner(self.frame(), &self.drawn()).is_none()
        {
            self.put_legend(Side::Below);
        }
    }

    /// The corners of the part of the picture that belongs to the axes: upper left, lower right.
    fn frame(&self) -> (Place, Place) {
        let (width, height) = (f64::from(self.plot.size.0), f64::from(self.plot.size.1));
        let Margins { left, right, top, bottom } = self.margins;
        ((left, top), ((width - right).max(left + 1.0), (height - bottom).max(top + 1.0)))
    }

    fn height(&self) -> f64 {
        let (from, to) = self.frame();
        to.1 - from.1
    }

    /// Where places of the axes are in the picture.
    fn pixel(&self, (x, y): Place) -> Place {
        let (from, to) = self.frame();
        (from.0 + self.axes[0].share(x) * (to.0 - from.0), to.1 - self.axes[1].share(y) * (to.1 - from.1))
    }

    /// The points of a series that the axes can show.
    fn places(&self, series: &Series) -> Vec<Place> {
        let [x, y] = &self.axes;
        series.points.iter().filter_map(|&(a, b)| Some((x.place(a)?, y.place(b)?))).collect()
    }

    fn contains(&self, place: Place) -> bool {
        self.axes[0].contains(place.0) && self.axes[1].contains(place.1)
    }

    /// Pixels of everything that is drawn, a few pixels apart: what a legend must not cover.
    fn drawn(&self) -> Vec<Place> {
        let mut drawn = Vec::new();
        for series in &self.plot.series {
            let places = match series.style {
                Style::Bars => bars(series, &self.axes).flat_map(|[a, b]| [a, b, (b.0, a.1)]).collect(),
                _ => self.places(series),
            };
            let pixels: Vec<Place> = places.into_iter().map(|place| self.pixel(place)).collect();
            drawn.extend(&pixels);
            for pair in pixels.windows(2).filter(|_| series.style != Style::Points) {
                let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
                let steps = ((x1 - x0).hypot(y1 - y0) / 6.0).min(1000.0) as usize;
                let at = |k: usize| k as f64 / (steps + 1) as f64;
                drawn.extend((1..=steps).map(|k| (x0 + at(k) * (x1 - x0), y0 + at(k) * (y1 - y0))));
            }
        }
        let middle = |(at, _): &(f64, String), axis: usize| self.axes[axis].place(*at).unwrap_or(f64::NAN);
        let share = |k: i32| f64::from(k) / 100.0;
        for (at, text) in self.texts() {
            let (half, steps) = (text_width(&text) / 2.0, text.chars().count() + 1);
            let across = |k: usize| at.0 - half + 2.0 * half * k as f64 / steps as f64;
            drawn.extend((0..=steps).flat_map(|k| [-8.0, 4.0].map(|up| (across(k), at.1 + up))));
        }
        for (axis, marks) in self.plot.marks.iter().enumerate() {
            let other = &self.axes[1 - axis];
            for place in marks.iter().map(|mark| middle(mark, axis)) {
                let along = (0..=100).map(|k| other.from + share(k) * (other.to - other.from));
                drawn.extend(along.map(|o| self.pixel(if axis == 0 { (place, o) } else { (o, place) })));
            }
        }
        drawn
    }

    fn draw(&self) -> Element {
        let mut group = Element::new("g");
        self.draw_axes(&mut group);
        group.append(self.draw_series(|style| style == Style::Faint));
        for (at, text) in self.texts().into_iter().take(self.texts().len() - self.mark_texts().len()) {
            group.append(paint::text(at, "middle", &text));
        }
        group.append(self.draw_series(|style| style != Style::Faint));
        self.draw_marks(&mut group);
        if let Some((legend, side)) = &self.legend {
            group.append(legend.draw(self.legend_place(legend, *side)));
        }
        group
    }

    fn legend_place(&self, legend: &Legend<'_>, side: Side) -> Place {
        let ((left, top), (right, bottom)) = self.frame();
        match side {
            Side::Inside => legend.free_corner(self.frame(), &self.drawn()).unwrap_or((left, top)),
            Side::Right => (right + 12.0, top),
            Side::Below => {
                let names = if self.plot.axes.0.is_empty() { LINE } else { 2.0 * LINE };
                (left.min((left + right - legend.size().0).max(2.0 * MARGIN) / 2.0), bottom + names + 6.0)
            }
        }
    }

    /// The grid, the ticks, and the names of the axes and of the plot.
    fn draw_axes(&self, group: &mut Element) {
        let ((left, top), (right, bottom)) = self.frame();
        let (across, down) = ((left + right) / 2.0, (top + bottom) / 2.0);
        if !self.plot.title.is_empty() {
            let mut title = paint::title((f64::from(self.plot.size.0) / 2.0, top - 12.0), &self.plot.title);
            // a long title is made smaller, so that it fits into the picture
            let (room, need) = (f64::from(self.plot.size.0) - 2.0 * MARGIN, title_width(&self.plot.title));
            if need > room {
                title.assign("style", format!("font-size:{}px", paint::px((17.0 * room / need).max(8.0))));
            }
            group.append(title);
        }
        let ticks = self.axes[0].ticks();
        // as many labels as stand beside each other
        let widest = ticks.iter().map(|(_, label)| text_width(label) + 8.0).fold(0.0, f64::max);
        let stride = (widest * ticks.len() as f64 / (right - left)).ceil().max(1.0) as usize;
        for (i, (place, label)) in ticks.iter().enumerate() {
            let x = self.pixel((*place, self.axes[1].from)).0;
            group.append(paint::rule((x, top), (x, bottom), 0.12));
            if i % stride == 0 {
                group.append(paint::text((x, bottom + 16.0), "middle", label));
            }
        }
        for (place, label) in self.axes[1].ticks() {
            let y = self.pixel((self.axes[0].from, place)).1;
            group.append(paint::rule((left, y), (right, y), 0.12));
            group.append(paint::text((left - 6.0, y + 4.0), "end", &label));
        }
        group.append(paint::rule((left, top), (left, bottom), 0.7));
        group.append(paint::rule((left, bottom), (right, bottom), 0.7));
        let (x, y) = &self.plot.axes;
        if !x.is_empty() {
            group.append(paint::text((across, bottom + 16.0 + LINE), "middle", x));
        }
        if !y.is_empty() {
            let widest = self.axes[1].ticks().iter().map(|(_, label)| text_width(label)).fold(0.0, f64::max);
            let at = left - widest - 14.0;
            let mut name = paint::text((at, down), "middle", y);
            name.assign("transform", format!("rotate(-90 {} {})", paint::px(at), paint::px(down)));
            group.append(name);
        }
    }

    /// The series of some styles, in a frame of their own that cuts off what leaves it.
    fn draw_series(&self, chosen: fn(Style) -> bool) -> Element {
        let ((left, top), (right, bottom)) = self.frame();
        let air = if chosen(Style::Faint) { 0.0 } else { 5.0 }; // a mark on the edge is seen as a whole
        let numbers = [left - air, top - air, right - left + 2.0 * air, bottom - top + 2.0 * air].map(paint::px);
        let [x, y, width, height] = &numbers;
        let mut group = paint::element(
            "svg",
            &[("x", x), ("y", y), ("width", width), ("height", height), ("viewBox", &numbers.join(" "))],
        );
        if chosen(Style::Faint) {
            self.draw_areas(&mut group);
        }
        let motion = self.motion();
        for (series, look) in self.plot.series.iter().zip(&self.looks).filter(|(s, _)| chosen(s.style)) {
            let places = self.places(series);
            if series.style == Style::Bars {
                for [a, b] in bars(series, &self.axes) {
                    let bar = paint::rectangle(self.pixel(a), self.pixel(b), "currentColor");
                    group.append(paint::colored(bar, look));
                }
            }
            if let (Some(motion), Style::Dotted) = (motion, series.style) {
                group.append(moving::path(&self.way(&places), look, motion));
                continue;
            }
            if series.has_line() {
                for piece in pieces(&places, &self.axes) {
                    let pixels: Vec<Place> = piece.iter().map(|&place| self.pixel(place)).collect();
                    if let ([one], false) = (&*pixels, series.has_marks()) {
                        group.append(paint::mark(*one, series.radius(), look)); // a line of one point is a mark
                    }
                    group.append(paint::polyline(&pixels, look, series.style == Style::Faint));
                }
            }
            if series.has_marks() {
                for place in apart(&places, &self.axes).filter(|&place| self.contains(place)) {
                    group.append(paint::mark(self.pixel(place), series.radius(), look));
                }
            }
        }
        group
    }

    fn draw_areas(&self, group: &mut Element) {
        for area in &self.plot.areas {
            let ring = |ring: &Vec<Place>| {
                let places = ring.iter().filter_map(|p| Some((self.axes[0].place(p.0)?, self.axes[1].place(p.1)?)));
                paint::outline(&places.map(|place| self.pixel(place)).collect::<Vec<_>>())
            };
            let outline: String = area.rings.iter().map(ring).collect();
            let part = [("d", &*outline), ("fill", "currentColor"), ("fill-opacity", "0.2"), ("fill-rule", "evenodd")];
            group.append(paint::colored(paint::element("path", &part), &Look::number(area.color)));
        }
    }

    /// The motion of the dotted series, if they move.
    fn motion(&self) -> Option<Motion> {
        let seconds = self.plot.moving?;
        let dotted = self.plot.series.iter().filter(|series| series.style == Style::Dotted);
        let steps = dotted.map(|series| self.way(&self.places(series)).len()).max()?.saturating_sub(1);
        Some(Motion { seconds, steps })
    }

    /// The steps in the picture, up to the first that is far outside: there a descent diverges.
    fn way(&self, places: &[Place]) -> Vec<Place> {
        let near = places.iter().position(|p| !self.axes[0].is_near(p.0) || !self.axes[1].is_near(p.1));
        places[..near.unwrap_or(places.len())].iter().map(|&place| self.pixel(place)).collect()
    }

    /// The lines at marked numbers, and their texts.
    fn draw_marks(&self, group: &mut Element) {
        let ((left, top), (right, bottom)) = self.frame();
        for (axis, marks) in self.plot.marks.iter().enumerate() {
            for place in marks.iter().filter_map(|(value, _)| self.mark(axis, *value)) {
                let (x, y) = self.pixel(place);
                let [from, to] = if axis == 0 { [(x, top), (x, bottom)] } else { [(left, y), (right, y)] };
                let mut line = paint::rule(from, to, 0.8);
                line.assign("stroke-dasharray", "5 4");
                group.append(line);
            }
        }
        for (at, text) in self.mark_texts() {
            group.append(paint::text(at, "middle", &text));
        }
    }

    /// The place of a mark on an axis, if the axis shows it.
    fn mark(&self, axis: usize, value: f64) -> Option<Place> {
        let place = self.axes[axis].place(value).filter(|&place| self.axes[axis].contains(place))?;
        Some(if axis == 0 { (place, self.axes[1].from) } else { (self.axes[0].from, place) })
    }

    /// The texts of the marks, with their middles: each text in the first row where it covers no other.
    fn mark_texts(&self) -> Vec<(Place, String)> {
        let ((_, top), (right, _)) = self.frame();
        let mut texts: Vec<(Place, String)> = Vec::new();
        let mut taken: Vec<(f64, f64, usize)> = Vec::new(); // from, to, row
        for (value, text) in &self.plot.marks[0] {
            let Some(place) = self.mark(0, *value) else { continue };
            let (x, width) = (self.pixel(place).0, text_width(text) + 10.0);
            let from = if x + width < right + MARGIN { x } else { x - width };
            let free = |row: &usize| !taken.iter().any(|&(a, b, r)| r == *row && from < b && a < from + width);
            let row = (0..).find(free).expect("a free row");
            taken.push((from, from + width, row));
            texts.push(((from + width / 2.0, top + 12.0 + 16.0 * row as f64), text.clone()));
        }
        for (value, text) in &self.plot.marks[1] {
            let Some(place) = self.mark(1, *value) else { continue };
            texts.push(((right - 4.0 - text_width(text) / 2.0, self.pixel(place).1 - 5.0), text.clone()));
        }
        texts
    }

    /// All texts within the frame, with their middles.
    fn texts(&self) -> Vec<(Place, String)> {
        let label = |((x, y), text): &((f64, f64), String)| {
            let place = (self.axes[0].place(*x)?, self.axes[1].place(*y)?);
            let (x, y) = self.pixel(place);
            self.contains(place).then(|| ((x, y + 4.0), text.clone()))
        };
        self.plot.labels.iter().filter_map(label).chain(self.mark_texts()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_reach_down_to_the_axis() {
        let corners = [(0.0, 3.0), (1.0, 3.0), (1.0, 8.0), (2.0, 8.0)];
        let svg = Plot::new("").log_y(true).series("", Style::Bars, corners).svg();
        assert_eq!(svg.matches("<rect").count(), 3, "{svg}"); // the background, and two bars
    }

    #[test]
    fn what_cannot_be_shown_is_left_out() {
        let points = [(0.0, 1.0), (1.0, f64::NAN), (2.0, -1.0), (3.0, f64::INFINITY), (4.0, 1e-3)];
        let svg = Plot::new("").log_y(true).series("a", Style::Dotted, points).svg();
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        assert_eq!(svg.matches("<circle").count(), 2 + 1, "and one in the legend");
        assert!(Plot::new("nothing at all").svg().contains("nothing at all"));
    }

    #[test]
    fn text_is_escaped() {
        let svg = Plot::new("a < b & c").series("<script>", Style::Line, [(0.0, 0.0), (1.0, 1.0)]).svg();
        assert!(svg.contains("a &lt; b &amp; c") && !svg.contains("<script>"));
    }

    /// Plots of many kinds: few and many series, short and long names, wide and high.
    fn crowd() -> Vec<Plot> {
        let wave = |i: usize| (0..40).map(move |k| (k as f64, (k as f64 / 7.0 + i as f64).sin() + 0.3 * i as f64));
        let mut plots = Vec::new();
        for (count, style) in [(1, Style::Line), (3, Style::Points), (12, Style::Dotted), (45, Style::Line)] {
            for name in ["a", "a series with a name of some length", "one with a name that is longer than half a page"]
            {
                for size in [(900, 420), (620, 600), (900, 220)] {
                    let plot = Plot::new("a title").axes("step", "cost").size(size.0, size.1);
                    plots.push((0..count).fold(plot, |plot, i| plot.series(&format!("{name} {i}"), style, wave(i))));
                }
            }
        }
        plots
    }

    #[test]
    fn legends_cover_nothing() {
        for plot in &crowd() {
            let canvas = Canvas::new(plot);
            let (legend, side) = canvas.legend.as_ref().expect("all series have names");
            let (from, to) = canvas.frame();
            let (width, height) = legend.size();
            let place = canvas.legend_place(legend, *side);
            let covered =
                |p: &&Place| (place.0..place.0 + width).contains(&p.0) && (place.1..place.1 + height).contains(&p.1);
            assert!(canvas.drawn().iter().find(covered).is_none(), "{side:?}: {:?}", plot.series[0].name);
            assert!(to.0 > from.0 && to.1 > from.1);
            // long names may be wider than the whole picture; then no place is good
            if width < 0.9 * f64::from(plot.size.0) && height < 0.5 * f64::from(plot.size.1) {
                let (right, bottom) = (place.0 + width, place.1 + height);
                assert!(
                    right <= f64::from(plot.size.0) && bottom <= f64::from(plot.size.1),
                    "{side:?} {right} {bottom}"
                );
            }
        }
    }

    #[test]
    fn lines_are_drawn_at_tenths_of_a_pixel_and_samples_stand_for_what_is_drawn() {
        let points = (0..50).map(|k| (f64::from(k), (f64::from(k) / 9.0).exp()));
        let svg = Plot::new("").series("a line", Style::Line, points.clone()).svg();
        let line = svg.lines().find(|line| line.contains("<polyline")).expect("a line");
        assert!(line.matches('.').count() > 50, "{line}");
        assert_eq!(svg.matches("<polyline").count(), 2, "one in the legend");
        let svg = Plot::new("").series("points", Style::Points, points).svg();
        assert!(!svg.contains("<polyline") && svg.matches("<circle").count() > 10);
        let marked = Plot::new("").series("", Style::Line, [(0.0, 1.0), (9.0, 2.0)]);
        let marked =
            marked.mark_x(3.0, "first").mark_x(3.1, "second").mark_x(99.0, "outside").mark_y(1.5, "level").svg();
        assert!(marked.contains("first") && marked.contains("second") && marked.contains("level"));
        assert!(!marked.contains("outside"), "a mark beyond the range is not drawn");
    }

    #[test]
    fn a_line_between_points_outside_crosses_the_picture() {
        let plot = Plot::new("").range_x(4.0, 6.0).range_y(4.0, 6.0);
        let svg = plot.series("", Style::Line, [(0.0, 0.0), (10.0, 10.0)]).svg();
        assert_eq!(svg.matches("<polyline").count(), 1, "{svg}");
        let far = Plot::new("").range_x(0.0, 1.0).range_y(0.0, 1.0).series("", Style::Line, [(0.5, 0.5), (1e30, 1e30)]);
        assert!(far.svg().contains("<polyline") && far.svg().len() < 6000);
        let one = Plot::new("").series("", Style::Line, [(3.0, 4.0)]).svg();
        assert_eq!(one.matches("<circle").count(), 1, "a line of one point is a mark");
    }

    #[test]
    fn bars_that_an_axis_cannot_show_leave_the_others_as_they_are() {
        let corners = [(0.0, 3.0), (1.0, 3.0), (1.0, 8.0), (2.0, 8.0)];
        let bars = |plot: Plot| plot.series("", Style::Bars, corners).svg().matches("currentColor").count();
        assert_eq!(bars(Plot::new("").log_x(true).range_x(0.5, 2.0)), 2, "the first begins at the edge");
        assert_eq!(bars(Plot::new("").range_x(1.5, 3.0)), 1);
    }

    #[test]
    fn points_that_are_not_shown_stretch_no_axis() {
        let plot = Plot::new("").series("", Style::Points, [(1.0, 1.0), (10.0, 2.0), (1e6, f64::NAN)]);
        assert!(Canvas::new(&plot).axes[0].to < 11.0);
        let long =
            Plot::new(&"a title that is long ".repeat(12)).series("", Style::Line, [(0.0, 1.0), (1.0, 2.0)]).svg();
        assert!(long.contains("font-size:8px"), "a long title is made smaller");
    }

    #[test]
    fn a_legend_covers_no_text_of_a_mark() {
        let points = (0..30).map(|k| (f64::from(k), 1.0 / f64::from(k + 1)));
        let plot = Plot::new("").series("validation, a long name", Style::Line, points).mark_x(18.0, "best: epoch 18");
        let canvas = Canvas::new(&plot);
        let (legend, side) = canvas.legend.as_ref().expect("a name");
        let (place, (width, height)) = (canvas.legend_place(legend, *side), legend.size());
        let (at, text) = &canvas.texts()[0];
        let half = text_width(text) / 2.0;
        let apart = at.0 + half < place.0 || at.0 - half > place.0 + width || at.1 > place.1 + height + 8.0;
        assert!(apart, "{at:?} {place:?}");
    }
}
