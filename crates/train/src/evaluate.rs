//! How good a classifier is.

use gradus_autograd::{Float, Tape, Var};
use gradus_data::Dataset;
use gradus_nn::Forward;
use ndarray::Array2;

/// What a classifier does on a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// mean cross-entropy
    pub loss: f64,
    /// share of right predictions, 0 to 1
    pub accuracy: f64,
    /// the class with the largest logit, for each example
    pub predictions: Vec<usize>,
}

/// The class with the largest logit of each row; the first of those that tie.
pub(crate) fn largest<T: Float>(logits: Var<'_, T>) -> Vec<usize> {
    let classes = logits.shape()[1].max(1);
    let rows = logits.data().chunks_exact(classes);
    rows.map(|row| (1..row.len()).fold(0, |best, j| if row[j] > row[best] { j } else { best })).collect()
}

/// Runs a classifier over a data set, 256 examples at a time, on an inference tape.
///
/// # Panics
/// If the model does not give one logit for each class.
#[track_caller]
pub fn evaluate<T: Float, M: Forward<T> + ?Sized>(model: &M, data: &Dataset<T>) -> Evaluation {
    let mut tape = Tape::inference();
    let (mut loss, mut predictions) = (0.0, Vec::with_capacity(data.len()));
    for batch in data.batches(256) {
        tape.clear();
        let logits = model.forward(tape.constant(&batch.x));
        loss += logits.cross_entropy_rows(&batch.y).sum().item().to_f64();
        predictions.extend(largest(logits));
    }
    let right = predictions.iter().zip(data.y()).filter(|(p, y)| p == y).count();
    let n = data.len().max(1) as f64;
    Evaluation { loss: loss / n, accuracy: right as f64 / n, predictions }
}

/// How often class i (row) was taken for class j (column).
///
/// ```
/// let matrix = gradus_train::confusion(&[0, 1, 1], &[0, 1, 0], 2);
/// assert_eq!(matrix, ndarray::array![[1, 1], [0, 1]]);
/// ```
///
/// # Panics
/// If a label or prediction is no class.
pub fn confusion(predictions: &[usize], labels: &[usize], classes: usize) -> Array2<usize> {
    let mut matrix = Array2::zeros((classes, classes));
    predictions.iter().zip(labels).for_each(|(&p, &y)| matrix[[y, p]] += 1);
    matrix
}
