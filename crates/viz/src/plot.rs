//! Lines over two axes.

use std::path::Path;

use gradus_train::{FileError, write_atomically};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::axis::{Axis, Scale};

/// The style in which a [`Series`] is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// a line
    Line,
    /// a line with a dot at each point
    Dotted,
    /// a thin line of a lighter colour, for the background
    Faint,
    /// dots alone
    Points,
    /// bars down to the axis: each two points are the upper corners of one
    Bars,
}

/// Points with a name. If the name is empty, the series is not in the legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// the text of the legend
    pub name: String,
    /// the style in which the points are drawn
    pub style: Style,
    /// x and y; points that are not finite are left out, and the line connects the points around them
    pub points: Vec<(f64, f64)>,
    /// red, green, blue; the next colour of a list if it is `None`
    pub color: Option<(u8, u8, u8)>,
}

/// Lines over two axes, linear or logarithmic, drawn as SVG.
///
/// ```
/// use gradus_viz::{Plot, Style};
/// let losses = [2.3, 0.9, 0.4, 0.2];
/// let points = losses.iter().enumerate().map(|(epoch, &loss)| (epoch as f64, loss));
/// let plot = Plot::new("a run").axes("epoch", "loss").log_y(true).series("training", Style::Dotted, points);
/// assert!(plot.svg().contains("a run"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    title: String,
    axes: (String, String),
    scales: [Scale; 2],
    /// from, to; if it is `None`, the range that has points
    ranges: [Option<(f64, f64)>; 2],
    series: Vec<Series>,
    size: (u32, u32),
}

/// Colours that people with any colour vision can tell apart (Okabe, Ito 2008), but for the lightest.
pub(crate) const COLORS: [(u8, u8, u8); 7] =
    [(0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (230, 159, 0), (90, 90, 90)];

impl Plot {
    /// A plot with a title and no lines yet.
    pub fn new(title: &str) -> Self {
        Plot {
            title: title.to_owned(),
            axes: (String::new(), String::new()),
            scales: [Scale::Linear; 2],
            ranges: [None, None],
            series: Vec::new(),
            size: (900, 420),
        }
    }

    /// Sets the title.
    pub fn title(mut self, title: &str) -> Self {
        self.title = title.to_owned();
        self
    }

    /// Names the axes.
    pub fn axes(mut self, x: &str, y: &str) -> Self {
        self.axes = (x.to_owned(), y.to_owned());
        self
    }

    /// Sets whether the x axis is logarithmic. Numbers that are 0 or less are then left out.
    pub fn log_x(mut self, log: bool) -> Self {
        self.scales[0] = if log { Scale::Log } else { Scale::Linear };
        self
    }

    /// Sets whether the y axis is logarithmic. Numbers that are 0 or less are then left out.
    pub fn log_y(mut self, log: bool) -> Self {
        self.scales[1] = if log { Scale::Log } else { Scale::Linear };
        self
    }

    /// Makes the x axis logarithmic in both directions, and linear around 0, between −`linear` and `linear`: for
    /// numbers of both signs and very different sizes, such as eigenvalues.
    ///
    /// # Panics
    /// If `linear` is not a positive number.
    #[track_caller]
    pub fn symmetric_log_x(mut self, linear: f64) -> Self {
        assert!(linear > 0.0 && linear.is_finite(), "Plot: an axis cannot be linear between −{linear} and {linear}");
        self.scales[0] = Scale::SymmetricLog(linear);
        self
    }

    /// Shows this part of the x axis. The default is the range that has points.
    pub fn range_x(mut self, from: f64, to: f64) -> Self {
        self.ranges[0] = Some((from, to));
        self
    }

    /// Shows this part of the y axis. The default is the range that has points.
    pub fn range_y(mut self, from: f64, to: f64) -> Self {
        self.ranges[1] = Some((from, to));
        self
    }

    /// Sets the width and the height in pixels. The default is 900 × 420.
    pub fn size(mut self, width: u32, height: u32) -> Self {
        self.size = (width, height);
        self
    }

    /// Adds a series of points.
    pub fn series(self, name: &str, style: Style, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.with(Series { name: name.to_owned(), style, points: points.into_iter().collect(), color: None })
    }

    /// Adds a series, which may have a colour of its own.
    pub fn with(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }

    /// Draws the plot as SVG.
    pub fn svg(&self) -> String {
        stack(std::slice::from_ref(self))
    }

    /// Writes the picture to a file. The file is written as a whole or not at all.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        write_atomically(path.as_ref(), self.svg().as_bytes())
    }

    /// Shows the picture in a Rust notebook: [evcxr](https://github.com/evcxr/evcxr) calls this for the value of a
    /// cell.
    pub fn evcxr_display(&self) {
        println!("EVCXR_BEGIN_CONTENT text/html\n{}\nEVCXR_END_CONTENT", self.svg());
    }

    fn draw(&self, area: &DrawingArea<SVGBackend<'_>, Shift>) {
        // writing to a string cannot fail
        self.try_draw(area).expect("plots are drawn into memory");
    }

    fn try_draw(&self, area: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), Box<dyn std::error::Error + '_>> {
        let points = self.series.iter().flat_map(|series| &series.points);
        let axes = [
            Axis::new(points.clone().map(|p| p.0), self.scales[0], self.ranges[0]),
            Axis::new(points.map(|p| p.1), self.scales[1], self.ranges[1]),
        ];
        let [x, y] = &axes;
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, ("sans-serif", 20))
            .margin(12)
            .margin_right(24)
            .x_label_area_size(if self.axes.0.is_empty() { 24 } else { 40 })
            .y_label_area_size(72)
            .build_cartesian_2d(x.clone(), y.clone())?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(BLACK.mix(0.1))
            .max_light_lines(0)
            .x_desc(self.axes.0.clone())
            .y_desc(self.axes.1.clone())
            .draw()?;
        let mut colors = COLORS.iter().cycle();
        for Series { name, style, points, color } in &self.series {
            let (r, g, b) = color.unwrap_or_else(|| *colors.next().expect("a cycle"));
            let opaque = if *style == Style::Faint { 0.35 } else { 1.0 };
            let color = RGBColor(r, g, b).mix(opaque);
            let stroke = color.stroke_width(if *style == Style::Faint { 1 } else { 2 });
            let shown: Vec<(f64, f64)> = points.iter().filter_map(|&(a, b)| Some((x.place(a)?, y.place(b)?))).collect();
            if matches!(style, Style::Points | Style::Dotted) {
                let dots = apart(&shown, [x, y]).filter(|p| x.contains(p.0) && y.contains(p.1));
                chart.draw_series(dots.map(|point| Circle::new(point, 3, color.filled())))?;
            }
            if *style == Style::Bars {
                let corners = shown.chunks_exact(2).filter(|pair| x.contains(pair[0].0) && x.contains(pair[1].0));
                let bar = |pair: &[(f64, f64)]| {
                    let top = pair[0].1.clamp(y.from, y.to);
                    Rectangle::new([(pair[0].0, top), (pair[1].0, y.from)], color.filled())
                };
                chart.draw_series(corners.map(bar))?;
            }
            let lines = pieces(&shown, [x, y]).filter(|_| !matches!(style, Style::Points | Style::Bars));
            let drawn = chart.draw_series(lines.map(|part| PathElement::new(part, stroke)))?;
            if !name.is_empty() {
                // blanks, because the reader's font may be wider than the measured one
                drawn.label(format!("{name}   ")).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], stroke));
            }
        }
        if self.series.iter().any(|s| !s.name.is_empty()) {
            chart
                .configure_series_labels()
                .position(self.emptiest_corner(&axes))
                .background_style(WHITE.mix(0.85))
                .border_style(BLACK.mix(0.3))
                .draw()?;
        }
        Ok(())
    }

    /// The corner that the lines pass through least. The legend goes there, since it covers the lines below it.
    fn emptiest_corner(&self, [x, y]: &[Axis; 2]) -> SeriesLabelPosition {
        use SeriesLabelPosition::{LowerLeft, LowerRight, UpperLeft, UpperRight};
        let share =
            |axis: &Axis, value: f64| axis.place(value).map(|place| (place - axis.from) / (axis.to - axis.from));
        let mut crossed = [(0, UpperRight), (0, UpperLeft), (0, LowerRight), (0, LowerLeft)];
        for points in self.series.iter().map(|series| &series.points) {
            let shown: Vec<(f64, f64)> =
                points.iter().filter_map(|&(a, b)| Some((share(x, a)?, share(y, b)?))).collect();
            for pair in shown.windows(2) {
                for t in (0..16).map(|t| f64::from(t) / 16.0) {
                    let between = |a: f64, b: f64| a + t * (b - a);
                    let (across, up) = (between(pair[0].0, pair[1].0), between(pair[0].1, pair[1].1));
                    let hits = [
                        (across > 0.65, up > 0.65),
                        (across < 0.35, up > 0.65),
                        (across > 0.65, up < 0.35),
                        (across < 0.35, up < 0.35),
                    ];
                    crossed.iter_mut().zip(hits).for_each(|(corner, (a, b))| corner.0 += usize::from(a && b));
                }
            }
        }
        crossed.into_iter().min_by_key(|(count, _)| *count).map_or(UpperRight, |(_, corner)| corner)
    }
}

/// Draws several plots as one picture, one below the other.
pub fn stack(plots: &[Plot]) -> String {
    let (width, height) = plots.iter().fold((0, 0), |(w, h), plot| (w.max(plot.size.0), h + plot.size.1));
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
        root.fill(&WHITE).expect("plots are drawn into memory");
        let mut rest = root;
        for plot in plots {
            let (upper, lower) = rest.split_vertically(plot.size.1);
            plot.draw(&upper);
            rest = lower;
        }
        rest.present().expect("plots are drawn into memory");
    }
    svg
}

/// Writes the picture of [`stack`] to a file. The file is written as a whole or not at all.
///
/// # Errors
/// If the system refuses.
pub fn save_stack(plots: &[Plot], path: impl AsRef<Path>) -> Result<(), FileError> {
    write_atomically(path.as_ref(), stack(plots).as_bytes())
}

/// The lines through points, cut where they leave the picture by far. A descent that diverges then goes off the
/// picture, and does not fill the file with coordinates that nothing shows.
fn pieces<'p>(points: &'p [(f64, f64)], [x, y]: [&'p Axis; 2]) -> impl Iterator<Item = Vec<(f64, f64)>> + 'p {
    let near = |p: &(f64, f64)| x.is_near(p.0) && y.is_near(p.1);
    points.split(move |p| !near(p)).filter(|part| !part.is_empty()).map(<[_]>::to_vec)
}

/// The points that are further than a 300th of the picture from the last such point, so that a descent that comes to
/// rest is one dot.
fn apart<'p>(points: &'p [(f64, f64)], [x, y]: [&'p Axis; 2]) -> impl Iterator<Item = (f64, f64)> + 'p {
    let mut last = None;
    let close = move |a: (f64, f64), b: (f64, f64)| {
        ((a.0 - b.0) / (x.to - x.from)).abs().max(((a.1 - b.1) / (y.to - y.from)).abs()) < 1.0 / 300.0
    };
    points.iter().copied().filter(move |&point| {
        let far = last.is_none_or(|last| !close(last, point));
        if far {
            last = Some(point);
        }
        far
    })
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
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(Plot::new("nothing at all").svg().contains("nothing at all"));
    }

    #[test]
    fn text_is_escaped() {
        let svg = Plot::new("a < b & c").series("<script>", Style::Line, [(0.0, 0.0), (1.0, 1.0)]).svg();
        assert!(svg.contains("a &lt; b &amp; c") && !svg.contains("<script>"));
    }
}
