//! The entries of a tape: the output and the inputs of each operation.

use std::cell::{Ref, RefCell};
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;

use bumpalo::Bump;

use super::arena::{Arena, RawBlock, unwritten};
use super::shared::Shared;
use crate::Float;
use crate::view::View;

/// The stored value of `operation` for a node that has no operation.
const NONE: u32 = u32::MAX;

/// One entry of the tape, as it is stored. The pointers are into the arenas of [`Nodes`] or into a [`Shared`].
struct Stored<T: Float> {
    value: RawBlock<T>,
    shape: NonNull<[usize]>,
    inputs: NonNull<[u32]>,
    operation: u32,
    differentiated: bool,
    location: &'static Location<'static>,
}

impl<T: Float> Stored<T> {
    /// # Safety
    /// The [`Nodes`] that this is stored in outlive `'t` and are not cleared during it.
    #[inline]
    unsafe fn node<'t>(&self) -> Node<'t, T> {
        // SAFETY: the caller's promise; nobody writes to what a node points to before it is cleared.
        unsafe {
            Node {
                value: View::new(self.value.read(), self.shape.as_ref()),
                inputs: self.inputs.as_ref(),
                operation: (self.operation != NONE).then_some(self.operation),
                differentiated: self.differentiated,
                location: self.location,
            }
        }
    }
}

/// The nodes of a tape, borrowed so that none can be appended.
pub(crate) struct Frozen<'t, T: Float>(Ref<'t, Vec<Stored<T>>>);

impl<T: Float> Frozen<'_, T> {
    #[inline]
    pub(crate) fn node(&self, index: u32) -> Node<'_, T> {
        // SAFETY: the list is borrowed, and with it the `Nodes`, which can therefore not be cleared.
        unsafe { self.0[index as usize].node() }
    }

    #[inline]
    pub(crate) fn is_differentiated(&self, index: u32) -> bool {
        self.0[index as usize].differentiated
    }
}

/// One entry of the tape: an operation, its inputs, and its output.
pub(crate) struct Node<'t, T: Float> {
    pub(crate) value: View<'t, T>,
    pub(crate) inputs: &'t [u32],
    /// its place in the list of operations; `None` for leaves and for nodes that are not differentiated
    pub(crate) operation: Option<u32>,
    /// whether it is a differentiated leaf, or was computed from one
    pub(crate) differentiated: bool,
    pub(crate) location: &'static Location<'static>,
}

/// The nodes of a tape. They are appended through `&self` and removed together through `&mut self`.
pub(crate) struct Nodes<T: Float> {
    list: RefCell<Vec<Stored<T>>>,
    numbers: Arena<T>,
    objects: Bump,
    /// buffers of parameters that nodes read
    shared: RefCell<Vec<Arc<Shared<T>>>>,
}

/// A new node, before it is stored. Its parts are borrowed from the same [`Nodes`].
pub(crate) struct NewNode<'t, T: Float> {
    pub(crate) value: &'t [T],
    pub(crate) shape: &'t [usize],
    pub(crate) inputs: &'t [u32],
    pub(crate) operation: Option<u32>,
    pub(crate) differentiated: bool,
    pub(crate) location: &'static Location<'static>,
}

impl<T: Float> Nodes<T> {
    pub(crate) fn new() -> Self {
        Nodes { list: RefCell::default(), numbers: Arena::new(), objects: Bump::new(), shared: RefCell::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.list.borrow().len()
    }

    /// A new padded block for `len` numbers, which the caller writes.
    #[allow(clippy::mut_from_ref)]
    #[inline]
    pub(crate) fn alloc(&self, len: usize) -> &mut [T] {
        // SAFETY: the arena hands out each block once until `clear(&mut self)`, and lives as long as `self`.
        let block = unsafe { self.numbers.alloc(len).write() };
        unwritten(block, len);
        block
    }

    pub(crate) fn shape(&self, shape: &[usize]) -> &[usize] {
        self.objects.alloc_slice_copy(shape)
    }

    /// Keeps a shared buffer until the nodes are cleared, and returns its numbers.
    pub(crate) fn share(&self, buffer: Arc<Shared<T>>) -> &[T] {
        // SAFETY: the `Arc` stays in the list until `clear(&mut self)`, and while there is more than one `Arc`,
        // nobody can borrow the buffer mutably.
        let numbers = unsafe { buffer.block.read() };
        self.shared.borrow_mut().push(buffer);
        numbers
    }

    pub(crate) fn inputs<const N: usize>(&self, inputs: [u32; N]) -> &[u32] {
        self.objects.alloc(inputs)
    }

    pub(crate) fn input_list(&self, inputs: impl ExactSizeIterator<Item = u32>) -> &[u32] {
        self.objects.alloc_slice_fill_iter(inputs)
    }

    /// Appends a node and returns its index.
    ///
    /// The parts of `node` come from this `Nodes` (from `alloc`, `share`, `shape`, `inputs` or another node):
    /// [`Tape`](crate::Tape) is the only caller, and ensures this.
    // Inlined: if the struct were passed through memory, it would be read back in other widths than it was written in,
    // and the load would wait for the store.
    #[inline(always)]
    pub(crate) fn push(&self, node: NewNode<'_, T>) -> u32 {
        let mut list = self.list.borrow_mut();
        let index = u32::try_from(list.len()).expect("a tape holds fewer than 2³² operations");
        list.push(Stored {
            value: RawBlock { start: NonNull::from(node.value).cast(), len: node.value.len() },
            shape: NonNull::from(node.shape),
            inputs: NonNull::from(node.inputs),
            operation: node.operation.unwrap_or(NONE),
            differentiated: node.differentiated,
            location: node.location,
        });
        index
    }

    #[inline]
    pub(crate) fn node(&self, index: u32) -> Node<'_, T> {
        // SAFETY: what a node points to stays in place, and is not written, until `clear(&mut self)`; the borrow of
        // `self` keeps that from happening while the result is in use.
        unsafe { self.list.borrow()[index as usize].node() }
    }

    #[inline]
    pub(crate) fn is_differentiated(&self, index: u32) -> bool {
        self.list.borrow()[index as usize].differentiated
    }

    /// All nodes, borrowed so that none can be appended.
    pub(crate) fn frozen(&self) -> Frozen<'_, T> {
        Frozen(self.list.borrow())
    }

    /// The bytes held for values, and the bytes of them that are in use.
    pub(crate) fn bytes(&self) -> (usize, usize) {
        (self.numbers.bytes(), self.numbers.used())
    }

    /// The bytes held for shapes, inputs and the list of nodes.
    pub(crate) fn object_bytes(&self) -> usize {
        self.objects.allocated_bytes() + self.list.borrow().capacity() * size_of::<Stored<T>>()
    }

    pub(crate) fn clear(&mut self) {
        self.list.get_mut().clear();
        self.shared.get_mut().clear();
        self.numbers.reset();
        self.objects.reset();
    }
}

// SAFETY: everything the pointers lead to belongs to this `Nodes` or is kept by an `Arc` of the tape's, and numbers may
// change threads.
unsafe impl<T: Float> Send for Nodes<T> {}
