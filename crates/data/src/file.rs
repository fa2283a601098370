//! Files that are whole or not there.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use gradus_autograd::internal::debug_as_display;

/// A file that could not be read or written.
#[derive(thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct FileError {
    /// which
    pub path: PathBuf,
    /// why
    pub source: io::Error,
}
debug_as_display!(FileError);

/// Writes a file so that a crash at any moment leaves the old one or the new one: beside its place, synced, renamed.
///
/// A link is followed; mode and, where it may be, owner of a file that is there are kept, and one that may not be
/// written is not replaced. A device or a pipe is written to. What killed writers left half-written in the folder is
/// removed.
///
/// # Errors
/// If the system refuses; what stood there before is then still there.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace(path, bytes, true).map_err(|source| FileError { path: path.into(), source })
}

/// [`write_atomically`], but without waiting for the disk: a process that is killed leaves the old file or the new one,
/// a machine that loses its power may leave less. For what is written often.
///
/// # Errors
/// If the system refuses.
pub fn write_quickly(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace(path, bytes, false).map_err(|source| FileError { path: path.into(), source })
}

/// How the names of files begin that are not whole yet.
const UNFINISHED: &str = ".gradus-unfinished-";
/// Letters and digits behind that.
const RANDOM: usize = 6;

fn replace(path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    // what lies in these is no file of a folder, though it may lead to one: standard output, say
    let special = path.starts_with("/dev") || path.starts_with("/proc");
    let before = fs::metadata(path).ok();
    if special || before.as_ref().is_some_and(|found| !found.is_file()) {
        return OpenOptions::new().write(true).open(path)?.write_all(bytes);
    }
    if let Some(before) = &before {
        if before.permissions().readonly() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the file is read-only"));
        }
        OpenOptions::new().write(true).open(path)?; // an error where it may not be written
    }
    let path = &followed(path)?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if durable {
        remove_unfinished(folder);
    }
    let mut left = 100; // several writers clear one folder at once
    loop {
        left -= 1;
        match write_beside(path, folder, bytes, durable, before.as_ref()) {
            // somebody cleared the folder between the making of the file and its lock
            Err(e) if e.kind() == io::ErrorKind::NotFound && left > 0 && folder.is_dir() => {}
            result => return result,
        }
    }
}

fn write_beside(path: &Path, folder: &Path, bytes: &[u8], durable: bool, before: Option<&Metadata>) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less the umask, as for any file
    let mut file = builder.prefix(UNFINISHED).rand_bytes(RANDOM).tempfile_in(folder)?;
    let _ = file.as_file().try_lock(); // tells others that its writer is alive, where locks are known
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
    // the new name is durable once the folder is; not every system can sync one
    File::open(folder).and_then(|f| f.sync_all()).or(Ok(()))
}

/// Where a path leads, if it is a link, or a link to one: also where there is no file yet.
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

/// Removes the files in a folder that writers began and were killed over.
pub fn remove_unfinished(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let random = name.to_str().and_then(|name| name.strip_prefix(UNFINISHED));
        let begun = random.is_some_and(|r| r.len() == RANDOM && r.bytes().all(|b| b.is_ascii_alphanumeric()));
        if begun && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            // whoever writes it holds its lock
            let path = entry.path();
            if File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
                let _ = fs::remove_file(path);
            }
        }
    }
}

#[cfg(test)]
mod tests;
