//! Work ahead on a thread.

use std::sync::mpsc::{IntoIter, sync_channel};
use std::thread::Scope;

/// Items that may wait at most.
const MOST: usize = 1 << 16;

/// Runs an iterator on a thread of its own, at most `ahead` items ahead: while a step computes, the next batches are
/// read from the disk, or augmented.
///
/// The items and their order are the same. The thread ends with the scope, or when what is returned is dropped.
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
/// If the system gives no thread.
pub fn prefetch<'s, I>(scope: &'s Scope<'s, '_>, items: I, ahead: usize) -> IntoIter<I::Item>
where
    I: Iterator<Item: Send> + Send + 's,
{
    let (sender, receiver) = sync_channel(ahead.clamp(1, MOST));
    scope.spawn(move || {
        for item in items {
            if sender.send(item).is_err() {
                break; // nobody listens any more
            }
        }
    });
    receiver.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn it_works_ahead_by_no_more_than_it_may_and_ends_when_dropped() {
        let made = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let endless = (0..).inspect(|_| {
                made.fetch_add(1, Ordering::SeqCst);
            });
            let mut items = prefetch(scope, endless, 3);
            assert_eq!(items.next(), Some(0));
            // three wait, one more is made and cannot be handed over
            while made.load(Ordering::SeqCst) < 5 {
                std::thread::yield_now();
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert_eq!(made.load(Ordering::SeqCst), 5);
            assert_eq!(items.nth(9), Some(10));
        });
    }
}
