//! What a plot shows: series of points over two axes, with marks and labels.

use std::path::Path;

use gradus_train::FileError;

use crate::axis::Scale;
use crate::classes::Area;
use crate::series::{Series, Style};
use crate::{draw, file};

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
    pub(crate) title: String,
    pub(crate) axes: (String, String),
    pub(crate) scales: [Scale; 2],
    /// from, to; if it is `None`, the range that has points
    pub(crate) ranges: [Option<(f64, f64)>; 2],
    pub(crate) series: Vec<Series>,
    /// parts of the plane that are filled
    pub(crate) areas: Vec<Area>,
    /// numbers on the x axis and on the y axis at which a line crosses the picture, with their texts
    pub(crate) marks: [Vec<(f64, String)>; 2],
    /// texts at places of the plane
    pub(crate) labels: Vec<((f64, f64), String)>,
    pub(crate) size: (u32, u32),
    /// the seconds that the dotted series take to move, if they do
    pub(crate) moving: Option<f64>,
}

impl Plot {
    /// A plot with a title and no lines yet.
    pub fn new(title: &str) -> Self {
        Plot {
            title: title.to_owned(),
            axes: (String::new(), String::new()),
            scales: [Scale::Linear; 2],
            ranges: [None, None],
            series: Vec::new(),
            areas: Vec::new(),
            marks: [Vec::new(), Vec::new()],
            labels: Vec::new(),
            size: (900, 420),
            moving: None,
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

    /// Shows this part of the x axis. The default is the range that has points, also for an end that has no place on
    /// the axis, such as 0 on a logarithmic one.
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

    /// Marks a number on the x axis with a vertical line and a text: the best epoch, a suggested rate. A number beyond
    /// the part that the axis shows is left out.
    ///
    /// ```
    /// use gradus_viz::{Plot, Style};
    /// let plot = Plot::new("").series("", Style::Line, [(0.0, 3.0), (9.0, 1.0)]);
    /// let plot = plot.mark_x(7.0, "best").mark_y(1.5, "goal");
    /// assert!(plot.svg().contains("best") && plot.svg().contains("goal"));
    /// ```
    pub fn mark_x(mut self, x: f64, text: &str) -> Self {
        self.marks[0].push((x, text.to_owned()));
        self
    }

    /// Marks a number on the y axis with a horizontal line and a text. See [`mark_x`](Self::mark_x).
    pub fn mark_y(mut self, y: f64, text: &str) -> Self {
        self.marks[1].push((y, text.to_owned()));
        self
    }

    /// Writes a text at a point.
    pub fn label(mut self, at: (f64, f64), text: &str) -> Self {
        self.labels.push((at, text.to_owned()));
        self
    }

    /// Makes the paths move (series of the style [`Dotted`](Style::Dotted)): a ball walks along each, step by step, in
    /// so many seconds, and again. The path with the most steps takes all of the time; the others wait at their ends.
    /// A reader whose system asks for less motion sees the whole paths.
    ///
    /// # Panics
    /// If the number of seconds is not positive.
    #[track_caller]
    pub fn moving(mut self, seconds: f64) -> Self {
        assert!(seconds > 0.0 && seconds.is_finite(), "Plot: nothing moves in {seconds} seconds");
        self.moving = Some(seconds);
        self
    }

    /// Draws the plot as SVG.
    pub fn svg(&self) -> String {
        stack(std::slice::from_ref(self))
    }

    /// Writes the picture to a file: PNG if its name ends in `.png` (with the feature `png`), and else SVG. The file is
    /// written as a whole or not at all.
    ///
    /// # Errors
    /// If the system refuses; for PNG, also without the feature, or if the system has no font.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        file::save(path.as_ref(), &self.svg())
    }

    /// Shows the picture in a Rust notebook: [evcxr](https://github.com/evcxr/evcxr) calls this for the value of a
    /// cell.
    pub fn evcxr_display(&self) {
        println!("EVCXR_BEGIN_CONTENT text/html\n{}\nEVCXR_END_CONTENT", self.svg());
    }
}

/// Draws several plots as one picture, one below the other.
pub fn stack(plots: &[Plot]) -> String {
    draw::stack(plots)
}

/// Writes the picture of [`stack`] to a file, as [`Plot::save`] does.
///
/// # Errors
/// As those of [`Plot::save`].
pub fn save_stack(plots: &[Plot], path: impl AsRef<Path>) -> Result<(), FileError> {
    file::save(path.as_ref(), &stack(plots))
}
