//! Where numbers live: memory that only grows until it is cleared, so that what it holds never moves.
//!
//! Nodes of a tape are only ever appended, and clearing needs `&mut`. A value can therefore be read through `&self`
//! for as long as the tape is borrowed, without a copy or a guard. All of the crate's memory `unsafe` stands in
//! this file:
//! - [`Arena`]: blocks of numbers, 64-byte aligned, padded to whole multiples of 16 numbers, always initialised;
//! - [`Pool`]: an arena whose blocks are counted and used again, for gradients;
//! - [`Nodes`]: the nodes of a tape, with their operations and shapes.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::{Cell, Ref, RefCell};
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;

use bumpalo::Bump;

use crate::Float;
use crate::kernels::PAD;
use crate::operation::AnyOperation;
use crate::view::View;

const ALIGN: usize = 64;
/// Numbers in the first chunk of an arena.
const FIRST_CHUNK: usize = 4096;

/// `len` rounded up to whole blocks; at least one.
#[inline]
pub(crate) fn padded(len: usize) -> usize {
    len.max(1).next_multiple_of(PAD)
}

/// Makes ready a block for `len` numbers that may hold those of an earlier step: zeros in its padding, and in debug
/// builds NaN before it, so that whoever reads a number before writing it shows.
#[inline]
pub(crate) fn unwritten<T: Float>(block: &mut [T], len: usize) {
    let last = block.len() - PAD;
    block[last..].fill(T::default());
    if cfg!(debug_assertions) {
        block[..len].fill(T::from_f64(f64::NAN));
    }
}

/// A padded block of numbers somewhere in an arena.
struct Block<T> {
    start: NonNull<T>,
    /// in numbers, a multiple of [`PAD`]
    len: usize,
}
impl<T> Clone for Block<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Block<T> {}

impl<T> Block<T> {
    /// # Safety
    /// The block's arena outlives `'a`, and nobody writes to the block during `'a`.
    #[inline]
    unsafe fn read<'a>(self) -> &'a [T] {
        // SAFETY: arenas hand out initialised memory; the rest is the caller's promise.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
    /// # Safety
    /// The block's arena outlives `'a`, and nobody else reads or writes the block during `'a`.
    #[inline]
    unsafe fn write<'a>(self) -> &'a mut [T] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

/// Bump-allocated blocks of numbers. Chunks never move; they are zeroed when they are made, so that every number,
/// the padding too, is initialised (a block that is used again holds whatever stood there).
struct Arena<T> {
    chunks: RefCell<Vec<Block<T>>>,
    /// behind the chunk that blocks come from
    open: Cell<usize>,
    next: Cell<NonNull<T>>,
    left: Cell<usize>,
}

impl<T: Float> Arena<T> {
    fn new() -> Self {
        let (open, next, left) = (Cell::new(0), Cell::new(NonNull::dangling()), Cell::new(0));
        Arena { chunks: RefCell::default(), open, next, left }
    }

    #[inline]
    fn alloc(&self, len: usize) -> Block<T> {
        let len = padded(len);
        if len > self.left.get() {
            self.grow(len);
        }
        let start = self.next.get();
        // SAFETY: `left` numbers follow `next` in the current chunk, and `len` is at most `left`.
        self.next.set(unsafe { start.add(len) });
        self.left.set(self.left.get() - len);
        Block { start, len }
    }

    /// Opens the next chunk that holds `len` numbers, a new one if there is none.
    #[cold]
    fn grow(&self, len: usize) {
        while let Some(&chunk) = self.chunks.borrow().get(self.open.get()) {
            self.enter(chunk);
            if chunk.len >= len {
                return;
            }
        }
        let held: usize = self.chunks.borrow().iter().map(|c| c.len).sum();
        self.add_chunk(len.max(held / 2).max(FIRST_CHUNK));
    }

    fn enter(&self, chunk: Block<T>) {
        self.open.set(self.open.get() + 1);
        self.next.set(chunk.start);
        self.left.set(chunk.len);
    }

    fn layout(len: usize) -> Layout {
        Layout::array::<T>(len).and_then(|l| l.align_to(ALIGN)).expect("an array of numbers larger than memory")
    }

    fn add_chunk(&self, len: usize) {
        let layout = Self::layout(len);
        // SAFETY: `len` is at least PAD, so the layout has a size. All-zero bits are the number 0.
        let start = unsafe { alloc_zeroed(layout) };
        let start = NonNull::new(start.cast::<T>()).unwrap_or_else(|| handle_alloc_error(layout));
        self.chunks.borrow_mut().push(Block { start, len });
        self.enter(Block { start, len });
    }

    /// Takes every block back. The next round walks through the same chunks.
    fn reset(&mut self) {
        self.open.set(0);
        self.left.set(0);
    }

    fn bytes(&self) -> usize {
        self.chunks.borrow().iter().map(|c| c.len).sum::<usize>() * size_of::<T>()
    }

    /// Bytes of the blocks that were handed out, and of the gaps between them.
    fn used(&self) -> usize {
        let opened: usize = self.chunks.borrow()[..self.open.get()].iter().map(|c| c.len).sum();
        (opened - self.left.get()) * size_of::<T>()
    }
}

impl<T> Drop for Arena<T> {
    fn drop(&mut self) {
        for chunk in self.chunks.get_mut().drain(..) {
            let layout = Layout::array::<T>(chunk.len).and_then(|l| l.align_to(ALIGN)).expect("a layout made before");
            // SAFETY: the chunk came from `alloc_zeroed` with this layout, and nobody borrows a block of a dropped
            // arena.
            unsafe { dealloc(chunk.start.as_ptr().cast(), layout) };
        }
    }
}

// SAFETY: an arena owns its chunks, and numbers may change threads.
unsafe impl<T: Float> Send for Arena<T> {}

/// An arena whose blocks are counted and go back to a free list, by size, when their last [`Slot`] is dropped.
pub(crate) struct Pool<T: Float> {
    arena: Arena<T>,
    blocks: RefCell<Vec<Counted<T>>>,
    /// free blocks by size class
    free: RefCell<Vec<Vec<u32>>>,
    shapes: Bump,
    /// numbers handed out since the pool was reset: what a sweep has to write, which tests look at
    handed_out: Cell<usize>,
}

struct Counted<T> {
    block: Block<T>,
    slots: Cell<u32>,
}

/// The size class of a padded length, four to each power of two, and the length of that class' blocks.
fn size_class(len: usize) -> (usize, usize) {
    let lines = len / PAD;
    if lines <= 8 {
        return (lines, len);
    }
    let octave = lines.ilog2() - 2;
    let quarter = lines.div_ceil(1 << octave);
    (quarter + 4 * (octave as usize - 1) + 4, quarter * (1 << octave) * PAD)
}

impl<T: Float> Pool<T> {
    pub(crate) fn new() -> Self {
        Pool {
            arena: Arena::new(),
            blocks: RefCell::default(),
            free: RefCell::default(),
            shapes: Bump::new(),
            handed_out: Cell::default(),
        }
    }

    /// A block for `len` numbers, whatever stands in it.
    pub(crate) fn alloc(&self, len: usize) -> Slot<'_, T> {
        let (class, len) = size_class(padded(len));
        self.handed_out.set(self.handed_out.get() + len);
        let reused = self.free.borrow_mut().get_mut(class).and_then(Vec::pop);
        let index = reused.unwrap_or_else(|| {
            let mut blocks = self.blocks.borrow_mut();
            blocks.push(Counted { block: self.arena.alloc(len), slots: Cell::new(0) });
            u32::try_from(blocks.len() - 1).expect("fewer than 2³² blocks of gradients")
        });
        let blocks = self.blocks.borrow();
        blocks[index as usize].slots.set(1);
        Slot { pool: self, block: blocks[index as usize].block, index }
    }

    pub(crate) fn shape(&self, shape: &[usize]) -> &[usize] {
        self.shapes.alloc_slice_copy(shape)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.arena.bytes()
    }

    pub(crate) fn handed_out(&self) -> usize {
        self.handed_out.get()
    }

    /// Takes every block back.
    pub(crate) fn reset(&mut self) {
        self.handed_out.set(0);
        self.blocks.get_mut().clear();
        self.free.get_mut().iter_mut().for_each(Vec::clear);
        self.arena.reset();
        self.shapes.reset();
    }

    /// Keeps a slot's block, which nobody else has, until the pool is reset. [`Pool::kept`] reads it.
    pub(crate) fn keep(slot: Slot<'_, T>) -> Kept {
        let kept = Kept(slot.index);
        std::mem::forget(slot); // the count stays above 0, so the block is never free
        kept
    }

    /// The padded numbers of a kept block.
    pub(crate) fn kept(&self, kept: Kept) -> &[T] {
        // SAFETY: nobody writes to a kept block but through `kept_mut`, which borrows the pool mutably.
        unsafe { self.blocks.borrow()[kept.0 as usize].block.read() }
    }

    pub(crate) fn kept_mut(&mut self, kept: Kept) -> &mut [T] {
        // SAFETY: the pool is borrowed mutably, so nobody else reads or writes.
        unsafe { self.blocks.borrow()[kept.0 as usize].block.write() }
    }
}

// SAFETY: a pool owns its blocks, and the raw pointers in `blocks` point into its own arena.
unsafe impl<T: Float> Send for Pool<T> {}

/// A block that outlives its slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept(u32);

/// A counted reference to a block of a pool.
pub(crate) struct Slot<'p, T: Float> {
    pool: &'p Pool<T>,
    block: Block<T>,
    index: u32,
}

impl<T: Float> Slot<'_, T> {
    #[inline]
    pub(crate) fn read(&self) -> &[T] {
        // SAFETY: the pool outlives the slot; a block is written only through its single slot, borrowed mutably.
        unsafe { self.block.read() }
    }

    /// The numbers, to be written, if this is the only slot of the block.
    #[inline]
    pub(crate) fn write(&mut self) -> Option<&mut [T]> {
        let single = self.pool.blocks.borrow()[self.index as usize].slots.get() == 1;
        // SAFETY: the only slot is borrowed mutably, so nobody else reads or writes.
        single.then(|| unsafe { self.block.write() })
    }
}

impl<T: Float> Clone for Slot<'_, T> {
    fn clone(&self) -> Self {
        let blocks = self.pool.blocks.borrow();
        let slots = &blocks[self.index as usize].slots;
        slots.set(slots.get().checked_add(1).expect("fewer than 2³² handles of one gradient"));
        Slot { ..*self }
    }
}

impl<T: Float> Drop for Slot<'_, T> {
    fn drop(&mut self) {
        let blocks = self.pool.blocks.borrow();
        let slots = &blocks[self.index as usize].slots;
        slots.set(slots.get() - 1);
        if slots.get() == 0 {
            let (class, _) = size_class(self.block.len);
            let mut free = self.pool.free.borrow_mut();
            if free.len() <= class {
                free.resize_with(class + 1, Vec::new);
            }
            free[class].push(self.index);
        }
    }
}

/// The memory of a vector whose elements live as long as one sweep, kept between sweeps without any of them.
pub(crate) struct Recycled<A>(Vec<A>);

// SAFETY: the vector is always empty, so nothing of type A changes threads.
unsafe impl<A> Send for Recycled<A> {}

impl<A> Recycled<A> {
    pub(crate) fn new() -> Self {
        Recycled(Vec::new())
    }

    /// Drops what the vector holds and keeps its memory.
    pub(crate) fn from_vec<B>(vec: Vec<B>) -> Self {
        Recycled(Self::convert(vec))
    }

    /// An empty vector in that memory, of the same type but for lifetimes.
    pub(crate) fn into_vec<B>(self) -> Vec<B> {
        Recycled::<B>::convert(self.0)
    }

    fn convert<B>(mut vec: Vec<B>) -> Vec<A> {
        const { assert!(size_of::<A>() == size_of::<B>() && align_of::<A>() == align_of::<B>()) };
        vec.clear();
        vec.into_iter().map(|_| unreachable!("the vector is empty")).collect() // the standard library reuses memory here
    }
}

/// A padded block of its own, for a parameter. Tapes that use it hold an `Arc` of it.
pub(crate) struct Shared<T> {
    block: Block<T>,
}
// SAFETY: the numbers are written only through `&mut`.
unsafe impl<T: Float> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Float> Sync for Shared<T> {}

impl<T: Float> Shared<T> {
    /// A block of zeros.
    pub(crate) fn new(len: usize) -> Self {
        let mut arena = Arena::new();
        arena.add_chunk(padded(len));
        let block = arena.chunks.get_mut().pop().expect("the chunk just added");
        Shared { block }
    }
    pub(crate) fn read(&self) -> &[T] {
        // SAFETY: written only through `&mut self`.
        unsafe { self.block.read() }
    }
    pub(crate) fn write(&mut self) -> &mut [T] {
        // SAFETY: `&mut self` is the only reference.
        unsafe { self.block.write() }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        let layout = Layout::array::<T>(self.block.len).and_then(|l| l.align_to(ALIGN)).expect("a layout made before");
        // SAFETY: the block is a whole chunk that `add_chunk` allocated with this layout.
        unsafe { dealloc(self.block.start.as_ptr().cast(), layout) };
    }
}

/// One entry of the tape, as it is stored. The pointers are into the arenas of [`Nodes`] or into a [`Shared`].
struct Stored<T: Float> {
    value: Block<T>,
    shape: NonNull<[usize]>,
    inputs: NonNull<[u32]>,
    operation: Option<NonNull<dyn AnyOperation<T>>>,
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
                operation: self.operation.map(|o| o.as_ref()),
                differentiated: self.differentiated,
                location: self.location,
            }
        }
    }
}

/// The nodes of a tape while none is appended.
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

/// One entry of the tape: an operation, what went in, and what came out.
pub(crate) struct Node<'t, T: Float> {
    pub(crate) value: View<'t, T>,
    pub(crate) inputs: &'t [u32],
    /// `None` for leaves and for whatever is not differentiated
    pub(crate) operation: Option<&'t dyn AnyOperation<T>>,
    /// whether a differentiated leaf went into it
    pub(crate) differentiated: bool,
    pub(crate) location: &'static Location<'static>,
}

/// The nodes of a tape. They are appended through `&self` and taken back together through `&mut self`.
pub(crate) struct Nodes<T: Float> {
    list: RefCell<Vec<Stored<T>>>,
    numbers: Arena<T>,
    objects: Bump,
    /// buffers of parameters that nodes read
    shared: RefCell<Vec<Arc<Shared<T>>>>,
    /// the operations in `objects` that own memory elsewhere
    owners: RefCell<Vec<NonNull<dyn AnyOperation<T>>>>,
}

/// A new node, before it is stored. Its parts are borrowed from the same [`Nodes`].
pub(crate) struct NewNode<'t, T: Float> {
    pub(crate) value: &'t [T],
    pub(crate) shape: &'t [usize],
    pub(crate) inputs: &'t [u32],
    pub(crate) operation: Option<&'t dyn AnyOperation<T>>,
    pub(crate) differentiated: bool,
    pub(crate) location: &'static Location<'static>,
}

impl<T: Float> Nodes<T> {
    pub(crate) fn new() -> Self {
        Nodes {
            list: RefCell::default(),
            numbers: Arena::new(),
            objects: Bump::new(),
            shared: RefCell::default(),
            owners: RefCell::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.list.borrow().len()
    }

    /// A padded block for `len` numbers, to be written. Nobody else has it.
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

    /// Holds on to a shared buffer until the nodes are cleared, and reads it.
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

    pub(crate) fn operation<O: AnyOperation<T> + 'static>(&self, operation: O) -> &dyn AnyOperation<T> {
        let stored: &mut dyn AnyOperation<T> = self.objects.alloc(operation);
        let stored = NonNull::from(stored);
        if std::mem::needs_drop::<O>() {
            self.owners.borrow_mut().push(stored);
        }
        // SAFETY: the bump keeps the object where it is until `clear(&mut self)`.
        unsafe { stored.as_ref() }
    }

    /// Appends a node and returns its index.
    ///
    /// The parts of `node` come from this `Nodes` (from `alloc`, `share`, `shape`, `inputs`, `operation` or another
    /// node): [`Tape`](crate::Tape) is the only caller, and keeps to that.
    // inline: read back from memory in other pieces than it was written in, the node would wait for the store
    #[inline(always)]
    pub(crate) fn push(&self, node: NewNode<'_, T>) -> u32 {
        let mut list = self.list.borrow_mut();
        let index = u32::try_from(list.len()).expect("a tape holds fewer than 2³² operations");
        list.push(Stored {
            value: Block { start: NonNull::from(node.value).cast(), len: node.value.len() },
            shape: NonNull::from(node.shape),
            inputs: NonNull::from(node.inputs),
            // SAFETY: only the lifetime of the reference is forgotten here; `node` gives it back.
            operation: node.operation.map(|o| unsafe {
                std::mem::transmute::<NonNull<dyn AnyOperation<T> + '_>, NonNull<dyn AnyOperation<T>>>(NonNull::from(o))
            }),
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

    /// All nodes, to be read while none is appended.
    pub(crate) fn frozen(&self) -> Frozen<'_, T> {
        Frozen(self.list.borrow())
    }

    /// Bytes held for values, and those of them in use.
    pub(crate) fn bytes(&self) -> (usize, usize) {
        (self.numbers.bytes(), self.numbers.used())
    }

    /// Bytes held for shapes, inputs and operations.
    pub(crate) fn object_bytes(&self) -> usize {
        self.objects.allocated_bytes() + self.list.borrow().capacity() * size_of::<Stored<T>>()
    }

    pub(crate) fn clear(&mut self) {
        self.list.get_mut().clear();
        self.shared.get_mut().clear();
        self.numbers.reset();
        self.drop_owners(); // last but for their own memory: an operation of a user's may panic here
        self.objects.reset();
    }

    fn drop_owners(&mut self) {
        for owner in self.owners.get_mut().drain(..) {
            // SAFETY: each operation is listed once, its memory is still there, and no node refers to it any more.
            unsafe { std::ptr::drop_in_place(owner.as_ptr()) };
        }
    }
}

impl<T: Float> Drop for Nodes<T> {
    fn drop(&mut self) {
        self.drop_owners();
    }
}

// SAFETY: everything the pointers lead to belongs to this `Nodes` or is kept by an `Arc` of the tape's; operations
// are `Send`, and so are numbers.
unsafe impl<T: Float> Send for Nodes<T> {}

#[cfg(test)]
mod tests;
