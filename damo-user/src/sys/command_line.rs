//! A command to start, as it was typed.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::shell::{self, Shape};

const SHELL: &str = "/bin/sh";

/// Where commands are looked for without PATH, as execvp does.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Why a command cannot be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Nothing was typed.
    #[error("the command is empty; name a command, a process id, or paddr")]
    Empty,
    /// A quote is not closed.
    #[error("{0}: a quote or bracket is not closed")]
    Unclosed(String),
    /// It is not there.
    #[error("no such command: {0}")]
    Missing(String),
    /// It is there, and is no program.
    #[error("{}: this is not an executable file", .0.display())]
    NotExecutable(PathBuf),
}

/// A command, and how it is run so that the process watched is the program.
///
/// Plain words are executed directly. What needs a shell and is one command is
/// run as `sh -c 'exec …'`: the shell becomes the program. Of a pipeline or a
/// list the shell itself is watched, which [`CommandLine::note`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    argv: Vec<OsString>,
    /// What is to be found before anything is started, where that is known.
    program: Option<OsString>,
    note: Option<String>,
}

impl CommandLine {
    /// A command typed as one text, split as a shell would.
    ///
    /// # Errors
    /// [`CommandError::Empty`], [`CommandError::Unclosed`].
    pub fn parse(text: &str) -> Result<CommandLine, CommandError> {
        let unclosed = || CommandError::Unclosed(text.to_owned());
        if text.trim().is_empty() {
            return Err(CommandError::Empty);
        }
        match shell::shape(text).map_err(|_| unclosed())? {
            Shape::Plain => {
                let words = shlex::split(text).ok_or_else(unclosed)?;
                CommandLine::direct(words.into_iter().map(OsString::from).collect())
            }
            Shape::Simple {
                command_at,
                command_end,
            } => {
                let (before, command) = text.split_at_checked(command_at).unwrap_or(("", text));
                let mut line = CommandLine::shell(&format!("{before}exec {command}"));
                line.program = text.get(command_at..command_end).and_then(literal);
                Ok(line)
            }
            Shape::Compound => {
                let mut line = CommandLine::shell(text);
                line.note = Some(format!(
                    "'{}' is more than one command: the shell that runs them is watched, not what it starts",
                    text.trim()
                ));
                Ok(line)
            }
        }
    }

    /// A command typed as arguments: a single one is parsed as a text.
    ///
    /// # Errors
    /// As [`CommandLine::parse`].
    pub fn from_args(args: Vec<OsString>) -> Result<CommandLine, CommandError> {
        match args.as_slice() {
            [only] => match only.to_str() {
                Some(text) => CommandLine::parse(text),
                None => CommandLine::direct(args),
            },
            _ => CommandLine::direct(args),
        }
    }

    fn direct(argv: Vec<OsString>) -> Result<CommandLine, CommandError> {
        let program = argv.first().filter(|name| !name.is_empty()).cloned();
        Ok(CommandLine {
            program: Some(program.ok_or(CommandError::Empty)?),
            argv,
            note: None,
        })
    }

    fn shell(script: &str) -> CommandLine {
        CommandLine {
            argv: [SHELL, "-c", script].map(OsString::from).to_vec(),
            program: None,
            note: None,
        }
    }

    /// What is executed: the program, then its arguments.
    pub fn argv(&self) -> &[OsString] {
        &self.argv
    }

    /// What the user should know about how it is run; for stderr.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Checks that the program is there, before anything is changed. Whether
    /// the user may run it, only running it tells.
    ///
    /// # Errors
    /// [`CommandError::Missing`], [`CommandError::NotExecutable`].
    pub fn check(&self) -> Result<(), CommandError> {
        let path = env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
        for program in self.argv.first().into_iter().chain(&self.program) {
            find(program, &path)?;
        }
        Ok(())
    }
}

/// A word's meaning, if a shell would not expand it.
fn literal(word: &str) -> Option<OsString> {
    if shell::shape(word) != Ok(Shape::Plain) {
        return None;
    }
    match shlex::split(word)?.as_slice() {
        [only] => Some(only.into()),
        _ => None,
    }
}

fn find(program: &OsStr, path: &OsStr) -> Result<(), CommandError> {
    let direct = Path::new(program);
    let candidates: Vec<PathBuf> = if direct.components().count() > 1 || direct.is_absolute() {
        vec![direct.to_owned()]
    } else {
        env::split_paths(path)
            .map(|folder| folder.join(direct))
            .collect()
    };
    let mut not_executable = None;
    for candidate in candidates {
        let Ok(about) = fs::metadata(&candidate) else {
            continue;
        };
        if about.is_file() && about.permissions().mode() & 0o111 != 0 {
            return Ok(());
        }
        not_executable.get_or_insert(candidate);
    }
    Err(match not_executable {
        Some(candidate) => CommandError::NotExecutable(candidate),
        None => CommandError::Missing(program.to_string_lossy().into_owned()),
    })
}
