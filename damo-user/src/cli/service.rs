//! Options of `damo record` for a recorder that is left running.

/// A recorder to leave running.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub struct ServiceArgs {
    /// Run as a service: tell systemd, rotate on SIGHUP, and wait when DAMON is
    /// switched off
    #[arg(long, hide_short_help = true)]
    pub service: bool,

    /// Give up detail rather than use more of a processor than this (1%, 0.5%)
    #[arg(long = "max-cpu", value_name = "SHARE", value_parser = parse_share, hide_short_help = true)]
    pub max_cpu: Option<f64>,
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
}
