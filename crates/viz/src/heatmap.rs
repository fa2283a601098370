//! A table of numbers as coloured squares.

use std::path::Path;

use gradus_train::{Confusion, FileError};
use ndarray::Array2;
use svg::Node;

use crate::file;
use crate::paint::{self, text_width, title_width};
use crate::series::Look;

/// A table of numbers as coloured squares, each with its number: the more of its row's sum a number is, the stronger is
/// the colour.
///
/// ```
/// use gradus_train::Confusion;
/// use gradus_viz::Heatmap;
/// let confusion = Confusion::new(&[0, 1, 1, 1], &[0, 1, 0, 1], 2).named(["cat", "dog"]);
/// assert!(Heatmap::confusion(&confusion).svg().contains("dog"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Heatmap {
    title: String,
    /// what the rows and the columns are
    axes: [String; 2],
    names: Vec<String>,
    counts: Array2<usize>,
}

/// The side of a square.
const CELL: f64 = 46.0;

impl Heatmap {
    /// How often each class (row) was taken for which class (column).
    pub fn confusion(confusion: &Confusion) -> Self {
        let classes = confusion.matrix.nrows();
        let name = |class: usize| confusion.names.get(class).cloned().unwrap_or_else(|| class.to_string());
        Heatmap {
            title: match confusion.accuracy() {
                share if share.is_nan() => "no examples".to_owned(),
                share => format!("{:.2} % right", 100.0 * share),
            },
            axes: ["what it is".to_owned(), "what it was taken for".to_owned()],
            names: (0..classes).map(name).collect(),
            counts: confusion.matrix.clone(),
        }
    }

    /// Sets the title.
    pub fn title(mut self, title: &str) -> Self {
        self.title = title.to_owned();
        self
    }

    /// Draws the table as SVG.
    pub fn svg(&self) -> String {
        let longest = self.names.iter().map(|name| text_width(name)).fold(0.0, f64::max);
        // long names do not fit above their columns, so they stand upright
        let upright = longest > CELL - 4.0;
        let (rows, columns) = self.counts.dim();
        let half = CELL * columns as f64 / 2.0;
        // what a text above the squares needs on each side of them
        let beside = 0.5 * title_width(&self.title).max(text_width(&self.axes[1])) + 10.0 - half;
        let (left, top) = ((40.0 + longest).max(beside), 66.0 + if upright { longest } else { 14.0 });
        let (width, height) = (left + 2.0 * half + beside.max(16.0), top + CELL * rows as f64 + 16.0);
        let mut picture = paint::picture(width, height);
        let middle = left + half;
        picture.append(paint::title((middle, 26.0), &self.title));
        picture.append(paint::text((middle, 48.0), "middle", &self.axes[1]));
        let down = top + CELL * rows as f64 / 2.0;
        let mut name = paint::text((18.0, down), "middle", &self.axes[0]);
        name.assign("transform", format!("rotate(-90 18 {})", paint::px(down)));
        picture.append(name);
        for (j, name) in self.names.iter().enumerate().take(columns) {
            let x = left + CELL * (j as f64 + 0.5);
            let mut text = paint::text((x, top - 6.0), if upright { "start" } else { "middle" }, name);
            if upright {
                text.assign("transform", format!("rotate(-90 {} {})", paint::px(x), paint::px(top - 6.0)));
            }
            picture.append(text);
        }
        for (i, row) in self.counts.rows().into_iter().enumerate() {
            let y = top + CELL * i as f64;
            if let Some(name) = self.names.get(i) {
                picture.append(paint::text((left - 8.0, y + CELL / 2.0 + 4.0), "end", name));
            }
            let sum = row.sum().max(1) as f64;
            for (j, &count) in row.iter().enumerate() {
                let x = left + CELL * j as f64;
                // what is right is blue, what is wrong is orange
                let look = Look::number(usize::from(i != j));
                let mut cell = paint::rectangle((x + 1.0, y + 1.0), (x + CELL - 1.0, y + CELL - 1.0), "currentColor");
                let share = count as f64 / sum;
                // the root, so that rare mistakes are seen
                cell.assign("fill-opacity", format!("{:.3}", 0.04 + 0.71 * share.sqrt()));
                picture.append(paint::colored(cell, &look));
                if count > 0 {
                    let place = (x + CELL / 2.0, y + CELL / 2.0 + 4.0);
                    picture.append(paint::text(place, "middle", &count.to_string()));
                }
            }
        }
        picture.to_string()
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

    #[test]
    fn the_numbers_stand_in_their_squares_and_zeros_are_empty() {
        let svg = Heatmap::confusion(&Confusion::new(&[0, 1, 1, 1], &[0, 1, 0, 1], 2)).svg();
        assert_eq!(svg.matches("fill-opacity").count(), 4);
        let texts = svg.split("<text").skip(1).filter_map(|text| text.split(['>', '<']).nth(1));
        let numbers = texts.filter(|text| text.parse::<usize>().is_ok()).count();
        assert_eq!(numbers, 4 + 3, "two names on each side, and three counts that are not 0: {svg}");
        let empty = Heatmap::confusion(&Confusion::new(&[], &[], 0)).svg();
        assert!(empty.contains("no examples") && !empty.contains("NaN"));
    }
}
