//! Whatever somebody has set comes back exactly.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use crate::common;

use std::path::Path;

use common::fake_kernel::{ADMIN, FakeKernel, Fault, Version};
use common::fake_layout::Domain;
use damo_user::control::{Files, Kind, RestoreError, Saved};
use proptest::prelude::*;
use rustix::io::Errno;

/// Sets every file below `at` to something, as `pick` says.
fn populate(kernel: &FakeKernel, at: &Path, pick: &mut impl FnMut(u32) -> u32) {
    for entry in kernel.list(at).unwrap() {
        let path = at.join(&entry.name);
        let value = match (entry.kind, kernel.domain(&path)) {
            (Kind::Folder, _) | (_, None) => continue,
            (_, Some(_)) if entry.name == "state" => continue,
            (_, Some(Domain::Count(most))) => pick(most.min(2) + 1).to_string(),
            (_, Some(Domain::Unsigned)) => (u64::from(pick(u32::MAX)) << pick(32)).to_string(),
            (_, Some(Domain::Signed)) => (i64::from(pick(1000)) - 1).to_string(),
            (_, Some(Domain::Bool)) => ["Y", "N"][pick(2) as usize].to_owned(),
            (_, Some(Domain::Words(words))) => words[pick(words.len() as u32) as usize].to_owned(),
            // As echo writes it, and as printf does.
            (_, Some(Domain::Text)) => ["", "/a b", "/cgroup/x\n"][pick(3) as usize].to_owned(),
        };
        kernel.write(&path, &value).unwrap();
    }
    // A count has made these, or wiped them.
    for folder in kernel.list(at).unwrap() {
        if folder.kind == Kind::Folder {
            populate(kernel, &at.join(folder.name), pick);
        }
    }
}

fn populated(version: Version, picks: &[u32]) -> std::sync::Arc<FakeKernel> {
    let kernel = FakeKernel::new(version);
    let mut next = 0;
    let mut pick = |below: u32| {
        next += 1;
        picks[next % picks.len()] % below
    };
    populate(&kernel, Path::new(ADMIN), &mut pick);
    kernel
}

fn versions() -> impl Strategy<Value = Version> {
    prop::sample::select(Version::ALL.to_vec())
}

proptest! {
    #[test]
    fn any_tree_comes_back(
        version in versions(),
        picks in prop::collection::vec(any::<u32>(), 1..400),
        others in prop::collection::vec(any::<u32>(), 1..400),
    ) {
        let kernel = populated(version, &picks);
        let tree = kernel.system().admin();
        let before = kernel.dump();
        let saved = Saved::read(&tree).unwrap();

        let text = serde_json::to_string(&saved).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Saved>(&text).unwrap(), &saved);

        let mut next = 0;
        let mut pick = |below: u32| {
            next += 1;
            others[next % others.len()] % below
        };
        populate(&kernel, Path::new(ADMIN), &mut pick);
        saved.restore(&tree).unwrap();
        prop_assert_eq!(kernel.dump(), before);
    }
}

fn rich(version: Version) -> std::sync::Arc<FakeKernel> {
    let kernel = FakeKernel::new(version);
    kernel.configure();
    kernel
}

#[test]
fn read_only_files_commands_and_answers_are_not_saved() {
    let kernel = rich(Version::V7_3);
    let text = serde_json::to_string(&Saved::read(&kernel.system().admin()).unwrap()).unwrap();
    for name in [
        "\"state\"",
        "\"pid\"",
        "tried_regions",
        "nr_tried",
        "\"nr_snapshots\"",
    ] {
        assert!(!text.contains(name), "{name}");
    }
    assert!(text.contains("max_nr_snapshots"));
}

#[test]
fn one_failing_write_anywhere_does_not_matter() {
    for errno in [Errno::IO, Errno::BUSY, Errno::INVAL] {
        for at in 1.. {
            let kernel = rich(Version::V6_17);
            let tree = kernel.system().admin();
            let before = kernel.dump();
            let saved = Saved::read(&tree).unwrap();
            kernel.set("kdamonds/nr_kdamonds", "1");

            kernel.fail_write(Some(Fault {
                at,
                times: 1,
                errno,
            }));
            saved.restore(&tree).unwrap();
            assert_eq!(kernel.dump(), before, "{errno} at {at}");
            if kernel.writes() < at {
                assert!(at > 20, "only {at} writes");
                break;
            }
        }
    }
}

#[test]
fn what_cannot_be_put_back_is_named() {
    let kernel = FakeKernel::new(Version::V7_3);
    let tree = kernel.system().admin();
    kernel.set("kdamonds/nr_kdamonds", "1");
    let mut saved = Saved::read(&tree).unwrap();
    let kdamond = saved
        .root
        .folders
        .get_mut("kdamonds")
        .unwrap()
        .folders
        .get_mut("0")
        .unwrap();
    kdamond.files.insert("refresh_ms".into(), "soon".into());
    kdamond.files.insert("of_a_later_kernel".into(), "1".into());

    let error = saved.restore(&tree).unwrap_err();
    let RestoreError::Differs(differences) = &error else {
        panic!("{error}");
    };
    assert_eq!(differences.len(), 2);
    assert_eq!(
        error.to_string(),
        "DAMON's parameters are not as they were: kdamonds/0/of_a_later_kernel is gone, was '1', \
         kdamonds/0/refresh_ms is '0', was 'soon'"
    );
}

#[test]
fn a_lock_that_is_never_let_go_ends_it() {
    let kernel = rich(Version::V6_12);
    let tree = kernel.system().admin();
    let saved = Saved::read(&tree).unwrap();
    kernel.hold_lock(true);
    let error = saved.restore(&tree).unwrap_err();
    assert!(error.to_string().contains("lock"), "{error}");
}
