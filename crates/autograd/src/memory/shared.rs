//! The memory of a parameter, which tapes share.

use super::arena::{RawBlock, padded};
use crate::Float;

/// A separate padded block, for a parameter. Tapes that use it hold an `Arc` of it.
pub(crate) struct Shared<T> {
    pub(super) block: RawBlock<T>,
}
// SAFETY: the numbers are written only through `&mut`.
unsafe impl<T: Float> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Float> Sync for Shared<T> {}

impl<T: Float> Shared<T> {
    /// A block of zeros.
    pub(crate) fn new(len: usize) -> Self {
        Shared { block: RawBlock::allocate(padded(len)) }
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
        // SAFETY: the block was allocated whole, and this is its only owner.
        unsafe { self.block.free() };
    }
}
