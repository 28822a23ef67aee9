//! `report sysinfo` and `features`: what this kernel's DAMON can do.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::control::Module;
use crate::control::features::{Evidence, Feature, Found, Group, Look, Visible};
use crate::control::module::Version;

/// What is known of a kernel's DAMON.
#[derive(Clone, Debug)]
pub struct Sysinfo {
    /// Our version.
    pub damo: &'static str,
    /// The kernel's release.
    pub kernel: String,
    /// Every feature.
    pub features: Vec<Found>,
    /// File systems with where they are mounted, `None` for those that are not.
    pub file_systems: [(&'static str, Option<String>); 3],
    /// What to do when there is no DAMON.
    pub advice: Vec<String>,
}

/// A part of `report sysinfo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Versions of damo, kernel and DAMON.
    Versions,
    /// Where the kernel's file systems are.
    FileSystems,
    /// Features of a group that are there.
    Group(Group),
    /// Features of all groups that are there.
    Available,
    /// Features that are not there.
    Unavailable,
}

impl Sysinfo {
    /// Looks at a kernel.
    pub fn of(look: &Look) -> Sysinfo {
        let at = |visible, path: &str| match visible {
            Visible::Yes => Some(path.to_owned()),
            Visible::Refused => Some(format!("{path} (for root only)")),
            Visible::No => None,
        };
        Sysinfo {
            damo: env!("CARGO_PKG_VERSION"),
            kernel: look.release().to_owned(),
            features: look.features(),
            file_systems: [
                ("sysfs", at(look.sysfs(), "/sys")),
                ("tracefs", at(look.tracefs(), "/sys/kernel/tracing")),
                ("debugfs", at(look.debugfs(), "/sys/kernel/debug")),
            ],
            advice: match look.has_damon() {
                true => Vec::new(),
                false => no_damon(look),
            },
        }
    }

    /// Prints sections. A DAMON that is missing is said with the versions.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn write(&self, out: &mut dyn Write, sections: &[Section]) -> io::Result<()> {
        for section in sections {
            match *section {
                Section::Versions => self.write_versions(out)?,
                Section::FileSystems => {
                    for (name, place) in &self.file_systems {
                        let place = place.as_deref().unwrap_or("not mounted");
                        writeln!(out, "{name}: {place}")?;
                    }
                }
                Section::Group(group) => {
                    let title = format!("available {} features:", group_title(group));
                    let of_group = |found: &&Found| found.feature.group == group;
                    self.write_list(out, &title, |found| found.available && of_group(&found))?;
                }
                Section::Available => {
                    self.write_list(out, "available DAMON features:", |found| found.available)?;
                }
                Section::Unavailable => {
                    let title = "unavailable DAMON features:";
                    self.write_list(out, title, |found| !found.available)?;
                }
            }
        }
        Ok(())
    }

    fn write_versions(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "damo version: {}", self.damo)?;
        writeln!(out, "kernel version: {}", self.kernel)?;
        let damon = match Look::damon_version(&self.features) {
            Some(version) => version.to_string(),
            None => "<5.15".to_owned(),
        };
        writeln!(out, "DAMON version: {damon}")?;
        self.advice
            .iter()
            .try_for_each(|line| writeln!(out, "{line}"))
    }

    fn write_list(
        &self,
        out: &mut dyn Write,
        title: &str,
        wanted: impl Fn(&Found) -> bool,
    ) -> io::Result<()> {
        let wanted: Vec<&Found> = self.features.iter().filter(|found| wanted(found)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        writeln!(out, "{title}")?;
        for found in wanted {
            let name = found.feature.full_name();
            let merged = merged(&found.feature);
            let inferred = match found.evidence {
                Evidence::Inferred => ", inferred",
                Evidence::Seen | Evidence::NoInterface => "",
            };
            writeln!(out, "- {name} ({merged}{inferred})")?;
        }
        Ok(())
    }
}

fn group_title(group: Group) -> String {
    match group {
        Group::Interface => "DAMON interface".to_owned(),
        Group::Module(module) => module.to_string(),
        other => other.name().to_owned(),
    }
}

fn merged(feature: &Feature) -> String {
    match feature.until {
        None => format!("merged in v{}", feature.since),
        Some(until) => format!("merged in v{}, removed in v{until}", feature.since),
    }
}

/// One object per feature, by full name.
pub fn features_json(found: &[Found]) -> Value {
    let entries = found.iter().map(|found| {
        let Feature { since, until, .. } = found.feature;
        let entry = json!({
            "available": found.available,
            "since": since.to_string(),
            "until": until.map(|until| until.to_string()),
            "inferred": found.evidence == Evidence::Inferred,
        });
        (found.feature.full_name(), entry)
    });
    entries.collect::<serde_json::Map<String, Value>>().into()
}

/// That there is no DAMON, and in the next lines what can be done.
pub fn no_damon(look: &Look) -> Vec<String> {
    let mut lines = vec!["DAMON is not available on this system.".to_owned()];
    if look.sysfs() == Visible::No {
        lines.push(
            "- sysfs is not to be seen at /sys; mount it, or look outside of this container"
                .to_owned(),
        );
    }
    match look.version() {
        Some(version) if version < Version(5, 15) => lines.push(format!(
            "- Linux {version} does not have DAMON; boot 5.18 or later"
        )),
        Some(version) if version < Version(5, 18) && look.debugfs() != Visible::Yes => lines.push(
            "- before 5.18, DAMON is in debugfs only: mount -t debugfs debugfs /sys/kernel/debug"
                .to_owned(),
        ),
        _ => {}
    }
    let modules: Vec<String> = Module::ALL.iter().map(|module| module.config()).collect();
    lines.push(format!(
        "- boot a kernel that is built with CONFIG_DAMON, CONFIG_DAMON_VADDR, CONFIG_DAMON_PADDR and CONFIG_DAMON_SYSFS, and best {}",
        modules.join(", ")
    ));
    let release = look.release();
    lines.push(format!(
        "- `grep DAMON /boot/config-{release}` or `zgrep DAMON /proc/config.gz` shows how this one is built; who provides it may have one with DAMON"
    ));
    lines.push("- `damo report` reads records that were made elsewhere, without DAMON".to_owned());
    lines
}
