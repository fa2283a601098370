//! The tape: operations in the order in which they ran.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ndarray::ArrayD;
use rand::rngs::Xoshiro256PlusPlus;
use smallvec::SmallVec;

use crate::anomaly::Detect;
use crate::array::IntoArray;
use crate::gradients::{self, Gradients, Workspace};
use crate::operation::Operation;
use crate::param::{Buffer, Param, ParamId};
use crate::shape::count;
use crate::storage::{NewNode, Nodes};
use crate::stream::Stream;
use crate::sweep;
use crate::view::{Output, View};
use crate::{Float, Var};

/// What a tape is for. Layers such as dropout act by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Plain differentiation. Layers that differ between training and inference panic and name the fix.
    Mathematics,
    /// Dropout drops, statistics move.
    Training,
    /// Parameters are constants, so nothing is stored for derivatives by them; dropout passes everything on. What is
    /// made with [`Tape::var`] is differentiated here too: how an answer depends on its input.
    Inference,
}

/// What a tape holds, in bytes: see [`Tape::memory`]. Parameters are shared with it, not held by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// values of the operations on the tape, with the gaps between them
    pub values: usize,
    /// room for values, in use or for the next step
    pub reserved: usize,
    /// the record itself: operations, shapes, what went in
    pub operations: usize,
    /// room for gradients, of sweeps whose [`Gradients`] were dropped
    pub gradients: usize,
}

/// A record of operations, in the order in which they ran, that gradients are swept back through.
///
/// Two ways to use it. By hand, for mathematics and to see how it works:
///
/// ```
/// use gradus_autograd::Tape;
/// use ndarray::array;
///
/// let tape = Tape::new();
/// let x = tape.var(array![1.0, 2.0, 3.0]);
/// let dx = (x * x).sum().backward().wrt(x);
/// assert_eq!(dx, array![2.0, 4.0, 6.0].into_dyn());
/// ```
///
/// And [`gradients`](Tape::gradients), for a training loop: it clears, records and sweeps, and no variable can
/// outlive its step.
///
/// A tape belongs to one thread at a time. `T` is `f32` with [`Tape::new`]; for `f64`, use
/// `Tape::<f64>::mathematics()`.
pub struct Tape<T: Float = f32> {
    nodes: Nodes<T>,
    mode: Mode,
    stream: Stream,
    rng: RefCell<Option<Xoshiro256PlusPlus>>,
    generation: u64,
    /// parameters on the tape: the address of the value when it was put there, and its node
    params: RefCell<HashMap<ParamId, (usize, u32), BuildHasherDefault<IdHasher>>>,
    leaves: RefCell<Vec<(u32, Option<ParamId>)>>,
    kept: RefCell<Vec<u32>>,
    updates: RefCell<Vec<Update>>,
    /// the line that asked for a recorded gradient, while its operations are recorded
    location: Cell<Option<&'static Location<'static>>>,
    workspaces: Arc<Mutex<Vec<Workspace<T>>>>,
    /// whether numbers that are not finite stop the program
    detects: Cell<Detect>,
    /// the paths of the parameters of the last few models, for messages
    names: RefCell<Vec<HashMap<ParamId, String>>>,
}

impl<T: Float> std::fmt::Debug for Tape<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Tape { mode, stream, .. } = self;
        f.debug_struct("Tape").field("len", &self.len()).field("mode", mode).field("stream", stream).finish()
    }
}

/// A buffer's move toward a value, as recorded on the tape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Update {
    pub(crate) buffer: ParamId,
    pub(crate) rate: f64,
    pub(crate) value: u32,
}

/// Identities are counted up, so they are their own hash.
#[derive(Default)]
pub(crate) struct IdHasher(u64);
impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("identities hash as one u64")
    }
    fn write_usize(&mut self, id: usize) {
        self.write_u64(id as u64);
    }
    fn write_u64(&mut self, id: u64) {
        // the table takes its buckets from the low bits and its tags from the high ones
        self.0 = id.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

fn next_generation() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Tape<f32> {
    /// An empty tape of `f32` for mathematics.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// assert_eq!(tape.var(2.0).square().item(), 4.0f32);
    /// ```
    #[allow(clippy::new_without_default)] // `Default` is there for every T
    pub fn new() -> Self {
        Self::mathematics()
    }
}

impl<T: Float> Default for Tape<T> {
    fn default() -> Self {
        Self::mathematics()
    }
}

impl<T: Float> Tape<T> {
    fn with_mode(mode: Mode, seed: u64) -> Self {
        Tape {
            nodes: Nodes::new(),
            mode,
            stream: Stream { seed, step: 0, shard: 0 },
            rng: RefCell::default(),
            generation: next_generation(),
            params: RefCell::default(),
            leaves: RefCell::default(),
            kept: RefCell::default(),
            updates: RefCell::default(),
            location: Cell::default(),
            workspaces: Arc::default(),
            detects: Cell::new(Detect::Off),
            names: RefCell::default(),
        }
    }

    /// An empty tape for mathematics, of whichever number type is asked for.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::<f64>::mathematics();
    /// assert_eq!(tape.var(2.0).square().item(), 4.0f64);
    /// ```
    pub fn mathematics() -> Self {
        Self::with_mode(Mode::Mathematics, 0)
    }

    /// An empty tape for training; `seed` fixes what dropout and its kind draw.
    ///
    /// Make one for a run and keep it: random numbers move on when it is cleared, as [`gradients`](Self::gradients) does
    /// in each step. A tape made anew in each step with the same seed draws the same masks each time; if it must be, give
    /// it the step with [`set_stream`](Self::set_stream).
    pub fn training(seed: u64) -> Self {
        Self::with_mode(Mode::Training, seed)
    }

    /// An empty tape for inference: parameters are constants, dropout passes everything on. Clear it between predictions,
    /// or let [`value_of`](Self::value_of) do it: what is computed stays on it, and it grows.
    ///
    /// ```
    /// use gradus_autograd::{Param, Tape};
    /// let (w, tape) = (Param::new([2.0, -1.0]), Tape::inference());
    /// let x = tape.var([1.0, 3.0]);
    /// let answer = (x * &w).sum();
    /// assert_eq!(answer.backward().wrt(x), w.value()); // what each input is worth
    /// ```
    pub fn inference() -> Self {
        Self::with_mode(Mode::Inference, 0)
    }

    /// What the tape is for.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The random stream in use.
    pub fn stream(&self) -> Stream {
        self.stream
    }

    /// Sets the random stream: to resume a run, or to give each shard of a batch its own.
    pub fn set_stream(&mut self, stream: Stream) {
        self.stream = stream;
        *self.rng.get_mut() = None;
    }

    /// The random numbers of this step.
    pub fn rng(&self) -> RefMut<'_, Xoshiro256PlusPlus> {
        RefMut::map(self.rng.borrow_mut(), |rng| rng.get_or_insert_with(|| self.stream.rng()))
    }

    /// How many operations and leaves are on the tape.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nothing is on the tape.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the tape holds, in bytes. Memory is not given back but used again: after the first steps of a training loop
    /// it no longer grows.
    ///
    /// Every value stays readable until the tape is cleared, whether a rule needs it or not; to store less, see
    /// [`checkpointed_gradients`](Tape::checkpointed_gradients).
    ///
    /// ```
    /// let mut tape = gradus_autograd::Tape::new();
    /// let x = tape.constant_with(&[1000], |x| x.fill(1.0));
    /// x.square();
    /// assert!(tape.memory().values >= 2 * 4000);
    /// tape.clear();
    /// assert_eq!(tape.memory().values, 0);
    /// ```
    pub fn memory(&self) -> Memory {
        let (reserved, values) = self.nodes.bytes();
        Memory { values, reserved, operations: self.nodes.object_bytes(), gradients: gradients::held(self) }
    }

    /// Takes everything off the tape and moves on to the next step of the random stream.
    ///
    /// Variables end here: using one afterwards does not compile.
    ///
    /// ```compile_fail,E0502
    /// let mut tape = gradus_autograd::Tape::new();
    /// let x = tape.var(1.0);
    /// tape.clear();
    /// x.square(); // x was borrowed from the tape before it was cleared
    /// ```
    pub fn clear(&mut self) {
        self.params.get_mut().clear();
        self.leaves.get_mut().clear();
        self.kept.get_mut().clear();
        self.updates.get_mut().clear();
        self.generation = next_generation();
        self.stream.step += 1;
        *self.rng.get_mut() = None;
        self.nodes.clear(); // at the end: if an operation panics when it is dropped, nothing stale is left
    }

    /// One step of a training loop: records what the closure computes, sweeps back from the cost that it returns, and
    /// lets go of everything on the tape. Returns the cost's value and the gradients.
    ///
    /// No variable can leave the closure:
    ///
    /// ```compile_fail
    /// let mut tape = gradus_autograd::Tape::new();
    /// let mut kept = None;
    /// tape.gradients(|t| {
    ///     let x = t.var(1.0);
    ///     kept = Some(x); // does not compile: x lives as long as the step
    ///     x.square()
    /// });
    /// ```
    ///
    /// # Panics
    /// If the cost is not a single number, or the tape is for inference and has no [`var`](Self::var).
    ///
    /// ```
    /// use gradus_autograd::{Param, Tape};
    /// use ndarray::array;
    ///
    /// let w = Param::new(array![1.0, -2.0]);
    /// let mut tape = Tape::training(0);
    /// let (cost, grads) = tape.gradients(|t| t.param(&w).square().sum());
    /// assert_eq!(cost, 5.0f32);
    /// assert_eq!(grads.wrt(&w), array![2.0, -4.0].into_dyn());
    /// ```
    #[track_caller]
    pub fn gradients(&mut self, cost: impl for<'t> FnOnce(&'t Tape<T>) -> Var<'t, T>) -> (T, Gradients<T>) {
        let (value, (), gradients) = self.gradients_with(|t| (cost(t), ()));
        (value, gradients)
    }

    /// [`gradients`](Tape::gradients) of a closure that returns something beside the cost: `(cost, extra)`.
    ///
    /// ```
    /// use gradus_autograd::Tape;
    /// let mut tape = Tape::new();
    /// let (cost, largest, _grads) = tape.gradients_with(|t| {
    ///     let x = t.var([1.0, 5.0, 2.0]);
    ///     (x.mean(), x.amax().item())
    /// });
    /// assert_eq!((cost, largest), (8.0 / 3.0, 5.0));
    /// ```
    #[track_caller]
    pub fn gradients_with<A>(
        &mut self,
        cost: impl for<'t> FnOnce(&'t Tape<T>) -> (Var<'t, T>, A),
    ) -> (T, A, Gradients<T>) {
        if !self.is_empty() {
            self.clear();
        }
        let (value, extra, gradients) = {
            let (cost, extra) = cost(self);
            (cost.item(), extra, cost.backward())
        };
        self.clear();
        (value, extra, gradients)
    }

    /// The value of what the closure computes, as an array; the tape is cleared before and after. It is the form for
    /// predictions, one after the other: a tape that is never cleared grows with each.
    ///
    /// ```
    /// use gradus_autograd::{Param, Tape};
    /// let (w, mut tape) = (Param::new([2.0, 3.0]), Tape::inference());
    /// for x in [1.0, 10.0] {
    ///     let y = tape.value_of(|t| t.param(&w) * x);
    ///     assert_eq!(y, ndarray::array![2.0 * x as f32, 3.0 * x as f32].into_dyn());
    ///     assert!(tape.is_empty());
    /// }
    /// ```
    #[track_caller]
    pub fn value_of(&mut self, f: impl for<'t> FnOnce(&'t Tape<T>) -> Var<'t, T>) -> ArrayD<T> {
        if !self.is_empty() {
            self.clear();
        }
        let value = f(self).value().to_owned();
        self.clear();
        value
    }

    // ------------------------------------------------------------------ leaves

    /// A leaf that gradients are wanted for.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(ndarray::array![[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.shape(), [2, 2]);
    /// ```
    #[track_caller]
    pub fn var(&self, value: impl IntoArray<T>) -> Var<'_, T> {
        let var = self.leaf(&value.shape(), |out| value.write(out), true);
        self.leaves.borrow_mut().push((var.index(), None));
        var
    }

    /// A leaf that is not differentiated.
    #[track_caller]
    pub fn constant(&self, value: impl IntoArray<T>) -> Var<'_, T> {
        self.leaf(&value.shape(), |out| value.write(out), false)
    }

    /// A constant of the given shape, written by `fill` (row by row), which is handed zeros.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let ones = tape.constant_with(&[2, 3], |numbers| numbers.fill(1.0));
    /// assert_eq!(ones.sum().item(), 6.0);
    /// ```
    #[track_caller]
    pub fn constant_with(&self, shape: &[usize], fill: impl FnOnce(&mut [T])) -> Var<'_, T> {
        let zeroed = |numbers: &mut [T]| {
            numbers.fill(T::default());
            fill(numbers);
        };
        self.leaf(shape, zeroed, false)
    }

    /// A leaf that `fill` writes whole.
    #[track_caller]
    fn leaf(&self, shape: &[usize], fill: impl FnOnce(&mut [T]), differentiated: bool) -> Var<'_, T> {
        let len = count(shape);
        let numbers = self.nodes.alloc(len);
        fill(&mut numbers[..len]);
        // a single number is often a literal, such as the −∞ of a mask
        if self.detects.get() != Detect::Off && !shape.is_empty() {
            self.check_finite("a leaf", None, numbers, shape);
        }
        self.push_leaf(numbers, shape, differentiated)
    }

    #[track_caller]
    fn push_leaf<'t>(&'t self, numbers: &'t [T], shape: &[usize], differentiated: bool) -> Var<'t, T> {
        let index = self.nodes.push(NewNode {
            value: numbers,
            shape: self.nodes.shape(shape),
            inputs: &[],
            operation: None,
            differentiated,
            location: self.location.get().unwrap_or(Location::caller()),
        });
        Var::new(self, index)
    }

    /// A parameter as a variable, without copying it. However often it is used it is one node, unless its value was
    /// changed in between. A frozen parameter is a constant.
    ///
    /// Rarely called: `x.matmul(&self.weight)` does it.
    #[track_caller]
    pub fn param(&self, param: &Param<T>) -> Var<'_, T> {
        let (id, address) = (param.id(), param.address());
        if let Some(&(known, index)) = self.params.borrow().get(&id)
            && known == address
        {
            return Var::new(self, index);
        }
        let differentiated = self.mode != Mode::Inference && !param.is_frozen();
        let var = self.push_leaf(self.nodes.share(param.share()), param.shape(), differentiated);
        if let Some((_, old)) = self.params.borrow_mut().insert(id, (address, var.index()))
            && let Some(leaf) = self.leaves.borrow_mut().iter_mut().find(|(node, _)| *node == old)
        {
            leaf.1 = None; // the parameter's gradient is that of its present value
        }
        if differentiated {
            self.leaves.borrow_mut().push((var.index(), Some(id)));
        }
        var
    }

    /// A buffer's value as a constant, without copying it.
    #[track_caller]
    pub fn buffer(&self, buffer: &Buffer<T>) -> Var<'_, T> {
        let inner = buffer.inner();
        self.push_leaf(self.nodes.share(inner.share()), inner.shape(), false)
    }

    pub(crate) fn record_update(&self, update: Update) {
        self.updates.borrow_mut().push(update);
    }

    // -------------------------------------------------------------- operations

    /// Applies an operation, one of your own perhaps: see [`Operation`].
    ///
    /// # Panics
    /// If the shapes do not fit, or a variable is from another tape.
    #[track_caller]
    pub fn apply<'t, O: Operation<T>, const N: usize>(&'t self, operation: O, inputs: [Var<'t, T>; N]) -> Var<'t, T> {
        self.check_tapes(operation.name(), &inputs);
        let views = inputs.map(|v| self.nodes.node(v.index()).value);
        let (value, shape) = self.run(&operation, &inputs, &views.each_ref().map(View::shape), &views);
        let differentiated = inputs.iter().any(|v| v.is_differentiated());
        self.push(operation, differentiated.then(|| self.nodes.inputs(inputs.map(Var::index))), value, shape)
    }

    /// [`apply`](Self::apply) to as many variables as the slice holds.
    #[track_caller]
    pub fn apply_many<'t, O: Operation<T>>(&'t self, operation: O, inputs: &[Var<'t, T>]) -> Var<'t, T> {
        self.check_tapes(operation.name(), inputs);
        let views: Vec<View<'_, T>> = inputs.iter().map(|v| self.nodes.node(v.index()).value).collect();
        let shapes: Vec<&[usize]> = views.iter().map(View::shape).collect();
        let (value, shape) = self.run(&operation, inputs, &shapes, &views);
        let differentiated = inputs.iter().any(|v| v.is_differentiated());
        self.push(
            operation,
            differentiated.then(|| self.nodes.input_list(inputs.iter().map(|v| v.index()))),
            value,
            shape,
        )
    }

    /// [`apply`](Self::apply) for an operation that computes arrays in its output's shape beside it and keeps them for
    /// its rule, which finds them behind its inputs. `run` is given the inputs, the shape, and slices to write the
    /// output and `kept` arrays to.
    #[track_caller]
    pub(crate) fn apply_keeping<'t, O: Operation<T>>(
        &'t self,
        operation: O,
        inputs: &[Var<'t, T>],
        kept: usize,
        run: impl FnOnce(&[View<'_, T>], &[usize], &mut [&mut [T]]),
    ) -> Var<'t, T> {
        self.check_tapes(operation.name(), inputs);
        let views: SmallVec<[View<'_, T>; 3]> = inputs.iter().map(|v| self.nodes.node(v.index()).value).collect();
        let shapes: SmallVec<[_; 3]> = views.iter().map(View::shape).collect();
        let shape = self.output_shape(&operation, inputs, &shapes);
        let len = count(shape);
        let mut blocks: SmallVec<[&mut [T]; 4]> = (0..=kept).map(|_| self.nodes.alloc(len)).collect();
        {
            let mut outputs: SmallVec<[&mut [T]; 4]> = blocks.iter_mut().map(|block| &mut block[..len]).collect();
            run(&views, shape, &mut outputs);
        }
        let mut blocks = blocks.into_iter().map(|block| &*block);
        let value = blocks.next().expect("the output's");
        let kept: SmallVec<[u32; 4]> = blocks.map(|block| self.push_leaf(block, shape, false).index()).collect();
        let indices: SmallVec<[u32; 4]> = inputs.iter().map(|v| v.index()).chain(kept).collect();
        self.push(operation, Some(self.nodes.input_list(indices.into_iter())), value, shape)
    }

    /// Checks the shapes and gives the output's. One that an input has already is not stored again: gradients of a
    /// shape that is stored once are told by its place.
    #[track_caller]
    fn output_shape<'t, O: Operation<T>>(
        &'t self,
        operation: &O,
        inputs: &[Var<'t, T>],
        shapes: &[&'t [usize]],
    ) -> &'t [usize] {
        match operation.shape(shapes) {
            Ok(shape) => shapes.iter().find(|s| ***s == *shape).copied().unwrap_or_else(|| self.nodes.shape(&shape)),
            Err(reason) => panic!("{}: {reason}{}", operation.name(), self.layer_of(inputs)),
        }
    }

    /// Checks the shapes and computes the output.
    #[track_caller]
    fn run<'t, O: Operation<T>>(
        &'t self,
        operation: &O,
        inputs: &[Var<'t, T>],
        shapes: &[&'t [usize]],
        views: &[View<'_, T>],
    ) -> (&'t [T], &'t [usize]) {
        let shape = self.output_shape(operation, inputs, shapes);
        let numbers = self.nodes.alloc(count(shape));
        operation.forward(views, Output::new(numbers, shape));
        (numbers, shape)
    }

    /// Applies an operation whose output is its input's numbers in another shape.
    #[track_caller]
    pub(crate) fn alias<'t, O: Operation<T>>(&'t self, operation: O, x: Var<'t, T>, shape: &[usize]) -> Var<'t, T> {
        let node = self.nodes.node(x.index());
        let inputs = node.differentiated.then(|| self.nodes.inputs([x.index()]));
        self.push(operation, inputs, node.value.padded(), self.nodes.shape(shape))
    }

    /// The numbers of a variable, cut off from what made them.
    #[track_caller]
    pub(crate) fn detached<'t>(&'t self, x: Var<'t, T>) -> Var<'t, T> {
        let value = self.nodes.node(x.index()).value;
        self.push_leaf(value.padded(), value.shape(), false)
    }

    /// Appends a node; with inputs, if it is differentiated.
    #[track_caller]
    pub(crate) fn push<'t, O: Operation<T>>(
        &'t self,
        operation: O,
        inputs: Option<&'t [u32]>,
        value: &'t [T],
        shape: &'t [usize],
    ) -> Var<'t, T> {
        let location = self.location.get().unwrap_or(Location::caller());
        if self.detects.get() != Detect::Off {
            self.check_finite(operation.name(), inputs, value, shape);
        }
        let index = self.nodes.push(NewNode {
            value,
            shape,
            inputs: inputs.unwrap_or(&[]),
            operation: inputs.map(|_| self.nodes.operation(operation)),
            differentiated: inputs.is_some(),
            location,
        });
        Var::new(self, index)
    }

    #[track_caller]
    fn check_tapes(&self, name: &str, inputs: &[Var<'_, T>]) {
        if inputs.iter().any(|v| !std::ptr::eq(v.tape(), self)) {
            panic!(
                "{name}: its operands are on different tapes; put them on one, or carry a value over with \
                 `tape.constant(&x.value())`"
            );
        }
    }

    // ------------------------------------------------------------------ sweeps

    pub(crate) fn detects(&self) -> &Cell<Detect> {
        &self.detects
    }
    /// The parameter that a node is the value of.
    pub(crate) fn param_at(&self, node: u32) -> Option<ParamId> {
        self.params.borrow().iter().find(|(_, (_, index))| *index == node).map(|(id, _)| *id)
    }
    pub(crate) fn names(&self) -> &RefCell<Vec<HashMap<ParamId, String>>> {
        &self.names
    }
    pub(crate) fn nodes(&self) -> &Nodes<T> {
        &self.nodes
    }
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }
    pub(crate) fn leaves(&self) -> std::cell::Ref<'_, Vec<(u32, Option<ParamId>)>> {
        self.leaves.borrow()
    }
    /// The node of a parameter that is differentiated, at its present value.
    pub(crate) fn leaf_of(&self, param: ParamId) -> Option<u32> {
        let (_, node) = *self.params.borrow().get(&param)?;
        let leaves = self.leaves.borrow();
        leaves.binary_search_by_key(&node, |(node, _)| *node).ok().map(|_| node)
    }
    pub(crate) fn kept(&self) -> RefMut<'_, Vec<u32>> {
        self.kept.borrow_mut()
    }
    /// The moves of buffers since they were last taken, so that none is made twice.
    pub(crate) fn take_updates(&self) -> Vec<Update> {
        self.updates.take()
    }
    pub(crate) fn workspaces(&self) -> &Arc<Mutex<Vec<Workspace<T>>>> {
        &self.workspaces
    }

    /// Runs `f`, whose operations are recorded as if the caller's line had written them.
    pub(crate) fn at<R>(&self, location: &'static Location<'static>, f: impl FnOnce() -> R) -> R {
        struct Restore<'a>(&'a Cell<Option<&'static Location<'static>>>, Option<&'static Location<'static>>);
        impl Drop for Restore<'_> {
            fn drop(&mut self) {
                self.0.set(self.1);
            }
        }
        let outer = self.location.get();
        let _restore = Restore(&self.location, outer);
        self.location.set(outer.or(Some(location)));
        f()
    }

    #[track_caller]
    pub(crate) fn backward(&self, output: u32) -> Gradients<T> {
        sweep::backward(self, output)
    }
}
