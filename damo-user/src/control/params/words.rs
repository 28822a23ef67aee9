//! DAMON's keywords, each with the kernel that first knew it.

use std::fmt;
use std::str::FromStr;

use super::Release;
use crate::model::similar;

/// Makes an enum of keywords.
macro_rules! words {
    (
        $(#[$doc:meta])* $name:ident, $what:literal:
        $($(#[$variant_doc:meta])* $variant:ident = $word:literal since $major:literal $minor:literal,)*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every one.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// As DAMON's file has it.
            pub fn keyword(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }

            /// The first kernel that takes it.
            pub fn since(self) -> Release {
                match self { $($name::$variant => Release($major, $minor),)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.keyword())
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<$name, String> {
                let found = $name::ALL.iter().find(|word| word.keyword() == text);
                found.copied().ok_or_else(|| {
                    unknown(text, $what, $name::ALL.iter().map(|word| word.keyword()))
                })
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<$name, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// Says what there is, and which of it was meant.
fn unknown<'n>(text: &str, what: &str, known: impl Iterator<Item = &'n str> + Clone) -> String {
    let all: Vec<&str> = known.clone().collect();
    let near =
        similar(text, known).map_or(String::new(), |near| format!("; did you mean '{near}'?"));
    format!("'{text}' is not {what}: {}{near}", all.join(", "))
}

words! {
    /// What a scheme does to memory.
    Action, "an action":
    /// Read it in before it is needed.
    Willneed = "willneed" since 5 16,
    /// Reclaim it rather than others.
    Cold = "cold" since 5 16,
    /// Reclaim it now.
    Pageout = "pageout" since 5 16,
    /// Let it use huge pages.
    Hugepage = "hugepage" since 5 16,
    /// Keep it from using huge pages.
    Nohugepage = "nohugepage" since 5 16,
    /// Make huge pages of it now.
    Collapse = "collapse" since 7 2,
    /// Move it up on its LRU list.
    LruPrio = "lru_prio" since 6 0,
    /// Move it down on its LRU list.
    LruDeprio = "lru_deprio" since 6 0,
    /// Move it to another node, hot memory first.
    MigrateHot = "migrate_hot" since 6 11,
    /// Move it to another node, cold memory first.
    MigrateCold = "migrate_cold" since 6 11,
    /// Only count it.
    Stat = "stat" since 5 16,
}

impl Action {
    /// Whether it moves memory to another node.
    pub fn migrates(self) -> bool {
        matches!(self, Action::MigrateHot | Action::MigrateCold)
    }
}

words! {
    /// What a quota is tuned towards.
    GoalMetric, "a goal's metric":
    /// What the user says it is.
    UserInput = "user_input" since 6 8,
    /// Microseconds of memory pressure stall per reset interval.
    SomeMemPsiUs = "some_mem_psi_us" since 6 9,
    /// Used share of a node, 1/10000.
    NodeMemUsedBp = "node_mem_used_bp" since 6 16,
    /// Free share of a node, 1/10000.
    NodeMemFreeBp = "node_mem_free_bp" since 6 16,
    /// Share of a node that a cgroup uses, 1/10000.
    NodeMemcgUsedBp = "node_memcg_used_bp" since 6 19,
    /// Share of a node that a cgroup does not use, 1/10000.
    NodeMemcgFreeBp = "node_memcg_free_bp" since 6 19,
    /// Active share of LRU memory, 1/10000.
    ActiveMemBp = "active_mem_bp" since 7 0,
    /// Inactive share of LRU memory, 1/10000.
    InactiveMemBp = "inactive_mem_bp" since 7 0,
    /// Share of the scheme's memory that is on a node, 1/10000.
    NodeEligibleMemBp = "node_eligible_mem_bp" since 7 2,
}

impl GoalMetric {
    /// Whether it is measured on a node.
    pub fn of_node(self) -> bool {
        self.keyword().starts_with("node_")
    }

    /// Whether it is measured on a cgroup.
    pub fn of_memcg(self) -> bool {
        matches!(
            self,
            GoalMetric::NodeMemcgUsedBp | GoalMetric::NodeMemcgFreeBp
        )
    }

    /// Whether its values are in 1/10000.
    pub fn in_bp(self) -> bool {
        self.keyword().ends_with("_bp")
    }
}

words! {
    /// How a quota is tuned.
    GoalTuner, "a goal tuner":
    /// Step by step.
    Consist = "consist" since 7 1,
    /// All or nothing.
    Temporal = "temporal" since 7 1,
}

words! {
    /// What switches a scheme on and off.
    WatermarkMetric, "a watermark metric":
    /// Nothing.
    None = "none" since 5 16,
    /// Free share of memory, 1/1000.
    FreeMemRate = "free_mem_rate" since 5 16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mistyped_is_answered_with_the_nearest() {
        let error = "pagout".parse::<Action>().unwrap_err();
        assert!(error.ends_with("; did you mean 'pageout'?"), "{error}");
        let error = "node_mem_fre_bp".parse::<GoalMetric>().unwrap_err();
        assert!(
            error.ends_with("; did you mean 'node_mem_free_bp'?"),
            "{error}"
        );
        let error = "xyz".parse::<Action>().unwrap_err();
        assert!(error.ends_with("migrate_cold, stat"), "{error}");
    }
}
