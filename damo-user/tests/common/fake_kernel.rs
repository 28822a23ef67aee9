//! DAMON's files in memory, with the kernel's rules behind them: counts make and
//! wipe folders, `on` checks and excludes, locks are held, anything can fail.
//! What is modelled stands in DAMON-ABI.md, sections 1, 2 and 8.
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use damo_user::control::{Entry, Files, Kind, System};
use rustix::io::Errno;

use super::fake_layout::{self as layout, Domain};
use super::fake_rules::Node;
pub use super::fake_rules::{State, Version};

pub const ADMIN: &str = "/sys/kernel/mm/damon/admin";
pub const STAT: &str = "/sys/module/damon_stat/parameters/enabled";

/// When an event happens: just before this.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// The n-th read or write, from now.
    Operation(usize),
    /// A file of this name is read or written.
    Touching(&'static str),
}

pub(super) type Event = Box<dyn FnOnce(&mut State) + Send>;

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The first write (or read) that fails, from 1.
    pub at: usize,
    /// How many fail.
    pub times: usize,
    /// How.
    pub errno: Errno,
}

pub struct FakeKernel(Mutex<State>);

impl FakeKernel {
    pub fn new(version: Version) -> Arc<FakeKernel> {
        let state = State::new(version);
        Arc::new(FakeKernel(Mutex::new(state)))
    }

    pub fn system(self: &Arc<Self>) -> System {
        let files = Arc::clone(self) as Arc<dyn Files>;
        System::fake(files, Path::new("/"), Duration::from_millis(20))
    }

    pub fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    /// A write by somebody else, which must succeed.
    pub fn set(&self, path: &str, value: &str) {
        let path = Path::new(ADMIN).join(path);
        self.state(|state| state.store(&path, value))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Somebody's configuration, off: two kdamonds, and something below every
    /// count that the kernel has.
    pub fn configure(&self) {
        let context = "kdamonds/1/contexts/0";
        let scheme = format!("{context}/schemes/1");
        self.set("kdamonds/nr_kdamonds", "2");
        self.set("kdamonds/1/contexts/nr_contexts", "1");
        self.set(&format!("{context}/operations"), "fvaddr");
        let later = |path: String, value: &str| {
            if self.exists(&Path::new(ADMIN).join(&path)) {
                self.set(&path, value);
            }
        };
        for (path, value) in [
            ("monitoring_attrs/nr_regions/min", "33"),
            ("monitoring_attrs/intervals/intervals_goal/aggrs", "3"),
            ("monitoring_attrs/probes/nr_probes", "1"),
            ("monitoring_attrs/probes/0/weight", "9"),
            ("monitoring_attrs/probes/0/filters/nr_filters", "1"),
            ("monitoring_attrs/probes/0/filters/0/path", "/probed"),
            ("targets/nr_targets", "2"),
            ("targets/1/pid_target", "4711"),
            ("targets/1/regions/nr_regions", "2"),
            ("targets/1/regions/0/end", "8192"),
            ("schemes/nr_schemes", "2"),
        ] {
            later(format!("{context}/{path}"), value);
        }
        for (path, value) in [
            ("action", "pageout"),
            ("quotas/goals/nr_goals", "1"),
            ("quotas/goals/0/target_value", "5"),
            ("filters/nr_filters", "1"),
            ("filters/0/type", "memcg"),
            ("filters/0/memcg_path", "/a b\n"),
            ("core_filters/nr_filters", "1"),
            ("core_filters/0/type", "target"),
            ("ops_filters/nr_filters", "2"),
            ("ops_filters/1/type", "young"),
            ("ops_filters/1/allow", "Y"),
            ("dests/nr_dests", "1"),
            ("dests/0/weight", "7"),
            ("stats/max_nr_snapshots", "12"),
        ] {
            later(format!("{scheme}/{path}"), value);
        }
    }

    /// The kernel says something, in a file that nobody else may write.
    pub fn tell(&self, path: &str, value: &str) {
        self.state(|state| state.put(Path::new(ADMIN).join(path), value));
    }

    /// A region that a scheme tried, under the name that the kernel gave it;
    /// with as many probes as there are `hits`.
    pub fn tried(&self, scheme: &str, name: u32, values: &[(&str, &str)], hits: &[&str]) {
        let region = format!("{scheme}/tried_regions/{name}");
        let dir = Path::new(ADMIN).join(&region);
        self.state(|state| {
            state.make(&dir, "tried_regions");
            for probe in 0..hits.len() {
                state.make(&dir.join("probes").join(probe.to_string()), "hits");
            }
        });
        for (file, value) in values {
            self.tell(&format!("{region}/{file}"), value);
        }
        for (probe, hits) in hits.iter().enumerate() {
            self.tell(&format!("{region}/probes/{probe}/hits"), hits);
        }
    }

    pub fn get(&self, path: &str) -> String {
        self.state(|state| state.value(&Path::new(ADMIN).join(path)).unwrap())
    }

    pub fn start_process(&self, pid: u32, comm: &str) {
        self.state(|state| state.process(pid, comm, 0));
    }

    pub fn fail_write(&self, fault: Option<Fault>) {
        self.state(|state| (state.write_fault, state.writes) = (fault, 0));
    }

    pub fn fail_read(&self, fault: Option<Fault>) {
        self.state(|state| (state.read_fault, state.reads) = (fault, 0));
    }

    /// Lets something happen.
    pub fn before(&self, when: When, event: impl FnOnce(&mut State) + Send + 'static) {
        self.state(|state| {
            (state.reads, state.writes) = (0, 0);
            state.event = Some((when, Box::new(event)));
        });
    }

    /// Writes since a fault or an event was set.
    pub fn writes(&self) -> usize {
        self.state(|state| state.writes)
    }

    /// Reads since a fault or an event was set.
    pub fn reads(&self) -> usize {
        self.state(|state| state.reads)
    }

    /// Whether the event has happened.
    pub fn event_is_over(&self) -> bool {
        self.state(|state| state.event.is_none())
    }

    pub fn hold_lock(&self, locked: bool) {
        self.state(|state| state.locked = locked);
    }

    /// Everything that a user can set or see to be on.
    pub fn dump(&self) -> BTreeMap<PathBuf, String> {
        self.state(|state| {
            let files = state
                .nodes
                .iter()
                .filter(|(path, _)| !path.starts_with("/proc"));
            files
                .filter_map(|(path, node)| match node {
                    Node::File {
                        value,
                        writable: true,
                        ..
                    } => Some((path.clone(), value.clone())),
                    _ => None,
                })
                .collect()
        })
    }

    /// What may be written to a file, if anything.
    pub fn domain(&self, path: &Path) -> Option<Domain> {
        self.state(|state| match state.nodes.get(path) {
            Some(Node::File {
                writable: true,
                domain,
                ..
            }) => Some(domain.clone()),
            _ => None,
        })
    }
}

impl State {
    fn before(&mut self, path: &Path, write: bool) -> Result<(), Errno> {
        let (count, fault) = if write {
            self.writes += 1;
            (self.writes, self.write_fault)
        } else {
            self.reads += 1;
            (self.reads, self.read_fault)
        };
        let operations = self.reads + self.writes;
        let now = self.event.as_ref().is_some_and(|(when, _)| match when {
            When::Operation(at) => *at <= operations,
            When::Touching(name) => path.ends_with(name),
        });
        if let Some((_, event)) = self.event.take_if(|_| now) {
            event(self);
        }
        if let Some(fault) =
            fault.filter(|fault| (fault.at..fault.at + fault.times).contains(&count))
        {
            return Err(fault.errno);
        }
        let name = layout::name(path);
        let takes_lock =
            name.starts_with("nr_") || ["state", "pid", "memcg_path", "path"].contains(&name);
        if self.locked && takes_lock && path.starts_with(ADMIN) {
            return Err(Errno::BUSY);
        }
        Ok(())
    }
}

impl Files for FakeKernel {
    fn read(&self, path: &Path) -> io::Result<String> {
        self.state(|state| {
            state.before(path, false)?;
            Ok(state.value(path)? + "\n")
        })
    }

    fn write(&self, path: &Path, value: &str) -> io::Result<()> {
        self.state(|state| {
            state.before(path, true)?;
            state.log.push((path.to_owned(), value.to_owned()));
            Ok(state.store(path, value)?)
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.state(|state| {
            if !matches!(state.nodes.get(path), Some(Node::Folder)) {
                return Err(Errno::NOENT.into());
            }
            let mut names = BTreeSet::new();
            let mut entries = Vec::new();
            let below = state.nodes.range(path.to_owned()..);
            for (below, node) in below.take_while(|(below, _)| below.starts_with(path)) {
                let Some(name) = below.strip_prefix(path).ok().and_then(|rest| rest.to_str())
                else {
                    continue;
                };
                if name.is_empty() || name.contains('/') || !names.insert(name) {
                    continue;
                }
                let kind = match node {
                    Node::Folder => Kind::Folder,
                    Node::File { writable, .. } => Kind::File {
                        writable: *writable,
                    },
                };
                entries.push(Entry {
                    name: name.to_owned(),
                    kind,
                });
            }
            Ok(entries)
        })
    }

    fn exists(&self, path: &Path) -> bool {
        self.state(|state| state.nodes.contains_key(path))
    }
}
