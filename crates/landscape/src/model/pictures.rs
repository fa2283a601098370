//! The cost along lines and over planes, to be looked at.

use gradus_autograd::{Float, Module, Tape};
use gradus_data::{Examples, RowBatches};
use gradus_train::{Task, parallel};
use indicatif::{ProgressBar, ProgressStyle};
use ndarray::{Array1, Array2};
use std::ops::RangeInclusive;

use crate::error::LandscapeError;
use crate::model::landscape::Landscape;
use crate::model::parameters::{parameters, set_parameters};
use crate::model::plane::{Plane, between, steps};

/// The cost along a straight line through the space of parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// where: 0 is the first model, 1 the second
    pub at: Vec<f64>,
    /// the cost there; not finite where it overflows
    pub costs: Vec<f64>,
}

/// The cost over a part of a plane.
#[derive(Clone, Debug, PartialEq)]
pub struct Surface {
    /// the plane
    pub plane: Plane,
    /// the places along the first axis
    pub x: Vec<f64>,
    /// the places along the second axis
    pub y: Vec<f64>,
    /// the costs: a row for each place along the second axis, a column for each along the first; not finite where they
    /// overflow
    pub costs: Array2<f64>,
}

impl<K, E: Examples, T: Float> Landscape<K, E, T> {
    /// The cost along the straight line from one model to another, at `points` places. At t the parameters are those of
    /// `a` and `b` in the shares 1 − t and t; beyond 0 … 1 the line goes on.
    ///
    /// A line without a bump between two minima says that they belong to one valley. Goodfellow, Vinyals and Saxe 2015
    /// (<https://arxiv.org/abs/1412.6544>).
    ///
    /// Buffers, such as running statistics, are those of `a`.
    ///
    /// ```
    /// use gradus_landscape::Landscape;
    /// use gradus_nn::Mlp;
    /// use gradus_train::Classify;
    /// let iris = gradus_data::iris();
    /// let model = |seed| Mlp::builder([4, 8, 3]).seed(seed).build::<f32>();
    /// let line = Landscape::new(Classify::new(), &iris).line(&model(1), &model(2), -0.5..=1.5, 21)?;
    /// assert_eq!((line.at[0], line.at[20], line.costs.len()), (-0.5, 1.5, 21));
    /// # Ok::<(), gradus_landscape::LandscapeError>(())
    /// ```
    ///
    /// # Errors
    /// If there are no examples, or they cannot be read.
    ///
    /// # Panics
    /// If the models are not of the same size, or do not fit the task and the data.
    #[track_caller]
    pub fn line<M: Module<T> + Clone>(
        &self,
        a: &M,
        b: &M,
        range: RangeInclusive<f64>,
        points: usize,
    ) -> Result<Line, LandscapeError>
    where
        K: Task<T, M, E::Batch>,
    {
        let (from, to) = (parameters(a), parameters(b));
        assert!(
            from.len() == to.len(),
            "Landscape::line: the models have {} and {} parameters that are not frozen",
            from.len(),
            to.len()
        );
        let at = steps(range.into_inner(), points);
        let costs = self.costs(a, points, |i| between(from.view(), to.view(), at[i]))?;
        Ok(Line { at, costs })
    }

    /// The cost over a [`Plane`], at `points` places along each axis.
    ///
    /// ```
    /// use gradus_landscape::{Landscape, Plane};
    /// use gradus_nn::Mlp;
    /// use gradus_train::Classify;
    /// let iris = gradus_data::iris();
    /// let model = Mlp::builder([4, 8, 3]).seed(1).build::<f32>();
    /// let landscape = Landscape::new(Classify::new(), &iris);
    /// let surface = landscape.surface(&model, Plane::random(&model, 1.0, 0), 11)?;
    /// assert!((surface.costs[[5, 5]] - landscape.cost(&model)?).abs() < 1e-6); // the model is in the middle
    /// # Ok::<(), gradus_landscape::LandscapeError>(())
    /// ```
    ///
    /// # Errors
    /// If there are no examples, or they cannot be read.
    ///
    /// # Panics
    /// If the plane is not of the model's size, or the model does not fit the task and the data.
    #[track_caller]
    pub fn surface<M: Module<T> + Clone>(
        &self,
        model: &M,
        plane: Plane,
        points: usize,
    ) -> Result<Surface, LandscapeError>
    where
        K: Task<T, M, E::Batch>,
    {
        let (x, y) = (steps(plane.range_x, points), steps(plane.range_y, points));
        let costs = self.costs(model, points * points, |i| plane.at(x[i % points], y[i / points]))?;
        let costs = Array2::from_shape_vec((points, points), costs).expect("a cost for each point");
        Ok(Surface { plane, x, y, costs })
    }

    /// The costs at many points, on all cores. A bar shows the progress on a terminal.
    fn costs<M: Module<T> + Clone>(
        &self,
        model: &M,
        count: usize,
        at: impl Fn(usize) -> Array1<f64> + Sync,
    ) -> Result<Vec<f64>, LandscapeError>
    where
        K: Task<T, M, E::Batch>,
    {
        struct Worker<M, T: Float> {
            tape: Tape<T>,
            model: M,
        }
        let rows: Vec<Vec<usize>> = RowBatches::new((0..self.data.len()).collect(), self.batch).collect();
        let threads = self.pool().map_or(1, rayon::ThreadPool::current_num_threads);
        let worker = |_| Worker { tape: Tape::inference(), model: model.clone() };
        let mut workers: Vec<Worker<M, T>> = (0..threads).map(worker).collect();
        let bar = if self.shows_progress() { ProgressBar::new(count as u64) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} points, {eta} left");
        bar.set_style(style.expect("a template of known keys"));
        let mut costs = Vec::with_capacity(count);
        while costs.len() < count {
            let first = costs.len();
            let wave = workers.len().min(count - first);
            let wave = parallel(self.pool(), &mut workers[..wave], |k, Worker { tape, model }| {
                set_parameters(model, &at(first + k));
                let (mut cost, mut total) = (0.0, 0.0);
                for rows in &rows {
                    tape.clear();
                    let batch = self.data.pick(rows)?;
                    let weight = self.task.weight(&batch, rows.len());
                    cost += weight * self.task.forward(model, tape, &batch).1.item().to_f64();
                    total += weight;
                }
                if total == 0.0 { Err(LandscapeError::NoExamples) } else { Ok(cost / total) }
            });
            for cost in wave {
                costs.push(cost?);
            }
            bar.set_position(costs.len() as u64);
        }
        bar.finish_and_clear();
        Ok(costs)
    }
}
