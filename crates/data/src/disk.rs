//! Arrays that stay on the disk.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use gradus_autograd::Float;
use ndarray::{ArrayD, IxDyn};

use crate::npy::{Header, header, open};
use crate::{Examples, FileError, NpyError};

/// The rows of a `.npy` file, read when they are picked: for data sets larger than memory.
///
/// Any row can be read at any time, so this data can be shuffled, split and resumed like data in memory.
/// [`prefetch`](crate::prefetch) (or `Trainer::prefetch`) reads ahead while a step computes. Targets, which are small,
/// usually stay in memory: the pair `(rows, targets)` is a set of examples too.
///
/// ```
/// use gradus_data::{DiskRows, Examples, write_npy};
/// use ndarray::{Array2, array};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("x.npy");
/// write_npy(&path, &Array2::from_shape_fn((1000, 2), |(i, j)| (2 * i + j) as f32))?;
/// let x = DiskRows::<f32>::open(&path)?;
/// let y: Vec<usize> = (0..1000).map(|i| i % 3).collect();
/// let (picked, labels) = (x, y).pick(&[500, 4])?;
/// assert_eq!((picked, labels), (array![[1000.0, 1001.0], [8.0, 9.0]].into_dyn(), vec![2, 1]));
/// # Ok::<(), gradus_data::NpyError>(())
/// ```
#[derive(Debug)]
pub struct DiskRows<T = f32> {
    path: PathBuf,
    file: Mutex<File>,
    header: Header,
    numbers: PhantomData<T>,
}

impl<T: Float> DiskRows<T> {
    /// Opens a file, reads its header, and checks that the file is as long as the header says.
    ///
    /// # Errors
    /// If the file is no `.npy` file of numbers in C order with at least one axis, or is longer or shorter than its
    /// header says.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, NpyError> {
        let path = path.as_ref();
        let mut file = open(path)?;
        let header = header(&mut file, path)?;
        let bad = |reason: &str| NpyError::Header { path: path.into(), reason: reason.into() };
        if header.shape.is_empty() {
            return Err(bad("a single number has no rows"));
        }
        if header.fortran {
            return Err(bad("its columns stand one behind the other; save it with `np.ascontiguousarray`"));
        }
        let length = file.metadata().map_err(|source| FileError { path: path.into(), source })?.len();
        let found = length.saturating_sub(header.offset);
        let expected = header.shape.iter().product::<usize>() as u64 * header.kind.bytes() as u64;
        if found != expected {
            return Err(NpyError::Length { path: path.into(), shape: header.shape, expected, found });
        }
        Ok(DiskRows { path: path.into(), file: Mutex::new(file), header, numbers: PhantomData })
    }

    /// The sizes of the axes, the number of rows first.
    pub fn shape(&self) -> &[usize] {
        &self.header.shape
    }
}

impl<T: Float> Examples for DiskRows<T> {
    type Batch = ArrayD<T>;

    fn len(&self) -> usize {
        self.header.shape[0]
    }

    fn pick(&self, rows: &[usize]) -> Result<ArrayD<T>, FileError> {
        let Header { kind, big_endian, shape, offset, .. } = &self.header;
        let row_bytes = shape[1..].iter().product::<usize>() * kind.bytes();
        if let Some(row) = rows.iter().find(|row| **row >= shape[0]) {
            panic!("DiskRows: there is no row {row} among {}", shape[0]); // before memory is allocated
        }
        let mut bytes = vec![0; rows.len() * row_bytes];
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (&row, to) in rows.iter().zip(bytes.chunks_exact_mut(row_bytes.max(1))) {
            let read =
                file.seek(SeekFrom::Start(offset + row as u64 * row_bytes as u64)).and_then(|_| file.read_exact(to));
            read.map_err(|source| FileError { path: self.path.clone(), source })?;
        }
        drop(file);
        let mut sizes = shape.clone();
        sizes[0] = rows.len();
        Ok(ArrayD::from_shape_vec(IxDyn(&sizes), kind.numbers(&bytes, *big_endian)).expect("as many as rows have"))
    }
}

#[cfg(test)]
mod tests;
