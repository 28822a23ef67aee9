//! Names that were mistyped.

/// The known name that is most like what was typed, if any is: as clap answers
/// mistyped options.
pub fn similar<'n>(typed: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let rated = known
        .into_iter()
        .map(|name| (strsim::jaro(typed, name), name));
    let (likeness, name) = rated.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (likeness > 0.7).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_like_it_is_named() {
        let known = ["pageout", "hugepage", "nohugepage", "stat"];
        assert_eq!(similar("pagout", known), Some("pageout"));
        assert_eq!(similar("hugepages", known), Some("hugepage"));
        assert_eq!(similar("xyz", known), None);
        assert_eq!(similar("stat", []), None);
    }
}
