//! The gradients of a cost, which a sweep returns.

use std::cell::Cell;

use ndarray::{ArrayD, ArrayViewD, IxDyn};

use crate::Float;
use crate::engine::tape::Tape;
use crate::engine::var::Var;
use crate::engine::workspace::{Entry, Workspace, Workspaces};
use crate::kernels::norm::norm;
use crate::memory::{Pool, padded};
use crate::model::param::{Buffer, Param, ParamId, Update};
use crate::shape::Shape;
use crate::view::View;

/// The gradients of a cost by the leaves of its tape.
///
/// [`wrt`](Gradients::wrt) reads them by variable or by parameter. They are values: to differentiate a gradient again,
/// record it with [`Var::grad`].
///
/// ```
/// use gradus_autograd::Tape;
/// let tape = Tape::new();
/// let (x, y) = (tape.var(3.0), tape.var(5.0));
/// let grads = (x * y + y).backward();
/// assert_eq!(grads.wrt(x).first(), Some(&5.0));
/// assert_eq!(grads.wrt(y).first(), Some(&4.0));
/// ```
pub struct Gradients<T: Float = f32> {
    generation: u64,
    updates: Vec<Update<T>>,
    /// the nodes other than leaves whose gradients the sweep kept
    kept: Vec<u32>,
    /// `None` only while being dropped
    workspace: Option<Workspace<T>>,
    home: Workspaces<T>,
    /// the index just after the entry that was last found: the next search starts there
    last_found: Cell<usize>,
}

impl<T: Float> std::fmt::Debug for Gradients<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shapes = self.workspace().entries.iter().map(|e| (e.node, &e.shape));
        f.write_str("Gradients ")?;
        f.debug_map().entries(shapes).finish()
    }
}

impl<T: Float> Drop for Gradients<T> {
    fn drop(&mut self) {
        if let Some(workspace) = self.workspace.take() {
            self.home.give_back(workspace);
        }
    }
}

/// Something whose gradient can be asked for: a variable or a parameter.
pub trait Differentiable<T: Float> {
    /// The gradient; zeros if nothing flows to it.
    #[doc(hidden)]
    fn gradient_in(&self, gradients: &Gradients<T>) -> ArrayD<T>;
    /// The node on a tape, and the shape. A parameter that the tape has not seen has no node.
    #[doc(hidden)]
    fn leaf_on(&self, tape: &Tape<T>) -> (Option<u32>, Shape);
}

impl<T: Float> Differentiable<T> for Var<'_, T> {
    #[track_caller]
    fn gradient_in(&self, gradients: &Gradients<T>) -> ArrayD<T> {
        assert!(
            self.tape().generation() == gradients.generation,
            "Gradients::wrt: this variable is not from the tape, or the step, that these gradients were computed on"
        );
        let found = gradients.workspace().entries.iter().find(|e| e.node == self.index());
        if let Some(entry) = found {
            return gradients.array(entry).to_owned();
        }
        let known = self.tape().leaves().iter().any(|(node, _)| *node == self.index())
            || (self.is_differentiated() && gradients.kept.contains(&self.index()));
        assert!(
            known,
            "Gradients::wrt: the gradient of {} was not kept; {}",
            if self.is_differentiated() { "an intermediate variable" } else { "a constant" },
            if self.is_differentiated() {
                "call `keep_gradient()` on it before `backward()`"
            } else {
                "make it with `tape.var(…)` to differentiate by it"
            }
        );
        ArrayD::zeros(IxDyn(self.shape()))
    }
    #[track_caller]
    fn leaf_on(&self, tape: &Tape<T>) -> (Option<u32>, Shape) {
        assert!(std::ptr::eq(self.tape(), tape), "a direction is for a variable of another tape than the cost");
        let leaf = tape.leaves().binary_search_by_key(&self.index(), |(node, _)| *node).is_ok();
        assert!(leaf, "a direction is for {self:?}, which is not a leaf: make it with `tape.var(…)`");
        (Some(self.index()), Var::shape(*self).into())
    }
}

impl<T: Float> Differentiable<T> for &Param<T> {
    fn leaf_on(&self, tape: &Tape<T>) -> (Option<u32>, Shape) {
        (tape.leaf_of(self.id()), self.shape().into())
    }
    fn gradient_in(&self, gradients: &Gradients<T>) -> ArrayD<T> {
        match gradients.get(self) {
            Some(gradient) => gradient.to_owned(),
            None => ArrayD::zeros(IxDyn(self.shape())),
        }
    }
}

impl<T: Float> Gradients<T> {
    /// The gradients of a sweep, together with the updates of buffers that the tape recorded since they were last
    /// taken, and the nodes whose gradients were kept.
    pub(crate) fn new(tape: &Tape<T>, workspace: Workspace<T>) -> Self {
        let mut gradients = Self::without_updates(tape, workspace);
        gradients.updates = tape.take_updates();
        gradients.kept = tape.kept().clone();
        gradients
    }

    pub(crate) fn without_updates(tape: &Tape<T>, workspace: Workspace<T>) -> Self {
        Gradients {
            generation: tape.generation(),
            updates: Vec::new(),
            kept: Vec::new(),
            workspace: Some(workspace),
            home: tape.workspaces().clone(),
            last_found: Cell::new(0),
        }
    }

    /// The gradients in a workspace, of no tape.
    pub(super) fn of(workspace: Workspace<T>, home: Workspaces<T>) -> Self {
        let (updates, kept) = (Vec::new(), Vec::new());
        Gradients { generation: 0, updates, kept, workspace: Some(workspace), home, last_found: Cell::new(0) }
    }

    pub(super) fn workspace(&self) -> &Workspace<T> {
        self.workspace.as_ref().expect("there until dropped")
    }

    pub(super) fn workspace_mut(&mut self) -> &mut Workspace<T> {
        self.workspace.as_mut().expect("there until dropped")
    }

    pub(super) fn updates_mut(&mut self) -> &mut Vec<Update<T>> {
        &mut self.updates
    }

    fn array<'a>(&'a self, entry: &'a Entry) -> ArrayViewD<'a, T> {
        View::new(self.workspace().pool.kept(entry.numbers), &entry.shape).array()
    }

    fn entry(&self, param: ParamId) -> Option<&Entry> {
        // parameters are mostly asked for in the order in which they were used, once or twice each: search on from the
        // entry found last
        let entries = &self.workspace().entries;
        let start = self.last_found.get().saturating_sub(1).min(entries.len());
        let place = (start..entries.len()).chain(0..start).find(|&i| entries[i].param == Some(param))?;
        self.last_found.set(place + 1);
        Some(&entries[place])
    }

    /// The gradient by a variable or a parameter (`&model.weight`); zeros if nothing flows to it.
    ///
    /// # Panics
    /// If `of` is a variable of another tape or an earlier step, a constant, or an intermediate variable whose gradient
    /// was not kept ([`Var::keep_gradient`]).
    #[track_caller]
    pub fn wrt(&self, of: impl Differentiable<T>) -> ArrayD<T> {
        of.gradient_in(self)
    }

    /// The gradient by a parameter, without a copy; `None` if nothing flows to it.
    pub fn get(&self, param: &Param<T>) -> Option<ArrayViewD<'_, T>> {
        self.entry(param.id()).map(|e| self.array(e))
    }

    /// The rows (along axis 0) of a parameter's gradient that may hold other numbers than 0, in order; `None` if they
    /// all may. The gradient of a table with many rows, of which few were looked up (by
    /// [`embedding`](Var::embedding) or [`index_select`](Var::index_select)), is 0 elsewhere, and an optimizer can pass
    /// over what is 0.
    ///
    /// ```
    /// use gradus_autograd::{Param, Tape};
    /// use ndarray::array;
    /// let table = Param::<f32>::zeros(&[50_000, 8]);
    /// let (_, grads) = Tape::training(0).gradients(|t| t.param(&table).embedding(&array![7, 3, 7]).sum());
    /// assert_eq!(grads.rows(&table), Some(&[3, 7][..]));
    /// assert_eq!(grads.get(&table).unwrap()[[7, 0]], 2.0);
    /// ```
    pub fn rows(&self, param: &Param<T>) -> Option<&[usize]> {
        self.entry(param.id())?.rows.as_deref()
    }

    /// The numbers of [`get`](Self::get) with the padding after them, for loops that run over whole blocks only.
    #[doc(hidden)]
    pub fn padded(&self, param: &Param<T>) -> Option<&[T]> {
        self.entry(param.id()).map(|e| &self.workspace().pool.kept(e.numbers)[..padded(param.len())])
    }

    /// The count of numbers in all arrays that the sweep wrote; a block that was reused counts each time. It measures
    /// the work of the sweep independently of the machine.
    #[doc(hidden)]
    pub fn numbers_written(&self) -> usize {
        self.workspace().pool.handed_out()
    }

    /// The 2-norm of all gradients together: of the gradient vector, whose length says how steep the cost is. It is
    /// right even where squares overflow or underflow, and it does not depend on the number of threads.
    ///
    /// For a model's step, `Optimizer::last_norm` and `clip_norm` of `gradus-optim` use the same norm, without the
    /// parameters in frozen groups.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let (x, y) = (tape.var(3.0), tape.var(4.0));
    /// assert_eq!((x * y).backward().norm(), 5.0); // the gradients are 4 and 3
    /// ```
    pub fn norm(&self) -> f64 {
        let Workspace { pool, entries, .. } = self.workspace();
        norm(|f| {
            for entry in entries {
                f(&pool.kept(entry.numbers)[..entry.shape.iter().product()]);
            }
        })
    }

    /// The number of parameters that have a gradient.
    pub fn param_count(&self) -> usize {
        self.param_ids().count()
    }

    /// The identities of the parameters that have a gradient.
    pub fn param_ids(&self) -> impl Iterator<Item = ParamId> + '_ {
        self.workspace().entries.iter().filter_map(|e| e.param)
    }

    /// Changes the gradient of a parameter in place; returns false if it has none. Use it for noise, penalties, or
    /// averages of your own.
    ///
    /// ```
    /// use gradus_autograd::{Param, Tape};
    /// let w = Param::new([1.0f32, 2.0]);
    /// let (_, mut grads) = Tape::training(0).gradients(|t| t.param(&w).square().sum());
    /// grads.update(&w, |g| g[1] = 0.0);
    /// assert_eq!(grads.wrt(&w), ndarray::array![2.0, 0.0].into_dyn());
    /// ```
    pub fn update(&mut self, param: &Param<T>, change: impl FnOnce(&mut [T])) -> bool {
        let Workspace { pool, entries, .. } = self.workspace.as_mut().expect("there until dropped");
        let Some(entry) = entries.iter_mut().find(|e| e.param == Some(param.id())) else { return false };
        entry.rows = None;
        change(&mut pool.kept_mut(entry.numbers)[..param.len()]);
        true
    }

    /// Multiplies every gradient by a number.
    pub fn scale(&mut self, factor: f64) {
        let factor = T::from_f64(factor);
        let Workspace { pool, entries, .. } = self.workspace.as_mut().expect("there until dropped");
        for entry in entries {
            let rows = entry.rows.take().filter(|_| factor.is_finite()); // 0 · ∞ is NaN
            match &rows {
                Some(rows) => {
                    let width: usize = entry.shape[1..].iter().product();
                    let numbers = pool.kept_rows_mut(entry.numbers, &[]);
                    let rows = rows.iter().flat_map(|row| row * width..(row + 1) * width);
                    rows.for_each(|i| numbers[i] *= factor);
                }
                None => pool.kept_mut(entry.numbers).iter_mut().for_each(|g| *g *= factor),
            }
            entry.rows = rows;
        }
    }

    /// Adds the gradients of another sweep: of another batch that belongs to the same step, of another shard, or of
    /// another cost on the same tape. Gradients by parameters are added from any tape. Gradients by variables are added
    /// only if both sweeps ran on the same tape and it was not cleared in between. Updates of buffers are appended.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(3.0);
    /// let mut sum = x.square().backward();
    /// sum.add(&(x * 10.0).backward());
    /// assert_eq!(sum.wrt(x).first(), Some(&16.0));
    /// ```
    pub fn add(&mut self, other: &Self) {
        let one_tape = self.generation == other.generation;
        let Workspace { pool, entries, .. } = self.workspace.as_mut().expect("there until dropped");
        let mut next = 0; // both are mostly in the same order: search on from the entry found last
        for theirs in other.workspace().entries.iter().filter(|e| e.param.is_some() || one_tape) {
            let numbers = other.workspace().pool.kept(theirs.numbers);
            let same = |e: &Entry| e.param == theirs.param && (e.param.is_some() || e.node == theirs.node);
            match (next..entries.len()).chain(0..next).find(|&i| same(&entries[i])) {
                Some(place) => {
                    let ours = &mut entries[place];
                    next = place + 1;
                    let len: usize = ours.shape.iter().product();
                    if let (Some(rows), Some(more)) = (&mut ours.rows, &theirs.rows) {
                        let width: usize = ours.shape[1..].iter().product();
                        rows.extend_from_slice(more);
                        rows.sort_unstable();
                        rows.dedup();
                        // our rows too, though 0 is added there: −0 + 0 is 0, as if whole arrays were added
                        let sums = pool.kept_rows_mut(ours.numbers, rows);
                        for i in rows.iter().flat_map(|row| row * width..(row + 1) * width) {
                            sums[i] += numbers[i];
                        }
                        continue;
                    }
                    ours.rows = None;
                    (T::kernels().add_assign)(&mut pool.kept_mut(ours.numbers)[..len], &numbers[..len]);
                }
                None => {
                    let len = numbers.len();
                    let mut slot = pool.alloc(len);
                    slot.write().expect("a new block has one slot")[..len].copy_from_slice(numbers);
                    let numbers = Pool::keep(slot);
                    let shape = theirs.shape.clone();
                    let node = if one_tape { theirs.node } else { u32::MAX };
                    entries.push(Entry { node, param: theirs.param, numbers, rows: theirs.rows.clone(), shape });
                }
            }
        }
        self.updates.extend(other.updates.iter().cloned());
    }

    /// Takes over the updates of buffers that another sweep carries, in place of its own: for a step along a gradient
    /// that was computed elsewhere than at the parameters.
    pub fn take_updates_of(&mut self, mut other: Self) {
        self.updates = std::mem::take(&mut other.updates);
    }

    /// Carries out the updates of a buffer that the forward pass recorded, in their order. Returns how many there were.
    pub fn update_buffer(&self, buffer: &mut Buffer<T>) -> usize {
        let id = buffer.id();
        let moves = self.updates.iter().filter(|u| u.buffer == id);
        moves
            .map(|u| {
                let (keep, rate) = (T::from_f64(1.0 - u.rate), T::from_f64(u.rate));
                buffer.inner_mut().update(|numbers| {
                    numbers.iter_mut().zip(&u.value).for_each(|(b, &v)| *b = keep * *b + rate * v);
                });
            })
            .count()
    }
}
