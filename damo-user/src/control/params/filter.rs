//! Which memory a scheme leaves alone, or a probe asks for.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::{Region, Release, form};

/// A condition on memory, and what follows from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "FilterForm")]
pub struct Filter {
    /// What is looked at.
    pub kind: FilterKind,
    /// Whether the filter is about memory that is so, or about all other.
    pub matching: bool,
    /// Whether that memory is let through, or kept out.
    pub allow: bool,
}

/// What a filter looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FilterKind {
    /// Pages of no file.
    #[default]
    Anon,
    /// Pages on an active LRU list.
    Active,
    /// Pages accessed since DAMON looked last.
    Young,
    /// Pages that nobody maps.
    Unmapped,
    /// Pages of a cgroup, by its path from the root of cgroups.
    Memcg(String),
    /// Addresses `[start, end)`, in the context's address unit.
    Addr(Region),
    /// One of the context's targets, by its index.
    Target(u64),
    /// Pages of these sizes in bytes, both limits included.
    HugepageSize {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
}

/// Which part of DAMON looks at a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// DAMON itself, first: filters on regions.
    Core,
    /// The operations set: filters on pages.
    Ops,
}

impl FilterKind {
    /// As DAMON's `type` file has it.
    pub fn keyword(&self) -> &'static str {
        match self {
            FilterKind::Anon => "anon",
            FilterKind::Active => "active",
            FilterKind::Young => "young",
            FilterKind::Unmapped => "unmapped",
            FilterKind::Memcg(_) => "memcg",
            FilterKind::Addr(_) => "addr",
            FilterKind::Target(_) => "target",
            FilterKind::HugepageSize { .. } => "hugepage_size",
        }
    }

    /// Which part of DAMON looks at it.
    pub fn layer(&self) -> Layer {
        match self {
            FilterKind::Addr(_) | FilterKind::Target(_) => Layer::Core,
            _ => Layer::Ops,
        }
    }

    /// The first kernel that takes it.
    pub fn since(&self) -> Release {
        match self {
            FilterKind::Anon | FilterKind::Memcg(_) => Release(6, 3),
            FilterKind::Addr(_) | FilterKind::Target(_) => Release(6, 6),
            FilterKind::Young => Release(6, 10),
            FilterKind::Active | FilterKind::Unmapped | FilterKind::HugepageSize { .. } => {
                Release(6, 15)
            }
        }
    }
}

/// A filter as the peer writes it: every kind's argument has a key.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FilterForm {
    filter_type: String,
    #[serde(deserialize_with = "some_boolean")]
    matching: Option<bool>,
    #[serde(deserialize_with = "form::boolean", alias = "filter_pass")]
    allow: bool,
    #[serde(alias = "path")]
    memcg_path: Option<String>,
    address_range: Option<Region>,
    damon_target_idx: Option<Number>,
    hugepage_size: Option<Vec<Size>>,
    /// Of a type that is refused.
    #[serde(rename = "probe_hits_wsum_range")]
    _probe_hits_wsum_range: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Number(#[serde(deserialize_with = "form::number")] u64);

#[derive(Deserialize)]
struct Size(#[serde(deserialize_with = "form::bytes")] u64);

impl TryFrom<FilterForm> for Filter {
    type Error = String;

    fn try_from(form: FilterForm) -> Result<Filter, String> {
        let kind = form.filter_type.as_str();
        let needs = |key: &str| needs_of(&form.filter_type, key);
        let kind = match kind {
            "anon" => FilterKind::Anon,
            "active" => FilterKind::Active,
            "young" => FilterKind::Young,
            "unmapped" => FilterKind::Unmapped,
            "memcg" => FilterKind::Memcg(form.memcg_path.ok_or_else(|| needs("memcg_path"))?),
            "addr" => FilterKind::Addr(form.address_range.ok_or_else(|| needs("address_range"))?),
            "target" => FilterKind::Target(
                form.damon_target_idx
                    .ok_or_else(|| needs("damon_target_idx"))?
                    .0,
            ),
            "hugepage_size" => match form.hugepage_size.as_deref() {
                Some([min, max]) => FilterKind::HugepageSize {
                    min: min.0,
                    max: max.0,
                },
                _ => return Err(needs("hugepage_size, with a minimum and a maximum")),
            },
            "" => return Err("a filter needs the key filter_type".to_owned()),
            other => return Err(unknown_type(other)),
        };
        Ok(Filter {
            kind,
            // Without it, a filter could mean its opposite.
            matching: form
                .matching
                .ok_or_else(|| needs_of(&form.filter_type, "matching"))?,
            allow: form.allow,
        })
    }
}

fn needs_of(kind: &str, key: &str) -> String {
    format!("a filter of type {kind} needs the key {key}")
}

fn some_boolean<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    form::boolean(from).map(Some)
}

/// No such type of filter.
pub fn unknown_type(name: &str) -> String {
    if ["probe_hits_wsum", "pgidle_set", "pgidle_unset"].contains(&name) {
        return format!("no kernel up to 7.3 has filters of type {name}");
    }
    format!(
        "'{name}' is not a type of filter: anon, active, young, unmapped, memcg, addr, target, hugepage_size"
    )
}
