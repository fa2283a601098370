//! What all optimizers share: learning rate, schedule, groups, clipping, and the state of each parameter.

use std::collections::HashSet;

use gradus_autograd::internal::norm;
use gradus_autograd::{Float, Gradients, Leaf, LeafMut, Module, Param, Path, Visitor, path_fits};

use crate::apply::{Step, update};
use crate::clip::{self, Clip};
use crate::rule::{NON_NEGATIVE, check};
use crate::slots::{Slots, group_of, other_shape};
use crate::state::{Extent, Slot};
use crate::{Group, NonFiniteGradient, OptimizerState, Rule, Schedule, StateError, constant};

/// A [`Rule`] with everything it needs to step a model along gradients. See the [crate's page](crate) for an overview.
///
/// The state of a parameter is kept under its path, so that it can be saved and found again. Gradients belong to the
/// parameter's identity.
#[derive(Clone, Debug)]
pub struct Optimizer<R: Rule, T: Float = f32> {
    base: Group<R>,
    groups: Vec<(String, Group<R>)>,
    schedule: Schedule,
    factor: f64,
    clip: Clip,
    /// whether rows without a gradient rest
    lazy: bool,
    /// memory for a gradient that is clipped by value
    clipped: Vec<T>,
    last_norm: Option<f64>,
    steps: u64,
    slots: Slots<T>,
}

impl<R: Rule, T: Float> Optimizer<R, T> {
    /// An optimizer with the given learning rate and rule.
    ///
    /// # Panics
    /// If the learning rate is negative or not finite.
    #[track_caller]
    pub fn with_rule(lr: f64, rule: R) -> Self {
        check("lr", &lr, NON_NEGATIVE);
        rule.check().unwrap_or_else(|problem| panic!("{problem}"));
        Optimizer {
            base: Group { lr, rule, frozen: false },
            groups: Vec::new(),
            schedule: constant(),
            factor: 1.0,
            clip: Clip::default(),
            lazy: false,
            clipped: Vec::new(),
            last_norm: None,
            steps: 0,
            slots: Slots::default(),
        }
    }

    pub(crate) fn configure(mut self, change: impl FnOnce(Group<R>) -> Group<R>) -> Self {
        self.base = change(self.base);
        self
    }

    /// Multiplies the learning rate of every step by the schedule's factor.
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.set_schedule(schedule);
        self
    }

    /// Replaces the schedule, like [`schedule`](Self::schedule), of an optimizer that may have made steps.
    pub fn set_schedule(&mut self, schedule: Schedule) {
        self.schedule = schedule;
    }

    /// Gives the parameters whose path fits `pattern` (`*` stands for anything) settings of their own. These start as a
    /// copy of the settings made so far. If several patterns fit, the last one counts.
    ///
    /// ```
    /// use gradus_optim::AdamW;
    /// let opt: AdamW<f32> = AdamW::new(1e-3)
    ///     .weight_decay(0.1)
    ///     .group("*.bias", |g| g.weight_decay(0.0).lr(2e-3))
    ///     .group("embedding.*", |g| g.frozen(true));
    /// assert_eq!(opt.lr_of("layers.0.bias"), 2e-3);
    /// ```
    pub fn group(mut self, pattern: &str, change: impl FnOnce(Group<R>) -> Group<R>) -> Self {
        self.groups.push((pattern.to_owned(), change(self.base.clone())));
        self.slots.forget(); // each parameter looks for its group again
        self
    }

    /// Scales all gradients together so that their norm is at most `max_norm`: by `min(1, max_norm / (norm + 10⁻⁶))`,
    /// as PyTorch does. If the norm is infinite, infinite elements become NaN and all others 0; if the norm is NaN, all
    /// elements become NaN. [`try_step`](Self::try_step) returns an error instead.
    ///
    /// # Panics
    /// If `max_norm` is negative or not finite.
    #[track_caller]
    pub fn clip_norm(mut self, max_norm: f64) -> Self {
        check("clip_norm", &max_norm, NON_NEGATIVE);
        self.clip.norm = Some(max_norm);
        self
    }

    /// Scales the gradient of each parameter on its own so that its norm is at most `max_norm`, as
    /// [`clip_norm`](Self::clip_norm) does for all gradients together. If both are set, `clip_norm` comes first.
    ///
    /// ```
    /// use gradus_autograd::{Param, Tape};
    /// use gradus_optim::Sgd;
    /// let mut pair = (Param::new([3.0f32, 4.0]), Param::new([0.25f32]));
    /// let (a, b) = &pair;
    /// let (_, grads) = Tape::training(0).gradients(|t| t.param(a).square().sum() + t.param(b).square().sum());
    /// Sgd::new(1.0).clip_norm_each(1.0).step(&mut pair, &grads); // the norms are 10 and 0.5
    /// assert!((pair.0.data()[0] - 2.4).abs() < 1e-5 && pair.1.data() == [-0.25]);
    /// ```
    ///
    /// # Panics
    /// If `max_norm` is negative or not finite.
    #[track_caller]
    pub fn clip_norm_each(mut self, max_norm: f64) -> Self {
        check("clip_norm_each", &max_norm, NON_NEGATIVE);
        self.clip.each = Some(max_norm);
        self
    }

    /// Limits every element of the gradients to −`limit` … `limit`, after clipping by norm if that is set.
    ///
    /// ```
    /// use gradus_autograd::{Param, Tape};
    /// use gradus_optim::Sgd;
    /// let mut w = Param::new([1.0, 0.01]);
    /// let (_, grads) = Tape::training(0).gradients(|t| t.param(&w).square().sum());
    /// Sgd::new(1.0).clip_value(0.5).step(&mut w, &grads); // the gradient is 2, 0.02
    /// assert_eq!(w.data(), [0.5f32, -0.01]);
    /// ```
    ///
    /// # Panics
    /// If `limit` is negative or not finite.
    #[track_caller]
    pub fn clip_value(mut self, limit: f64) -> Self {
        check("clip_value", &limit, NON_NEGATIVE);
        self.clip.value = Some(limit);
        self
    }

    /// Lets the rows of a table rest while they have no gradient: their momenta do not fade, and do not move them. So a
    /// step changes only the rows that were looked up (see [`Gradients::rows`]). Clipping and
    /// [`try_step`](Self::try_step) still read the whole gradient.
    ///
    /// Without it a step does what the rule says, and passes over those rows only that it would not change: all rows
    /// without a gradient for plain descent and for Adagrad with an initial sum of 0; those that never had one for
    /// momentum, RMSprop, Adadelta, Adam, AdamW, RAdam and Lion. Weight decay changes every row, and so do the other
    /// rules: for these, and with weight decay, nothing is passed over, and this setting changes nothing. PyTorch's
    /// `Adam` steps all rows; its `SparseAdam` does what `Adam` does with this setting.
    ///
    /// ```
    /// use gradus_autograd::{Param, Tape};
    /// use gradus_optim::Adam;
    /// use ndarray::array;
    /// let mut table = Param::<f32>::zeros(&[50_000, 8]);
    /// let mut optimizer = Adam::new(0.1).lazy(true);
    /// for row in [7, 3] {
    ///     let (_, grads) = Tape::training(0).gradients(|t| t.param(&table).embedding(&array![row]).sum());
    ///     optimizer.step(&mut table, &grads);
    /// }
    /// assert!((table.value()[[7, 0]] + 0.1).abs() < 1e-6); // one step: the second one had no gradient for it
    /// ```
    pub fn lazy(mut self, lazy: bool) -> Self {
        self.lazy = lazy;
        self
    }

    /// Returns the learning rate before schedule and factor.
    pub(crate) fn base_lr(&self) -> f64 {
        self.base.lr
    }

    /// Returns the same optimizer with the count of steps at 0 and the factor at 1, so that a schedule begins again.
    pub(crate) fn restarted(mut self) -> Self {
        (self.steps, self.factor) = (0, 1.0);
        self
    }

    /// Returns the learning rate of the next step, for parameters outside of groups with a learning rate of their own.
    pub fn lr(&self) -> f64 {
        self.base.lr * self.rate(self.steps)
    }

    /// Returns the learning rate of the next step for the parameter at a path.
    pub fn lr_of(&self, path: &str) -> f64 {
        group_of(&self.groups, path).map_or(&self.base, |i| &self.groups[i].1).lr * self.rate(self.steps)
    }

    /// Multiplies all learning rates by `factor` from the next step on, in addition to the schedule. The factor is part
    /// of the saved state. With it, code that watches a metric steers the descent: see
    /// [`ReduceOnPlateau`](crate::ReduceOnPlateau).
    ///
    /// # Panics
    /// If `factor` is negative or not finite.
    #[track_caller]
    pub fn set_factor(&mut self, factor: f64) {
        check("set_factor", &factor, NON_NEGATIVE);
        self.factor = factor;
    }

    fn rate(&self, step: u64) -> f64 {
        self.factor * self.schedule.factor(step)
    }

    /// Returns what is wrong with the schedule's factor at the next step, if a step with it would ruin the parameters.
    fn unfit_rate(&self) -> Option<String> {
        let factor = self.schedule.factor(self.steps);
        (!factor.is_finite() || factor < 0.0).then(|| {
            format!(
                "Optimizer::step: the schedule's factor at step {} is {factor}; it must be a number of at least 0",
                self.steps
            )
        })
    }

    /// Returns what is wrong with a model that this optimizer has not checked yet: two parameters at one path, which
    /// would share a state, or a group that fits no parameter.
    fn unfit_model<M: Module<T> + ?Sized>(&self, model: &M) -> Option<String> {
        if self.slots.checked {
            return None;
        }
        let paths: Vec<String> = model.params().into_iter().map(|(path, _)| path).collect();
        let mut seen = HashSet::new();
        if let Some(path) = paths.iter().find(|path| !seen.insert(&***path)) {
            return Some(format!(
                "Optimizer::step: two parameters have the path `{path}`, and would share one state; give them other \
                 names"
            ));
        }
        let idle = |pattern: &str| !paths.iter().any(|path| path_fits(pattern, path));
        self.groups.iter().find(|(pattern, _)| idle(pattern)).map(|(pattern, _)| {
            format!(
                "Optimizer::step: the group `{pattern}` fits no parameter of this model, which has {}; `*` stands for \
                 anything",
                some_of(&paths)
            )
        })
    }

    /// Returns the number of steps made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Returns the norm of all gradients together, before clipping, at the last step that computed it: with
    /// [`clip_norm`](Self::clip_norm), or by [`try_step`](Self::try_step). `None` if no step did.
    pub fn last_norm(&self) -> Option<f64> {
        self.last_norm
    }

    /// Makes one step: changes every parameter that has a gradient, and updates the buffers as the forward pass
    /// recorded.
    ///
    /// A parameter without a gradient stays as it is; weight decay does not change it either.
    ///
    /// # Panics
    /// If a gradient belongs to no parameter of the model: usually the model was cloned after the forward pass, or is
    /// only a part of the model that the cost was computed with. If two parameters have one path, a group fits no
    /// parameter, or the schedule's factor is negative or not finite.
    #[track_caller]
    pub fn step<M: Module<T> + ?Sized>(&mut self, model: &mut M, grads: &Gradients<T>) {
        let problem = self.unfit_state(model).or_else(|| self.unfit_model(model)).or_else(|| self.unfit_rate());
        if let Some(problem) = problem {
            panic!("{problem}"); // before anything is changed
        }
        self.slots.checked = true;
        let mut scale = 1.0;
        if let Some(max_norm) = self.clip.norm {
            let norm = self.norm(model, grads);
            scale = clip::factor(norm, max_norm);
            self.last_norm = Some(norm);
        }
        let rate = self.rate(self.steps);
        let mut found = 0;
        let mut at = 0;
        let Optimizer { base, groups, slots, clip, clipped, steps, lazy, .. } = self;
        model.visit_mut(&mut Visitor::new(&mut |path, leaf| match leaf {
            LeafMut::Buffer(buffer) => {
                grads.update_buffer(buffer);
            }
            LeafMut::Param(param) => {
                let Some(grad) = grads.padded(param) else { return };
                found += 1;
                let place = slots.place(at, param, (base, groups), path, grad.len());
                at = place + 1;
                let slot = slots.at(place);
                let group = slot.group.map_or(&*base, |i| &groups[i].1);
                if group.frozen || param.is_empty() {
                    return;
                }
                (slot.steps, slot.last) = (slot.steps + 1, *steps);
                let mut step = Step { scale, lr: group.lr * rate, step: slot.steps };
                if let Some(max_norm) = clip.each {
                    step.scale *= clip::factor(scale * norm(|f| f(&grad[..param.len()])), max_norm);
                }
                // what is 0 stays 0 only if the factor is finite
                let given = grads.rows(param).filter(|_| step.scale.is_finite());
                let grad = match clip.value {
                    None => grad,
                    Some(limit) => {
                        clip::by_value(grad, std::mem::replace(&mut step.scale, 1.0), limit, clipped);
                        &clipped[..]
                    }
                };
                let rows = slot.rows_to_step(given, group.rule.at_rest(), *lazy);
                let touched = slot.touched.take();
                let rows = match rows {
                    Extent::All => None,
                    Extent::Given => given,
                    Extent::Touched => touched.as_deref(),
                };
                slot.state.update(|state| update(&group.rule, param, grad, state, step, rows));
                slot.touched = touched;
            }
        }));
        self.steps += 1;
        let expected = grads.param_count();
        assert!(
            found == expected,
            "Optimizer::step: {} of {expected} gradients belong to no parameter of this model: was it cloned, or were \
             its \
             parameters replaced, since the forward pass? A clone has parameters of its own. If the cost runs through \
             another model too, freeze that one (`set_frozen`), or give an optimizer both, as a pair",
            expected - found
        );
    }

    /// Makes a step like [`step`](Self::step), unless a gradient is NaN or infinite.
    ///
    /// ```
    /// use gradus_autograd::{Param, Tape};
    /// use gradus_optim::Adam;
    /// let mut w = Param::new([4.0f32, -1.0]);
    /// let (_, grads) = Tape::training(0).gradients(|t| t.param(&w).sqrt().sum());
    /// let mut opt = Adam::new(0.1);
    /// let error = opt.try_step(&mut w, &grads).unwrap_err();
    /// assert!(error.to_string().starts_with("step 0: the gradient of `` is NaN at 1; nothing was changed."));
    /// assert_eq!(w.data(), [4.0, -1.0]);
    /// ```
    ///
    /// # Errors
    /// If a gradient is NaN or infinite. Nothing is changed then.
    ///
    /// # Panics
    /// Like [`step`](Self::step).
    #[track_caller]
    pub fn try_step<M: Module<T> + ?Sized>(
        &mut self,
        model: &mut M,
        grads: &Gradients<T>,
    ) -> Result<(), NonFiniteGradient> {
        self.check_finite(model, grads)?;
        self.step(model, grads);
        Ok(())
    }

    /// Checks that all gradients are finite; the error names the first one that is not.
    pub(crate) fn check_finite<M: Module<T> + ?Sized>(
        &mut self,
        model: &M,
        grads: &Gradients<T>,
    ) -> Result<(), NonFiniteGradient> {
        let norm = self.norm(model, grads);
        self.last_norm = Some(norm);
        match norm.is_finite() {
            true => Ok(()),
            false => self.first_non_finite(model, grads).map_or(Ok(()), Err),
        }
    }

    /// Returns whether the parameter at a path is in a frozen group.
    pub(crate) fn is_frozen(&self, path: &Path<'_>) -> bool {
        let any = self.groups.iter().any(|(_, group)| group.frozen); // a path is text only if it must be
        any && group_of(&self.groups, &path.to_string()).is_some_and(|i| self.groups[i].1.frozen)
    }

    /// Runs `f(path, parameter, gradient)` for each parameter that has a gradient and is not in a frozen group.
    pub(crate) fn each_gradient<M: Module<T> + ?Sized>(
        &self,
        model: &M,
        grads: &Gradients<T>,
        mut f: impl FnMut(&Path<'_>, &Param<T>, &[T]),
    ) {
        model.visit(&mut Visitor::new(&mut |path, leaf| {
            if let Leaf::Param(param) = leaf
                && let Some(grad) = grads.padded(param)
                && !self.is_frozen(path)
            {
                f(path, param, &grad[..param.len()]);
            }
        }));
    }

    /// Returns the 2-norm of all gradients together.
    fn norm<M: Module<T> + ?Sized>(&self, model: &M, grads: &Gradients<T>) -> f64 {
        norm(|f| self.each_gradient(model, grads, |_, _, grad| f(grad)))
    }

    /// Returns the first element of a gradient that is not finite, if there is one.
    fn first_non_finite<M: Module<T> + ?Sized>(&self, model: &M, grads: &Gradients<T>) -> Option<NonFiniteGradient> {
        let mut first = None;
        self.each_gradient(model, grads, |path, _, grad| {
            if first.is_none()
                && let Some(index) = grad.iter().position(|g| !g.is_finite())
            {
                let (path, value) = (path.to_string(), grad[index].to_f64());
                first = Some(NonFiniteGradient { step: self.steps, path, index, value });
            }
        });
        first
    }

    /// Checks that a [loaded](Self::load_state) state belongs to this model and to these settings. [`step`](Self::step)
    /// panics if it does not.
    ///
    /// # Errors
    /// If it does not; the error says what does not fit.
    pub fn state_fits<M: Module<T> + ?Sized>(&self, model: &M) -> Result<(), StateError> {
        self.unfit_state(model).map_or(Ok(()), |reason| Err(StateError::OtherModel { reason }))
    }

    /// Returns what is wrong with a state that was loaded and not used yet, if it does not fit the parameter at its
    /// path.
    fn unfit_state<M: Module<T> + ?Sized>(&self, model: &M) -> Option<String> {
        if self.slots.checked || self.slots.is_empty() {
            return None;
        }
        let (mut problem, mut known) = (None, self.slots.iter().any(|s| s.param.is_some()));
        model.visit(&mut Visitor::new(&mut |path, leaf| {
            let path = path.to_string();
            if let Leaf::Param(param) = leaf
                && let Some(slot) = self.slots.at_path(&path).filter(|slot| slot.param.is_none())
            {
                known = true;
                let group = group_of(&self.groups, &path).map_or(&self.base, |i| &self.groups[i].1);
                let total = group.rule.states(param.shape()).total(param.len());
                let have = slot.count();
                problem = problem.take().or_else(|| other_shape(slot, param)).or_else(|| {
                    (have != total).then(|| {
                        format!(
                            "Optimizer::step: the state of `{path}` has {have} numbers, but these settings keep \
                             {total} \
                             for {:?}; load it into an optimizer with the settings it was saved with",
                            param.shape()
                        )
                    })
                });
            }
        }));
        problem.or_else(|| {
            (!known).then(|| {
                format!(
                    "Optimizer::step: the state is of none of the model's parameters: it has {}, the model {}; it was \
                     saved with another model, or a part of this one",
                    some_of(&self.slots.iter().map(|s| s.path.clone()).collect::<Vec<_>>()),
                    some_of(&model.params().into_iter().map(|(path, _)| path).collect::<Vec<_>>())
                )
            })
        })
    }

    /// Returns the state, to be saved.
    pub fn state(&self) -> OptimizerState<T> {
        let params = self.slots.current().map(Slot::save).collect();
        OptimizerState { rule: R::NAME.into(), steps: self.steps, factor: self.factor, params }
    }

    /// Loads a saved state. The next step is then, bit for bit, the step that would have followed.
    ///
    /// # Errors
    /// If the state was saved by another rule, or no optimizer can have saved it: it has two states for one path, a
    /// factor that is negative or not finite, or a number of steps or a shape that is too large.
    pub fn load_state(&mut self, state: OptimizerState<T>) -> Result<(), StateError> {
        if state.rule != R::NAME {
            return Err(StateError::OtherRule { saved: state.rule, own: R::NAME });
        }
        if let Some(reason) = state.flaw() {
            return Err(StateError::Damaged { reason });
        }
        (self.steps, self.factor) = (state.steps, state.factor);
        self.slots = Slots::of(state.params);
        Ok(())
    }
}

/// Returns the first few of many paths, for a message.
fn some_of(paths: &[String]) -> String {
    let mut text = paths.iter().take(4).map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
    if paths.len() > 4 {
        text += &format!(" and {} more", paths.len() - 4);
    }
    text
}
