//! Options of the peer's that are known, to be refused.

use crate::control::params::NO_PREPS;

/// An option of the peer's for what no kernel has.
pub struct Refused {
    /// Its long name.
    pub name: &'static str,
    /// The words that ask for nothing.
    pub allowed: &'static [&'static str],
    /// Why others are refused.
    pub rule: &'static str,
}

const NO_OTHER_WAYS: &str = "no kernel up to 7.3 samples otherwise than by page tables";

/// Options that are known, to be refused.
pub const REFUSED: &[Refused] = &[
    Refused {
        name: "probe_prep",
        allowed: &[],
        rule: NO_PREPS,
    },
    Refused {
        name: "nr_probe_preps",
        allowed: &["0"],
        rule: NO_PREPS,
    },
    Refused {
        name: "sample_primitives",
        allowed: &["page_table"],
        rule: NO_OTHER_WAYS,
    },
    Refused {
        name: "exp_ops_use_reports",
        allowed: &["N"],
        rule: NO_OTHER_WAYS,
    },
    Refused {
        name: "exp_ops_write_only",
        allowed: &["N"],
        rule: NO_OTHER_WAYS,
    },
    Refused {
        name: "exp_ops_cpus",
        allowed: &["all"],
        rule: NO_OTHER_WAYS,
    },
    Refused {
        name: "exp_ops_tids",
        allowed: &[],
        rule: NO_OTHER_WAYS,
    },
];
