//! Which parts of a series a picture shows.

use crate::axis::Axis;
use crate::paint::Place;
use crate::series::Series;

/// The corners of the bars: upper left, lower right. What lies beyond the axes is cut off.
pub(crate) fn bars<'a>(series: &'a Series, [x, y]: &'a [Axis; 2]) -> impl Iterator<Item = [Place; 2]> + 'a {
    series.points.chunks_exact(2).filter_map(|pair| {
        let (left, right) = (x.place(pair[0].0).unwrap_or(x.from), x.place(pair[1].0)?);
        let seen = left < x.to && right > x.from;
        let top = y.place(pair[0].1)?.clamp(y.from, y.to);
        seen.then(|| [(left.max(x.from), top), (right.min(x.to), y.from)])
    })
}

/// The lines through points, cut off a picture's width beyond its edges. A descent that diverges then goes off the
/// picture, and does not fill the file with coordinates that nothing shows.
pub(crate) fn pieces(places: &[Place], [x, y]: &[Axis; 2]) -> Vec<Vec<Place>> {
    let mut pieces: Vec<Vec<Place>> = Vec::new();
    if let [one] = places {
        return vec![vec![*one]];
    }
    for pair in places.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        // the part of the segment a + t (b − a) that is near, between two values of t (Liang, Barsky 1984)
        let (mut t0, mut t1) = (0.0f64, 1.0f64);
        for (axis, from, to) in [(x, a.0, b.0), (y, a.1, b.1)] {
            let width = axis.to - axis.from;
            let (low, high) = ((axis.from - width - from) / (to - from), (axis.to + width - from) / (to - from));
            if to == from {
                if !axis.is_near(from) {
                    t1 = -1.0;
                }
            } else {
                (t0, t1) = (t0.max(low.min(high)), t1.min(low.max(high)));
            }
        }
        if t0 > t1 {
            continue;
        }
        let at = |t: f64| match t {
            0.0 => a,
            1.0 => b,
            _ => (a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1)),
        };
        match pieces.last_mut().filter(|piece| t0 == 0.0 && piece.last() == Some(&a)) {
            Some(piece) => piece.push(at(t1)),
            None => pieces.push(vec![at(t0), at(t1)]),
        }
    }
    pieces
}

/// The points that are further than a 300th of the picture from the last such point, so that a descent that comes to
/// rest is one mark.
pub(crate) fn apart<'a>(places: &'a [Place], [x, y]: &'a [Axis; 2]) -> impl Iterator<Item = Place> + 'a {
    let mut last = None;
    let close = move |a: Place, b: Place| {
        ((a.0 - b.0) / (x.to - x.from)).abs().max(((a.1 - b.1) / (y.to - y.from)).abs()) < 1.0 / 300.0
    };
    places.iter().copied().filter(move |&point| {
        let far = last.is_none_or(|last| !close(last, point));
        if far {
            last = Some(point);
        }
        far
    })
}
