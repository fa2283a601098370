//! The operations of a tape, without their types. Each stays where it is until all are dropped together.

use std::cell::RefCell;
use std::ptr::NonNull;

use bumpalo::Bump;

/// Operations, each an `O` such as `dyn AnyOperation`. They are added through `&self` and dropped together through
/// `&mut self`.
pub(crate) struct Operations<O: ?Sized> {
    list: RefCell<Vec<NonNull<O>>>,
    objects: Bump,
    /// the operations that own memory elsewhere
    owners: RefCell<Vec<NonNull<O>>>,
}

impl<O: ?Sized> Operations<O> {
    pub(crate) fn new() -> Self {
        Operations { list: RefCell::default(), objects: Bump::new(), owners: RefCell::default() }
    }

    /// Keeps an operation and returns its place. `erase` converts it to an `O`, without its type.
    #[inline]
    pub(crate) fn keep<P: 'static>(&self, operation: P, erase: fn(&mut P) -> &mut O) -> u32 {
        let stored = NonNull::from(erase(self.objects.alloc(operation)));
        if std::mem::needs_drop::<P>() {
            self.owners.borrow_mut().push(stored);
        }
        let mut list = self.list.borrow_mut();
        list.push(stored);
        // a tape has at most as many operations as nodes, which are counted in 32 bits
        (list.len() - 1) as u32
    }

    #[inline]
    pub(crate) fn get(&self, place: u32) -> &O {
        // SAFETY: the bump keeps the operation where it is until `clear(&mut self)`, and nobody has it mutably.
        unsafe { self.list.borrow()[place as usize].as_ref() }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.objects.allocated_bytes() + self.list.borrow().capacity() * size_of::<NonNull<O>>()
    }

    pub(crate) fn clear(&mut self) {
        self.list.get_mut().clear();
        self.drop_owners(); // late, when only their own memory is left to clear: a user's operation may panic here
        self.objects.reset();
    }

    fn drop_owners(&mut self) {
        for owner in self.owners.get_mut().drain(..) {
            // SAFETY: each operation is listed once, its memory is still there, and nobody refers to it any more.
            unsafe { std::ptr::drop_in_place(owner.as_ptr()) };
        }
    }
}

impl<O: ?Sized> Drop for Operations<O> {
    fn drop(&mut self) {
        self.drop_owners();
    }
}

// SAFETY: everything the pointers lead to belongs to this `Operations`, and may change threads if an `O` may.
unsafe impl<O: ?Sized + Send> Send for Operations<O> {}
