//! The legend: the name of each series beside what is drawn for it. It never covers what is drawn.

use svg::Node;
use svg::node::element::Element;

use crate::paint::{self, Place, text_width};
use crate::series::{Look, Series, Style};

/// The height of an entry.
const ROW: f64 = 18.0;
/// The width of what stands before a name.
const SAMPLE: f64 = 34.0;
/// The space between the legend's edge and its entries, and around the legend.
const AIR: f64 = 8.0;

/// Entries in columns.
pub(crate) struct Legend<'p> {
    entries: Vec<(&'p Series, Look)>,
    rows: usize,
}

impl<'p> Legend<'p> {
    /// The legend of the series that have names, no higher than the given height. `None` if no series has a name.
    pub(crate) fn beside(series: &'p [Series], looks: &[Look], height: f64) -> Option<Self> {
        let named = series.iter().zip(looks).filter(|(series, _)| !series.name.is_empty());
        let entries: Vec<_> = named.map(|(series, look)| (series, *look)).collect();
        let rows = entries.len().min(((height - AIR) / ROW).max(1.0) as usize);
        (rows > 0).then_some(Legend { entries, rows })
    }

    /// The same in as few rows as the given width allows.
    pub(crate) fn below(series: &'p [Series], looks: &[Look], width: f64) -> Option<Self> {
        let all = Self::beside(series, looks, f64::INFINITY)?;
        let fits = |rows: &usize| Legend { entries: all.entries.clone(), rows: *rows }.size().0 <= width;
        let rows = (1..=all.rows).find(fits).unwrap_or(all.rows);
        Some(Legend { rows, ..all })
    }

    fn column_widths(&self) -> Vec<f64> {
        let width = |(series, _): &(&Series, Look)| SAMPLE + text_width(&series.name) + AIR;
        self.entries.chunks(self.rows).map(|column| column.iter().map(width).fold(0.0, f64::max)).collect()
    }

    pub(crate) fn size(&self) -> Place {
        (self.column_widths().iter().sum::<f64>() + AIR, self.rows as f64 * ROW + AIR)
    }

    /// The corner of a frame, as the place of the legend's upper left corner, where it covers none of the points.
    pub(crate) fn free_corner(&self, (from, to): (Place, Place), drawn: &[Place]) -> Option<Place> {
        let (width, height) = self.size();
        let [xs, ys] = [[to.0 - width - AIR, from.0 + AIR], [from.1 + AIR, to.1 - height - AIR]];
        let corners = ys.into_iter().flat_map(|y| xs.map(|x| (x, y)));
        let covers = |(x, y): Place, p: &Place| {
            (x - AIR..=x + width + AIR).contains(&p.0) && (y - AIR..=y + height + AIR).contains(&p.1)
        };
        let fits = |corner: &Place| corner.0 >= from.0 && corner.1 >= from.1;
        corners.filter(fits).find(|&corner| !drawn.iter().any(|p| covers(corner, p)))
    }

    pub(crate) fn draw(&self, (x, y): Place) -> Element {
        let (width, height) = self.size();
        let mut group = Element::new("g");
        let mut frame = paint::rectangle((x, y), (x + width, y + height), "var(--ground)");
        frame.assign("stroke", "var(--ink)");
        frame.assign("stroke-opacity", "0.25");
        group.append(frame);
        let mut left = x + AIR;
        for (column, width) in self.entries.chunks(self.rows).zip(self.column_widths()) {
            for (row, (series, look)) in column.iter().enumerate() {
                let middle = y + 0.5 * AIR + (row as f64 + 0.5) * ROW;
                sample(series, look, (left, middle)).into_iter().for_each(|part| group.append(part));
                group.append(paint::text((left + SAMPLE - AIR, middle + 4.0), "start", &series.name));
            }
            left += width;
        }
        group
    }
}

/// What is drawn for a series, in small.
fn sample(series: &Series, look: &Look, (x, y): Place) -> Vec<Element> {
    let mut parts = Vec::new();
    if series.style == Style::Bars {
        let bar = paint::rectangle((x + 4.0, y - 5.0), (x + 16.0, y + 5.0), "currentColor");
        parts.push(paint::colored(bar, look));
    }
    if series.has_line() {
        parts.push(paint::polyline(&[(x, y), (x + 20.0, y)], look, series.style == Style::Faint));
    }
    if series.has_marks() {
        parts.push(paint::mark((x + 10.0, y), series.radius(), look));
    }
    parts
}
