//! How the tape is built: its values as a row, with arcs to the values that use them.

use std::error::Error;

use gradus::viz::{Plot, Series, Style};

use crate::Figures;

pub(crate) fn draw(figures: &Figures<'_>) -> Result<(), Box<dyn Error>> {
    // the tape of (w x + b − y)², and the inputs of each value
    let names = ["w", "x", "w x", "b", "w x + b", "y", "w x + b − y", "square"];
    let inputs: [&[usize]; 8] = [&[], &[], &[0, 1], &[], &[2, 3], &[], &[4, 5], &[6]];
    let mut plot = Plot::new("The tape of (w x + b − y)²")
        .axes("number on the tape; each arc leads to the right, to a value that uses it", "")
        .size(900, 300);
    for (to, from) in inputs.iter().enumerate().flat_map(|(to, inputs)| inputs.iter().map(move |&from| (to, from))) {
        let (a, b) = (from as f64, to as f64);
        let arc = (0..=40).map(|k| {
            let t = f64::from(k) / 40.0;
            (a + t * (b - a), 2.0 * t * (1.0 - t) * (b - a))
        });
        plot = plot.with(Series {
            name: String::new(),
            style: Style::Line,
            points: arc.collect(),
            color: Some((0, 114, 178)),
        });
    }
    let nodes = (0..names.len()).map(|i| (i as f64, 0.0));
    plot = plot.series("", Style::Points, nodes);
    let plot = names.iter().enumerate().fold(plot, |plot, (i, name)| plot.label((i as f64, -0.18), name));
    figures.save("tape", &plot.range_y(-0.35, 1.15).range_x(-0.6, 7.6))
}
