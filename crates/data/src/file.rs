//! Files that are written as a whole or not at all.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use gradus_autograd::internal::debug_as_display;

/// A file that could not be read or written.
#[derive(thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct FileError {
    /// the path of the file
    pub path: PathBuf,
    /// the error of the system
    pub source: io::Error,
}
debug_as_display!(FileError);

/// Writes a file so that a crash at any moment leaves the old file or the new one: the bytes go to another file in the
/// same folder, which is synced and then renamed.
///
/// A link is followed. A file that exists passes on its mode and, if the system allows it, its owner; a file that may
/// not be written is not replaced. A device or a pipe is written to directly. Half-written files that killed writers
/// left in the folder are removed.
///
/// # Errors
/// If the system refuses. The old file is then still there.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace(path, bytes, true).map_err(|source| FileError { path: path.into(), source })
}

/// Does the same as [`write_atomically`], but without waiting for the disk. A process that is killed leaves the old
/// file or the new one; a machine that loses its power may leave less. Meant for files that are written often.
///
/// # Errors
/// If the system refuses.
pub fn write_quickly(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace(path, bytes, false).map_err(|source| FileError { path: path.into(), source })
}

/// The first part of the names of files that are not whole yet.
const UNFINISHED: &str = ".gradus-unfinished-";
/// The number of random letters and digits after the first part.
const RANDOM: usize = 6;

fn replace(path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    // these are not replaced even if they lead to a regular file: `/dev/stdout`, say
    let special = path.starts_with("/dev") || path.starts_with("/proc");
    let before = fs::metadata(path).ok();
    if special || before.as_ref().is_some_and(|found| !found.is_file()) {
        return OpenOptions::new().write(true).open(path)?.write_all(bytes);
    }
    if let Some(before) = &before {
        if before.permissions().readonly() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the file is read-only"));
        }
        OpenOptions::new().write(true).open(path)?; // an error if the file may not be written
    }
    let path = &followed(path)?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if durable {
        remove_unfinished(folder);
    }
    let mut left = 100; // other writers may clear the same folder meanwhile
    loop {
        left -= 1;
        match write_beside(path, folder, bytes, durable, before.as_ref()) {
            // another writer cleared the folder after the file was made and before it was locked
            Err(e) if e.kind() == io::ErrorKind::NotFound && left > 0 && folder.is_dir() => {}
            result => return result,
        }
    }
}

fn write_beside(path: &Path, folder: &Path, bytes: &[u8], durable: bool, before: Option<&Metadata>) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less the umask, as usual
    let file = builder.prefix(UNFINISHED).rand_bytes(RANDOM).tempfile_in(folder);
    let mut file = file.map_err(|error| without_path(error, folder))?;
    let _ = file.as_file().try_lock(); // tells other writers that this one is alive, where locks are supported
    if let Some(before) = before {
        file.as_file().set_permissions(before.permissions())?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt, fchown};
            let _ = fchown(file.as_file(), Some(before.uid()), Some(before.gid())); // only the superuser may
        }
    }
    file.write_all(bytes)?;
    if durable {
        file.as_file().sync_all()?;
    }
    file.persist(path).map_err(|e| e.error)?;
    if !durable {
        return Ok(());
    }
    // the new name is durable once the folder is synced; not every system can do that
    File::open(folder).and_then(|f| f.sync_all()).or(Ok(()))
}

/// The error of a file that could not be made in a folder. `tempfile` adds the name of that file, which tells a user
/// nothing.
fn without_path(error: io::Error, folder: &Path) -> io::Error {
    let text = match error.kind() {
        io::ErrorKind::NotFound => format!("there is no folder {}", folder.display()),
        _ => error.to_string().split(" at path ").next().unwrap_or_default().to_owned(),
    };
    io::Error::new(error.kind(), text)
}

/// The path that a link, or a chain of links, leads to. There need not be a file. Any other path is returned as it is.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..40 {
        match fs::symlink_metadata(&path) {
            Ok(found) if found.file_type().is_symlink() => {
                let to = fs::read_link(&path)?;
                path = path.parent().map_or(to.clone(), |folder| folder.join(&to));
            }
            _ => return Ok(path),
        }
    }
    Err(io::Error::other("more than 40 links, one to the other"))
}

/// Removes the unfinished files in a folder whose writers were killed.
pub fn remove_unfinished(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let random = name.to_str().and_then(|name| name.strip_prefix(UNFINISHED));
        let begun = random.is_some_and(|r| r.len() == RANDOM && r.bytes().all(|b| b.is_ascii_alphanumeric()));
        if begun && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            // a writer that is alive holds the lock of its file
            let path = entry.path();
            if File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
                let _ = fs::remove_file(path);
            }
        }
    }
}

#[cfg(test)]
mod tests;
