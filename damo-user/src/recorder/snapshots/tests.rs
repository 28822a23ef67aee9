//! Which schemes tell what, and what their regions become.

use super::taker::fill;
use super::{SnapshotError, View, add_stat_schemes};
use crate::control::params::{
    Context, Features, Filter, FilterKind, Params, Region as ParamRegion, Release, Scheme, Target,
};
use crate::control::results::{TriedRegion, TriedRegions};
use crate::model::{Ops, Snapshot, TargetKey};

fn context(ops: Ops, pids: &[u32]) -> Context {
    let target = |&pid: &u32| Target {
        pid: (pid > 0).then_some(pid),
        regions: vec![ParamRegion {
            start: 0,
            end: 1 << 20,
        }],
        obsolete: false,
    };
    Context {
        ops,
        targets: pids.iter().map(target).collect(),
        ..Context::default()
    }
}

fn params(contexts: &[Context]) -> Params {
    let kdamonds = contexts.iter().flat_map(|it| {
        let Params { kdamonds } = Params::of(it.clone());
        kdamonds
    });
    Params {
        kdamonds: kdamonds.collect(),
    }
}

fn filter(kind: FilterKind) -> Filter {
    Filter {
        kind,
        matching: true,
        allow: true,
    }
}

const NEW: Release = Release(7, 3);

fn added(
    contexts: &[Context],
    filters: &[Filter],
    release: Release,
) -> Result<(Params, Vec<View>), SnapshotError> {
    let mut params = params(contexts);
    let features = Features::of_release(release);
    let views = add_stat_schemes(&mut params, filters, &features)?;
    Ok((params, views))
}

#[test]
fn each_target_has_a_scheme_of_its_own() {
    let mut first = context(Ops::Vaddr, &[5, 6]);
    first.schemes.push(Scheme::default());
    let contexts = [first, context(Ops::Paddr, &[0])];
    let (params, views) = added(&contexts, &[], NEW).unwrap();
    let places: Vec<_> = views
        .iter()
        .map(|view| (view.kdamond, view.scheme, view.target, view.all))
        .collect();
    assert_eq!(
        places,
        [(0, 1, 0, false), (0, 2, 1, false), (1, 0, 0, false)]
    );
    let schemes: Vec<&Scheme> = params.contexts().flat_map(|(.., it)| &it.schemes).collect();
    assert_eq!(schemes.len(), 4);
    // What is not of target 1 is rejected, and the rest let through.
    let only = Filter {
        kind: FilterKind::Target(1),
        matching: false,
        allow: false,
    };
    assert_eq!(schemes[2].filters, [only]);
    assert!(schemes[3].filters.is_empty());
    // Every region matches.
    assert_eq!(*schemes[3], Scheme::default());
}

#[test]
fn without_filters_by_target_all_are_one() {
    let (params, views) = added(&[context(Ops::Vaddr, &[5, 6])], &[], Release(6, 5)).unwrap();
    assert_eq!(params.kdamonds[0].contexts[0].schemes.len(), 1);
    let [view] = views[..] else {
        panic!("{views:?}")
    };
    assert!(view.all);
    // One target needs no filter.
    let (_, views) = added(&[context(Ops::Vaddr, &[5])], &[], Release(6, 5)).unwrap();
    assert!(!views[0].all);
}

#[test]
fn filters_go_behind_the_targets_own() {
    let filters = [
        filter(FilterKind::Anon),
        filter(FilterKind::Addr(ParamRegion {
            start: 4096,
            end: 8200,
        })),
    ];
    let mut physical = context(Ops::Paddr, &[0]);
    physical.addr_unit = 16;
    let (params, views) = added(&[physical], &filters, NEW).unwrap();
    assert!(views[0].passed);
    let scheme = &params.kdamonds[0].contexts[0].schemes[0];
    let range = ParamRegion {
        start: 256,
        end: 513,
    };
    assert_eq!(
        scheme.filters,
        [filter(FilterKind::Anon), filter(FilterKind::Addr(range))]
    );
    // Of addresses nothing is counted, they only leave out.
    let (_, views) = added(&[context(Ops::Vaddr, &[5])], &filters[1..], NEW).unwrap();
    assert!(!views[0].passed);
}

#[test]
fn what_would_tell_nothing_is_refused() {
    let anon = [filter(FilterKind::Anon)];
    for (ops, pid, release, since) in [
        (Ops::Paddr, 0, Release(6, 12), "6.14"),
        (Ops::Vaddr, 5, Release(6, 12), "6.18"),
        (Ops::Vaddr, 5, Release(6, 17), "6.18"),
    ] {
        let error = added(&[context(ops, &[pid])], &anon, release).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("--snapshot_damos_filter anon"), "{text}");
        assert!(text.contains(since), "{text}");
    }
    assert!(added(&[context(Ops::Paddr, &[0])], &anon, Release(6, 17)).is_ok());
    assert!(added(&[context(Ops::Vaddr, &[5])], &anon, Release(6, 18)).is_ok());
    let backwards = filter(FilterKind::Addr(ParamRegion { start: 2, end: 1 }));
    let error = added(&[context(Ops::Vaddr, &[5])], &[backwards], NEW).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("--snapshot_damos_filter"), "{text}");
}

fn snapshot() -> Snapshot {
    Snapshot {
        target: TargetKey {
            kdamond: 1,
            target_id: 0,
        },
        start_ns: 0,
        end_ns: 1,
        intervals: None,
        missing: 0,
        regions: Vec::new(),
        extra: None,
    }
}

fn tried(bounds: &[(u64, u64)]) -> TriedRegions {
    let region = |&(start, end): &(u64, u64)| TriedRegion {
        start,
        end,
        nr_accesses_samples: 3,
        age_aggr_intervals: u64::MAX,
        sz_filter_passed_bytes: Some(start),
        probe_hits: Vec::new(),
    };
    TriedRegions {
        total_bytes: bounds.iter().map(|(start, end)| end - start).sum(),
        regions: bounds.iter().map(region).collect(),
    }
}

#[test]
fn regions_become_a_snapshots() {
    let mut one = snapshot();
    fill(&mut one, &tried(&[(4096, 8192), (8192, 16384)]), false);
    let bounds: Vec<_> = one.regions.iter().map(|it| (it.start, it.end)).collect();
    assert_eq!(bounds, [(4096, 8192), (8192, 16384)]);
    assert_eq!(one.regions[0].nr_accesses, 3);
    assert_eq!(one.regions[0].age, Some(u32::MAX));
    // Nothing was filtered, so that nothing is known of what passed.
    assert_eq!((one.missing, one.extra), (0, None));

    let mut filtered = snapshot();
    let mut part = tried(&[(4096, 8192)]);
    part.total_bytes = 9000;
    part.regions[0].probe_hits = vec![1, 2];
    fill(&mut filtered, &part, true);
    let extra = filtered.extra.unwrap();
    assert_eq!(extra.filter_passed, [Some(4096)]);
    assert_eq!(extra.probe_hits, [[1, 2]]);
    assert_eq!(extra.total_bytes, Some(9000));

    let mut none = snapshot();
    fill(&mut none, &tried(&[]), true);
    assert_eq!(none, snapshot());
}

#[test]
fn regions_of_several_targets_that_overlap_are_missed() {
    let mut both = snapshot();
    let bounds = [
        (4096, 8192),
        (20480, 24576),
        (0, 4096),
        (4096, 6000),
        (7000, 9000),
    ];
    fill(&mut both, &tried(&bounds), false);
    let starts: Vec<u64> = both.regions.iter().map(|it| it.start).collect();
    assert_eq!(starts, [0, 4096, 20480]);
    assert_eq!(both.missing, 2);
}
