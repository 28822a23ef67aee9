//! The schemes that show all regions, and what each of them shows.

use crate::control::params::{
    Feature, Features, Filter, FilterKind, Layer, ParamError, Params, Region, Release, Scheme,
};
use crate::model::Ops;

/// Why there can be no snapshots.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// debugfs has no results.
    #[error(
        "--snapshot: DAMON's debugfs interface tells no regions; leave --snapshot out, or boot a kernel with CONFIG_DAMON_SYSFS (Linux 6.2 or later)"
    )]
    Debugfs,
    /// The first kernels with sysfs have no results either.
    #[error(
        "--snapshot: this kernel's DAMON does not tell which regions schemes try; that came with Linux 6.2: leave --snapshot out"
    )]
    NoRegions,
    /// Nothing would be told about what passes.
    #[error(
        "--snapshot_damos_filter {kind}: with --ops {} this kernel does not tell how much passes; that came with Linux {since}",
        ops.keyword()
    )]
    NoPassed {
        /// The filter.
        kind: &'static str,
        /// The operations set.
        ops: Ops,
        /// The first kernel that does.
        since: Release,
    },
    /// A filter that cannot be right.
    #[error(transparent)]
    Filter(#[from] ParamError),
}

/// What a scheme's tried regions are the regions of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Index of the kdamond.
    pub kdamond: usize,
    /// Index of the scheme in its context.
    pub scheme: usize,
    /// DAMON's target id; 0 if `all`.
    pub target: usize,
    /// Regions of all targets, which cannot be told apart.
    pub all: bool,
    /// There are filters on pages: what passes them is told.
    pub passed: bool,
}

/// Adds a `stat` scheme for each target to each context, or one for all where
/// this kernel has no filters by target. Says what each of them tells.
///
/// # Errors
/// A filter cannot be right, or nothing would be told about what passes it.
pub fn add_stat_schemes(
    params: &mut Params,
    filters: &[Filter],
    features: &Features,
) -> Result<Vec<View>, SnapshotError> {
    let page_filter = filters.iter().find(|it| it.kind.layer() == Layer::Ops);
    let mut views = Vec::new();
    for (k, kdamond) in params.kdamonds.iter_mut().enumerate() {
        for context in &mut kdamond.contexts {
            if let Some(filter) = page_filter {
                check_passed(filter, context.ops, features)?;
            }
            let filters = filters.iter().map(|it| in_units(it, context.addr_unit));
            let filters: Vec<Filter> = filters.collect();
            let many = context.targets.len() > 1;
            let apart = many && features.has(Feature::FilterAddr) == Some(true);
            let nr_schemes = if apart { context.targets.len() } else { 1 };
            for target in 0..nr_schemes {
                // All but this target are kept out; the default is the opposite.
                let only = apart.then_some(Filter {
                    kind: FilterKind::Target(target as u64),
                    matching: false,
                    allow: false,
                });
                views.push(View {
                    kdamond: k,
                    scheme: context.schemes.len(),
                    target,
                    all: many && !apart,
                    passed: page_filter.is_some(),
                });
                context.schemes.push(Scheme {
                    filters: only.into_iter().chain(filters.iter().cloned()).collect(),
                    ..Scheme::default()
                });
            }
        }
    }
    // Everything else was checked before: it is about the filters.
    params.validate().map_err(|error| ParamError {
        option: Some("--snapshot_damos_filter"),
        ..error
    })?;
    Ok(views)
}

/// Refuses filters on pages where DAMON would count nothing.
fn check_passed(filter: &Filter, ops: Ops, features: &Features) -> Result<(), SnapshotError> {
    let since = match ops {
        Ops::Paddr => Release(6, 14),
        Ops::Vaddr | Ops::Fvaddr => Release(6, 18),
    };
    let too_old = features.has(Feature::FilterAllow) == Some(false);
    match too_old || features.knows(since) == Some(false) {
        true => Err(SnapshotError::NoPassed {
            kind: filter.kind.keyword(),
            ops,
            since,
        }),
        false => Ok(()),
    }
}

/// Addresses in bytes as the context has them.
fn in_units(filter: &Filter, unit: u64) -> Filter {
    let mut filter = filter.clone();
    if let FilterKind::Addr(Region { start, end }) = &mut filter.kind {
        let unit = unit.max(1);
        (*start, *end) = (*start / unit, end.div_ceil(unit));
    }
    filter
}
