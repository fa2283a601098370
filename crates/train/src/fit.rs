//! The training loop.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::thread::scope;
use std::time::Instant;

use gradus_autograd::{Float, Gradients, Module, ParamId, Stream, Tape};
use gradus_data::{Examples, FileError, prefetch};
use gradus_optim::{Optimizer, Rule};

use crate::checkpoint::load_checked;
use crate::evaluate::{self, Predictions};
use crate::history::{Ended, Epoch, History, StepRow};
use crate::leaves::unfit;
use crate::options::{Length, Part, Step};
use crate::parallel::Shards;
use crate::progress::Progress;
use crate::state::{State, first_not_finite};
use crate::trainer::Last;
use crate::{Checkpoints, LoadError, Scores, Task, TrainError, Trainer, signal};

/// What a callback sees, after each step.
#[derive(Debug)]
pub struct Moment<'a, M, R: Rule, T: Float> {
    /// after the step
    pub model: &'a mut M,
    /// after the step
    pub optimizer: &'a mut Optimizer<R, T>,
    /// with the step as its last
    pub history: &'a History,
    /// after the last step of an epoch, that epoch
    pub epoch: Option<&'a Epoch>,
}

impl<R: Rule, T: Float, K> Trainer<R, T, K> {
    /// Trains the model, for the [`epochs`](Trainer::epochs) or [`steps`](Trainer::steps) that were set.
    ///
    /// A second call with the same model goes on where the first one ended, for as many more: optimizer, schedule, random
    /// numbers and the count of epochs go on, so that two fits of 3 epochs are one of 6, bit for bit (Keras does so too),
    /// unless [`keep_best`](Trainer::keep_best) gave the model the numbers of an earlier epoch in between. On other data it
    /// goes on with a new epoch, and nothing that was best before counts. Another model, a clone also, begins anew, so that
    /// the folds of a cross-validation do not learn from each other; so does a call after an error, and
    /// [`start_anew`](Trainer::start_anew) asks for it.
    ///
    /// ```
    /// use gradus_nn::Mlp;
    /// use gradus_optim::{Adam, cosine};
    /// use gradus_train::{Trainer, evaluate};
    /// let data = gradus_data::iris();
    /// let new = || (Mlp::builder([4, 8, 3]).seed(1).build::<f32>(), Trainer::new(Adam::new(0.01).schedule(cosine(30))));
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
    /// If there is no data, the loss, a gradient or a parameter becomes NaN or infinite, a file cannot be read or written,
    /// or a checkpoint does not fit.
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

    /// [`fit`](Self::fit), and calls back after each step, with model and optimizer, to look at or to change; `Break`
    /// ends the run.
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
    ///     if at.epoch.is_some_and(|row| row.train.loss < 0.01) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
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
        callback: impl FnMut(Moment<'_, M, R, T>) -> ControlFlow<()>,
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
        let mut left = None;
        let result = self.run(&mut optimizer, (before, calls, &mut left), model, (train, valid), callback);
        self.last = Some(Last { optimizer, state: left, model: own, calls: calls + 1 });
        result
    }

    #[track_caller]
    fn run<M: Module<T>, E: Examples>(
        &self,
        optimizer: &mut Optimizer<R, T>,
        (before, calls, left): (Option<State<T>>, u64, &mut Option<State<T>>),
        model: &mut M,
        (train, valid): (&E, Option<&E>),
        mut callback: impl FnMut(Moment<'_, M, R, T>) -> ControlFlow<()>,
    ) -> Result<History, TrainError>
    where
        K: Task<T, M, E::Batch>,
    {
        let Trainer { task, options, .. } = self;
        let rows = train.len();
        let steps_per_epoch = options.batches((0..rows).collect()).len() as u64;
        if steps_per_epoch == 0 {
            return Err(TrainError::Empty);
        }
        unfit(model).map_or(Ok(()), |reason| Err(TrainError::Model { reason }))?;
        let goal = options.goal(task.metrics())?;
        let listening = options.ctrl_c.then(signal::listen).transpose().map_err(TrainError::Signal)?;
        let asked_to_stop = || listening.is_some() && signal::is_asked_to_stop();
        if let Some(schedule) = &options.schedule {
            *optimizer = optimizer.clone().schedule(schedule.clone().every(steps_per_epoch));
        }
        let stopping = options.stopping.clone().map(|stopping| stopping.goal(goal));
        let plateau = options.plateau.clone().map(|plateau| plateau.goal(goal));
        let mut state = State::new(options.fixed(rows, valid.map(E::len)), stopping, plateau);
        let goes_on = before.is_some();
        if let Some(before) = before {
            state = before.go_on(state, calls);
        }
        let rows_before = [state.history.epochs.len(), state.history.steps.len(), state.history.notes.len()];
        if valid.is_some_and(|valid| valid.len() == 0) {
            state.history.notes.push("the validation data holds no examples: there is no validation loss".into());
        }
        let mut last_checkpoint = None;
        if let Some(checkpoints) = &options.checkpoints {
            if !goes_on {
                if let Some((saved, path)) = resume(checkpoints, &state, steps_per_epoch, model, optimizer)? {
                    (state, last_checkpoint) = (saved, Some(path));
                }
            } else if let Some((step, path)) = checkpoints.list()?.pop().filter(|(step, _)| *step > state.step()) {
                let folder = path.parent().unwrap_or(&path).to_owned(); // of another run
                return Err(TrainError::Occupied { folder, last: format!("step {step}") });
            }
            checkpoints.prepare()?;
        }
        if state.calls > calls {
            // resumed from within a later call of the program: this one is over
            let history = state.history.since(rows_before);
            *left = Some(state);
            return Ok(history);
        }
        options.logs.iter().try_for_each(|path| state.history.write(path))?; // a folder that is not there is known now

        // no step has more parts than a batch has rows
        let mut shards = Shards::new(options.shards.min(options.batch_size), options.threads, options.seed);
        shards.name_parameters(model);
        shards.set_step(state.passes);
        let mut inference: Vec<Tape<T>> = (0..shards.count()).map(|_| Tape::inference()).collect();
        let mut validate = |shards: &Shards<T>, model: &M| -> Result<Option<Scores>, FileError> {
            let evaluation = valid.map(|data| evaluate::run(&mut inference, shards.pool(), model, task, data));
            Ok(evaluation.transpose()?.map(|evaluation| evaluation.scores))
        };
        let of = match options.length {
            Length::Epochs(epochs) => format!("/{}", epochs.saturating_add(state.begun[0])),
            Length::Steps(_) => String::new(),
        };
        let mut progress = Progress::new(options.progress, of);
        let mut ended = asked_to_stop().then_some(Ended::Interrupted { checkpoint: None });
        while ended.is_none() && !options.is_complete(&state) {
            progress.begin(state.epoch + 1, state.batch as usize, steps_per_epoch as usize);
            let order = options.sampling.rows(rows, options.seed, state.epoch + 1);
            let batches = options.batches(order).from_batch(state.batch as usize);
            let steps = batches.zip(state.step()..).map(|(rows, step)| options.load(task, train, &rows, step));
            scope(|scope| -> Result<(), TrainError> {
                let steps: Box<dyn Iterator<Item = Result<Step<E::Batch>, FileError>>> = match options.prefetch {
                    0 => Box::new(steps),
                    ahead => Box::new(prefetch(scope, steps, ahead)),
                };
                let mut start = Instant::now();
                for step in steps {
                    let step = step?;
                    let lr = optimizer.lr();
                    let (loss, seen, grads) = gradients(&mut shards, task, &*model, &step);
                    let unfit = match loss.is_finite() {
                        true => optimizer.try_step(model, &grads).err(),
                        false => None,
                    };
                    if !loss.is_finite() || unfit.is_some() {
                        let cause = unfit.map_or(format!("the loss is {loss}"), |gradient| {
                            format!("the gradient of `{}` is {}", gradient.path, gradient.value)
                        });
                        let report = explain(task, &*model, &step.waves, options.seed, state.passes);
                        return Err(diverged(&state, cause, lr, report, last_checkpoint.take()));
                    }
                    state.passes = shards.step();
                    state.add(StepRow { loss, lr }, step.weight, seen.as_ref(), task.metrics());
                    progress.step(state.epoch + 1, state.batch as usize, loss);

                    let mut row = None;
                    let last = state.batch == steps_per_epoch || options.is_complete(&state);
                    if last && let Some((path, value)) = first_not_finite(&*model) {
                        let cause = format!("`{path}` became {value}");
                        return Err(diverged(&state, cause, lr, None, last_checkpoint.take()));
                    }
                    if state.batch == steps_per_epoch {
                        let scores = validate(&shards, &*model)?;
                        state.took(start.elapsed().as_secs_f64());
                        let epoch = state.row(scores, task.metrics());
                        if let Some(factor) = options.observe(&mut state, &epoch, goal, &*model)? {
                            optimizer.set_factor(factor);
                        }
                        state.advance();
                        row = Some(epoch);
                    } else {
                        state.took(start.elapsed().as_secs_f64());
                    }
                    start = Instant::now();
                    let flow = callback(Moment { model, optimizer, history: &state.history, epoch: row.as_ref() });
                    ended = match flow {
                        _ if state.over => Some(Ended::Early),
                        ControlFlow::Break(()) => Some(Ended::Callback),
                        _ if asked_to_stop() => Some(Ended::Interrupted { checkpoint: None }),
                        ControlFlow::Continue(()) => None,
                    };
                    let over = ended.is_some() || options.is_complete(&state);
                    if over && let Some((path, value)) = first_not_finite(&*model).filter(|_| !last) {
                        let cause = format!("`{path}` became {value}");
                        return Err(diverged(&state, cause, lr, None, last_checkpoint.take()));
                    }
                    if let Some(checkpoints) = &options.checkpoints
                        && (over || checkpoints.is_due(state.step(), row.as_ref().map(|row| row.epoch)))
                    {
                        if let Some((path, value)) = first_not_finite(&*model).filter(|_| !last && !over) {
                            let cause = format!("`{path}` became {value}"); // and is not to push a good checkpoint out
                            return Err(diverged(&state, cause, lr, None, last_checkpoint.take()));
                        }
                        last_checkpoint = Some(checkpoints.save(state.step(), model, optimizer, &state)?);
                    }
                    if let Some(row) = row {
                        options.logs.iter().try_for_each(|path| state.history.write(path))?;
                        progress.end(&row);
                    }
                    if over {
                        break;
                    }
                }
                Ok(())
            })?;
        }
        let mut end = (ended.is_none() && state.batch > 0).then(|| state.clone());
        if let Some(state) = &mut end {
            // the steps end within an epoch. What follows is not in the checkpoint: a run of more steps goes on without it
            let row = state.row(validate(&shards, &*model)?, task.metrics());
            options.observe(state, &row, goal, &*model)?;
            options.logs.iter().try_for_each(|path| state.history.write(path))?;
            progress.end(&row);
        }
        let end_state = end.as_mut().unwrap_or(&mut state);
        end_state.history.ended = match ended {
            Some(Ended::Interrupted { .. }) => {
                progress.say(&how_to_go_on(end_state.step(), last_checkpoint.as_deref()));
                Ended::Interrupted { checkpoint: last_checkpoint }
            }
            Some(ended) => ended,
            None if end_state.over => Ended::Early,
            None => Ended::Finished,
        };
        if !matches!(end_state.history.ended, Ended::Interrupted { .. }) {
            end_state.history.notes.extend(options.without_best(end_state));
            end_state.restore_best(model)?;
        }
        let history = end_state.history.since(rows_before);
        history.notes.iter().for_each(|note| progress.say(note));
        *left = Some(state);
        Ok(history)
    }
}

/// What is said when a run was interrupted.
fn how_to_go_on(step: u64, checkpoint: Option<&Path>) -> String {
    match checkpoint {
        Some(path) => {
            format!("stopped after step {step}, saved as {}; run it again with `resume()` to go on", path.display())
        }
        None => format!("stopped after step {step}; nothing was saved, since no checkpoints were asked for"),
    }
}

/// The mean cost of a step, what metrics look at, and the gradients.
fn gradients<T: Float, M: Module<T>, B: Send + Sync>(
    shards: &mut Shards<T>,
    task: &impl Task<T, M, B>,
    model: &M,
    step: &Step<B>,
) -> (f64, Option<Predictions<T>>, Gradients<T>) {
    let (mut loss, mut seen, mut sum) = (0.0, Vec::new(), None::<Gradients<T>>);
    for wave in &step.waves {
        let (value, predictions, gradients) = shards.gradients_of(wave, |tape, part| {
            let (outputs, cost) = task.forward(model, tape, &part.batch);
            let share = if step.weight > 0.0 { part.weight / step.weight } else { 0.0 };
            (if share == 1.0 { cost } else { cost * share }, task.predictions(outputs, &part.batch))
        });
        loss += value.to_f64();
        seen.extend(predictions.into_iter().flatten());
        match &mut sum {
            None => sum = Some(gradients),
            Some(sum) => sum.add(&gradients),
        }
    }
    (loss, (!seen.is_empty()).then(|| Predictions::concat(seen)), sum.expect("a step has a part"))
}

/// Where the last saved run in the folder stands, if there is one.
fn resume<T: Float, M: Module<T>, R: Rule>(
    checkpoints: &Checkpoints,
    new: &State<T>,
    steps_per_epoch: u64,
    model: &mut M,
    optimizer: &mut Optimizer<R, T>,
) -> Result<Option<(State<T>, PathBuf)>, TrainError> {
    let mut all = checkpoints.list()?;
    let Some((step, path)) = all.pop() else { return Ok(None) };
    if !checkpoints.resumes() {
        let folder = path.parent().unwrap_or(&path).to_owned();
        return Err(TrainError::Occupied { folder, last: format!("step {step}") });
    }
    let saved = load_checked(&path, model, optimizer, |saved: &State<T>, model| {
        let differences = new.fixed.differences(&saved.fixed);
        if !differences.is_empty() {
            return Err(LoadError::Settings { path: path.clone(), differences });
        }
        let damaged = |reason| Err(LoadError::Content { path: path.clone(), reason });
        saved.flaw(new, steps_per_epoch, model).map_or(Ok(()), damaged)
    });
    match (saved, all.pop()) {
        (Ok(saved), _) => Ok(Some((saved, path))),
        (
            // all but what says that it is of another run
            Err(
                error @ (LoadError::Length { .. }
                | LoadError::Checksum { .. }
                | LoadError::Magic { .. }
                | LoadError::Version { .. }
                | LoadError::TooLarge { .. }
                | LoadError::Content { .. }
                | LoadError::File(_)),
            ),
            Some((_, older)),
        ) => Err(TrainError::Damaged { error: Box::new(error), older }),
        (Err(error), _) => Err(error.into()),
    }
}

/// The error of a step that cannot be made.
fn diverged<T: Float>(
    state: &State<T>,
    cause: String,
    lr: f64,
    report: Option<String>,
    checkpoint: Option<PathBuf>,
) -> TrainError {
    // parameters were finite when they were last looked at, so a leaf that is not is most likely what went in
    let advice = if report.as_ref().is_some_and(|text| text.starts_with("a leaf made")) {
        "the data hold it; look for what is missing or too large"
    } else {
        "the descent diverged; try a smaller learning rate, warm-up, or `clip_norm`"
    };
    TrainError::Diverged { step: state.step(), epoch: state.epoch + 1, cause, advice, lr, report, checkpoint }
}

/// The first operation of a step that made a number that is not finite.
fn explain<T: Float, M: Module<T>, B>(
    task: &impl Task<T, M, B>,
    model: &M,
    waves: &[Vec<Part<B>>],
    seed: u64,
    step: u64,
) -> Option<String> {
    let mut tape = Tape::training(seed);
    tape.name_parameters(model);
    (step..).zip(waves).find_map(|(step, wave)| {
        (0..).zip(wave).find_map(|(shard, part)| {
            tape.set_stream(Stream { seed, step, shard });
            tape.find_anomaly(|t| task.forward(model, t, &part.batch).1).map(without_own_lines)
        })
    })
}

/// A report without the lines of this crate: where a built-in task calls the layers says nothing to a user.
fn without_own_lines(mut report: String) -> String {
    let own = Path::new(file!()).parent().map_or(String::new(), |folder| format!(" ({}", folder.display()));
    while let Some(start) = report.find(&own).filter(|_| own.len() > 2) {
        let end = report[start..].find(')').map_or(report.len(), |end| start + end + 1);
        report.replace_range(start..end, "");
    }
    report
}
