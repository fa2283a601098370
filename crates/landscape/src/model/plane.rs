//! Planes through the space of parameters.

use gradus_autograd::{Float, Module};
use ndarray::{Array1, Array2, ArrayView1};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand_distr::{Distribution, StandardNormal};

use crate::critical::eigen;
use crate::model::parameters::{learned, parameters};
use crate::solvers::{norm, random_direction, remove};

/// A part of a plane in the space of parameters: the points `origin + a x + b y`, for a and b within ranges.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    /// the point where a and b are 0
    pub origin: Array1<f64>,
    /// the direction of the first axis
    pub x: Array1<f64>,
    /// the direction of the second axis
    pub y: Array1<f64>,
    /// the range of a, from and to
    pub range_x: (f64, f64),
    /// the range of b
    pub range_y: (f64, f64),
    /// a path in the plane, or as the plane sees it
    pub path: Vec<(f64, f64)>,
    /// the shares of the path's variation that lie along both directions, if the plane was made from a path
    pub explained: Option<[f64; 2]>,
}

impl Plane {
    /// A plane through a model along two directions, for a and b within ±`radius`.
    ///
    /// ```
    /// use gradus_autograd::Param;
    /// use gradus_landscape::Plane;
    /// use ndarray::array;
    /// let model = Param::new([1.0, 2.0, 3.0]);
    /// let plane = Plane::through(&model, array![1.0, 0.0, 0.0], array![0.0, 0.0, 1.0], 2.0);
    /// assert_eq!(plane.at(0.5, -1.0), array![1.5, 2.0, 2.0]);
    /// ```
    ///
    /// # Panics
    /// If a direction is not of the model's size.
    #[track_caller]
    pub fn through<T: Float, M: Module<T> + ?Sized>(model: &M, x: Array1<f64>, y: Array1<f64>, radius: f64) -> Self {
        let origin = parameters(model);
        for direction in [&x, &y] {
            let (own, given) = (origin.len(), direction.len());
            assert!(own == given, "Plane: a direction of {given} numbers in a model of {own} parameters");
        }
        let range = (-radius, radius);
        Plane { origin, x, y, range_x: range, range_y: range, path: Vec::new(), explained: None }
    }

    /// A plane through a model along two random directions, [filter by filter](filter_normalized) as long as the
    /// model's own parameters, for a and b within ±`radius`. A radius of 1 shows how the cost changes when every filter
    /// is moved by as much as its own length.
    pub fn random<T: Float, M: Module<T> + ?Sized>(model: &M, radius: f64, seed: u64) -> Self {
        let (x, y) =
            (filter_normalized(model, seed.wrapping_mul(2)), filter_normalized(model, seed.wrapping_mul(2) + 1));
        Self::through(model, x, y, radius)
    }

    /// The plane that a training path varies in most: through its last point, along the two leading principal
    /// components of the way from there to all other points. The ranges hold the path, with some room around it.
    ///
    /// Few directions explain most of a path in many dimensions, even of a random walk, so the picture flatters:
    /// [`explained`](Self::explained) tells the shares. Li et al. 2018 (<https://arxiv.org/abs/1712.09913>); Antognini
    /// and Sohl-Dickstein 2018 (<https://arxiv.org/abs/1806.08805>) for the caution.
    ///
    /// ```
    /// use gradus_landscape::Plane;
    /// use ndarray::array;
    /// let plane = Plane::of_path(&[array![4.0, 0.0, 0.0], array![1.0, 1.0, 0.0], array![0.0, 0.0, 0.0]]);
    /// let [first, second] = plane.explained.unwrap();
    /// assert!(first > 0.9 && (first + second - 1.0).abs() < 1e-12);
    /// assert_eq!(plane.path[2], (0.0, 0.0)); // the last point is the origin
    /// ```
    ///
    /// # Panics
    /// If there are fewer than three points, they are of different lengths, or a number is not finite.
    #[track_caller]
    pub fn of_path(path: &[Array1<f64>]) -> Self {
        let count = path.len();
        assert!(count >= 3, "Plane::of_path: a path of {count} points spans no plane");
        let origin = path[count - 1].clone();
        let dim = origin.len();
        for (i, point) in path.iter().enumerate() {
            assert!(point.len() == dim, "Plane::of_path: point {i} has {} numbers, the last one {dim}", point.len());
            assert!(point.iter().all(|x| x.is_finite()), "Plane::of_path: point {i} is not finite");
        }
        let ways: Vec<Array1<f64>> = path.iter().map(|point| point - &origin).collect();
        // the components of many numbers, from the matrix of the few points' products with each other
        let products = Array2::from_shape_fn((count, count), |(i, j)| ways[i].dot(&ways[j]));
        let (values, vectors) = eigen(&products);
        let total: f64 = values.iter().map(|value| value.max(0.0)).sum();
        let component = |k: usize, before: &[Array1<f64>]| {
            let mut direction = Array1::zeros(dim);
            if values[k] > NOTHING * total {
                ways.iter().zip(vectors.column(k)).for_each(|(way, &share)| direction.scaled_add(share, way));
            } else {
                direction = filler(dim); // the path has no such direction, so any will do
            }
            let length = remove(before.iter(), &mut direction);
            if length > NOTHING { direction / length } else { Array1::zeros(dim) }
        };
        let x = component(count - 1, &[]);
        let y = component(count - 2, std::slice::from_ref(&x));
        let seen: Vec<(f64, f64)> = ways.iter().map(|way| (way.dot(&x), way.dot(&y))).collect();
        let range = |of: fn(&(f64, f64)) -> f64| {
            let (low, high) = seen.iter().map(of).fold((0.0f64, 0.0f64), |(a, b), v| (a.min(v), b.max(v)));
            let room =
                if high - low > 1e-9 * total.sqrt() { 0.25 * (high - low) } else { 0.5 * total.sqrt().max(1e-9) };
            (low - room, high + room)
        };
        let share = |k: usize| if total > 0.0 { values[k].max(0.0) / total } else { 0.0 };
        Plane {
            range_x: range(|p| p.0),
            range_y: range(|p| p.1),
            explained: Some([share(count - 1), share(count - 2)]),
            path: seen,
            origin,
            x,
            y,
        }
    }

    /// The parameters at a point of the plane.
    pub fn at(&self, a: f64, b: f64) -> Array1<f64> {
        &self.origin + &(&self.x * a) + &(&self.y * b)
    }
}

/// A component of less than this share of a path is rounding.
const NOTHING: f64 = 1e-12;

/// A direction that is always the same, for a path that has no second one of its own.
fn filler(dim: usize) -> Array1<f64> {
    random_direction(dim, &mut Xoshiro256PlusPlus::seed_from_u64(0))
}

/// A random direction as long as a model's parameters, filter by filter: the numbers that lead to one neuron or one
/// channel (a row of a linear layer's weight, the first axis of any other parameter of two axes or more) get the length
/// that they have in the model. Biases and other parameters of one axis stand still.
///
/// Without it, pictures of two networks cannot be compared: scaling one layer up and the next one down by the same
/// factor leaves a ReLU network's function as it is, and makes the landscape look flatter. Li et al. 2018
/// (<https://arxiv.org/abs/1712.09913>).
///
/// ```
/// use gradus_autograd::Param;
/// use ndarray::array;
/// let weight = Param::new(array![[3.0, 4.0], [0.0, 1.0]]);
/// let direction = gradus_landscape::filter_normalized(&weight, 7);
/// assert!((direction[0].hypot(direction[1]) - 5.0).abs() < 1e-12);
/// assert!((direction[2].hypot(direction[3]) - 1.0).abs() < 1e-12);
/// ```
pub fn filter_normalized<T: Float, M: Module<T> + ?Sized>(model: &M, seed: u64) -> Array1<f64> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut direction = Vec::new();
    for param in learned(model) {
        let filters = if param.shape().len() < 2 { 0 } else { param.shape()[0] };
        if filters == 0 || param.is_empty() {
            direction.resize(direction.len() + param.len(), 0.0);
            continue;
        }
        for filter in param.data().chunks(param.len() / filters) {
            let own = filter.iter().map(|x| x.to_f64().powi(2)).sum::<f64>().sqrt();
            let drawn: Array1<f64> = filter.iter().map(|_| -> f64 { StandardNormal.sample(&mut rng) }).collect();
            let length = norm(&drawn);
            direction.extend(drawn.iter().map(|x| x * own / length));
        }
    }
    direction.into()
}

/// The points of a straight line, `from … to` in equal steps.
pub(crate) fn steps((from, to): (f64, f64), points: usize) -> Vec<f64> {
    (0..points).map(|i| from + (to - from) * i as f64 / (points.max(2) - 1) as f64).collect()
}

/// The point `a + t (b − a)`.
pub(crate) fn between(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>, t: f64) -> Array1<f64> {
    &a * (1.0 - t) + &b * t
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn a_flat_path_lies_in_its_plane() {
        let (u, v) = (array![1.0, 2.0, 0.0, -1.0], array![0.0, 1.0, 1.0, 2.0]);
        let path: Vec<Array1<f64>> =
            (0..9).map(|t| &u * f64::from(t).cos() + &v * (0.1 * f64::from(t * t)) + 3.0).collect();
        let plane = Plane::of_path(&path);
        let [first, second] = plane.explained.unwrap();
        assert!((first + second - 1.0).abs() < 1e-9 && first >= second);
        for (point, &(a, b)) in path.iter().zip(&plane.path) {
            assert!((&plane.at(a, b) - point).iter().all(|d| d.abs() < 1e-9));
            assert!((plane.range_x.0..plane.range_x.1).contains(&a));
        }
        assert_eq!(plane.path[8], (0.0, 0.0));
        assert!(plane.x.dot(&plane.y).abs() < 1e-9);
    }

    #[test]
    fn a_path_that_stands_still_has_a_plane_too() {
        let plane = Plane::of_path(&vec![array![1.0, 2.0]; 3]);
        assert_eq!((plane.at(0.0, 0.0), plane.explained), (array![1.0, 2.0], Some([0.0, 0.0])));
        assert!(plane.range_x.1 > plane.range_x.0 && plane.range_y.1 > plane.range_y.0);
    }

    #[test]
    fn the_second_direction_of_a_straight_path_is_at_right_angles() {
        let path: Vec<Array1<f64>> = (0..6).map(|t| array![1.0, -2.0, 0.5] * f64::from(t) + 0.1).collect();
        let plane = Plane::of_path(&path);
        assert!(plane.x.dot(&plane.y).abs() < 1e-12 && (norm(&plane.y) - 1.0).abs() < 1e-12);
        assert!(plane.path.iter().all(|(_, b)| b.abs() < 1e-9) && plane.range_y.1 - plane.range_y.0 > 1.0);
        let one = Plane::of_path(&[array![1.0], array![2.0], array![4.0]]); // a line is all there is
        assert_eq!(one.y, array![0.0]);
    }

    #[test]
    #[should_panic(expected = "Plane::of_path: point 1 is not finite")]
    fn a_path_that_is_not_finite_is_refused() {
        Plane::of_path(&[array![1.0], array![f64::NAN], array![4.0]]);
    }

    #[test]
    #[should_panic(expected = "a path of 2 points spans no plane")]
    fn two_points_span_no_plane() {
        Plane::of_path(&[array![1.0], array![2.0]]);
    }
}
