//! Signals that wait until something is whole.

use nix::sys::signal::{SigSet, SigmaskHow, Signal};

/// While this lives, SIGINT, SIGQUIT, SIGTERM and SIGHUP to this thread wait.
/// For what must not be left half done and takes no long time.
#[derive(Debug)]
pub struct Deferred {
    before: Option<SigSet>,
}

impl Deferred {
    /// From now on.
    pub fn begin() -> Deferred {
        let ends = [
            Signal::SIGINT,
            Signal::SIGQUIT,
            Signal::SIGTERM,
            Signal::SIGHUP,
        ];
        let set = SigSet::from_iter(ends);
        // Refused only for an unknown way, which this is not.
        let before = set.thread_swap_mask(SigmaskHow::SIG_BLOCK).ok();
        Deferred { before }
    }
}

impl Drop for Deferred {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = before.thread_set_mask();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_wait_and_then_come() {
        use nix::sys::signal::SigSet;
        let blocked = || SigSet::thread_get_mask().unwrap().contains(Signal::SIGTERM);
        assert!(!blocked());
        let outer = Deferred::begin();
        {
            let _inner = Deferred::begin();
            assert!(blocked());
        }
        assert!(blocked(), "the outer one is still there");
        drop(outer);
        assert!(!blocked());
    }
}
