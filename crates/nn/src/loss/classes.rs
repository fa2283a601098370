//! Cross-entropy.

use gradus_autograd::{Float, IntoVar, Var};
use ndarray::{Array1, Array2};

use super::{Reduction, share};

/// The cross-entropy of logits (examples × classes) against integer labels: `ln Σⱼ e^xᵢⱼ − xᵢₗ` for each row.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Reduction, loss::cross_entropy};
/// let tape = Tape::new();
/// let logits = tape.var(ndarray::array![[2.0, 2.0]]);
/// assert_eq!(cross_entropy(logits, &[1], Reduction::Mean).item(), 2f32.ln());
/// ```
///
/// [`CrossEntropy`] has class weights, smoothing, ignored labels, probabilities as targets, and other shapes.
///
/// # Panics
/// If there are not as many labels as rows, or a label is not a class; the message names row and label.
#[track_caller]
pub fn cross_entropy<'t, T: Float>(logits: Var<'t, T>, labels: &[usize], reduction: Reduction) -> Var<'t, T> {
    CrossEntropy::new().reduction(reduction).of(logits, labels)
}

/// The negative log-likelihood: [`cross_entropy`] of log-probabilities instead of logits, `−xᵢₗ` for each row.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Reduction, loss::nll};
/// let tape = Tape::new();
/// let x = tape.var(ndarray::array![[0.25, 0.75]]).ln();
/// assert!((nll(x, &[1], Reduction::Mean).item() + 0.75f32.ln()).abs() < 1e-6);
/// ```
///
/// # Panics
/// In the same cases as [`cross_entropy`].
#[track_caller]
pub fn nll<'t, T: Float>(log_probabilities: Var<'t, T>, labels: &[usize], reduction: Reduction) -> Var<'t, T> {
    CrossEntropy::new().reduction(reduction).of_log_probabilities(log_probabilities, labels)
}

/// Cross-entropy with all its settings.
///
/// ```text
/// L = log_softmax(x) over the classes
/// ℓ = −(1 − ε) w_y L_y − (ε/C) Σ_c w_c L_c        labels y; 0 where y is ignored
/// ℓ = −Σ_c w_c ((1 − ε) q_c + ε/C) L_c            probabilities q
/// ```
///
/// The mean divides by the sum of the w_y of labels that are not ignored; for probabilities, it divides by the number
/// of rows. Classes are on axis 1 (N × C, N × C × d …), or on the only axis. Without weights, smoothing, ignored
/// labels, and for logits of shape N × C, the loss is one fused operation.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Reduction, loss::CrossEntropy};
/// use ndarray::array;
/// let tape = Tape::new();
/// let logits = tape.var(array![[2.0, 0.0], [0.0, 0.0], [1.0, 5.0]]);
/// let cost = CrossEntropy::new().class_weights([1.0, 3.0]).ignore(9).reduction(Reduction::None);
/// let losses = cost.of(logits, &[0, 1, 9]); // padding has label 9
/// assert!((losses.data()[1] - 3.0 * 2f32.ln()).abs() < 1e-6);
/// assert_eq!(losses.data()[2], 0.0);
/// ```
///
/// Smoothing: Szegedy et al. 2015 (<https://arxiv.org/abs/1512.00567>).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CrossEntropy {
    weights: Option<Vec<f64>>,
    ignored: Option<usize>,
    smoothing: f64,
    reduction: Reduction,
}

impl CrossEntropy {
    /// A cost without weights, smoothing or ignored labels, reduced to the mean.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets w, the weight of each class: rare classes should have larger ones.
    pub fn class_weights(mut self, weights: impl Into<Vec<f64>>) -> Self {
        self.weights = Some(weights.into());
        self
    }

    /// Ignores rows with this label. The label may be a class, or a number beyond the classes.
    pub fn ignore(mut self, label: usize) -> Self {
        self.ignored = Some(label);
        self
    }

    /// Sets ε, the share of each target that is spread evenly over all classes. It keeps the model from becoming more
    /// and more certain.
    ///
    /// # Panics
    /// If `smoothing` is not in 0..=1.
    #[track_caller]
    pub fn label_smoothing(mut self, smoothing: f64) -> Self {
        assert!((0.0..=1.0).contains(&smoothing), "CrossEntropy: a smoothing of {smoothing} is not in 0..=1");
        self.smoothing = smoothing;
        self
    }

    /// Sets how the losses are reduced.
    pub fn reduction(mut self, reduction: Reduction) -> Self {
        self.reduction = reduction;
        self
    }

    /// Returns the loss of logits against labels. The labels are in the order of the logits without the axis of
    /// classes.
    ///
    /// # Panics
    /// If there are not as many labels as rows of logits, or a label is neither a class nor ignored; the message names
    /// row and label. If there are not as many weights as classes.
    #[track_caller]
    pub fn of<'t, T: Float>(&self, logits: Var<'t, T>, labels: &[usize]) -> Var<'t, T> {
        let plain = self.weights.is_none() && self.smoothing == 0.0 && self.ignored.is_none();
        if plain && logits.ndim() == 2 {
            return self.reduction.apply(logits.cross_entropy_rows(labels));
        }
        let (rows, shape) = rows(logits);
        self.of_rows(rows.log_softmax(-1), labels, &shape)
    }

    /// Returns the number that the mean divides by: the sum of the weights of labels that are not ignored, or the
    /// number of these labels if there are no weights.
    ///
    /// ```
    /// use gradus_nn::loss::CrossEntropy;
    /// assert_eq!(CrossEntropy::new().class_weights([1.0, 5.0]).ignore(9).weight_of(&[0, 1, 9, 1]), 11.0);
    /// ```
    pub fn weight_of(&self, labels: &[usize]) -> f64 {
        let counted = labels.iter().filter(|&&label| self.counts(label));
        match &self.weights {
            None => counted.count() as f64,
            Some(weights) => counted.map(|&label| weights.get(label).copied().unwrap_or(0.0)).sum(),
        }
    }

    /// Returns whether rows with this label count.
    pub fn counts(&self, label: usize) -> bool {
        self.ignored != Some(label)
    }

    /// Returns the loss of log-probabilities against labels: like [`of`](Self::of), without the softmax.
    ///
    /// # Panics
    /// In the same cases as [`of`](Self::of).
    #[track_caller]
    pub fn of_log_probabilities<'t, T: Float>(&self, log_probabilities: Var<'t, T>, labels: &[usize]) -> Var<'t, T> {
        let (rows, shape) = rows(log_probabilities);
        self.of_rows(rows, labels, &shape)
    }

    /// Returns the loss of logits against probabilities of the same shape. No label is ignored.
    ///
    /// # Panics
    /// If the shapes differ, or there are not as many weights as classes.
    #[track_caller]
    pub fn of_probabilities<'t, T: Float>(&self, logits: Var<'t, T>, target: impl IntoVar<'t, T>) -> Var<'t, T> {
        let target = target.into_var(logits.tape());
        super::same_shape("CrossEntropy::of_probabilities", logits, target);
        let ((x, shape), (q, _)) = (rows(logits), rows(target));
        let classes = x.shape()[1];
        let smooth = q * (1.0 - self.smoothing) + self.smoothing / classes as f64;
        let losses = -share(smooth, self.weighted(x.log_softmax(-1))).sum_axis(1);
        match self.reduction {
            Reduction::None => losses.reshape(&*shape),
            Reduction::Sum => losses.sum(),
            Reduction::Mean => losses.sum() / shape.iter().product::<usize>() as f64,
        }
    }

    /// Returns `w L`, or L if there are no weights.
    #[track_caller]
    fn weighted<'t, T: Float>(&self, log_probabilities: Var<'t, T>) -> Var<'t, T> {
        let Some(weights) = &self.weights else { return log_probabilities };
        let classes = log_probabilities.shape()[1];
        assert!(weights.len() == classes, "CrossEntropy: {} weights for {classes} classes", weights.len());
        let weights = Array1::from_iter(weights.iter().map(|&w| T::from_f64(w)));
        share(log_probabilities.tape().constant(weights), log_probabilities)
    }

    #[track_caller]
    fn of_rows<'t, T: Float>(&self, l: Var<'t, T>, labels: &[usize], shape: &[usize]) -> Var<'t, T> {
        let (n, classes) = (l.shape()[0], l.shape()[1]);
        assert!(labels.len() == n, "CrossEntropy: {} labels for {n} rows of logits", labels.len());
        let counts = |label: usize| self.counts(label);
        if let Some((row, label)) = labels.iter().enumerate().find(|&(_, &label)| counts(label) && label >= classes) {
            panic!("CrossEntropy: row {row} has label {label}, but there are {classes} classes (labels count from 0)");
        }
        let weighted = self.weighted(l);
        let places = Array2::from_shape_fn((n, 1), |(i, _)| if counts(labels[i]) { labels[i] } else { 0 });
        let own = weighted.gather(1, &places).reshape([n]);
        let mut losses =
            if self.smoothing == 1.0 { own.tape().constant_with(&[n], |_| {}) } else { own * -(1.0 - self.smoothing) };
        if self.smoothing > 0.0 {
            losses = losses - weighted.sum_axis(1) * (self.smoothing / classes as f64);
        }
        if self.ignored.is_some() {
            let some = Array1::from_iter(labels.iter().map(|&label| T::from_f64(f64::from(u8::from(counts(label))))));
            losses = gradus_autograd::where_(l.tape().constant(some), losses, 0.0);
        }
        match self.reduction {
            Reduction::None => losses.reshape(shape),
            Reduction::Sum => losses.sum(),
            Reduction::Mean => losses.sum() / self.weight_of(labels),
        }
    }
}

/// Returns the logits as a matrix with a row for each label, and the shape of the labels.
#[track_caller]
fn rows<T: Float>(x: Var<'_, T>) -> (Var<'_, T>, Vec<usize>) {
    let shape = x.shape();
    match shape {
        [] => panic!("CrossEntropy: the logits are a single number; there must be one for each class"),
        [classes] => (x.reshape([1, *classes]), Vec::new()),
        [_, classes, ..] => {
            let mut axes: Vec<isize> = (0..shape.len() as isize).filter(|&k| k != 1).collect();
            axes.push(1);
            let rest: Vec<usize> = shape.iter().enumerate().filter(|(k, _)| *k != 1).map(|(_, &n)| n).collect();
            (x.permute(axes.as_slice()).reshape([rest.iter().product(), *classes]), rest)
        }
    }
}
