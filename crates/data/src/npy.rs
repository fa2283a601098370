//! NumPy's files: a single array (`.npy`), or arrays with names in a zip archive (`.npz`).
//!
//! The format is NumPy's (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>): the six bytes
//! `\x93NUMPY`, two bytes of version, the length of the header, the header (a Python dictionary of `descr`,
//! `fortran_order` and `shape`), and the numbers.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, Write};
use std::path::{Path, PathBuf};

use gradus_autograd::Float;
use gradus_autograd::internal::debug_as_display;
use ndarray::{ArrayBase, ArrayD, Data, Dimension, IxDyn, ShapeBuilder};
use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

use crate::{FileError, write_atomically};

/// The error of a NumPy file that could not be read.
#[derive(thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum NpyError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{}: no NumPy array: {reason}", path.display())]
    Header { path: PathBuf, reason: String },
    #[error("{}: numbers of type `{found}`; f2, f4, f8, i1 to i8, u1 to u8 and b1 are read", path.display())]
    Type { path: PathBuf, found: String },
    #[error(
        "{}: {} bytes of numbers{}; type and shape {shape:?} ask for {expected}",
        path.display(),
        if found > expected { format!("more than {expected}") } else { found.to_string() },
        if found > expected { ": perhaps another array follows" } else { "" }
    )]
    Length { path: PathBuf, shape: Vec<usize>, expected: u64, found: u64 },
    #[error("{}: {number:e} is too large for {scalar}", path.display())]
    Range { path: PathBuf, number: f64, scalar: &'static str },
    #[error("{}: there is no array `{name}`; there are {}", path.display(), names.join(", "))]
    Name { path: PathBuf, name: String, names: Vec<String> },
    #[error(
        "{}: {bytes} bytes, read and as numbers, are more than what is left of the {LIMIT} that a file may take",
        path.display()
    )]
    TooLarge { path: PathBuf, bytes: u64 },
    #[error("{}: {PICKLE}", path.display())]
    Pickle { path: PathBuf },
    #[error("{}: no archive of arrays: {reason}", path.display())]
    Archive { path: PathBuf, reason: String },
}

/// The message for a file that PyTorch's `save` wrote.
pub const PICKLE: &str = "it is a PyTorch pickle, which is a program and not read; save the weights as safetensors (in \
    Python: `safetensors.torch.save_file(model.state_dict(), \"model.safetensors\")`)";
debug_as_display!(NpyError);

/// The most bytes that the arrays of a file may take: the bytes that are read (unpacked), and the numbers that they
/// become.
const LIMIT: u64 = 1 << 32;
/// The most bytes that a header may have.
const HEADER_LIMIT: u32 = 1 << 16;

/// The header of a `.npy` file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) big_endian: bool,
    pub(crate) fortran: bool,
    pub(crate) shape: Vec<usize>,
    /// the number of bytes before the first number
    pub(crate) offset: u64,
}

/// A number type: its letter (one of `biuf`), and the number of bytes it takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Kind(u8, usize);

impl Kind {
    pub(crate) fn bytes(self) -> usize {
        self.1
    }

    /// Decodes one number from its bytes, lowest byte first.
    fn number(self, bytes: [u8; 8]) -> f64 {
        let bits = u64::from_le_bytes(bytes);
        let Kind(letter, size) = self;
        let unused = 64 - 8 * size as u32;
        match (letter, size) {
            (b'f', 2) => half::f16::from_bits(bits as u16).to_f64(),
            (b'f', 4) => f64::from(f32::from_bits(bits as u32)),
            (b'f', _) => f64::from_bits(bits),
            (b'i', _) => ((bits << unused) as i64 >> unused) as f64,
            _ => bits as f64,
        }
    }

    /// Decodes all numbers in `bytes`.
    pub(crate) fn numbers<T: Float>(self, bytes: &[u8], big_endian: bool) -> Vec<T> {
        let number = |bytes: &[u8]| {
            let mut low_first = [0; 8];
            low_first.iter_mut().zip(bytes).for_each(|(to, &byte)| *to = byte);
            if big_endian {
                low_first[..bytes.len()].reverse();
            }
            T::from_f64(self.number(low_first))
        };
        bytes.chunks_exact(self.1).map(number).collect()
    }

    /// The first number in `bytes` that is finite in the file but not in `T`.
    fn too_large<T: Float>(self, bytes: &[u8], numbers: &[T], big_endian: bool) -> Option<f64> {
        let infinite = numbers.iter().position(|x| !x.is_finite() && !x.to_f64().is_nan())?;
        let wide = self.numbers::<f64>(bytes, big_endian);
        wide[infinite..]
            .iter()
            .zip(&numbers[infinite..])
            .find(|(x, t)| x.is_finite() && !t.is_finite())
            .map(|(x, _)| *x)
    }
}

/// Reads the header of a `.npy` file.
pub(crate) fn header(source: &mut impl Read, path: &Path) -> Result<Header, NpyError> {
    let bad = |reason: &str| NpyError::Header { path: path.into(), reason: reason.into() };
    let mut read = |count: usize| {
        let mut bytes = vec![0; count];
        source.read_exact(&mut bytes).map_err(|e| bad(&format!("its header: {e}")))?;
        Ok::<_, NpyError>(bytes)
    };
    let start = read(8)?;
    if start[..6] != *b"\x93NUMPY" {
        return Err(bad("it does not start with \\x93NUMPY"));
    }
    let (length, before) = match start[6] {
        1 => (u32::from(u16::from_le_bytes([read(1)?[0], read(1)?[0]])), 10),
        2 | 3 => {
            let b = read(4)?;
            (u32::from_le_bytes([b[0], b[1], b[2], b[3]]), 12)
        }
        version => return Err(bad(&format!("format {version}; 1 to 3 are read"))),
    };
    if length > HEADER_LIMIT {
        return Err(bad(&format!("its header has {length} bytes; {HEADER_LIMIT} are read at most")));
    }
    let text = String::from_utf8_lossy(&read(length as usize)?).into_owned();
    let value = |key: &str| {
        let found = ['\'', '"'].iter().find_map(|quote| text.split_once(&format!("{quote}{key}{quote}")));
        let value = found.and_then(|(_, rest)| rest.trim_start().strip_prefix(':'));
        value.map(str::trim_start).ok_or_else(|| bad(&format!("its header lacks `{key}`")))
    };
    let fortran = match value("fortran_order")? {
        v if v.starts_with("True") => true,
        v if v.starts_with("False") => false,
        _ => return Err(bad("`fortran_order` is neither True nor False")),
    };
    let shape = value("shape")?.strip_prefix('(').and_then(|v| v.split_once(')')).map(|(sizes, _)| sizes);
    let sizes = shape.ok_or_else(|| bad("`shape` is no tuple"))?.split(',').map(str::trim).filter(|s| !s.is_empty());
    let shape: Vec<usize> = sizes
        .map(|s| s.trim_end_matches('L').parse().map_err(|_| bad(&format!("{s} is no size"))))
        .collect::<Result<_, _>>()?;
    let descr = value("descr")?;
    let quoted = ['\'', '"'].iter().find_map(|&q| Some(descr.strip_prefix(q)?.split_once(q)?.0));
    let other = || NpyError::Type { path: path.into(), found: quoted.unwrap_or("a record").into() };
    let name = quoted.ok_or_else(other)?;
    // type names without a byte order, such as NumPy's own `float32`, mean the order of this machine
    let name = match name {
        "float16" => "f2",
        "float32" => "f4",
        "float64" | "float" => "f8",
        "bool" => "b1",
        name => name,
    };
    let whole = [("uint", "u"), ("int", "i")].iter().find_map(|(long, short)| {
        let bits: usize = name.strip_prefix(long)?.parse().ok()?;
        Some(format!("={short}{}", bits / 8))
    });
    let name = match whole {
        Some(name) => name,
        None if name.starts_with(['f', 'i', 'u', 'b']) => format!("={name}"),
        None => name.to_owned(),
    };
    let (order, kind) = name.split_at_checked(1).ok_or_else(other)?;
    let kind = match kind {
        "f2" | "f4" | "f8" | "i1" | "i2" | "i4" | "i8" | "u1" | "u2" | "u4" | "u8" | "b1" => {
            Kind(kind.as_bytes()[0], usize::from(kind.as_bytes()[1] - b'0'))
        }
        _ => return Err(other()),
    };
    if !matches!(order, "<" | ">" | "|" | "=") {
        return Err(other());
    }
    let bytes = shape.iter().try_fold(kind.bytes() as u64, |n, &size| n.checked_mul(size as u64));
    // a size of 0 makes the product 0, but if the other sizes overflow, the shape is refused too
    let product = shape.iter().filter(|&&size| size > 0).try_fold(8usize, |n, &size| n.checked_mul(size));
    if bytes.is_none() || product.is_none_or(|n| n > isize::MAX as usize) {
        return Err(NpyError::TooLarge { path: path.into(), bytes: u64::MAX });
    }
    let big_endian = order == ">" || (order == "=" && cfg!(target_endian = "big"));
    Ok(Header { kind, big_endian, fortran, shape, offset: before + u64::from(length) })
}

/// Reads an array from its bytes, header included. `left` is the number of bytes that arrays may still take; the bytes
/// of this array are subtracted from it.
fn array<T: Float>(source: &mut impl Read, path: &Path, left: &mut u64) -> Result<ArrayD<T>, NpyError> {
    let Header { kind, big_endian, fortran, shape, .. } = header(source, path)?;
    let count: usize = shape.iter().product();
    let expected = count as u64 * kind.bytes() as u64;
    // the bytes in the file, and the numbers that they become
    let takes = expected.saturating_add(count as u64 * size_of::<T>() as u64);
    *left = left.checked_sub(takes).ok_or_else(|| NpyError::TooLarge { path: path.into(), bytes: takes })?;
    let mut bytes = Vec::new(); // grows with the bytes that are there
    let read = source.take(expected + 1).read_to_end(&mut bytes);
    read.map_err(|source| FileError { path: path.into(), source })?;
    if bytes.len() as u64 != expected {
        return Err(NpyError::Length { path: path.into(), shape, expected, found: bytes.len() as u64 });
    }
    let numbers = kind.numbers(&bytes, big_endian);
    if let Some(number) = kind.too_large::<T>(&bytes, &numbers, big_endian) {
        return Err(NpyError::Range { path: path.into(), number, scalar: T::NAME });
    }
    let array =
        ArrayD::from_shape_vec(IxDyn(&shape).set_f(fortran), numbers).expect("as many numbers as the shape has");
    Ok(if fortran { array.as_standard_layout().into_owned() } else { array })
}

/// Reads a `.npy` file. Its numbers, of any type that is supported, become `T`; bools become 0 and 1.
///
/// ```
/// use gradus_data::{read_npy, write_npy};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("x.npy");
/// write_npy(&path, &ndarray::array![[1.0, 2.0], [3.0, 4.0]])?; // np.load("x.npy") reads it
/// assert_eq!(read_npy::<f32>(&path)?, ndarray::array![[1.0, 2.0], [3.0, 4.0]].into_dyn());
/// # Ok::<(), gradus_data::NpyError>(())
/// ```
///
/// # Errors
/// If the file is missing, of another kind, damaged, longer or shorter than its header says, or takes more than 4 GiB
/// (its bytes and the numbers that they become together).
pub fn read_npy<T: Float>(path: impl AsRef<Path>) -> Result<ArrayD<T>, NpyError> {
    let path = path.as_ref();
    array(&mut BufReader::new(open(path)?), path, &mut { LIMIT })
}

/// Writes a `.npy` file, in `f4` or `f8` according to `T`. A crash leaves the old file or the new one.
///
/// # Errors
/// If the file cannot be written.
pub fn write_npy<T: Float, S: Data<Elem = T>, D: Dimension>(
    path: impl AsRef<Path>,
    array: &ArrayBase<S, D>,
) -> Result<(), FileError> {
    let standard = array.as_standard_layout();
    write_atomically(path.as_ref(), &npy_bytes(array.shape(), standard.as_slice().expect("a standard layout is flat")))
}

/// Reads the arrays of a `.npz` archive with their names, in the file's order. Members that hold no numbers, such as
/// texts, objects and other files, are left out. [`read_npz_array`] reads a single array by its name.
///
/// # Errors
/// If the file is missing or no archive, or if it has an array of numbers that [`read_npy`] would refuse. The error
/// names that array.
pub fn read_npz<T: Float>(path: impl AsRef<Path>) -> Result<Vec<(String, ArrayD<T>)>, NpyError> {
    let path = path.as_ref();
    npz_arrays(BufReader::new(open(path)?), path)
}

/// Reads one array of a `.npz` archive.
///
/// ```
/// use gradus_data::{read_npz_array, write_npz};
/// use ndarray::array;
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("data.npz");
/// write_npz(&path, [("x", array![1.0, 2.0].into_dyn().view()), ("y", array![3.0].into_dyn().view())])?;
/// assert_eq!(read_npz_array::<f64>(&path, "y")?, array![3.0].into_dyn());
/// let error = read_npz_array::<f64>(&path, "z").unwrap_err().to_string();
/// assert!(error.ends_with("there is no array `z`; there are x, y"));
/// # Ok::<(), gradus_data::NpyError>(())
/// ```
///
/// # Errors
/// If the file is missing, is no archive, or has no array of numbers of that name.
pub fn read_npz_array<T: Float>(path: impl AsRef<Path>, name: &str) -> Result<ArrayD<T>, NpyError> {
    let path = path.as_ref();
    let mut archive = archive(BufReader::new(open(path)?), path)?;
    let all = archive.file_names().enumerate();
    let named: Vec<(usize, String)> = all.filter_map(|(k, name)| Some((k, bare(&name.ok()?).to_owned()))).collect();
    let Some((place, _)) = named.iter().find(|(_, known)| known == name) else {
        let names = named.into_iter().map(|(_, name)| name).collect();
        return Err(NpyError::Name { path: path.into(), name: name.to_owned(), names });
    };
    let place = *place;
    let bad = |e: zip::result::ZipError| NpyError::Archive { path: path.into(), reason: e.to_string() };
    let mut member = archive.by_index(place).map_err(bad)?;
    array(&mut member, &path.join(name), &mut { LIMIT })
}

/// Does the same as [`read_npz`] with an archive that is open already; errors use `path` as its name.
///
/// # Errors
/// As [`read_npz`].
pub fn npz_arrays<T: Float>(source: impl Read + Seek, path: &Path) -> Result<Vec<(String, ArrayD<T>)>, NpyError> {
    let bad = |e: zip::result::ZipError| NpyError::Archive { path: path.into(), reason: e.to_string() };
    let mut archive = archive(source, path)?;
    let mut left = LIMIT;
    let mut arrays = Vec::new();
    for i in 0..archive.len() {
        let mut member = archive.by_index(i).map_err(bad)?;
        let name = member.name().map_err(bad)?.into_owned();
        if name.ends_with("data.pkl") {
            return Err(NpyError::Pickle { path: path.into() });
        }
        if !name.ends_with(".npy") {
            continue;
        }
        match array(&mut member, &path.join(&name), &mut left) {
            Ok(array) => arrays.push((bare(&name).to_owned(), array)),
            Err(NpyError::Type { found, .. }) if holds_no_numbers(&found) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(arrays)
}

fn archive<S: Read + Seek>(source: S, path: &Path) -> Result<ZipArchive<S>, NpyError> {
    ZipArchive::new(source).map_err(|e| NpyError::Archive { path: path.into(), reason: e.to_string() })
}

/// Returns whether values of a type are texts, objects, times or records.
fn holds_no_numbers(kind: &str) -> bool {
    kind == "a record" || kind.trim_start_matches(['<', '>', '|', '=']).starts_with(['U', 'S', 'a', 'O', 'V', 'M', 'm'])
}

/// The name of an array: the name of its file without `.npy`.
fn bare(name: &str) -> &str {
    name.strip_suffix(".npy").unwrap_or(name)
}

/// Writes arrays with names as an uncompressed `.npz` archive, as `np.savez` does. A crash leaves the old file or the
/// new one.
///
/// # Errors
/// If the file cannot be written.
///
/// ```
/// use gradus_data::{read_npz, write_npz};
/// use ndarray::array;
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("data.npz");
/// write_npz(&path, [("x", array![1.0, 2.0].into_dyn().view()), ("y", array![3.0].into_dyn().view())])?;
/// let arrays = read_npz::<f64>(&path)?; // dict(np.load("data.npz"))
/// assert_eq!(arrays[1], ("y".into(), array![3.0].into_dyn()));
/// # Ok::<(), gradus_data::NpyError>(())
/// ```
pub fn write_npz<'a, T: Float, N: AsRef<str>>(
    path: impl AsRef<Path>,
    arrays: impl IntoIterator<Item = (N, ndarray::ArrayViewD<'a, T>)>,
) -> Result<(), FileError> {
    let path = path.as_ref();
    let failed = |e: io::Error| FileError { path: path.into(), source: e };
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
    for (name, array) in arrays {
        archive.start_file(format!("{}.npy", name.as_ref()), options).map_err(|e| failed(e.into()))?;
        let standard = array.as_standard_layout();
        let numbers = standard.as_slice().expect("a standard layout is flat");
        archive.write_all(&npy_bytes(array.shape(), numbers)).map_err(failed)?;
    }
    let bytes = archive.finish().map_err(|e| failed(e.into()))?.into_inner();
    write_atomically(path, &bytes)
}

fn npy_bytes<T: Float>(shape: &[usize], numbers: &[T]) -> Vec<u8> {
    let sizes: String = shape.iter().map(|size| format!("{size},")).collect();
    let descr = if T::NAME == "f32" { "<f4" } else { "<f8" };
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}");
    let length = (header.len() + 1 + 10).next_multiple_of(64) - 10; // numbers start at a multiple of 64
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(format!("{header:<width$}\n", width = length - 1).into_bytes());
    for &x in numbers {
        match T::NAME {
            "f32" => bytes.extend((x.to_f64() as f32).to_le_bytes()),
            _ => bytes.extend(x.to_f64().to_le_bytes()),
        }
    }
    bytes
}

pub(crate) fn open(path: &Path) -> Result<File, FileError> {
    File::open(path).map_err(|source| FileError { path: path.into(), source })
}

#[cfg(test)]
mod tests;
