//! Points with a name, and the look that they get.

/// The style in which a [`Series`] is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// a line
    Line,
    /// a line with a mark at each point
    Dotted,
    /// a thin line of a lighter colour, for the background
    Faint,
    /// marks alone
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
    /// Red, green, blue. Black is drawn in the colour of the text, which is bright on a dark page. `None` is the next
    /// look of a list: ten colours, then the same colours with other marks and dashes.
    pub color: Option<(u8, u8, u8)>,
}

impl Series {
    pub(crate) fn has_line(&self) -> bool {
        !matches!(self.style, Style::Points | Style::Bars)
    }
    pub(crate) fn has_marks(&self) -> bool {
        matches!(self.style, Style::Points | Style::Dotted)
    }
    /// The size of its marks.
    pub(crate) fn radius(&self) -> f64 {
        if self.style == Style::Points { 4.0 } else { 3.0 }
    }
}

/// The number of different colours.
pub(crate) const COLORS: usize = 10;

/// The colours on a bright and on a dark page. People with any colour vision can tell the first seven apart (Okabe, Ito
/// 2008); the last three are from the muted scheme of Paul Tol.
pub(crate) const PALETTE: [[&str; 2]; COLORS] = [
    ["#0072b2", "#4aa3df"],
    ["#d55e00", "#f07d2a"],
    ["#009e73", "#1fc495"],
    ["#cc79a7", "#e29cc4"],
    ["#56b4e9", "#9ad7ff"],
    ["#e69f00", "#ffc247"],
    ["#5a5a5a", "#b5b5b5"],
    ["#882255", "#d0609a"],
    ["#332288", "#8f86e8"],
    ["#999933", "#c9c95a"],
];

/// The shape of a mark at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Circle,
    Square,
    Triangle,
    Diamond,
    Cross,
    Plus,
}

/// What distinguishes a series from the others of its plot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Look {
    pub(crate) color: Color,
    pub(crate) shape: Shape,
    /// the lengths of dashes and gaps in pixels; a line without gaps if it is `None`
    pub(crate) dash: Option<[usize; 2]>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Color {
    /// a colour of the palette
    Palette(usize),
    /// a colour of the user's
    Own((u8, u8, u8)),
    /// the colour of text
    Ink,
}

impl Look {
    /// The look of the series with this number. Each round through the colours has another mark and another dash, so
    /// that the first sixty series of points all differ, and all lines.
    pub(crate) fn number(index: usize) -> Self {
        const SHAPES: [Shape; 6] =
            [Shape::Circle, Shape::Square, Shape::Triangle, Shape::Diamond, Shape::Cross, Shape::Plus];
        let round = index / COLORS;
        Look {
            color: Color::Palette(index % COLORS),
            shape: SHAPES[round % SHAPES.len()],
            dash: (round > 0).then(|| [4 * round, 3]),
        }
    }

    fn own((r, g, b): (u8, u8, u8)) -> Self {
        let color = if (r, g, b) == (0, 0, 0) { Color::Ink } else { Color::Own((r, g, b)) };
        Look { color, shape: Shape::Circle, dash: None }
    }

    /// The looks of all series of a plot.
    pub(crate) fn all(series: &[Series]) -> Vec<Look> {
        let mut next = 0..;
        let mut look = || Look::number(next.next().expect("numbers without end"));
        series.iter().map(|series| series.color.map_or_else(&mut look, Look::own)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_look_is_repeated_in_silence() {
        let looks: Vec<Look> = (0..60).map(Look::number).collect();
        for (i, look) in looks.iter().enumerate() {
            assert!(!looks[..i].contains(look), "series {i} looks like one before it");
            assert!(!looks[..i].iter().any(|l| (l.color, l.shape) == (look.color, look.shape)), "{i}: marks");
            assert!(!looks[..i].iter().any(|l| (l.color, l.dash) == (look.color, look.dash)), "{i}: lines");
        }
    }
}
