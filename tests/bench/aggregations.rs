//! When DAMON reported: the kernel's own trace of the first region of each
//! range of memory, in a trace instance of its own.

use std::fs;
use std::io;

use anyhow::{Context, Result};

const INSTANCE: &str = "/sys/kernel/tracing/instances/bench";
const EVENT: &str = "events/damon/damon_aggregated";

/// Notes aggregations from now on, in the time of `clock` (tracefs's name), of
/// contexts that watch these ranges of addresses.
///
/// # Errors
/// The kernel has no trace instances, or no such event.
pub fn start(clock: &str, ranges: &[(u64, u64)]) -> Result<()> {
    stop();
    fs::create_dir(INSTANCE).context(INSTANCE)?;
    let firsts: Vec<_> = ranges
        .iter()
        .map(|(start, _)| format!("start=={start}"))
        .collect();
    for (file, text) in [
        ("trace_clock", clock),
        (&format!("{EVENT}/filter"), &firsts.join("||")),
        (&format!("{EVENT}/enable"), "1"),
    ] {
        let path = format!("{INSTANCE}/{file}");
        fs::write(&path, text).with_context(|| format!("{text} > {path}"))?;
    }
    Ok(())
}

/// Ends it.
pub fn stop() {
    let _ = fs::remove_dir(INSTANCE);
}

/// When each aggregation was reported, in nanoseconds.
///
/// # Errors
/// Not started.
pub fn times() -> io::Result<Vec<u64>> {
    Ok(parse(&fs::read_to_string(format!("{INSTANCE}/trace"))?))
}

/// Lines like `kdamond.0-189 [001] ..... 45.678901: damon_aggregated:
/// target_id=0 nr_regions=1000 4096-655360: 0 0`. Addresses ascend within an
/// aggregation.
fn parse(text: &str) -> Vec<u64> {
    let mut times = Vec::new();
    let mut last = u64::MAX;
    for line in text.lines() {
        let Some((time, start)) = time_ns(line).zip(address(line)) else {
            continue;
        };
        if start <= last {
            times.push(time);
        }
        last = start;
    }
    times
}

/// The time of a line of tracefs, `perf script` or `trace-cmd report` that is
/// an event `damon_aggregated`.
pub fn time_ns(line: &str) -> Option<u64> {
    let at = line.find("damon_aggregated:")?;
    let mut words = line.get(..at)?.split_whitespace().rev();
    // perf puts `damon:` before the name.
    let seconds = words.find(|word| *word != "damon:")?;
    let seconds: f64 = seconds.trim_end_matches(':').parse().ok()?;
    Some((seconds * 1e9) as u64)
}

fn address(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("nr_regions=")?;
    let (start, _) = rest.split_whitespace().nth(1)?.split_once('-')?;
    start.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_region_of_a_target_begins_an_aggregation() {
        let line = |time: &str, start: u64| {
            format!(
                "  kdamond.0-189 [001] ..... {time}: damon_aggregated: target_id=0 nr_regions=1000 {start}-{}: 0 0\n",
                start + 4096
            )
        };
        let text = "# tracer: nop\n#\n".to_owned()
            + &line("1.500000", 4096)
            + &line("1.510000", 1 << 20)
            + &line("1.560000", 4096)
            + &line("1.620000", 4096);
        assert_eq!(parse(&text), [1_500_000_000, 1_560_000_000, 1_620_000_000]);
    }

    #[test]
    fn perf_and_trace_cmd_are_read() {
        for line in [
            "kdamond.0    81 [000]    12.250000: damon:damon_aggregated: target_id=0 nr_regions=9 4096-8192: 0 1",
            "       kdamond.0-81    [000] ...1.    12.250000: damon_aggregated:     target_id=0 nr_regions=9 4096-8192: 0 1",
        ] {
            assert_eq!(time_ns(line), Some(12_250_000_000));
        }
        assert_eq!(time_ns("cpus=2"), None);
    }
}
