//! The memory of a vector, kept from one sweep to the next.

/// The memory of a vector whose elements live as long as one sweep. Between sweeps it is kept without elements.
pub(crate) struct Recycled<A>(Vec<A>);

// SAFETY: the vector is always empty, so nothing of type A changes threads.
unsafe impl<A> Send for Recycled<A> {}

impl<A> Recycled<A> {
    pub(crate) fn new() -> Self {
        Recycled(Vec::new())
    }

    /// Drops the elements of the vector and keeps its memory.
    pub(crate) fn from_vec<B>(vec: Vec<B>) -> Self {
        Recycled(Self::convert(vec))
    }

    /// An empty vector in that memory. Its type is the same except for lifetimes.
    pub(crate) fn into_vec<B>(self) -> Vec<B> {
        Recycled::<B>::convert(self.0)
    }

    fn convert<B>(mut vec: Vec<B>) -> Vec<A> {
        const { assert!(size_of::<A>() == size_of::<B>() && align_of::<A>() == align_of::<B>()) };
        vec.clear();
        // the standard library reuses the memory here
        vec.into_iter().map(|_| unreachable!("the vector is empty")).collect()
    }
}
