//! Builds the BPF object and checks that the one in the repository is what the
//! source gives.
//!
//! The object is kept in the repository so that users need neither LLVM nor
//! rust-src. One compiler gives the same bytes wherever the project lies, other
//! compilers give others: so `pin.toml` beside it says what made it, and only
//! under that pin are bytes compared.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::build;
use crate::cache::{Cache, sha256};
use crate::debian::{self, Archive};

const BPF_LINKER: &str = "0.13.0";
const TARGET: &str = "bpfel-unknown-none";

/// What an object was, or would be, made with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pin {
    rustc: String,
    rust_src: String,
    llvm: String,
    bpf_linker: String,
}

/// `pin.toml`.
#[derive(Debug, Serialize, Deserialize)]
struct Made {
    sha256: String,
    made_with: Pin,
}

/// Everything that it takes to build.
struct Toolchain {
    pin: Pin,
    rustc: PathBuf,
    cargo: PathBuf,
    linker: PathBuf,
    library: PathBuf,
}

/// Builds the BPF object into damo-ebpf/object, or checks the one that is there.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Change nothing; fail if the object is not what the source gives
    #[arg(long)]
    check: bool,
}

/// Runs the subcommand.
pub fn main(args: &Args) -> Result<ExitCode> {
    let cache = Cache::open()?;
    match args.check {
        true => check(&cache)?,
        false => build(&cache)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds the object and puts it, and what made it, into the repository.
fn build(cache: &Cache) -> Result<()> {
    let toolchain = Toolchain::prepare(cache, None)?;
    let object = toolchain.build()?;
    let made = Made {
        sha256: sha256(&object)?,
        made_with: toolchain.pin,
    };
    fs::copy(&object, object_path())?;
    fs::write(pin_path(), format!("{PIN_HEAD}{}", toml::to_string(&made)?))?;
    println!(
        "{}: {} bytes",
        object_path().display(),
        fs::metadata(object_path())?.len()
    );
    Ok(())
}

/// Rebuilds the object and fails if it is not the one in the repository; where
/// it cannot be compared, says why.
pub fn check(cache: &Cache) -> Result<()> {
    let text =
        fs::read_to_string(pin_path()).with_context(|| format!("{}", pin_path().display()))?;
    let made: Made = toml::from_str(&text).with_context(|| format!("{}", pin_path().display()))?;
    ensure!(
        sha256(&object_path())? == made.sha256,
        "{} is not the object that {} describes: run `cargo xtask build-ebpf`",
        object_path().display(),
        pin_path().display()
    );
    let (found, _) = Compiler::find()?;
    if found.version != made.made_with.rustc {
        println!(
            "BPF object not checked: made with rustc {}, you have {}",
            made.made_with.rustc, found.version
        );
        return Ok(());
    }
    let toolchain = Toolchain::prepare(cache, Some(&made.made_with.rust_src))?;
    if toolchain.pin != made.made_with {
        println!(
            "BPF object not checked: made with {:?}, you have {:?}",
            made.made_with, toolchain.pin
        );
        return Ok(());
    }
    let built = sha256(&toolchain.build()?)?;
    ensure!(
        built == made.sha256,
        "the BPF object in the repository is not what its source gives: run `cargo xtask build-ebpf` and commit {}",
        object_path().display()
    );
    println!(
        "BPF object checked: it is what its source gives ({})",
        made.made_with.rustc
    );
    Ok(())
}

const PIN_HEAD: &str = "# Written by `cargo xtask build-ebpf`: what damo.o was made with.\n\n";

fn object_path() -> PathBuf {
    build::root().join("damo-ebpf/object/damo.o")
}

fn pin_path() -> PathBuf {
    build::root().join("damo-ebpf/object/pin.toml")
}

/// A Rust compiler on this machine.
struct Compiler {
    /// `1.95.0 (59807616e 2026-04-14)`
    version: String,
    /// `1.95.0`
    release: String,
    /// Major version of its LLVM.
    llvm: String,
    sysroot: PathBuf,
}

impl Compiler {
    /// The toolchain in use if it has the standard library's source or none
    /// has; else the first of rustup's that has it. With that source, if any.
    fn find() -> Result<(Compiler, Option<PathBuf>)> {
        let current = Compiler::ask(Path::new("rustc"))?;
        if let Some(library) = current.library() {
            return Ok((current, Some(library)));
        }
        let rustup = Command::new("rustup").args(["toolchain", "list"]).output();
        let names = rustup
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .unwrap_or_default();
        for name in names.lines().filter_map(|line| line.split(' ').next()) {
            let which = Command::new("rustup")
                .args(["which", "--toolchain", name, "rustc"])
                .output()?;
            let path = String::from_utf8_lossy(&which.stdout).trim().to_owned();
            let Ok(other) = Compiler::ask(Path::new(&path)) else {
                continue;
            };
            if let Some(library) = other.library() {
                return Ok((other, Some(library)));
            }
        }
        Ok((current, None))
    }

    fn ask(rustc: &Path) -> Result<Compiler> {
        let run = |args: &[&str]| run(Command::new(rustc).args(args));
        let verbose = run(&["-vV"])?;
        let line = |name: &str| {
            verbose
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .map(|value| value.trim().to_owned())
                .with_context(|| format!("`rustc -vV` says no {name}"))
        };
        let llvm = line("LLVM version:")?;
        Ok(Compiler {
            version: line("rustc ")?,
            release: line("release:")?,
            llvm: llvm.split('.').next().unwrap_or(&llvm).to_owned(),
            sysroot: PathBuf::from(run(&["--print", "sysroot"])?.trim()),
        })
    }

    fn library(&self) -> Option<PathBuf> {
        let library = self.sysroot.join("lib/rustlib/src/rust/library");
        library.join("core/Cargo.toml").exists().then_some(library)
    }
}

impl Toolchain {
    fn prepare(cache: &Cache, pinned: Option<&str>) -> Result<Toolchain> {
        let (compiler, library) = Compiler::find()?;
        let (library, rust_src) = match library {
            Some(library) => (library, "rustup".to_owned()),
            None => debian_library(cache, &compiler.release, pinned)?,
        };
        let (linker, llvm) = linker(cache, &compiler.llvm)?;
        Ok(Toolchain {
            pin: Pin {
                rustc: compiler.version,
                rust_src,
                llvm,
                bpf_linker: BPF_LINKER.to_owned(),
            },
            rustc: compiler.sysroot.join("bin/rustc"),
            cargo: compiler.sysroot.join("bin/cargo"),
            linker,
            library,
        })
    }

    fn build(&self) -> Result<PathBuf> {
        let target = build::root().join("target/bpf");
        let status = Command::new(&self.cargo)
            .current_dir(build::root())
            .args([
                "build",
                "--quiet",
                "--profile",
                "bpf",
                "--package",
                "damo-ebpf",
            ])
            .args([
                "--bin",
                "damo-bpf",
                "--target",
                TARGET,
                "-Z",
                "build-std=core",
            ])
            .arg("--target-dir")
            .arg(&target)
            .env("RUSTC", &self.rustc)
            // -Z on a stable compiler: building core for a target that rustup
            // does not ship is what it is for.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("__CARGO_TESTS_ONLY_SRC_ROOT", &self.library)
            .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", &self.linker)
            // Else where rust-src lies decides the order of memcmp and bcmp.
            .env("RUSTFLAGS", "-C link-arg=--disable-memory-builtins")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("CARGO_BUILD_TARGET")
            .status()
            .context("cargo")?;
        ensure!(status.success(), "the BPF program does not build");
        Ok(target.join(TARGET).join("bpf/damo-bpf"))
    }
}

/// The standard library's source from Debian's rust-src of the same release:
/// the `pinned` version where that fits, so that nobody needs to be asked.
fn debian_library(cache: &Cache, release: &str, pinned: Option<&str>) -> Result<(PathBuf, String)> {
    let suites = ["trixie-backports"];
    let fits = |version: &str| version.starts_with(&format!("{release}+"));
    let version = match pinned.and_then(|p| p.strip_prefix("debian ")) {
        Some(version) if fits(version) => version.to_owned(),
        _ => Archive::new(cache, &suites, None)
            .packages()?
            .into_iter()
            .find(|package| package.name == "rust-src" && fits(&package.version))
            .map(|package| package.version)
            .with_context(|| {
                format!("no rust-src for rustc {release}: `rustup component add rust-src`")
            })?,
    };
    let unpacked = cache.dir(&format!("rust-src-{version}"))?;
    let library = unpacked.join(format!("usr/src/rustc-{release}/library"));
    if !library.join("core/Cargo.toml").exists() {
        println!("unpacking Debian's rust-src {version}, once");
        let deb = debian::download(cache, &suites, "rust-src", Some(&version))?;
        debian::unpack(&deb, &unpacked)?;
    }
    Ok((library, format!("debian {version}")))
}

/// bpf-linker for that LLVM, built once, and the LLVM's full version.
fn linker(cache: &Cache, llvm: &str) -> Result<(PathBuf, String)> {
    let prefix = PathBuf::from(format!("/usr/lib/llvm-{llvm}"));
    let packages = [
        &format!("llvm-{llvm}-dev"),
        &format!("libpolly-{llvm}-dev"),
        "zlib1g-dev",
        "libzstd-dev",
    ];
    if !prefix.join("lib/libLLVM.so").exists() {
        debian::install(&packages)?;
    }
    let version = run(Command::new(prefix.join("bin/llvm-config")).arg("--version"))?;
    let version = version.trim().to_owned();
    let root = cache.dir(&format!("tools/bpf-linker-{BPF_LINKER}-llvm-{version}"))?;
    let linker = root.join("bin/bpf-linker");
    if !linker.exists() {
        println!("building bpf-linker {BPF_LINKER} with LLVM {version}, once (about a minute)");
        let status = Command::new("cargo")
            .args(["install", "--quiet", "bpf-linker", "--version", BPF_LINKER])
            .args([
                "--no-default-features",
                "--features",
                &format!("llvm-{llvm}"),
            ])
            .arg("--root")
            .arg(&root)
            .env("LLVM_PREFIX", &prefix)
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_TARGET_DIR")
            .status()
            .context("cargo")?;
        ensure!(
            status.success(),
            "bpf-linker does not build; it needs {}",
            packages.join(" ")
        );
    }
    Ok((linker, version))
}

fn run(command: &mut Command) -> Result<String> {
    let name = format!("{}", command.get_program().display());
    let output = command.output().with_context(|| name.clone())?;
    ensure!(output.status.success(), "{name}: {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}
