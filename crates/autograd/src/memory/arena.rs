//! Blocks of numbers in chunks of memory that never move.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::{Cell, RefCell};
use std::ptr::NonNull;

use super::pages::{self, HUGE};
use crate::Float;
use crate::kernels::PAD;

/// The alignment of a block, in bytes: the size of a cache line, and of the widest vector.
pub(super) const ALIGN: usize = 64;
/// The count of numbers in the first chunk of an arena.
const FIRST_CHUNK: usize = 4096;

/// `len` rounded up to whole blocks; at least one.
#[inline]
pub(crate) fn padded(len: usize) -> usize {
    len.max(1).next_multiple_of(PAD)
}

/// Prepares a block for `len` numbers that may still hold numbers of an earlier step: writes zeros to its padding and,
/// in debug builds, NaN before it, so that code that reads a number before writing it is noticed.
#[inline]
pub(crate) fn unwritten<T: Float>(block: &mut [T], len: usize) {
    let last = block.len() - PAD;
    block[last..].fill(T::default());
    if cfg!(debug_assertions) {
        block[..len].fill(T::from_f64(f64::NAN));
    }
}

/// A padded block of numbers somewhere in an arena.
pub(super) struct RawBlock<T> {
    pub(super) start: NonNull<T>,
    /// in numbers, a multiple of [`PAD`]
    pub(super) len: usize,
}
impl<T> Clone for RawBlock<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for RawBlock<T> {}

fn layout<T>(len: usize) -> Layout {
    Layout::array::<T>(len).and_then(|l| l.align_to(ALIGN)).expect("an array of numbers larger than memory")
}

/// The bytes of so many numbers in huge pages, if they are worth it.
fn mapped<T>(len: usize) -> Option<usize> {
    let bytes = layout::<T>(len).size();
    (pages::AVAILABLE && bytes >= HUGE).then(|| bytes.next_multiple_of(HUGE))
}

impl<T> RawBlock<T> {
    /// New memory for `len` numbers, all of them zero.
    pub(super) fn allocate(len: usize) -> Self
    where
        T: Float,
    {
        let len = len.max(PAD);
        if let Some(bytes) = mapped::<T>(len) {
            let start = pages::map(bytes).unwrap_or_else(|| handle_alloc_error(layout::<T>(len)));
            return RawBlock { start: start.cast(), len };
        }
        let layout = layout::<T>(len);
        // SAFETY: the layout has a size. All-zero bits are the number 0.
        let start = unsafe { alloc_zeroed(layout) };
        let start = NonNull::new(start.cast::<T>()).unwrap_or_else(|| handle_alloc_error(layout));
        RawBlock { start, len }
    }
    /// # Safety
    /// The block came from [`allocate`](Self::allocate), whole, and nobody borrows it.
    pub(super) unsafe fn free(self) {
        // SAFETY: the caller's promise: this is the size, and so the way, that it was allocated with.
        unsafe {
            match mapped::<T>(self.len) {
                Some(bytes) => pages::unmap(self.start.cast(), bytes),
                None => dealloc(self.start.as_ptr().cast(), layout::<T>(self.len)),
            }
        }
    }
    /// # Safety
    /// The block's arena outlives `'a`, and nobody writes to the block during `'a`.
    #[inline]
    pub(super) unsafe fn read<'a>(self) -> &'a [T] {
        // SAFETY: arenas hand out initialised memory; the rest is the caller's promise.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
    /// # Safety
    /// The block's arena outlives `'a`, and nobody else reads or writes the block during `'a`.
    #[inline]
    pub(super) unsafe fn write<'a>(self) -> &'a mut [T] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

/// Bump-allocated blocks of numbers. Chunks never move; they are zeroed when they are made, so that every number, the
/// padding too, is initialised (a block that is reused holds its old numbers).
pub(super) struct Arena<T> {
    chunks: RefCell<Vec<RawBlock<T>>>,
    /// the index after the chunk that blocks come from
    open: Cell<usize>,
    next: Cell<NonNull<T>>,
    left: Cell<usize>,
}

impl<T: Float> Arena<T> {
    pub(super) fn new() -> Self {
        let (open, next, left) = (Cell::new(0), Cell::new(NonNull::dangling()), Cell::new(0));
        Arena { chunks: RefCell::default(), open, next, left }
    }

    #[inline]
    pub(super) fn alloc(&self, len: usize) -> RawBlock<T> {
        let len = padded(len);
        if len > self.left.get() {
            self.grow(len);
        }
        let start = self.next.get();
        // SAFETY: `left` numbers follow `next` in the current chunk, and `len` is at most `left`.
        self.next.set(unsafe { start.add(len) });
        self.left.set(self.left.get() - len);
        RawBlock { start, len }
    }

    /// Opens the next chunk that has room for `len` numbers, or a new one if there is none.
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

    fn enter(&self, chunk: RawBlock<T>) {
        self.open.set(self.open.get() + 1);
        self.next.set(chunk.start);
        self.left.set(chunk.len);
    }

    fn add_chunk(&self, len: usize) {
        let chunk = RawBlock::allocate(len);
        self.chunks.borrow_mut().push(chunk);
        self.enter(chunk);
    }

    /// Takes back every block. The next round of blocks comes from the same chunks.
    pub(super) fn reset(&mut self) {
        self.open.set(0);
        self.left.set(0);
    }

    pub(super) fn bytes(&self) -> usize {
        self.chunks.borrow().iter().map(|c| c.len).sum::<usize>() * size_of::<T>()
    }

    /// Bytes of the blocks that were handed out, and of the gaps between them.
    pub(super) fn used(&self) -> usize {
        let opened: usize = self.chunks.borrow()[..self.open.get()].iter().map(|c| c.len).sum();
        (opened - self.left.get()) * size_of::<T>()
    }
}

impl<T> Drop for Arena<T> {
    fn drop(&mut self) {
        for chunk in self.chunks.get_mut().drain(..) {
            // SAFETY: the chunk was allocated whole, and nobody borrows a block of a dropped arena.
            unsafe { chunk.free() };
        }
    }
}

// SAFETY: an arena owns its chunks, and numbers may change threads.
unsafe impl<T: Float> Send for Arena<T> {}
