//! Options of `damo record` for a recorder that is left running.

use std::path::{Component, Path, PathBuf};

/// Where control groups are.
const CGROUPS: &str = "/sys/fs/cgroup";

/// The longest name that a process can have, in bytes.
const COMM_BYTES: usize = 15;

/// A recorder to leave running.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub struct ServiceArgs {
    /// Run as a service: tell systemd, rotate on SIGHUP, survive DAMON being
    /// switched off and on, and give up privileges
    #[arg(long)]
    pub service: bool,

    /// Give up detail rather than use more of a processor than this (1%, 0.5%)
    #[arg(long = "max-cpu", value_name = "SHARE", value_parser = parse_share)]
    pub max_cpu: Option<f64>,

    /// Watch every process of this name, also those that start later
    #[arg(long = "follow-command", value_name = "NAME", value_parser = parse_name,
          conflicts_with = "cgroup")]
    pub follow_command: Option<String>,

    /// Watch every process of this control group and of those below it
    #[arg(long, value_name = "PATH", value_parser = parse_cgroup)]
    pub cgroup: Option<PathBuf>,
}

/// A share of one processor, as a part of 1.
fn parse_share(text: &str) -> Result<f64, String> {
    let number = text
        .trim()
        .strip_suffix('%')
        .ok_or("needs a % sign: 1% is a hundredth of one processor")?
        .trim_end();
    // What else would be a float: inf, nan, 1e3, signs.
    let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let percent: f64 = Some(number)
        .filter(|_| plain)
        .and_then(|number| number.parse().ok())
        .ok_or("is no number of percent, such as 1% or 0.5%")?;
    match (0.01..=100.0).contains(&percent) {
        true => Ok(percent / 100.0),
        false => Err("must be 0.01% to 100% of one processor".to_owned()),
    }
}

/// A name as the kernel keeps it: cut to 15 bytes.
fn parse_name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains('/') {
        return Err("must be a program's name, without its folder".to_owned());
    }
    let cut = text.floor_char_boundary(COMM_BYTES);
    Ok(text.get(..cut).unwrap_or(text).to_owned())
}

/// `/sys/fs/cgroup/a/b`, `/a/b` or `a/b`, to the first.
fn parse_cgroup(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    let below = path
        .strip_prefix(CGROUPS)
        .or_else(|_| path.strip_prefix("/"))
        .unwrap_or(path);
    let plain = |part| matches!(part, Component::Normal(_));
    match !below.as_os_str().is_empty() && below.components().all(plain) {
        true => Ok(Path::new(CGROUPS).join(below)),
        false => Err(format!(
            "must be a control group below {CGROUPS}, such as system.slice/postgresql.service"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        service: ServiceArgs,
    }

    fn parse(line: &[&str]) -> Result<ServiceArgs, String> {
        let words = std::iter::once(&"damo").chain(line);
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        Ok(line.service)
    }

    #[test]
    fn shares_are_percent_of_one_processor() {
        for (text, share) in [
            ("1%", 0.01),
            ("0.5%", 0.005),
            (" 100 %", 1.0),
            ("0.01%", 0.0001),
        ] {
            let args = parse(&["--service", "--max-cpu", text]).unwrap();
            assert!(args.service);
            assert!((args.max_cpu.unwrap() - share).abs() < 1e-12, "{text}");
        }
        for (bad, words) in [
            ("1", "needs a %"),
            ("", "needs a %"),
            ("%", "no number"),
            ("-1%", "no number"),
            ("nan%", "no number"),
            ("1e0%", "no number"),
            ("0%", "0.01% to 100%"),
            ("0.001%", "0.01% to 100%"),
            ("101%", "0.01% to 100%"),
        ] {
            let error = parse(&[&format!("--max-cpu={bad}")]).unwrap_err();
            assert!(
                error.contains(words) && error.contains("--max-cpu"),
                "{error}"
            );
        }
    }

    #[test]
    fn names_are_as_the_kernel_keeps_them() {
        let name = |text| parse(&["--follow-command", text]).map(|args| args.follow_command);
        assert_eq!(name("postgres").unwrap().unwrap(), "postgres");
        assert_eq!(
            name("a-name-that-is-long").unwrap().unwrap(),
            "a-name-that-is-"
        );
        assert_eq!(name("fourteen-bytesä").unwrap().unwrap(), "fourteen-bytes");
        assert!(name("/usr/bin/postgres").is_err() && name("").is_err());
    }

    #[test]
    fn control_groups_are_below_their_file_system() {
        let group = |text| parse(&["--cgroup", text]).map(|args| args.cgroup.unwrap());
        let expected = Path::new("/sys/fs/cgroup/system.slice/x.service");
        for text in [
            "system.slice/x.service",
            "/system.slice/x.service",
            "/sys/fs/cgroup/system.slice/x.service/",
        ] {
            assert_eq!(group(text).unwrap(), expected);
        }
        for bad in ["", "/", "/sys/fs/cgroup", "../../etc", "a/../../b"] {
            let error = group(bad).unwrap_err();
            assert!(error.contains("system.slice"), "{error}");
        }
        assert!(parse(&["--cgroup", "a", "--follow-command", "b"]).is_err());
    }
}
