//! Files that are whole or not there.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file that could not be read or written.
#[derive(thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct FileError {
    /// which
    pub path: PathBuf,
    /// why
    pub source: io::Error,
}

/// As for `Display`: `unwrap`, and a `main` that returns the error, then say what is wrong.
impl std::fmt::Debug for FileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// Writes a file so that a crash at any moment leaves the old one or the new one: beside its place, synced, renamed.
///
/// # Errors
/// If the system refuses; what stood there before is then still there.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace(path, bytes, true)
}

/// [`write_atomically`], but without waiting for the disk: a process that is killed leaves the old file or the new one, a
/// machine that loses its power may leave less. For what is written often.
///
/// # Errors
/// If the system refuses.
pub fn write_quickly(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace(path, bytes, false)
}

fn replace(path: &Path, bytes: &[u8], durable: bool) -> Result<(), FileError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let write = || {
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less the umask, as for any file
        let mut file = builder.prefix(".gradus-").tempfile_in(folder)?;
        file.write_all(bytes)?;
        if durable {
            file.as_file().sync_all()?;
        }
        file.persist(path).map_err(|e| e.error)?;
        if !durable {
            return Ok(());
        }
        // the new name is durable once the folder is; not every system can sync one
        File::open(folder).and_then(|f| f.sync_all()).or(Ok(()))
    };
    write().map_err(|source| FileError { path: path.into(), source })
}
