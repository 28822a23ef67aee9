//! Debian's cloud kernels, and one that is built, pinned by `xtask/kernels.lock`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::build;
use crate::built;
use crate::cache::{self, Cache};
use crate::debian::{self, Archive, Package};

/// The lines everything is tested on, oldest first.
pub const MATRIX: [&str; 4] = ["6.12", "6.17", "7.2", "7.3"];

/// The newest of them.
pub const NEWEST: &str = "7.3";

/// Where lines are looked for, one set of suites after the other: the small
/// lists first.
const SUITES: [&[&str]; 2] = [&["trixie-backports", "bookworm-backports"], &["trixie"]];

/// A kernel to boot.
pub struct Kernel {
    /// `6.12`
    pub line: String,
    /// The package it is from, with its version.
    pub package: String,
    /// Its vmlinuz.
    pub image: PathBuf,
}

/// How kernels are chosen and fetched.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Fetch {
    /// Fetch kernels from this Debian archive instead of the one this machine uses
    #[arg(long, value_name = "URI")]
    pub mirror: Option<String>,
    /// Take the newest kernels there are, and pin them in xtask/kernels.lock
    #[arg(long)]
    pub update_lock: bool,
}

#[derive(Default, Deserialize, Serialize)]
struct Lock {
    #[serde(default)]
    kernel: Vec<Pin>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Pin {
    line: String,
    package: String,
    version: String,
    file: String,
    sha256: String,
}

/// The lines a `--kernel` option means: one, or `all` of them.
pub fn lines(option: &str) -> Result<Vec<String>> {
    if option == "all" {
        return Ok(MATRIX.map(str::to_owned).to_vec());
    }
    ensure!(
        parse_line(option).is_some() || option == built::LINE,
        "--kernel {option}: give {}, {} or all",
        MATRIX.join(", "),
        built::LINE
    );
    Ok(vec![option.to_owned()])
}

/// Finds, fetches and unpacks (or builds) the kernel of a line.
pub fn get(cache: &Cache, line: &str, fetch: &Fetch) -> Result<Kernel> {
    // A build takes minutes: only those who want its kernel wait for it.
    let building = (line == built::LINE).then(|| cache.hold("build.lock"));
    let building = building.transpose()?;
    let filling = cache.fill()?;
    let mut lock = Lock::read()?;
    let pin = lock.kernel.iter().find(|pin| pin.line == line).cloned();
    if let Some(pin) = pin.as_ref().filter(|_| !fetch.update_lock)
        && let Some(deb) = pin.cached(cache)?
    {
        if building.is_some() {
            drop(filling);
        }
        return pin.unpack(cache, &deb);
    }
    let (chosen, deb) = resolve(cache, line, pin.as_ref(), fetch)?;
    if fetch.update_lock && pin.as_ref() != Some(&chosen) {
        eprintln!("kernels.lock: {line} is {} now", chosen.version);
        lock.set(chosen.clone());
        lock.write()?;
    }
    if building.is_some() {
        drop(filling);
    }
    chosen.unpack(cache, &deb)
}

/// Chooses what to use of what the archive has, and downloads it.
fn resolve(cache: &Cache, line: &str, pin: Option<&Pin>, fetch: &Fetch) -> Result<(Pin, PathBuf)> {
    let all_suites = suites(line);
    for suites in all_suites {
        let archive = Archive::new(cache, suites, fetch.mirror.as_deref());
        let packages = archive.packages()?;
        let pinned = pin.filter(|_| !fetch.update_lock).and_then(|pin| {
            packages
                .iter()
                .find(|p| p.name == pin.package && p.version == pin.version)
        });
        if let (Some(pin), Some(package)) = (pin, pinned) {
            ensure!(
                package.sha256 == pin.sha256,
                "{}: the archive's sha256 is {}, not kernels.lock's {}",
                pin.file,
                package.sha256,
                pin.sha256
            );
            return Ok((pin.clone(), archive.fetch(package)?));
        }
        let Some(newest) = debian::newest(packages.iter().filter(|p| is_of_line(&p.name, line)))?
        else {
            continue;
        };
        if let Some(pin) = pin.filter(|_| !fetch.update_lock) {
            eprintln!(
                "kernels.lock: {} {} is gone from the archive: using {} {} (--update-lock pins it)",
                pin.package, pin.version, newest.name, newest.version
            );
        }
        return Ok((Pin::new(line, newest), archive.fetch(newest)?));
    }
    anyhow::bail!(
        "there is no cloud kernel {line} in Debian's {}",
        all_suites.concat().join(", ")
    )
}

fn suites(line: &str) -> &'static [&'static [&'static str]] {
    if line == built::LINE {
        &built::SUITES
    } else {
        &SUITES
    }
}

/// Whether a package holds a bootable cloud kernel of a line, or the sources of
/// the one to build. Since 6.19 that is `linux-binary-*`, and `linux-image-*` is
/// without the image.
fn is_of_line(name: &str, line: &str) -> bool {
    if line == built::LINE {
        return name == built::PACKAGE;
    }
    let Some((major, minor)) = parse_line(line) else {
        return false;
    };
    let prefixes: &[&str] = if (major, minor) < (6, 19) {
        &["linux-image-"]
    } else {
        &["linux-binary-", "linux-binary-unsigned-"]
    };
    prefixes.iter().any(|prefix| {
        name.strip_prefix(prefix)
            .and_then(|rest| rest.strip_prefix(line))
            .and_then(|rest| rest.strip_suffix("-cloud-amd64"))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '+', '-', '~']))
    })
}

fn parse_line(line: &str) -> Option<(u32, u32)> {
    let (major, minor) = line.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

impl Pin {
    fn new(line: &str, package: &Package) -> Self {
        Self {
            line: line.to_owned(),
            package: package.name.clone(),
            version: package.version.clone(),
            file: package.file(),
            sha256: package.sha256.clone(),
        }
    }

    fn kernel(&self, image: PathBuf) -> Kernel {
        Kernel {
            line: self.line.clone(),
            package: format!("{} {}", self.package, self.version),
            image,
        }
    }

    /// The bytes it is made from name the folder: what is there was verified.
    fn image(&self, cache: &Cache) -> Result<PathBuf> {
        let digest = self.sha256.get(..16).unwrap_or(&self.sha256);
        let mut name = format!("kernels/{}-{digest}", self.line);
        if self.line == built::LINE {
            let config = cache::sha256(&built::config())?;
            name = format!("{name}-{}", config.get(..16).unwrap_or(&config));
        }
        Ok(cache.dir(&name)?.join("vmlinuz"))
    }

    /// The package, if it or the kernel from it is in the cache.
    fn cached(&self, cache: &Cache) -> Result<Option<PathBuf>> {
        let deb = cache.dir("debs")?.join(&self.file);
        if self.image(cache)?.exists() {
            return Ok(Some(deb));
        }
        if !deb.exists() {
            return Ok(None);
        }
        debian::verify(&deb, &self.sha256)?;
        Ok(Some(deb))
    }

    fn unpack(&self, cache: &Cache, deb: &Path) -> Result<Kernel> {
        let image = self.image(cache)?;
        if !image.exists() {
            // Beside its place, so that the last step is an atomic rename.
            let parent = image.parent().context("the cache has no folder")?;
            let dir = tempfile::tempdir_in(parent)?;
            debian::unpack(deb, dir.path())?;
            let found = if self.line == built::LINE {
                built::build(dir.path())?
            } else {
                find_image(dir.path())
                    .with_context(|| format!("{}: no vmlinuz in it", deb.display()))?
            };
            fs::rename(found, &image)?;
        }
        Ok(self.kernel(image))
    }
}

/// `boot/vmlinuz-*` up to 7.1, `usr/lib/modules/*/vmlinuz*` from 7.2.
fn find_image(dir: &Path) -> Option<PathBuf> {
    let entries = |dir: PathBuf| {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        entries.map(|entry| entry.path())
    };
    let modules = entries(dir.join("usr/lib/modules")).flat_map(entries);
    entries(dir.join("boot")).chain(modules).find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("vmlinuz") && path.is_file()
    })
}

impl Lock {
    fn path() -> PathBuf {
        build::root().join("xtask/kernels.lock")
    }

    fn read() -> Result<Self> {
        let path = Self::path();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        toml::from_str(&text).with_context(|| path.display().to_string())
    }

    fn set(&mut self, pin: Pin) {
        self.kernel.retain(|old| old.line != pin.line);
        self.kernel.push(pin);
        self.kernel.sort_by_key(|pin| parse_line(&pin.line));
    }

    fn write(&self) -> Result<()> {
        let text = format!(
            "# The guests' kernels. Written by `cargo xtask guest --kernel all --update-lock`.\n\n{}",
            toml::to_string(self)?
        );
        fs::write(Self::path(), text).with_context(|| Self::path().display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_packages_with_the_image_are_of_a_line() {
        for (name, line) in [
            ("linux-image-6.12.9+bpo-cloud-amd64", "6.12"),
            ("linux-image-6.17.13+deb13-cloud-amd64", "6.17"),
            ("linux-binary-7.2.12+deb13-cloud-amd64", "7.2"),
            ("linux-binary-unsigned-7.3.4+deb13-cloud-amd64", "7.3"),
            ("linux-source-6.1", "6.1-debugfs"),
        ] {
            assert!(is_of_line(name, line), "{name}");
        }
        for (name, line) in [
            ("linux-image-6.12.9-cloud-amd64-dbg", "6.12"),
            ("linux-image-6.12.9-cloud-amd64-unsigned", "6.12"),
            ("linux-image-6.12.9-amd64", "6.12"),
            ("linux-image-6.1.9-cloud-amd64", "6.12"),
            ("linux-image-6.12.9-cloud-amd64", "6.1"),
            ("linux-image-7.2.12+deb13-cloud-amd64", "7.2"),
            ("linux-image-cloud-amd64", "7.2"),
            ("linux-source-6.1", "6.1"),
            ("linux-source-6.1-rt", "6.1-debugfs"),
        ] {
            assert!(!is_of_line(name, line), "{name} {line}");
        }
    }

    #[test]
    fn the_lock_keeps_one_pin_per_line_in_order() {
        let pin = |line: &str, version: &str| Pin {
            line: line.to_owned(),
            package: "p".to_owned(),
            version: version.to_owned(),
            file: "p.deb".to_owned(),
            sha256: "00".to_owned(),
        };
        let mut lock = Lock::default();
        for (line, version) in [("7.2", "1"), ("6.17", "1"), ("6.9", "1"), ("7.2", "2")] {
            lock.set(pin(line, version));
        }
        let text = toml::to_string(&lock).unwrap();
        let lock: Lock = toml::from_str(&text).unwrap();
        assert_eq!(
            lock.kernel,
            [pin("6.9", "1"), pin("6.17", "1"), pin("7.2", "2")]
        );
    }

    #[test]
    fn the_lock_in_the_repo_pins_what_is_tested_on() {
        let lock = Lock::read().unwrap();
        for line in MATRIX.into_iter().chain([built::LINE]) {
            let pin = lock.kernel.iter().find(|pin| pin.line == line).unwrap();
            assert!(is_of_line(&pin.package, line), "{pin:?}");
            assert_eq!(pin.sha256.len(), 64);
        }
    }

    #[test]
    fn lines_are_numbers_or_names() {
        assert_eq!(lines("all").unwrap(), MATRIX);
        assert!(!lines("all").unwrap().contains(&built::LINE.to_owned()));
        assert_eq!(lines("7.1").unwrap(), ["7.1"]);
        assert_eq!(lines(built::LINE).unwrap(), [built::LINE]);
        assert!(lines("new").is_err());
    }
}
