//! Blocks that are reference-counted, and reused once no slot refers to them.
//!
//! A large array of which few rows are written (the gradient of a table whose rows are looked up) has a block of a kind
//! of its own. It is zero when it is handed out, it keeps a list of the rows that were written, and when the pool is
//! reset only those are set to zero again. So such an array costs as much as its rows.

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
    /// the blocks of few rows that are in use, and those that are free, all zero. They are not of the arena
    sparse: RefCell<Vec<Sparse>>,
    clean: RefCell<Vec<RawBlock<T>>>,
    /// the count of numbers handed out since the pool was reset: the numbers that a sweep has to write, which tests
    /// check
    handed_out: Cell<usize>,
}

struct Counted<T> {
    block: RawBlock<T>,
    slots: Cell<u32>,
    /// the index in `sparse`; [`DENSE`] if the block is none of few rows
    sparse: Cell<u32>,
}

const DENSE: u32 = u32::MAX;

/// What was written to a block of few rows.
struct Sparse {
    /// the index of the block
    block: u32,
    /// numbers of a row
    width: usize,
    /// the rows that were written, in any order; `None` if anything may have been
    rows: Option<Vec<usize>>,
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
            sparse: RefCell::default(),
            clean: RefCell::default(),
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
            Self::push(&mut blocks, self.arena.alloc(len), DENSE)
        });
        let blocks = self.blocks.borrow();
        blocks[index as usize].slots.set(1);
        Slot { pool: self, block: blocks[index as usize].block, index }
    }

    fn push(blocks: &mut Vec<Counted<T>>, block: RawBlock<T>, sparse: u32) -> u32 {
        blocks.push(Counted { block, slots: Cell::new(1), sparse: Cell::new(sparse) });
        u32::try_from(blocks.len() - 1).expect("fewer than 2³² blocks of gradients")
    }

    /// A block of zeros for `len` numbers, few rows of which are going to be written by [`Slot::write_rows`].
    pub(crate) fn alloc_zeros(&self, len: usize, width: usize) -> Slot<'_, T> {
        let (len, mut clean) = (padded(len), self.clean.borrow_mut());
        let found = clean.iter().position(|block| block.len == len).map(|at| clean.swap_remove(at));
        let block = found.unwrap_or_else(|| RawBlock::allocate(len));
        let mut sparse = self.sparse.borrow_mut();
        let index = Self::push(&mut self.blocks.borrow_mut(), block, sparse.len() as u32);
        sparse.push(Sparse { block: index, width, rows: Some(Vec::new()) });
        Slot { pool: self, block, index }
    }

    pub(crate) fn shape(&self, shape: &[usize]) -> &[usize] {
        self.shapes.alloc_slice_copy(shape)
    }

    pub(crate) fn bytes(&self) -> usize {
        let blocks = self.blocks.borrow();
        let in_use = self.sparse.borrow().iter().map(|sparse| blocks[sparse.block as usize].block.len).sum::<usize>();
        let free = self.clean.borrow().iter().map(|block| block.len).sum::<usize>();
        self.arena.bytes() + (in_use + free) * size_of::<T>()
    }

    pub(crate) fn handed_out(&self) -> usize {
        self.handed_out.get()
    }

    /// Takes back every block.
    pub(crate) fn reset(&mut self) {
        self.handed_out.set(0);
        self.free_clean(); // nobody has used them since they were put there
        for Sparse { block, width, rows } in self.sparse.get_mut().drain(..) {
            let block = self.blocks.get_mut()[block as usize].block;
            // SAFETY: the pool is borrowed mutably, so nobody reads or writes the block.
            let numbers = unsafe { block.write() };
            match rows {
                Some(rows) => rows.iter().for_each(|row| numbers[row * width..][..width].fill(T::default())),
                None => numbers.fill(T::default()),
            }
            self.clean.get_mut().push(block);
        }
        self.blocks.get_mut().clear();
        self.free.get_mut().iter_mut().for_each(Vec::clear);
        self.arena.reset();
        self.shapes.reset();
    }

    fn free_clean(&mut self) {
        for block in self.clean.get_mut().drain(..) {
            // SAFETY: a block of few rows was allocated by itself, and a free one is borrowed by nobody.
            unsafe { block.free() };
        }
    }

    /// Keeps the block of a slot, the only slot of that block, until the pool is reset. [`Pool::kept`] reads it.
    pub(crate) fn keep(slot: Slot<'_, T>) -> Kept {
        let kept = Kept(slot.index);
        std::mem::forget(slot); // the count stays above 0, so the block is never free
        kept
    }

    /// The padded numbers of a kept block.
    pub(crate) fn kept(&self, kept: Kept) -> &[T] {
        // SAFETY: nobody writes to a kept block but through `kept_mut` and `kept_rows_mut`, which borrow the pool
        // mutably.
        unsafe { self.blocks.borrow()[kept.0 as usize].block.read() }
    }

    pub(crate) fn kept_mut(&mut self, kept: Kept) -> &mut [T] {
        self.note(kept.0, None);
        // SAFETY: the pool is borrowed mutably, so nobody else reads or writes.
        unsafe { self.blocks.borrow()[kept.0 as usize].block.write() }
    }

    /// The same, to write to some rows only.
    pub(crate) fn kept_rows_mut(&mut self, kept: Kept, rows: &[usize]) -> &mut [T] {
        self.note(kept.0, Some(rows));
        // SAFETY: the pool is borrowed mutably, so nobody else reads or writes.
        unsafe { self.blocks.borrow()[kept.0 as usize].block.write() }
    }

    /// The rows of a kept block that may hold other numbers than 0, in order; `None` if they all may.
    #[inline]
    pub(crate) fn rows(&self, kept: Kept) -> Option<Vec<usize>> {
        let sparse = self.blocks.borrow()[kept.0 as usize].sparse.get();
        if sparse == DENSE {
            return None;
        }
        let mut rows = self.sparse.borrow().get(sparse as usize)?.rows.clone()?;
        rows.sort_unstable();
        rows.dedup();
        Some(rows)
    }

    /// Notes which rows of a block are being written, if it is one of few rows; `None` means any.
    fn note(&self, block: u32, rows: Option<&[usize]>) {
        let sparse = self.blocks.borrow()[block as usize].sparse.get();
        if sparse != DENSE {
            let own = &mut self.sparse.borrow_mut()[sparse as usize].rows;
            match (&mut *own, rows) {
                (Some(own), Some(rows)) => own.extend_from_slice(rows),
                _ => *own = None,
            }
        }
    }
}

impl<T: Float> Drop for Pool<T> {
    fn drop(&mut self) {
        self.reset(); // the blocks of few rows are free then
        self.free_clean();
    }
}

// SAFETY: a pool owns its blocks: the raw pointers in `blocks` and `clean` point into its own arena, or to blocks of
// few rows, which are its own too.
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
        let (single, dense) = {
            let block = &self.pool.blocks.borrow()[self.index as usize];
            (block.slots.get() == 1, block.sparse.get() == DENSE)
        };
        if single && !dense {
            self.pool.note(self.index, None);
        }
        // SAFETY: the only slot is borrowed mutably, so nobody else reads or writes.
        single.then(|| unsafe { self.block.write() })
    }

    /// The same, to write to some rows of a block of few rows only; `None` if it is another block.
    pub(crate) fn write_rows(&mut self, rows: &[usize]) -> Option<&mut [T]> {
        let sparse = self.pool.blocks.borrow()[self.index as usize].sparse.get() != DENSE;
        (sparse && self.is_single()).then(|| {
            self.pool.note(self.index, Some(rows));
            // SAFETY: as above.
            unsafe { self.block.write() }
        })
    }

    /// Whether this is the only slot of the block.
    #[inline]
    pub(crate) fn is_single(&self) -> bool {
        self.pool.blocks.borrow()[self.index as usize].slots.get() == 1
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
        // a block of few rows is free when the pool is reset
        if slots.get() == 0 && blocks[self.index as usize].sparse.get() == DENSE {
            let (class, _) = size_class(self.block.len);
            let mut free = self.pool.free.borrow_mut();
            if free.len() <= class {
                free.resize_with(class + 1, Vec::new);
            }
            free[class].push(self.index);
        }
    }
}
