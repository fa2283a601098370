//! Costs of two classes, and between distributions.

use gradus_autograd::{Float, IntoVar, Var, where_};
use ndarray::ArrayD;

use super::{Reduction, same_shape, share};

/// The binary cross-entropy of logits x against targets y in 0..=1: `−y ln σ(x) − (1 − y) ln(1 − σ(x))`, computed as `y
/// softplus(−x) + (1 − y) softplus(x)`, which is finite and exact for every finite logit, and right for infinite ones.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Reduction, loss::binary_cross_entropy};
/// let tape = Tape::new();
/// let x = tape.var([0.0, -1e4]);
/// let losses = binary_cross_entropy(x, &ndarray::array![1.0, 0.0], Reduction::None);
/// assert_eq!(losses.data(), [2f32.ln(), 0.0]);
/// ```
///
/// It is PyTorch's `binary_cross_entropy_with_logits`; [`BinaryCrossEntropy`] has its weights.
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn binary_cross_entropy<'t, T: Float>(
    logits: Var<'t, T>,
    target: impl IntoVar<'t, T>,
    reduction: Reduction,
) -> Var<'t, T> {
    BinaryCrossEntropy::new().reduction(reduction).of(logits, target)
}

/// [`binary_cross_entropy`] with weights: `w (p y softplus(−x) + (1 − y) softplus(x))`.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Reduction, loss::BinaryCrossEntropy};
/// use ndarray::array;
/// let tape = Tape::new();
/// let rare = BinaryCrossEntropy::new().positive_weight(array![3.0].into_dyn()).reduction(Reduction::None);
/// assert_eq!(rare.of(tape.var([0.0, 0.0]), &array![1.0, 0.0]).data(), [3.0 * 2f32.ln(), 2f32.ln()]);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BinaryCrossEntropy {
    weight: Option<ArrayD<f64>>,
    positive: Option<ArrayD<f64>>,
    reduction: Reduction,
}

impl BinaryCrossEntropy {
    /// A cost without weights, reduced to the mean.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets w, the weight of each loss, which is broadcast to the logits.
    pub fn weight(mut self, weight: ArrayD<f64>) -> Self {
        self.weight = Some(weight);
        self
    }

    /// Sets p, the weight of positives (negatives have weight 1), which is broadcast to the logits. If p is above 1,
    /// the model finds more positives, at the price of false alarms.
    pub fn positive_weight(mut self, weight: ArrayD<f64>) -> Self {
        self.positive = Some(weight);
        self
    }

    /// Sets how the losses are reduced.
    pub fn reduction(mut self, reduction: Reduction) -> Self {
        self.reduction = reduction;
        self
    }

    /// Returns the loss of logits.
    ///
    /// # Panics
    /// If the shapes differ, or the weights do not broadcast to the shape of the logits.
    #[track_caller]
    pub fn of<'t, T: Float>(&self, logits: Var<'t, T>, target: impl IntoVar<'t, T>) -> Var<'t, T> {
        let tape = logits.tape();
        let y = target.into_var(tape);
        same_shape("binary_cross_entropy", logits, y);
        let constant = |w: &ArrayD<f64>| tape.constant(w.mapv(T::from_f64));
        let mut positive = share(y, (-logits).softplus());
        if let Some(p) = &self.positive {
            positive = share(constant(p), positive);
        }
        let losses = positive + share(1 - y, logits.softplus());
        self.reduction.apply(match &self.weight {
            None => losses,
            Some(w) => share(constant(w), losses),
        })
    }
}

/// The binary cross-entropy of probabilities x: `−y max(ln x, −100) − (1 − y) max(ln(1 − x), −100)`, PyTorch's
/// `binary_cross_entropy`. If the logits are known, use [`binary_cross_entropy`] of the logits: it is exact, and this
/// function is not.
///
/// The gradient is `(x − y)/max(x (1 − x), 10⁻¹²)`, as in PyTorch: it is finite also at x = 0 and 1, where the true
/// gradient does not exist.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Reduction, loss::binary_cross_entropy_of_probabilities};
/// let tape = Tape::new();
/// let x = tape.var([0.5, 0.0, 1.0]);
/// let losses = binary_cross_entropy_of_probabilities(x, &ndarray::array![1.0, 0.0, 0.0], Reduction::None);
/// assert_eq!(losses.data(), [2f32.ln(), 0.0, 100.0]);
/// assert!(losses.sum().backward().wrt(x).iter().all(|g| g.is_finite()));
/// ```
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn binary_cross_entropy_of_probabilities<'t, T: Float>(
    probabilities: Var<'t, T>,
    target: impl IntoVar<'t, T>,
    reduction: Reduction,
) -> Var<'t, T> {
    let (x, y) = (probabilities, target.into_var(probabilities.tape()));
    same_shape("binary_cross_entropy_of_probabilities", x, y);
    let least = 1e-12;
    let edge = (x * (1 - x)).le(least);
    let inside = where_(edge, 0.5, x);
    let losses = -(y * inside.ln() + (1 - y) * (1 - inside).ln());
    // at the edge: the value, plus a difference of parabolas that is 0 but has the gradient
    let value = |x: Var<'t, T>| -(y * x.ln().maximum(-100.0) + (1 - y) * (1 - x).ln().maximum(-100.0));
    let at_edge = value(x.detach()).detach();
    let parabola = (0.5 * x.square() - x * y.detach()) / least;
    reduction.apply(where_(edge, at_edge + (parabola - parabola.detach()), losses))
}

/// The Kullback-Leibler divergence of a distribution y from a distribution whose logarithms x are given: `y (ln y −
/// x)`. It is 0 where y is 0, even if x is −∞ there (PyTorch gives NaN). With `log_target`, y is given as a logarithm
/// too: `eʸ (y − x)`.
///
/// The sum over the last axis is a divergence; PyTorch's `batchmean` is `Reduction::Sum` divided by the number of rows.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Reduction, loss::kl_div};
/// let tape = Tape::new();
/// let x = tape.var([0.5, 0.5]).ln();
/// assert_eq!(kl_div(x, &ndarray::array![1.0, 0.0], false, Reduction::Sum).item(), 2f32.ln());
/// ```
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn kl_div<'t, T: Float>(
    log_probabilities: Var<'t, T>,
    target: impl IntoVar<'t, T>,
    log_target: bool,
    reduction: Reduction,
) -> Var<'t, T> {
    let (x, y) = (log_probabilities, target.into_var(log_probabilities.tape()));
    same_shape("kl_div", x, y);
    if log_target {
        let none = y.eq(f64::NEG_INFINITY);
        let (x, y) = (where_(none, 0.0, x), where_(none, 0.0, y));
        return reduction.apply(where_(none, 0.0, share(y.exp(), y - x)));
    }
    let some = y.gt(0.0);
    reduction.apply(where_(some, y * where_(some, y, 1.0).ln(), 0.0) - share(y, x))
}
