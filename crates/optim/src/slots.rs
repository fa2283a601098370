//! The states of all parameters, found by place, by identity and by path.

use std::collections::HashMap;
use std::ops::Range;

use gradus_autograd::{Float, Param, ParamId, Path, path_fits};

use crate::state::{ParamState, Slot};
use crate::{Group, Rule, States};

/// The states of an optimizer's parameters.
#[derive(Clone, Debug)]
pub(crate) struct Slots<T: Float> {
    list: Vec<Slot<T>>,
    by_id: HashMap<ParamId, usize>,
    /// the place of the state at each path; if several states have had the path, that of the state which a parameter
    /// there continues
    by_path: HashMap<String, usize>,
    /// whether the model was checked since a state was last added or loaded, or a group was added
    pub(crate) checked: bool,
}

impl<T: Float> Default for Slots<T> {
    fn default() -> Self {
        Slots { list: Vec::new(), by_id: HashMap::new(), by_path: HashMap::new(), checked: false }
    }
}

impl<T: Float> Slots<T> {
    /// The slots of saved states.
    pub(crate) fn of(saved: Vec<ParamState<T>>) -> Self {
        let list: Vec<Slot<T>> = saved.into_iter().map(Slot::load).collect();
        let by_path = list.iter().enumerate().map(|(place, slot)| (slot.path.clone(), place)).collect();
        Slots { list, by_path, ..Slots::default() }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slot<T>> {
        self.list.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn at(&mut self, place: usize) -> &mut Slot<T> {
        &mut self.list[place]
    }

    pub(crate) fn at_path(&self, path: &str) -> Option<&Slot<T>> {
        self.by_path.get(path).map(|&place| &self.list[place])
    }

    /// Returns the state of each path. Of several states that were at one path, it is the one that stepped last.
    pub(crate) fn current(&self) -> impl Iterator<Item = &Slot<T>> {
        let mut newest: HashMap<&str, u64> = HashMap::new();
        for slot in &self.list {
            let last = newest.entry(&slot.path).or_insert(slot.last);
            *last = slot.last.max(*last);
        }
        self.list.iter().filter(move |slot| newest[&*slot.path] == slot.last)
    }

    /// Forgets which parameters the states belong to: from now on, states are found by their paths only.
    pub(crate) fn forget(&mut self) {
        self.list.iter_mut().for_each(|slot| slot.param = None);
        self.by_id.clear();
        self.checked = false;
    }

    /// Returns the place of a parameter's state, which is usually `expected`; `own` is the slice of it that this
    /// process keeps, if not all. A new parameter gets a new state. If a parameter's identity changed (a loaded model)
    /// or is not known yet (a loaded state), its state is found by its path.
    #[track_caller]
    pub(crate) fn place<R: Rule>(
        &mut self,
        expected: usize,
        param: &Param<T>,
        (base, groups): (&Group<R>, &[(String, Group<R>)]),
        path: &Path<'_>,
        (padded, own): (usize, Option<Range<usize>>),
    ) -> usize {
        let id = param.id();
        if self.list.get(expected).is_some_and(|s| s.param == Some(id)) {
            return expected;
        }
        let path = path.to_string();
        if let Some(&place) = self.by_id.get(&id) {
            self.by_path.insert(path.clone(), place);
            self.list[place].path = path; // the path changes when parameters before it are added or removed
            return place;
        }
        let group = group_of(groups, &path);
        let states = group.map_or(base, |i| &groups[i].1).rule.states(param.shape());
        let found = self.by_path.get(&path).copied().filter(|&place| self.list[place].path == path);
        let place = found.unwrap_or_else(|| {
            let shape = param.shape().to_vec();
            let own = own.clone().filter(|_| matches!(states, States::Each(_)));
            let state = Param::zeros(&[states.total(own.as_ref().map_or(param.len(), Range::len))]);
            let (path, place) = (path.clone(), self.list.len());
            self.list.push(Slot {
                path,
                param: None,
                group,
                steps: 0,
                last: 0,
                shape,
                padded: 0,
                own,
                state,
                touched: Some(Vec::new()),
            });
            self.checked = false;
            place
        });
        let slot = &mut self.list[place];
        if let Some(problem) = other_shape(slot, param) {
            panic!("{problem}");
        }
        if let States::Each(_) = states {
            match own {
                None => slot.pad(padded),
                Some(own) => slot.keep(own),
            }
        }
        if let Some(before) = slot.param.replace(id) {
            self.by_id.remove(&before);
        }
        slot.group = group;
        self.by_id.insert(id, place);
        self.by_path.insert(path, place);
        place
    }
}

/// Returns what is wrong, if the state is for a parameter of another shape.
pub(crate) fn other_shape<T: Float>(slot: &Slot<T>, param: &Param<T>) -> Option<String> {
    (slot.shape != param.shape()).then(|| {
        format!(
            "Optimizer::step: the state of `{}` is for a parameter of shape {:?}, but this one is {:?}; it was saved, \
             or \
             made, with another model",
            slot.path,
            slot.shape,
            param.shape()
        )
    })
}

/// Returns the index of the last group whose pattern fits the path.
pub(crate) fn group_of<R>(groups: &[(String, Group<R>)], path: &str) -> Option<usize> {
    groups.iter().rposition(|(pattern, _)| path_fits(pattern, path))
}
