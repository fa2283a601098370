//! Files that are whole or not there.

use std::fs::{self, File, Metadata, OpenOptions};
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
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    #[cfg(unix)]
    fn links_are_followed_modes_kept_and_pipes_written_to() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("far")).unwrap();
        write_atomically(&at("far/file"), b"old").unwrap();
        fs::set_permissions(at("far/file"), PermissionsExt::from_mode(0o640)).unwrap();
        symlink("far/file", at("near")).unwrap();
        symlink("near", at("nearer")).unwrap();
        symlink("far/none", at("dangling")).unwrap();
        for write in [write_atomically, write_quickly] {
            write(&at("nearer"), b"new").unwrap();
            assert_eq!(fs::read(at("far/file")).unwrap(), b"new");
            assert!(fs::symlink_metadata(at("near")).unwrap().is_symlink());
            assert_eq!(fs::metadata(at("far/file")).unwrap().permissions().mode() & 0o777, 0o640);
            write(&at("dangling"), b"made").unwrap();
            assert_eq!(fs::read(at("far/none")).unwrap(), b"made");
            write(Path::new("/dev/null"), b"gone").unwrap();
            write(Path::new("/dev/stdout"), b"").unwrap();
        }
        symlink("/dev/null", at("nothing")).unwrap();
        write_atomically(&at("nothing"), b"gone").unwrap();
        assert!(!fs::metadata(at("nothing")).unwrap().is_file());
        symlink("round", at("round")).unwrap();
        assert!(write_atomically(&at("round"), b"").unwrap_err().to_string().contains("links"));
        fs::set_permissions(at("far/file"), PermissionsExt::from_mode(0o440)).unwrap();
        assert!(write_atomically(&at("near"), b"no").unwrap_err().to_string().ends_with("the file is read-only"));
        assert_eq!(fs::read(at("far/file")).unwrap(), b"new");
    }

    #[test]
    #[cfg(unix)]
    fn a_pipe_stays_a_pipe() {
        use std::os::unix::fs::FileTypeExt;
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        write_quickly(&pipe, b"through").unwrap();
        assert_eq!(reader.join().unwrap(), b"through");
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    }

    #[test]
    fn what_killed_writers_left_is_cleared_and_what_others_write_is_not() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".gradus-unfinished-kill3d"), b"half").unwrap();
        fs::write(folder.path().join(".gradus-best"), b"somebody's").unwrap();
        let alive = File::create(folder.path().join(".gradus-unfinished-aliv3e")).unwrap();
        alive.try_lock().unwrap();
        write_atomically(&folder.path().join("file"), b"whole").unwrap();
        assert_eq!(names(folder.path()), [".gradus-best", ".gradus-unfinished-aliv3e", "file"]);
    }

    #[test]
    fn several_writers_of_one_path_leave_one_whole_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::thread::scope(|scope| {
            for k in 0..4u8 {
                let path = &path;
                scope.spawn(move || (0..50).for_each(|_| write_atomically(path, &[k; 1000]).unwrap()));
            }
        });
        let whole = fs::read(&path).unwrap();
        assert!(whole.len() == 1000 && whole.iter().all(|b| *b == whole[0]));
        assert_eq!(names(folder.path()), ["file"]);
    }
}
