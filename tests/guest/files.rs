//! Every file of DAMON's that can be written is set by an option and by a json
//! key of ours, and read back the same. docs/KERNELS.md has the table.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::everything::{CGROUP, Everything};
use crate::kit::{ADMIN, Scene, get, kernel, parameters, set};
use crate::others::sleeper;

/// What each file is set by.
const ROWS: &str = include_str!("files.txt");
/// Where it is told.
const TABLE: &str = include_str!("../../docs/KERNELS.md");
/// Written, but nothing that is set.
const COMMAND: &str = "K/state";
/// Taken by commits only; it has a test of its own.
const OBSOLETE: &str = "T/obsolete_target";
/// Folders of filters of one layer have the files of both: a core filter is
/// never of a cgroup or a page size, nor an ops filter of addresses or a target.
const OF_THE_OTHER_LAYER: [&str; 6] = [
    "S/core_filters/F/memcg_path",
    "S/core_filters/F/min",
    "S/core_filters/F/max",
    "S/ops_filters/F/addr_start",
    "S/ops_filters/F/addr_end",
    "S/ops_filters/F/damon_target_idx",
];

struct Row {
    file: &'static str,
    option: &'static str,
    key: &'static str,
}

fn rows() -> Vec<Row> {
    let lines = ROWS.lines().filter(|line| !line.starts_with('#'));
    let row = |line: &'static str| {
        let words: Vec<&str> = line.split(" | ").collect();
        let [file, option, key] = words[..] else {
            panic!("files.txt: {line}");
        };
        Row { file, option, key }
    };
    lines.map(row).collect()
}

/// A path below `admin` with letters for numbers, as files.txt has it.
fn with_letters(path: &Path) -> String {
    let mut short = String::new();
    let mut folder = "";
    for part in path.iter().map(|part| part.to_str().unwrap()) {
        if !part.bytes().all(|byte| byte.is_ascii_digit()) {
            short = format!("{short}/{part}");
            folder = part;
            continue;
        }
        short = match folder {
            "kdamonds" => "K".to_owned(),
            "contexts" => "C".to_owned(),
            "targets" => "T".to_owned(),
            "schemes" => "S".to_owned(),
            "probes" => "P".to_owned(),
            "goals" => "G".to_owned(),
            "regions" => format!("{short}/R"),
            "dests" => format!("{short}/D"),
            _ => format!("{short}/F"),
        };
    }
    short.trim_start_matches('/').to_owned()
}

/// Every file that root may write and that sets something, with what it says.
/// `filters` is left out where it is but the old name of two folders.
fn settings() -> Vec<(String, String, String)> {
    let all = parameters();
    let layered = all
        .keys()
        .any(|path| path.iter().any(|part| part == "core_filters"));
    all.into_iter()
        .filter(|(path, _)| fs::metadata(path).unwrap().permissions().mode() & 0o200 != 0)
        .map(|(path, value)| {
            let path = path.strip_prefix(ADMIN).unwrap();
            let name = with_letters(path);
            (name, path.display().to_string(), value.trim().to_owned())
        })
        .filter(|(name, ..)| name != COMMAND)
        .filter(|(name, ..)| !(layered && name.starts_with("S/filters/")))
        .collect()
}

/// What each of them says by itself. All folders that there can be are made.
fn defaults() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    loop {
        let mut empty = None;
        for (name, path, value) in settings() {
            let count = name.rsplit('/').next().unwrap().starts_with("nr_");
            if count && value == "0" {
                empty = Some(path);
            }
            found.entry(name).or_insert(value);
        }
        match empty {
            Some(path) => set(&path, "1"),
            None => return found,
        }
    }
}

/// Everything in json, by its key, arrays' items together; a list has its
/// length, too.
fn flat(key: &str, value: &Value, found: &mut BTreeMap<String, BTreeSet<String>>) {
    let mut add = |text: String| {
        found.entry(key.to_owned()).or_default().insert(text);
    };
    match value {
        Value::Null => {}
        Value::Bool(truth) => add(String::from(if *truth { "Y" } else { "N" })),
        Value::Number(number) => add(number.to_string()),
        // Of `3 samples`, what the file has.
        Value::String(text) => add(text.split(' ').next().unwrap().to_owned()),
        Value::Array(items) => {
            add(items.len().to_string());
            items.iter().for_each(|item| flat(key, item, found));
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                flat(&format!("{key}.{name}"), value, found);
            }
        }
    }
}

fn status(scene: &Scene) -> Value {
    let status = scene.run(&["status", "--format", "json", "--raw"]).exits(0);
    serde_json::from_str(&status.stdout).unwrap()
}

/// What differs between two trees, but for threads and results.
fn differing(one: &[(String, String, String)], other: &[(String, String, String)]) -> Vec<String> {
    let gone = one.iter().filter(|file| !other.contains(file));
    let new = other.iter().filter(|file| !one.contains(file));
    gone.map(|file| format!("- {file:?}"))
        .chain(new.map(|file| format!("+ {file:?}")))
        .collect()
}

#[test]
fn every_file_is_set_by_an_option_and_by_a_key_and_read_back() {
    let scene = Scene::quiet("files");
    let defaults = defaults();
    set("kdamonds/nr_kdamonds", "0");
    let cgroup = Path::new("/sys/fs/cgroup").join(CGROUP.trim_start_matches('/'));
    fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+memory").unwrap();
    fs::create_dir_all(&cgroup).unwrap();
    let mut targets = [sleeper(), sleeper()];
    let all = Everything::of(&kernel(), [targets[0].id(), targets[1].id()]);

    // By json.
    let file = scene.path("everything.json");
    fs::write(&file, all.json.to_string()).unwrap();
    scene.run(&["start", "everything.json"]).exits(0);
    for kdamond in ["0", "1"] {
        assert_eq!(get(&format!("kdamonds/{kdamond}/state")), "on");
    }
    let by_json = settings();
    let read_back = status(&scene);
    assert_eq!(read_back, all.json, "{read_back:#}\n{:#}", all.json);
    scene.run(&["stop"]).exits(0);
    // By options.
    let words: Vec<&str> = all.options.iter().flatten().map(String::as_str).collect();
    scene.run(&[&["start"], &words[..]].concat()).exits(0);
    let by_options = settings();
    assert_eq!(differing(&by_json, &by_options), [""; 0]);
    assert_eq!(status(&scene), all.json);
    scene.run(&["stop"]).exits(0);
    targets_end(&mut targets);
    let _ = fs::remove_dir(&cgroup);

    let rows = rows();
    let names: BTreeSet<&str> = defaults.keys().map(String::as_str).collect();
    let mut keys = BTreeMap::new();
    flat("", &all.json, &mut keys);
    let mut table = String::new();
    for row in rows.iter().filter(|row| names.contains(row.file)) {
        table += &format!("{} | {} | {}\n", row.file, row.option, row.key);
        if row.file == OBSOLETE {
            continue;
        }
        let said = by_json.iter().filter(|(name, ..)| name == row.file);
        let other: BTreeSet<&str> = said
            .map(|(.., value)| value.as_str())
            .filter(|value| *value != defaults[row.file])
            .collect();
        assert!(!other.is_empty(), "{} is not set", row.file);
        let of_key = [".kdamonds.contexts.", ".kdamonds.", "."]
            .into_iter()
            .find_map(|above| keys.get(&format!("{above}{}", row.key)));
        let of_key = of_key.unwrap_or_else(|| panic!("no key {}", row.key));
        let of_option = all.words_of(row.option);
        assert!(!of_option.is_empty(), "{} is not used", row.option);
        for value in other {
            // Filters of a list are in two folders; and what comes of a number
            // of options or of a word like allow has no word of its own.
            let count = row.file.contains("/nr_");
            let word = count || value == "Y";
            let good = |found: bool, what: &str| {
                assert!(found, "{} {value}: not of {what}", row.file);
            };
            good(
                of_key.contains(value) || row.file.ends_with("_filters/nr_filters"),
                row.key,
            );
            good(word || of_option.contains(value), row.option);
        }
    }
    fs::write("/out/files.txt", &table).unwrap();
    println!("--- files\n{table}---");
    let known: BTreeSet<&str> = rows.iter().map(|row| row.file).collect();
    let of_the_other_layer = BTreeSet::from(OF_THE_OTHER_LAYER);
    let unknown: Vec<_> = names.difference(&known).copied().collect();
    let unknown: Vec<_> = unknown
        .into_iter()
        .filter(|name| !of_the_other_layer.contains(name))
        .collect();
    assert_eq!(unknown, [""; 0], "nothing sets them");
    assert_eq!(
        told(&kernel()).unwrap_or(table.clone()),
        table,
        "docs/KERNELS.md: cargo xtask files-table"
    );
}

/// The files that docs/KERNELS.md says this kernel has; `None` if it does not
/// tell of this kernel.
fn told(kernel: &str) -> Option<String> {
    let (_, table) = TABLE.split_once("<!-- files -->\n")?;
    let (table, _) = table.split_once("<!-- end of files -->")?;
    let mut lines = table.lines().filter(|line| line.starts_with('|'));
    let cells = |line: &str| -> Vec<String> {
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().replace('`', "")).collect()
    };
    let column = cells(lines.next()?).iter().position(|it| it == kernel)?;
    let rows = lines.map(cells).filter(|row| row[column] == "x");
    Some(
        rows.map(|row| format!("{}\n", row[..3].join(" | ")))
            .collect(),
    )
}

/// Its file says Y while a commit takes the target away, and then is gone.
#[test]
fn an_obsolete_target_is_taken_away() {
    let scene = Scene::quiet("obsolete");
    let mut targets = [sleeper(), sleeper()];
    let [first, second] = [0, 1].map(|it| targets[it].id().to_string());
    let both = ["--target_pid", &first, "--target_pid", &second];
    let obsolete = ["--obsolete_targets", "1"];
    let start = scene.run(&[&["start"], &both[..], &obsolete].concat());
    // DAMON would refuse it, with a bare EINVAL.
    start
        .exits(2)
        .says("--obsolete_targets 1: ")
        .says("damo tune");
    scene.run(&[&["start"], &both[..]].concat()).exits(0);
    let tune = scene.run(&[&["tune", "--dry-run"], &obsolete[..]].concat());
    let file = "kdamonds/0/contexts/0/targets/1/obsolete_target";
    if !Path::new(ADMIN).join(file).exists() {
        tune.exits(1).says("6.19");
    } else {
        tune.exits(0).prints(&format!("echo Y > {ADMIN}/{file}\n"));
        set(file, "Y");
        let context = &status(&scene)["kdamonds"][0]["contexts"][0];
        assert_eq!(context["targets"][1]["obsolete"], true);
        set(file, "N");
        // By json, with everything else as it is.
        let mut params = status(&scene);
        params["kdamonds"][0]["contexts"][0]["targets"][1]["obsolete"] = true.into();
        fs::write(scene.path("without.json"), params.to_string()).unwrap();
        scene.run(&["tune", "--replace", "without.json"]).exits(0);
        assert_eq!(get("kdamonds/0/contexts/0/targets/nr_targets"), "1");
        // What DAMON watches, not only what its files say.
        targets_end(&mut targets[..1]);
        crate::kit::until("the end of DAMON", || !crate::kit::damon_is_on());
    }
    scene.run(&["stop"]);
    targets_end(&mut targets);
}

fn targets_end(targets: &mut [std::process::Child]) {
    for target in targets {
        let _ = target.kill();
        let _ = target.wait();
    }
}
