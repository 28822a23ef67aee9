//! The peer itself, damo 3.4.3, for tests and benchmarks.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PEER: &str = "damo==3.4.3";

/// Where the peer is, or a word that it is not here.
pub fn peer() -> Option<PathBuf> {
    for folder in [
        "/sys/kernel/mm/damon/admin",
        "/sys/module/damon_stat/parameters",
    ] {
        if Path::new(folder).exists() {
            println!("skipped: DAMON is not hidden ({folder}); the peer writes to it");
            return None;
        }
    }
    for tool in ["file", "less", "python3"] {
        let found = Command::new(tool)
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        if !found.is_ok_and(|status| status.success()) {
            println!("skipped: the peer needs `{tool}`");
            return None;
        }
    }
    let set = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = match (set("DAMO_CACHE"), set("XDG_CACHE_HOME"), set("HOME")) {
        (Some(cache), ..) => cache,
        (None, Some(cache), _) => cache.join("damo"),
        (None, None, Some(home)) => home.join(".cache/damo"),
        (None, None, None) => std::env::temp_dir(),
    };
    let place = cache.join("peer-3.4.3");
    if !place.join("bin/damo").exists()
        && let Err(why) = fetch(&cache, &place)
    {
        println!("skipped: {PEER} cannot be had: {why}");
        return None;
    }
    Some(place)
}

/// Makes it beside its place, and moves it there: several tests may do so at once.
fn fetch(cache: &Path, place: &Path) -> Result<(), String> {
    std::fs::create_dir_all(cache).map_err(|error| error.to_string())?;
    let folder = tempfile::tempdir_in(cache).map_err(|error| error.to_string())?;
    let made = folder.path().join("venv");
    let run = |command: &mut Command| {
        let output = command.output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.success() {
            true => Ok(()),
            false => Err(said.lines().last().unwrap_or("it failed").to_owned()),
        }
    };
    run(Command::new("python3").args(["-m", "venv"]).arg(&made))?;
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--timeout",
        "20",
        "--retries",
        "1",
        PEER,
    ];
    run(Command::new(made.join("bin/python")).args(pip))?;
    match std::fs::rename(&made, place) {
        Err(_) if place.join("bin/damo").exists() => Ok(()),
        result => result.map_err(|error| error.to_string()),
    }
}
