//! Output files: never by another's link, never readable too early, never half.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use damo_user::sys::output::{Output, parse_mode};

fn folder() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damon.data");
    (dir, path)
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn refused(path: &Path) -> String {
    Output::create(path, 0o600, None).unwrap_err().to_string()
}

fn record(path: &Path, mode: u32, text: &str) {
    let mut output = Output::create(path, mode, None).unwrap();
    output.file().write_all(text.as_bytes()).unwrap();
    output.keep().unwrap();
}

#[test]
fn permissions_are_those_asked_for_whatever_the_umask() {
    for mode in [0o600, 0o644, 0o666, 0o400] {
        let (_dir, path) = folder();
        let mut output = Output::create(&path, mode, None).unwrap();
        assert_eq!(output.file().metadata().unwrap().mode() & 0o7777, mode);
        output.keep().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, mode);
    }
}

#[test]
fn the_file_is_given_to_its_owner() {
    let (_dir, path) = folder();
    let mut output = Output::create(&path, 0o640, Some((65534, 65533))).unwrap();
    output.keep().unwrap();
    let about = fs::metadata(&path).unwrap();
    assert_eq!(
        (about.uid(), about.gid(), about.mode() & 0o777),
        (65534, 65533, 0o640)
    );
}

#[test]
fn until_it_is_kept_there_is_nothing() {
    let (dir, path) = folder();
    for discard in [true, false] {
        let output = Output::create(&path, 0o600, None).unwrap();
        output.file().write_all(b"x").unwrap();
        assert!(names(dir.path()).is_empty());
        if discard {
            output.discard();
        } else {
            drop(output);
        }
        assert!(names(dir.path()).is_empty());
    }
}

#[test]
fn an_old_file_makes_way_and_an_older_one_goes() {
    let (dir, path) = folder();
    for text in ["one", "two", "three"] {
        record(&path, 0o600, text);
    }
    assert_eq!(names(dir.path()), ["damon.data", "damon.data.old"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "three");
    assert_eq!(
        fs::read_to_string(path.with_extension("data.old")).unwrap(),
        "two"
    );

    let output = Output::create(&path, 0o600, None).unwrap();
    output.discard();
    assert_eq!(fs::read_to_string(&path).unwrap(), "three");
    assert_eq!(
        fs::read_to_string(path.with_extension("data.old")).unwrap(),
        "two"
    );
}

#[test]
fn keeping_twice_is_keeping_once() {
    let (dir, path) = folder();
    let mut output = Output::create(&path, 0o600, None).unwrap();
    output.keep().unwrap();
    output.keep().unwrap();
    assert!(output.is_kept());
    drop(output);
    assert_eq!(names(dir.path()), ["damon.data"]);
}

#[test]
fn what_is_written_can_be_read() {
    let (_dir, path) = folder();
    record(&path, 0o600, "samples");
    let mut text = String::new();
    File::open(&path)
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "samples");
}

#[test]
fn links_pipes_folders_and_devices_are_refused() {
    let (dir, path) = folder();
    let victim = dir.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    for target in [&victim, Path::new("nowhere"), Path::new("/")] {
        symlink(target, &path).unwrap();
        assert!(
            refused(&path).contains("this is a symbolic link"),
            "{}",
            refused(&path)
        );
        fs::remove_file(&path).unwrap();
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");

    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(refused(&path).contains("this is a named pipe"));
    fs::remove_file(&path).unwrap();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(refused(&path).contains("this is a socket"));
    assert!(refused(Path::new("/dev/null")).contains("this is a device"));
    assert!(refused(dir.path()).contains("this is a folder"));
    for folder in ["/", "..", "new/"] {
        assert!(
            refused(Path::new(folder)).contains("names a folder"),
            "{folder}"
        );
    }
}

#[test]
fn a_link_that_comes_between_is_not_followed() {
    let (dir, path) = folder();
    let victim = dir.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let mut output = Output::create(&path, 0o600, None).unwrap();
    output.file().write_all(b"ours").unwrap();
    symlink(&victim, &path).unwrap();
    assert!(
        output
            .keep()
            .unwrap_err()
            .to_string()
            .contains("symbolic link")
    );
    drop(output);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert_eq!(names(dir.path()), ["damon.data", "victim"]);
}

#[test]
fn a_link_called_old_is_replaced_and_not_followed() {
    let (dir, path) = folder();
    let victim = dir.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    fs::write(&path, "first").unwrap();
    let old = dir.path().join("damon.data.old");
    symlink(&victim, &old).unwrap();
    record(&path, 0o600, "second");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert!(fs::symlink_metadata(&old).unwrap().is_file());
    assert_eq!(fs::read_to_string(&old).unwrap(), "first");

    fs::remove_file(&old).unwrap();
    fs::create_dir(&old).unwrap();
    assert!(
        refused(&path).contains("damon.data.old: this is a folder"),
        "{}",
        refused(&path)
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "second");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let (dir, _) = folder();
    let path = dir.path().join("missing/damon.data");
    let error = refused(&path);
    assert!(
        error.contains("cannot use the folder") && error.contains("missing"),
        "{error}"
    );
    assert!(names(dir.path()).is_empty());
}

#[test]
fn a_strangers_file_in_a_folder_for_everybody_stays() {
    let (dir, path) = folder();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    fs::write(&path, "theirs").unwrap();
    std::os::unix::fs::chown(&path, Some(4321), None).unwrap();
    assert!(
        refused(&path).contains("belongs to user 4321"),
        "{}",
        refused(&path)
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
    // It is the caller's own, or the folder is not for everybody.
    Output::create(&path, 0o600, Some((4321, 4321))).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    Output::create(&path, 0o600, None).unwrap();
}

#[test]
fn names_that_leave_no_room_are_refused_in_time() {
    let (dir, _) = folder();
    let path = dir.path().join("n".repeat(253));
    record(&path, 0o600, "first");
    assert!(refused(&path).contains("too long"), "{}", refused(&path));
}

#[test]
fn modes_are_octal() {
    assert_eq!(parse_mode("600").unwrap(), 0o600);
    assert_eq!(parse_mode("0644").unwrap(), 0o644);
    assert_eq!(parse_mode("0").unwrap(), 0);
    for bad in [
        "",
        "800",
        "1000",
        "+600",
        "-1",
        "rw",
        "6 0",
        "0o600",
        "77777777777777",
    ] {
        let error = parse_mode(bad).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("--output_permission {bad}: ")),
            "{error}"
        );
    }
}
