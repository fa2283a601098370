//! The line search: how far to go along a direction.

/// A point on a line through the parameters.
#[derive(Clone, Debug)]
pub(crate) struct Point<T> {
    /// the distance from the start, in lengths of the direction
    pub(crate) length: f64,
    pub(crate) cost: f64,
    /// the derivative of the cost along the line
    pub(crate) slope: f64,
    pub(crate) gradient: Vec<T>,
}

/// The largest number of evaluations of the cost. After them, the search ends with the best point so far.
const EVALUATIONS: usize = 25;

/// Returns a point that meets the strong Wolfe conditions: the cost has fallen by at least 10⁻⁴ of the decrease that
/// the slope at the start promised, and the slope, up or down, is at most 0.9 of the slope at the start.
///
/// The search first makes longer and longer steps until a minimum is bracketed, then narrows the bracket. Both use
/// cubic interpolation (Nocedal, Wright 2006, algorithms 3.5 and 3.6). A point where the cost is not finite counts as
/// too far. If no point meets the conditions, or the bracket is narrower than `narrow`, the result is the best point
/// found, which may be the start.
pub(crate) fn strong_wolfe<T: Clone>(
    probe: &mut impl FnMut(f64) -> Point<T>,
    start: Point<T>,
    length: f64,
    narrow: f64,
) -> Point<T> {
    let (cost, slope) = (start.cost, start.slope);
    let too_high = |p: &Point<T>| !p.cost.is_finite() || p.slope.is_nan() || p.cost > cost + 1e-4 * p.length * slope;
    let flat = |p: &Point<T>| p.slope.abs() <= 0.9 * slope.abs();
    let mut low = start; // the best point so far
    let mut next = length;
    let mut left = EVALUATIONS;
    let mut high = loop {
        let point = probe(next);
        left -= 1;
        if too_high(&point) || point.cost >= low.cost {
            break point;
        }
        if flat(&point) || left == 0 {
            return point;
        }
        if point.slope >= 0.0 {
            break std::mem::replace(&mut low, point);
        }
        let reach = point.length - low.length;
        let guess = minimum(&low, &point).unwrap_or(f64::INFINITY);
        next = guess.clamp(point.length + 0.1 * reach, point.length + 9.0 * reach);
        low = point;
    };
    while left > 0 && (high.length - low.length).abs() > narrow {
        let (a, b) = (low.length.min(high.length), low.length.max(high.length));
        let margin = 0.1 * (b - a);
        let guess = minimum(&low, &high).filter(|guess| (a + margin..=b - margin).contains(guess));
        let point = probe(guess.unwrap_or(0.5 * (a + b)));
        left -= 1;
        if too_high(&point) || point.cost >= low.cost {
            high = point;
            continue;
        }
        if flat(&point) {
            return point;
        }
        if point.slope * (high.length - low.length) >= 0.0 {
            high = low;
        }
        low = point;
    }
    low
}

/// Returns the length at which the cubic through both points with their slopes is least, if it is finite.
fn minimum<T>(a: &Point<T>, b: &Point<T>) -> Option<f64> {
    let width = b.length - a.length;
    let d1 = a.slope + b.slope - 3.0 * (a.cost - b.cost) / (a.length - b.length);
    let d2 = (d1 * d1 - a.slope * b.slope).sqrt() * width.signum();
    let at = b.length - width * (b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2);
    at.is_finite().then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(f: impl Fn(f64) -> (f64, f64), first: f64) -> (f64, usize) {
        let at = |length| {
            let (cost, slope) = f(length);
            Point { length, cost, slope, gradient: Vec::<f64>::new() }
        };
        let mut count = 0;
        let mut probe = |length: f64| {
            count += 1;
            at(length)
        };
        let found = strong_wolfe(&mut probe, at(0.0), first, 1e-12);
        (found.length, count)
    }

    #[test]
    fn the_conditions_hold_from_steps_too_short_and_too_long() {
        // the minimum is near 1; from 3 on, the cost is NaN
        let f = |x: f64| {
            if x < 3.0 {
                ((x - 1.0).powi(2) - 0.3 * (3.0 - x).ln(), 2.0 * (x - 1.0) + 0.3 / (3.0 - x))
            } else {
                (f64::NAN, f64::NAN)
            }
        };
        let (cost, slope) = f(0.0);
        for first in [1e-6, 0.01, 0.5, 1.0, 2.5, 10.0, 1e4] {
            let (length, count) = search(f, first);
            let (reached, flatter) = f(length);
            assert!(reached <= cost + 1e-4 * length * slope && flatter.abs() <= 0.9 * slope.abs(), "{first}: {length}");
            assert!(count < EVALUATIONS, "{first}: {count} evaluations");
        }
    }

    /// At the first point the cost is lower than at the start, but already rises steeply: the minimum lies in between.
    #[test]
    fn a_first_step_past_the_minimum_brackets_it() {
        let (length, _) = search(|x| ((x - 1.0).powi(2), 2.0 * (x - 1.0)), 1.99);
        assert!((length - 1.0).abs() < 0.9, "{length}");
    }

    #[test]
    fn a_line_that_only_rises_ends_where_it_began() {
        assert_eq!(search(|x| (x.abs().sqrt(), -1.0), 1.0).0, 0.0);
    }
}
