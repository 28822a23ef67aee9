//! Debian packages of any suite, fetched and unpacked without installing.
//!
//! The archive's address comes from this machine's own apt sources; a private
//! sources file, list folder and configuration keep apt from touching the
//! machine's own state. Signatures are checked against Debian's keyring.

use std::cmp::Ordering;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::cache::{Cache, sha256};

mod tree;

/// A package as an archive's list describes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Package {
    /// `linux-image-6.12.9-cloud-amd64`
    pub name: String,
    /// `6.12.9-1`
    pub version: String,
    /// `amd64` or `all`
    pub architecture: String,
    /// Of the .deb, in hex.
    pub sha256: String,
}

impl Package {
    /// The name apt gives the .deb.
    pub fn file(&self) -> String {
        let version = self.version.replace(':', "%3a");
        format!("{}_{version}_{}.deb", self.name, self.architecture)
    }
}

/// Some suites of Debian's archive.
pub struct Archive<'a> {
    cache: &'a Cache,
    suites: &'a [&'a str],
    mirror: Option<&'a str>,
}

impl<'a> Archive<'a> {
    /// `mirror` instead of the one this machine uses; `$DAMO_MIRROR` otherwise.
    pub fn new(cache: &'a Cache, suites: &'a [&'a str], mirror: Option<&'a str>) -> Self {
        Self {
            cache,
            suites,
            mirror,
        }
    }

    /// Fetches the suites' lists: what there is now.
    pub fn packages(&self) -> Result<Vec<Package>> {
        let mirrors = match (self.mirror, std::env::var("DAMO_MIRROR")) {
            (Some(mirror), _) => vec![mirror.to_owned()],
            (None, Ok(mirror)) => vec![mirror],
            (None, Err(_)) => mirrors()?,
        };
        let mut refusal = None;
        for mirror in &mirrors {
            let apt = self.apt(mirror)?;
            // Any-error: by default an unreachable archive is only a warning.
            match output(
                apt.command("apt-get")
                    .args(["--error-on=any", "-qq", "update"]),
            ) {
                Ok(_) => return apt.packages(),
                Err(error) => refusal = Some(error),
            }
        }
        Err(refusal.unwrap_or_else(|| {
            anyhow::anyhow!("no Debian archive in this machine's apt sources: give --mirror URI")
        }))
        .with_context(|| format!("cannot list Debian's {}", self.suites.join(", ")))
    }

    /// Downloads a package of [`Archive::packages`], or takes it from the cache.
    ///
    /// # Errors
    /// Among others: the bytes are not those the list promised.
    pub fn fetch(&self, package: &Package) -> Result<PathBuf> {
        let debs = self.cache.dir("debs")?;
        let deb = debs.join(package.file());
        if !deb.exists() {
            eprintln!("fetching {} {}", package.name, package.version);
            let fresh = tempfile::tempdir_in(&debs)?;
            let exact = format!(
                "{}:{}={}",
                package.name, package.architecture, package.version
            );
            output(
                self.apt_as_updated()?
                    .command("apt-get")
                    .args(["-qq", "download", &exact])
                    .current_dir(fresh.path()),
            )?;
            fs::rename(fresh.path().join(package.file()), &deb)
                .with_context(|| format!("apt-get did not leave {}", package.file()))?;
        }
        verify(&deb, &package.sha256)?;
        Ok(deb)
    }

    fn apt_as_updated(&self) -> Result<Apt> {
        Ok(Apt {
            dir: self.cache.dir(&format!("apt/{}", self.suites.join("+")))?,
        })
    }

    fn apt(&self, mirror: &str) -> Result<Apt> {
        let apt = self.apt_as_updated()?;
        for folder in ["lists/partial", "archives/partial"] {
            fs::create_dir_all(apt.dir.join(folder))?;
        }
        let keyring = ["gpg", "pgp"]
            .map(|kind| format!("/usr/share/keyrings/debian-archive-keyring.{kind}"))
            .into_iter()
            .find(|path| Path::new(path).exists())
            .context("Debian's keys are missing: apt-get install debian-archive-keyring")?;
        // Targets: without it, packages like appstream make apt fetch more.
        fs::write(
            apt.sources(),
            format!(
                "Types: deb\nURIs: {mirror}\nSuites: {}\nComponents: main\nArchitectures: amd64\nTargets: Packages\nSigned-By: {keyring}\n",
                self.suites.join(" "),
            ),
        )?;
        // The machine's own hooks are not ours to run.
        fs::write(
            apt.conf(),
            "#clear APT::Update::Pre-Invoke;\n#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n",
        )?;
        Ok(apt)
    }
}

/// A private apt, all of its state in one folder.
struct Apt {
    dir: PathBuf,
}

impl Apt {
    fn sources(&self) -> PathBuf {
        self.dir.join("private.sources")
    }

    fn conf(&self) -> PathBuf {
        self.dir.join("conf")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("-c").arg(self.conf());
        for (key, value) in [
            ("Dir::Etc::sourcelist", self.sources().as_path()),
            ("Dir::Etc::sourceparts", Path::new("-")),
            ("Dir::Etc::preferences", Path::new("/dev/null")),
            ("Dir::Etc::preferencesparts", Path::new("-")),
            ("Dir::State", self.dir.as_path()),
            ("Dir::State::lists", &self.dir.join("lists")),
            ("Dir::State::status", Path::new("/dev/null")),
            ("Dir::Cache", self.dir.as_path()),
            ("Dir::Cache::archives", &self.dir.join("archives")),
            // The cache may lie where apt's own user cannot reach.
            ("APT::Sandbox::User", Path::new("root")),
        ] {
            command.arg("-o").arg(format!("{key}={}", value.display()));
        }
        command
    }

    fn packages(&self) -> Result<Vec<Package>> {
        let targets = output(self.command("apt-get").args([
            "indextargets",
            "--format",
            "$(FILENAME)",
            "Created-By: Packages",
        ]))?;
        let mut packages = Vec::new();
        for file in targets.lines() {
            let list = output(Command::new("/usr/lib/apt/apt-helper").args(["cat-file", file]))?;
            packages.extend(parse_packages(&list));
        }
        Ok(packages)
    }
}

/// Downloads one package of the suites by its name, the newest one unless a
/// version is given. A version that is in the cache is taken from there, asking
/// nobody: [`verify`] it if it is pinned.
pub fn download(
    cache: &Cache,
    suites: &[&str],
    name: &str,
    version: Option<&str>,
) -> Result<PathBuf> {
    let _filling = cache.fill()?;
    if let Some(version) = version {
        for architecture in ["amd64", "all"] {
            let package = Package {
                name: name.to_owned(),
                version: version.to_owned(),
                architecture: architecture.to_owned(),
                ..Package::default()
            };
            let deb = cache.dir("debs")?.join(package.file());
            if deb.exists() {
                return Ok(deb);
            }
        }
    }
    let archive = Archive::new(cache, suites, None);
    let packages = archive.packages()?;
    let fitting = packages
        .iter()
        .filter(|p| p.name == name && version.is_none_or(|v| v == p.version));
    let package = newest(fitting)?.with_context(|| {
        format!(
            "{name} {} is not in Debian's {}",
            version.unwrap_or_default(),
            suites.join(", ")
        )
    })?;
    archive.fetch(package)
}

/// Installs packages on this machine, saying so.
///
/// # Errors
/// Not root, not Debian 12 or 13, or apt fails: says what to install.
pub fn install(packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    if codename().is_err() || !rustix::process::getuid().is_root() {
        bail!("missing Debian packages: as root, run `apt-get install {list}`");
    }
    eprintln!("installing {list} with apt-get");
    let apt = |args: &[&str]| {
        Command::new("apt-get")
            .args(["-y", "-qq", "--no-install-recommends"])
            .args(args)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    let install = [&["install"], packages].concat();
    // A fresh machine has no package lists yet.
    ensure!(
        apt(&install) || (apt(&["update"]) && apt(&install)),
        "apt-get could not install {list}: see above"
    );
    Ok(())
}

/// Unpacks a .deb's files into `dir`, running nothing of it.
pub fn unpack(deb: &Path, dir: &Path) -> Result<()> {
    output(Command::new("dpkg").arg("-x").arg(deb).arg(dir))?;
    Ok(())
}

/// Fails unless a file has these contents.
pub fn verify(deb: &Path, expected: &str) -> Result<()> {
    let found = sha256(deb)?;
    ensure!(
        found == expected,
        "{}: its sha256 is {found}, not {expected}: delete the file to fetch it again",
        deb.display()
    );
    Ok(())
}

/// The package of the highest version, as dpkg orders them.
pub fn newest<'a>(packages: impl Iterator<Item = &'a Package>) -> Result<Option<&'a Package>> {
    let mut best: Option<&Package> = None;
    for package in packages {
        match best {
            Some(old) if compare(&package.version, &old.version)? != Ordering::Greater => {}
            _ => best = Some(package),
        }
    }
    Ok(best)
}

fn compare(a: &str, b: &str) -> Result<Ordering> {
    if a == b {
        return Ok(Ordering::Equal);
    }
    let greater = Command::new("dpkg")
        .args(["--compare-versions", a, "gt", b])
        .status()
        .context("dpkg")?
        .success();
    Ok(if greater {
        Ordering::Greater
    } else {
        Ordering::Less
    })
}

/// The code name of this machine's Debian, `bookworm` or `trixie`.
pub fn codename() -> Result<String> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let field = |name: &str| {
        release
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .map(|value| value.trim_matches('"').to_owned())
    };
    match (field("ID").as_deref(), field("VERSION_CODENAME")) {
        (Some("debian"), Some(name)) if name == "bookworm" || name == "trixie" => Ok(name),
        _ => bail!("guests need Debian 12 or 13 on this machine, to fetch kernels with its apt"),
    }
}

/// The archives this machine's sources name for its own release, likeliest first.
fn mirrors() -> Result<Vec<String>> {
    let codename = codename()?;
    // apt itself reads the sources, in whichever of their forms.
    let uris = output(Command::new("apt-get").args(["update", "--print-uris"]))?;
    Ok(parse_mirrors(&uris, &codename))
}

fn parse_mirrors(uris: &str, codename: &str) -> Vec<String> {
    let bases = |suite: String| {
        let end = format!("/dists/{suite}/InRelease");
        uris.lines().filter_map(move |line| {
            let uri = line.strip_prefix('\'')?.split('\'').next()?;
            Some(uri.strip_suffix(&end)?.to_owned())
        })
    };
    // Other archives have a suite of the same name; only Debian's has its updates.
    let mut mirrors: Vec<String> = bases(format!("{codename}-updates")).collect();
    for base in bases(codename.to_owned()) {
        if !mirrors.contains(&base) {
            mirrors.push(base);
        }
    }
    mirrors
}

fn parse_packages(list: &str) -> impl Iterator<Item = Package> {
    list.split("\n\n").filter_map(|stanza| {
        let field = |name: &str| {
            stanza
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                .map(str::to_owned)
        };
        Some(Package {
            name: field("Package")?,
            version: field("Version")?,
            architecture: field("Architecture")?,
            sha256: field("SHA256")?,
        })
    })
}

fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .env("LC_ALL", "C.UTF-8")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output()
        .with_context(|| format!("{program}: cannot run it; this needs Debian 12 or 13"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{program}: {}: {}", output.status, said.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{program}: not text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_with_updates_comes_first() {
        let uris = "\
'http://other.test/debian/dists/bookworm/InRelease' a 0 
'http://main.test/debian/dists/bookworm/InRelease' b 0 
'http://main.test/debian/dists/bookworm-updates/InRelease' c 0 
'http://main.test/debian-security/dists/bookworm-security/InRelease' d 0 
";
        assert_eq!(
            parse_mirrors(uris, "bookworm"),
            ["http://main.test/debian", "http://other.test/debian"]
        );
        assert!(parse_mirrors(uris, "trixie").is_empty());
    }

    #[test]
    fn lists_are_stanzas() {
        let list = "Package: a\nVersion: 1:2\nArchitecture: amd64\nFilename: pool/a.deb\nSHA256: ab\n\nPackage: b\nVersion: 3\n";
        let packages: Vec<_> = parse_packages(list).collect();
        assert_eq!(
            packages.len(),
            1,
            "a stanza without a .deb is not a package"
        );
        assert_eq!(packages[0].file(), "a_1%3a2_amd64.deb");
        assert_eq!(packages[0].sha256, "ab");
    }

    #[test]
    fn versions_order_as_dpkg_says() {
        let package = |version: &str| Package {
            version: version.to_owned(),
            ..Package::default()
        };
        let some = ["7.2.9-1", "7.2.12-1~bpo13+1", "7.2.12-1~exp1"].map(package);
        assert_eq!(
            newest(some.iter()).unwrap().unwrap().version,
            "7.2.12-1~exp1"
        );
    }

    #[test]
    fn other_bytes_are_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "abc").unwrap();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        verify(file.path(), abc).unwrap();
        fs::write(file.path(), "abd").unwrap();
        assert!(verify(file.path(), abc).is_err());
    }
}
