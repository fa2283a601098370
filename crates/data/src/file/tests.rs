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

#[test]
fn an_error_names_the_file_of_the_user_and_no_temporary_one() {
    let folder = tempfile::tempdir().unwrap();
    let error = write_atomically(&folder.path().join("no/such/log.csv"), b"x").unwrap_err().to_string();
    assert!(error.contains("no/such/log.csv: there is no folder ") && !error.contains(".gradus-"), "{error}");
}
