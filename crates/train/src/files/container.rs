//! The file format of this crate: 8 bytes of magic, the version of the format (u32), the length of the content (u64)
//! and its CRC-32 (u32), all little-endian, then the content, encoded by bincode.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use bincode::config;
use bincode::error::DecodeError;
use gradus_autograd::internal::debug_as_display;
use gradus_data::{FileError, write_atomically};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The kind of a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Model,
    Checkpoint,
}

impl Kind {
    const ALL: [Kind; 2] = [Kind::Model, Kind::Checkpoint];

    pub(crate) fn magic(self) -> &'static [u8; 8] {
        match self {
            Kind::Model => b"GRADUS\r\n",
            Kind::Checkpoint => b"GRADCK\r\n",
        }
    }

    /// The version of the content's format.
    pub(crate) fn version(self) -> u32 {
        match self {
            Kind::Model => 1,
            Kind::Checkpoint => 4,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Model => "a saved model",
            Kind::Checkpoint => "a checkpoint",
        }
    }
}

pub(crate) const HEAD: usize = 24;
/// The most bytes that a file may have.
pub(crate) const LIMIT: usize = 1 << if usize::BITS > 32 { 32 } else { 27 };
/// The most parameters and buffers that a model may have.
const MAX_LEAVES: u64 = 1 << 20;

/// The error of a file whose content could not be read.
#[derive(thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum ContainerError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("not {wanted}: it {found}")]
    Magic { wanted: &'static str, found: String },
    #[error("saved in format {found}; this version reads format {read}")]
    Version { found: u32, read: u32 },
    #[error("cut short, or grown: {found} bytes follow the head, which says {expected}")]
    Length { expected: u64, found: u64 },
    #[error("{bytes} bytes are more than the {LIMIT} that are read at most")]
    TooLarge { bytes: u64 },
    #[error("damaged: its checksum does not fit")]
    Checksum,
    #[error("damaged: {reason}")]
    Content { reason: String },
    #[error("holds {found} numbers, the model {expected}")]
    Scalar { found: String, expected: &'static str },
}
debug_as_display!(ContainerError);

/// Encodes a content, with the head before it.
///
/// # Errors
/// If there are more bytes than are ever read.
pub(crate) fn seal(kind: Kind, content: &impl Serialize, path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = vec![0; HEAD];
    let length = bincode::serde::encode_into_std_write(content, &mut bytes, config::standard());
    let length = length.map_err(|e| FileError { path: path.into(), source: std::io::Error::other(e.to_string()) })?;
    if length > LIMIT {
        let source = std::io::Error::other(format!("{length} bytes are more than the {LIMIT} that are read"));
        return Err(FileError { path: path.into(), source });
    }
    let checksum = crc32fast::hash(&bytes[HEAD..]);
    bytes[..8].copy_from_slice(kind.magic());
    bytes[8..12].copy_from_slice(&kind.version().to_le_bytes());
    bytes[12..20].copy_from_slice(&(length as u64).to_le_bytes());
    bytes[20..24].copy_from_slice(&checksum.to_le_bytes());
    Ok(bytes)
}

/// Writes a file. A crash leaves the old file or the new one.
pub(crate) fn write(kind: Kind, content: &impl Serialize, path: &Path) -> Result<(), FileError> {
    write_atomically(path, &seal(kind, content, path)?)
}

/// Reads a file, checks its head, length and checksum, and returns the content after the head.
pub(crate) fn open(kind: Kind, path: &Path) -> Result<Vec<u8>, ContainerError> {
    let mut file = File::open(path)?;
    let mut head = Vec::new();
    file.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    if !head.starts_with(kind.magic()) {
        let other = Kind::ALL.into_iter().find(|other| head.starts_with(other.magic()));
        head.truncate(8);
        let found = other.map_or(format!("starts with {head:02x?}"), |other| format!("is {}", other.name()));
        return Err(ContainerError::Magic { wanted: kind.name(), found });
    }
    let Ok(head) = <[u8; HEAD]>::try_from(head) else {
        return Err(ContainerError::Length { expected: HEAD as u64, found: 0 });
    };
    let field = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    if field(8) != kind.version() {
        return Err(ContainerError::Version { found: field(8), read: kind.version() });
    }
    let expected = u64::from(field(12)) | u64::from(field(16)) << 32;
    if expected > LIMIT as u64 {
        return Err(ContainerError::TooLarge { bytes: expected });
    }
    let mut content = Vec::new();
    file.take(expected + 1).read_to_end(&mut content)?;
    let found = content.len() as u64;
    if found != expected {
        return Err(ContainerError::Length { expected, found });
    }
    if crc32fast::hash(&content) != field(20) {
        return Err(ContainerError::Checksum);
    }
    Ok(content)
}

/// Decodes a content that begins with a model's [`Leaves`](crate::files::leaves::Leaves). The number type and the count
/// of the leaves are checked before any number is read.
pub(crate) fn decode<C: DeserializeOwned>(content: &[u8], scalar: &'static str) -> Result<C, ContainerError> {
    let damaged = |reason: String| ContainerError::Content { reason };
    let ((found, leaves), _): ((String, u64), usize) =
        bincode::serde::decode_from_slice(content, config::standard().with_limit::<64>())
            .map_err(|e| damaged(e.to_string()))?;
    if leaves > MAX_LEAVES {
        return Err(damaged(format!("{leaves} parameters are more than the {MAX_LEAVES} that are read")));
    }
    if found != scalar {
        return Err(ContainerError::Scalar { found, expected: scalar });
    }
    let (value, used) = within::<C>(content).map_err(|e| damaged(e.to_string()))?;
    match content.len() - used {
        0 => Ok(value),
        left => Err(damaged(format!("{left} bytes are left over"))),
    }
}

/// Decodes with a memory limit that follows from the size of the content. The types of this crate ask for no memory if
/// a length lies: lists grow with the entries that are there, and texts are borrowed before they are copied
/// (`autograd::exact`). But a `String` in the extra value of a user is allocated by its stated length, which the limit
/// bounds. (The limit is 8 times the size or more, because bincode counts 8 bytes for a whole number that takes one. It
/// must be known at compile time, and each value costs code, so there are few.)
fn within<C: DeserializeOwned>(content: &[u8]) -> Result<(C, usize), DecodeError> {
    macro_rules! limited {
        ($($bits:literal)*) => {
            match content.len() as u64 * 8 {
                $(size if size <= 1 << $bits => {
                    bincode::serde::borrow_decode_from_slice(content, config::standard().with_limit::<{ 1 << $bits }>())
                })*
                _ => {
                    let limited = config::standard().with_limit::<{ 8 * LIMIT }>();
                    bincode::serde::borrow_decode_from_slice(content, limited)
                }
            }
        };
    }
    #[cfg(target_pointer_width = "64")]
    return limited!(17 23 29);
    #[cfg(not(target_pointer_width = "64"))]
    return limited!(17 23 29);
}
