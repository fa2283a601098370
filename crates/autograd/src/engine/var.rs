//! Variables: handles of a tape's nodes.

use std::fmt;
use std::panic::Location;

use ndarray::ArrayViewD;

use crate::Float;
use crate::engine::operation::Operation;
use crate::engine::tape::Tape;

/// A value on a tape, with the record of how it was computed.
///
/// It is a handle of two words and `Copy`, so formulas can be written as in mathematics. `'t` is the lifetime of the
/// borrowed tape.
#[derive(Clone, Copy)]
pub struct Var<'t, T: Float = f32> {
    tape: &'t Tape<T>,
    index: u32,
}

impl<T: Float> fmt::Debug for Var<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Var #{} {}", self.index, self.value())
    }
}

impl<'t, T: Float> Var<'t, T> {
    #[inline]
    pub(crate) fn new(tape: &'t Tape<T>, index: u32) -> Self {
        Var { tape, index }
    }

    /// The tape of the variable.
    #[inline]
    pub fn tape(self) -> &'t Tape<T> {
        self.tape
    }

    /// The place on the tape. Operations and leaves are counted in the order in which they were recorded.
    #[inline]
    pub fn index(self) -> u32 {
        self.index
    }

    /// The sizes of the axes.
    pub fn shape(self) -> &'t [usize] {
        self.tape.nodes().node(self.index).value.shape()
    }

    /// The number of axes.
    pub fn ndim(self) -> usize {
        self.shape().len()
    }

    /// The number of elements.
    pub fn len(self) -> usize {
        self.shape().iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The numbers, without a copy.
    pub fn value(self) -> ArrayViewD<'t, T> {
        self.tape.nodes().node(self.index).value.array()
    }

    /// The numbers, row by row, without a copy.
    pub fn data(self) -> &'t [T] {
        self.tape.nodes().node(self.index).value.data()
    }

    /// The number of a variable that holds exactly one number.
    ///
    /// # Panics
    /// If it does not hold exactly one number.
    #[track_caller]
    pub fn item(self) -> T {
        assert!(
            self.len() == 1,
            "item: {:?} holds {} numbers, not one; sum or index it first",
            self.shape(),
            self.len()
        );
        self.data()[0]
    }

    /// Whether it is a differentiated leaf, or was computed from one.
    pub fn is_differentiated(self) -> bool {
        self.tape.nodes().is_differentiated(self.index)
    }

    /// Whether it was computed from another variable, which is differentiated, or is that variable.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(3.0);
    /// let (y, z) = (x * 2.0, x.square());
    /// assert!(y.sum().depends_on(y) && y.depends_on(x) && !z.depends_on(y));
    /// ```
    pub fn depends_on(self, other: Self) -> bool {
        let mut reached = vec![false; self.index as usize + 1];
        if other.index <= self.index {
            reached[other.index as usize] = true;
        }
        for index in other.index.saturating_add(1)..=self.index {
            reached[index as usize] = self.tape.nodes().node(index).inputs.iter().any(|&i| reached[i as usize]);
        }
        reached[self.index as usize]
    }

    /// The line of the program that made it.
    pub fn location(self) -> &'static Location<'static> {
        self.tape.nodes().node(self.index).location
    }

    /// Keeps this variable's gradient, so that [`Gradients::wrt`](crate::Gradients::wrt) can read it though it is not a
    /// leaf.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(3.0);
    /// let h = (x * 2.0).keep_gradient();
    /// assert_eq!(h.square().backward().wrt(h).first(), Some(&12.0));
    /// ```
    pub fn keep_gradient(self) -> Self {
        self.tape.kept().push(self.index);
        self
    }

    /// Gives the variable a name, for messages and for [`explain`](crate::explain).
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let w = tape.var(0.5).named("w");
    /// let trace = gradus_autograd::explain(w.square());
    /// assert_eq!(trace.steps[0].name.as_deref(), Some("w"));
    /// ```
    pub fn named(self, name: impl Into<String>) -> Self {
        self.tape.named().borrow_mut().insert(self.index, name.into());
        self
    }

    /// The same numbers as a constant: no gradient flows back through it.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(3.0);
    /// assert_eq!((x * x.detach()).backward().wrt(x).first(), Some(&3.0));
    /// ```
    #[track_caller]
    pub fn detach(self) -> Self {
        self.tape.detached(self)
    }

    /// Applies an operation of one input.
    #[track_caller]
    pub(crate) fn unary<O: Operation<T>>(self, operation: O) -> Self {
        self.tape.apply(operation, [self])
    }
}
