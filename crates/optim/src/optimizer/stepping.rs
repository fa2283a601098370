//! The step of an optimizer, and the checks before it.

use std::collections::HashSet;
use std::ops::Range;

use gradus_autograd::internal::{blocks_of, fits_none, norm};
use gradus_autograd::{Float, Gradients, Leaf, LeafMut, Module, Param, Path, Visitor, path_fits};

use super::Optimizer;
use crate::apply::{Step, update};
use crate::clip;
use crate::slots::{group_of, other_shape};
use crate::spread::{complete, own_slice};
use crate::state::Extent;
use crate::{NonFiniteGradient, Rule, StateError};

impl<R: Rule, T: Float> Optimizer<R, T> {
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
        if self.watch_norm || self.clip.norm.is_some() {
            self.last_norm = Some(self.norm(model, grads));
        }
        self.step_with_norm(model, grads);
    }

    /// Makes a step, for gradients whose norm is known.
    #[track_caller]
    fn step_with_norm<M: Module<T> + ?Sized>(&mut self, model: &mut M, grads: &Gradients<T>) {
        let problem = self.unfit_state(model).or_else(|| self.unfit_model(model)).or_else(|| self.unfit_rate());
        if let Some(problem) = problem {
            panic!("{problem}"); // before anything is changed
        }
        self.slots.checked = true;
        let bound = self.clip.norm.zip(self.last_norm);
        let scale = bound.map_or(1.0, |(max_norm, norm)| clip::factor(norm, max_norm));
        if let Some(updates) = &mut self.updates {
            updates.ratios.clear();
        }
        let rate = self.rate(self.steps);
        let mut found = 0;
        let mut at = 0;
        let Optimizer { base, groups, slots, clip, clipped, steps, lazy, updates, spread, .. } = self;
        // rows that rest are not the same in each slice
        let spread = spread.as_ref().filter(|_| !*lazy);
        model.visit_mut(&mut Visitor::new(&mut |path, leaf| match leaf {
            LeafMut::Buffer(buffer) => {
                grads.update_buffer(buffer);
            }
            LeafMut::Param(param) => {
                let Some(grad) = grads.padded(param) else { return };
                found += 1;
                let place = slots.place(at, param, (base, groups), path, (grad.len(), own_slice(spread, param.len())));
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
                let given = given.filter(|_| slot.own.is_none());
                let rows = slot.rows_to_step(given, group.rule.at_rest(), *lazy);
                let touched = slot.touched.take();
                let rows = match rows {
                    Extent::All => None,
                    Extent::Given => given,
                    Extent::Touched => touched.as_deref(),
                };
                let mut move_it = |param: &mut Param<T>| {
                    slot.state.update(|state| update(&group.rule, param, grad, state, step, (rows, slot.own.clone())));
                    if let Some(spread) = spread.filter(|_| slot.own.is_some()) {
                        param.update(|numbers| complete(&**spread, numbers));
                    }
                };
                match updates {
                    None => move_it(param),
                    Some(updates) => updates.record(path, param, move_it),
                }
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
        self.step_with_norm(model, grads);
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

    /// Returns the 2-norm of all gradients together. Of a gradient that is 0 but for a few rows, only these are read.
    fn norm<M: Module<T> + ?Sized>(&self, model: &M, grads: &Gradients<T>) -> f64 {
        norm(|f| {
            self.each_gradient(model, grads, |_, param, grad| match grads.rows(param) {
                None => f(grad),
                Some(rows) => {
                    let width = param.shape()[1..].iter().product();
                    blocks_of(rows, width, grad.len()).for_each(|block| f(&grad[block]));
                }
            });
        })
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
                let total = group.rule.states(param.shape()).total(slot.own.as_ref().map_or(param.len(), Range::len));
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
        let group = self.groups.iter().find(|(pattern, _)| idle(pattern));
        group.map(|(pattern, _)| format!("Optimizer::step: the group {}", fits_none(pattern, &paths)))
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
