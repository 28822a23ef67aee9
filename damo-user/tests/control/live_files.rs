//! The tree on a real file system, which makes no folders by itself.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use damo_user::control::{LiveFiles, Saved, System, Tree, others};

fn file(root: &Path, path: &str, value: &str, mode: u32) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, format!("{value}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn modes_tell_what_is_saved() {
    let dir = tempfile::tempdir().unwrap();
    file(dir.path(), "kdamonds/nr_kdamonds", "1", 0o600);
    file(dir.path(), "kdamonds/0/pid", "-1", 0o400);
    file(dir.path(), "kdamonds/0/state", "off", 0o600);
    file(dir.path(), "kdamonds/0/refresh_ms", "7", 0o600);
    let tree = Tree::new(Arc::new(LiveFiles), dir.path().into(), Duration::ZERO);
    let saved = Saved::read(&tree).unwrap();
    assert_eq!(
        serde_json::to_string(&saved).unwrap(),
        r#"{"folders":{"kdamonds":{"files":{"nr_kdamonds":"1"},"folders":{"0":{"files":{"refresh_ms":"7"}}}}}}"#
    );
}

#[test]
fn a_file_that_is_not_there_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let tree = Tree::new(Arc::new(LiveFiles), dir.path().into(), Duration::ZERO);
    let error = tree.write("state", "on").unwrap_err().to_string();
    assert!(error.contains("cannot write 'on' to"), "{error}");
    assert!(error.contains("no such file"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn this_test_is_no_kdamond() {
    let mut system = System::live();
    let threads = others::kdamond_threads(&system).unwrap();
    assert!(!threads.contains(&std::process::id()));

    // A name alone makes none: the kernel's flag does.
    let dir = tempfile::tempdir().unwrap();
    let tail = "0 0 0 0 0 0 0 0 0 0 20 0 1 0 77 0 0";
    file(
        dir.path(),
        "30/stat",
        &format!("30 (kdamond.0) S 1 0 0 0 -1 4194304 {tail}"),
        0o400,
    );
    file(
        dir.path(),
        "31/stat",
        &format!("31 (kdamond.1) S 2 0 0 0 -1 2129984 {tail}"),
        0o400,
    );
    file(
        dir.path(),
        "32/stat",
        &format!("32 (kworker/0) S 2 0 0 0 -1 2129984 {tail}"),
        0o400,
    );
    file(dir.path(), "self/stat", "nonsense", 0o400);
    system.proc = dir.path().into();
    assert_eq!(others::kdamond_threads(&system).unwrap(), [31]);
}

#[test]
fn a_file_is_read_to_its_end_however_long() {
    let dir = tempfile::tempdir().unwrap();
    let tree = Tree::new(Arc::new(LiveFiles), dir.path().into(), Duration::ZERO);
    for length in [0, 1, 65_534, 65_535, 65_536, 300_000, 5_000_000] {
        let text = "x".repeat(length);
        fs::write(dir.path().join("long"), &text).unwrap();
        assert!(tree.read("long").unwrap() == text, "{length}");
    }
    fs::write(dir.path().join("odd"), b"\xff").unwrap();
    assert!(tree.read("odd").is_err());
}
