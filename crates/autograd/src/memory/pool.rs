//! Blocks that are reference-counted, and reused once no slot refers to them.

use std::cell::{Cell, RefCell};

use bumpalo::Bump;

use super::arena::{Arena, RawBlock, padded};
use crate::Float;
use crate::kernels::PAD;

/// An arena whose blocks are counted and go back to a free list, by size, when their last [`Slot`] is dropped.
pub(crate) struct Pool<T: Float> {
    arena: Arena<T>,
    blocks: RefCell<Vec<Counted<T>>>,
    /// free blocks by size class
    free: RefCell<Vec<Vec<u32>>>,
    shapes: Bump,
    /// the count of numbers handed out since the pool was reset: the numbers that a sweep has to write, which tests
    /// check
    handed_out: Cell<usize>,
}

struct Counted<T> {
    block: RawBlock<T>,
    slots: Cell<u32>,
}

/// The size class of a padded length, and the length of the blocks of that class. There are four classes for each power
/// of two.
pub(super) fn size_class(len: usize) -> (usize, usize) {
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

    /// A block for `len` numbers, which may hold old numbers.
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

    /// Takes back every block.
    pub(crate) fn reset(&mut self) {
        self.handed_out.set(0);
        self.blocks.get_mut().clear();
        self.free.get_mut().iter_mut().for_each(Vec::clear);
        self.arena.reset();
        self.shapes.reset();
    }

    /// Keeps the block of a slot, the only slot of that block, until the pool is reset. [`Pool::kept`] reads it.
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
    block: RawBlock<T>,
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
