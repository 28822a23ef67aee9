//! A kernel that somebody else uses too, and what we want of it.

use std::sync::Arc;

use damo_user::control::params::{Context, Params, Region, Target};
use damo_user::control::{Choice, Options};

use super::fake_kernel::{FakeKernel, STAT, Version};

pub const PID: u32 = 4242;
pub const PAUSE: Options = Options {
    pause_damon_stat: true,
    force: false,
    interface: Choice::Auto,
};

/// A process and two ranges of it.
pub fn params() -> Params {
    let region = |start, end| Region { start, end };
    Params::of(Context {
        targets: vec![Target {
            pid: Some(PID),
            regions: vec![region(4096, 8192), region(8192, 12288)],
            obsolete: false,
        }],
        ..Context::default()
    })
}

/// A kernel with a process, somebody's configuration, and DAMON_STAT on if the
/// kernel has it.
pub fn kernel(version: Version) -> Arc<FakeKernel> {
    let kernel = FakeKernel::new(version);
    kernel.start_process(PID, "victim");
    kernel.configure();
    if version >= Version::V6_17 {
        kernel.set(STAT, "Y");
    }
    kernel
}

pub fn unharmed(kernel: &FakeKernel, before: &impl PartialEq<Dump>, when: &str) {
    assert!(*before == kernel.dump(), "changed: {when}");
    assert_eq!(kernel.state(|state| state.bug.clone()), None, "{when}");
}

pub type Dump = std::collections::BTreeMap<std::path::PathBuf, String>;
