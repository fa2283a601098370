//! Memory of a thread for the arrays that a loop needs beside its own, kept from call to call.

use std::cell::RefCell;

/// Numbers of a line of the cache, or of two.
const LINE: usize = 16;

macro_rules! scratch {
    ($t:ident) => {
        pub(crate) mod $t {
            use super::*;

            thread_local! {
                static MEMORY: RefCell<Vec<Vec<$t>>> = const { RefCell::new(Vec::new()) };
            }

            /// Runs `f` with `len` zeros of this thread's memory, which begin at a line of the cache.
            pub(crate) fn with_scratch<R>(len: usize, f: impl FnOnce(&mut [$t]) -> R) -> R {
                // what runs inside may ask for memory of its own
                let mut memory = MEMORY.with_borrow_mut(Vec::pop).unwrap_or_default();
                memory.clear();
                memory.resize(len + LINE, $t::default());
                let start = memory.as_ptr().align_offset(LINE * size_of::<$t>());
                let result = f(&mut memory[start..start + len]);
                MEMORY.with_borrow_mut(|kept| kept.push(memory));
                result
            }
        }
    };
}
scratch!(f32);
scratch!(f64);
scratch!(usize);
