//! The predictions and scores of a model on a data set.

use std::ops::Range;
use std::sync::Arc;

use gradus_autograd::{Float, Module, Tape, Var};
use gradus_data::{Dataset, Examples, FileError, RowBatches};
use gradus_nn::Forward;
use ndarray::{ArrayD, Axis, concatenate};
use serde::{Deserialize, Serialize};

use crate::learn::confusion::Confusion;
use crate::learn::metrics::largest;
use crate::learn::seen::Seen;
use crate::ranks::team::{Team, of_model};
use crate::ranks::tree::share;
use crate::run::shards::parallel;
use crate::{Classify, Metric, Ranks, Task, TrainError};

/// The values that outputs are compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub enum Targets<T: Float> {
    /// a class for each example
    Labels(Vec<usize>),
    /// numbers, of the shape of the outputs
    Numbers(ArrayD<T>),
    /// no targets, so there are no metrics
    None,
}

/// The outputs of a model, with their targets. (JSON has no NaN and no infinity: save such outputs in another format.)
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Predictions<T: Float = f32> {
    /// the outputs; the examples are along the first axis
    pub outputs: ArrayD<T>,
    /// the targets, as many as there are outputs
    pub targets: Targets<T>,
}

impl<T: Float> Predictions<T> {
    /// Outputs with their targets; `None` if there are no targets.
    pub fn new(outputs: Var<'_, T>, targets: Targets<T>) -> Option<Self> {
        let targets = match targets {
            Targets::None => return None,
            Targets::Numbers(numbers) => Targets::Numbers(numbers.as_standard_layout().into_owned()),
            labels => labels,
        };
        Some(Predictions { outputs: outputs.value().to_owned(), targets })
    }

    /// The outputs, row by row.
    pub(crate) fn numbers(&self) -> &[T] {
        self.outputs.as_slice().expect("outputs are kept in standard layout")
    }

    /// The labels.
    ///
    /// # Panics
    /// If the targets are not labels.
    #[track_caller]
    pub fn labels(&self) -> &[usize] {
        match &self.targets {
            Targets::Labels(labels) => labels,
            Targets::Numbers(_) => panic!("the targets are numbers; this metric is of labels"),
            Targets::None if self.outputs.is_empty() => panic!("there are no examples to judge by"),
            Targets::None => panic!("there are no targets; implement `Task::targets`"),
        }
    }

    #[track_caller]
    pub(crate) fn target_numbers(&self) -> &[T] {
        match &self.targets {
            Targets::Numbers(numbers) if numbers.shape() == self.outputs.shape() => {
                numbers.as_slice().expect("targets are kept in standard layout")
            }
            Targets::Numbers(numbers) => {
                panic!("the outputs are {:?}, the targets {:?}", self.outputs.shape(), numbers.shape())
            }
            Targets::Labels(_) => panic!("the targets are labels; this metric is of numbers"),
            Targets::None => panic!("there are no targets; implement `Task::targets`"),
        }
    }

    /// The number of outputs for each label or row: the length of the last axis, or 1 if it is the only axis.
    pub(crate) fn columns(&self) -> usize {
        match self.outputs.shape() {
            [] | [_] => 1,
            [.., last] => *last,
        }
    }

    /// The class that is predicted for each row of the last axis: the class with the largest logit, or the first of
    /// those that tie. If a row has one logit, the class is 1 if the logit is above 0, and else 0. A row that holds NaN
    /// is class 0 here; metrics count it as wrong, whatever its label.
    pub fn classes(&self) -> Vec<usize> {
        self.decisions().into_iter().map(|class| class.unwrap_or(0)).collect()
    }

    /// Does the same as [`classes`](Self::classes), but gives `None` for a row that holds NaN.
    pub(crate) fn decisions(&self) -> Vec<Option<usize>> {
        let one = |x: &T| (!x.to_f64().is_nan()).then(|| usize::from(x.to_f64() > 0.0));
        match self.columns() {
            1 => self.numbers().iter().map(one).collect(),
            columns => largest(self.numbers(), columns),
        }
    }

    /// The labels, after a check that there is one for each prediction.
    #[track_caller]
    pub(crate) fn matched_labels(&self) -> &[usize] {
        let (labels, rows) = (self.labels(), self.numbers().len() / self.columns().max(1));
        assert!(
            rows == labels.len(),
            "outputs of shape {:?} are {rows} predictions, but there are {} labels",
            self.outputs.shape(),
            labels.len()
        );
        labels
    }

    /// The share of right predictions; NaN if there are no predictions.
    ///
    /// # Panics
    /// If the targets are not labels, or there are not as many labels as predictions.
    #[track_caller]
    pub fn accuracy(&self) -> f64 {
        Metric::accuracy().of(self)
    }

    /// The counts of which class was taken for which.
    ///
    /// # Panics
    /// If the targets are not labels, or there are not as many labels as predictions.
    #[track_caller]
    pub fn confusion(&self) -> Confusion {
        Confusion::of(&self.decisions(), self.matched_labels(), self.columns().max(2))
    }

    /// Joins the predictions of several batches, one after the other.
    ///
    /// # Panics
    /// If the outputs of two batches differ in shape beyond the first axis, or have no axis for the examples.
    #[track_caller]
    pub(crate) fn concat(parts: Vec<Self>) -> Self {
        let Some(first) = parts.first() else {
            return Predictions { outputs: ArrayD::zeros(ndarray::IxDyn(&[0])), targets: Targets::None };
        };
        if parts.len() == 1 {
            return parts.into_iter().next().expect("one part");
        }
        let together = |arrays: Vec<_>| {
            concatenate(Axis(0), &arrays).unwrap_or_else(|e| panic!("the outputs of batches do not fit together: {e}"))
        };
        let targets = match first.targets {
            Targets::None => Targets::None,
            Targets::Labels(_) => Targets::Labels(parts.iter().flat_map(|p| p.labels().to_vec()).collect()),
            Targets::Numbers(_) => Targets::Numbers(together(
                parts
                    .iter()
                    .map(|p| match &p.targets {
                        Targets::Numbers(numbers) => numbers.view(),
                        _ => panic!("the targets of one task are numbers here and labels there"),
                    })
                    .collect(),
            )),
        };
        Predictions { outputs: together(parts.iter().map(|p| p.outputs.view()).collect()), targets }
    }
}

/// A mean cost, and metrics with their names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// the mean cost
    #[serde(with = "gradus_autograd::exact")]
    pub loss: f64,
    /// the metrics with their names, in the task's order
    #[serde(with = "gradus_autograd::exact")]
    pub metrics: Vec<(String, f64)>,
}

impl Scores {
    /// Returns a metric, or `loss`, by its name.
    pub fn get(&self, name: &str) -> Option<f64> {
        if name == "loss" {
            return Some(self.loss);
        }
        self.metrics.iter().find(|(n, _)| n == name).map(|(_, value)| *value)
    }
}

/// The results of a model on a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation<T: Float = f32> {
    /// the cost and the metrics
    pub scores: Scores,
    /// the outputs for all examples, with their targets
    pub predictions: Predictions<T>,
    /// the names of the classes, if the data have them
    pub names: Vec<String>,
}

impl<T: Float> Evaluation<T> {
    /// The mean cost.
    pub fn loss(&self) -> f64 {
        self.scores.loss
    }

    /// The share of right predictions.
    ///
    /// # Panics
    /// If the targets are not labels.
    #[track_caller]
    pub fn accuracy(&self) -> f64 {
        self.predictions.accuracy()
    }

    /// The counts of which class was taken for which, with the names of the classes if the data have them.
    ///
    /// # Panics
    /// If the targets are not labels.
    #[track_caller]
    pub fn confusion(&self) -> Confusion {
        let confusion = self.predictions.confusion();
        if self.names.len() == confusion.matrix.nrows() { confusion.named(&self.names) } else { confusion }
    }
}

/// The number of examples that are run at once.
const CHUNK: usize = 256;

/// Runs a classifier over a data set, 256 examples at a time, on an inference tape.
///
/// ```
/// use gradus_nn::Mlp;
/// let digits = gradus_data::digits();
/// let model = Mlp::builder([64, 16, 10]).build::<f32>();
/// let result = gradus_train::evaluate(&model, &digits.test);
/// assert!(result.accuracy() < 0.3); // it has learned nothing
/// assert_eq!(result.predictions.confusion().matrix.sum(), 1797);
/// ```
///
/// # Panics
/// If the model does not give one logit for each class.
#[track_caller]
pub fn evaluate<T: Float, M: Forward<T> + ?Sized>(model: &M, data: &Dataset<T>) -> Evaluation<T> {
    evaluate_task(model, &Classify::new(), data).expect("data in memory can be read")
}

/// Runs a model over a data set by a task, 256 examples at a time, on an inference tape. Without data, the loss is NaN.
///
/// # Errors
/// If the data cannot be read.
///
/// # Panics
/// If the model, the task and the data do not fit together.
#[track_caller]
pub fn evaluate_task<T: Float, M: Sync + ?Sized, E: Examples>(
    model: &M,
    task: &impl Task<T, M, E::Batch>,
    data: &E,
) -> Result<Evaluation<T>, FileError> {
    let all = 0..chunks(data).len();
    let chunks = run(&mut [Tape::inference()], None, (model, task), data, all, true)?;
    Ok(evaluation(chunks, task, data))
}

fn evaluation<T: Float, M: ?Sized, E: Examples>(
    chunks: Vec<Chunk<T>>,
    task: &impl Task<T, M, E::Batch>,
    data: &E,
) -> Evaluation<T> {
    let (scores, seen) = join(chunks, task);
    let predictions = seen.and_then(Seen::into_predictions).unwrap_or_else(|| Predictions::concat(Vec::new()));
    Evaluation { scores, predictions, names: data.class_names().to_vec() }
}

/// Does what [`evaluate_task`] does, shared out to several processes. Each of the [`Ranks`] reads and runs its share of
/// the rows, and gets the whole result, bit for bit that of one process. All ranks must call this, with the same model,
/// task and data.
///
/// ```
/// use gradus_nn::Mlp;
/// use gradus_train::{Classify, LocalRanks, evaluate, evaluate_distributed};
/// let test = gradus_data::digits().test;
/// let model = Mlp::builder([64, 16, 10]).build::<f32>();
/// let results = LocalRanks::run(3, |ranks| evaluate_distributed(&ranks, &model, &Classify::new(), &test));
/// for result in results {
///     assert_eq!(result?, evaluate(&model, &test));
/// }
/// # Ok::<(), gradus_train::TrainError>(())
/// ```
///
/// # Errors
/// If the data cannot be read on some rank, or the ranks have other models or numbers of rows.
///
/// # Panics
/// As [`evaluate_task`].
#[track_caller]
pub fn evaluate_distributed<T: Float, M: Module<T> + ?Sized, E: Examples>(
    ranks: &(impl Ranks + Clone + 'static),
    model: &M,
    task: &impl Task<T, M, E::Batch>,
    data: &E,
) -> Result<Evaluation<T>, TrainError> {
    let team = Team::new(Arc::new(ranks.clone()));
    let rows = ("the rows of the data".to_owned(), data.len().to_string());
    team.same(of_model(model).into_iter().chain([rows]))?;
    let chunks = run_over(&team, &mut [Tape::inference()], None, (model, task), data, true)?;
    Ok(evaluation(chunks, task, data))
}

/// The rows that are run at once.
pub(crate) fn chunks(data: &impl Examples) -> Vec<Vec<usize>> {
    RowBatches::new((0..data.len()).collect(), CHUNK).collect()
}

/// The cost of a chunk, multiplied by its weight; the weight; and what metrics need of its predictions.
pub(crate) type Chunk<T> = (f64, f64, Option<Seen<T>>);

/// Runs a model over some of the [`chunks`] of a data set, with as many side by side as there are tapes. The results of
/// a chunk do not depend on their number. `keep` keeps all predictions.
pub(crate) fn run<T: Float, M: Sync + ?Sized, E: Examples, K: Task<T, M, E::Batch>>(
    tapes: &mut [Tape<T>],
    pool: Option<&rayon::ThreadPool>,
    (model, task): (&M, &K),
    data: &E,
    own: Range<usize>,
    keep: bool,
) -> Result<Vec<Chunk<T>>, FileError> {
    let mut results = Vec::new();
    for wave in chunks(data)[own].chunks(tapes.len()) {
        let batches = wave.iter().map(|rows| data.pick(rows)).collect::<Result<Vec<_>, _>>()?;
        results.extend(parallel(pool, &mut tapes[..wave.len()], |k, tape| {
            tape.clear();
            let (outputs, cost) = task.forward(model, tape, &batches[k]);
            let weight = task.weight(&batches[k], wave[k].len());
            (cost.item().to_f64() * weight, weight, Seen::of(task, outputs, &batches[k], keep))
        }));
    }
    Ok(results)
}

/// Runs the chunks of a data set, each rank its share, and returns the results of all.
pub(crate) fn run_over<T: Float, M: Sync + ?Sized, E: Examples, K: Task<T, M, E::Batch>>(
    team: &Team,
    tapes: &mut [Tape<T>],
    pool: Option<&rayon::ThreadPool>,
    model_and_task: (&M, &K),
    data: &E,
    keep: bool,
) -> Result<Vec<Chunk<T>>, TrainError> {
    let own = share(0..chunks(data).len(), team.count(), team.rank());
    let own = run(tapes, pool, model_and_task, data, own, keep);
    let own = team.agree(own.map_err(TrainError::from))?;
    Ok(team.gather(&own).into_iter().flatten().collect())
}

/// Joins the results of all chunks, in their order.
#[track_caller]
pub(crate) fn join<T: Float, M: ?Sized, B>(
    results: impl IntoIterator<Item = Chunk<T>>,
    task: &impl Task<T, M, B>,
) -> (Scores, Option<Seen<T>>) {
    let (mut loss, mut weight, mut parts) = (0.0, 0.0, Vec::new());
    for (sum, of, seen) in results {
        loss += sum;
        weight += of;
        parts.extend(seen);
    }
    let seen = Seen::join(parts, task.metrics());
    let metrics = seen.as_ref().map_or(Vec::new(), |seen| seen.values(task.metrics()));
    (Scores { loss: loss / weight, metrics }, seen)
}
