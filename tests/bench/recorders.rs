//! The recorders, each with what makes its recording one that can be reported on.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use damo_tests::counted;

use crate::damon::{self, AGGREGATION_NS, PARAMETERS, Watched};
use crate::recordings::{self, Contents};
use crate::tree::{Tree, Used};
use crate::{aggregations, tools};

/// Who records.
#[derive(Clone, Copy, Debug, PartialEq, clap::ValueEnum)]
pub enum Recorder {
    /// `damo record`
    Ours,
    /// `damo record --summary`
    Summary,
    /// `perf record`, then `perf script`
    Perf,
    /// `trace-cmd record`, then `trace-cmd report`
    TraceCmd,
    /// damo in Python, of DAMON's reports alone
    Peer,
    /// damo in Python as it is
    PeerDefaults,
}

/// One recording.
pub struct Measured {
    /// By the recorder, until its recording can be reported on.
    pub used: Used,
    /// What it recorded.
    pub contents: Contents,
    /// Events of its kdamond, by the kernel's count.
    pub emitted: u64,
    /// The number of the first aggregation recorded, from 1.
    pub first: usize,
    /// Of how many.
    pub aggregations: usize,
    /// The kdamond's own CPU seconds per event meanwhile, where it ran long enough.
    pub kdamond_cpu: Option<f64>,
}

impl Recorder {
    /// What it is called in tables.
    pub fn name(self) -> &'static str {
        match self {
            Recorder::Ours => "damo record",
            Recorder::Summary => "damo record --summary",
            Recorder::Perf => "perf record, perf script",
            Recorder::TraceCmd => "trace-cmd record, report",
            Recorder::Peer => "damo in Python, access only",
            Recorder::PeerDefaults => "damo in Python, defaults",
        }
    }

    /// What says which version it is.
    pub fn version(self) -> Vec<String> {
        match self {
            Recorder::Ours | Recorder::Summary => {
                vec!["damo".to_owned(), "--version".to_owned()]
            }
            Recorder::Perf => tools::command(&["perf", "--version"]),
            Recorder::TraceCmd => tools::command(&["trace-cmd", "--version"]),
            Recorder::Peer | Recorder::PeerDefaults => tools::peer(&["version"]),
        }
    }

    /// Records for `seconds`, alone.
    ///
    /// # Errors
    /// It failed, or recorded nothing.
    pub fn measure(self, seconds: u64) -> Result<Measured> {
        damon::clear();
        let ram = damo_user::sys::iomem::system_ram()?;
        if matches!(self, Recorder::Perf | Recorder::TraceCmd) {
            damon::set_up()?;
        }
        counted::start()?;
        aggregations::start(self.clock(), &ram)?;
        let file = Path::new("/tmp/recorded");
        let (said, text) = (Path::new("/tmp/said"), Path::new("/tmp/text"));

        let mut tree = Tree::new()?;
        tree.start(&self.record(seconds, &ram), said)?;
        let mut alive = || tree.watch(Duration::ZERO);
        let tid = match damon::kdamond(&mut alive) {
            Ok(tid) => tid,
            Err(_) => {
                tree.wait(said)?;
                anyhow::bail!("{} ended without DAMON", self.name());
            }
        };
        tree.watch(Duration::from_secs(1))?;
        let watched = Watched::begin(tid).ok();
        tree.watch(Duration::from_secs(seconds) / 2)?;
        let kdamond_cpu = watched.and_then(|watched| watched.cpu_per_event().ok());
        tree.wait(said)?;
        if let Some(convert) = self.convert() {
            tree.start(&convert, text)?;
            tree.wait(text)?;
        }
        let used = tree.used()?;
        damon::clear();

        let emitted = damon::emitted(tid)?;
        let contents = match self.convert() {
            Some(_) => recordings::text(text, file),
            None => recordings::record(file),
        };
        let contents = contents.with_context(|| self.name())?;
        ensure!(
            contents.samples <= emitted,
            "{}: {} samples of {emitted} events",
            self.name(),
            contents.samples
        );
        let times = aggregations::times()?;
        // Clocks of two CPUs may differ a little.
        let before = contents.first_ns.saturating_sub(AGGREGATION_NS / 2);
        Ok(Measured {
            used,
            contents,
            emitted,
            first: times.partition_point(|time| *time < before) + 1,
            aggregations: times.len(),
            // Its tracer starts only later.
            kdamond_cpu: kdamond_cpu.filter(|_| !self.is_peer()),
        })
    }

    /// Whether it is this project's.
    pub fn is_ours(self) -> bool {
        matches!(self, Recorder::Ours | Recorder::Summary)
    }

    fn is_peer(self) -> bool {
        matches!(self, Recorder::Peer | Recorder::PeerDefaults)
    }

    /// The clock of its recordings, by the name that tracefs gives it.
    fn clock(self) -> &'static str {
        match self {
            Recorder::Ours | Recorder::Summary => "mono",
            _ => "local",
        }
    }

    fn record(self, seconds: u64, ram: &[(u64, u64)]) -> Vec<String> {
        let event = ["-e", "damon:damon_aggregated"];
        let out = ["-o", "/tmp/recorded"];
        let timeout = seconds.to_string();
        let timeout = ["--timeout", &timeout];
        let script = damon::on_for(seconds);
        let on = ["sh", "-c", &script];
        let regions: Vec<_> = ram.iter().map(|(a, b)| format!("{a}-{b}")).collect();
        let regions = ["-r", &regions.join(" ")];
        let peer = |what: &[&str]| {
            let words: [&[&str]; 7] = [
                &["record"],
                what,
                &out,
                &timeout,
                &PARAMETERS,
                &regions,
                &["paddr"],
            ];
            tools::peer(&words.concat())
        };
        let ours = |more: &[&str]| {
            let words: [&[&str]; 6] = [
                &["damo", "record"],
                more,
                &out,
                &timeout,
                &PARAMETERS,
                &["paddr"],
            ];
            words.concat().into_iter().map(str::to_owned).collect()
        };
        match self {
            Recorder::Ours => ours(&[]),
            Recorder::Summary => ours(&["--summary"]),
            Recorder::Perf => {
                let words: [&[&str]; 4] = [&["perf", "record", "-a", "-q"], &event, &out, &on];
                tools::command(&words.concat())
            }
            Recorder::TraceCmd => {
                let words: [&[&str]; 4] = [&["trace-cmd", "record", "-q"], &event, &out, &on];
                tools::command(&words.concat())
            }
            Recorder::Peer => peer(&["--do_record", "access"]),
            Recorder::PeerDefaults => peer(&[]),
        }
    }

    fn convert(self) -> Option<Vec<String>> {
        match self {
            Recorder::Perf => Some(tools::command(&["perf", "script", "-i", "/tmp/recorded"])),
            Recorder::TraceCmd => Some(tools::command(&[
                "trace-cmd",
                "report",
                "-i",
                "/tmp/recorded",
            ])),
            _ => None,
        }
    }
}
