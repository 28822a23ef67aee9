//! `--rotate` and what goes with it: a record in segments.

use std::time::Duration;

use super::UsageError;
use super::record::parse_timeout;
use crate::model::units;
use crate::recorder::Rotation;

/// What is shorter or smaller makes more files than sense.
const SHORTEST: Duration = Duration::from_secs(1);
const SMALLEST: u64 = 64 << 10;

/// A record in segments.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct RotateArgs {
    /// Write into a folder of files, and begin the next file at this size or age
    /// (64MiB, 1h; both if given twice)
    #[arg(long, value_name = "SIZE|TIME", value_parser = parse_limit)]
    rotate: Vec<Limit>,

    /// Remove the oldest files when all of them are larger than this
    #[arg(long = "keep-total", value_name = "SIZE", requires = "rotate", value_parser = units::parse_size)]
    keep_total: Option<u64>,

    /// Remove files that were closed longer ago than this
    #[arg(long = "keep-age", value_name = "TIME", requires = "rotate", value_parser = parse_timeout)]
    keep_age: Option<Duration>,
}

/// When to begin the next file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Size(u64),
    Age(Duration),
}

impl RotateArgs {
    /// What was asked for, if anything.
    ///
    /// # Errors
    /// Two limits of a kind, or less is to be kept than one file may be.
    pub fn rotation(&self) -> Result<Option<Rotation>, UsageError> {
        let mut rotation = Rotation {
            keep_total: self.keep_total,
            keep_age: self.keep_age,
            ..Rotation::default()
        };
        for limit in &self.rotate {
            let before = match *limit {
                Limit::Size(size) => rotation.size.replace(size).is_some(),
                Limit::Age(age) => rotation.age.replace(age).is_some(),
            };
            if before {
                let error = "--rotate: give one size, one time, or one of each";
                return Err(UsageError(error.to_owned()));
            }
        }
        if let (Some(size), Some(total)) = (rotation.size, rotation.keep_total)
            && total < size.saturating_mul(2)
        {
            return Err(UsageError(format!(
                "--keep-total {total}: must hold two files of --rotate {size} bytes at least"
            )));
        }
        Ok((!self.rotate.is_empty()).then_some(rotation))
    }
}

fn parse_limit(text: &str) -> Result<Limit, String> {
    let plain = text.trim().bytes().all(|b| b.is_ascii_digit() || b == b',');
    if plain {
        return Err("needs a unit: a size such as 64MiB, or a time such as 1h".to_owned());
    }
    if let Ok(size) = units::parse_size(text) {
        return match size >= SMALLEST {
            true => Ok(Limit::Size(size)),
            false => Err("must be 64KiB at least".to_owned()),
        };
    }
    match parse_timeout(text) {
        Ok(age) if age >= SHORTEST => Ok(Limit::Age(age)),
        Ok(_) => Err("must be 1s at least".to_owned()),
        Err(_) => Err("is neither a size such as 64MiB nor a time such as 1h".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotation(rotate: &[&str], keep_total: Option<u64>) -> Result<Option<Rotation>, String> {
        let limits: Result<Vec<Limit>, String> = rotate.iter().map(|it| parse_limit(it)).collect();
        let args = RotateArgs {
            rotate: limits?,
            keep_total,
            keep_age: None,
        };
        args.rotation().map_err(|error| error.to_string())
    }

    #[test]
    fn sizes_and_times_are_told_apart_by_their_units() {
        let both = rotation(&["64MiB", "1h"], None).unwrap().unwrap();
        assert_eq!(both.size, Some(64 << 20));
        assert_eq!(both.age, Some(Duration::from_secs(3600)));
        assert_eq!(
            rotation(&["1m"], None).unwrap().unwrap().age,
            Some(Duration::from_secs(60))
        );
        assert_eq!(
            rotation(&["1M"], None).unwrap().unwrap().size,
            Some(1 << 20)
        );
        assert_eq!(rotation(&[], None), Ok(None));
        for (bad, words) in [
            (&["64"][..], "needs a unit"),
            (&["1KiB"], "64KiB at least"),
            (&["10ms"], "1s at least"),
            (&["often"], "neither"),
            (&["1h", "2h"], "one of each"),
        ] {
            let error = rotation(bad, None).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        assert!(rotation(&["64MiB"], Some(100 << 20)).is_err());
        assert!(rotation(&["64MiB"], Some(128 << 20)).is_ok());
    }
}
