//! Pictures of classifiers: which class they give to each place, and how far their scores can be trusted.

use std::ops::RangeInclusive;

use contour::ContourBuilder;
use gradus_autograd::Float;
use gradus_train::auc;
use ndarray::{Array2, ArrayD};

use crate::{Plot, Style};

/// The number of points along each axis at which a classifier is asked.
const GRID: usize = 121;
/// A margin that stands for an infinite one, because contours lie between finite numbers.
const FAR: f64 = 1e30;
/// The number of bins of a reliability diagram.
const BINS: usize = 10;

/// A part of the plane that belongs to a class: outlines, of which those within others are holes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Area {
    pub(crate) rings: Vec<Vec<(f64, f64)>>,
    /// the number of a colour of the palette
    pub(crate) color: usize,
}

impl Plot {
    /// Plots which class a classifier gives to each place of a part of the plane.
    ///
    /// The function gets points, one in each row, and returns the classifier's scores for them: a column for each
    /// class, of which the largest score wins; or a single column of logits, where the class is 1 above 0. (If the
    /// single column holds probabilities, subtract ½.)
    ///
    /// ```
    /// use gradus_viz::Plot;
    /// use ndarray::{Array2, Axis, array};
    /// let circle = |points: &Array2<f64>| points.map_axis(Axis(1), |p| 1.0 - p.dot(&p)).into_dyn();
    /// let plot = Plot::decisions(circle, -2.0..=2.0, -2.0..=2.0).classes(&array![[0.0, 0.0], [1.5, 1.5]], &[1, 0]);
    /// assert!(plot.svg().contains("class 1"));
    /// ```
    ///
    /// # Panics
    /// If a range is empty, or the scores are not a row for each point.
    #[track_caller]
    pub fn decisions<T: Float>(
        scores: impl Fn(&Array2<T>) -> ArrayD<T>,
        x: RangeInclusive<f64>,
        y: RangeInclusive<f64>,
    ) -> Plot {
        let ((x0, x1), (y0, y1)) = (x.into_inner(), y.into_inner());
        assert!(x0 < x1 && y0 < y1, "Plot::decisions: {x0} … {x1}, {y0} … {y1} is no part of a plane");
        // one step beyond the picture on each side, as for contours
        let (dx, dy) = ((x1 - x0) / (GRID - 3) as f64, (y1 - y0) / (GRID - 3) as f64);
        let at = |from: f64, step: f64, i: usize| T::from_f64(from + step * (i as f64 - 1.0));
        let points = Array2::from_shape_fn((GRID * GRID, 2), |(k, axis)| match axis {
            0 => at(x0, dx, k % GRID),
            _ => at(y0, dy, k / GRID),
        });
        let scores = scores(&points);
        let (rows, all) = (GRID * GRID, scores.len());
        let shape = scores.shape().to_vec();
        assert!(
            shape.first() == Some(&rows) && all >= rows,
            "Plot::decisions: scores of shape {shape:?} for points of shape {:?}",
            points.shape()
        );
        let columns = all / rows;
        let scores: Vec<f64> = scores.iter().map(|score| score.to_f64()).collect();
        // how far the score of a class is above the best of the others
        let margin = |class: usize| -> Vec<f64> {
            let of = |row: &[f64]| match (columns, class) {
                (1, 0) => -row[0],
                (1, _) => row[0],
                _ => {
                    let others = row.iter().enumerate().filter(|(k, _)| *k != class).map(|(_, score)| *score);
                    row[class] - others.fold(f64::NEG_INFINITY, f64::max)
                }
            };
            let finite = |m: f64| if m.is_nan() { -FAR } else { m.clamp(-FAR, FAR) };
            scores.chunks_exact(columns).map(of).map(finite).collect()
        };
        let builder =
            ContourBuilder::new(GRID, GRID, true).x_origin(x0 - 1.5 * dx).y_origin(y0 - 1.5 * dy).x_step(dx).y_step(dy);
        let mut plot = Plot::new("").axes("first input", "second input").range_x(x0, x1).range_y(y0, y1).size(620, 560);
        for class in 0..columns.max(2) {
            let bands = builder.contours(&margin(class), &[0.0]).expect("as many values as the grid has");
            let rings = bands.iter().flat_map(|band| band.geometry()).flat_map(|polygon| {
                let holes = polygon.interiors().iter();
                std::iter::once(polygon.exterior()).chain(holes).map(|ring| ring.coords().map(|c| (c.x, c.y)).collect())
            });
            plot.areas.push(Area { rings: rings.collect(), color: class });
        }
        plot
    }

    /// Adds examples as points, a series for each class that occurs, in the colours of [`decisions`](Self::decisions).
    /// The coordinates are the first two columns.
    ///
    /// # Panics
    /// If there are fewer than two columns, or not as many rows as labels.
    #[track_caller]
    pub fn classes<T: Float>(self, x: &Array2<T>, labels: &[usize]) -> Plot {
        assert!(x.ncols() >= 2, "Plot::classes: rows of {} numbers are no places in a plane", x.ncols());
        assert!(x.nrows() == labels.len(), "Plot::classes: {} rows and {} labels", x.nrows(), labels.len());
        let count = labels.iter().max().map_or(0, |label| label + 1);
        (0..count).fold(self, |plot, class| {
            let of = x.rows().into_iter().zip(labels).filter(|(_, label)| **label == class);
            let points = of.map(|(row, _)| (row[0].to_f64(), row[1].to_f64())).collect::<Vec<_>>();
            let name = if points.is_empty() { String::new() } else { format!("class {class}") };
            plot.series(&name, Style::Points, points)
        })
    }

    /// Plots the ROC curve (receiver operating characteristic) of scores: for each threshold, which share of the
    /// positive examples has a score above it, over which share of the negative examples has. A classifier that knows
    /// nothing is on the diagonal. The area under the curve is in the legend; there is none if all examples are of one
    /// kind, or if a score is NaN.
    ///
    /// ```
    /// use gradus_viz::Plot;
    /// let plot = Plot::roc(&[("model", &[0.1, 0.4, 0.35, 0.8][..])], &[false, false, true, true]);
    /// assert!(plot.svg().contains("model, area 0.750"));
    /// ```
    ///
    /// # Panics
    /// If there are not as many scores as answers.
    #[track_caller]
    pub fn roc<N: AsRef<str>>(scores: &[(N, &[f64])], positive: &[bool]) -> Plot {
        let plot = Plot::new("")
            .axes("false positive rate", "true positive rate")
            .range_x(0.0, 1.0)
            .range_y(0.0, 1.03)
            .size(560, 540)
            .series("guessing", Style::Faint, [(0.0, 0.0), (1.0, 1.0)]);
        scores.iter().fold(plot, |plot, (name, scores)| {
            let area = auc(scores, positive);
            let mut order: Vec<usize> = (0..scores.len()).collect();
            order.sort_unstable_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            let all = positive.iter().filter(|p| **p).count();
            let (mut hits, mut alarms) = (0, 0);
            let mut points = vec![(0.0, 0.0)];
            for tied in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
                let ups = tied.iter().filter(|&&i| positive[i]).count();
                (hits, alarms) = (hits + ups, alarms + tied.len() - ups);
                points.push((alarms as f64 / (scores.len() - all) as f64, hits as f64 / all as f64));
            }
            let name = name.as_ref();
            let area = if area.is_nan() { "no area".to_owned() } else { format!("area {area:.3}") };
            let named = if name.is_empty() { area } else { format!("{name}, {area}") };
            plot.series(&named, Style::Line, points)
        })
    }

    /// Plots how far probabilities can be trusted (a reliability diagram): examples are put in ten bins by their
    /// probability, and for each bin that has examples, the share of positive examples is drawn over the mean
    /// probability. A model whose probabilities are right is on the diagonal.
    ///
    /// ```
    /// use gradus_viz::Plot;
    /// let plot = Plot::calibration(&[("model", &[0.1, 0.15, 0.8, 0.9][..])], &[false, false, true, true]);
    /// assert!(plot.svg().contains("model"));
    /// ```
    ///
    /// # Panics
    /// If there are not as many probabilities as answers, or a number is not in 0 … 1.
    #[track_caller]
    pub fn calibration<N: AsRef<str>>(probabilities: &[(N, &[f64])], positive: &[bool]) -> Plot {
        let plot = Plot::new("")
            .axes("mean probability that the model gave", "share of positive examples")
            .range_x(0.0, 1.0)
            .range_y(-0.02, 1.03)
            .size(560, 540)
            .series("perfect", Style::Faint, [(0.0, 0.0), (1.0, 1.0)]);
        probabilities.iter().fold(plot, |plot, (name, probabilities)| {
            let (p, n) = (probabilities.len(), positive.len());
            assert!(p == n, "Plot::calibration: {p} probabilities for {n} answers");
            let mut bins = [(0.0, 0, 0); BINS]; // the sum of probabilities, the positive ones, all
            for (&p, &is) in probabilities.iter().zip(positive) {
                assert!((0.0..=1.0).contains(&p), "Plot::calibration: {p} is no probability");
                let bin = &mut bins[((p * BINS as f64) as usize).min(BINS - 1)];
                *bin = (bin.0 + p, bin.1 + usize::from(is), bin.2 + 1);
            }
            let points = bins.iter().filter(|bin| bin.2 > 0);
            let points = points.map(|&(sum, hits, all)| (sum / f64::from(all), hits as f64 / f64::from(all)));
            plot.series(name.as_ref(), Style::Dotted, points.collect::<Vec<_>>())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Axis, array};

    /// The area of all rings: holes turn the other way, and count negative.
    fn area(area: &Area) -> f64 {
        let ring = |ring: &Vec<(f64, f64)>| ring.windows(2).map(|p| p[0].0 * p[1].1 - p[1].0 * p[0].1).sum::<f64>();
        (area.rings.iter().map(ring).sum::<f64>() / 2.0).abs()
    }

    #[test]
    fn areas_are_where_the_classifier_says() {
        let disc = |points: &Array2<f64>| points.map_axis(Axis(1), |p| 1.0 - p.dot(&p)).into_dyn();
        let plot = Plot::decisions(disc, -2.0..=2.0, -2.0..=2.0);
        assert!((area(&plot.areas[1]) - std::f64::consts::PI).abs() < 0.01, "{}", area(&plot.areas[1]));
        assert_eq!(plot.areas[0].rings.len(), 2, "the outside has a hole");
        let sure = |points: &Array2<f64>| points.map_axis(Axis(1), |p| p[0].signum() * f64::INFINITY).into_dyn();
        let plot = Plot::decisions(sure, -2.0..=2.0, -2.0..=2.0);
        assert!((area(&plot.areas[1]) - 8.0).abs() < 0.6, "half of the plane: {}", area(&plot.areas[1]));
        let three = |points: &Array2<f32>| {
            let column = |x: f32| points.map_axis(Axis(1), |p| -(p[0] - x).abs());
            ndarray::stack![Axis(1), column(-1.0), column(0.0), column(1.0)].into_dyn()
        };
        let plot = Plot::decisions(three, -1.5..=1.5, 0.0..=1.0);
        assert!((area(&plot.areas[1]) - 1.0).abs() < 0.1, "a strip of width 1: {}", area(&plot.areas[1]));
    }

    #[test]
    fn classes_keep_their_colours_if_one_does_not_occur() {
        let plot = Plot::new("").classes(&array![[0.0, 1.0], [1.0, 0.0]], &[0, 2]);
        let svg = plot.svg();
        assert!(svg.contains("class 0") && !svg.contains("class 1") && svg.contains("c2"), "{svg}");
    }

    #[test]
    fn roc_curves_end_in_the_corner_and_ties_are_one_step() {
        let plot = Plot::roc(&[("", &[0.5, 0.5, 0.9][..])], &[true, false, true]);
        assert_eq!(plot.series[1].points, [(0.0, 0.0), (0.0, 0.5), (1.0, 1.0)]);
        assert!(plot.svg().contains("area 0.750"));
        assert!(Plot::roc(&[("a", &[0.5][..])], &[true]).svg().contains("a, no area"), "no example is negative");
        let sure = Plot::calibration(&[("", &[1.0, 0.0, 0.04][..])], &[true, false, true]);
        assert_eq!(sure.series[1].points, [(0.02, 0.5), (1.0, 1.0)]);
    }

    #[test]
    #[should_panic(expected = "scores of shape [3] for points of shape [14641, 2]")]
    fn scores_are_a_row_for_each_point() {
        let _ = Plot::decisions(|_: &Array2<f64>| array![0.0, 1.0, 2.0].into_dyn(), 0.0..=1.0, 0.0..=1.0);
    }
}
