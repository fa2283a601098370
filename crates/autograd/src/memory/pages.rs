//! Large pieces of memory, in huge pages where the system has them.
//!
//! A page of 4 KB is an entry of a small table in the processor; arrays of megabytes need more entries than it has.
//! Linux gives pages of 2 MB, but only to memory that begins at a multiple of 2 MB and asks for them before it is
//! touched. Loops over large arrays then run up to 1.5 times as fast.

use std::ptr::NonNull;

/// The size of a huge page, in bytes.
pub(super) const HUGE: usize = 1 << 21;

/// Whether this system gives them.
pub(super) const AVAILABLE: bool = cfg!(all(target_os = "linux", not(miri)));

/// Maps `bytes` zeros, a multiple of [`HUGE`], in huge pages. `None` where the system cannot.
#[cfg(all(target_os = "linux", not(miri)))]
pub(super) fn map(bytes: usize) -> Option<NonNull<u8>> {
    use libc::{MADV_HUGEPAGE, MAP_ANONYMOUS, MAP_FAILED, MAP_PRIVATE, PROT_READ, PROT_WRITE, madvise, mmap, munmap};
    debug_assert!(bytes.is_multiple_of(HUGE));
    let (access, kind) = (PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    // SAFETY: new memory at an address that the system chooses, one huge page more than asked for. What lies before the
    // first multiple of a huge page, and behind the last byte, is given back.
    unsafe {
        let start = mmap(std::ptr::null_mut(), bytes.checked_add(HUGE)?, access, kind, -1, 0);
        if start == MAP_FAILED {
            return None;
        }
        let before = start.addr().next_multiple_of(HUGE) - start.addr();
        if before > 0 {
            munmap(start, before);
        }
        let start = start.byte_add(before);
        munmap(start.byte_add(bytes), HUGE - before);
        madvise(start, bytes, MADV_HUGEPAGE); // if it fails, the pages are small
        NonNull::new(start.cast())
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
pub(super) fn map(_: usize) -> Option<NonNull<u8>> {
    None
}

/// Gives memory back.
///
/// # Safety
/// It came from [`map`] with this size, and nobody uses it.
#[cfg(all(target_os = "linux", not(miri)))]
pub(super) unsafe fn unmap(start: NonNull<u8>, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe { libc::munmap(start.as_ptr().cast(), bytes) };
}

#[cfg(not(all(target_os = "linux", not(miri))))]
pub(super) unsafe fn unmap(_: NonNull<u8>, _: usize) {
    unreachable!("nothing is mapped on this system")
}
