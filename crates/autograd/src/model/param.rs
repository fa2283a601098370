//! Parameters and buffers: numbers that outlive a tape.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::ArrayViewD;

use crate::Float;
use crate::array::IntoArray;
use crate::memory::Shared;
use crate::shape::{Shape, count};
use crate::view::View;

/// The identity of a parameter or buffer. No two have the same identity; a clone gets a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamId(u64);

impl ParamId {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        ParamId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// An array that is learned.
///
/// It is used directly as an operand (`x.matmul(&self.weight)`), which copies nothing: the tape shares its memory.
/// Changing it while a tape still shares it leaves the tape's value as it was, so a saved value is never corrupted.
/// `Clone` makes an independent copy with an identity of its own.
///
/// ```
/// use gradus_autograd::{Param, Tape};
/// use ndarray::array;
///
/// let mut w = Param::new(array![2.0, 3.0]);
/// let tape = Tape::new();
/// let y = (tape.param(&w) * &w).sum(); // one node, used twice
/// w.set(array![0.0, 0.0]);             // the tape does not notice
/// assert_eq!(y.backward().wrt(&w), array![4.0, 6.0].into_dyn());
/// ```
pub struct Param<T: Float = f32> {
    id: ParamId,
    value: Arc<Shared<T>>,
    /// memory of the same size, for a change while `value` is on a tape
    spare: Option<Arc<Shared<T>>>,
    shape: Shape,
    frozen: bool,
}

impl<T: Float> Param<T> {
    /// A parameter with the given initial value.
    pub fn new(value: impl IntoArray<T>) -> Self {
        Self::with(&value.shape(), |out| value.write(out))
    }

    /// A parameter of zeros.
    pub fn zeros(shape: &[usize]) -> Self {
        Self::with(shape, |_| {})
    }

    /// A parameter whose numbers, zeros at first, are written by `fill`, row by row.
    pub fn with(shape: &[usize], fill: impl FnOnce(&mut [T])) -> Self {
        let len = count(shape);
        let mut value = Shared::new(len);
        fill(&mut value.write()[..len]);
        Param { id: ParamId::new(), value: Arc::new(value), spare: None, shape: shape.into(), frozen: false }
    }

    /// The identity.
    pub fn id(&self) -> ParamId {
        self.id
    }

    /// The sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers.
    pub fn value(&self) -> ArrayViewD<'_, T> {
        View::new(self.value.read(), &self.shape).array()
    }

    /// The numbers, row by row.
    pub fn data(&self) -> &[T] {
        &self.value.read()[..self.len()]
    }

    /// Replaces the numbers.
    ///
    /// # Panics
    /// If the shape differs.
    #[track_caller]
    pub fn set(&mut self, value: impl IntoArray<T>) {
        let shape = value.shape();
        assert!(*shape == *self.shape, "Param::set: a parameter of shape {:?} cannot become {shape:?}", &*self.shape);
        self.update(|numbers| value.write(numbers));
    }

    /// Changes the numbers, row by row: in place if no tape shares them, else in a copy.
    pub fn update<R>(&mut self, change: impl FnOnce(&mut [T]) -> R) -> R {
        let len = self.len();
        self.update_padded(|numbers| change(&mut numbers[..len]))
    }

    /// Like [`update`](Self::update), with the padding after the numbers, for loops that run over whole blocks only.
    #[doc(hidden)]
    pub fn update_padded<R>(&mut self, change: impl FnOnce(&mut [T]) -> R) -> R {
        if Arc::get_mut(&mut self.value).is_none() {
            let mut spare = self.spare.take().unwrap_or_else(|| Arc::new(Shared::new(self.len())));
            if Arc::get_mut(&mut spare).is_none() {
                spare = Arc::new(Shared::new(self.len())); // an earlier value that another tape still holds
            }
            let numbers = Arc::get_mut(&mut spare).expect("just made or just checked");
            numbers.write().copy_from_slice(self.value.read());
            self.spare = Some(std::mem::replace(&mut self.value, spare));
        }
        change(Arc::get_mut(&mut self.value).expect("the only owner").write())
    }

    /// Freezes or unfreezes the parameter. A frozen parameter is a constant on every tape and gets no gradient.
    pub fn set_frozen(&mut self, frozen: bool) {
        self.frozen = frozen;
    }

    /// Whether the parameter is frozen.
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    pub(crate) fn share(&self) -> Arc<Shared<T>> {
        Arc::clone(&self.value)
    }

    /// The address of the value. Together with the identity, it distinguishes a value from a later one.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.value) as usize
    }
}

impl<T: Float> Clone for Param<T> {
    fn clone(&self) -> Self {
        let mut copy = Self::with(&self.shape, |numbers| numbers.copy_from_slice(self.data()));
        copy.frozen = self.frozen;
        copy
    }
}

impl<T: Float> fmt::Debug for Param<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Param{}", self.value())
    }
}

/// An update that moves a buffer toward a value: `buffer ← (1 − rate) · buffer + rate · value`.
#[derive(Clone, Debug)]
pub(crate) struct Update<T> {
    pub(crate) buffer: ParamId,
    pub(crate) rate: f64,
    pub(crate) value: Vec<T>,
}

/// An array that is not learned but updated from the data, such as a running mean.
///
/// `forward` only reads the buffer and records, with [`move_toward`](Buffer::move_toward), how it should move; the
/// optimizer's step carries this out. So a forward pass changes nothing, and results do not depend on threads.
///
/// ```
/// use gradus_autograd::{Buffer, Tape};
/// use ndarray::array;
///
/// let mut mean = Buffer::new(array![0.0]);
/// let mut tape = Tape::training(0);
/// let (_, grads) = tape.gradients(|t| {
///     let x = t.var(array![10.0]);
///     mean.move_toward(0.1, x);
///     (x - t.buffer(&mean)).sum()
/// });
/// grads.update_buffer(&mut mean);
/// assert_eq!(mean.value(), array![1.0].into_dyn());
/// ```
#[derive(Clone, Debug)]
pub struct Buffer<T: Float = f32>(Param<T>);

impl<T: Float> Buffer<T> {
    /// A buffer with the given initial value.
    pub fn new(value: impl IntoArray<T>) -> Self {
        Buffer(Param::new(value))
    }
    /// The identity.
    pub fn id(&self) -> ParamId {
        self.0.id()
    }
    /// The sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        self.0.shape()
    }
    /// The numbers.
    pub fn value(&self) -> ArrayViewD<'_, T> {
        self.0.value()
    }
    /// Replaces the numbers.
    ///
    /// # Panics
    /// If the shape differs.
    #[track_caller]
    pub fn set(&mut self, value: impl IntoArray<T>) {
        self.0.set(value);
    }
    pub(crate) fn inner(&self) -> &Param<T> {
        &self.0
    }

    pub(crate) fn inner_mut(&mut self) -> &mut Param<T> {
        &mut self.0
    }
}
