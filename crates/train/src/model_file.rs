//! Saved models.
//!
//! A file is 8 bytes of magic, the format's version (u32), the length of what follows (u64) and its CRC-32 (u32), all
//! little-endian, then by bincode: the number type and, for each parameter and buffer, path, shape and numbers.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use bincode::config;
use gradus_autograd::{Float, Module, Visitor};
use serde::{Deserialize, Serialize};

use crate::file::{FileError, write_atomically};

const MAGIC: &[u8; 8] = b"GRADUS\r\n";
const VERSION: u32 = 1;
const HEAD: usize = 24;
/// Bytes that a model may take at most.
const LIMIT: usize = 1 << if usize::BITS > 32 { 32 } else { 30 };
/// Parameters and buffers that a model may have at most.
const MAX_LEAVES: u64 = 1 << 20;

#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
struct Saved<T: Float> {
    scalar: String,
    leaves: Vec<SavedLeaf<T>>,
}

#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
struct SavedLeaf<T: Float> {
    path: String,
    shape: Vec<usize>,
    numbers: Vec<T>,
}

/// Why a model was not loaded. The model is then as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum LoadError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{}: not a saved model: it starts with {found:02x?}", path.display())]
    Magic { path: PathBuf, found: Vec<u8> },
    #[error("{}: saved in format {found}; this version reads format {VERSION}", path.display())]
    Version { path: PathBuf, found: u32 },
    #[error("{}: cut short: {found} bytes follow the head, which says {expected}", path.display())]
    Length { path: PathBuf, expected: u64, found: u64 },
    #[error("{}: {bytes} bytes are more than the {LIMIT} that a model may take", path.display())]
    TooLarge { path: PathBuf, bytes: u64 },
    #[error("{}: damaged: its checksum does not fit", path.display())]
    Checksum { path: PathBuf },
    #[error("{}: damaged: {reason}", path.display())]
    Content { path: PathBuf, reason: String },
    #[error("{}: holds {found} numbers, the model {expected}", path.display())]
    Scalar { path: PathBuf, found: String, expected: &'static str },
    #[error("{}: does not fit this model{}", path.display(), Listed { missing, unexpected, shapes })]
    Architecture {
        path: PathBuf,
        /// in the model, but not in the file
        missing: Vec<String>,
        /// in the file, but not in the model
        unexpected: Vec<String>,
        /// in both: path, shape in the file, shape in the model
        shapes: Vec<(String, Vec<usize>, Vec<usize>)>,
    },
}

struct Listed<'a> {
    missing: &'a [String],
    unexpected: &'a [String],
    shapes: &'a [(String, Vec<usize>, Vec<usize>)],
}

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for path in self.missing {
            write!(f, "\n  missing in the file: {path}")?;
        }
        for path in self.unexpected {
            write!(f, "\n  unexpected in the file: {path}")?;
        }
        for (path, found, expected) in self.shapes {
            write!(f, "\n  {path}: {found:?} in the file, {expected:?} in the model")?;
        }
        Ok(())
    }
}

/// Saves a model's parameters and buffers. A crash leaves the old file or the new one.
///
/// # Errors
/// If the file cannot be written.
///
/// ```
/// use gradus_autograd::Module;
/// use gradus_nn::Mlp;
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("model.gradus");
/// let model = Mlp::builder([2, 3, 1]).seed(1).build::<f32>();
/// gradus_train::save(&model, &path)?;
/// let mut other = Mlp::builder([2, 3, 1]).seed(2).build::<f32>();
/// gradus_train::load(&mut other, &path)?;
/// assert_eq!(model.params()[0].1.data(), other.params()[0].1.data());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn save<T: Float, M: Module<T> + ?Sized>(model: &M, path: impl AsRef<Path>) -> Result<(), FileError> {
    let leaves = model.leaves().into_iter().map(|(path, leaf)| SavedLeaf {
        path,
        shape: leaf.shape().to_vec(),
        numbers: leaf.data().to_vec(),
    });
    let saved = Saved { scalar: T::NAME.into(), leaves: leaves.collect() };
    let content = bincode::serde::encode_to_vec(&saved, config::standard()).expect("plain numbers and names encode");
    if content.len() > LIMIT {
        let source = std::io::Error::other(format!("{} bytes are more than the {LIMIT} that are read", content.len()));
        return Err(FileError { path: path.as_ref().into(), source });
    }
    let mut bytes = Vec::with_capacity(HEAD + content.len());
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend((content.len() as u64).to_le_bytes());
    bytes.extend(crc32fast::hash(&content).to_le_bytes());
    bytes.extend(content);
    write_atomically(path.as_ref(), &bytes)
}

/// Loads what [`save`] wrote into a model of the same architecture.
///
/// # Errors
/// If the file is not there, not a model, damaged, or does not fit: then every path that is missing, unexpected or of
/// another shape is listed, and the model is as it was.
pub fn load<T: Float, M: Module<T> + ?Sized>(model: &mut M, path: impl AsRef<Path>) -> Result<(), LoadError> {
    let path = path.as_ref();
    let content = read(path)?;
    let damaged = |reason: String| LoadError::Content { path: path.into(), reason };
    // the number type and the count stand first, so that they are checked before any numbers are read
    let ((scalar, leaves), _): ((String, u64), usize) =
        bincode::serde::decode_from_slice(&content, config::standard().with_limit::<64>())
            .map_err(|e| damaged(e.to_string()))?;
    if leaves > MAX_LEAVES {
        return Err(damaged(format!("{leaves} parameters are more than the {MAX_LEAVES} that are read")));
    }
    if scalar != T::NAME {
        return Err(LoadError::Scalar { path: path.into(), found: scalar, expected: T::NAME });
    }
    let (saved, used): (Saved<T>, usize) =
        bincode::serde::decode_from_slice(&content, config::standard().with_limit::<LIMIT>())
            .map_err(|e| damaged(e.to_string()))?;
    if used != content.len() {
        return Err(damaged(format!("{} bytes are left over", content.len() - used)));
    }
    fit(model, &saved, path)?;
    model.visit_mut(&mut Visitor::new(&mut |place, mut leaf| {
        let place = place.to_string();
        if let Some(own) = saved.leaves.iter().find(|s| s.path == place) {
            leaf.update(|numbers| numbers.copy_from_slice(&own.numbers));
        }
    }));
    Ok(())
}

/// The content behind the head, checked.
fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let failed = |source| FileError { path: path.into(), source };
    let mut file = File::open(path).map_err(failed)?;
    let mut head = Vec::new();
    file.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(failed)?;
    if !head.starts_with(MAGIC) {
        head.truncate(MAGIC.len());
        return Err(LoadError::Magic { path: path.into(), found: head });
    }
    let Ok(head) = <[u8; HEAD]>::try_from(head) else {
        return Err(LoadError::Length { path: path.into(), expected: HEAD as u64, found: 0 });
    };
    let field = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    if field(8) != VERSION {
        return Err(LoadError::Version { path: path.into(), found: field(8) });
    }
    let expected = u64::from(field(12)) | u64::from(field(16)) << 32;
    if expected > LIMIT as u64 {
        return Err(LoadError::TooLarge { path: path.into(), bytes: expected });
    }
    let mut content = Vec::new();
    file.take(expected + 1).read_to_end(&mut content).map_err(failed)?;
    let found = content.len() as u64;
    if found != expected {
        return Err(LoadError::Length { path: path.into(), expected, found });
    }
    if crc32fast::hash(&content) != field(20) {
        return Err(LoadError::Checksum { path: path.into() });
    }
    Ok(content)
}

/// Compares a file's leaves with a model's.
fn fit<T: Float, M: Module<T> + ?Sized>(model: &M, saved: &Saved<T>, path: &Path) -> Result<(), LoadError> {
    let own = model.leaves();
    let find = |place: &str| saved.leaves.iter().find(|s| s.path == place);
    let missing: Vec<String> = own.iter().filter(|(p, _)| find(p).is_none()).map(|(p, _)| p.clone()).collect();
    let known = |s: &&SavedLeaf<T>| !own.iter().any(|(p, _)| *p == s.path);
    let unexpected: Vec<String> = saved.leaves.iter().filter(known).map(|s| s.path.clone()).collect();
    let shapes: Vec<_> = own
        .iter()
        .filter_map(|(p, leaf)| find(p).map(|s| (p, s, leaf.shape())))
        .filter(|(_, s, shape)| s.shape != *shape)
        .map(|(p, s, shape)| (p.clone(), s.shape.clone(), shape.to_vec()))
        .collect();
    let count = |s: &SavedLeaf<T>| s.shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
    if let Some(short) = saved.leaves.iter().find(|s| count(s) != Some(s.numbers.len())) {
        let reason = format!("{} has {} numbers for shape {:?}", short.path, short.numbers.len(), short.shape);
        return Err(LoadError::Content { path: path.into(), reason });
    }
    if missing.is_empty() && unexpected.is_empty() && shapes.is_empty() {
        return Ok(());
    }
    Err(LoadError::Architecture { path: path.into(), missing, unexpected, shapes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_nn::Mlp;

    fn model(sizes: &[usize], seed: u64) -> Mlp {
        Mlp::builder(sizes).seed(seed).build()
    }

    fn numbers(model: &Mlp) -> Vec<f32> {
        model.leaves().iter().flat_map(|(_, leaf)| leaf.data().to_vec()).collect()
    }

    #[test]
    fn what_does_not_fit_is_listed_all_at_once_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        save(&model(&[2, 3, 4, 1], 1), &path).unwrap();
        let mut other = model(&[2, 5, 1], 2);
        let before = numbers(&other);
        let error = load(&mut other, &path).unwrap_err().to_string();
        let list: Vec<&str> = error.lines().skip(1).map(str::trim).collect();
        assert_eq!(
            list,
            [
                "unexpected in the file: layers.2.weight",
                "unexpected in the file: layers.2.bias",
                "layers.0.weight: [3, 2] in the file, [5, 2] in the model",
                "layers.0.bias: [3] in the file, [5] in the model",
                "layers.1.weight: [4, 3] in the file, [1, 5] in the model",
                "layers.1.bias: [4] in the file, [1] in the model",
            ]
        );
        assert_eq!(numbers(&other), before);
        let mut deeper = model(&[2, 3, 4, 1, 7], 2);
        let error = load(&mut deeper, &path).unwrap_err().to_string();
        assert!(error.contains("missing in the file: layers.3.weight"), "{error}");
    }

    #[test]
    fn every_damage_is_its_own_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        save(&model(&[2, 3, 1], 1), &path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let mut other = model(&[2, 3, 1], 2);
        let before = numbers(&other);
        let mut error_of = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let error = load(&mut other, &path).unwrap_err();
            assert_eq!(numbers(&other), before, "{error}");
            error
        };
        for end in 0..whole.len() {
            let error = error_of(&whole[..end]);
            let told = matches!(error, LoadError::Magic { .. } | LoadError::Length { .. });
            assert!(told && error.to_string().contains("model"), "{end}: {error}");
        }
        for place in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[place] ^= 0x10;
            let error = error_of(&bytes);
            match place {
                0..8 => assert!(matches!(error, LoadError::Magic { .. }), "{place}: {error}"),
                8..12 => assert!(matches!(error, LoadError::Version { .. }), "{place}: {error}"),
                12..20 => {
                    assert!(matches!(error, LoadError::Length { .. } | LoadError::TooLarge { .. }), "{place}: {error}");
                }
                _ => assert!(matches!(error, LoadError::Checksum { .. }), "{place}: {error}"),
            }
        }
        assert!(matches!(error_of(b"\x89PNG\r\n\x1a\n rest of a picture"), LoadError::Magic { .. }));
        let mut doubles = Mlp::builder([2, 3, 1]).build::<f64>();
        std::fs::write(&path, &whole).unwrap();
        assert!(matches!(load(&mut doubles, &path).unwrap_err(), LoadError::Scalar { .. }));
        load(&mut other, &path).unwrap();
        assert!(matches!(load(&mut other, folder.path().join("none")).unwrap_err(), LoadError::File(_)));
    }

    /// Content whose checksum is right but whose sizes lie.
    #[test]
    fn content_that_lies_about_its_sizes_asks_for_no_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        for tail in [vec![253, 255, 255, 255, 255, 255, 255, 255, 255], vec![1, 0, 0, 253, 0, 0, 0, 0, 0, 0, 0, 127]] {
            let mut content = b"\x03f32".to_vec();
            content.extend(tail);
            let mut bytes = MAGIC.to_vec();
            bytes.extend(VERSION.to_le_bytes());
            bytes.extend((content.len() as u64).to_le_bytes());
            bytes.extend(crc32fast::hash(&content).to_le_bytes());
            bytes.extend(content);
            std::fs::write(&path, &bytes).unwrap();
            let error = load(&mut model(&[2, 3, 1], 2), &path).unwrap_err();
            assert!(matches!(error, LoadError::Content { .. }), "{error}");
        }
    }
}
