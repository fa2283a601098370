//! One axis of a plot: where its numbers are, and which of them are ticks.

use std::f64::consts::LN_10;
use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// How numbers are spread over an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    Linear,
    Log,
    /// logarithmic in both directions beyond ± this number
    SymmetricLog(f64),
}

/// One axis: the part that is shown. If the axis is logarithmic, the numbers are powers of ten.
#[derive(Clone)]
pub(crate) struct Axis {
    scale: Scale,
    pub(crate) from: f64,
    pub(crate) to: f64,
}

impl Axis {
    /// The axis that shows a range, or else all numbers.
    pub(crate) fn new(mut numbers: impl Iterator<Item = f64>, scale: Scale, range: Option<(f64, f64)>) -> Self {
        let axis = Axis { scale, from: f64::INFINITY, to: f64::NEG_INFINITY };
        let places = |values: &mut dyn Iterator<Item = f64>| {
            values.filter_map(|v| axis.place(v)).fold((axis.from, axis.to), |(a, b), v| (a.min(v), b.max(v)))
        };
        let (from, to) = match range {
            Some((from, to)) => places(&mut [from, to].into_iter()),
            None => {
                let (from, to) = places(&mut numbers);
                // a little air around the points, and some width if all points are at one place
                let air = if to > from { 0.03 * (to - from) } else { 0.05 * from.abs().max(1.0) };
                (from - air, to + air)
            }
        };
        if from.is_finite() && to > from { Axis { scale, from, to } } else { Axis { scale, from: 0.0, to: 1.0 } }
    }

    pub(crate) fn place(&self, value: f64) -> Option<f64> {
        let place = match self.scale {
            Scale::Linear => value,
            Scale::Log => value.log10(),
            // log₁₀ |v/c| with a sign far out, and smooth around 0
            Scale::SymmetricLog(c) => (value / (2.0 * c)).asinh() / LN_10,
        };
        place.is_finite().then_some(place)
    }

    /// The number at a place.
    fn value(&self, place: f64) -> f64 {
        match self.scale {
            Scale::Linear => place,
            Scale::Log => 10f64.powf(place),
            Scale::SymmetricLog(c) => 2.0 * c * (place * LN_10).sinh(),
        }
    }

    pub(crate) fn contains(&self, place: f64) -> bool {
        (self.from..=self.to).contains(&place)
    }

    pub(crate) fn is_near(&self, place: f64) -> bool {
        let width = self.to - self.from;
        (self.from - width..=self.to + width).contains(&place)
    }

    /// Returns whether a logarithmic axis shows so few powers of ten that their double and fivefold are ticks too.
    fn is_close_up(&self) -> bool {
        self.scale == Scale::Log && self.to - self.from < 1.5
    }

    /// The distance between two ticks: 1, 2 or 5 times a power of ten, for about six ticks.
    fn step(&self) -> f64 {
        let rough = (self.to - self.from) / 6.0;
        let unit = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * unit).into_iter().find(|&s| s >= rough).unwrap_or(rough);
        if self.scale == Scale::Linear { step } else { step.max(1.0).round() }
    }

    /// The places of the ticks: about six round numbers.
    fn ticks(&self) -> Vec<f64> {
        if self.is_close_up() {
            let decades = self.from.floor() as i32..=self.to.ceil() as i32;
            let of = |d: i32| [1.0f64, 2.0, 5.0].map(|m| m.log10() + f64::from(d));
            return decades.flat_map(of).filter(|&t| self.contains(t)).collect();
        }
        if let Scale::SymmetricLog(c) = self.scale {
            // ±c itself is so close to 0 that its label would cover that of 0
            let powers = |limit: f64| {
                let last = limit.max(0.0).ceil() as i32;
                (1..=last).step_by(self.step() as usize).map(|k| c * 10f64.powi(k)).collect::<Vec<_>>()
            };
            let below = powers(-self.from).into_iter().rev().map(|value| -value);
            let values = below.chain([0.0]).chain(powers(self.to));
            return values.filter_map(|value| self.place(value)).filter(|&t| self.contains(t)).collect();
        }
        let step = self.step();
        let many = (self.to - self.from) / step > 100.0; // between numbers so close that a step rounds to 0
        if many || !step.is_normal() {
            return vec![self.from, self.to];
        }
        // the tolerance keeps ticks at the very ends, whatever rounding did to them
        let first = (self.from / step - 1e-9).ceil() as i64;
        (first..=(self.to / step + 1e-9).floor() as i64).map(|i| i as f64 * step).collect()
    }

    /// The label of a tick, with as many digits as distinguish it from the next.
    fn label(&self, place: f64) -> String {
        let value = self.value(place);
        // a power of ten, or 2 or 5 times one, has one digit
        let step = if self.scale == Scale::Linear { self.step() } else { value };
        let last = (step.abs().log10() + 1e-9).floor(); // the place of the last digit
        if value == 0.0 || value.abs() < 0.5 * step.abs() {
            return "0".to_owned();
        }
        let first = (value.abs().log10() + 1e-9).floor();
        if (-3.0..5.0).contains(&first) && last > -7.0 {
            format!("{value:.*}", (-last).clamp(0.0, 17.0) as usize)
        } else {
            format!("{value:.*e}", (first - last).clamp(0.0, 17.0) as usize)
        }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, (start, end): (i32, i32)) -> i32 {
        let share = (place - self.from) / (self.to - self.from);
        start + (share * f64::from(end - start)).round() as i32
    }
    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks()
    }
    fn range(&self) -> Range<f64> {
        self.from..self.to
    }
}

impl ValueFormatter<f64> for Axis {
    fn format(place: &f64) -> String {
        place.to_string()
    }
    fn format_ext(&self, place: &f64) -> String {
        self.label(*place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(from: f64, to: f64, log: bool) -> Axis {
        scaled(from, to, if log { Scale::Log } else { Scale::Linear })
    }

    fn scaled(from: f64, to: f64, scale: Scale) -> Axis {
        Axis::new(std::iter::empty(), scale, Some((from, to)))
    }

    #[test]
    fn a_symmetric_axis_has_both_signs_and_0() {
        let axis = scaled(-1.0, 100.0, Scale::SymmetricLog(0.01));
        let labels: Vec<String> = axis.ticks().into_iter().map(|t| axis.label(t)).collect();
        assert_eq!(labels, ["-0.1", "0", "0.1", "10"]);
        for value in [-0.7, -1e-5, 0.0, 3.0, 99.0] {
            assert!((axis.value(axis.place(value).unwrap()) - value).abs() < 1e-12);
        }
    }

    #[test]
    fn ticks_are_round_numbers() {
        let labels = |axis: Axis| axis.ticks().into_iter().map(|t| axis.label(t)).collect::<Vec<_>>();
        assert_eq!(labels(axis(0.0, 1.0, false)), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(axis(-0.3, 0.25, false)), ["-0.3", "-0.2", "-0.1", "0", "0.1", "0.2"]);
        assert_eq!(labels(axis(1e-5, 1.0, true)), ["1e-5", "1e-4", "0.001", "0.01", "0.1", "1"]);
        assert_eq!(labels(axis(1.0, 9.0, true)), ["1", "2", "5"]);
        assert_eq!(labels(axis(0.0, 3e-4, false)), ["0", "5e-5", "1.0e-4", "1.5e-4", "2.0e-4", "2.5e-4", "3.0e-4"]);
        assert_eq!(labels(axis(0.0, 3e5, false)), ["0", "50000", "1.0e5", "1.5e5", "2.0e5", "2.5e5", "3.0e5"]);
        assert_eq!(labels(axis(0.5, 0.5000012, false))[..2], ["5.000000e-1", "5.000005e-1"]);
        assert_eq!(labels(axis(0.0, 0.0, false)).len(), 6, "no range at all");
    }
}
