//! What the kernel does with each file.

use std::collections::BTreeMap;

use rustix::io::Errno;

use super::Fault;

/// Kernels whose files differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    V5_15,
    V5_16,
    V5_17,
    V6_1,
    V6_12,
}

impl Version {
    pub const ALL: [Version; 5] = [
        Version::V5_15,
        Version::V5_16,
        Version::V5_17,
        Version::V6_1,
        Version::V6_12,
    ];

    fn release(self) -> &'static str {
        match self {
            Version::V5_15 => "5.15.0-91-generic",
            Version::V5_16 => "5.16.18",
            Version::V5_17 => "5.17.0",
            Version::V6_1 => "6.1.176-dbgfs",
            Version::V6_12 => "6.12.9",
        }
    }

    fn by_pid(self) -> bool {
        self < Version::V6_1
    }

    fn switch(self) -> &'static str {
        if self < Version::V6_12 {
            "monitor_on"
        } else {
            "monitor_on_DEPRECATED"
        }
    }

    fn context_files(self) -> &'static [&'static str] {
        match self {
            Version::V5_15 => &["attrs", "target_ids"],
            _ => &[
                "attrs",
                "target_ids",
                "init_regions",
                "schemes",
                "kdamond_pid",
            ],
        }
    }

    fn stats(self) -> usize {
        if self < Version::V5_17 { 2 } else { 5 }
    }
}

#[derive(Clone, Default)]
pub struct Context {
    attrs: Vec<u64>,
    paddr: bool,
    targets: Vec<(u32, Vec<(u64, u64)>)>,
    schemes: Vec<Vec<u64>>,
    pub tid: Option<u32>,
}

pub struct State {
    version: Version,
    pub contexts: BTreeMap<String, Context>,
    /// Process ids, and whether it is a thread of the kernel's.
    pub processes: BTreeMap<u32, bool>,
    pub fault: Option<Fault>,
    pub writes: usize,
}

impl Context {
    fn new() -> Context {
        Context {
            attrs: vec![5_000, 100_000, 60_000_000, 10, 1_000],
            ..Context::default()
        }
    }
}

/// The numbers that a text begins with, as sscanf takes them.
fn numbers(text: &str) -> Vec<u64> {
    let words = text.split_ascii_whitespace();
    words.map_while(|word| word.parse().ok()).collect()
}

impl State {
    pub fn new(version: Version) -> State {
        State {
            version,
            contexts: BTreeMap::from([(String::new(), Context::new())]),
            processes: BTreeMap::from([(1, false), (42, true)]),
            fault: None,
            writes: 0,
        }
    }

    pub fn files(&self) -> Vec<String> {
        let mut files = vec![self.version.switch().to_owned()];
        if self.version > Version::V5_15 {
            files.extend(["mk_contexts".to_owned(), "rm_contexts".to_owned()]);
        }
        for name in self.contexts.keys() {
            for file in self.version.context_files() {
                files.push(format!("{name}/{file}").trim_start_matches('/').to_owned());
            }
        }
        files
    }

    pub fn proc(&self, file: &str) -> Option<String> {
        if file == "sys/kernel/osrelease" {
            return Some(format!("{}\n", self.version.release()));
        }
        let pid = file.trim_end_matches("/stat").parse().ok()?;
        if self.threads().contains(&pid) {
            let rest = "0 0 0 0 0 0 0 0 0 0 0 0 7 0";
            return Some(format!(
                "{pid} (kdamond.0) S 2 0 0 0 -1 {} {rest}\n",
                0x0020_0040
            ));
        }
        let flags = if *self.processes.get(&pid)? {
            0x0020_0000
        } else {
            0
        };
        Some(format!(
            "{pid} (a) S 1 1 1 0 -1 {flags} 0 0 0 0 0 0 0 0 0 0 0 0 7 0\n"
        ))
    }

    /// Kdamonds that run.
    pub fn threads(&self) -> Vec<u32> {
        let contexts = self.contexts.values();
        contexts.filter_map(|context| context.tid).collect()
    }

    fn is_on(&self) -> bool {
        self.contexts.values().any(|context| context.tid.is_some())
    }

    fn locate(&self, file: &str) -> Result<(String, String), Errno> {
        if !self.files().iter().any(|known| known == file) {
            return Err(Errno::NOENT);
        }
        let (context, file) = file.rsplit_once('/').unwrap_or(("", file));
        Ok((context.to_owned(), file.to_owned()))
    }

    pub fn value(&self, file: &str) -> Result<String, Errno> {
        let (context, file) = self.locate(file)?;
        let context = &self.contexts[&context];
        let join = |numbers: &[u64]| {
            let words: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            words.join(" ") + "\n"
        };
        Ok(match file.as_str() {
            "attrs" => join(&context.attrs),
            "target_ids" => {
                let ids = context.targets.iter();
                let ids = ids.map(|(pid, _)| if context.paddr { 42 } else { u64::from(*pid) });
                join(&ids.collect::<Vec<_>>())
            }
            "init_regions" if context.tid.is_some() => return Err(Errno::BUSY),
            "init_regions" => {
                let mut lines = String::new();
                for (index, (pid, regions)) in context.targets.iter().enumerate() {
                    let name = match self.version.by_pid() {
                        // What that kernel shows is where its struct pid lies.
                        true if !context.paddr => 0xffff_8880_0000_0000 + u64::from(*pid) * 64,
                        true => 42,
                        false => index as u64,
                    };
                    for (start, end) in regions {
                        lines += &format!("{name} {start} {end}\n");
                    }
                }
                lines
            }
            "schemes" => {
                let stats = vec![7; self.version.stats()];
                let lines = context.schemes.iter();
                lines
                    .map(|line| join(&[line.clone(), stats.clone()].concat()))
                    .collect()
            }
            "kdamond_pid" => match context.tid {
                Some(tid) => format!("{tid}\n"),
                None => "none\n".to_owned(),
            },
            "mk_contexts" | "rm_contexts" => return Err(Errno::INVAL),
            _ if self.is_on() => "on\n".to_owned(),
            _ => "off\n".to_owned(),
        })
    }

    pub fn store(&mut self, file: &str, value: &str) -> Result<(), Errno> {
        let (name, file) = self.locate(file)?;
        let on = self.is_on();
        let word = value.split_ascii_whitespace().next().unwrap_or_default();
        match file.as_str() {
            "mk_contexts" | "rm_contexts" if word.is_empty() => return Err(Errno::INVAL),
            "mk_contexts" | "rm_contexts" if on => return Err(Errno::BUSY),
            "mk_contexts" if self.contexts.contains_key(word) => return Err(Errno::EXIST),
            "mk_contexts" => {
                self.contexts.insert(word.to_owned(), Context::new());
                return Ok(());
            }
            "rm_contexts" => {
                return self.contexts.remove(word).map(|_| ()).ok_or(Errno::NOENT);
            }
            switch if switch == self.version.switch() => return self.switch(word),
            "kdamond_pid" => return Err(Errno::INVAL),
            _ => {}
        }
        let version = self.version;
        let context = self.contexts.get_mut(&name).unwrap();
        if context.tid.is_some() {
            return Err(Errno::BUSY);
        }
        match file.as_str() {
            "attrs" => {
                let numbers: Vec<u64> = numbers(value).into_iter().take(5).collect();
                if numbers.len() != 5 || numbers[3] < 3 || numbers[3] > numbers[4] {
                    return Err(Errno::INVAL);
                }
                context.attrs = numbers;
            }
            "target_ids" => {
                // As many bytes as were written are compared: "" is the same.
                context.paddr = version > Version::V5_15 && "paddr\n".starts_with(value);
                let mut pids: Vec<u32> = Vec::new();
                if context.paddr {
                    pids.push(0);
                } else {
                    pids.extend(numbers(value).iter().take(32).map(|pid| *pid as u32));
                    if pids.iter().any(|pid| !self.processes.contains_key(pid)) {
                        return Err(Errno::NOMEM);
                    }
                }
                context.targets = pids.into_iter().map(|pid| (pid, Vec::new())).collect();
            }
            "init_regions" => {
                let result = set_regions(context, version, &numbers(value));
                if result.is_err() {
                    context
                        .targets
                        .iter_mut()
                        .for_each(|(_, regions)| regions.clear());
                }
                return result;
            }
            _ => context.schemes = schemes(&numbers(value))?,
        }
        Ok(())
    }

    fn switch(&mut self, word: &str) -> Result<(), Errno> {
        match word {
            "on" if self.contexts.values().any(|c| c.targets.is_empty()) => Err(Errno::INVAL),
            "on" if self.is_on() => Err(Errno::BUSY),
            "on" => {
                for (tid, context) in (900..).zip(self.contexts.values_mut()) {
                    context.tid = Some(tid);
                }
                Ok(())
            }
            "off" => {
                for context in self.contexts.values_mut() {
                    context.tid.take().ok_or(Errno::PERM)?;
                    if !context.paddr {
                        context.targets.clear();
                    }
                }
                Ok(())
            }
            _ => Err(Errno::INVAL),
        }
    }
}

fn set_regions(context: &mut Context, version: Version, numbers: &[u64]) -> Result<(), Errno> {
    context
        .targets
        .iter_mut()
        .for_each(|(_, regions)| regions.clear());
    for line in numbers.chunks_exact(3) {
        let (name, start, end) = (line[0], line[1], line[2]);
        if start >= end {
            return Err(Errno::INVAL);
        }
        let mut found = false;
        let paddr = context.paddr;
        for (index, (pid, regions)) in context.targets.iter_mut().enumerate() {
            let id = match version.by_pid() {
                true if paddr => 42,
                true => u64::from(*pid),
                false => index as u64,
            };
            if id == name {
                if regions.last().is_some_and(|(_, before)| *before > start) {
                    return Err(Errno::INVAL);
                }
                regions.push((start, end));
                found = true;
            }
        }
        if !found {
            return Err(Errno::INVAL);
        }
    }
    Ok(())
}

/// Stops at the first that is not complete, without a word.
fn schemes(numbers: &[u64]) -> Result<Vec<Vec<u64>>, Errno> {
    let mut schemes = Vec::new();
    for line in numbers.chunks_exact(18).take(256) {
        let mut line = line.to_vec();
        for narrow in [2, 3, 4, 5, 6, 10, 11, 12, 13] {
            line[narrow] = u64::from(line[narrow] as u32);
        }
        let ranges = [0, 2, 4].iter().all(|&at| line[at] <= line[at + 1]);
        if line[6] > 5 || !ranges || line[15] < line[16] || line[16] < line[17] {
            return Err(Errno::INVAL);
        }
        schemes.push(line);
    }
    Ok(schemes)
}
