//! A kernel that somebody else uses too, and what we want of it.

use std::sync::Arc;

use damo_user::control::{Options, Spec, TargetSpec};
use damo_user::model::{Intervals, Ops};

use super::fake_kernel::{FakeKernel, STAT, Version};

pub const PID: u32 = 4242;
pub const PAUSE: Options = Options {
    pause_damon_stat: true,
};

pub fn spec() -> Spec {
    Spec {
        ops: Ops::Vaddr,
        targets: vec![TargetSpec {
            pid: Some(PID),
            regions: vec![(4096, 8192), (8192, 12288)],
        }],
        intervals: Intervals {
            sample_us: 5_000,
            aggr_us: 100_000,
            update_us: 1_000_000,
        },
        nr_regions: (10, 1000),
    }
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
