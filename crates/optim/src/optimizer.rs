//! What all optimizers share: learning rate, schedule, groups, clipping, and the state of each parameter.

mod stepping;

use std::sync::Arc;

use gradus_autograd::Float;

use crate::clip::Clip;
use crate::rule::{NON_NEGATIVE, check};
use crate::slots::{Slots, group_of};
use crate::spread::Spread;
use crate::updates::Updates;
use crate::{Group, OptimizerState, Rule, Schedule, Settings, StateError, constant};

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
    /// whether each step computes the norm, also if nothing else needs it
    watch_norm: bool,
    /// how far the last step moved each parameter, if that is watched
    updates: Option<Updates<T>>,
    steps: u64,
    slots: Slots<T>,
    /// the processes over which the state is spread
    spread: Option<Arc<dyn Spread<T>>>,
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
            watch_norm: false,
            updates: None,
            steps: 0,
            slots: Slots::default(),
            spread: None,
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
    /// step changes only the rows that were looked up (see [`Gradients::rows`](gradus_autograd::Gradients::rows)).
    /// Clipping and [`try_step`](Self::try_step) still read the whole gradient.
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
        self.settings_of(path).lr
    }

    /// Returns everything that the parameter at a path gets: the learning rate of the next step, the rule with its
    /// settings, and whether it is frozen.
    ///
    /// ```
    /// use gradus_optim::AdamW;
    /// let opt: AdamW<f32> = AdamW::new(1e-3).weight_decay(0.1).group("*.bias", |g| g.weight_decay(0.0).frozen(true));
    /// let bias = opt.settings_of("layers.0.bias");
    /// assert_eq!((bias.lr, bias.rule.weight_decay, bias.frozen), (1e-3, 0.0, true));
    /// assert_eq!(opt.settings_of("layers.0.weight").rule.weight_decay, 0.1);
    /// ```
    pub fn settings_of(&self, path: &str) -> Settings<'_, R> {
        let group = group_of(&self.groups, path).map_or(&self.base, |i| &self.groups[i].1);
        Settings { lr: group.lr * self.rate(self.steps), rule: &group.rule, frozen: group.frozen }
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

    /// Returns the number of steps made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Computes the norm of all gradients together at each step, for [`last_norm`](Self::last_norm), also if nothing is
    /// clipped. It takes a few hundredths of the time of a step.
    pub fn watch_norm(mut self) -> Self {
        self.watch_norm = true;
        self
    }

    /// Returns the norm of all gradients together, before clipping, at the last step that computed it: with
    /// [`watch_norm`](Self::watch_norm) or [`clip_norm`](Self::clip_norm), or by [`try_step`](Self::try_step), which a
    /// `Trainer` calls. `None` if no step did. Parameters in frozen groups do not count.
    ///
    /// ```
    /// use gradus_autograd::{Param, Tape};
    /// use gradus_optim::Sgd;
    /// let mut w = Param::new([1.5f32, 2.0]);
    /// let (_, grads) = Tape::training(0).gradients(|t| t.param(&w).square().sum());
    /// let mut opt = Sgd::new(0.1).watch_norm();
    /// opt.step(&mut w, &grads);
    /// assert_eq!(opt.last_norm(), Some(5.0));
    /// ```
    pub fn last_norm(&self) -> Option<f64> {
        self.last_norm
    }

    /// Watches how far each step moves each parameter: see [`update_ratios`](Self::update_ratios). A step then takes
    /// longer, by about two passes over the parameters.
    pub fn watch_updates(mut self) -> Self {
        self.updates = Some(Updates::default());
        self
    }

    /// Returns the path of each parameter that the last step moved, and how far it moved relative to its size,
    /// `‖Δθ‖ / ‖θ‖`. The list is empty unless the optimizer [watches updates](Self::watch_updates). The ratio is
    /// infinite for a parameter that was 0, such as a bias that began there.
    ///
    /// It is the classic diagnosis of a learning rate: weights should move by about a thousandth of their size in a
    /// step. If they move much further, the rate is too large; if much less, it is too small. (The rule of thumb is
    /// Andrej Karpathy's, in the notes of the course CS231n at Stanford.)
    ///
    /// ```
    /// use gradus_autograd::{Param, Tape};
    /// use gradus_optim::Sgd;
    /// let mut w = Param::new([3.0f64, 4.0]);
    /// let (_, grads) = Tape::training(0).gradients(|t| t.param(&w).square().sum());
    /// let mut opt = Sgd::new(0.001).watch_updates();
    /// opt.step(&mut w, &grads);
    /// let (path, ratio) = &opt.update_ratios()[0];
    /// assert!(path.is_empty() && (ratio - 0.002).abs() < 1e-9); // a parameter alone has the empty path
    /// ```
    pub fn update_ratios(&self) -> &[(String, f64)] {
        self.updates.as_ref().map_or(&[], |updates| &updates.ratios)
    }

    /// Spreads the state over several processes. It must not have made steps yet.
    pub(crate) fn spread_over(&mut self, spread: Arc<dyn Spread<T>>) {
        self.spread = Some(spread);
    }

    pub(crate) fn has_spread(&self) -> bool {
        self.spread.is_some()
    }

    /// Returns the memory that this process has for the state of all parameters, in bytes.
    ///
    /// ```
    /// use gradus_autograd::{Param, Tape};
    /// use gradus_optim::Adam;
    /// let mut w = Param::<f32>::zeros(&[1024]);
    /// let (_, grads) = Tape::training(0).gradients(|t| t.param(&w).square().sum());
    /// let mut opt = Adam::new(0.1);
    /// opt.step(&mut w, &grads);
    /// assert_eq!(opt.state_memory(), 2 * 4 * 1024); // two means for each number, of four bytes
    /// ```
    pub fn state_memory(&self) -> usize {
        self.slots.iter().map(|slot| slot.state.len() * size_of::<T>()).sum()
    }

    /// Returns the state, to be saved. If it is [spread](crate::Spread) over processes, all of them must call this.
    pub fn state(&self) -> OptimizerState<T> {
        let params = self.slots.current().map(|slot| slot.save(self.spread.as_deref())).collect();
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
