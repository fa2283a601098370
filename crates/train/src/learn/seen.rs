//! What is kept of predictions until all parts of a step or an evaluation are there.
//!
//! A metric that follows from sums needs a few numbers of each part, and not the outputs. So the outputs of a language
//! model, one for each word that it knows, need not be joined, kept, or sent to other ranks.

use gradus_autograd::{Float, Var};
use serde::{Deserialize, Serialize};

use crate::{Metric, Predictions, Task};

/// What the metrics need of some predictions.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct Seen<T: Float> {
    /// the counts of each metric; none for a metric that is a function of all predictions at once
    counts: Vec<Vec<f64>>,
    /// the predictions, if they are kept
    predictions: Option<Predictions<T>>,
}

impl<T: Float> Seen<T> {
    /// Counts a batch for the metrics of a task. The predictions themselves are kept if `keep` asks for it, or a metric
    /// needs them. `None` if there is nothing to count or keep.
    #[track_caller]
    pub(crate) fn of<M: ?Sized, B>(
        task: &impl Task<T, M, B>,
        outputs: Var<'_, T>,
        batch: &B,
        keep: bool,
    ) -> Option<Self> {
        let metrics = task.metrics();
        if metrics.is_empty() && !keep {
            return None;
        }
        let predictions = task.predictions(outputs, batch)?;
        let counts = metrics.iter().map(|metric| metric.count(&predictions)).collect();
        let keep = keep || !metrics.iter().all(Metric::is_counted);
        Some(Seen { counts, predictions: keep.then_some(predictions) })
    }

    /// Joins parts, in their order; `None` if there are none.
    #[track_caller]
    pub(crate) fn join(parts: impl IntoIterator<Item = Self>, metrics: &[Metric<T>]) -> Option<Self> {
        let (mut counts, mut predictions, mut any) = (vec![Vec::new(); metrics.len()], Vec::new(), false);
        for part in parts {
            any = true;
            for ((all, more), metric) in counts.iter_mut().zip(&part.counts).zip(metrics) {
                metric.join(all, more);
            }
            predictions.extend(part.predictions);
        }
        let predictions = (!predictions.is_empty()).then(|| Predictions::concat(predictions));
        any.then_some(Seen { counts, predictions })
    }

    /// Adds to the tally of each metric, over several steps. A metric that is a function of all predictions at once has
    /// the mean over the steps, with their weights.
    #[track_caller]
    pub(crate) fn add_to<'a>(
        &self,
        tallies: impl Iterator<Item = &'a mut Vec<f64>>,
        metrics: &[Metric<T>],
        weight: f64,
    ) {
        for ((tally, metric), counts) in tallies.zip(metrics).zip(&self.counts) {
            metric.add(tally, counts, || self.value(metric, counts), weight);
        }
    }

    /// The value of each metric, with its name.
    #[track_caller]
    pub(crate) fn values(&self, metrics: &[Metric<T>]) -> Vec<(String, f64)> {
        let value = |(metric, counts): (&Metric<T>, &Vec<f64>)| (metric.name().to_owned(), self.value(metric, counts));
        metrics.iter().zip(&self.counts).map(value).collect()
    }

    #[track_caller]
    fn value(&self, metric: &Metric<T>, counts: &[f64]) -> f64 {
        match metric.is_counted() {
            true => metric.total(counts),
            false => metric.of(self.predictions.as_ref().expect("a metric of all predictions keeps them")),
        }
    }

    /// The predictions, if they were kept.
    pub(crate) fn into_predictions(self) -> Option<Predictions<T>> {
        self.predictions
    }
}
