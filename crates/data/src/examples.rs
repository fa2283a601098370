//! The trait of data whose examples can be picked by number.

use gradus_autograd::Float;
use ndarray::{Array, ArrayBase, Axis, Data, RemoveAxis};

use crate::{Batch, Dataset, FileError, RowBatches};

/// Examples that can be picked by number, from memory or from the disk.
///
/// The trait is implemented for labelled sets ([`Dataset`]), arrays (a row, or an entry of the first axis, is an
/// example), `Vec`s, pairs of these, and [`DiskRows`](crate::DiskRows) for data that does not fit into memory. You can
/// implement it for your own types.
///
/// ```
/// use gradus_data::Examples;
/// use ndarray::array;
/// let (x, y) = (array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], array![10.0, 20.0, 30.0]);
/// let (picked_x, picked_y) = (x, y).pick(&[2, 0])?;
/// assert_eq!((picked_x, picked_y), (array![[5.0, 6.0], [1.0, 2.0]], array![30.0, 10.0]));
/// # Ok::<(), gradus_data::FileError>(())
/// ```
pub trait Examples: Sync {
    /// A few examples.
    type Batch: Send + Sync;

    /// The number of examples.
    fn len(&self) -> usize;

    /// Returns the examples of the given numbers, in that order.
    ///
    /// # Errors
    /// If a file cannot be read.
    ///
    /// # Panics
    /// If a number is not below the number of examples.
    fn pick(&self, rows: &[usize]) -> Result<Self::Batch, FileError>;

    /// The names of the classes in the order of their numbers; empty if the examples are not of named classes.
    fn class_names(&self) -> &[String] {
        &[]
    }

    /// Returns whether there are no examples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the batches whose row numbers are given, one after the other.
    ///
    /// ```
    /// use gradus_data::{Examples, RowBatches, Sampling};
    /// let words = vec!["a", "b", "c"];
    /// let rows = RowBatches::new(Sampling::Shuffled.rows(words.len(), 1, 0), 2);
    /// let batches: Vec<_> = words.load(rows).collect::<Result<_, _>>()?;
    /// assert_eq!((batches[0].len(), batches[1].len()), (2, 1));
    /// # Ok::<(), gradus_data::FileError>(())
    /// ```
    fn load(&self, rows: RowBatches) -> impl Iterator<Item = Result<Self::Batch, FileError>> + Send {
        rows.map(|rows| self.pick(&rows))
    }
}

/// Panics if a row number is not below `len`.
#[track_caller]
pub(crate) fn check_rows(rows: &[usize], len: usize) {
    if let Some(row) = rows.iter().find(|row| **row >= len) {
        panic!("row {row} of {len}: rows are counted from 0");
    }
}

impl<T: Float> Examples for Dataset<T> {
    type Batch = Batch<T>;
    fn len(&self) -> usize {
        Dataset::len(self)
    }
    fn pick(&self, rows: &[usize]) -> Result<Batch<T>, FileError> {
        Ok(self.select(rows))
    }
    fn class_names(&self) -> &[String] {
        self.names()
    }
}

impl<A: Clone + Send + Sync, S: Data<Elem = A> + Sync, D: RemoveAxis> Examples for ArrayBase<S, D> {
    type Batch = Array<A, D>;
    fn len(&self) -> usize {
        self.len_of(Axis(0))
    }
    fn pick(&self, rows: &[usize]) -> Result<Array<A, D>, FileError> {
        check_rows(rows, Examples::len(self));
        Ok(self.select(Axis(0), rows))
    }
}

impl<A: Clone + Send + Sync> Examples for Vec<A> {
    type Batch = Vec<A>;
    fn len(&self) -> usize {
        Vec::len(self)
    }
    fn pick(&self, rows: &[usize]) -> Result<Vec<A>, FileError> {
        check_rows(rows, Vec::len(self));
        Ok(rows.iter().map(|&row| self[row].clone()).collect())
    }
}

impl<X: Examples, Y: Examples> Examples for (X, Y) {
    type Batch = (X::Batch, Y::Batch);
    /// # Panics
    /// If one part has more examples than the other.
    fn len(&self) -> usize {
        let (x, y) = (self.0.len(), self.1.len());
        assert!(x == y, "Examples: there are {x} inputs but {y} targets");
        x
    }
    fn pick(&self, rows: &[usize]) -> Result<Self::Batch, FileError> {
        Ok((self.0.pick(rows)?, self.1.pick(rows)?))
    }
}

impl<E: Examples> Examples for &E {
    type Batch = E::Batch;
    fn len(&self) -> usize {
        E::len(self)
    }
    fn pick(&self, rows: &[usize]) -> Result<E::Batch, FileError> {
        E::pick(self, rows)
    }
    fn class_names(&self) -> &[String] {
        E::class_names(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn parts_are_picked_together() {
        let data = (array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], (vec!['a', 'b', 'c'], array![7, 8, 9]));
        let (x, (names, y)) = data.pick(&[1, 1, 0]).unwrap();
        assert_eq!(x, array![[3.0, 4.0], [3.0, 4.0], [1.0, 2.0]]);
        assert_eq!((names, y), (vec!['b', 'b', 'a'], array![8, 8, 7]));
        assert_eq!(Examples::len(&&data), 3);
        assert!(Vec::<u8>::new().pick(&[]).unwrap().is_empty());
    }

    #[test]
    #[should_panic(expected = "there are 2 inputs but 3 targets")]
    fn parts_of_other_lengths_are_refused() {
        let _ = Examples::len(&(array![1.0, 2.0], array![1.0, 2.0, 3.0]));
    }
}
