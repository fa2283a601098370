//! Preparing items ahead of their use, on another thread.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::sync_channel;
use std::thread::Scope;

/// The most items that may wait.
const MOST: usize = 1 << 16;

/// Runs an iterator on a thread of its own, at most `ahead` items ahead: while a step computes, the next batches are
/// read from the disk or augmented.
///
/// The items and their order stay the same. The thread ends with the scope, or when the returned iterator is dropped.
///
/// ```
/// use gradus_data::{digits, prefetch};
/// let train = digits().train;
/// let batches = train.batches(64).shuffle(1);
/// std::thread::scope(|scope| {
///     for (ahead, own) in prefetch(scope, batches.clone(), 4).zip(batches) {
///         assert_eq!(ahead, own);
///     }
/// });
/// ```
///
/// # Panics
/// If the system cannot start a thread. If making an item panics, asking for that item panics with the same message.
pub fn prefetch<'s, I>(
    scope: &'s Scope<'s, '_>,
    mut items: I,
    ahead: usize,
) -> impl Iterator<Item = I::Item> + use<'s, I>
where
    I: Iterator<Item: Send> + Send + 's,
{
    let (sender, receiver) = sync_channel(ahead.clamp(1, MOST));
    scope.spawn(move || {
        loop {
            let made = catch_unwind(AssertUnwindSafe(|| items.next()));
            let ends = !matches!(made, Ok(Some(_)));
            if sender.send(made).is_err() || ends {
                break; // the iterator has ended, or the receiver was dropped
            }
        }
    });
    receiver.into_iter().map_while(|made| made.unwrap_or_else(|panic| resume_unwind(panic)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    #[should_panic(expected = "row 7 is damaged")]
    fn a_panic_is_handed_on_with_its_message() {
        std::thread::scope(|scope| {
            let items = prefetch(scope, (0..).inspect(|k| assert!(*k < 7, "row {k} is damaged")), 2);
            assert_eq!(items.take(20).count(), 20);
        });
    }

    #[test]
    fn it_works_ahead_by_no_more_than_it_may_and_ends_when_dropped() {
        let made = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let endless = (0..).inspect(|_| {
                made.fetch_add(1, Ordering::SeqCst);
            });
            let mut items = prefetch(scope, endless, 3);
            assert_eq!(items.next(), Some(0));
            // three items wait; one more is made and cannot be handed over
            while made.load(Ordering::SeqCst) < 5 {
                std::thread::yield_now();
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert_eq!(made.load(Ordering::SeqCst), 5);
            assert_eq!(items.nth(9), Some(10));
        });
    }
}
