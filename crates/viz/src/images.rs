//! Rows of numbers as small pictures: images, and the weights of neurons that look at images.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use gradus_autograd::Float;
use gradus_train::FileError;
use ndarray::{Array2, ArrayView1};
use svg::Node;

use crate::file;
use crate::paint::{self, text_width, title_width};

/// Rows of numbers as small pictures, side by side.
///
/// Without a sign, the smallest number of a picture is black and the largest is white. With [`signed`](Self::signed),
/// which is for weights, 0 is the colour of the page, positive numbers are blue, and negative ones are orange.
///
/// ```
/// use gradus_viz::Images;
/// let digits = gradus_data::digits().test;
/// let captions: Vec<String> = digits.y().iter().take(6).map(|label| format!("a {label}")).collect();
/// let images = Images::new(&digits.subset(&[0, 1, 2, 3, 4, 5]).x(), (8, 8)).captions(captions).title("six digits");
/// assert!(images.svg().contains("six digits"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Images {
    title: String,
    rows: Array2<f64>,
    /// height and width of a picture
    shape: (usize, usize),
    captions: Vec<String>,
    columns: usize,
    signed: bool,
    side: f64,
}

/// The number of shades of a picture. More of them cannot be told apart, and make the file larger.
const SHADES: f64 = 24.0;

impl Images {
    /// A picture of the given height and width for each row.
    ///
    /// # Panics
    /// If the rows do not have height × width numbers.
    #[track_caller]
    pub fn new<T: Float>(rows: &Array2<T>, (height, width): (usize, usize)) -> Self {
        let numbers = rows.ncols();
        assert!(
            numbers == height * width && numbers > 0,
            "Images: rows of {numbers} numbers are no pictures of {height} × {width}"
        );
        let rows = rows.mapv(|x| x.to_f64());
        let (columns, captions) = (10, Vec::new());
        Images { title: String::new(), rows, shape: (height, width), captions, columns, signed: false, side: 72.0 }
    }

    /// The examples that a classifier got wrong, at most `count`, each with what it is and
    /// what it was taken for: "7 as 1" is a seven that was taken for a one.
    ///
    /// ```
    /// use gradus_viz::Images;
    /// let digits = gradus_data::digits().test;
    /// let taken_for_zeros = vec![0; digits.len()];
    /// let svg = Images::mistakes(digits.x(), (8, 8), digits.y(), &taken_for_zeros, 20).svg();
    /// assert!(svg.contains("1 as 0"));
    /// ```
    ///
    /// # Panics
    /// If there are not as many labels and predictions as rows, or the rows are no pictures of that shape.
    #[track_caller]
    pub fn mistakes<T: Float>(
        x: &Array2<T>,
        shape: (usize, usize),
        labels: &[usize],
        predictions: &[usize],
        count: usize,
    ) -> Self {
        let (rows, y, p) = (x.nrows(), labels.len(), predictions.len());
        assert!(rows == y && rows == p, "Images: {rows} rows, {y} labels and {p} predictions");
        let wrong: Vec<usize> = (0..rows).filter(|&i| labels[i] != predictions[i]).collect();
        let shown = &wrong[..count.min(wrong.len())];
        let captions = shown.iter().map(|&i| format!("{} as {}", labels[i], predictions[i]));
        Images::new(&x.select(ndarray::Axis(0), shown), shape).captions(captions).title(&format!(
            "{} of {} mistakes, among {rows} examples",
            shown.len(),
            wrong.len()
        ))
    }

    /// Sets the title.
    pub fn title(mut self, title: &str) -> Self {
        self.title = title.to_owned();
        self
    }

    /// Writes a text below each picture.
    pub fn captions<S: Into<String>>(mut self, captions: impl IntoIterator<Item = S>) -> Self {
        self.captions = captions.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the number of pictures beside each other. The default is 10.
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn columns(mut self, columns: usize) -> Self {
        assert!(columns > 0, "Images: no pictures beside each other");
        self.columns = columns;
        self
    }

    /// Draws positive and negative numbers in two colours, for weights.
    pub fn signed(mut self) -> Self {
        self.signed = true;
        self
    }

    /// Sets the width of a picture in pixels. The default is 72.
    pub fn width(mut self, pixels: u32) -> Self {
        self.side = f64::from(pixels.max(1));
        self
    }

    /// Draws the pictures as SVG.
    pub fn svg(&self) -> String {
        let (height, width) = self.shape;
        let unit = self.side / width as f64;
        let longest = self.captions.iter().map(|caption| text_width(caption)).fold(0.0, f64::max);
        let (across, down) =
            (self.side.max(longest) + 10.0, unit * height as f64 + if self.captions.is_empty() { 10.0 } else { 26.0 });
        let count = self.rows.nrows();
        let columns = self.columns.min(count.max(1));
        let top = if self.title.is_empty() { 12.0 } else { 44.0 };
        let whole = (across * columns as f64 + 20.0).max(title_width(&self.title) + 28.0);
        let mut picture = paint::picture(whole, top + down * count.div_ceil(columns) as f64 + 4.0);
        if !self.title.is_empty() {
            picture.append(paint::title((whole / 2.0, 26.0), &self.title));
        }
        let left = (whole - across * columns as f64 + 10.0) / 2.0;
        for (i, row) in self.rows.rows().into_iter().enumerate() {
            let (x, y) = (left + across * (i % columns) as f64, top + down * (i / columns) as f64);
            let indent = (across - 10.0 - self.side) / 2.0;
            let place = format!("translate({} {}) scale({:.4})", paint::px(x + indent), paint::px(y), unit);
            // pixels are squares with sharp edges, without seams between them
            let mut group = paint::element("g", &[("transform", &place), ("shape-rendering", "crispEdges")]);
            let (fill, opacity) = if self.signed { ("var(--ink)", "0.06") } else { ("#000", "1") };
            let mut ground = paint::rectangle((0.0, 0.0), (width as f64, height as f64), fill);
            ground.assign("fill-opacity", opacity);
            group.append(ground);
            for ((fill, opacity), path) in self.shades(row) {
                let mut part = paint::element("path", &[("d", &path), ("fill", &fill)]);
                if opacity != "1" {
                    part.assign("fill-opacity", opacity);
                }
                group.append(part);
            }
            picture.append(group);
            if let Some(caption) = self.captions.get(i) {
                let place = (x + indent + self.side / 2.0, y + unit * height as f64 + 15.0);
                picture.append(paint::text(place, "middle", caption));
            }
        }
        picture.to_string()
    }

    /// The pixels of a picture, those of one shade as one path. Neighbours in a row are one rectangle.
    fn shades(&self, row: ArrayView1<'_, f64>) -> BTreeMap<(String, String), String> {
        let finite = || row.iter().copied().filter(|x| x.is_finite());
        let (low, high) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)));
        let largest = low.abs().max(high.abs());
        let shade = |value: f64| -> Option<(String, String)> {
            let (share, positive) = match self.signed {
                true => (value.abs() / largest, value > 0.0),
                false => ((value - low) / (high - low), true),
            };
            let step = (share.clamp(0.0, 1.0) * SHADES).round(); // an infinite number is as strong as the largest
            if step.is_nan() || step == 0.0 {
                return None;
            }
            Some(if self.signed {
                let color = if positive { "#3a8fd0" } else { "#e07020" };
                (color.to_owned(), format!("{:.2}", step / SHADES))
            } else {
                let grey = (255.0 * step / SHADES) as u8;
                (format!("#{grey:02x}{grey:02x}{grey:02x}"), "1".to_owned())
            })
        };
        let mut paths: BTreeMap<(String, String), String> = BTreeMap::new();
        let (height, width) = self.shape;
        for y in 0..height {
            let line: Vec<_> = (0..width).map(|x| shade(row[y * width + x])).collect();
            let mut x = 0;
            for run in line.chunk_by(|a, b| a == b) {
                if let Some(shade) = &run[0] {
                    let path = paths.entry(shade.clone()).or_default();
                    let n = run.len();
                    let _ = write!(path, "M{x} {y}h{n}v1h-{n}z");
                }
                x += run.len();
            }
        }
        paths
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

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn neighbours_of_one_shade_are_one_rectangle() {
        let svg = Images::new(&array![[0.0, 1.0, 1.0, 0.0, 0.5, 1.0]], (2, 3)).svg();
        assert!(svg.contains("M1 0h2v1h-2zM2 1h1v1h-1z"), "{svg}");
        assert!(svg.contains("#7f7f7f"), "half as bright");
    }

    #[test]
    fn weights_have_two_colours_and_zero_has_none() {
        let svg = Images::new(&array![[-2.0, 0.0, 1.0]], (1, 3)).signed().svg();
        assert!(svg.contains("M0 0h1v1h-1z") && svg.contains("M2 0h1v1h-1z") && !svg.contains("M1 0"));
        let nothing = Images::new(&array![[f64::NAN, 3.0], [3.0, 3.0]], (1, 2)).captions(["a"]).svg();
        assert!(!nothing.contains("NaN"));
        let infinite = Images::new(&array![[f64::INFINITY, 1.0, -f64::INFINITY]], (1, 3)).signed().svg();
        assert!(infinite.contains("fill-opacity=\"1.00\"") && !infinite.contains("inf"));
    }

    #[test]
    #[should_panic(expected = "rows of 6 numbers are no pictures of 2 × 2")]
    fn a_picture_needs_its_pixels() {
        let _ = Images::new(&array![[0.0, 1.0, 1.0, 0.0, 0.5, 1.0]], (2, 2));
    }
}
