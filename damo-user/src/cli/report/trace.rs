//! `damo report trace`: DAMON's trace events, as the kernel tells them.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::cli::{Outcome, record};
use crate::source::trace_text::{TraceText, Wanted};
use crate::sys::tell::tell;
use crate::watch::{self, Signals};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo damo report trace --timeout 10
  sudo damo report trace --event damos_before_apply damon_monitor_intervals_tune")]
pub struct Args {
    /// Events to print, with or without damon: before the name [default: all of DAMON's]
    #[arg(long, value_name = "EVENT", num_args = 1..)]
    event: Vec<String>,
    /// Events not to print
    #[arg(long = "no_event", value_name = "EVENT", num_args = 1..)]
    no_event: Vec<String>,
    /// Stop after this time; a number is in seconds [default: on Ctrl-C]
    #[arg(long, value_name = "TIME", value_parser = record::parse_timeout)]
    timeout: Option<Duration>,
    /// As the kernel writes it; it is so in any case
    #[arg(long, hide = true)]
    raw: bool,
    /// damo 3's file of events: refused here
    #[arg(short, long, value_name = "FILE", hide = true)]
    input: Option<PathBuf>,
    /// damo 3's: refused here
    #[arg(short, long, value_name = "FILE", hide = true)]
    output: Option<PathBuf>,
}

/// How often it is looked for events; and the pause while there are more, in
/// which signals and the end are seen.
const LOOK: Duration = Duration::from_millis(100);
const MOMENT: Duration = Duration::from_millis(1);

pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome> {
    if let Some(file) = &args.input {
        bail!(
            "--input {}: a file of events is read by damo report raw, or by perf script",
            file.display()
        );
    }
    if let Some(file) = &args.output {
        bail!(
            "--output {0}: it prints to standard output; write > {0}",
            file.display()
        );
    }
    let runtime = watch::runtime()?;
    let lost = runtime.block_on(trace(args, out))?;
    if lost == 0 {
        return Ok(Outcome::Done);
    }
    tell(format_args!(
        "damo: events were lost {lost} times: the kernel says where; ask for fewer with --event"
    ));
    Ok(Outcome::Lost)
}

/// Prints until the end; gives how often the kernel says that it has lost some.
async fn trace(args: &Args, out: &mut dyn Write) -> Result<usize> {
    let mut signals = Signals::listen()?;
    let wanted = Wanted {
        events: args.event.clone(),
        without: args.no_event.clone(),
    };
    let mut text = TraceText::start(&wanted)?;
    let end = watch::after(args.timeout);
    tokio::pin!(end);
    let mut buffer = vec![0; 64 << 10];
    let mut lost = 0;
    loop {
        let read = text.read(&mut buffer)?;
        let lines = buffer.get(..read).unwrap_or_default();
        lost += lines.windows(6).filter(|word| word == b"[LOST ").count();
        out.write_all(lines)?;
        if read == 0 {
            out.flush()?;
        }
        // The kernel's own waiting would be for a buffer half full.
        let pause = if read == 0 { LOOK } else { MOMENT };
        tokio::select! {
            biased;
            () = signals.next() => break,
            () = &mut end => break,
            () = tokio::time::sleep(pause) => {}
        }
    }
    out.flush()?;
    Ok(lost)
}
