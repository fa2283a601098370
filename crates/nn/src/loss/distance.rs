//! Costs of distances between embeddings: examples that belong together should be near, others far.

use gradus_autograd::{Float, IntoVar, Var, where_};

use super::{Reduction, same_shape};

/// The Euclidean distance of each row of `a` from each row of `b`: `yᵢⱼ = ‖aᵢ − bⱼ‖`, for `a` of n × d and `b` of m ×
/// d. It is PyTorch's `cdist`.
///
/// Where two rows are equal, the distance and its gradient are 0. The differences are formed, n · m · d numbers, so
/// that close rows keep all their digits; a product `aᵢ · bⱼ` would lose them.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::loss::pairwise_distances;
/// use ndarray::array;
/// let tape = Tape::new();
/// let a = tape.var(array![[0.0, 0.0], [3.0, 4.0]]);
/// assert_eq!(pairwise_distances(a, a).value(), array![[0.0, 5.0], [5.0, 0.0]].into_dyn());
/// ```
///
/// # Panics
/// If the two are not matrices with equally many columns.
#[track_caller]
pub fn pairwise_distances<'t, T: Float>(a: Var<'t, T>, b: impl IntoVar<'t, T>) -> Var<'t, T> {
    let b = b.into_var(a.tape());
    let (own, other) = (a.shape(), b.shape());
    let fits = own.len() == 2 && other.len() == 2 && own[1] == other[1];
    assert!(fits, "pairwise_distances: {own:?} and {other:?} are not matrices with equally many columns");
    (a.unsqueeze(1) - b.unsqueeze(0)).norm_axis(-1, 2.0)
}

/// The loss of an anchor, a positive example that belongs to it and a negative one that does not, row by row:
/// `max(0, ‖a − p‖ − ‖a − n‖ + margin)`. The negative example should be further away than the positive one, by at least
/// the margin.
///
/// PyTorch's `triplet_margin_loss` adds 10⁻⁶ to each difference; here nothing is added, and the gradient of a distance
/// of 0 is 0. Its margin is 1 by default. Schroff and others 2015, <https://arxiv.org/abs/1503.03832>, use squared
/// distances.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Reduction, loss::triplet};
/// use ndarray::array;
/// let tape = Tape::new();
/// let anchor = tape.var(array![[0.0, 0.0], [0.0, 0.0]]);
/// let (positive, negative) = (array![[3.0, 4.0], [0.0, 1.0]], array![[0.0, 4.5], [6.0, 8.0]]);
/// let losses = triplet(anchor, &positive, &negative, 1.0, Reduction::None);
/// assert_eq!(losses.data(), [1.5, 0.0]);
/// ```
///
/// # Panics
/// If the three are not of one shape.
#[track_caller]
pub fn triplet<'t, T: Float>(
    anchor: Var<'t, T>,
    positive: impl IntoVar<'t, T>,
    negative: impl IntoVar<'t, T>,
    margin: f64,
    reduction: Reduction,
) -> Var<'t, T> {
    let (positive, negative) = (positive.into_var(anchor.tape()), negative.into_var(anchor.tape()));
    same_shape("triplet", anchor, positive);
    same_shape("triplet", anchor, negative);
    let distance = |other: Var<'t, T>| (anchor - other).norm_axis(-1, 2.0);
    reduction.apply((distance(positive) - distance(negative) + margin).relu())
}

/// The loss of pairs of rows, with one target for each: `½ d²` where the target is 1, which pulls the rows together,
/// and `½ max(0, margin − d)²` where it is −1, which pushes them apart until the margin; `d = ‖a − b‖`.
///
/// Hadsell, Chopra, LeCun 2006, <https://doi.org/10.1109/CVPR.2006.100>. (The paper numbers the targets 0 for a pair
/// that belongs together, and 1 for others. PyTorch has no such function.)
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Reduction, loss::contrastive};
/// use ndarray::array;
/// let tape = Tape::new();
/// let (a, b) = (tape.var(array![[0.0, 0.0], [0.0, 0.0]]), array![[0.0, 2.0], [0.0, 0.5]]);
/// let losses = contrastive(a, &b, &array![1.0, -1.0], 1.0, Reduction::None);
/// assert_eq!(losses.data(), [2.0, 0.125]);
/// ```
///
/// # Panics
/// If the two are not of one shape, there is not one target for each row, or a target is neither 1 nor −1.
#[track_caller]
pub fn contrastive<'t, T: Float>(
    a: Var<'t, T>,
    b: impl IntoVar<'t, T>,
    target: impl IntoVar<'t, T>,
    margin: f64,
    reduction: Reduction,
) -> Var<'t, T> {
    let (b, y) = (b.into_var(a.tape()), target.into_var(a.tape()));
    same_shape("contrastive", a, b);
    let rows = &a.shape()[..a.ndim().saturating_sub(1)];
    let (targets, own) = (y.shape(), a.shape());
    assert!(targets == rows, "contrastive: {targets:?} targets for rows of {own:?}; there must be one a row, {rows:?}");
    let other = y.data().iter().find(|y| y.abs() != T::from_f64(1.0));
    assert!(other.is_none(), "contrastive: a target is {}, neither 1 nor −1", other.map_or(0.0, |y| y.to_f64()));
    let difference = a - b;
    // the square is smooth at distance 0, where the distance is not
    let together = (difference * difference).sum_axis(-1);
    let apart = (margin - difference.norm_axis(-1, 2.0)).relu().square();
    reduction.apply(where_(y.gt(0.0), together, apart) * 0.5)
}
