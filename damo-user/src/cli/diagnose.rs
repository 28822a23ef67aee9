//! `damo diagnose`: what works here, what stands in the way, and what to do.

use std::io::{self, Write};

use super::Outcome;
use crate::control::features::{Evidence, Look, Visible};
use crate::control::module::{Control, Version};
use crate::control::{FileError, Module, System, others};
use crate::render::no_damon;

/// Whether DAMON can be used here, and what stands in the way
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name every feature that is missing, too
    #[arg(long)]
    verbose: bool,
}

/// How good a finding is.
#[derive(Clone, Copy)]
enum Mark {
    Good,
    Note,
    Bad,
}

struct Findings<'a> {
    out: &'a mut dyn Write,
}

impl Findings<'_> {
    fn say(&mut self, mark: Mark, text: &str) -> io::Result<()> {
        let mark = match mark {
            Mark::Good => "ok  ",
            Mark::Note => "note",
            Mark::Bad => "BAD ",
        };
        writeln!(self.out, "{mark} {text}")
    }
}

/// Runs the command.
///
/// # Errors
/// `out` cannot be written.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let look = Look::live();
    let system = System::live();
    let mut findings = Findings { out };
    interfaces(&mut findings, &look)?;
    if look.has_damon() {
        users(&mut findings, &system)?;
    }
    if system.is_root {
        findings.say(Mark::Good, "we are root, who may use DAMON")?;
    } else {
        findings.say(
            Mark::Bad,
            "only root may use DAMON: run damo with sudo (reports of records need no root)",
        )?;
    }
    recording(&mut findings, &look)?;
    if args.verbose {
        for found in look.features().iter().filter(|found| !found.available) {
            let how = match found.evidence {
                Evidence::Inferred => ", going by the kernel's version",
                Evidence::Seen | Evidence::NoInterface => "",
            };
            let text = format!(
                "{} is missing{how}; it is there since Linux {}",
                found.feature.full_name(),
                found.feature.since
            );
            findings.say(Mark::Note, &text)?;
        }
    }
    Ok(Outcome::Done)
}

fn interfaces(findings: &mut Findings<'_>, look: &Look) -> io::Result<()> {
    let release = look.release();
    if !look.has_damon() {
        let mut lines = no_damon(look).into_iter();
        let first = lines.next().unwrap_or_default();
        findings.say(Mark::Bad, &format!("{first} (Linux {release})"))?;
        return lines.try_for_each(|line| writeln!(findings.out, "     {line}"));
    }
    let version = Look::damon_version(&look.features()).unwrap_or(Version(5, 15));
    let text = format!("Linux {release} has DAMON, with the features of Linux {version}");
    findings.say(Mark::Good, &text)?;
    if look.exists("sys/kernel/mm/damon/admin") {
        findings.say(
            Mark::Good,
            "the sysfs interface is there: /sys/kernel/mm/damon/admin",
        )
    } else if look.exists("sys/kernel/debug/damon/attrs") {
        findings.say(
            Mark::Note,
            "only the old debugfs interface is there: /sys/kernel/debug/damon; boot 5.18 or later with CONFIG_DAMON_SYSFS",
        )
    } else {
        findings.say(
            Mark::Bad,
            "no interface is there, only modules; boot a kernel with CONFIG_DAMON_SYSFS",
        )
    }
}

/// Who uses DAMON now.
fn users(findings: &mut Findings<'_>, system: &System) -> io::Result<()> {
    let mut known = Vec::new();
    let (mut modules, mut unnamed) = (0, 0);
    for module in Module::ALL {
        let Ok(control) = Control::live(module) else {
            continue;
        };
        let short = module.short_name();
        match control.running() {
            Ok(running) if running.enabled => {
                modules += 1;
                match running.kdamond {
                    Some(thread) => known.push(thread.tid),
                    None => unnamed += 1,
                }
                let remedy = match module {
                    Module::Stat => "`damo record --pause-damon-stat` pauses it".to_owned(),
                    _ => format!("`damo module {short} disable --force` ends it"),
                };
                let text = format!("{module} runs and lets nobody else use DAMON; {remedy}");
                findings.say(Mark::Note, &text)?;
            }
            Ok(_) => {}
            Err(error) => findings.say(Mark::Note, &error.to_string())?,
        }
    }
    match others::kdamonds(system) {
        Ok(kdamonds) => {
            for kdamond in &kdamonds {
                known.extend(kdamond.tid);
                let text = format!("{kdamond} of the sysfs interface is on; leave it to its owner");
                findings.say(Mark::Note, &text)?;
            }
        }
        Err(FileError::Busy { waited, .. }) => {
            let text = format!(
                "DAMON's lock was held for {:.1} s; if it stays so, look for a kernel BUG in dmesg",
                waited.as_secs_f64()
            );
            findings.say(Mark::Bad, &text)?;
        }
        Err(error) => findings.say(Mark::Note, &error.to_string())?,
    }
    let threads = others::kdamond_threads(system).unwrap_or_default();
    let unknown: Vec<u32> = threads
        .iter()
        .copied()
        .filter(|tid| !known.contains(tid))
        .collect();
    // A module that does not name its thread has one nevertheless.
    if unknown.len() > unnamed {
        for tid in &unknown {
            let text = format!(
                "the kdamond thread {tid} runs, and who started it cannot be seen (as root, more can)"
            );
            findings.say(Mark::Note, &text)?;
        }
    }
    if threads.is_empty() && modules == 0 {
        findings.say(Mark::Good, "nobody uses DAMON now")?;
    }
    Ok(())
}

/// What recording needs besides DAMON.
fn recording(findings: &mut Findings<'_>, look: &Look) -> io::Result<()> {
    match look.tracefs() {
        Visible::Yes if look.exists("sys/kernel/tracing/events/damon/damon_aggregated") => {
            findings.say(Mark::Good, "tracefs has DAMON's tracepoints")?;
        }
        Visible::Yes => findings.say(
            Mark::Bad,
            "tracefs has no damon_aggregated; boot a kernel with CONFIG_DAMON and CONFIG_TRACEPOINTS",
        )?,
        Visible::Refused => findings.say(
            Mark::Note,
            "tracefs is for root only; run with sudo to see DAMON's tracepoints",
        )?,
        Visible::No => findings.say(
            Mark::Bad,
            "tracefs is not mounted, which `damo record` needs: mount -t tracefs tracefs /sys/kernel/tracing",
        )?,
    }
    match look.exists("proc/sys/kernel/unprivileged_bpf_disabled") {
        true => findings.say(Mark::Good, "the kernel has BPF")?,
        false => findings.say(
            Mark::Bad,
            "the kernel has no BPF, which `damo record` needs; boot one with CONFIG_BPF_SYSCALL",
        )?,
    }
    match look.exists("sys/kernel/btf/vmlinux") {
        true => findings.say(Mark::Good, "the kernel has BTF"),
        false => findings.say(
            Mark::Note,
            "the kernel has no BTF (CONFIG_DEBUG_INFO_BTF); `damo record` does without",
        ),
    }
}
