//! The signals that end a recording, or schemes.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT, SIGQUIT, SIGTERM and SIGHUP, caught since [`Signals::listen`]; but
/// not those that are ignored, as `nohup` and a shell's `&` have it.
pub struct Signals {
    ends: [Option<Signal>; 4],
    /// SIGHUP, where it does not end anything.
    hangup: Option<Signal>,
}

impl Signals {
    /// Catches the signals from now on.
    ///
    /// # Errors
    /// The handlers cannot be set.
    pub fn listen() -> io::Result<Signals> {
        Signals::listen_to(true)
    }

    /// As [`Signals::listen`]; SIGHUP is an end like the others, or waited for
    /// by [`Signals::next_or_hangup`].
    ///
    /// # Errors
    /// The handlers cannot be set.
    pub fn listen_to(hangup_ends: bool) -> io::Result<Signals> {
        let ignored = ignored();
        let catch = |kind: SignalKind| match is_in(ignored, kind.as_raw_value()) {
            true => Ok(None),
            false => signal(kind).map(Some),
        };
        let (end, hangup) = match catch(SignalKind::hangup())? {
            hangup if hangup_ends => (hangup, None),
            hangup => (None, hangup),
        };
        Ok(Signals {
            ends: [
                catch(SignalKind::interrupt())?,
                catch(SignalKind::quit())?,
                catch(SignalKind::terminate())?,
                end,
            ],
            hangup,
        })
    }

    /// Waits for one that ends something, or for a SIGHUP that does not: whether
    /// it is the latter.
    pub async fn next_or_hangup(&mut self) -> bool {
        let [interrupt, quit, terminate, end] = &mut self.ends;
        tokio::select! {
            biased;
            () = one(interrupt) => false,
            () = one(quit) => false,
            () = one(terminate) => false,
            () = one(end) => false,
            () = one(&mut self.hangup) => true,
        }
    }

    /// Whether one came.
    pub async fn came(&mut self) -> bool {
        // A millisecond, so that the runtime looks for signals at all.
        let moment = Duration::from_millis(1);
        tokio::time::timeout(moment, self.next()).await.is_ok()
    }

    /// Waits for an end that came or comes.
    pub async fn next(&mut self) {
        while self.next_or_hangup().await {}
    }
}

async fn one(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// The set of ignored signals, as the kernel tells it; without procfs, none.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
        .unwrap_or(0)
}

fn is_in(set: u64, signal: i32) -> bool {
    u32::try_from(signal - 1).is_ok_and(|bit| set.checked_shr(bit).is_some_and(|set| set & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_set_is_read() {
        // Rust ignores SIGPIPE before main, and nothing ignores SIGTERM.
        assert!(is_in(ignored(), 13));
        assert!(!is_in(ignored(), 15));
        assert!(!is_in(u64::MAX, 0) && !is_in(u64::MAX, 65));
    }
}
