//! Options of `damo record` for processes that come and go.

use std::path::PathBuf;

use anyhow::Result;

use super::UsageError;
use crate::recorder::Followed;
use crate::sys::cgroup;

/// Whom to follow.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct FollowArgs {
    /// Record each process of this name, whenever it starts, until --timeout or a
    /// signal
    ///
    /// The name is what `ps -o comm` and /proc/PID/comm show: the file name of the
    /// program, of which the kernel keeps 15 bytes. While there is none, DAMON is
    /// as it was before.
    #[arg(
        long = "follow-command",
        visible_alias = "follow_command",
        value_name = "NAME",
        value_parser = parse_name,
        conflicts_with_all = ["cgroup", "module", "snapshot"]
    )]
    follow_command: Option<String>,

    /// Record each process in this cgroup (v2) and below it, whenever it comes,
    /// until --timeout or a signal
    ///
    /// A path below /sys/fs/cgroup, or relative to it: system.slice/nginx.service.
    /// The cgroup need not be there yet.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["module", "snapshot"])]
    cgroup: Option<PathBuf>,
}

impl FollowArgs {
    /// Whether anybody is followed.
    pub fn is_used(&self) -> bool {
        self.follow_command.is_some() || self.cgroup.is_some()
    }

    /// The option that was used, and whom it names.
    ///
    /// # Errors
    /// No cgroup can have this path.
    pub fn followed(&self) -> Result<Option<(&'static str, Followed)>> {
        if let Some(name) = &self.follow_command {
            return Ok(Some(("--follow-command", Followed::Command(name.clone()))));
        }
        let Some(path) = &self.cgroup else {
            return Ok(None);
        };
        let folder = cgroup::folder(&cgroup::root()?, path)
            .map_err(|error| UsageError(format!("--cgroup: {error}")))?;
        Ok(Some(("--cgroup", Followed::Cgroup(folder))))
    }
}

fn parse_name(name: &str) -> Result<String, UsageError> {
    let refused = |why: &str| Err(UsageError(why.to_owned()));
    if name.is_empty() {
        return refused("is empty: give the name that `ps -o comm` shows");
    }
    if name.contains('/') {
        return refused("is a path: give the name that `ps -o comm` shows");
    }
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        return refused("is a number: a process id is a target, without --follow-command");
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        follow: FollowArgs,
        #[arg(long)]
        module: Option<String>,
        #[arg(long)]
        snapshot: Option<String>,
    }

    fn parse(words: &[&str]) -> Result<FollowArgs, String> {
        let words = std::iter::once(&"damo").chain(words);
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        Ok(line.follow)
    }

    #[test]
    fn names_are_those_of_programs() {
        let args = parse(&["--follow-command", "nginx"]).unwrap();
        let (option, who) = args.followed().unwrap().unwrap();
        assert_eq!(option, "--follow-command");
        assert_eq!(who.name(), Some("nginx"));
        assert!(parse(&[]).unwrap().followed().unwrap().is_none());
        for (bad, why) in [("", "empty"), ("/bin/sh", "a path"), ("42", "a number")] {
            let error = parse(&["--follow-command", bad]).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn one_thing_says_what_is_recorded() {
        for words in [
            ["--follow-command", "a", "--cgroup", "b"],
            ["--follow-command", "a", "--module", "b"],
            ["--cgroup", "a", "--module", "b"],
            ["--cgroup", "a", "--snapshot", "b"],
        ] {
            let error = parse(&words).unwrap_err();
            assert!(error.contains("cannot be used with"), "{error}");
        }
    }
}
