//! Options → filters, of schemes and of probes.

use super::UsageError;
use crate::control::params::{Filter, FilterKind, Region, number, size, unknown_type};

/// How many of these words are filters; the others were not meant for them.
pub(in crate::cli) fn words_of_filters(words: &[String]) -> usize {
    let mut left = words;
    while !left.is_empty() {
        match next_filter(left) {
            Some(Ok((_, rest))) => left = rest,
            // An error is for whoever uses them.
            Some(Err(_)) => return words.len(),
            None if left.len() == words.len() => return words.len(),
            None => break,
        }
    }
    words.len() - left.len()
}

/// Filters, one after another, in either of the peer's spellings.
pub(in crate::cli) fn filters_of(name: &str, words: &[String]) -> Result<Vec<Filter>, UsageError> {
    let mut filters = Vec::new();
    let mut left = words;
    while !left.is_empty() {
        let next = next_filter(left).unwrap_or_else(|| {
            Err("a filter is allow|reject [none] TYPE [arguments], or TYPE matching|nomatching [arguments] [allow|reject]".to_owned())
        });
        let (filter, rest) =
            next.map_err(|message| UsageError(format!("--{name} {}: {message}", left.join(" "))))?;
        filters.push(filter);
        left = rest;
    }
    Ok(filters)
}

type Next<'w> = Option<Result<(Filter, &'w [String]), String>>;

/// The first filter, and the words after it; `None` if none begins here.
fn next_filter(words: &[String]) -> Next<'_> {
    let (first, rest) = words.split_first()?;
    if let Some(allow) = verdict(first) {
        let (matching, rest) = match rest.split_first() {
            Some((word, rest)) if ["none", "non"].contains(&word.as_str()) => (false, rest),
            _ => (true, rest),
        };
        let Some((kind, rest)) = rest.split_first() else {
            return Some(Err("the type of the filter is missing".to_owned()));
        };
        return Some(kind_of(kind, rest).map(|(kind, rest)| {
            (
                Filter {
                    kind,
                    matching,
                    allow,
                },
                rest,
            )
        }));
    }
    let (word, arguments) = rest.split_first()?;
    let matching = match word.as_str() {
        "matching" => true,
        "nomatching" => false,
        _ => return None,
    };
    Some(
        kind_of(first, arguments).map(|(kind, rest)| match rest.split_first() {
            // The verdict of the next filter comes before a type.
            Some((word, after)) if verdict(word).is_some() && !begins_filter(after) => (
                Filter {
                    kind,
                    matching,
                    allow: verdict(word) == Some(true),
                },
                after,
            ),
            _ => (
                Filter {
                    kind,
                    matching,
                    allow: false,
                },
                rest,
            ),
        }),
    )
}

/// Whether a filter of the newer spelling goes on here, after its verdict.
fn begins_filter(words: &[String]) -> bool {
    let word = |at: usize| words.get(at).map(String::as_str);
    let old = matches!(word(1), Some("matching" | "nomatching"));
    let is_type = |word: Option<&str>| word.is_some_and(|word| TYPES.contains(&word));
    !old && (is_type(word(0)) || (matches!(word(0), Some("none" | "non")) && is_type(word(1))))
}

const TYPES: [&str; 8] = [
    "anon",
    "active",
    "young",
    "unmapped",
    "memcg",
    "addr",
    "target",
    "hugepage_size",
];

fn verdict(word: &str) -> Option<bool> {
    match word {
        "allow" => Some(true),
        "reject" | "deny" | "block" => Some(false),
        _ => None,
    }
}

fn kind_of<'w>(kind: &str, words: &'w [String]) -> Result<(FilterKind, &'w [String]), String> {
    let one = |what: &str| {
        words
            .split_first()
            .ok_or_else(|| format!("{kind} needs {what}"))
    };
    let two = |what: &str| match words {
        [first, second, rest @ ..] => Ok((size(first)?, size(second)?, rest)),
        _ => Err(format!("{kind} needs {what}")),
    };
    Ok(match kind {
        "anon" => (FilterKind::Anon, words),
        "active" => (FilterKind::Active, words),
        "young" => (FilterKind::Young, words),
        "unmapped" => (FilterKind::Unmapped, words),
        "memcg" => {
            let (path, rest) = one("a cgroup's path")?;
            (FilterKind::Memcg(path.clone()), rest)
        }
        "target" => {
            let (index, rest) = one("a target's index")?;
            (FilterKind::Target(number(index)?), rest)
        }
        "addr" => {
            let (start, end, rest) = two("a start and an end")?;
            (FilterKind::Addr(Region { start, end }), rest)
        }
        "hugepage_size" => {
            let (min, max, rest) = two("a minimum and a maximum")?;
            (FilterKind::HugepageSize { min, max }, rest)
        }
        _ => {
            return Err(unknown_type(kind));
        }
    })
}
