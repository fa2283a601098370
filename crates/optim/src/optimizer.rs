//! What all optimizers share: learning rate, schedule, groups, clipping, and the state of each parameter.

use std::fmt::Debug;

use gradus_autograd::internal::{Typed, split_by, split_many};
use gradus_autograd::{Float, Gradients, LeafMut, Module, Param, ParamId, Visitor, path_fits, vectorize};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{Schedule, constant};

/// An update formula with its settings.
///
/// It is one loop over parameter, gradient and state, written once for both number types; the two methods compile it
/// for each: see a rule's file.
pub trait Rule: Clone + Debug + PartialEq + Send + Sync + Serialize + DeserializeOwned + 'static {
    /// What messages and saved states call it.
    const NAME: &'static str;
    /// How many numbers of state it keeps for each number of a parameter, with its settings.
    fn states(&self) -> usize;
    /// One step of one parameter.
    fn update_f32(&self, update: Update<'_, '_, f32>);
    /// One step of one parameter.
    fn update_f64(&self, update: Update<'_, '_, f64>);
}

/// One step of one parameter, or of a piece of it, as a [`Rule`] sees it. All slices have the same length. What becomes
/// of a number must not depend on the others: large parameters are updated in pieces, side by side.
#[derive(Debug)]
pub struct Update<'a, 'b, T> {
    /// the parameter, to be changed
    pub theta: &'a mut [T],
    /// its gradient
    pub grad: &'a [T],
    /// what the gradient is to be multiplied by first (clipping)
    pub scale: T,
    /// [`Rule::states`] slices, zeros before the first step
    pub state: &'a mut [&'b mut [T]],
    /// the learning rate of this step
    pub lr: f64,
    /// 1 for the first step of this parameter
    pub step: u64,
}

/// State nearer to 0 than this is 0. Momenta of dead units would otherwise shrink into denormal numbers, on which
/// processors are a hundred times slower, and stay there.
#[inline(always)]
pub(crate) fn flush<T: Float>(x: T) -> T {
    let least = T::from_f64(if size_of::<T>() == 4 { 1e-30 } else { 1e-290 });
    if x.abs() < least { T::default() } else { x }
}

/// Settings of a group of parameters: a learning rate and a rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group<R> {
    pub(crate) lr: f64,
    pub(crate) rule: R,
}

impl<R> Group<R> {
    /// Sets the learning rate.
    pub fn lr(mut self, lr: f64) -> Self {
        self.lr = lr;
        self
    }

    /// Sets the rule with all its settings.
    pub fn rule(mut self, rule: R) -> Self {
        self.rule = rule;
        self
    }
}

/// A method for each setting of a rule, on optimizers and on groups.
macro_rules! settings {
    ($Rule:ident { $($(#[$doc:meta])* $name:ident: $type:ty,)* }) => {
        impl $crate::Group<$Rule> {
            $($(#[$doc])*
            pub fn $name(mut self, $name: $type) -> Self {
                self.rule.$name = $name;
                self
            })*
        }
        impl<T: gradus_autograd::Float> $crate::Optimizer<$Rule, T> {
            /// With the given learning rate and the defaults of the other settings.
            pub fn new(lr: f64) -> Self {
                Self::with_rule(lr, $Rule::default())
            }
            $($(#[$doc])*
            pub fn $name(self, $name: $type) -> Self {
                self.configure(|group| group.$name($name))
            })*
        }
    };
}
pub(crate) use settings;

/// `impl Rule` for a struct with a method `update` that is generic over the number type, compiled for each instruction set.
macro_rules! rule {
    ($Rule:ident, $name:literal, |$rule:ident| $states:expr) => {
        impl $crate::Rule for $Rule {
            const NAME: &'static str = $name;

            fn states(&self) -> usize {
                let $rule = self;
                $states
            }
            fn update_f32(&self, u: $crate::Update<'_, '_, f32>) {
                gradus_autograd::vectorize(
                    #[inline(always)]
                    || self.update(u),
                );
            }
            fn update_f64(&self, u: $crate::Update<'_, '_, f64>) {
                gradus_autograd::vectorize(
                    #[inline(always)]
                    || self.update(u),
                );
            }
        }
    };
}
pub(crate) use rule;

/// Steps along gradients. See the [crate's page](crate) for the whole picture.
///
/// State belongs to a parameter's path, so it can be saved and found again; gradients belong to its identity.
#[derive(Clone, Debug)]
pub struct Optimizer<R: Rule, T: Float = f32> {
    base: Group<R>,
    groups: Vec<(String, Group<R>)>,
    schedule: Schedule,
    clip_norm: Option<f64>,
    clip_value: Option<f64>,
    /// a gradient that is clipped by value
    clipped: Vec<T>,
    last_norm: Option<f64>,
    steps: u64,
    slots: Vec<Slot<T>>,
}

/// What is known of one parameter.
#[derive(Clone, Debug)]
struct Slot<T> {
    path: String,
    /// `None` for a state that was loaded and not used yet
    param: Option<ParamId>,
    /// the last group whose pattern fits
    group: Option<usize>,
    steps: u64,
    /// numbers of the parameter
    len: usize,
    /// the same with padding; 0 if the state was loaded and not used yet
    padded: usize,
    /// each part padded like the parameter, unless it was loaded and not used yet
    state: Vec<T>,
}

impl<T: Float> Slot<T> {
    /// The state without padding, which may hold anything.
    fn numbers(&self) -> Vec<T> {
        if self.padded == 0 {
            return self.state.clone(); // loaded, and not used yet
        }
        self.state.chunks_exact(self.padded.max(1)).flat_map(|part| &part[..self.len]).copied().collect()
    }
}

/// The saved state of an optimizer: everything but its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct OptimizerState<T: Float> {
    /// [`Rule::NAME`]
    pub rule: String,
    /// steps made
    pub steps: u64,
    /// one entry a parameter
    pub params: Vec<ParamState<T>>,
}

/// The saved state of one parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct ParamState<T: Float> {
    /// where it is in the model
    pub path: String,
    /// steps made
    pub steps: u64,
    /// how many numbers the parameter has
    pub len: usize,
    /// the rule's numbers, one part behind the other
    pub numbers: Vec<T>,
}

/// Why a saved state does not fit an optimizer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// It was saved by another rule.
    #[error("the saved state is of {saved}, the optimizer is {own}")]
    OtherRule {
        /// the saved one's name
        saved: String,
        /// this one's name
        own: &'static str,
    },
}

impl<R: Rule, T: Float> Optimizer<R, T> {
    /// With the given learning rate and rule.
    pub fn with_rule(lr: f64, rule: R) -> Self {
        Optimizer {
            base: Group { lr, rule },
            groups: Vec::new(),
            schedule: constant(),
            clip_norm: None,
            clip_value: None,
            clipped: Vec::new(),
            last_norm: None,
            steps: 0,
            slots: Vec::new(),
        }
    }

    pub(crate) fn configure(mut self, change: impl FnOnce(Group<R>) -> Group<R>) -> Self {
        self.base = change(self.base);
        self
    }

    /// Multiplies the learning rate of every step by the schedule's factor.
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// Gives parameters whose path fits `pattern` (`*` stands for anything) settings of their own, starting from those
    /// made so far. Where several patterns fit, the last one counts.
    ///
    /// ```
    /// use gradus_optim::AdamW;
    /// let opt: AdamW<f32> = AdamW::new(1e-3).weight_decay(0.1).group("*.bias", |g| g.weight_decay(0.0).lr(2e-3));
    /// ```
    pub fn group(mut self, pattern: &str, change: impl FnOnce(Group<R>) -> Group<R>) -> Self {
        self.groups.push((pattern.to_owned(), change(self.base.clone())));
        self.slots.iter_mut().for_each(|slot| slot.param = None); // each looks for its group anew
        self
    }

    /// Scales all gradients together so that their norm is at most `max_norm`: by `min(1, max_norm / (norm + 10⁻⁶))`,
    /// as PyTorch does.
    pub fn clip_norm(mut self, max_norm: f64) -> Self {
        self.clip_norm = Some(max_norm);
        self
    }

    /// Moves every number of the gradients into −`limit` … `limit`, after clipping by norm if there is any.
    ///
    /// ```
    /// use gradus_autograd::{Param, Tape};
    /// use gradus_optim::Sgd;
    /// let mut w = Param::new([1.0, 0.01]);
    /// let (_, grads) = Tape::training(0).gradients(|t| t.param(&w).square().sum());
    /// Sgd::new(1.0).clip_value(0.5).step(&mut w, &grads); // the gradient is 2, 0.02
    /// assert_eq!(w.data(), [0.5f32, -0.01]);
    /// ```
    pub fn clip_value(mut self, limit: f64) -> Self {
        self.clip_value = Some(limit);
        self
    }

    /// The learning rate of the next step, outside of groups that have their own.
    pub fn lr(&self) -> f64 {
        self.base.lr * self.schedule.factor(self.steps)
    }

    /// Steps made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The norm of all gradients together at the last step, before clipping; `None` without clipping.
    pub fn last_norm(&self) -> Option<f64> {
        self.last_norm
    }

    /// One step: changes every parameter that has a gradient, and moves the buffers as the forward pass said.
    ///
    /// A parameter without a gradient stays as it is, decay included.
    ///
    /// # Panics
    /// If a gradient is of no parameter of the model. Usually the model was cloned after the forward pass.
    #[track_caller]
    pub fn step<M: Module<T> + ?Sized>(&mut self, model: &mut M, grads: &Gradients<T>) {
        if let Some(problem) = self.unfit_state(model) {
            panic!("{problem}"); // before anything is changed
        }
        let mut scale = 1.0;
        if let Some(max_norm) = self.clip_norm {
            let norm = global_norm(model, grads);
            scale = max_norm / (norm + 1e-6);
            scale = if scale > 1.0 { 1.0 } else { scale }; // NaN stays, and shows
            self.last_norm = Some(norm);
        }
        let factor = self.schedule.factor(self.steps);
        let mut found = 0;
        let mut at = 0;
        let Optimizer { base, groups, slots, clip_value, clipped, .. } = self;
        model.visit_mut(&mut Visitor::new(&mut |path, leaf| match leaf {
            LeafMut::Buffer(buffer) => {
                grads.update_buffer(buffer);
            }
            LeafMut::Param(param) => {
                let Some(grad) = grads.padded(param) else { return };
                found += 1;
                let place = slot(slots, at, param, (base, groups), || path.to_string(), grad.len());
                at = place + 1;
                let slot = &mut slots[place];
                let group = slot.group.map_or(&*base, |i| &groups[i].1);
                slot.steps += 1;
                let mut step = Step { scale, lr: group.lr * factor, step: slot.steps };
                let grad = match *clip_value {
                    None => grad,
                    Some(limit) => {
                        clip(grad, std::mem::replace(&mut step.scale, 1.0), limit, clipped);
                        &clipped[..]
                    }
                };
                param.update_padded(|theta| update(&group.rule, theta, grad, &mut slot.state, step));
            }
        }));
        self.steps += 1;
        let expected = grads.param_count();
        assert!(
            found == expected,
            "Optimizer::step: {} of {expected} gradients belong to no parameter of this model; was it cloned, or its \
             parameters replaced, since the forward pass? A clone has parameters of its own",
            expected - found
        );
    }

    /// Whether a state that was loaded, and not used yet, is of another size than its parameter.
    fn unfit_state<M: Module<T> + ?Sized>(&self, model: &M) -> Option<String> {
        if self.slots.iter().all(|slot| slot.param.is_some()) {
            return None;
        }
        let mut problem = None;
        model.visit(&mut Visitor::new(&mut |path, leaf| {
            if let gradus_autograd::Leaf::Param(param) = leaf {
                let path = path.to_string();
                let unfit = self.slots.iter().find(|s| s.param.is_none() && s.path == path && s.len != param.len());
                problem = problem.take().or(unfit.map(|slot| other_size(&path, slot.len, param)));
            }
        }));
        problem
    }

    /// The state, to be saved.
    pub fn state(&self) -> OptimizerState<T> {
        let params = self.slots.iter().map(|s| ParamState {
            path: s.path.clone(),
            steps: s.steps,
            len: s.len,
            numbers: s.numbers(),
        });
        OptimizerState { rule: R::NAME.into(), steps: self.steps, params: params.collect() }
    }

    /// Takes over a saved state; the next step is then bit for bit the one that would have followed.
    ///
    /// # Errors
    /// If it was saved by another rule.
    pub fn load_state(&mut self, state: OptimizerState<T>) -> Result<(), StateError> {
        if state.rule != R::NAME {
            return Err(StateError::OtherRule { saved: state.rule, own: R::NAME });
        }
        self.steps = state.steps;
        let slot = |s: ParamState<T>| Slot {
            path: s.path,
            param: None,
            group: None,
            steps: s.steps,
            len: s.len,
            padded: 0,
            state: s.numbers,
        };
        self.slots = state.params.into_iter().map(slot).collect();
        Ok(())
    }
}

fn other_size<T: Float>(path: &str, len: usize, param: &Param<T>) -> String {
    format!(
        "Optimizer::step: the state of `{path}` is for {len} numbers, but the parameter is {:?}; it was saved, or made, \
         with another model",
        param.shape()
    )
}

/// The place of a parameter's slot: mostly the next one. A new parameter gets a new slot; one whose identity changed
/// (a loaded model, a loaded state) is found by its path.
#[track_caller]
fn slot<R: Rule, T: Float>(
    slots: &mut Vec<Slot<T>>,
    expected: usize,
    param: &Param<T>,
    (base, groups): (&Group<R>, &[(String, Group<R>)]),
    path: impl FnOnce() -> String,
    padded: usize,
) -> usize {
    let id = Some(param.id());
    if slots.get(expected).is_some_and(|s| s.param == id) {
        return expected;
    }
    if let Some(place) = slots.iter().position(|s| s.param == id) {
        return place;
    }
    let path = path();
    let group = groups.iter().rposition(|(pattern, _)| path_fits(pattern, &path));
    let place = slots.iter().position(|s| s.path == path).unwrap_or_else(|| {
        slots.push(Slot { path, param: None, group, steps: 0, len: param.len(), padded, state: Vec::new() });
        slots.len() - 1
    });
    let slot = &mut slots[place];
    assert!(slot.len == param.len(), "{}", other_size(&slot.path, slot.len, param));
    // pad each part of a state that was loaded; a new one is zeros
    let states = group.map_or(base, |i| &groups[i].1).rule.states();
    let numbers = slot.numbers();
    assert!(
        numbers.is_empty() || numbers.len() == states * slot.len,
        "Optimizer::step: the state of `{}` has {} numbers for each of the parameter, but these settings keep {states}; load \
         it into an optimizer with the settings it was saved with",
        slot.path,
        numbers.len() / slot.len.max(1)
    );
    slot.state = vec![T::default(); states * padded];
    for (part, saved) in slot.state.chunks_exact_mut(padded).zip(numbers.chunks_exact(slot.len.max(1))) {
        part[..slot.len].copy_from_slice(saved);
    }
    (slot.param, slot.group, slot.padded) = (id, group, padded);
    place
}

/// The settings of one step.
#[derive(Clone, Copy)]
struct Step {
    scale: f64,
    lr: f64,
    step: u64,
}

/// Numbers of a parameter that a thread must have to itself before a second one is woken.
const GRAIN: usize = 1 << 17;

/// Updates a parameter; the state is one slice behind the other.
fn update<R: Rule, T: Float>(rule: &R, theta: &mut [T], grad: &[T], state: &mut [T], step: Step) {
    let Step { scale, lr, step } = step;
    match (T::typed_mut(theta), T::typed(grad), T::typed_mut(state)) {
        (Typed::F32(theta), Typed::F32(grad), Typed::F32(state)) => {
            pieces(theta, grad, state, |theta, grad, state| {
                rule.update_f32(Update { theta, grad, scale: scale as f32, state, lr, step });
            });
        }
        (Typed::F64(theta), Typed::F64(grad), Typed::F64(state)) => {
            pieces(theta, grad, state, |theta, grad, state| {
                rule.update_f64(Update { theta, grad, scale, state, lr, step });
            });
        }
        _ => unreachable!("all three are of the same type"),
    }
}

/// Runs `f(parameter, gradient, state)` on pieces of a parameter, side by side if it is large.
fn pieces<T: Send + Sync>(
    theta: &mut [T],
    grad: &[T],
    state: &mut [T],
    f: impl Fn(&mut [T], &[T], &mut [&mut [T]]) + Sync,
) {
    let len = theta.len();
    let mut slices = SmallVec::<[&mut [T]; 5]>::new();
    slices.push(theta);
    let mut rest = state;
    while !rest.is_empty() {
        let (part, behind) = rest.split_at_mut(len);
        slices.push(part);
        rest = behind;
    }
    split_many(&mut slices, GRAIN, |start, slices| {
        if let [theta, state @ ..] = slices {
            f(theta, &grad[start..start + theta.len()], state);
        }
    });
}

/// `clipped ← min(max(scale · grad, −limit), limit)`; NaN stays.
fn clip<T: Float>(grad: &[T], scale: f64, limit: f64, clipped: &mut Vec<T>) {
    let [scale, low, high] = [scale, -limit, limit].map(T::from_f64);
    let within = |g: &T| {
        let g = *g * scale;
        if g > high {
            high
        } else if g < low {
            low
        } else {
            g
        }
    };
    clipped.clear();
    clipped.extend(grad.iter().map(within));
}

/// The 2-norm of the gradients of all the model's parameters together.
fn global_norm<T: Float, M: Module<T> + ?Sized>(model: &M, grads: &Gradients<T>) -> f64 {
    let mut sum = 0.0;
    model.visit(&mut Visitor::new(&mut |_, leaf| {
        if let gradus_autograd::Leaf::Param(param) = leaf
            && let Some(grad) = grads.padded(param)
        {
            sum += squares(&grad[..param.len()]);
        }
    }));
    sum.sqrt()
}

/// Numbers whose squares are summed before the sum goes to those of the others.
const BLOCK: usize = 1 << 15;

/// The sum of squares: of the sums of blocks, in their order, so that it does not depend on the number of threads.
fn squares<T: Float>(x: &[T]) -> f64 {
    let mut sums: SmallVec<[f64; 8]> = SmallVec::from_elem(0.0, x.len().div_ceil(BLOCK));
    split_by(&mut sums, 1, 8, |start, sums| {
        for (sum, x) in sums.iter_mut().zip(x[start * BLOCK..].chunks(BLOCK)) {
            *sum = match T::typed(x) {
                Typed::F32(x) => squares_f32(x),
                Typed::F64(x) => x.iter().map(|x| x * x).sum(),
            };
        }
    });
    sums.iter().sum()
}

/// Sums squares in 16 lanes and blocks, so that it is fast and the rounding error small.
fn squares_f32(x: &[f32]) -> f64 {
    vectorize(
        #[inline(always)]
        || {
            let mut total = 0.0;
            for block in x.chunks(4096) {
                let mut lanes = [0f32; 16];
                for part in block.chunks(16) {
                    for (lane, &x) in lanes.iter_mut().zip(part) {
                        *lane += x * x;
                    }
                }
                total += lanes.iter().map(|&x| f64::from(x)).sum::<f64>();
            }
            total
        },
    )
}
