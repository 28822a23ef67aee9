//! DAMON's modules in memory: exclusive, with inputs that are judged when the
//! module starts or commits. DAMON-ABI.md, sections 2.1 and 4.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use damo_user::control::module::{Control, Notes, Unit, Version};
use damo_user::control::{Entry, Files, Kind, Module, System};
use rustix::io::Errno;
use tempfile::TempDir;

pub const TID: u32 = 812;

#[derive(Default)]
pub struct State {
    pub files: BTreeMap<PathBuf, String>,
    /// Every write, in order.
    pub log: Vec<(String, String)>,
    /// Answers the next write of a file of this name with an error.
    pub fail: Option<(&'static str, Errno)>,
    /// A kdamond before 7.2 takes the commit flag after so many reads of it.
    pub asleep: usize,
    /// A write of Y to a switch has no effect, as after a failed start.
    pub stays_off: bool,
    /// Somebody else sets bad inputs between our check and the commit.
    pub spoil: bool,
}

pub struct Fake {
    version: Version,
    state: Mutex<State>,
    run: TempDir,
}

fn params(module: Module) -> PathBuf {
    Path::new("/sys/module")
        .join(module.name())
        .join("parameters")
}

impl Fake {
    pub fn new(version: Version) -> Arc<Fake> {
        let mut state = State::default();
        for module in Module::ALL {
            if module.since() > version {
                continue;
            }
            for param in module.params() {
                if param.since > version {
                    continue;
                }
                let value = match (param.name, param.unit) {
                    ("kdamond_pid", _) => "-1",
                    ("min_age" | "cold_min_age", _) => "120000000",
                    ("sample_interval", _) => "5000",
                    ("aggr_interval", _) => "100000",
                    ("wmarks_interval", _) => "5000000",
                    ("wmarks_high", _) => "500",
                    ("wmarks_mid", _) => "400",
                    ("wmarks_low", _) => "200",
                    ("min_nr_regions", _) => "10",
                    ("max_nr_regions", _) => "1000",
                    ("addr_unit", _) => "1",
                    (_, Unit::Bool) => "N",
                    _ => "0",
                };
                let path = params(module).join(param.name);
                state.files.insert(path, value.to_owned());
            }
        }
        state.files.insert("/proc/self/stat".into(), String::new());
        let state = Mutex::new(state);
        let run = tempfile::tempdir().unwrap();
        Arc::new(Fake {
            version,
            state,
            run,
        })
    }

    pub fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap())
    }

    pub fn notes(&self) -> PathBuf {
        self.run.path().join("damo/modules")
    }

    pub fn system(self: &Arc<Self>) -> System {
        let files = Arc::clone(self) as Arc<dyn Files>;
        System::fake(files, Path::new("/"), Duration::from_millis(20))
    }

    pub fn module(self: &Arc<Self>, module: Module) -> Control {
        self.booted(module, "this boot")
    }

    pub fn booted(self: &Arc<Self>, module: Module, boot: &str) -> Control {
        let notes = Notes::new(self.notes(), boot.to_owned());
        Control::new(module, self.system(), notes).unwrap()
    }

    pub fn get(&self, module: Module, name: &str) -> String {
        self.state(|state| state.files[&params(module).join(name)].clone())
    }

    pub fn put(&self, module: Module, name: &str, value: &str) {
        self.state(|state| {
            state
                .files
                .insert(params(module).join(name), value.to_owned());
        });
    }

    /// Every input of a module.
    pub fn inputs(&self, module: Module) -> BTreeMap<PathBuf, String> {
        let statistics = ["kdamond_pid", "enabled", "commit_inputs"];
        self.state(|state| {
            let files = state.files.iter();
            files
                .filter(|(path, _)| path.starts_with(params(module)))
                .filter(|(path, _)| !statistics.iter().any(|name| path.ends_with(name)))
                .map(|(path, value)| (path.clone(), value.clone()))
                .collect()
        })
    }

    /// As somebody else's `echo Y > enabled`.
    pub fn enable_by_hand(&self, module: Module) {
        self.state(|state| self.turn(state, module, true)).unwrap();
    }

    fn turn(&self, state: &mut State, module: Module, on: bool) -> Result<(), Errno> {
        let switch = params(module).join("enabled");
        let pid = params(module).join("kdamond_pid");
        let stat = PathBuf::from(format!("/proc/{TID}/stat"));
        if !on {
            state.files.remove(&stat);
            state.files.insert(switch, "N".to_owned());
            if let Some(pid) = state.files.get_mut(&pid) {
                *pid = "-1".to_owned();
            }
            return Ok(());
        }
        let busy = Module::ALL.iter().any(|&other| {
            let switch = params(other).join("enabled");
            other != module && state.files.get(&switch).is_some_and(|on| on == "Y")
        });
        if busy {
            return Err(Errno::BUSY);
        }
        if !Self::good(state, module) {
            return Err(Errno::INVAL);
        }
        if state.stays_off {
            return Ok(());
        }
        state.files.insert(switch, "Y".to_owned());
        if let Some(pid) = state.files.get_mut(&pid) {
            *pid = TID.to_string();
        }
        let line =
            format!("{TID} (kdamond.0) S 2 0 0 0 -1 2097216 0 0 0 0 0 0 0 0 20 0 1 0 77 0 0");
        state.files.insert(stat, line);
        Ok(())
    }

    /// What the kernel itself finds wrong.
    fn good(state: &State, module: Module) -> bool {
        let number = |name: &str| {
            let value = state.files.get(&params(module).join(name))?;
            value.parse::<u64>().ok()
        };
        number("min_nr_regions").is_none_or(|min| min >= 3)
    }

    fn commit(&self, state: &mut State, module: Module) -> Result<(), Errno> {
        let good = Self::good(state, module);
        if self.version >= Version(7, 2) {
            return if good { Ok(()) } else { Err(Errno::INVAL) };
        }
        if !good {
            self.turn(state, module, false)?;
        }
        let flag = params(module).join("commit_inputs");
        state.files.insert(flag, "N".to_owned());
        Ok(())
    }

    fn module_of(path: &Path) -> Option<Module> {
        Module::ALL
            .into_iter()
            .find(|module| path.starts_with(params(*module)))
    }
}

impl Files for Fake {
    fn read(&self, path: &Path) -> io::Result<String> {
        self.state(|state| {
            if path.ends_with("commit_inputs") && state.files.get(path).is_some_and(|v| v == "Y") {
                match state.asleep {
                    0 => self.commit(state, Self::module_of(path).unwrap())?,
                    _ => state.asleep -= 1,
                }
            }
            let value = state.files.get(path).ok_or(Errno::NOENT)?;
            Ok(format!("{value}\n"))
        })
    }

    fn write(&self, path: &Path, value: &str) -> io::Result<()> {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        self.state(|state| {
            state.log.push((name.clone(), value.to_owned()));
            if let Some((_, errno)) = state.fail.take_if(|(file, _)| *file == name) {
                return Err(errno.into());
            }
            let module = Self::module_of(path).unwrap();
            if state.spoil && name == "commit_inputs" {
                let bad = params(module).join("min_nr_regions");
                state.files.insert(bad, "1".to_owned());
            }
            match (&*name, self.version >= Version(7, 2)) {
                ("enabled", _) => return Ok(self.turn(state, module, value == "Y")?),
                ("commit_inputs", true) => return Ok(self.commit(state, module)?),
                _ => {}
            }
            let file = state.files.get_mut(path).ok_or(Errno::NOENT)?;
            *file = value.to_owned();
            Ok(())
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.state(|state| {
            let below = state.files.keys().filter_map(|file| {
                let rest = file.strip_prefix(path).ok()?;
                let name = rest.iter().next()?.to_str()?.to_owned();
                let kind = match rest.iter().count() {
                    1 => Kind::File { writable: true },
                    _ => Kind::Folder,
                };
                Some(Entry { name, kind })
            });
            Ok(below.collect())
        })
    }

    fn exists(&self, path: &Path) -> bool {
        self.state(|state| state.files.keys().any(|file| file.starts_with(path)))
    }
}
