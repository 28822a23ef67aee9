//! A kernel that somebody else uses too, and what we want of it.

use std::path::Path;
use std::sync::Arc;

use damo_user::control::params::{Context, Params, Region, Target};
use damo_user::control::{Choice, Options, Session, System};

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

/// A kernel on which things are written down in `run`.
pub fn noted(kernel: &Arc<FakeKernel>, run: &Path) -> System {
    let mut system = kernel.system();
    system.run = Some(run.join("damo"));
    system.boot_id = "this boot".to_owned();
    system
}

/// As `damo start` leaves it.
pub fn start(system: &System) {
    let mut session = Session::prepare(system, &params(), PAUSE).unwrap();
    session.turn_on().unwrap();
    session.leave().unwrap();
}

/// Changes what is written down.
pub fn edit_note(run: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let path = run.join("damo/kdamonds");
    let mut note = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut note);
    std::fs::write(path, note.to_string()).unwrap();
}

pub type Dump = std::collections::BTreeMap<std::path::PathBuf, String>;
