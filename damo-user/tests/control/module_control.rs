//! Modules are changed all or not at all, and only if they may be.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use crate::module_fake;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use damo_user::control::Module;
use damo_user::control::module::{Control, ModuleError, Notes, Version};
use module_fake::{Fake, TID};
use rustix::io::Errno;

const RECLAIM: Module = Module::Reclaim;
const KERNELS: [Version; 4] = [Version(6, 12), Version(6, 17), Version(7, 2), Version(7, 3)];

const EXAMPLE: [(&str, &str); 6] = [
    ("min_age", "30s"),
    ("quota_sz", "1G"),
    ("quota_reset_interval_ms", "1s"),
    ("wmarks_high", "50%"),
    ("wmarks_mid", "400"),
    ("wmarks_low", "20%"),
];

#[test]
fn the_documents_example_is_written_then_switched_on() {
    for version in KERNELS {
        let kernel = Fake::new(version);
        let control = kernel.module(RECLAIM);
        let running = control.enable(&control.parse(EXAMPLE).unwrap()).unwrap();
        assert!(running.enabled && running.ours);
        assert_eq!(running.kdamond.unwrap().tid, TID);
        let expected = [
            ("min_age", "30000000"),
            ("quota_sz", "1073741824"),
            ("quota_reset_interval_ms", "1000"),
            ("wmarks_high", "500"),
            ("wmarks_mid", "400"),
            ("wmarks_low", "200"),
            ("enabled", "Y"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(kernel.state(|state| state.log.clone()), expected);
        assert!(control.running().unwrap().ours);
        control
            .commit(&control.parse([("min_age", "1s")]).unwrap(), false)
            .unwrap();
        assert_eq!(kernel.get(RECLAIM, "min_age"), "1000000");
        assert!(control.disable(false).unwrap());
        assert_eq!(kernel.get(RECLAIM, "enabled"), "N");
        assert!(!kernel.notes().join("damon_reclaim").exists());
        assert!(!control.disable(false).unwrap(), "it was off");
    }
}

#[test]
fn notes_are_roots_alone() {
    let kernel = Fake::new(Version(7, 3));
    kernel.module(RECLAIM).enable(&[]).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&kernel.notes()), 0o700);
    assert_eq!(mode(&kernel.notes().join("damon_reclaim")), 0o600);
    assert_eq!(fs::read_dir(kernel.notes()).unwrap().count(), 1);
}

#[test]
fn what_damo_did_not_enable_needs_force() {
    let kernel = Fake::new(Version(7, 3));
    let control = kernel.module(RECLAIM);
    kernel.enable_by_hand(RECLAIM);
    let new = control.parse([("min_age", "1s")]).unwrap();
    let refused = [
        control.set(&new, false).unwrap_err(),
        control.commit(&new, false).unwrap_err(),
        control.disable(false).unwrap_err(),
    ];
    for error in refused {
        assert_eq!(
            error.to_string(),
            "DAMON_RECLAIM runs (thread 812), and damo did not enable it; it was left alone; add --force to change it nevertheless"
        );
    }
    assert_eq!(kernel.state(|state| state.log.len()), 0);
    assert!(control.set(&new, true).unwrap(), "it runs");
    control.commit(&new, true).unwrap();
    assert!(control.disable(true).unwrap());
}

#[test]
fn a_note_of_another_boot_or_thread_is_none() {
    let kernel = Fake::new(Version(7, 3));
    kernel.module(RECLAIM).enable(&[]).unwrap();
    let later = kernel.booted(RECLAIM, "another boot");
    assert!(!later.running().unwrap().ours);
    // Somebody switched it off and on since.
    kernel.state(|state| {
        let stat = state
            .files
            .get_mut("/proc/812/stat".as_ref() as &std::path::Path);
        let stat = stat.unwrap();
        *stat = stat.replace(" 77 ", " 78 ");
    });
    assert!(!kernel.module(RECLAIM).running().unwrap().ours);
    fs::write(kernel.notes().join("damon_reclaim"), "{").unwrap();
    assert!(!kernel.module(RECLAIM).running().unwrap().ours);
}

#[test]
fn another_module_in_the_way_is_named_before_anything_is_written() {
    let kernel = Fake::new(Version(7, 3));
    kernel.enable_by_hand(Module::Stat);
    let control = kernel.module(RECLAIM);
    let error = control
        .enable(&control.parse(EXAMPLE).unwrap())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "DAMON_RECLAIM was not enabled: it wants to be the only user of DAMON, and DAMON_STAT runs (thread 812); \
         `damo module stat disable` ends it, with --force if damo did not enable it"
    );
    assert_eq!(kernel.state(|state| state.log.len()), 0);
}

#[test]
fn a_failed_start_leaves_everything_as_it_was() {
    for failure in [Errno::BUSY, Errno::INVAL, Errno::NOMEM] {
        let kernel = Fake::new(Version(6, 17));
        let control = kernel.module(RECLAIM);
        let before = kernel.inputs(RECLAIM);
        kernel.state(|state| state.fail = Some(("enabled", failure)));
        let error = control
            .enable(&control.parse(EXAMPLE).unwrap())
            .unwrap_err();
        assert_eq!(kernel.inputs(RECLAIM), before, "{error}");
        assert!(!kernel.notes().join("damon_reclaim").exists());
    }
    let kernel = Fake::new(Version(6, 12));
    let control = kernel.module(RECLAIM);
    let before = kernel.inputs(RECLAIM);
    kernel.state(|state| state.stays_off = true);
    let error = control
        .enable(&control.parse(EXAMPLE).unwrap())
        .unwrap_err();
    assert!(matches!(error, ModuleError::NotOn { .. }), "{error}");
    assert_eq!(kernel.inputs(RECLAIM), before);
}

#[test]
fn a_value_that_fails_takes_the_others_back() {
    let kernel = Fake::new(Version(7, 3));
    let control = kernel.module(RECLAIM);
    let before = kernel.inputs(RECLAIM);
    kernel.state(|state| state.fail = Some(("wmarks_mid", Errno::NOMEM)));
    let error = control
        .set(&control.parse(EXAMPLE).unwrap(), false)
        .unwrap_err();
    assert!(error.to_string().contains("wmarks_mid"), "{error}");
    assert_eq!(kernel.inputs(RECLAIM), before);
}

#[test]
fn rules_hold_for_old_and_new_values_together() {
    let kernel = Fake::new(Version(7, 3));
    let control = kernel.module(RECLAIM);
    let set = |new: &[(&'static str, &'static str)]| {
        let new = control.parse(new.iter().copied()).unwrap();
        control.set(&new, false)
    };
    let error = set(&[("sample_interval", "200ms")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "DAMON_RECLAIM would not take sample_interval=200000 aggr_interval=100000: \
         the sampling interval must not exceed the aggregation interval; set both at once; nothing was changed"
    );
    assert_eq!(kernel.state(|state| state.log.len()), 0);
    set(&[("sample_interval", "200ms"), ("aggr_interval", "1s")]).unwrap();
    // What somebody else has set badly is told when it would count.
    kernel.put(RECLAIM, "min_nr_regions", "2");
    let error = control.enable(&[]).unwrap_err();
    assert!(error.to_string().contains("min_nr_regions=2"), "{error}");
}

#[test]
fn what_is_typed_wrongly_is_told_by_name() {
    let kernel = Fake::new(Version(6, 12));
    let control = kernel.module(RECLAIM);
    for (name, value, message) in [
        (
            "addr_unit",
            "1",
            "DAMON_RECLAIM has no parameter addr_unit on this kernel; it is there since Linux 6.18",
        ),
        (
            "autotune_monitoring_intervals",
            "Y",
            "DAMON_RECLAIM has no parameter autotune_monitoring_intervals on this kernel; it is there since Linux 7.2",
        ),
        (
            "enabled",
            "Y",
            "enabled is not set: use `damo module reclaim enable` or `disable`",
        ),
        (
            "commit_inputs",
            "Y",
            "commit_inputs is not set: use `damo module reclaim commit`",
        ),
        (
            "kdamond_pid",
            "1",
            "DAMON_RECLAIM's kdamond_pid is the kernel's to write; only `read` and `status` use it",
        ),
        (
            "skip_anon",
            "maybe",
            "DAMON_RECLAIM's skip_anon: 'maybe' is neither Y nor N",
        ),
        (
            "quota_ms",
            "10us",
            "DAMON_RECLAIM's quota_ms: '10us' is not a whole number of milliseconds",
        ),
    ] {
        let error = control.parse([(name, value)]).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    let error = control.parse([("min_ago", "1")]).unwrap_err().to_string();
    assert!(
        error.starts_with(
            "DAMON_RECLAIM has no parameter 'min_ago'; it has enabled, commit_inputs, min_age,"
        ),
        "{error}"
    );
    let twice = control.parse([("min_age", "1"), ("min_age", "2")]);
    assert!(matches!(twice, Err(ModuleError::Twice { .. })));
}

#[test]
fn a_module_that_is_missing_is_told_with_what_has_it() {
    let kernel = Fake::new(Version(6, 12));
    let notes = Notes::new(kernel.notes(), String::new());
    let error = Control::new(Module::Stat, kernel.system(), notes).unwrap_err();
    assert_eq!(
        error.to_string(),
        "this kernel has no DAMON_STAT (/sys/module/damon_stat is not there); \
         boot a kernel of version 6.17 or later that is built with CONFIG_DAMON_STAT"
    );
}

#[test]
fn only_root_changes_anything() {
    let kernel = Fake::new(Version(7, 3));
    let mut system = kernel.system();
    system.is_root = false;
    let notes = Notes::new(kernel.notes(), String::new());
    let control = Control::new(RECLAIM, system, notes).unwrap();
    assert!(matches!(control.enable(&[]), Err(ModuleError::NotRoot)));
    assert!(matches!(control.disable(true), Err(ModuleError::NotRoot)));
    assert!(matches!(control.set(&[], true), Err(ModuleError::NotRoot)));
    assert!(matches!(
        control.commit(&[], true),
        Err(ModuleError::NotRoot)
    ));
    assert_eq!(kernel.state(|state| state.log.len()), 0);
}

#[test]
fn a_commit_is_waited_for() {
    let kernel = Fake::new(Version(6, 12));
    let control = kernel.module(RECLAIM);
    control.enable(&[]).unwrap();
    kernel.state(|state| state.asleep = 5);
    control.commit(&[], false).unwrap();
    assert_eq!(kernel.get(RECLAIM, "commit_inputs"), "N");
    assert_eq!(kernel.state(|state| state.asleep), 0);
}

#[test]
fn a_commit_that_never_comes_is_given_up() {
    let kernel = Fake::new(Version(6, 12));
    let control = kernel.module(RECLAIM);
    control.enable(&[]).unwrap();
    kernel.put(RECLAIM, "wmarks_interval", "0");
    kernel.state(|state| state.asleep = usize::MAX);
    match control.commit(&[], false) {
        Err(ModuleError::Pending { waited, .. }) => {
            assert!(waited < Duration::from_secs(2), "{waited:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_module_that_a_commit_switched_off_is_told() {
    let kernel = Fake::new(Version(6, 12));
    let control = kernel.module(RECLAIM);
    control.enable(&[]).unwrap();
    kernel.state(|state| state.asleep = 2);
    kernel.state(|state| state.spoil = true);
    let result = control.commit(&[], false);
    assert!(
        matches!(result, Err(ModuleError::SwitchedOff { .. })),
        "{result:?}"
    );
    assert!(!kernel.notes().join("damon_reclaim").exists());
}

#[test]
fn a_refused_commit_takes_the_values_back() {
    let kernel = Fake::new(Version(7, 2));
    let control = kernel.module(RECLAIM);
    control.enable(&[]).unwrap();
    let before = kernel.inputs(RECLAIM);
    kernel.state(|state| state.fail = Some(("commit_inputs", Errno::INVAL)));
    let new = control.parse([("min_age", "1s")]).unwrap();
    let error = control.commit(&new, false).unwrap_err();
    assert!(matches!(error, ModuleError::Refused { .. }), "{error}");
    assert_eq!(kernel.inputs(RECLAIM), before);
    assert_eq!(kernel.get(RECLAIM, "enabled"), "Y");
}

#[test]
fn there_is_nothing_to_commit_to_a_module_that_is_off_or_has_no_inputs() {
    let kernel = Fake::new(Version(7, 3));
    let off = kernel.module(RECLAIM).commit(&[], false);
    assert!(matches!(off, Err(ModuleError::Off(_))));
    let stat = kernel.module(Module::Stat).commit(&[], false);
    assert!(matches!(stat, Err(ModuleError::NoInputs(_))));
    kernel.module(RECLAIM).enable(&[]).unwrap();
    let again = kernel.module(RECLAIM).enable(&[]);
    assert!(matches!(again, Err(ModuleError::Runs(_))));
}
