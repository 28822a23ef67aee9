//! The second reader's Python, and running it.

use std::fs::{self, File};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The package that the second reader decompresses with.
const ZSTANDARD: &str = "zstandard==0.25.0";

/// A Python with that package, in the cache; `None` where there is none.
pub fn python() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = match (set("DAMO_CACHE"), set("XDG_CACHE_HOME"), set("HOME")) {
        (Some(cache), _, _) => PathBuf::from(cache),
        (None, Some(xdg), _) => PathBuf::from(xdg).join("damo"),
        (None, None, home) => PathBuf::from(home?).join(".cache/damo"),
    };
    let folder = cache.join("second-reader");
    fs::create_dir_all(&folder).ok()?;
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let venv = folder.join(ZSTANDARD);
    let (python, done) = (venv.join("bin/python"), venv.join("done"));
    if done.exists() && python.exists() {
        return Some(python);
    }
    let run = |command: &mut Command| {
        let output = command.stdin(Stdio::null()).output().ok()?;
        output.status.success().then_some(())
    };
    let install = ["-m", "pip", "install", "--quiet", "--retries=1"];
    let made = run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&venv))
    .and_then(|()| run(Command::new(&python).args(install).arg(ZSTANDARD)));
    if made.is_none() {
        println!("skipped: no python3 with venv, or no {ZSTANDARD} from pip");
        return None;
    }
    fs::write(done, "").unwrap();
    Some(python)
}

/// What the second reader prints of some records, line by line.
pub fn second(python: &Path, records: &[PathBuf], time: Option<&Range<u64>>) -> String {
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/second_reader/reader.py");
    let mut command = Command::new(python);
    command.arg("-B").arg(reader);
    if let Some(time) = time {
        command.args(["--from", &time.start.to_string()]);
        command.args(["--to", &time.end.to_string()]);
    }
    let output = command.args(records).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}
