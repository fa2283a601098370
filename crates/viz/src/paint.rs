//! The elements of a picture, with the attributes that all pictures share.

use svg::Node;
use svg::node::Text;
use svg::node::element::Element;

use crate::series::{Color, Look, PALETTE, Shape};

/// A place in a picture, in pixels from its upper left corner.
pub(crate) type Place = (f64, f64);

/// The size of the text of ticks, names and legends.
pub(crate) const TEXT: f64 = 12.0;

/// About how wide a text of that size is. Fonts differ, so it is a little more than the width in most of them.
pub(crate) fn text_width(text: &str) -> f64 {
    7.0 * text.chars().count() as f64
}

/// A coordinate. It keeps tenths of a pixel, because a line through whole pixels has steps that are seen.
pub(crate) fn px(x: f64) -> String {
    let tenths = (10.0 * x).round() / 10.0;
    format!("{}", if tenths == 0.0 { 0.0 } else { tenths })
}

/// An element with attributes.
pub(crate) fn element(name: &str, attributes: &[(&str, &str)]) -> Element {
    let mut element = Element::new(name);
    attributes.iter().for_each(|&(key, value)| element.assign(key, value));
    element
}

/// An empty picture on its ground, bright or dark as the reader's system asks for.
pub(crate) fn picture(width: f64, height: f64) -> Element {
    let theme = |theme: usize, ground: &str, ink: &str| {
        let color = |(i, of): (usize, &[&str; 2])| format!(".gradus .c{i}{{color:{}}}", of[theme]);
        let palette = PALETTE.iter().enumerate().map(color).collect::<String>();
        format!(".gradus{{--ground:{ground};--ink:{ink}}}{palette}")
    };
    let style = format!(
        "{}@media(prefers-color-scheme:dark){{{}}}\
         .gradus text{{font:{TEXT}px sans-serif;fill:var(--ink);paint-order:stroke;stroke:var(--ground);\
         stroke-width:3px;stroke-linejoin:round}}.gradus .title{{font-size:17px}}.gradus .ink{{color:var(--ink)}}",
        theme(0, "#fff", "#222"),
        theme(1, "#16181c", "#ddd"),
    );
    let (width, height) = (px(width), px(height));
    let mut picture = element(
        "svg",
        &[
            ("xmlns", "http://www.w3.org/2000/svg"),
            ("class", "gradus"),
            ("width", &width),
            ("height", &height),
            ("viewBox", &format!("0 0 {width} {height}")),
        ],
    );
    let mut sheet = Element::new("style");
    sheet.append(Text::new(style));
    picture.append(sheet);
    picture.append(element("rect", &[("width", "100%"), ("height", "100%"), ("fill", "var(--ground)")]));
    picture
}

/// A text. The anchor is the part of it that stands at its place: `start`, `middle` or `end`.
pub(crate) fn text(at: Place, anchor: &str, content: &str) -> Element {
    let mut text = element("text", &[("x", &px(at.0)), ("y", &px(at.1)), ("text-anchor", anchor)]);
    // control characters are not allowed in SVG
    text.append(Text::new(content.replace(char::is_control, " ")));
    text
}

/// The title of a picture.
pub(crate) fn title(at: Place, content: &str) -> Element {
    let mut title = text(at, "middle", content);
    title.assign("class", "title");
    title
}

/// About how wide a title is.
pub(crate) fn title_width(text: &str) -> f64 {
    1.4 * text_width(text)
}

/// A straight line in the colour of the text: of the frame, the grid, or a mark on an axis.
pub(crate) fn rule(from: Place, to: Place, opacity: f64) -> Element {
    let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(px);
    let opacity = opacity.to_string();
    let stroke = [("stroke", "var(--ink)"), ("stroke-opacity", &opacity)];
    let ends = [("x1", x1.as_str()), ("y1", &y1), ("x2", &x2), ("y2", &y2)];
    element("line", &[&ends[..], &stroke].concat())
}

/// Gives an element the colour of a look, which its parts use as `currentColor`.
pub(crate) fn colored(mut element: Element, look: &Look) -> Element {
    match look.color {
        Color::Palette(i) => element.assign("class", format!("c{i}")),
        Color::Ink => element.assign("class", "ink"),
        Color::Own((r, g, b)) => element.assign("color", format!("#{r:02x}{g:02x}{b:02x}")),
    }
    element
}

/// Corners of a line, as SVG writes them. Neighbours at one place are written once.
fn corners(points: &[Place]) -> String {
    let mut corners: Vec<String> = points.iter().map(|&(x, y)| format!("{},{}", px(x), px(y))).collect();
    corners.dedup();
    corners.join(" ")
}

/// A closed line, as a part of a path.
pub(crate) fn outline(points: &[Place]) -> String {
    format!("M{}Z", corners(points))
}

/// A line through points: thin and light if it belongs to the background.
pub(crate) fn polyline(points: &[Place], look: &Look, faint: bool) -> Element {
    let (width, opacity) = if faint { ("1", "0.45") } else { ("2", "1") };
    let mut line = element(
        "polyline",
        &[
            ("points", &corners(points)),
            ("fill", "none"),
            ("stroke", "currentColor"),
            ("stroke-width", width),
            ("stroke-opacity", opacity),
            ("stroke-linejoin", "round"),
        ],
    );
    if let Some([dash, gap]) = look.dash {
        line.assign("stroke-dasharray", format!("{dash} {gap}"));
    }
    colored(line, look)
}

/// A filled area.
pub(crate) fn polygon(points: &[Place], fill: &str) -> Element {
    element("polygon", &[("points", &corners(points)), ("fill", fill)])
}

/// A filled rectangle between two corners.
pub(crate) fn rectangle(a: Place, b: Place, fill: &str) -> Element {
    let [x, y] = [a.0.min(b.0), a.1.min(b.1)].map(px);
    let [width, height] = [(a.0 - b.0).abs(), (a.1 - b.1).abs()].map(px);
    element("rect", &[("x", &x), ("y", &y), ("width", &width), ("height", &height), ("fill", fill)])
}

/// A mark at a point.
pub(crate) fn mark((x, y): Place, radius: f64, look: &Look) -> Element {
    let at = |(dx, dy): Place| (x + radius * dx, y + radius * dy);
    let filled =
        |corners: &[Place]| polygon(&corners.iter().map(|&corner| at(corner)).collect::<Vec<_>>(), "currentColor");
    let strokes = |ends: [Place; 2]| {
        let line = |(dx, dy): Place| format!("M{} L{}", corners(&[at((-dx, -dy))]), corners(&[at((dx, dy))]));
        let path = ends.map(line).join(" ");
        element("path", &[("d", &path), ("stroke", "currentColor"), ("stroke-width", "2")])
    };
    let mark = match look.shape {
        Shape::Circle => {
            let circle = [("cx", &*px(x)), ("cy", &*px(y)), ("r", &*px(radius)), ("fill", "currentColor")];
            element("circle", &circle)
        }
        Shape::Square => filled(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
        Shape::Triangle => filled(&[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)]),
        Shape::Diamond => filled(&[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)]),
        Shape::Cross => strokes([(1.0, 1.0), (1.0, -1.0)]),
        Shape::Plus => strokes([(1.2, 0.0), (0.0, 1.2)]),
    };
    colored(mark, look)
}
