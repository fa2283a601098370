//! The calls that train: a run from its beginning, or from where the last one ended.

use std::ops::ControlFlow;

use gradus_autograd::{Float, Module, ParamId};
use gradus_data::Examples;
use gradus_optim::Descent;

use crate::run::run::Run;
use crate::run::state::State;
use crate::run::trainer::Last;
use crate::{Epoch, History, Task, TrainError, Trainer};

/// The things that a callback can see and change after each step.
#[derive(Debug)]
pub struct AfterStep<'a, M, D> {
    /// the model after the step
    pub model: &'a mut M,
    /// the optimizer after the step
    pub optimizer: &'a mut D,
    /// the history, whose last row is this step
    pub history: &'a History,
    /// the row of the epoch, if this was its last step
    pub epoch: Option<&'a Epoch>,
}

/// The state that earlier calls left.
pub(crate) struct Call<T: Float> {
    pub(crate) before: Option<State<T>>,
    /// the number of earlier calls
    pub(crate) calls: u64,
    /// the settings by name, which must be the same on all ranks
    pub(crate) described: Vec<(String, String)>,
}

impl<D: Descent<T>, T: Float, K> Trainer<D, T, K> {
    /// Trains the model, for the [`epochs`](Trainer::epochs) or [`steps`](Trainer::steps) that were set.
    ///
    /// A second call with the same model goes on where the first one ended, for as many epochs or steps again. The
    /// optimizer, the schedule, the random numbers and the count of epochs go on, so that two fits of 3 epochs are the
    /// same as one of 6, bit for bit (as in Keras), unless [`keep_best`](Trainer::keep_best) gave the model the numbers
    /// of an earlier epoch in between. With other data, the second call starts a new epoch, and no best epoch from
    /// before counts. With another model, even a clone, the call begins anew, so that the folds of a cross-validation
    /// do not learn from each other. A call also begins anew after an error, and after
    /// [`start_anew`](Trainer::start_anew).
    ///
    /// ```
    /// use gradus_nn::Mlp;
    /// use gradus_optim::{Adam, cosine};
    /// use gradus_train::{Trainer, evaluate};
    /// let data = gradus_data::iris();
    /// let opt = Adam::new(0.01).schedule(cosine(30));
    /// let new = || (Mlp::builder([4, 8, 3]).seed(1).build::<f32>(), Trainer::new(opt.clone()));
    /// let ((mut twice, trainer), (mut once, other)) = (new(), new());
    /// let mut trainer = trainer.epochs(3);
    /// trainer.fit(&mut twice, &data, None)?;
    /// let second = trainer.fit(&mut twice, &data, None)?;
    /// assert_eq!((second.epochs[0].epoch, trainer.optimizer().steps()), (4, 30));
    /// other.epochs(6).fit(&mut once, &data, None)?;
    /// assert_eq!(evaluate(&twice, &data).loss(), evaluate(&once, &data).loss());
    /// # Ok::<(), gradus_train::TrainError>(())
    /// ```
    ///
    /// # Errors
    /// If there is no data, the loss, a gradient or a parameter becomes NaN or infinite, a file cannot be read or
    /// written, or a checkpoint does not fit.
    ///
    /// # Panics
    /// If model, task and data do not fit together, or the optimizer refuses them: a group that fits no parameter, a
    /// schedule whose factor is negative or not finite.
    #[track_caller]
    pub fn fit<M: Module<T>, E: Examples>(
        &mut self,
        model: &mut M,
        train: &E,
        valid: Option<&E>,
    ) -> Result<History, TrainError>
    where
        K: Task<T, M, E::Batch>,
    {
        self.fit_with(model, train, valid, |_| ControlFlow::Continue(()))
    }

    /// Does the same as [`fit`](Self::fit), and calls `callback` after each step with the model and the optimizer,
    /// which it may change. `Break` ends the run.
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use gradus_nn::Mlp;
    /// use gradus_optim::{Adam, WeightAverage};
    /// use gradus_train::{Trainer, evaluate};
    /// let digits = gradus_data::digits();
    /// let mut model = Mlp::builder([64, 16, 10]).build::<f32>();
    /// let mut average = WeightAverage::exponential(0.99);
    /// Trainer::new(Adam::new(1e-2)).epochs(2).fit_with(&mut model, &digits.train, None, |at| {
    ///     average.update(at.model);
    ///     match at.epoch {
    ///         Some(row) if row.train.loss < 0.01 => ControlFlow::Break(()),
    ///         _ => ControlFlow::Continue(()),
    ///     }
    /// })?;
    /// assert!(evaluate(&average.applied_to(&model), &digits.test).accuracy() > 0.8);
    /// # Ok::<(), gradus_train::TrainError>(())
    /// ```
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    ///
    /// # Panics
    /// As [`fit`](Self::fit).
    #[track_caller]
    pub fn fit_with<M: Module<T>, E: Examples>(
        &mut self,
        model: &mut M,
        train: &E,
        valid: Option<&E>,
        callback: impl FnMut(AfterStep<'_, M, D>) -> ControlFlow<()>,
    ) -> Result<History, TrainError>
    where
        K: Task<T, M, E::Batch>,
    {
        let own: Vec<ParamId> = model.params().iter().map(|(_, param)| param.id()).collect();
        let before = self.last.take().filter(|last| last.model == own);
        let (mut optimizer, before, calls) = match before {
            Some(Last { optimizer, state: Some(state), calls, .. }) => (optimizer, Some(state), calls),
            _ => (self.optimizer.clone(), None, 0),
        };
        let described = self.settings.ranks.as_ref().map_or(Vec::new(), |_| self.described_for_ranks());
        let plan = (&self.settings, &self.task);
        let result = Run::prepare(plan, (model, &mut optimizer), (train, valid), Call { before, calls, described });
        let result = result.and_then(|mut run| {
            if run.is_past(calls) {
                return Ok(run.leave());
            }
            run.run(callback)?;
            run.finish()
        });
        let (result, state) = match result {
            Ok((history, state)) => (Ok(history), Some(state)),
            Err(error) => (Err(error), None),
        };
        self.last = Some(Last { optimizer, state, model: own, calls: calls + 1 });
        result
    }
}
