//! Threads that stay awake for a short time after work, so that the next operation finds them.
//!
//! To wake a thread takes tens of microseconds, which is longer than many an operation of a training step takes. So the
//! helpers of an operation go on looking for work for [`AWAKE`] before they give their thread back to the pool. The
//! thread that has the work never waits for them: it takes piece after piece itself, and helpers take what is left.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// How long a helper looks for work after its last.
const AWAKE: Duration = Duration::from_micros(60);
/// How long a helper keeps a thread of the pool, so that others get it too.
const LIFE: Duration = Duration::from_millis(1);
/// Looks after which a wait for a helper becomes a sleep, since its piece is a long one.
const PATIENCE: usize = 1 << 16;
/// Looks between two looks at the clock, or between two offers of the processor to other threads.
const LOOKS: usize = 128;

/// The helpers of this process. One operation at a time has them; another one of the same time uses the pool.
static TEAM: Team = Team {
    taken: AtomicBool::new(false),
    work: UnsafeCell::new(None),
    opened: AtomicUsize::new(0),
    next: AtomicUsize::new(0),
    inside: AtomicUsize::new(0),
    awake: AtomicUsize::new(0),
    panicked: Mutex::new(None),
};

type Function<'a> = &'a (dyn Fn(usize) + Sync);

struct Team {
    /// whether an operation has the team
    taken: AtomicBool,
    /// the function, and how many pieces it has
    work: UnsafeCell<Option<(Function<'static>, usize)>>,
    /// how often work was opened and closed: odd while it is open
    opened: AtomicUsize,
    /// the next piece that nobody has taken
    next: AtomicUsize,
    /// helpers that may be reading `work`
    inside: AtomicUsize,
    /// helpers that look for work, or were asked to
    awake: AtomicUsize,
    /// what a helper's piece panicked with
    panicked: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: `work` is written only by the thread that has the team, while no helper is inside and none can enter, and is
// read only by helpers inside.
#[allow(unsafe_code)]
unsafe impl Sync for Team {}

/// Runs `f(0)` to `f(pieces − 1)`, side by side with at most `pieces − 1` helpers. Returns whether it did: another
/// operation may have the helpers.
pub(super) fn run(pieces: usize, f: Function<'_>) -> bool {
    if TEAM.taken.swap(true, SeqCst) {
        return false;
    }
    let open = Open::new(pieces, f);
    let asked = (pieces - 1).min(rayon_core::current_num_threads());
    for _ in TEAM.awake.load(SeqCst)..asked {
        TEAM.awake.fetch_add(1, SeqCst);
        rayon_core::spawn(help);
    }
    TEAM.take_pieces(pieces, f);
    drop(open);
    true
}

/// Work that helpers may enter, until it is dropped.
struct Open {
    /// whether this thread was panicking before
    panicking: bool,
}

impl Open {
    fn new(pieces: usize, f: Function<'_>) -> Self {
        // SAFETY: this thread has the team, no helper is inside (the last work waited for that) and none enters, since
        // the work is not open. The function outlives all use: `Open` is dropped before it, and waits for the helpers.
        #[allow(unsafe_code)]
        unsafe {
            *TEAM.work.get() = Some((std::mem::transmute::<Function<'_>, Function<'static>>(f), pieces));
        }
        TEAM.next.store(0, SeqCst);
        TEAM.opened.fetch_add(1, SeqCst);
        Open { panicking: std::thread::panicking() }
    }
}

impl Drop for Open {
    /// Closes the work, waits for the helpers that are inside, and hands on what one of them panicked with.
    fn drop(&mut self) {
        TEAM.next.store(usize::MAX / 2, SeqCst); // after a panic, the pieces that are left are nobody's
        TEAM.opened.fetch_add(1, SeqCst);
        let mut looks = 0;
        while TEAM.inside.load(SeqCst) > 0 {
            looks += 1;
            match looks {
                PATIENCE.. => std::thread::sleep(AWAKE),
                // a helper may have lost its processor to this very wait
                _ if looks % LOOKS == 0 => std::thread::yield_now(),
                _ => std::hint::spin_loop(),
            }
        }
        let panicked = TEAM.panicked.lock().expect("nobody panics while it is locked").take();
        TEAM.taken.store(false, SeqCst);
        if let Some(panicked) = panicked
            && std::thread::panicking() == self.panicking
        {
            resume_unwind(panicked);
        }
    }
}

impl Team {
    fn take_pieces(&self, pieces: usize, f: Function<'_>) {
        loop {
            let piece = self.next.fetch_add(1, SeqCst);
            if piece >= pieces {
                return;
            }
            f(piece);
        }
    }
}

/// Looks for work, until there has been none for a while.
fn help() {
    let start = Instant::now();
    let (mut since, mut looks, mut seen) = (start, 0, 0);
    loop {
        let opened = TEAM.opened.load(SeqCst);
        if opened % 2 == 1 && opened != seen {
            TEAM.inside.fetch_add(1, SeqCst);
            // either the work is still open, and cannot be closed while this helper is inside, or it is left alone
            if TEAM.opened.load(SeqCst) == opened {
                // SAFETY: the work is open and this helper is inside: nobody writes it.
                #[allow(unsafe_code)]
                let work = unsafe { *TEAM.work.get() };
                if let Some((f, pieces)) = work
                    && let Err(panicked) = catch_unwind(AssertUnwindSafe(|| TEAM.take_pieces(pieces, f)))
                {
                    TEAM.panicked.lock().expect("nobody panics while it is locked").get_or_insert(panicked);
                }
            }
            TEAM.inside.fetch_sub(1, SeqCst);
            (since, looks, seen) = (Instant::now(), 0, opened);
        }
        looks += 1;
        if since - start > LIFE || looks % LOOKS == 0 && since.elapsed() > AWAKE {
            TEAM.awake.fetch_sub(1, SeqCst);
            return;
        }
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::super::threads::run;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    #[test]
    fn every_piece_runs_once_whoever_asks() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for pieces in (1..40).cycle().take(2000) {
                        let counts: Vec<AtomicUsize> = (0..pieces).map(|_| AtomicUsize::new(0)).collect();
                        run(pieces, &|i| {
                            counts[i].fetch_add(1, Relaxed);
                            if i == 3 {
                                // work within work
                                run(3, &|k| {
                                    counts[0].fetch_add(100 * k, Relaxed);
                                });
                            }
                        });
                        let inner = if pieces > 3 { 300 } else { 0 };
                        assert!(counts.iter().skip(1).all(|count| count.load(Relaxed) == 1));
                        assert_eq!(counts[0].load(Relaxed), 1 + inner);
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_of_any_piece_is_the_callers() {
        for bad in 0..4 {
            let caught = std::panic::catch_unwind(|| {
                run(4, &|i| {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                    assert!(i != bad, "piece {i}");
                });
            });
            let message = caught.expect_err("a panic");
            assert_eq!(message.downcast_ref::<String>().map(String::as_str), Some(&*format!("piece {bad}")));
        }
        let sum = AtomicUsize::new(0);
        run(4, &|i| {
            sum.fetch_add(i, Relaxed);
        });
        assert_eq!(sum.load(Relaxed), 6);
    }
}
