//! Every file of DAMON's that can be written is set by an option and by a json
//! key of ours, and read back the same. docs/KERNELS.md has the table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
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
            if is_count(&name) && value == "0" {
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

/// Keys of json, with all their values.
type Keys = BTreeMap<String, BTreeSet<String>>;

/// Everything in json, by its key, arrays' items together; a list has its
/// length, too.
fn flat(key: &str, value: &Value, found: &mut Keys) {
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
    let args = ["status", "--damon_params", "--format", "json", "--raw"];
    let status = scene.run(&args).exits(0);
    serde_json::from_str(&status.stdout).unwrap()
}

/// What is only in one of two lists.
fn differing<T: Debug + PartialEq>(one: &[T], other: &[T]) -> Vec<String> {
    let gone = one.iter().filter(|it| !other.contains(it));
    let new = other.iter().filter(|it| !one.contains(it));
    gone.map(|it| format!("- {it:?}"))
        .chain(new.map(|it| format!("+ {it:?}")))
        .collect()
}

/// Every value in json that holds no others, with its place.
fn leaves(place: &str, value: &Value) -> Vec<(String, Value)> {
    match value {
        Value::Array(items) if !items.is_empty() => (0..)
            .zip(items)
            .flat_map(|(index, item)| leaves(&format!("{place}[{index}]"), item))
            .collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| leaves(&format!("{place}.{name}"), value))
            .collect(),
        value => vec![(place.to_owned(), value.clone())],
    }
}

/// `damo status` says just that.
#[track_caller]
fn assert_status(scene: &Scene, expected: &Value) {
    let (said, expected) = (leaves("", &status(scene)), leaves("", expected));
    assert_eq!(differing(&expected, &said), [""; 0]);
}

/// An address of the context whose unit is two bytes, as it is typed.
fn in_bytes(value: &str) -> String {
    value
        .parse()
        .map_or(String::new(), |n: u64| n.wrapping_mul(2).to_string())
}

/// A file's last part says how many folders there are.
fn is_count(file: &str) -> bool {
    file.rsplit('/').next().unwrap().starts_with("nr_")
}

impl Row {
    /// The row's file was set by the row's key and option: its values are theirs.
    fn check(&self, values: &BTreeSet<&str>, keys: &Keys, all: &Everything) {
        let file = self.file;
        assert!(!values.is_empty(), "{file} is not set");
        let of_key = [".kdamonds.contexts.", ".kdamonds.", "."]
            .into_iter()
            .find_map(|above| keys.get(&format!("{above}{}", self.key)))
            .unwrap_or_else(|| panic!("no key {}", self.key));
        let of_option = all.words_of(self.option);
        assert!(!of_option.is_empty(), "{} is not used", self.option);
        for value in values {
            // One list of filters fills two folders.
            let part = file.ends_with("_filters/nr_filters");
            let known = part || of_key.contains(*value);
            assert!(known, "{file} {value}: not of {}", self.key);
            // What a word like `allow` says, or the number of an option's uses.
            let worded = is_count(file)
                || *value == "Y"
                || of_option.contains(value)
                || of_option.contains(in_bytes(value).as_str());
            assert!(worded, "{file} {value}: not of {}", self.option);
        }
    }
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
    fs::write(scene.path("everything.json"), all.json.to_string()).unwrap();
    scene.run(&["start", "everything.json"]).exits(0);
    for kdamond in ["0", "1"] {
        assert_eq!(get(&format!("kdamonds/{kdamond}/state")), "on");
    }
    let by_json = settings();
    assert_status(&scene, &all.json);
    scene.run(&["stop"]).exits(0);
    // By options.
    let words: Vec<&str> = all.options.iter().flatten().map(String::as_str).collect();
    scene.run(&[&["start"], &words[..]].concat()).exits(0);
    assert_eq!(differing(&by_json, &settings()), [""; 0]);
    assert_status(&scene, &all.json);
    scene.run(&["stop"]).exits(0);
    targets_end(&mut targets);
    let _ = fs::remove_dir(&cgroup);

    let rows = rows();
    let mut keys = Keys::new();
    flat("", &all.json, &mut keys);
    let mut table = String::new();
    for row in &rows {
        let Some(default) = defaults.get(row.file) else {
            continue;
        };
        table += &format!("{} | {} | {}\n", row.file, row.option, row.key);
        let here = by_json.iter().filter(|(name, ..)| name == row.file);
        let values = here.map(|(.., value)| value.as_str());
        let others = values.filter(|value| value != default).collect();
        if row.file != OBSOLETE {
            row.check(&others, &keys, &all);
        }
    }
    fs::write("/out/files.txt", &table).unwrap();
    println!("--- files\n{table}---");
    let told_of = |name: &str| rows.iter().any(|row| row.file == name);
    let unknown = defaults.keys().map(String::as_str);
    let unknown = unknown.filter(|name| !told_of(name) && !OF_THE_OTHER_LAYER.contains(name));
    assert_eq!(unknown.collect::<Vec<_>>(), [""; 0], "nothing sets them");
    if let Some(told) = told(&kernel()) {
        let (told, found): (Vec<_>, Vec<_>) = (told.lines().collect(), table.lines().collect());
        let old = differing(&told, &found);
        assert_eq!(old, [""; 0], "docs/KERNELS.md: cargo xtask files-table");
    }
}

/// The files that docs/KERNELS.md says this kernel has; `None` if it does not
/// tell of this kernel.
fn told(kernel: &str) -> Option<String> {
    let (_, table) = TABLE.split_once("<!-- files -->\n").unwrap();
    let (table, _) = table.split_once("<!-- end of files -->").unwrap();
    let cells = |line: &str| -> Vec<String> {
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().replace('`', "")).collect()
    };
    let mut lines = table.lines().map(cells);
    let heads = lines.next().expect("docs/KERNELS.md: no table of files");
    let column = heads.iter().position(|head| head == kernel)?;
    let rows = lines.filter(|row| row[column] == "x");
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
