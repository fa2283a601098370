//! Paths that move: a ball walks along them, and the line grows behind it.
//!
//! The motion is CSS, so that it needs no script and plays wherever the picture is shown. A reader whose system asks
//! for less motion sees the whole path.

use svg::Node;
use svg::node::Text;
use svg::node::element::Element;

use crate::paint::{self, Place, px};
use crate::series::Look;

/// The share of the time that the ball rests at its last step.
const REST: f64 = 0.15;

/// The motion of a picture: how long it takes, and the number of steps of its longest path.
#[derive(Clone, Copy)]
pub(crate) struct Motion {
    pub(crate) seconds: f64,
    pub(crate) steps: usize,
}

/// A path, which grows, with the ball at its end. All paths of a picture make their k-th step at the same time.
pub(crate) fn path(pixels: &[Place], look: &Look, motion: Motion) -> Element {
    let mut group = paint::colored(Element::new("g"), look);
    let Some(&(last_x, last_y)) = pixels.last() else { return group };
    // the length of the path up to each step
    let lengths: Vec<f64> = std::iter::once(0.0)
        .chain(pixels.windows(2).scan(0.0, |sum, pair| {
            *sum += (pair[1].0 - pair[0].0).hypot(pair[1].1 - pair[0].1);
            Some(*sum)
        }))
        .collect();
    let whole = lengths[lengths.len() - 1].max(f64::MIN_POSITIVE);
    let time = |k: usize| 100.0 * (1.0 - REST) * k as f64 / motion.steps.max(1) as f64;
    let frames = |at: &dyn Fn(usize) -> String| {
        let frames = (0..pixels.len()).map(|k| format!("{:.2}%{{{}}}", time(k), at(k))).collect::<String>();
        format!("{frames}100%{{{}}}", at(pixels.len() - 1))
    };
    let grown = frames(&|k| format!("stroke-dashoffset:{:.4}", 1.0 - lengths[k] / whole));
    let walked = frames(&|k| format!("transform:translate({}px,{}px)", px(pixels[k].0), px(pixels[k].1)));
    // a name that no other path has, also if several pictures stand in one page
    let name = format!("g{:016x}", hash(&format!("{walked}{}{}", motion.seconds, motion.steps)));
    let mut sheet = Element::new("style");
    sheet.append(Text::new(format!(
        "@keyframes {name}l{{{grown}}}@keyframes {name}b{{{walked}}}\
         .{name}l{{stroke-dasharray:1;animation:{name}l {0}s linear infinite}}\
         .{name}b{{animation:{name}b {0}s linear infinite}}\
         @media(prefers-reduced-motion:reduce){{.{name}l,.{name}b{{animation:none}}}}",
        px(motion.seconds)
    )));
    group.append(sheet);
    group.append(paint::polyline(pixels, look, true));
    let mut marks = paint::element("g", &[("opacity", "0.6")]);
    pixels.iter().for_each(|&at| marks.append(paint::mark(at, 2.5, look)));
    group.append(marks);
    let mut line = paint::polyline(pixels, look, false);
    line.assign("pathLength", "1");
    let mut growing = paint::element("g", &[("class", &format!("{name}l"))]);
    growing.append(line);
    group.append(growing);
    let mut ball = paint::element("circle", &[("class", &format!("{name}b")), ("r", "7"), ("fill", "currentColor")]);
    ball.assign("transform", format!("translate({} {})", px(last_x), px(last_y)));
    ball.assign("stroke", "var(--ground)");
    ball.assign("stroke-width", "1.5");
    group.append(ball);
    group
}

/// FNV-1a, 64 bits.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use crate::{Plot, Style};

    fn moving() -> Plot {
        let points = (0..5).map(|k| (f64::from(k), f64::from(k * k)));
        Plot::new("").series("still", Style::Line, points.clone()).series("a path", Style::Dotted, points).moving(4.0)
    }

    #[test]
    fn dotted_series_move_and_others_stay() {
        let svg = moving().svg();
        assert_eq!(svg.matches("@keyframes").count(), 2, "the line and the ball");
        assert!(svg.contains("prefers-reduced-motion") && !svg.contains("<script"));
        let (_, after) = svg.split_once("b{0.00%{").expect("the ball's frames");
        assert!(after.contains("85.00%{") && after.contains("100%{"), "the ball rests at the end");
    }

    #[test]
    fn a_path_that_leaves_the_picture_ends_there() {
        let far = (0..40).map(|k| (1.0 - f64::from(k % 2), 10f64.powi(k)));
        let svg = Plot::new("").range_y(0.0, 1e3).series("", Style::Dotted, far).moving(2.0).svg();
        assert!(svg.matches("translate(").count() < 12, "a few steps beyond the edge, and no more");
    }

    #[test]
    fn two_paths_have_names_of_their_own() {
        let twice = moving().series("second", Style::Dotted, [(0.0, 0.0), (3.0, 9.0)]).svg();
        let names: std::collections::HashSet<&str> =
            twice.split("@keyframes ").skip(1).filter_map(|rest| rest.split('{').next()).collect();
        assert_eq!(names.len(), 4);
    }
}
