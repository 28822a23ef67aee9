//! Packages with all that they depend on, as a folder of files.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{Archive, output, unpack};

impl Archive<'_> {
    /// Unpacks the newest of these packages, and all that they depend on, into
    /// `dir`. Nothing of them is run. Fetches the suites' lists first.
    ///
    /// # Errors
    /// Among others: the suites have no such package.
    pub fn unpack_with_dependencies(&self, packages: &[&str], dir: &Path) -> Result<()> {
        self.packages()?;
        let apt = self.apt_as_updated()?;
        let plan = output(
            apt.command("apt-get")
                .args(["-qq", "--simulate", "--no-install-recommends", "install"])
                .args(packages),
        )?;
        let exact: Vec<String> = parse_plan(&plan).collect();
        ensure!(!exact.is_empty(), "apt-get would install nothing: {plan}");
        eprintln!(
            "fetching {} packages for {}",
            exact.len(),
            packages.join(", ")
        );
        let debs = tempfile::tempdir_in(self.cache.dir("debs")?)?;
        output(
            apt.command("apt-get")
                .args(["-qq", "download"])
                .args(&exact)
                .current_dir(debs.path()),
        )?;
        for deb in fs::read_dir(debs.path())? {
            let deb = deb?.path();
            unpack(&deb, dir).with_context(|| deb.display().to_string())?;
        }
        Ok(())
    }
}

/// `NAME=VERSION` of each line like `Inst python3 (3.13.5-1 Debian:13.8/stable [amd64])`.
fn parse_plan(plan: &str) -> impl Iterator<Item = String> {
    plan.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("Inst ")?.split_once(" (")?;
        Some(format!("{name}={}", rest.split(' ').next()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_installed_is_downloaded() {
        let plan = "Inst libc6 (2.41-12 Debian:13.8/stable [amd64]) []\n\
            Inst trace-cmd (3.3.1-1+b1 Debian:13.8/stable [amd64])\n\
            Conf libc6 (2.41-12 Debian:13.8/stable [amd64])\n";
        let exact: Vec<_> = parse_plan(plan).collect();
        assert_eq!(exact, ["libc6=2.41-12", "trace-cmd=3.3.1-1+b1"]);
    }
}
