//! What the kernel does when one of DAMON's files is written.
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::fake_kernel::{ADMIN, Event, Fault, When};
use super::fake_layout::{self as layout, Domain};

const FIRST_TID: u32 = 800;

/// Whose rules are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    V6_12,
    V6_17,
    V7_2,
    V7_3,
}

impl Version {
    pub const ALL: [Version; 4] = [Version::V6_12, Version::V6_17, Version::V7_2, Version::V7_3];

    /// As `uname -r` begins.
    pub fn release(self) -> (u32, u32) {
        match self {
            Version::V6_12 => (6, 12),
            Version::V6_17 => (6, 17),
            Version::V7_2 => (7, 2),
            Version::V7_3 => (7, 3),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    Folder,
    File {
        value: String,
        writable: bool,
        domain: Domain,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    On(u32),
    Stopped,
}

pub struct State {
    pub(super) version: Version,
    pub(super) nodes: BTreeMap<PathBuf, Node>,
    pub(super) lives: BTreeMap<usize, Life>,
    pub(super) modules: BTreeMap<PathBuf, u32>,
    pub(super) next_tid: u32,
    pub(super) writes: usize,
    pub(super) reads: usize,
    pub(super) write_fault: Option<Fault>,
    pub(super) read_fault: Option<Fault>,
    pub(super) event: Option<(When, Event)>,
    pub(super) locked: bool,
    /// The kernel was built without the others.
    pub only_paddr: bool,
    /// Neither sysfs nor a module knows of it.
    pub(super) foreign: bool,
    /// Kdamonds that were sent a command after their end.
    pub(super) too_late: BTreeSet<usize>,
    pub log: Vec<(PathBuf, String)>,
    /// A command that would have been a kernel BUG somewhere.
    pub bug: Option<String>,
}

impl State {
    pub(super) fn new(version: Version) -> State {
        let mut state = State {
            version,
            nodes: BTreeMap::new(),
            lives: BTreeMap::new(),
            modules: BTreeMap::new(),
            next_tid: FIRST_TID,
            writes: 0,
            reads: 0,
            write_fault: None,
            read_fault: None,
            event: None,
            locked: false,
            only_paddr: false,
            foreign: false,
            too_late: BTreeSet::new(),
            log: Vec::new(),
            bug: None,
        };
        state.file(&Path::new(ADMIN).join("kdamonds"), "nr_kdamonds", "0", true);
        for module in ["damon_reclaim", "damon_lru_sort", "damon_stat"] {
            if module != "damon_stat" || version >= Version::V6_17 {
                let dir = Path::new("/sys/module").join(module).join("parameters");
                state.file(&dir, "enabled", "N", true);
                if module != "damon_stat" || version >= Version::V7_2 {
                    state.file(&dir, "kdamond_pid", "-1", false);
                }
            }
        }
        state.folder(Path::new("/proc"));
        state
    }

    pub(super) fn folder(&mut self, path: &Path) {
        for above in path.ancestors() {
            self.nodes.entry(above.to_owned()).or_insert(Node::Folder);
        }
    }

    pub(super) fn file(&mut self, dir: &Path, name: &str, value: &str, writable: bool) {
        let path = dir.join(name);
        self.folder(path.parent().unwrap());
        let domain = layout::domain(self.version, &path, value);
        let value = value.to_owned();
        self.nodes.insert(
            path,
            Node::File {
                value,
                writable,
                domain,
            },
        );
    }

    pub(super) fn make(&mut self, dir: &Path, what: &str) {
        self.folder(dir);
        for (name, default, writable) in layout::children(self.version, what) {
            let only = self.only_paddr && name == "avail_operations";
            self.file(dir, name, if only { "paddr" } else { default }, writable);
        }
    }

    pub(super) fn put(&mut self, path: impl AsRef<Path>, new: &str) {
        match self.nodes.get_mut(path.as_ref()) {
            Some(Node::File { value, .. }) => *value = new.to_owned(),
            _ => panic!("{}", path.as_ref().display()),
        }
    }

    /// The kernel takes a folder away.
    pub fn kernel_forgets(&mut self, path: &str) {
        self.remove(&Path::new(ADMIN).join(path));
    }

    /// The kernel says something outside of DAMON's files.
    pub fn kernel_says(&mut self, path: &str, value: &str) {
        let path = Path::new(path);
        self.file(path.parent().unwrap(), layout::name(path), value, false);
    }

    pub(super) fn value(&self, path: &Path) -> Result<String, Errno> {
        match self.nodes.get(path) {
            Some(Node::File { value, .. }) => Ok(value.clone()),
            Some(Node::Folder) => Err(Errno::ISDIR),
            None => Err(Errno::NOENT),
        }
    }

    pub(super) fn number(&self, path: String) -> u64 {
        let value = self.value(&Path::new(ADMIN).join(path)).unwrap();
        value.parse().unwrap()
    }

    pub(super) fn process(&mut self, tid: u32, comm: &str, flags: u32) {
        let dir = Path::new("/proc").join(tid.to_string());
        self.file(&dir, "comm", comm, false);
        let rest = format!("{} 0 0 0 0 0 0 0 0 0 20 0 1 0 77 0 0", flags);
        self.file(
            &dir,
            "stat",
            &format!("{tid} ({comm}) S 2 0 0 0 -1 {rest}"),
            false,
        );
    }

    pub(super) fn remove(&mut self, dir: &Path) {
        self.nodes.retain(|path, _| !path.starts_with(dir));
    }

    pub(super) fn start_thread(&mut self) -> u32 {
        let tid = self.next_tid;
        self.next_tid += 1;
        let running = self
            .lives
            .values()
            .filter(|life| matches!(life, Life::On(_)))
            .count();
        self.process(tid, &format!("kdamond.{running}"), 0x0020_0040);
        tid
    }

    pub(super) fn end_thread(&mut self, tid: u32) {
        self.remove(&Path::new("/proc").join(tid.to_string()));
    }

    /// A kdamond of the debugfs interface.
    pub fn foreign_kdamond(&mut self) {
        self.foreign = true;
        self.start_thread();
    }

    /// A process ends, and with its last target a kdamond, without being told.
    pub fn end_process(&mut self, pid: u32) {
        self.end_thread(pid);
        for index in self.running() {
            if !self.targets(index).iter().any(|pid| self.is_there(pid)) {
                self.stop(index);
            }
        }
    }

    pub(super) fn targets(&self, index: usize) -> Vec<String> {
        let context = format!("kdamonds/{index}/contexts/0/targets");
        let nr_targets = self.number(format!("{context}/nr_targets"));
        let targets =
            (0..nr_targets).map(|target| format!("{ADMIN}/{context}/{target}/pid_target"));
        targets
            .map(|path| self.value(Path::new(&path)).unwrap())
            .collect()
    }

    pub(super) fn is_there(&self, pid: &str) -> bool {
        self.nodes.contains_key(&Path::new("/proc").join(pid))
    }

    pub(super) fn running(&self) -> Vec<usize> {
        let on = self
            .lives
            .iter()
            .filter(|(_, life)| matches!(life, Life::On(_)));
        on.map(|(&index, _)| index).collect()
    }

    pub(super) fn stop(&mut self, index: usize) {
        if let Some(Life::On(tid)) = self.lives.insert(index, Life::Stopped) {
            self.end_thread(tid);
        }
        self.put(format!("{ADMIN}/kdamonds/{index}/state"), "off");
        self.put(format!("{ADMIN}/kdamonds/{index}/pid"), "-1");
    }

    /// A user's write, with the kernel's rules.
    pub fn store(&mut self, path: &Path, value: &str) -> Result<(), Errno> {
        let domain = match self.nodes.get(path) {
            Some(Node::File {
                writable: false, ..
            }) => return Err(Errno::ACCESS),
            Some(Node::File { domain, .. }) => domain.clone(),
            Some(Node::Folder) => return Err(Errno::ISDIR),
            None => return Err(Errno::NOENT),
        };
        if value.is_empty() {
            return Ok(());
        }
        let stored = domain.stored(value)?;
        match layout::name(path) {
            "state" => self.command(path, &stored),
            "enabled" => self.enable(path, &stored),
            name if matches!(domain, Domain::Count(_)) => self.count(path, name, &stored),
            _ => {
                self.put(path, &stored);
                Ok(())
            }
        }
    }

    pub(super) fn count(&mut self, path: &Path, name: &str, value: &str) -> Result<(), Errno> {
        if name == "nr_kdamonds" {
            if !self.running().is_empty() {
                return Err(Errno::BUSY);
            }
            self.lives.clear();
        }
        let dir = path.parent().unwrap();
        let numbered = |below: &Path| {
            below.strip_prefix(dir).is_ok_and(|rest| {
                rest.components()
                    .next()
                    .is_some_and(|first| first.as_os_str().to_str().unwrap().parse::<u32>().is_ok())
            })
        };
        self.nodes.retain(|path, _| !numbered(path));
        for index in 0..value.parse::<u32>().unwrap() {
            self.make(&dir.join(index.to_string()), &layout::kind(dir));
        }
        self.put(path, value);
        Ok(())
    }

    pub(super) fn command(&mut self, path: &Path, command: &str) -> Result<(), Errno> {
        let index: usize = layout::name(path.parent().unwrap()).parse().unwrap();
        let life = self.lives.get(&index).copied();
        match (command, life) {
            ("on", Some(Life::On(_))) => Err(Errno::BUSY),
            ("on", _) => {
                self.lives.remove(&index);
                self.too_late.remove(&index);
                self.check(index)?;
                let tid = self.start_thread();
                self.lives.insert(index, Life::On(tid));
                self.put(path, "on");
                self.put(path.with_file_name("pid"), &tid.to_string());
                Ok(())
            }
            ("off", Some(Life::On(_))) => {
                self.stop(index);
                Ok(())
            }
            ("off", Some(Life::Stopped)) if self.version >= Version::V7_3 => Ok(()),
            ("off", Some(Life::Stopped)) => Err(Errno::PERM),
            ("off", None) => Err(Errno::INVAL),
            (_, Some(Life::On(_))) => Ok(()),
            (other, _) => {
                // One may come too late; on some kernels a second is a BUG.
                if !self.too_late.insert(index) {
                    self.bug = Some(format!("{other} to a kdamond that is off"));
                }
                Err(Errno::INVAL)
            }
        }
    }

    pub(super) fn check(&self, index: usize) -> Result<(), Errno> {
        let kdamond = format!("kdamonds/{index}");
        if !self.modules.is_empty() || self.foreign {
            return Err(Errno::BUSY);
        }
        if self.number(format!("{kdamond}/contexts/nr_contexts")) == 0 {
            return Err(Errno::INVAL);
        }
        let context = format!("{kdamond}/contexts/0");
        let attr = |name| self.number(format!("{context}/monitoring_attrs/{name}"));
        let (min, max) = (attr("nr_regions/min"), attr("nr_regions/max"));
        if attr("intervals/sample_us") > attr("intervals/aggr_us") || min < 3 || min > max {
            return Err(Errno::INVAL);
        }
        let ops = self.value(&Path::new(ADMIN).join(&context).join("operations"))?;
        let targets = self.targets(index);
        if ops == "paddr" {
            return if targets.len() > 1 {
                Err(Errno::INVAL)
            } else {
                Ok(())
            };
        }
        if targets.iter().all(|pid| self.is_there(pid)) {
            Ok(())
        } else {
            Err(Errno::INVAL)
        }
    }

    pub(super) fn enable(&mut self, path: &Path, value: &str) -> Result<(), Errno> {
        let on = self.modules.contains_key(path);
        match (value, on) {
            ("Y", false) => {
                if !self.running().is_empty() || !self.modules.is_empty() {
                    return Err(Errno::BUSY);
                }
                let tid = self.start_thread();
                self.modules.insert(path.to_owned(), tid);
            }
            ("N", true) => {
                let tid = self.modules.remove(path).unwrap();
                self.end_thread(tid);
            }
            _ => {}
        }
        let tid = self
            .modules
            .get(path)
            .map_or("-1".to_owned(), ToString::to_string);
        let pid = path.with_file_name("kdamond_pid");
        if self.nodes.contains_key(&pid) {
            self.put(pid, &tid);
        }
        self.put(path, value);
        Ok(())
    }
}
