//! How work is divided over threads. What a piece computes never depends on where the cuts are, so no result depends
//! on the number of threads.

use super::team;
use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

static DEFAULT_THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static THREADS: Cell<usize> = const { Cell::new(0) };
}

/// Sets how many threads a large operation may use, for the whole process. 0, the default, means all cores.
///
/// Results do not depend on it, bit for bit.
///
/// ```
/// gradus_autograd::set_threads(1);
/// ```
pub fn set_threads(threads: usize) {
    DEFAULT_THREADS.store(threads, Ordering::Relaxed);
}

/// Runs `f` with at most `threads` threads for each of its operations on this thread.
///
/// ```
/// let five = gradus_autograd::with_threads(1, || 2 + 3);
/// assert_eq!(five, 5);
/// ```
pub fn with_threads<R>(threads: usize, f: impl FnOnce() -> R) -> R {
    struct Restore(usize);
    impl Drop for Restore {
        fn drop(&mut self) {
            THREADS.set(self.0);
        }
    }
    let _restore = Restore(THREADS.replace(threads));
    f()
}

/// How many pieces to cut work into: one a thread, if there is at least `grain` work for each.
#[inline]
pub(crate) fn pieces(work: usize, grain: usize) -> usize {
    if work < 2 * grain { 1 } else { threads().min(work / grain) }
}

fn threads() -> usize {
    match (THREADS.get(), DEFAULT_THREADS.load(Ordering::Relaxed)) {
        (0, 0) => rayon_core::current_num_threads(),
        (0, threads) | (threads, _) => threads,
    }
}

/// Numbers of a loop that a thread must have to itself before a second one is woken.
pub(crate) const GRAIN: usize = 1 << 15;
/// Numbers of a line of the cache, or a multiple.
const LINE: usize = 64;

/// Runs `f(0)` to `f(pieces − 1)`, on this thread and beside it.
pub(crate) fn run(pieces: usize, f: &(dyn Fn(usize) + Sync)) {
    if pieces <= 1 {
        return (0..pieces).for_each(f);
    }
    if team::run(pieces, f) {
        return;
    }
    rayon_core::in_place_scope(|scope| {
        (1..pieces).for_each(|i| scope.spawn(move |_| f(i)));
        f(0);
    });
}

/// Runs `f(start, piece)` over pieces of `out`, side by side if each has at least `grain` numbers. Pieces are multiples
/// of `unit`.
#[inline]
#[doc(hidden)]
pub fn split_by<T: Send>(out: &mut [T], unit: usize, grain: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    match pieces(out.len(), grain) {
        1 => f(0, out),
        pieces => side_by_side(out, out.len().div_ceil(pieces).next_multiple_of(unit), &f),
    }
}

#[inline(never)]
fn side_by_side<T: Send>(out: &mut [T], len: usize, f: &(dyn Fn(usize, &mut [T]) + Sync)) {
    let pieces = out.len().div_ceil(len);
    queue(out.chunks_mut(len).enumerate(), pieces, |(i, part)| f(i * len, part));
}

/// Runs `f` with each piece of work. Each of the threads takes the next piece when it is free.
pub(crate) fn queue<I: Send>(work: impl ExactSizeIterator<Item = I> + Send, threads: usize, f: impl Fn(I) + Sync) {
    share(work, threads, |next| {
        while let Some(piece) = next() {
            f(piece);
        }
    });
}

/// Runs `worker` on each of the threads, with a function that gives the next piece of work, if there is one left.
pub(crate) fn share<I: Send>(
    work: impl ExactSizeIterator<Item = I> + Send,
    threads: usize,
    worker: impl Fn(&dyn Fn() -> Option<I>) + Sync,
) {
    let threads = threads.min(work.len());
    let work = Mutex::new(work);
    run(threads, &|_| worker(&|| work.lock().expect("nobody panics while it is locked").next()));
}

/// [`split_by`] whole lines of the cache, so that no two threads write to one.
#[inline]
pub(crate) fn split<T: Send>(out: &mut [T], grain: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    split_by(out, LINE, grain, f);
}

/// [`split`] over several slices of one length, cut at the same places.
#[inline]
#[doc(hidden)]
pub fn split_many<T: Send>(outs: &mut [&mut [T]], grain: usize, f: impl Fn(usize, &mut [&mut [T]]) + Sync) {
    match pieces(outs[0].len(), grain) {
        1 => f(0, outs),
        pieces => many_side_by_side(outs, outs[0].len().div_ceil(pieces).next_multiple_of(LINE), &f),
    }
}

#[inline(never)]
fn many_side_by_side<T: Send>(outs: &mut [&mut [T]], size: usize, f: &(dyn Fn(usize, &mut [&mut [T]]) + Sync)) {
    let len = outs[0].len();
    let mut chunks: Vec<_> = outs.iter_mut().map(|out| out.chunks_mut(size)).collect();
    let parts: Vec<(usize, Vec<&mut [T]>)> =
        (0..len.div_ceil(size)).map(|i| (i, chunks.iter_mut().filter_map(Iterator::next).collect())).collect();
    let pieces = parts.len();
    queue(parts.into_iter(), pieces, |(i, mut part)| f(i * size, &mut part));
}
