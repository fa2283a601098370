//! The three sweeps over a tape: one computes gradients, one records them, one computes how they move.

use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::sync::{Arc, Mutex};

use ndarray::{ArrayD, ArrayViewD, IxDyn};
use smallvec::SmallVec;

use crate::anomaly::range;
use crate::array::IntoArray;
use crate::dual::{DualContext, DualValue};
use crate::operation::{Jvp, Shape, View, Vjp};
use crate::param::{Buffer, Param, ParamId};
use crate::storage::{Frozen, Kept, Pool, Recycled, padded};
use crate::tape::Update;
use crate::tensor::{Tensor, Value, ValueContext};
use crate::{Float, Tape, Var};

/// Memory of a sweep that goes back to its tape when the gradients are dropped.
pub(crate) struct Workspace<T: Float> {
    pool: Pool<T>,
    entries: Vec<Entry>,
    slots: Recycled<RefCell<Option<Value<'static, T>>>>,
}

impl<T: Float> Workspace<T> {
    fn new() -> Self {
        Workspace { pool: Pool::new(), entries: Vec::new(), slots: Recycled::new() }
    }
}

/// The gradient of one node.
#[derive(Debug)]
struct Entry {
    node: u32,
    param: Option<ParamId>,
    numbers: Kept,
    shape: Shape,
}

impl Entry {
    fn new<T: Float>(node: u32, param: Option<ParamId>, gradient: Value<'_, T>) -> Self {
        let (numbers, shape) = gradient.keep();
        Entry { node, param, numbers, shape }
    }
}

/// The range of a gradient, in words.
fn described<T: Float>(slot: &RefCell<Option<Value<'_, T>>>) -> String {
    let gradient = slot.borrow().clone().map(Value::dense);
    gradient.map_or(String::new(), |gradient| format!("was {}", range(gradient.view())))
}

/// Sweeps from node `output`, a single number, and computes gradients.
#[track_caller]
pub(crate) fn backward<T: Float>(tape: &Tape<T>, output: u32) -> Gradients<T> {
    let Workspace { pool, mut entries, slots } = workspace(tape);
    let nodes = &tape.nodes().frozen();
    let mut slots: Vec<RefCell<Option<Value<'_, T>>>> = slots.into_vec();
    slots.resize_with(output as usize + 1, || RefCell::new(None));
    {
        let pool = &pool;
        let context = ValueContext::new(nodes, pool);
        let kept = tape.kept().clone();
        let result = nodes.node(output);
        if result.differentiated {
            slots[output as usize].replace(Some(Value::uniform(T::from_f64(1.0), result.value.shape(), pool)));
        }
        for index in (0..=output).rev() {
            let node = nodes.node(index);
            let Some(operation) = node.operation else { continue };
            match &*slots[index as usize].borrow() {
                None => continue,
                Some(gradient) if !kept.is_empty() && kept.contains(&index) => {
                    entries.push(Entry::new(index, None, gradient.clone()));
                }
                Some(_) => {}
            }
            let arriving = tape.detects().get().then(|| described(&slots[index as usize]));
            operation.vjp_values(&Vjp::new(context, (index, node.inputs), &slots, None));
            slots[index as usize].take(); // its memory serves the next
            if let Some(arriving) = arriving {
                for &input in node.inputs {
                    if let Some(gradient) = &*slots[input as usize].borrow() {
                        tape.check_gradient(&node, input, &arriving, gradient);
                    }
                }
            }
        }
        for &(node, param) in tape.leaves().iter().take_while(|(node, _)| *node <= output) {
            if let Some(gradient) = slots[node as usize].take() {
                entries.push(Entry::new(node, param, gradient));
            }
        }
    }
    let slots = Recycled::from_vec(slots);
    Gradients::new(tape, moves(tape), Workspace { pool, entries, slots })
}

/// Sweeps forward, to find how every node moves when the leaves move along `directions`, and back over values that
/// carry how they move: at the leaves arrives how the gradient moves, the Hessian times the direction.
pub(crate) fn hvp<T: Float>(
    tape: &Tape<T>,
    output: u32,
    directions: impl Iterator<Item = (u32, impl IntoArray<T>)>,
) -> Gradients<T> {
    let Workspace { pool, mut entries, slots } = workspace(tape);
    let nodes = &tape.nodes().frozen();
    {
        let values = ValueContext::new(nodes, &pool);
        let tangents = tangents(values, nodes, output, directions);
        let context = DualContext { values, tangents: &tangents };
        let mut duals: Vec<RefCell<Option<DualValue<'_, T>>>> = Vec::new();
        duals.resize_with(output as usize + 1, || RefCell::new(None));
        let result = nodes.node(output);
        if result.differentiated {
            let one = Value::uniform(T::from_f64(1.0), result.value.shape(), &pool);
            duals[output as usize].replace(Some(DualValue { value: one, tangent: None }));
        }
        for index in (0..=output).rev() {
            let node = nodes.node(index);
            let Some(operation) = node.operation else { continue };
            if duals[index as usize].borrow().is_some() {
                operation.vjp_duals(&Vjp::new(context, (index, node.inputs), &duals, None));
                duals[index as usize].take();
            }
        }
        for &(node, param) in tape.leaves().iter().take_while(|(node, _)| *node <= output) {
            if let Some(DualValue { tangent: Some(moved), .. }) = duals[node as usize].take() {
                entries.push(Entry::new(node, param, moved));
            }
        }
    }
    Gradients::new(tape, Vec::new(), Workspace { pool, entries, slots })
}

/// How node `output` moves when the leaves move along `directions`; nothing if it stands still.
pub(crate) fn jvp<T: Float>(
    tape: &Tape<T>,
    output: u32,
    directions: impl Iterator<Item = (u32, impl IntoArray<T>)>,
) -> Option<ArrayD<T>> {
    let Workspace { pool, entries, slots } = workspace(tape);
    let nodes = &tape.nodes().frozen();
    let values = ValueContext::new(nodes, &pool);
    let moved = tangents(values, nodes, output, directions).pop().flatten().map(|moved| moved.array());
    lock(tape.workspaces()).push(Workspace { pool, entries, slots });
    moved
}

/// How each node up to `output` moves when the leaves move along `directions`.
fn tangents<'s, T: Float>(
    values: ValueContext<'s, T>,
    nodes: &'s Frozen<'s, T>,
    output: u32,
    directions: impl Iterator<Item = (u32, impl IntoArray<T>)>,
) -> Vec<Option<Value<'s, T>>> {
    let mut tangents: Vec<Option<Value<'s, T>>> = vec![None; output as usize + 1];
    for (node, direction) in directions.filter(|(node, _)| *node <= output) {
        let written = Value::load(values, node).constant(&direction.shape(), |out| direction.write(out));
        tangents[node as usize] = Some(written);
    }
    for index in 0..=output {
        let node = nodes.node(index);
        let Some(operation) = node.operation else { continue };
        let moved: SmallVec<[_; 4]> = node.inputs.iter().map(|&i| tangents[i as usize].clone()).collect();
        if moved.iter().any(Option::is_some) {
            let inputs: SmallVec<[_; 4]> = node.inputs.iter().map(|&i| Value::load(values, i)).collect();
            tangents[index as usize] = operation.jvp_values(&Jvp::new(&inputs, &moved, &Value::load(values, index)));
        }
    }
    tangents
}

/// A step on the way back from a cost, for [`explain`](crate::explain()).
pub(crate) struct Contributions<T> {
    pub(crate) node: u32,
    /// the cost's gradient by it
    pub(crate) gradient: Option<ArrayD<T>>,
    pub(crate) inputs: Vec<Contribution<T>>,
}

/// The local derivative by an input, if it is small, and what is added to the input's gradient.
type Contribution<T> = (Option<ArrayD<T>>, Option<ArrayD<T>>);

/// The steps that a number depends on, in their order, with local derivatives of up to `limit` numbers.
pub(crate) fn contributions<T: Float>(tape: &Tape<T>, output: u32, limit: usize) -> Vec<Contributions<T>> {
    let (pool, nodes) = (Pool::new(), &tape.nodes().frozen());
    let context = ValueContext::new(nodes, &pool);
    // what a rule makes of a gradient, for each input
    let pulled = |index: u32, gradient: &ArrayD<T>| -> Vec<Option<ArrayD<T>>> {
        let node = nodes.node(index);
        let slots: Vec<_> = (0..=index).map(|_| RefCell::new(None)).collect();
        let gradient = Value::load(context, index).constant(gradient.shape(), |out| gradient.write(out));
        slots[index as usize].replace(Some(gradient));
        if let Some(operation) = node.operation {
            operation.vjp_values(&Vjp::new(context, (index, node.inputs), &slots, None));
        }
        // an operand that stands twice got both parts in one
        let first = |k: usize| !node.inputs[..k].contains(&node.inputs[k]);
        let part = |(k, &i): (usize, &u32)| slots[i as usize].borrow().as_ref().filter(|_| first(k)).map(Value::array);
        node.inputs.iter().enumerate().map(part).collect()
    };
    let mut gradients: Vec<Option<ArrayD<T>>> = vec![None; output as usize + 1];
    let mut needed = vec![false; output as usize + 1];
    needed[output as usize] = true;
    let shape = |index: u32| IxDyn(nodes.node(index).value.shape());
    gradients[output as usize] = Some(ArrayD::from_elem(shape(output), T::from_f64(1.0)));
    let mut found = Vec::new();
    for index in (0..=output).rev() {
        if !needed[index as usize] {
            continue;
        }
        let node = nodes.node(index);
        node.inputs.iter().for_each(|&i| needed[i as usize] = true);
        let gradient = gradients[index as usize].take().filter(|_| node.differentiated);
        let parts = gradient.as_ref().map_or(vec![None; node.inputs.len()], |gradient| pulled(index, gradient));
        let len = node.value.data().len();
        let mut derivatives = vec![None; node.inputs.len()];
        for (derivative, &input) in derivatives.iter_mut().zip(node.inputs) {
            let numbers = nodes.node(input).value.data().len() * len;
            *derivative = (1..=limit).contains(&numbers).then(|| Vec::with_capacity(numbers));
        }
        if gradient.is_some() && derivatives.iter().any(Option::is_some) {
            for i in 0..len {
                let mut unit = ArrayD::zeros(shape(index));
                unit.iter_mut().skip(i).take(1).for_each(|x| *x = T::from_f64(1.0));
                for ((rows, part), &input) in derivatives.iter_mut().zip(pulled(index, &unit)).zip(node.inputs) {
                    if let Some(rows) = rows {
                        let len = nodes.node(input).value.data().len();
                        rows.extend(part.map_or(vec![T::default(); len], |part| part.into_iter().collect()));
                    }
                }
            }
        }
        for (part, &input) in parts.iter().zip(node.inputs) {
            if let Some(part) = part {
                let sum = &mut gradients[input as usize];
                *sum = Some(sum.take().map_or_else(|| part.clone(), |sum| sum + part));
            }
        }
        let local = |(rows, &input): (Option<Vec<T>>, &u32)| {
            let shape = [node.value.shape(), nodes.node(input).value.shape()].concat();
            rows.and_then(|rows| ArrayD::from_shape_vec(shape, rows).ok())
        };
        let local: Vec<_> = derivatives.into_iter().zip(node.inputs).map(local).collect();
        let inputs = local.into_iter().zip(parts).map(|(local, part)| (local.filter(|_| part.is_some()), part));
        found.push(Contributions { node: index, gradient, inputs: inputs.collect() });
    }
    found.reverse();
    found
}

/// A workspace of the tape's, with nothing in it.
fn workspace<T: Float>(tape: &Tape<T>) -> Workspace<T> {
    let mut workspace = lock(tape.workspaces()).pop().unwrap_or_else(Workspace::new);
    workspace.pool.reset();
    workspace.entries.clear();
    workspace
}

/// The moves of buffers that the tape recorded.
fn moves<T: Float>(tape: &Tape<T>) -> Vec<BufferUpdate<T>> {
    let update = |u: &Update| BufferUpdate {
        buffer: u.buffer,
        rate: u.rate,
        value: tape.nodes().node(u.value).value.data().to_vec(),
    };
    tape.take_updates().iter().map(update).collect()
}

/// Sweeps from `output` to `inputs` and records the gradients on the tape, so that they can be differentiated again.
pub(crate) fn grad<'t, T: Float>(
    output: Var<'t, T>,
    inputs: &[Var<'t, T>],
    location: &'static Location<'static>,
) -> Vec<Var<'t, T>> {
    let tape = output.tape();
    let nodes = tape.nodes();
    let end = inputs.iter().map(|v| v.index()).max().unwrap_or(0).max(output.index());
    let mut wanted = vec![false; end as usize + 1];
    for input in inputs {
        wanted[input.index() as usize] = true;
    }
    for index in 0..=output.index() {
        wanted[index as usize] |= nodes.node(index).inputs.iter().any(|&i| wanted[i as usize]);
    }
    let slots: Vec<RefCell<Option<Var<'t, T>>>> = vec![RefCell::new(None); end as usize + 1];
    tape.at(location, || {
        slots[output.index() as usize]
            .replace(Some(tape.constant_with(output.shape(), |one| one.fill(T::from_f64(1.0)))));
        for index in (0..=output.index()).rev() {
            let node = nodes.node(index);
            let gradient = *slots[index as usize].borrow();
            if gradient.is_some()
                && let Some(operation) = node.operation
                && node.inputs.iter().any(|&i| wanted[i as usize])
            {
                operation.vjp_vars(&Vjp::new(tape, (index, node.inputs), &slots, Some(&wanted)));
                slots[index as usize].replace(gradient); // it may be asked for
            }
        }
        let zeros = |v: &Var<'t, T>| tape.constant_with(v.shape(), |zeros| zeros.fill(T::default()));
        inputs.iter().map(|v| slots[v.index() as usize].borrow().unwrap_or_else(|| zeros(v))).collect()
    })
}

/// Bytes of the workspaces that wait for the next sweep.
pub(crate) fn held<T: Float>(tape: &Tape<T>) -> usize {
    lock(tape.workspaces()).iter().map(|workspace| workspace.pool.bytes()).sum()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A move of a buffer, with the value it moves toward.
#[derive(Clone, Debug)]
struct BufferUpdate<T> {
    buffer: ParamId,
    rate: f64,
    value: Vec<T>,
}

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
    updates: Vec<BufferUpdate<T>>,
    /// `None` only while being dropped
    workspace: Option<Workspace<T>>,
    home: Arc<Mutex<Vec<Workspace<T>>>>,
    /// behind the entry that was last looked up
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
            lock(&self.home).push(workspace);
        }
    }
}

/// What a gradient can be asked for: a variable or a parameter.
pub trait Differentiable<T: Float> {
    /// Its gradient, zeros where nothing flows.
    #[doc(hidden)]
    fn gradient_in(&self, gradients: &Gradients<T>) -> ArrayD<T>;
    /// Its node on a tape, and its shape. A parameter that the tape has not seen has no node.
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
            || (self.is_differentiated() && self.tape().kept().contains(&self.index()));
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
        let leaf = tape.leaves().iter().any(|(node, _)| *node == self.index());
        assert!(leaf, "a direction is for {self:?}, which is not a leaf: make it with `tape.var(…)`");
        (Some(self.index()), Var::shape(*self).into())
    }
}

impl<T: Float> Differentiable<T> for &Param<T> {
    fn leaf_on(&self, tape: &Tape<T>) -> (Option<u32>, Shape) {
        let id = Some(self.id());
        let node = tape.leaves().iter().find(|(_, param)| *param == id).map(|(node, _)| *node);
        (node, self.shape().into())
    }
    fn gradient_in(&self, gradients: &Gradients<T>) -> ArrayD<T> {
        match gradients.get(self) {
            Some(gradient) => gradient.to_owned(),
            None => ArrayD::zeros(IxDyn(self.shape())),
        }
    }
}

impl<T: Float> Gradients<T> {
    fn new(tape: &Tape<T>, updates: Vec<BufferUpdate<T>>, workspace: Workspace<T>) -> Self {
        Gradients {
            generation: tape.generation(),
            updates,
            workspace: Some(workspace),
            home: Arc::clone(tape.workspaces()),
            last_found: Cell::new(0),
        }
    }

    fn workspace(&self) -> &Workspace<T> {
        self.workspace.as_ref().expect("there until dropped")
    }

    fn array<'a>(&'a self, entry: &'a Entry) -> ArrayViewD<'a, T> {
        View::new(self.workspace().pool.kept(entry.numbers), &entry.shape).array()
    }

    fn entry(&self, param: ParamId) -> Option<&Entry> {
        // parameters are mostly asked for in the order in which they were used: look on from the last one found
        let entries = &self.workspace().entries;
        let start = self.last_found.get().min(entries.len());
        let place = (start..entries.len()).chain(0..start).find(|&i| entries[i].param == Some(param))?;
        self.last_found.set(place + 1);
        Some(&entries[place])
    }

    /// The gradient by a variable or a parameter (`&model.weight`); zeros where nothing flows.
    ///
    /// # Panics
    /// For a variable of another tape or an earlier step, a constant, or an intermediate variable whose gradient was
    /// not kept ([`Var::keep_gradient`]).
    #[track_caller]
    pub fn wrt(&self, of: impl Differentiable<T>) -> ArrayD<T> {
        of.gradient_in(self)
    }

    /// The gradient by a parameter, without a copy; `None` if nothing flows to it.
    pub fn get(&self, param: &Param<T>) -> Option<ArrayViewD<'_, T>> {
        self.entry(param.id()).map(|e| self.array(e))
    }

    /// The numbers of [`get`](Self::get) with the padding behind them, for loops without tails.
    #[doc(hidden)]
    pub fn padded(&self, param: &Param<T>) -> Option<&[T]> {
        self.entry(param.id()).map(|e| &self.workspace().pool.kept(e.numbers)[..padded(param.len())])
    }

    /// How many parameters have a gradient.
    pub fn param_count(&self) -> usize {
        self.param_ids().count()
    }

    /// The identities of the parameters that have a gradient.
    pub fn param_ids(&self) -> impl Iterator<Item = ParamId> + '_ {
        self.workspace().entries.iter().filter_map(|e| e.param)
    }

    /// Multiplies every gradient by a number.
    pub fn scale(&mut self, factor: f64) {
        let factor = T::from_f64(factor);
        let Workspace { pool, entries, .. } = self.workspace.as_mut().expect("there until dropped");
        for entry in entries {
            pool.kept_mut(entry.numbers).iter_mut().for_each(|g| *g *= factor);
        }
    }

    /// Adds the gradients of another sweep: of another batch, whose gradients add up to one step's, of another shard, or of
    /// another cost on the same tape. Gradients of parameters are added from any tape, those of variables only from
    /// their own, before it was cleared. Moves of buffers are appended.
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
        for theirs in other.workspace().entries.iter().filter(|e| e.param.is_some() || one_tape) {
            let numbers = other.workspace().pool.kept(theirs.numbers);
            let same = |e: &&Entry| e.param == theirs.param && (e.param.is_some() || e.node == theirs.node);
            match entries.iter().find(same) {
                Some(ours) => {
                    let len: usize = ours.shape.iter().product();
                    (T::kernels().add_assign)(&mut pool.kept_mut(ours.numbers)[..len], &numbers[..len]);
                }
                None => {
                    let len = numbers.len();
                    let mut slot = pool.alloc(len);
                    slot.write().expect("a new block has one slot")[..len].copy_from_slice(numbers);
                    let numbers = Pool::keep(slot);
                    let shape = theirs.shape.clone();
                    let node = if one_tape { theirs.node } else { u32::MAX };
                    entries.push(Entry { node, param: theirs.param, numbers, shape });
                }
            }
        }
        self.updates.extend(other.updates.iter().cloned());
    }

    /// Carries out the moves of a buffer that the forward pass recorded, in their order. Returns how many.
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
