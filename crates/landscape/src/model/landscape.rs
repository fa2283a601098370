//! The cost of a model over a data set.

use std::fmt;
use std::num::NonZero;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;

use gradus_autograd::{Float, Module, Tape, Var};
use gradus_data::{Examples, RowBatches};
use gradus_train::internal::{ArraySum, tree};
use gradus_train::{CostOf, Ranks, Task, parallel};
use ndarray::{Array1, ArrayView1};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{LandscapeError, finite};
use crate::model::parameters::{joined, learned, split, zeros};

/// The mean cost over a data set, as a function of a model's parameters: the landscape that a descent walks through.
///
/// It is made from a task and the data, and every method takes the model, so that one landscape serves many points of
/// it: the cost and the gradient, the curvature ([`hessian`](Self::hessian), [`gauss_newton`](Self::gauss_newton),
/// [`empirical_fisher`](Self::empirical_fisher)), the cost along [lines](Self::line) and over
/// [planes](Self::surface).
///
/// The data are run in batches, on all cores, and the results of the batches are added in the order of a fixed tree:
/// they are the same, bit for bit, whatever the number of threads. Memory is needed for the batches at work and a few
/// vectors.
///
/// Layers behave as in inference: dropout passes everything on, and batch normalisation uses its running statistics. So
/// the cost is a function of the parameters alone. The curvature of a network with batch normalisation is therefore not
/// that which its training met.
///
/// ```
/// use gradus_landscape::{Lanczos, Landscape};
/// use gradus_nn::Mlp;
/// use gradus_train::Classify;
/// let digits = gradus_data::digits();
/// let model = Mlp::builder([64, 8, 10]).seed(1).build::<f32>();
/// let landscape = Landscape::new(Classify::new(), &digits.test);
/// let hessian = landscape.hessian(&model);
/// let top = Lanczos::largest(2).run(&hessian)?;
/// println!("{top}");
/// assert!(top.values[0] > 0.0);
/// # Ok::<(), gradus_landscape::LandscapeError>(())
/// ```
pub struct Landscape<K, E, T: Float = f32> {
    pub(crate) task: K,
    pub(crate) data: E,
    pub(crate) batch: usize,
    progress: bool,
    pool: Option<ThreadPool>,
    /// the processes that share the batches, if there are several
    ranks: Option<Arc<dyn Ranks>>,
    /// some tapes for each thread
    tapes: Mutex<Vec<Tape<T>>>,
}

impl<K, E, T: Float> fmt::Debug for Landscape<K, E, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Landscape")
            .field("batch", &self.batch)
            .field("threads", &self.pool.as_ref().map_or(1, ThreadPool::current_num_threads))
            .finish()
    }
}

/// How many batches a thread is given at once, so that threads do not wait for each other after every batch.
const SHARE: usize = 4;

/// How much the examples of a batch weigh.
pub(crate) struct Weights {
    /// the number of examples
    pub(crate) examples: usize,
    /// the weight of each; `None` if all weigh the same
    pub(crate) each: Option<Vec<f64>>,
    /// the divisor of the batch's mean cost
    pub(crate) sum: f64,
}

/// The sums over some batches: of their weighted costs, of the weights, and of their weighted vectors, if they have
/// any.
struct Sums {
    cost: f64,
    weight: f64,
    vector: Option<Array1<f64>>,
}

impl Sums {
    fn of(((mean, vector), weight): (Part, f64)) -> Self {
        Sums { cost: weight * mean, weight, vector: vector.map(|vector| vector * weight) }
    }

    fn add(mut self, more: Self) -> Self {
        self.cost += more.cost;
        self.weight += more.weight;
        if let (Some(sum), Some(vector)) = (&mut self.vector, &more.vector) {
            *sum += vector;
        }
        self
    }
}

/// What a batch adds: its mean cost, and perhaps a vector.
type Part = (f64, Option<Array1<f64>>);

/// Adds up the sums of each rank's subtrees.
fn sum_over_ranks(
    ranks: &mut ArraySum<f64>,
    batches: usize,
    own: Vec<Sums>,
    failure: Option<LandscapeError>,
) -> Result<Option<Sums>, LandscapeError> {
    let length = own.first().map(|sums| sums.vector.as_ref().map(Array1::len));
    let told = ranks.gather(&(failure.as_ref().map(LandscapeError::to_string), batches, length));
    failure.map_or(Ok(()), Err)?;
    let known = told.iter().find_map(|(.., length)| *length);
    for (rank, (failure, theirs, length)) in told.into_iter().enumerate() {
        let other = (theirs != batches).then(|| format!("it has {theirs} batches, this rank {batches}"));
        let model = || (length.is_some() && length != known).then(|| "its model has other parameters".to_owned());
        if let Some(reason) = failure.or(other).or_else(model) {
            return Err(LandscapeError::OtherRank { rank, reason });
        }
    }
    let length = known.flatten();
    let array = |sums: Sums| {
        let mut array = vec![sums.cost, sums.weight];
        array.extend(sums.vector.into_iter().flatten());
        array
    };
    let mut arrays: Vec<Vec<f64>> = own.into_iter().map(array).collect();
    if arrays.is_empty() {
        arrays.push(vec![-0.0; 2 + length.unwrap_or(0)]); // −0 changes no number that it is added to
    }
    ranks.add(batches, &mut arrays.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>());
    let mut sum = arrays.swap_remove(0);
    let vector = length.map(|_| Array1::from_vec(sum.split_off(2)));
    Ok(Some(Sums { cost: sum[0], weight: sum[1], vector }))
}

impl<E, T: Float> Landscape<(), E, T> {
    /// The landscape of a cost of your own: a closure that returns the mean cost of a batch, as
    /// [`Trainer::cost`](gradus_train::Trainer::cost) takes.
    ///
    /// ```
    /// use gradus_autograd::{Param, Tape};
    /// use gradus_landscape::{Landscape, eigenvalues};
    /// use ndarray::{Array1, array};
    /// let (x, y) = (array![0.0, 1.0, 2.0, 3.0], array![1.0, 3.0, 5.0, 7.0]);
    /// let line = (Param::new(0.0), Param::new(0.0)); // y = m x + b
    /// let landscape = Landscape::of_cost((x, y), |(m, b): &(Param<f64>, Param<f64>), t, (x, y): &(Array1<f64>, _)| {
    ///     (t.param(m) * x + b - y).square().mean()
    /// });
    /// let (cost, gradient) = landscape.gradient(&line)?;
    /// assert_eq!((cost, gradient), (21.0, array![-17.0, -8.0]));
    /// assert!(eigenvalues(&landscape.hessian(&line))?.iter().all(|e| *e > 0.0)); // a bowl
    /// # Ok::<(), gradus_landscape::LandscapeError>(())
    /// ```
    pub fn of_cost<M: Module<T>, F>(data: E, cost: F) -> Landscape<CostOf<F>, E, T>
    where
        E: Examples,
        F: for<'t> Fn(&M, &'t Tape<T>, &E::Batch) -> Var<'t, T> + Sync,
    {
        Landscape::new(CostOf::new(cost), data)
    }
}

impl<K, E: Examples, T: Float> Landscape<K, E, T> {
    /// The landscape of a task, such as [`Classify`](gradus_train::Classify), over examples. It takes 256 examples at a
    /// time, on all cores.
    pub fn new(task: K, data: E) -> Self {
        let threads = available_parallelism().map_or(1, NonZero::get);
        Landscape { task, data, batch: 256, progress: true, pool: None, ranks: None, tapes: Mutex::default() }
            .threads(threads)
    }

    /// Sets how many examples are run at once. It changes results in their last digits, since sums are split
    /// differently.
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn batch_size(mut self, examples: usize) -> Self {
        assert!(examples > 0, "Landscape: a batch holds at least one example");
        self.batch = examples;
        self
    }

    /// Sets how many threads work on the batches. This changes only the speed.
    ///
    /// # Panics
    /// If it is 0, or the system cannot start the threads.
    #[track_caller]
    pub fn threads(mut self, threads: usize) -> Self {
        assert!(threads > 0, "Landscape: there must be at least one thread");
        self.pool = (threads > 1)
            .then(|| ThreadPoolBuilder::new().num_threads(threads).build().expect("the system gives no threads"));
        self.tapes = Mutex::new((0..SHARE * threads).map(|_| Tape::evaluation()).collect());
        self
    }

    /// Lets several processes share the batches: each of the [`Ranks`] reads and computes its part of them, and all get
    /// the same sums, bit for bit those of one process. The cost, the gradient and the curvature are computed so, and
    /// with them all solvers; lines and planes are computed whole by each rank. All ranks must call the same methods
    /// with the same model and data.
    ///
    /// ```
    /// use gradus_landscape::{Lanczos, Landscape};
    /// use gradus_nn::Mlp;
    /// use gradus_train::{Classify, LocalRanks};
    /// let digits = gradus_data::digits();
    /// let top = LocalRanks::run(2, |ranks| {
    ///     let model = Mlp::builder([64, 8, 10]).seed(1).build::<f32>();
    ///     let landscape = Landscape::new(Classify::new(), &digits.test).distributed(&ranks);
    ///     Lanczos::largest(1).run(&landscape.hessian(&model)).unwrap().values[0]
    /// });
    /// assert_eq!(top[0], top[1]);
    /// ```
    pub fn distributed(self, ranks: &(impl Ranks + Clone + 'static)) -> Self {
        Landscape { ranks: Some(Arc::new(ranks.clone())), ..self }
    }

    /// Sets whether a bar on a terminal shows the progress of [`line`](Self::line) and [`surface`](Self::surface). It
    /// does by default.
    pub fn progress(mut self, progress: bool) -> Self {
        self.progress = progress;
        self
    }

    pub(crate) fn shows_progress(&self) -> bool {
        self.progress
    }

    pub(crate) fn pool(&self) -> Option<&ThreadPool> {
        self.pool.as_ref()
    }

    /// The mean cost.
    ///
    /// # Errors
    /// If there are no examples or they cannot be read, or the cost is not finite.
    ///
    /// # Panics
    /// If the model, the task and the data do not fit together.
    pub fn cost<M: Module<T>>(&self, model: &M) -> Result<f64, LandscapeError>
    where
        K: Task<T, M, E::Batch>,
    {
        let (cost, _) = self.mean(&self.data, model, |_, cost, _| Ok((cost.item().to_f64(), None)))?;
        finite("the cost", cost.is_finite())?;
        Ok(cost)
    }

    /// The mean cost and its gradient by the [`parameters`](crate::parameters).
    ///
    /// # Errors
    /// If there are no examples or they cannot be read, or a number is not finite.
    ///
    /// # Panics
    /// If the model, the task and the data do not fit together.
    pub fn gradient<M: Module<T>>(&self, model: &M) -> Result<(f64, Array1<f64>), LandscapeError>
    where
        K: Task<T, M, E::Batch>,
    {
        self.gradient_over(&self.data, model)
    }

    /// The mean cost over other examples, and its gradient.
    pub(crate) fn gradient_over<M: Module<T>, F: Examples<Batch = E::Batch>>(
        &self,
        data: &F,
        model: &M,
    ) -> Result<(f64, Array1<f64>), LandscapeError>
    where
        K: Task<T, M, E::Batch>,
    {
        let params = learned(model);
        let (cost, gradient) = self.mean(data, model, |_, cost, _| {
            let gradient = match cost.is_differentiated() {
                true => joined(&params, &cost.backward()),
                false => zeros(&params), // all is frozen, or the cost is constant
            };
            Ok((cost.item().to_f64(), Some(gradient)))
        })?;
        let gradient = gradient.expect("every batch has a gradient");
        finite("the cost", cost.is_finite())?;
        finite("the gradient", gradient.iter().all(|g| g.is_finite()))?;
        Ok((cost, gradient))
    }

    /// The mean over all examples of what `part` computes as the mean over a batch, from its outputs, its cost and its
    /// weights.
    pub(crate) fn mean<M: Module<T>, F: Examples<Batch = E::Batch>>(
        &self,
        data: &F,
        model: &M,
        part: impl for<'t> Fn(Var<'t, T>, Var<'t, T>, &Weights) -> Result<Part, LandscapeError> + Sync,
    ) -> Result<Part, LandscapeError>
    where
        K: Task<T, M, E::Batch>,
    {
        // a panic in a cost leaves nothing behind that the next use would meet: tapes are cleared first
        let mut tapes = self.tapes.lock().unwrap_or_else(PoisonError::into_inner);
        let rows: Vec<Vec<usize>> = RowBatches::new((0..data.len()).collect(), self.batch).collect();
        if rows.is_empty() {
            return Err(LandscapeError::NoExamples);
        }
        let mut over_ranks = self.ranks.as_ref().map(ArraySum::over);
        let own = over_ranks.as_ref().map_or(0..rows.len(), |ranks| ranks.share(rows.len()));
        let (mut waiting, mut ready) = (rows[own.clone()].chunks(tapes.len()), Vec::new().into_iter());
        let mut failure = None;
        let mut batch = |range: &Range<usize>| {
            if range.len() > 1 {
                return None;
            }
            if ready.len() == 0 {
                let wave = waiting.next().expect("each batch is asked for once");
                let parts = parallel(self.pool(), &mut tapes[..wave.len()], |k, tape| {
                    tape.clear();
                    let batch = data.pick(&wave[k])?;
                    let (examples, each) = (wave[k].len(), self.task.weights(&batch));
                    let weights = Weights { examples, each, sum: self.task.weight(&batch, examples) };
                    let (outputs, mean) = self.task.forward(model, tape, &batch);
                    part(outputs, mean, &weights).map(|part| (part, weights.sum))
                });
                ready = parts.into_iter();
            }
            let sums = ready.next().expect("a result for each batch").map(Sums::of);
            Some(sums.map_err(|error| _ = failure.get_or_insert(error)).ok())
        };
        // the sum of what failed is never looked at
        let mut add = |a: Option<Sums>, b: Option<Sums>| Some(a?.add(b?));
        let trees = tree::subtrees(0..rows.len(), &own).into_iter();
        let sums: Vec<Option<Sums>> = trees.map(|tree| tree::sum(tree, &mut batch, &mut add)).collect();
        let total = match &mut over_ranks {
            None => failure.map_or(Ok(sums.into_iter().flatten().next()), Err)?,
            Some(ranks) => sum_over_ranks(ranks, rows.len(), sums.into_iter().flatten().collect(), failure)?,
        };
        let Some(Sums { cost, weight, vector }) = total.filter(|sums| sums.weight != 0.0) else {
            return Err(LandscapeError::NoExamples);
        };
        Ok((cost / weight, vector.map(|sum| sum / weight)))
    }

    /// The derivative along a direction of what each example adds to the mean cost, times the number of examples: for
    /// examples that weigh the same, the derivative of the example's cost.
    pub(crate) fn along_each<M: Module<T>>(
        &self,
        model: &M,
        direction: ArrayView1<'_, f64>,
    ) -> Result<Array1<f64>, LandscapeError>
    where
        K: Task<T, M, E::Batch>,
    {
        let params = learned(model);
        let moves = split(&params, direction);
        let mut tapes = self.tapes.lock().unwrap_or_else(PoisonError::into_inner);
        let rows: Vec<usize> = (0..self.data.len()).collect();
        let share = rows.len().div_ceil(tapes.len()).max(1);
        let mut shares: Vec<(&[usize], &mut Tape<T>)> = rows.chunks(share).zip(tapes.iter_mut()).collect();
        let slopes = parallel(self.pool(), &mut shares, |_, (rows, tape)| {
            let slope = |&row: &usize| {
                tape.clear();
                let example = self.data.pick(&[row])?;
                let weight = self.task.weight(&example, 1);
                let (_, cost) = self.task.forward(model, tape, &example);
                let slope = cost.jvp(params.iter().copied().zip(&moves)).sum().to_f64();
                finite("the slope of an example's cost", slope.is_finite())?;
                Ok((weight, slope))
            };
            rows.iter().map(slope).collect::<Result<Vec<_>, LandscapeError>>()
        });
        let slopes = slopes.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
        let share = slopes.len() as f64 / slopes.iter().map(|(weight, _)| weight).sum::<f64>();
        Ok(slopes.into_iter().map(|(weight, slope)| weight * share * slope).collect())
    }
}
