//! The IDX format, in which MNIST and similar data sets are kept.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use gradus_autograd::internal::debug_as_display;
use ndarray::{ArrayD, IxDyn};

/// The array of an IDX file, in the file's own number type.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Idx {
    U8(ArrayD<u8>),
    I8(ArrayD<i8>),
    I16(ArrayD<i16>),
    I32(ArrayD<i32>),
    F32(ArrayD<f32>),
    F64(ArrayD<f64>),
}

impl Idx {
    /// The sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        match self {
            Idx::U8(a) => a.shape(),
            Idx::I8(a) => a.shape(),
            Idx::I16(a) => a.shape(),
            Idx::I32(a) => a.shape(),
            Idx::F32(a) => a.shape(),
            Idx::F64(a) => a.shape(),
        }
    }
}

/// The error of an IDX file. Offsets count the bytes of the unzipped file.
#[derive(thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum IdxError {
    #[error("{}: cannot be opened: {source}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("{}: cannot be read at byte {offset}: {source}", path.display())]
    Read { path: PathBuf, offset: u64, source: io::Error },
    #[error("{}: ends at byte {offset}, where {missing} more bytes should follow", path.display())]
    Truncated { path: PathBuf, offset: u64, missing: u64 },
    #[error("{}: byte 0: not an IDX file: it starts with {found:02x?} instead of two zeros", path.display())]
    Magic { path: PathBuf, found: [u8; 2] },
    #[error("{}: byte 2: {found:#04x} is no IDX number type (08, 09, 0b, 0c, 0d, 0e)", path.display())]
    Type { path: PathBuf, found: u8 },
    #[error("{}: byte 3: an array of {axes} axes; 1 to 8 are read", path.display())]
    Axes { path: PathBuf, axes: u8 },
    #[error("{}: byte 4: sizes {shape:?} need more than the {limit} bytes that are read at most", path.display())]
    TooLarge { path: PathBuf, shape: Vec<u32>, limit: u64 },
    #[error("{}: byte {offset}: more bytes follow than the sizes {shape:?} allow", path.display())]
    Trailing { path: PathBuf, offset: u64, shape: Vec<u32> },
}
debug_as_display!(IdxError);

/// The most bytes of numbers that are read.
const LIMIT: u64 = 1 << 30;

/// Reads an IDX file, gzipped or not (told by its first two bytes).
///
/// # Errors
/// If the file cannot be read, is malformed, or has more than 1 GiB of numbers. Each error names the file and the
/// place.
///
/// ```
/// use gradus_data::{Idx, read_idx};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("labels");
/// std::fs::write(&path, [0, 0, 8, 1, 0, 0, 0, 2, 7, 9]).unwrap();
/// assert_eq!(read_idx(&path).unwrap(), Idx::U8(ndarray::arr1(&[7, 9]).into_dyn()));
/// ```
pub fn read_idx(path: impl AsRef<Path>) -> Result<Idx, IdxError> {
    let path = path.as_ref();
    let open = |source| IdxError::Open { path: path.into(), source };
    let mut file = BufReader::new(File::open(path).map_err(open)?);
    let zipped = io::BufRead::fill_buf(&mut file).map_err(open)?.starts_with(&[0x1f, 0x8b]);
    let source: Box<dyn Read> = if zipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    Reader { path, source, offset: 0 }.array()
}

struct Reader<'p> {
    path: &'p Path,
    source: Box<dyn Read>,
    offset: u64,
}

impl Reader<'_> {
    /// Reads the next `count` bytes. Memory grows with the bytes that are there, not with the number that is asked for.
    fn bytes(&mut self, count: u64) -> Result<Vec<u8>, IdxError> {
        let mut bytes = Vec::new();
        let result = self.source.by_ref().take(count).read_to_end(&mut bytes);
        self.offset += bytes.len() as u64;
        let (path, offset) = (self.path.into(), self.offset);
        match result {
            Err(source) => Err(IdxError::Read { path, offset, source }),
            Ok(_) if (bytes.len() as u64) < count => {
                Err(IdxError::Truncated { path, offset, missing: count - bytes.len() as u64 })
            }
            Ok(_) => Ok(bytes),
        }
    }

    fn array(mut self) -> Result<Idx, IdxError> {
        let head = self.bytes(4)?;
        let path = || self.path.into();
        if head[..2] != [0, 0] {
            return Err(IdxError::Magic { path: path(), found: [head[0], head[1]] });
        }
        let width = match head[2] {
            0x08 | 0x09 => 1,
            0x0b => 2,
            0x0c | 0x0d => 4,
            0x0e => 8,
            found => return Err(IdxError::Type { path: path(), found }),
        };
        let axes = head[3];
        if !(1..=8).contains(&axes) {
            return Err(IdxError::Axes { path: path(), axes });
        }
        let sizes = self.bytes(4 * u64::from(axes))?;
        let shape: Vec<u32> = sizes.chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]])).collect();
        let bytes = shape.iter().try_fold(width, |n: u64, &size| n.checked_mul(u64::from(size)));
        let Some(bytes) = bytes.filter(|&n| n <= LIMIT) else {
            return Err(IdxError::TooLarge { path: self.path.into(), shape, limit: LIMIT });
        };
        let numbers = self.bytes(bytes)?;
        let end = self.offset;
        match self.bytes(1) {
            Ok(_) => return Err(IdxError::Trailing { path: self.path.into(), offset: end, shape }),
            Err(IdxError::Truncated { .. }) => {}
            Err(error) => return Err(error),
        }
        let sizes: Vec<usize> = shape.iter().map(|&size| size as usize).collect();
        let array = match head[2] {
            0x08 => numbers_of(&sizes, &numbers, u8::from_be_bytes).map(Idx::U8),
            0x09 => numbers_of(&sizes, &numbers, i8::from_be_bytes).map(Idx::I8),
            0x0b => numbers_of(&sizes, &numbers, i16::from_be_bytes).map(Idx::I16),
            0x0c => numbers_of(&sizes, &numbers, i32::from_be_bytes).map(Idx::I32),
            0x0d => numbers_of(&sizes, &numbers, f32::from_be_bytes).map(Idx::F32),
            _ => numbers_of(&sizes, &numbers, f64::from_be_bytes).map(Idx::F64),
        };
        // a size of 0 makes the product 0, but if the other sizes overflow, the shape is refused too
        array.ok_or_else(|| IdxError::TooLarge { path: self.path.into(), shape, limit: LIMIT })
    }
}

fn numbers_of<A, const N: usize>(shape: &[usize], bytes: &[u8], read: fn([u8; N]) -> A) -> Option<ArrayD<A>> {
    let numbers = bytes.as_chunks::<N>().0.iter().map(|&b| read(b)).collect();
    ArrayD::from_shape_vec(IxDyn(shape), numbers).ok()
}

#[cfg(test)]
mod tests;
