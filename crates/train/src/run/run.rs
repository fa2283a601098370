//! The training loop, one method for each of its parts.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::scope;
use std::time::Instant;

use gradus_autograd::{Float, Module, Tape};
use gradus_data::{Examples, FileError, Sampling, prefetch};
use gradus_optim::{Descent, Goal};

use crate::files::leaves::unfit;
use crate::learn::evaluate;
use crate::ranks::team::{Team, of_model};
use crate::ranks::tree::share;
use crate::run::fit::{AfterStep, Call};
use crate::run::progress::Progress;
use crate::run::resume;
use crate::run::settings::{Length, Settings};
use crate::run::shards::Shards;
use crate::run::signal::{self, Listening};
use crate::run::state::{State, first_not_finite};
use crate::run::step::{Step, diverged, explain, gradients};
use crate::run::together::{Together, Wish};
use crate::{Ended, Epoch, History, Scores, StepRow, Task, TrainError};

/// A run: its settings, the model and the data, its state, and the tools that it works with.
pub(crate) struct Run<'a, D, T: Float, M, E, K> {
    settings: &'a Settings,
    task: &'a K,
    model: &'a mut M,
    optimizer: &'a mut D,
    train: &'a E,
    valid: Option<&'a E>,
    /// whether the watched metric should rise or fall
    goal: Goal,
    steps_per_epoch: u64,
    state: State<T>,
    /// the numbers of epochs, steps and notes that the history had before
    rows_before: [usize; 3],
    ended: Option<Ended>,
    last_checkpoint: Option<PathBuf>,
    shards: Shards<T>,
    inference: Vec<Tape<T>>,
    progress: Progress,
    listening: Option<Listening>,
    /// the other ranks, if there are any
    together: Option<Together>,
    /// a reason to stop that the other ranks do not know of yet
    wish: Option<Wish>,
}

impl<'a, D: Descent<T>, T: Float, M: Module<T>, E: Examples, K: Task<T, M, E::Batch>> Run<'a, D, T, M, E, K> {
    /// Checks everything that can be wrong before the first step, and goes on where an earlier call or a saved run
    /// ended.
    #[track_caller]
    pub(crate) fn prepare(
        (settings, task): (&'a Settings, &'a K),
        (model, optimizer): (&'a mut M, &'a mut D),
        (train, valid): (&'a E, Option<&'a E>),
        call: Call<T>,
    ) -> Result<Self, TrainError> {
        let ranks = settings.ranks.as_ref().filter(|ranks| ranks.count() > 1);
        let team = ranks.map(|ranks| Team::new(Arc::clone(ranks)));
        if let Some(team) = &team {
            let fixed = settings.fixed(train.len(), valid.map(E::len));
            team.same(call.described.into_iter().chain(fixed.rows()).chain(of_model(model)))?;
            team.has_work(settings.shards.min(settings.batch_size) * settings.accumulate)?;
        }
        let speaks = team.as_ref().is_none_or(|team| team.rank() == 0);
        let mut check = || {
            let steps_per_epoch = settings.steps_per_epoch(train.len())?;
            unfit(model).map_or(Ok(()), |reason| Err(TrainError::Model { reason }))?;
            let goal = settings.goal(task.metrics())?;
            let listening = (settings.ctrl_c || team.is_some()).then(|| signal::listen(speaks)).transpose();
            let listening = match listening {
                Err(_) if !settings.ctrl_c => None, // it was not asked for, and the program has a handler of its own
                listening => listening.map_err(TrainError::Signal)?,
            };
            match team.as_ref().filter(|_| settings.shard_optimizer) {
                Some(team) if !optimizer.set_spread(Arc::new(team.clone())) => Err(TrainError::Ranks {
                    reason: "`shard_optimizer`: this way of descent keeps its state whole; leave the setting out"
                        .into(),
                }),
                _ => Ok((steps_per_epoch, goal, listening)),
            }
        };
        let checked = check();
        let (steps_per_epoch, goal, listening) = match &team {
            None => checked?,
            Some(team) => team.agree(checked)?, // none goes on alone
        };
        if let Some(schedule) = &settings.schedule {
            optimizer.set_schedule(schedule.clone().every(steps_per_epoch));
        }
        fixed_batches(settings, &*optimizer, steps_per_epoch);
        // no step has more parts than a batch has rows
        let shards = Shards::new(settings.shards.min(settings.batch_size), settings.threads, settings.seed);
        let shards = match &team {
            None => shards,
            Some(team) => shards.by(team.clone(), model),
        };
        let shards = match settings.overlap {
            None => shards,
            Some(overlap) => shards.overlap(overlap),
        };
        shards.name_parameters(model);
        let mut run = Run {
            state: State::new(settings, goal, train.len(), valid.map(E::len)),
            settings,
            task,
            model,
            optimizer,
            train,
            valid,
            goal,
            steps_per_epoch,
            rows_before: [0; 3],
            ended: None,
            last_checkpoint: None,
            inference: (0..shards.count()).map(|_| Tape::inference()).collect(),
            shards,
            progress: Progress::new(settings.progress, speaks),
            listening,
            together: team.map(Together::new),
            wish: None,
        };
        run.go_on(call.before, call.calls)?;
        Ok(run)
    }

    /// Takes over the state of an earlier call, or of the last checkpoint.
    fn go_on(&mut self, before: Option<State<T>>, calls: u64) -> Result<(), TrainError> {
        let goes_on = before.is_some();
        if let Some(before) = before {
            self.state = before.go_on(self.state.clone(), calls);
        }
        let history = &mut self.state.history;
        self.rows_before = [history.epochs.len(), history.steps.len(), history.notes.len()];
        if self.valid.is_some_and(|valid| valid.len() == 0) {
            history.notes.push("the validation data holds no examples: there is no validation loss".into());
        }
        if let Some(checkpoints) = &self.settings.checkpoints {
            if goes_on {
                self.first_only(|run| resume::check_folder(checkpoints, run.state.step()))?;
            } else {
                let last = match &self.together {
                    None => resume::read_last(checkpoints)?,
                    Some(together) => resume::read_last_for_all(checkpoints, &together.team)?,
                };
                if let Some(last) = last {
                    let (model, optimizer) = (&mut *self.model, &mut *self.optimizer);
                    let loaded = resume::load(last, &self.state, self.steps_per_epoch, model, optimizer);
                    let (saved, path) = self.agree(loaded)?;
                    if self.settings.progress {
                        let step = saved.step();
                        self.progress
                            .say(&format!("resumed: the run goes on after step {step}, from {}", path.display()));
                    }
                    (self.state, self.last_checkpoint) = (saved, Some(path));
                }
            }
            self.first_only(|_| Ok(checkpoints.prepare()?))?;
        }
        self.advise();
        self.shards.set_step(self.state.passes);
        if let Length::Epochs(epochs) = self.settings.length {
            self.progress.set_total(epochs.saturating_add(self.state.begun[0]));
        }
        Ok(())
    }

    /// Returns whether the run was resumed from a checkpoint of a later call of `fit`; this call is over then.
    pub(crate) fn is_past(&self, calls: u64) -> bool {
        self.state.calls > calls
    }

    /// Returns the history and the state of a call that is over.
    pub(crate) fn leave(self) -> (History, State<T>) {
        (self.state.history.since(self.rows_before), self.state)
    }

    /// Makes the remaining steps, epoch by epoch.
    #[track_caller]
    pub(crate) fn run(
        &mut self,
        mut callback: impl FnMut(AfterStep<'_, M, D>) -> ControlFlow<()>,
    ) -> Result<(), TrainError> {
        self.write_logs(&self.state.history)?; // so that a missing folder is an error now
        self.ended = self.agreed_wish(self.asked_to_stop()).map(Wish::ended);
        while !self.is_over() {
            self.epoch(&mut callback)?;
        }
        Ok(())
    }

    /// Makes the steps of one epoch. The batches are read here, or ahead on a thread of their own.
    #[track_caller]
    fn epoch(&mut self, callback: &mut impl FnMut(AfterStep<'_, M, D>) -> ControlFlow<()>) -> Result<(), TrainError> {
        let Run { settings, task, train, .. } = *self;
        let (epoch, done) = (self.state.epoch + 1, self.state.batch as usize);
        self.progress.begin(epoch, done, self.steps_per_epoch as usize);
        let order = settings.sampling.rows(train.len(), settings.seed, epoch);
        let batches = settings.batches(order).from_batch(done).zip(self.state.step()..);
        let (ranks, rank) = self.together.as_ref().map_or((1, 0), |them| (them.team.count(), them.team.rank()));
        let own = move |parts| share(0..parts, ranks, rank);
        let steps = batches.map(move |(rows, step)| Step::load(settings, own, task, train, (&rows, step)));
        scope(|scope| {
            let steps: Box<dyn Iterator<Item = Result<Step<E::Batch>, FileError>>> = match settings.prefetch {
                0 => Box::new(steps),
                ahead => Box::new(prefetch(scope, steps, ahead)),
            };
            let mut start = Instant::now();
            for step in steps {
                let lr = self.optimizer.lr();
                let Some(step) = self.ready(step)? else {
                    self.save(lr, None, false)?; // all ranks stop here
                    break;
                };
                self.step(&step, lr)?;
                // the model is checked at most once a step: here, before its last step counts, or below, before it is
                // saved
                let looked_at = self.state.batch == self.steps_per_epoch || self.state.is_complete(self.settings);
                if looked_at {
                    self.check_model(lr)?;
                }
                let row = self.end_of_epoch(start)?;
                start = Instant::now();
                self.call_back(callback, row.as_ref());
                self.save(lr, row.as_ref(), looked_at)?;
                if let Some(row) = row {
                    self.write_logs(&self.state.history)?;
                    let waited = self.together.as_mut().and_then(Together::waited_in_epoch);
                    self.progress.end(&row, waited.as_deref());
                }
                if self.is_over() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Makes one step of the optimizer, unless a number is not finite.
    #[track_caller]
    fn step(&mut self, step: &Step<E::Batch>, lr: f64) -> Result<(), TrainError> {
        let Run { settings, task, .. } = *self;
        let (passes, shards) = (self.state.passes, &mut self.shards);
        let (loss, seen, grads) = gradients(shards, task, &*self.model, step);
        let mut first = Some(grads);
        let unfit = match loss.is_finite() {
            true => {
                self.optimizer.set_term(self.state.batch as usize);
                let stepped = self.optimizer.try_descend(self.model, |model| match first.take() {
                    Some(grads) => (T::from_f64(loss), grads),
                    None => {
                        shards.set_step(passes); // random numbers are the same at each evaluation of a step
                        let (loss, _, grads) = gradients(shards, task, model, step);
                        (T::from_f64(loss), grads)
                    }
                });
                stepped.err().map(|gradient| format!("the gradient of `{}` is {}", gradient.path, gradient.value))
            }
            false => Some(format!("the loss is {loss}")),
        };
        if let Some(cause) = unfit {
            let own = explain(task, &*self.model, step, settings.seed, passes);
            let report = match &self.together {
                None => own,
                Some(together) => together.team.gather(&own).into_iter().flatten().next(),
            };
            return Err(diverged(&self.state, cause, lr, report, self.last_checkpoint.take()));
        }
        self.state.passes = self.shards.step();
        let grad_norm = self.optimizer.last_norm().unwrap_or(f64::NAN);
        self.state.add(StepRow { loss, lr, grad_norm }, step.weight, seen.as_ref(), task.metrics());
        self.progress.step(self.state.epoch + 1, self.state.batch as usize, loss);
        Ok(())
    }

    /// If the step was the last of its epoch, validates, does what follows from the scores, and returns the epoch's
    /// row.
    #[track_caller]
    fn end_of_epoch(&mut self, start: Instant) -> Result<Option<Epoch>, TrainError> {
        let complete = self.state.batch == self.steps_per_epoch;
        let scores = if complete { self.validate()? } else { None };
        self.state.took(start.elapsed().as_secs_f64());
        if !complete {
            return Ok(None);
        }
        let epoch = self.state.row(scores, self.task.metrics());
        if let Some(factor) = self.state.observe(self.settings, &epoch, self.goal, &*self.model)? {
            self.optimizer.set_factor(factor);
        }
        self.state.advance();
        Ok(Some(epoch))
    }

    fn call_back(&mut self, callback: &mut impl FnMut(AfterStep<'_, M, D>) -> ControlFlow<()>, epoch: Option<&Epoch>) {
        let history = &self.state.history;
        let flow = callback(AfterStep { model: self.model, optimizer: self.optimizer, history, epoch });
        if self.state.over {
            self.ended = Some(Ended::Early);
            return;
        }
        self.wish = flow.is_break().then_some(Wish::Callback).or(self.wish).or_else(|| self.asked_to_stop());
        // before another step, the ranks talk anyway
        if self.together.is_none() || self.state.is_complete(self.settings) {
            self.ended = self.agreed_wish(self.wish).map(Wish::ended);
        }
    }

    /// Returns the step with the weight that it has on all ranks, or `None` if a rank wishes to stop.
    fn ready(&mut self, step: Result<Step<E::Batch>, FileError>) -> Result<Option<Step<E::Batch>>, TrainError> {
        let wish = self.wish.or_else(|| self.asked_to_stop());
        let Some(together) = &mut self.together else { return Ok(Some(step?)) };
        Ok(match together.ready(step, wish)? {
            Ok(step) => Some(step),
            Err(wish) => {
                self.ended = Some(wish.ended());
                None
            }
        })
    }

    /// Agrees with the other ranks on a reason to stop.
    fn agreed_wish(&self, own: Option<Wish>) -> Option<Wish> {
        match &self.together {
            None => own,
            Some(together) => together.agree(own),
        }
    }

    /// Agrees with the other ranks on whether something succeeded.
    fn agree<A>(&self, own: Result<A, TrainError>) -> Result<A, TrainError> {
        match &self.together {
            None => own,
            Some(together) => together.team.agree(own),
        }
    }

    /// Does something on the first rank alone. It is an error of all ranks if that fails.
    fn first_only(&self, f: impl FnOnce(&Self) -> Result<(), TrainError>) -> Result<(), TrainError> {
        let first = self.together.as_ref().is_none_or(|together| together.team.rank() == 0);
        self.agree(if first { f(self) } else { Ok(()) })
    }

    /// Tells the ranks what to say to a user if one of them is lost.
    fn advise(&self) {
        if let Some(together) = &self.together {
            together.team.set_advice(resume::after_a_loss(self.last_checkpoint.as_deref()));
        }
    }

    /// Saves the run, if it is time. A model that is not finite is never saved, so it pushes no good checkpoint out.
    fn save(&mut self, lr: f64, row: Option<&Epoch>, looked_at: bool) -> Result<(), TrainError> {
        let (over, step) = (self.is_over(), self.state.step());
        let checkpoints = self.settings.checkpoints.as_ref();
        let due = checkpoints.filter(|checkpoints| over || checkpoints.is_due(step, row.map(|row| row.epoch)));
        if !looked_at && (over || due.is_some()) {
            self.check_model(lr)?;
        }
        if let Some(checkpoints) = due {
            // all ranks take part if the state is spread over them
            let optimizer = self.optimizer.is_spread().then(|| self.optimizer.state());
            self.first_only(|run| {
                let optimizer = optimizer.unwrap_or_else(|| run.optimizer.state());
                checkpoints.save(step, &*run.model, optimizer, &run.state)?;
                Ok(())
            })?;
            self.last_checkpoint = Some(checkpoints.path(step));
            self.advise();
        }
        Ok(())
    }

    /// Ends the run: adds the row of an epoch that was not completed, restores the best model, and notes why the run
    /// ended.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Result<(History, State<T>), TrainError> {
        let within_epoch = self.ended.is_none() && self.state.batch > 0;
        let mut partial = within_epoch.then(|| self.partial_epoch()).transpose()?;
        let end = partial.as_mut().unwrap_or(&mut self.state);
        end.history.ended = match self.ended.take() {
            Some(Ended::Interrupted { .. }) => {
                self.progress.say(&resume::how_to_go_on(end.step(), self.last_checkpoint.as_deref()));
                Ended::Interrupted { checkpoint: self.last_checkpoint.take() }
            }
            Some(ended) => ended,
            None if end.over => Ended::Early,
            None => Ended::Finished,
        };
        if !matches!(end.history.ended, Ended::Interrupted { .. }) {
            end.history.notes.extend(end.without_best(self.settings));
            end.restore_best(self.model)?;
        }
        let history = end.history.since(self.rows_before);
        history.notes.iter().for_each(|note| self.progress.say(note));
        if let Some(together) = self.together.as_ref().filter(|_| self.settings.progress) {
            self.progress.say(&together.account(self.settings.threads));
        }
        if let Some(together) = &self.together {
            together.team.set_advice(String::new()); // it was about this run
        }
        Ok((history, self.state))
    }

    /// The state of the run after an epoch that its steps do not complete. This state is not in the checkpoint: a run
    /// of more steps goes on as if there had been no such end.
    #[track_caller]
    fn partial_epoch(&mut self) -> Result<State<T>, TrainError> {
        let mut end = self.state.clone();
        let row = end.row(self.validate()?, self.task.metrics());
        end.observe(self.settings, &row, self.goal, &*self.model)?;
        self.write_logs(&end.history)?;
        self.progress.end(&row, None);
        Ok(end)
    }

    fn validate(&mut self) -> Result<Option<Scores>, TrainError> {
        let Some(data) = self.valid else { return Ok(None) };
        let Run { model, task, together, .. } = self;
        let (tapes, pool, what) = (&mut self.inference[..], self.shards.pool(), (&**model, *task));
        let chunks = match together {
            None => evaluate::run(tapes, pool, what, data, 0..evaluate::chunks(data).len(), false)?,
            Some(together) => evaluate::run_over(&together.team, tapes, pool, what, data, false)?,
        };
        Ok(Some(evaluate::join(chunks, *task).0))
    }

    fn check_model(&mut self, lr: f64) -> Result<(), TrainError> {
        match first_not_finite(&*self.model) {
            None => Ok(()),
            Some((path, value)) => {
                let cause = format!("`{path}` became {value}");
                Err(diverged(&self.state, cause, lr, None, self.last_checkpoint.take()))
            }
        }
    }

    fn write_logs(&self, history: &History) -> Result<(), TrainError> {
        match &self.settings.logs[..] {
            [] => Ok(()),
            logs => self.first_only(|_| Ok(logs.iter().try_for_each(|path| history.write(path))?)),
        }
    }

    fn is_over(&self) -> bool {
        self.ended.is_some() || self.state.is_complete(self.settings)
    }

    fn asked_to_stop(&self) -> Option<Wish> {
        (self.listening.is_some() && signal::is_asked_to_stop()).then_some(Wish::Signal)
    }
}

/// Refuses batches that are not the same in every epoch if the optimizer keeps a gradient for each batch.
#[track_caller]
fn fixed_batches<T: Float>(settings: &Settings, optimizer: &impl Descent<T>, steps_per_epoch: u64) {
    if let Some(terms) = optimizer.terms() {
        assert!(
            terms as u64 == steps_per_epoch && settings.sampling == Sampling::InOrder,
            "Trainer: the optimizer keeps a gradient for each of {terms} batches, which must stay the same; set \
             `sampling(Sampling::InOrder)`, and make it for {steps_per_epoch} batches, those of an epoch"
        );
    }
}
