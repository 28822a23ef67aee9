//! Pictures that reports write into files.

use std::ffi::OsString;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cli::UsageError;
use crate::render::picture::{PictureKind, Scene};
use crate::sys::caller::Caller;
use crate::sys::output::Output;

/// A picture's file, whose name says what kind it is of.
#[derive(Clone, Debug)]
pub struct PictureFile {
    path: PathBuf,
    kind: PictureKind,
}

impl PictureFile {
    /// `option` is what the name was typed for.
    pub fn of(option: &str, path: &Path) -> Result<PictureFile, UsageError> {
        let kind = PictureKind::of(path).ok_or_else(|| {
            UsageError(format!(
                "{option} {}: not a kind of picture that damo draws; end the name with {}",
                path.display(),
                PictureKind::ENDINGS
            ))
        })?;
        Ok(PictureFile {
            path: path.to_owned(),
            kind,
        })
    }

    /// Writes a picture, the first one as NAME.png, the next ones as NAME.1.png and
    /// so on.
    pub fn save(&self, number: usize, scene: &Scene) -> anyhow::Result<()> {
        let path = self.numbered(number);
        let caller = Caller::from_env()?;
        let mut output = Output::create(&path, 0o600, caller.as_ref().map(Caller::owner))?;
        let mut writer = BufWriter::new(output.file());
        let written = self.kind.write(&mut writer, scene);
        let written = written.and_then(|()| writer.flush());
        drop(writer);
        written.with_context(|| format!("{}: cannot write", path.display()))?;
        Ok(output.keep()?)
    }

    fn numbered(&self, number: usize) -> PathBuf {
        if number == 0 {
            return self.path.clone();
        }
        let mut ending = OsString::from(number.to_string());
        ending.push(".");
        ending.push(self.path.extension().unwrap_or_default());
        self.path.with_extension(ending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_pictures_have_numbers_in_their_names() {
        let file = PictureFile::of("--output", Path::new("a.b/c.d.png")).unwrap();
        assert_eq!(file.numbered(0), Path::new("a.b/c.d.png"));
        assert_eq!(file.numbered(12), Path::new("a.b/c.d.12.png"));
        for name in ["picture", "picture.gif", ".png", "png"] {
            let error = PictureFile::of("--output", Path::new(name)).unwrap_err();
            assert!(error.0.contains(name) && error.0.contains("svg"), "{error}");
        }
    }
}
