//! Every option of the peer's parser, hidden ones too: we take it, or say what
//! to do instead.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Prints the options of each of the peer's commands, as json: its parser is
/// caught where it would parse.
const SCRIPT: &str = r#"
import argparse, glob, json, runpy, sys
folder = glob.glob(sys.argv[1] + "/lib/python3*/site-packages/damo")[0]
sys.path.insert(0, folder)
caught = []
def parse_args(self, *args, **kwargs):
    caught.append(self)
    raise SystemExit
argparse.ArgumentParser.parse_args = parse_args
sys.argv = ["damo"]
try:
    runpy.run_path(folder + "/damo.py", run_name="__main__")
except SystemExit:
    pass
found = {}
def look(parser, path):
    options = found.setdefault(" ".join(path), [])
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                look(below, path + [name])
        else:
            options += [it for it in action.option_strings if it.startswith("--")]
look(caught[0], [])
print(json.dumps(found))
"#;

/// Options that nothing is said about, as they would be typed.
pub fn unknown(peer: &Path, damo: &Path) -> Vec<String> {
    let output = Command::new(peer.join("bin/python"))
        .args(["-c", SCRIPT])
        .arg(peer)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("HOME", std::env::temp_dir())
        .output()
        .expect("it starts");
    let found: BTreeMap<String, Vec<String>> =
        serde_json::from_slice(&output.stdout).expect("the script prints json");
    let count: usize = found.values().map(Vec::len).sum();
    let mut unknown = Vec::new();
    for (command, options) in &found {
        for option in options.iter().filter(|it| *it != "--help") {
            // Another value is never read: the option lacks its own, or is none.
            // The peer's default there is an action that takes them.
            let is_module = ["module ", "reclaim", "lru_sort"]
                .iter()
                .any(|it| command.starts_with(it));
            let words = command
                .split_whitespace()
                .chain(is_module.then_some("enable"))
                .chain([option.as_str(), "--no-such-option"]);
            let output = Command::new(damo).args(words).output().expect("it starts");
            let said = String::from_utf8_lossy(&output.stderr);
            if said.contains(&format!("unexpected argument '{option}'")) {
                unknown.push(format!("damo {command} {option}"));
            }
        }
    }
    println!(
        "{count} options of the peer's: {} nothing is said about",
        unknown.len()
    );
    assert!(count > 300, "the peer has more options than {count}");
    unknown
}
