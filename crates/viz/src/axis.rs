//! One axis of a plot: where its numbers are, and which of them are ticks.

use std::f64::consts::LN_10;

/// How numbers are spread over an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    Linear,
    Log,
    /// logarithmic in both directions beyond ± this number
    SymmetricLog(f64),
}

impl Scale {
    /// The place of a number on an axis, if it has one.
    pub(crate) fn place(self, value: f64) -> Option<f64> {
        let place = match self {
            Scale::Linear => value,
            Scale::Log => value.log10(),
            // log₁₀ |v/c| with a sign far out, and smooth around 0
            Scale::SymmetricLog(c) => (value / (2.0 * c)).asinh() / LN_10,
        };
        place.is_finite().then_some(place)
    }
}

/// One axis: the part that is shown. If the axis is logarithmic, the numbers are powers of ten.
#[derive(Clone)]
pub(crate) struct Axis {
    scale: Scale,
    pub(crate) from: f64,
    pub(crate) to: f64,
}

impl Axis {
    /// The axis that shows a range, or else all numbers. An end of the range that has no place on the axis, such as 0
    /// on a logarithmic one, is that of the numbers.
    pub(crate) fn new(numbers: impl Iterator<Item = f64>, scale: Scale, range: Option<(f64, f64)>) -> Self {
        let axis = Axis { scale, from: f64::INFINITY, to: f64::NEG_INFINITY };
        let (low, high) =
            numbers.filter_map(|v| axis.place(v)).fold((axis.from, axis.to), |(a, b), v| (a.min(v), b.max(v)));
        // a little air around the points, and some width if all points are at one place
        let air = match scale {
            _ if high > low => 0.03 * (high - low),
            Scale::Linear if low != 0.0 => 0.05 * low.abs(),
            _ => 0.5,
        };
        let end = |given: Option<f64>, own: f64| given.and_then(|v| axis.place(v)).unwrap_or(own);
        let ends = [end(range.map(|r| r.0), low - air), end(range.map(|r| r.1), high + air)];
        let (from, to) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
        if to > from && (to - from).is_finite() { Axis { scale, from, to } } else { Axis { scale, from: 0.0, to: 1.0 } }
    }

    pub(crate) fn place(&self, value: f64) -> Option<f64> {
        self.scale.place(value)
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

    /// The share of the axis that lies before a place.
    pub(crate) fn share(&self, place: f64) -> f64 {
        (place - self.from) / (self.to - self.from)
    }

    /// The ticks with their labels: round numbers, and all of them in one notation.
    pub(crate) fn ticks(&self) -> Vec<(f64, String)> {
        let places = self.tick_places();
        let labels = self.labels(&places.iter().map(|&place| self.value(place)).collect::<Vec<_>>());
        places.into_iter().zip(labels).collect()
    }

    fn tick_places(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => round_numbers(self.from, self.to),
            Scale::Log => self.powers(),
            Scale::SymmetricLog(c) => {
                // powers of ten beyond ±c; c itself is so close to 0 that its label would cover that of 0
                let first = (c.log10() + 0.5).ceil() as i32;
                let powers = |limit: f64| {
                    let last = self.value(limit).max(0.0).log10().floor() as i32;
                    (first..=last).step_by(self.decades_between_ticks()).map(|k| 10f64.powi(k)).collect::<Vec<_>>()
                };
                let below = powers(-self.from).into_iter().rev().map(|value| -value);
                let values = below.chain([0.0]).chain(powers(self.to));
                let ticks: Vec<f64> =
                    values.filter_map(|value| self.place(value)).filter(|&t| self.contains(t)).collect();
                if ticks.len() > 2 { ticks } else { self.round_places() }
            }
        }
    }

    /// The ticks of a logarithmic axis. Between powers of ten there are more ticks if the axis shows few powers, and
    /// round numbers are ticks if it shows less than one.
    fn powers(&self) -> Vec<f64> {
        let decades = || (self.from.floor() as i32..=self.to.ceil() as i32).step_by(1);
        let within = |factors: &[f64]| -> Vec<f64> {
            let of = |d: i32| factors.iter().map(move |f| f.log10() + f64::from(d));
            decades().flat_map(of).filter(|&t| self.contains(t)).collect()
        };
        let stride = self.decades_between_ticks() as i32;
        let choices = [
            decades().filter(|d| d.rem_euclid(stride) == 0).map(f64::from).filter(|&t| self.contains(t)).collect(),
            within(&[1.0, 3.0]),
            within(&[1.0, 2.0, 5.0]),
            within(&[1.0, 2.0, 3.0, 4.0, 6.0, 8.0]),
        ];
        choices.into_iter().find(|ticks| ticks.len() > 3).unwrap_or_else(|| self.round_places())
    }

    /// The places of round numbers.
    fn round_places(&self) -> Vec<f64> {
        round_numbers(self.value(self.from), self.value(self.to)).iter().filter_map(|&v| self.place(v)).collect()
    }

    fn decades_between_ticks(&self) -> usize {
        ((self.to - self.from) / 6.0).ceil().max(1.0) as usize
    }

    /// Labels in one notation, with as many digits as tell them apart.
    fn labels(&self, values: &[f64]) -> Vec<String> {
        // ticks at equal distances have equally many digits; those of a logarithmic axis as many as each needs
        let equal = self.scale == Scale::Linear && values.len() > 1;
        // the size of the first digit, and that of the last that is shown
        let first = |v: f64| (v.abs().log10() + 1e-9).floor();
        let nearest = values.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
        let last = |v: f64| {
            if equal {
                return (nearest.log10() + 1e-9).floor(); // as many digits as tell neighbours apart
            }
            let shown = format!("{:.9e}", v.abs());
            let (digits, power) = shown.split_once('e').unwrap_or((&shown, "0"));
            let digits = digits.trim_end_matches('0');
            power.parse::<f64>().unwrap_or(0.0) - digits.split_once('.').map_or(0, |(_, d)| d.len()) as f64
        };
        let near_zero = |v: f64| v.abs() < 1e-9 * values.iter().fold(0.0, |m, v| v.abs().max(m));
        // a logarithmic axis has no 0, but numbers of very different sizes
        let is_zero = |v: f64| v == 0.0 || (self.scale != Scale::Log && near_zero(v));
        let shown = || values.iter().copied().filter(|&v| !is_zero(v));
        let (low, high) = (shown().map(first).fold(0.0, f64::min), shown().map(first).fold(0.0, f64::max));
        let powers = low < -3.0 || high > 4.0 || shown().map(last).fold(0.0, f64::min) < -6.0;
        let digits = |v: f64| match (powers, equal) {
            (true, true) => shown().map(|v| first(v) - last(v)).fold(0.0, f64::max),
            (true, false) => first(v) - last(v),
            (false, true) => -shown().map(last).fold(0.0, f64::min),
            (false, false) => -last(v).min(0.0),
        };
        let label = |&v: &f64| match powers {
            _ if is_zero(v) => "0".to_owned(),
            true => format!("{v:.*e}", digits(v).clamp(0.0, 17.0) as usize),
            false => format!("{v:.*}", digits(v).clamp(0.0, 17.0) as usize),
        };
        values.iter().map(label).collect()
    }
}

/// Four to nine round numbers: at distances of 1, 2 or 5 times a power of ten.
fn round_numbers(from: f64, to: f64) -> Vec<f64> {
    let rough = (to - from) / 8.0;
    let unit = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * unit).into_iter().find(|&s| s >= rough).unwrap_or(rough);
    if (to - from) / step > 100.0 || !step.is_normal() {
        return vec![from, to]; // the numbers are so close that a step rounds to 0
    }
    // the tolerance keeps ticks at the very ends, whatever rounding did to them
    let (first, last) = ((from / step - 1e-9).ceil() as i64, (to / step + 1e-9).floor() as i64);
    (first..=last).map(|i| i as f64 * step).collect()
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

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn a_symmetric_axis_has_both_signs_and_0() {
        let axis = scaled(-1.0, 100.0, Scale::SymmetricLog(0.01));
        assert_eq!(labels(&axis), ["-0.1", "0", "0.1", "10"]);
        assert_eq!(labels(&scaled(-1.0, 100.0, Scale::SymmetricLog(0.00413))), ["-0.1", "0", "0.1", "10"]);
        for value in [-0.7, -1e-5, 0.0, 3.0, 99.0] {
            assert!((axis.value(axis.place(value).unwrap()) - value).abs() < 1e-12);
        }
    }

    #[test]
    fn ticks_are_round_numbers_in_one_notation() {
        let labels = |from, to, log| labels(&axis(from, to, log));
        assert_eq!(labels(0.0, 1.0, false), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(-0.3, 0.25, false), ["-0.3", "-0.2", "-0.1", "0", "0.1", "0.2"]);
        assert_eq!(labels(0.0, 60.0, false), ["0", "10", "20", "30", "40", "50", "60"]);
        assert_eq!(labels(1e-5, 1.0, true), ["1e-5", "1e-4", "1e-3", "1e-2", "1e-1", "1e0"]);
        assert_eq!(labels(1e-3, 1.0, true), ["0.001", "0.01", "0.1", "1"]);
        assert_eq!(labels(1e-4, 1e20, true), ["1e-4", "1e0", "1e4", "1e8", "1e12", "1e16", "1e20"]);
        assert_eq!(labels(0.1, 3.0, true), ["0.1", "0.3", "1", "3"]);
        assert_eq!(labels(1.0, 9.0, true), ["1", "2", "3", "4", "6", "8"]);
        assert_eq!(labels(0.52, 0.61, true), ["0.52", "0.54", "0.56", "0.58", "0.60"].map(|l| l.trim_end_matches('0')));
        assert_eq!(labels(0.0, 3e-4, false), ["0", "5.0e-5", "1.0e-4", "1.5e-4", "2.0e-4", "2.5e-4", "3.0e-4"]);
        assert_eq!(labels(0.0, 3e5, false), ["0", "5.0e4", "1.0e5", "1.5e5", "2.0e5", "2.5e5", "3.0e5"]);
        assert_eq!(labels(0.5, 0.5000012, false)[..2], ["5.000000e-1", "5.000002e-1"]);
        assert_eq!(labels(0.0, 0.0, false).len(), 6, "no range at all");
    }

    #[test]
    fn a_logarithmic_axis_has_at_least_three_ticks() {
        for width in [1.01, 1.3, 2.0, 3.0, 5.0, 11.0, 40.0, 300.0, 1e3, 1e5, 1e12] {
            for from in [1e-9, 0.7e-3, 0.11, 1.0, 6.0, 950.0] {
                let count = labels(&axis(from, from * width, true)).len();
                assert!((3..=12).contains(&count), "{from} … {}: {count} ticks", from * width);
            }
        }
    }

    #[test]
    fn ticks_tell_their_numbers_apart_wherever_they_are() {
        for (from, to) in [(1e10, 1e10 + 1.0), (3.0, 3.0 + 4e-12), (0.5, 0.5 + 1e-10), (-7.0, 1e9)] {
            let labels = labels(&axis(from, to, false));
            let mut different = labels.clone();
            different.dedup();
            assert_eq!(labels, different, "{from} … {to}");
        }
        for (scale, from, to) in [(5e-4, 2.0, 5.0), (1.0, -1.0, 1.0), (1e-4, 1.4, 1.6)] {
            let labels = labels(&scaled(from, to, Scale::SymmetricLog(scale)));
            assert!(labels.len() > 2, "{from} … {to}: {labels:?}");
        }
        let all_of_them = Axis::new([0.0, f64::MAX, -f64::MAX].into_iter(), Scale::Linear, None);
        assert!(labels(&all_of_them).iter().all(|label| !label.contains("inf")));
    }

    #[test]
    fn an_end_without_a_place_is_that_of_the_numbers() {
        let range = |range| Axis::new([0.01, 0.5].into_iter(), Scale::Log, Some(range));
        let low = range((0.0, 1.0));
        assert!(low.contains(-2.0) && low.contains(0.0) && low.from > -2.2, "{} … {}", low.from, low.to);
        let constant = Axis::new([1e-3].into_iter(), Scale::Linear, None);
        assert!(constant.from > 0.0 && constant.to < 2e-3, "a constant rate is not drawn as 0");
    }
}
