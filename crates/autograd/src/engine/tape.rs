//! The tape: operations in the order in which they ran.
//!
//! Beside the record, the tape holds the other things that a step needs: the mode, random numbers, memory for sweeps.
//! `sweep.rs` goes back over the record, and `step.rs` has the methods for training loops.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::rngs::Xoshiro256PlusPlus;
use smallvec::SmallVec;

use crate::Float;
use crate::array::IntoArray;
use crate::engine::erased::AnyOperation;
use crate::engine::operation::Operation;
use crate::engine::var::Var;
use crate::engine::workspace::Workspaces;
use crate::id_hasher::IdHasher;
use crate::memory::{NewNode, Node, Nodes, Operations};
use crate::model::param::{Buffer, Param, ParamId, Update};
use crate::shape::{count, known};
use crate::stream::Stream;
use crate::view::{Output, View};

/// The purpose of a tape. Layers such as dropout behave according to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Plain differentiation. Layers that differ between training and inference panic and name the fix.
    Mathematics,
    /// Dropout drops numbers, and running statistics are updated.
    Training,
    /// Dropout passes everything on, and running statistics are used as they are. Parameters are constants, so nothing
    /// is stored for derivatives by them, unless the tape was made by [`Tape::evaluation`]. Variables made with
    /// [`Tape::var`] are differentiated here too, to show how a prediction depends on its input.
    Inference,
}

/// Whether a tape looks for numbers that are not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detect {
    Off,
    /// Panics at the first such number.
    Panic,
    /// Unwinds to `Tape::find_anomaly` at the first such number.
    Report,
}

/// A record of operations in the order in which they ran, through which gradients are swept back.
///
/// There are two ways to use it. The first is by hand, for mathematics and to see how it works:
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
/// The second is [`gradients`](Tape::gradients), for a training loop. It clears, records and sweeps, and no variable
/// can outlive its step.
///
/// A tape belongs to one thread at a time. `T` is `f32` with [`Tape::new`]; for `f64`, use
/// `Tape::<f64>::mathematics()`.
pub struct Tape<T: Float = f32> {
    nodes: Nodes<T>,
    operations: Operations<dyn AnyOperation<T>>,
    mode: Mode,
    /// whether parameters are differentiated, or constants
    differentiates_params: bool,
    stream: Stream,
    rng: RefCell<Option<Xoshiro256PlusPlus>>,
    generation: u64,
    /// parameters on the tape: the address of the value when it was put there, and its node
    params: RefCell<HashMap<ParamId, (usize, u32), BuildHasherDefault<IdHasher>>>,
    leaves: RefCell<Vec<(u32, Option<ParamId>)>>,
    kept: RefCell<Vec<u32>>,
    updates: RefCell<Vec<Update<T>>>,
    /// the line that asked for a recorded gradient, while its operations are recorded
    location: Cell<Option<&'static Location<'static>>>,
    workspaces: Workspaces<T>,
    /// the response to numbers that are not finite
    detects: Cell<Detect>,
    /// the paths of the parameters of the last few models, for messages
    names: RefCell<Vec<HashMap<ParamId, String>>>,
    /// the arrays that operations kept for their rules, which a reader of the tape did not write
    held: RefCell<Vec<u32>>,
    /// the names of variables, by their nodes
    named: RefCell<HashMap<u32, String>>,
}

impl<T: Float> std::fmt::Debug for Tape<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Tape { mode, stream, .. } = self;
        f.debug_struct("Tape").field("len", &self.len()).field("mode", mode).field("stream", stream).finish()
    }
}

fn next_generation() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl<T: Float> Tape<T> {
    pub(super) fn with_mode(mode: Mode, differentiates_params: bool, seed: u64) -> Self {
        Tape {
            nodes: Nodes::new(),
            operations: Operations::new(),
            mode,
            differentiates_params,
            stream: Stream { seed, step: 0, shard: 0 },
            rng: RefCell::default(),
            generation: next_generation(),
            params: RefCell::default(),
            leaves: RefCell::default(),
            kept: RefCell::default(),
            updates: RefCell::default(),
            location: Cell::default(),
            workspaces: Workspaces::new(),
            detects: Cell::new(Detect::Off),
            names: RefCell::default(),
            held: RefCell::default(),
            named: RefCell::default(),
        }
    }

    /// The purpose of the tape.
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

    /// The random generator of this step.
    pub fn rng(&self) -> RefMut<'_, Xoshiro256PlusPlus> {
        RefMut::map(self.rng.borrow_mut(), |rng| rng.get_or_insert_with(|| self.stream.rng()))
    }

    /// The number of operations and leaves on the tape.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nothing is on the tape.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes everything off the tape and moves on to the next step of the random stream.
    ///
    /// Variables cannot outlive this call: using one afterwards does not compile.
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
        self.held.get_mut().clear();
        self.named.get_mut().clear();
        self.generation = next_generation();
        self.stream.step += 1;
        *self.rng.get_mut() = None;
        self.nodes.clear();
        self.operations.clear(); // at the end: if an operation panics when it is dropped, nothing stale is left
    }

    // ------------------------------------------------------------------ leaves

    /// A leaf that is differentiated: its gradient can be asked for.
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

    /// A constant of the given shape. `fill` is handed zeros and writes the numbers, row by row.
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

    /// A leaf; `fill` must write all of its numbers.
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
    pub(crate) fn push_leaf<'t>(&'t self, numbers: &'t [T], shape: &[usize], differentiated: bool) -> Var<'t, T> {
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

    /// The parameter as a variable, without a copy. All its uses share one node, unless its value was changed in
    /// between. A frozen parameter is a constant.
    ///
    /// You rarely need to call it: `x.matmul(&self.weight)` does.
    #[track_caller]
    pub fn param(&self, param: &Param<T>) -> Var<'_, T> {
        let (id, address) = (param.id(), param.address());
        if let Some(&(known, index)) = self.params.borrow().get(&id)
            && known == address
        {
            return Var::new(self, index);
        }
        let differentiated = self.differentiates_params && !param.is_frozen();
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

    /// The value of a buffer as a constant, without a copy.
    #[track_caller]
    pub fn buffer(&self, buffer: &Buffer<T>) -> Var<'_, T> {
        let inner = buffer.inner();
        self.push_leaf(self.nodes.share(inner.share()), inner.shape(), false)
    }

    pub(crate) fn record_update(&self, update: Update<T>) {
        self.updates.borrow_mut().push(update);
    }

    // -------------------------------------------------------------- operations

    /// Applies an operation, which may be one of your own: see [`Operation`].
    ///
    /// # Panics
    /// If the shapes do not fit, or a variable is from another tape.
    #[track_caller]
    pub fn apply<'t, O: Operation<T>, const N: usize>(&'t self, operation: O, inputs: [Var<'t, T>; N]) -> Var<'t, T> {
        self.check_tapes(operation.name(), &inputs);
        let views = self.views(&inputs);
        self.record(operation, &inputs, &views, &Self::shapes(&views))
    }

    /// Like [`apply`](Self::apply), for a slice of variables.
    #[track_caller]
    pub fn apply_many<'t, O: Operation<T>>(&'t self, operation: O, inputs: &[Var<'t, T>]) -> Var<'t, T> {
        self.check_tapes(operation.name(), inputs);
        let views = self.many_views(inputs);
        self.record(operation, inputs, &views, &Self::many_shapes(&views))
    }

    #[inline]
    #[track_caller]
    fn record<'t, O: Operation<T>>(
        &'t self,
        operation: O,
        inputs: &[Var<'t, T>],
        views: &[View<'_, T>],
        shapes: &[&'t [usize]],
    ) -> Var<'t, T> {
        let shape = self.output_shape(&operation, inputs, shapes);
        let numbers = self.nodes.alloc(count(shape));
        operation.forward(views, Output::new(numbers, shape));
        self.push(operation, self.indices(inputs), numbers, shape)
    }

    // Helpers of `apply` and `record` that do not know the operation, since they would be compiled anew for each.
    #[inline]
    fn views<'t, const N: usize>(&'t self, inputs: &[Var<'t, T>; N]) -> [View<'t, T>; N] {
        inputs.map(|v| self.nodes.node(v.index()).value)
    }
    #[inline]
    fn shapes<'t, const N: usize>(views: &[View<'t, T>; N]) -> [&'t [usize]; N] {
        views.map(|view| view.shape())
    }
    fn many_views<'t>(&'t self, inputs: &[Var<'t, T>]) -> SmallVec<[View<'t, T>; 4]> {
        inputs.iter().map(|v| self.nodes.node(v.index()).value).collect()
    }
    fn many_shapes<'t>(views: &[View<'t, T>]) -> SmallVec<[&'t [usize]; 4]> {
        views.iter().map(View::shape).collect()
    }
    /// The numbers of the inputs' nodes, if one of them is differentiated.
    #[inline]
    fn indices<'t>(&'t self, inputs: &[Var<'t, T>]) -> Option<&'t [u32]> {
        let differentiated = inputs.iter().any(|v| v.is_differentiated());
        differentiated.then(|| self.nodes.input_list(inputs.iter().map(|v| v.index())))
    }

    /// Checks the shapes and returns the shape of the output. If an input has this shape, its slice is reused, so that
    /// equal shapes can be recognised by their address.
    #[track_caller]
    pub(crate) fn output_shape<'t, O: Operation<T>>(
        &'t self,
        operation: &O,
        inputs: &[Var<'t, T>],
        shapes: &[&'t [usize]],
    ) -> &'t [usize] {
        match operation.shape(shapes) {
            Ok(shape) => known(&shape, shapes).unwrap_or_else(|| self.nodes.shape(&shape)),
            Err(reason) => panic!("{}: {reason}{}", operation.name(), self.layer_of(inputs)),
        }
    }

    /// Applies an operation whose output has the numbers of its input in another shape; both share the memory.
    #[track_caller]
    pub(crate) fn alias<'t, O: Operation<T>>(&'t self, operation: O, x: Var<'t, T>, shape: &[usize]) -> Var<'t, T> {
        let node = self.nodes.node(x.index());
        let inputs = node.differentiated.then(|| self.nodes.inputs([x.index()]));
        self.push(operation, inputs, node.value.padded(), self.nodes.shape(shape))
    }

    /// A constant with the numbers of a variable, without a connection to the operation that made them.
    #[track_caller]
    pub(crate) fn detached<'t>(&'t self, x: Var<'t, T>) -> Var<'t, T> {
        let value = self.nodes.node(x.index()).value;
        self.push_leaf(value.padded(), value.shape(), false)
    }

    /// Appends a node. It has inputs only if it is differentiated.
    #[inline(always)]
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
            operation: inputs.map(|_| self.operations.keep(operation, |operation| operation.erase())),
            differentiated: inputs.is_some(),
            location,
        });
        Var::new(self, index)
    }

    #[track_caller]
    pub(crate) fn check_tapes(&self, name: &str, inputs: &[Var<'_, T>]) {
        if inputs.iter().any(|v| !std::ptr::eq(v.tape(), self)) {
            panic!(
                "{name}: its operands are on different tapes; put them on one, or carry a value over with \
                 `tape.constant(&x.value())`"
            );
        }
    }

    // ------------------------------------------------------------------ sweeps

    pub(crate) fn detects(&self) -> Detect {
        self.detects.get()
    }
    pub(crate) fn set_detects(&self, detects: Detect) {
        self.detects.set(detects);
    }
    /// The parameter whose value a node is.
    pub(crate) fn param_at(&self, node: u32) -> Option<ParamId> {
        self.params.borrow().iter().find(|(_, (_, index))| *index == node).map(|(id, _)| *id)
    }
    pub(crate) fn names(&self) -> &RefCell<Vec<HashMap<ParamId, String>>> {
        &self.names
    }
    /// The arrays that operations kept for their rules.
    pub(crate) fn held(&self) -> &RefCell<Vec<u32>> {
        &self.held
    }
    /// The names that variables were given.
    pub(crate) fn named(&self) -> &RefCell<HashMap<u32, String>> {
        &self.named
    }
    pub(crate) fn nodes(&self) -> &Nodes<T> {
        &self.nodes
    }
    /// The operation that made a node; `None` for a leaf and for a node that is not differentiated.
    #[inline]
    pub(crate) fn operation(&self, node: &Node<'_, T>) -> Option<&dyn AnyOperation<T>> {
        node.operation.map(|place| self.operations.get(place))
    }
    /// Bytes of the record itself.
    pub(crate) fn object_bytes(&self) -> usize {
        self.nodes.object_bytes() + self.operations.bytes()
    }
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }
    pub(crate) fn leaves(&self) -> Ref<'_, Vec<(u32, Option<ParamId>)>> {
        self.leaves.borrow()
    }
    /// The node of a parameter at its present value, if it is on the tape and differentiated.
    pub(crate) fn leaf_of(&self, param: ParamId) -> Option<u32> {
        let (_, node) = *self.params.borrow().get(&param)?;
        let leaves = self.leaves.borrow();
        leaves.binary_search_by_key(&node, |(node, _)| *node).ok().map(|_| node)
    }
    pub(crate) fn kept(&self) -> RefMut<'_, Vec<u32>> {
        self.kept.borrow_mut()
    }
    /// Takes the updates of buffers that were recorded since the last call, so that none is carried out twice.
    pub(crate) fn take_updates(&self) -> Vec<Update<T>> {
        self.updates.take()
    }
    pub(crate) fn workspaces(&self) -> &Workspaces<T> {
        &self.workspaces
    }

    /// Runs `f` and records its operations as if they were written at `location`, or at the location of an outer call.
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
}
