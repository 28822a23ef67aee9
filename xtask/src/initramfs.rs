//! A guest's root: busybox, our binaries, and the script that is its PID 1.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use cpio::newc::{self, Builder, ModeFileType};

use crate::build;
use crate::cache::Cache;
use crate::debian;

/// PID 1.
const INIT: &str = include_str!("init.sh");

const FOLDERS: [&str; 11] = [
    "bin", "dev", "etc", "out", "proc", "root", "run", "sys", "tmp", "usr", "usr/bin",
];

/// Accounts for what drops its privileges.
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh
user:x:1000:1000:user:/tmp:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
";
const GROUP: &str = "root:x:0:
user:x:1000:
nogroup:x:65534:
";

/// A file to bring along.
#[derive(Clone, Debug, PartialEq)]
pub struct Bring {
    /// Here.
    pub source: PathBuf,
    /// In the guest, without the leading slash.
    pub dest: String,
}

impl Bring {
    /// A program, to be found on the guest's PATH.
    pub fn program(source: PathBuf, name: &str) -> Self {
        let dest = format!("usr/bin/{name}");
        Self { source, dest }
    }

    /// `FILE` (which goes to /root) or `FILE:dest`.
    pub fn parse(text: &str) -> Result<Self> {
        let (source, dest) = match text.rsplit_once(':') {
            Some((source, dest)) => (PathBuf::from(source), dest.to_owned()),
            None => (PathBuf::from(text), "/root/".to_owned()),
        };
        let name = source.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("--with {text}: no file's name"))?;
        let dest = if dest.ends_with('/') {
            format!("{dest}{name}")
        } else {
            dest
        };
        let dest = dest.trim_start_matches('/').to_owned();
        ensure!(
            dest.split('/')
                .all(|part| !part.is_empty() && part != "." && part != ".."),
            "--with {text}: give a plain path in the guest"
        );
        Ok(Self { source, dest })
    }
}

/// Writes the initramfs: uncompressed, since the guest's CPU is the slow part.
pub fn write(
    path: &Path,
    busybox: &Path,
    bring: &[Bring],
    nonce: &str,
    command: &[u8],
) -> Result<()> {
    let mut image = Image::create(path)?;
    // The kernel opens it for PID 1 before anything is mounted.
    image.device("dev/console", 5, 1)?;
    image.file("init", 0o755, INIT.as_bytes())?;
    image.program("bin/busybox", busybox)?;
    image.link("bin/sh", "busybox")?;
    image.file("etc/passwd", 0o644, PASSWD.as_bytes())?;
    image.file("etc/group", 0o644, GROUP.as_bytes())?;
    image.file("etc/nonce", 0o644, nonce.as_bytes())?;
    image.file("etc/command", 0o755, command)?;
    for file in bring {
        image.parents(&file.dest)?;
        image.program(&file.dest, &file.source)?;
    }
    image.finish()
}

/// The guest's command as a script: the very same argv, whatever is in it.
pub fn command_script(argv: &[&[u8]]) -> Result<Vec<u8>> {
    let words = shlex::bytes::try_join(argv.iter().copied()).context("the command")?;
    let mut script =
        b"#!/bin/sh\n# Only PID 1 is spared when memory runs out.\necho 0 >/proc/self/oom_score_adj\ncd /root\nexec "
            .to_vec();
    script.extend(words);
    script.push(b'\n');
    Ok(script)
}

/// The machine's own busybox if it is static, else Debian's busybox-static,
/// fetched and unpacked but not installed.
pub fn busybox(cache: &Cache) -> Result<PathBuf> {
    let own = Path::new("/bin/busybox");
    if own.exists() && build::is_static(own)? {
        return Ok(own.to_owned());
    }
    let codename = debian::codename()?;
    let dir = cache.dir(&format!("busybox-{codename}"))?;
    let places = [dir.join("bin/busybox"), dir.join("usr/bin/busybox")];
    let found = || places.iter().find(|path| path.exists()).cloned();
    if found().is_none() {
        let deb = debian::download(cache, &[&codename], "busybox-static", None)?;
        debian::unpack(&deb, &dir)?;
    }
    found().with_context(|| format!("{}: busybox-static left no busybox", dir.display()))
}

struct Image {
    path: PathBuf,
    out: BufWriter<File>,
    folders: Vec<String>,
    entries: u32,
}

impl Image {
    fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| path.display().to_string())?;
        let mut image = Self {
            path: path.to_owned(),
            out: BufWriter::new(file),
            folders: Vec::new(),
            entries: 0,
        };
        for folder in FOLDERS {
            image.folder(folder)?;
        }
        Ok(image)
    }

    fn entry(&mut self, name: &str, kind: ModeFileType, mode: u32, data: &[u8]) -> Result<()> {
        self.entry_of(self.builder(name, kind, mode), data)?;
        Ok(())
    }

    fn builder(&self, name: &str, kind: ModeFileType, mode: u32) -> Builder {
        // Entries of one inode number would be taken for hard links.
        Builder::new(name)
            .mode(mode)
            .set_mode_file_type(kind)
            .ino(self.entries.saturating_add(1))
    }

    fn entry_of(&mut self, builder: Builder, data: &[u8]) -> Result<()> {
        let size = u32::try_from(data.len()).context("a file over 4 GiB")?;
        let mut writer = builder.write(&mut self.out, size);
        writer
            .write_all(data)
            .and_then(|()| writer.finish())
            .with_context(|| self.path.display().to_string())?;
        self.entries = self.entries.saturating_add(1);
        Ok(())
    }

    fn folder(&mut self, name: &str) -> Result<()> {
        if !self.folders.iter().any(|folder| folder == name) {
            self.entry(name, ModeFileType::Directory, 0o755, &[])?;
            self.folders.push(name.to_owned());
        }
        Ok(())
    }

    fn parents(&mut self, name: &str) -> Result<()> {
        for (end, _) in name.match_indices('/') {
            self.folder(name.get(..end).unwrap_or_default())?;
        }
        Ok(())
    }

    fn file(&mut self, name: &str, mode: u32, data: &[u8]) -> Result<()> {
        self.entry(name, ModeFileType::Regular, mode, data)
    }

    fn program(&mut self, name: &str, source: &Path) -> Result<()> {
        let place = || source.display().to_string();
        let data = fs::read(source).with_context(place)?;
        let mode = fs::metadata(source).with_context(place)?.permissions();
        self.file(name, mode.mode() & 0o7777, &data)
    }

    fn link(&mut self, name: &str, to: &str) -> Result<()> {
        self.entry(name, ModeFileType::Symlink, 0o777, to.as_bytes())
    }

    fn device(&mut self, name: &str, major: u32, minor: u32) -> Result<()> {
        let builder = self.builder(name, ModeFileType::Char, 0o600);
        self.entry_of(builder.rdev_major(major).rdev_minor(minor), &[])
    }

    fn finish(mut self) -> Result<()> {
        newc::trailer(&mut self.out)
            .and_then(|out| out.flush())
            .with_context(|| self.path.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::process::Command;

    #[test]
    fn files_are_named_as_asked() {
        let dest = |text: &str| Bring::parse(text).map(|bring| bring.dest).ok();
        assert_eq!(dest("a/b.sh").as_deref(), Some("root/b.sh"));
        assert_eq!(dest("a/b.sh:/etc/").as_deref(), Some("etc/b.sh"));
        assert_eq!(dest("a/b.sh:/etc/c").as_deref(), Some("etc/c"));
        assert_eq!(dest("a/b.sh:/etc/../c"), None);
        assert_eq!(dest("/"), None);
    }

    #[test]
    fn the_command_keeps_its_words() {
        let argv: [&[u8]; 6] = [
            b"/usr/bin/printf",
            b"[%s]",
            b"",
            b"it's $HOME",
            b"two\nlines",
            b"\xff*",
        ];
        let script = command_script(&argv).unwrap();
        let script = script.strip_prefix(b"#!/bin/sh\n").unwrap();
        let exec = script.windows(5).position(|w| w == b"exec ").unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("script"), &script[exec..]).unwrap();
        let output = Command::new("sh")
            .arg(dir.path().join("script"))
            .output()
            .unwrap();
        assert_eq!(output.stdout, b"[][it's $HOME][two\nlines][\xff*]");
        assert!(command_script(&[b"nul\0"]).is_err());
    }

    #[test]
    fn the_archive_holds_what_was_given() {
        let dir = tempfile::tempdir().unwrap();
        let (busybox, file) = (dir.path().join("busybox"), dir.path().join("f"));
        fs::write(&busybox, "box").unwrap();
        fs::write(&file, "content").unwrap();
        let bring = [Bring::parse(&format!("{}:/a/b/f", file.display())).unwrap()];
        let image = dir.path().join("image");
        write(&image, &busybox, &bring, "abc", b"true").unwrap();

        let mut rest: Box<dyn Read> = Box::new(File::open(&image).unwrap());
        let (mut names, mut inodes, mut content) = (Vec::new(), Vec::new(), String::new());
        loop {
            let mut entry = newc::Reader::new(rest).unwrap();
            if entry.entry().is_trailer() {
                break;
            }
            names.push(entry.entry().name().to_owned());
            inodes.push(entry.entry().ino());
            if names.last().unwrap() == "a/b/f" {
                entry.read_to_string(&mut content).unwrap();
            }
            rest = entry.finish().unwrap();
        }
        assert_eq!(content, "content");
        let place = |name: &str| names.iter().position(|n| n == name).unwrap();
        assert!(place("a") < place("a/b") && place("a/b") < place("a/b/f"));
        inodes.sort_unstable();
        inodes.dedup();
        assert_eq!(inodes.len(), names.len());
    }
}
