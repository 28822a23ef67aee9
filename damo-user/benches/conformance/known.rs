//! What is known to differ, and why.

use crate::programs::Printed;

/// A difference that is as it should be.
pub struct Known {
    /// Words of the command lines that it is of.
    pub words: &'static [&'static str],
    /// The files that it is of; none: all.
    pub files: &'static [&'static str],
    pub reason: &'static str,
    /// How they differ.
    pub how: How,
}

pub enum How {
    /// The peer fails, with this in what it says.
    TheyFail(&'static str),
    /// Ours has a form of its own.
    OwnForm,
    /// They are the same, both changed like this.
    Alike(fn(&str) -> String),
    /// Ours is the peer's, changed like this.
    Changed(fn(&str) -> String),
}

impl Known {
    /// Whether it is of this case.
    pub fn is_of(&self, line: &str, file: &str) -> bool {
        self.words.iter().all(|word| line.contains(word))
            && (self.files.is_empty() || self.files.contains(&file))
    }

    /// Whether it is what differs, and all of it.
    pub fn explains(&self, theirs: &Printed, ours: &Printed) -> bool {
        match self.how {
            How::TheyFail(said) => theirs.code != 0 && ours.code == 0 && theirs.err.contains(said),
            How::OwnForm => theirs.code == 0 && ours.code == 0 && !ours.out.is_empty(),
            How::Alike(change) => {
                theirs.code == 0 && ours.code == 0 && change(&theirs.out) == change(&ours.out)
            }
            How::Changed(change) => {
                theirs.code == 0 && ours.code == 0 && change(&theirs.out) == ours.out
            }
        }
    }
}

/// Text without the statistics of a scheme: a heading and six lines.
fn without_stats(text: &str) -> String {
    let mut lines = text.lines();
    let mut kept = Vec::new();
    while let Some(line) = lines.next() {
        match line {
            "scheme stats" => drop(lines.by_ref().take(6).collect::<Vec<_>>()),
            line => kept.push(line),
        }
    }
    kept.join("\n")
}

/// Text without the lines that have one of these words.
fn without(text: &str, words: &[&str]) -> String {
    let has = |line: &&str| words.iter().any(|word| line.contains(word));
    let lines = text.lines().filter(|line| !has(line));
    lines.collect::<Vec<_>>().join("\n")
}

pub const KNOWN: &[Known] = &[
    Known {
        words: &["report access"],
        files: &["snapshot.anon"],
        reason: "statistics of a scheme are printed where a format asks for them, as in 3.3",
        how: How::Alike(without_stats),
    },
    Known {
        words: &["report access", "--address"],
        files: &["snapshot.anon"],
        reason: "of a region that --address cuts, a part in proportion passed filters, and not all that did",
        how: How::Alike(|text| without(&without_stats(text), &["df-pass"])),
    },
    Known {
        words: &["report access", "--region_box_values none"],
        files: &[],
        reason: "the peer breaks off at a side of a box that shows nothing",
        how: How::TheyFail("sorted_vals"),
    },
    Known {
        words: &["report wss", "--per_target"],
        files: &[],
        reason: "the heading of the columns stands before all targets, once, as in 1.7.3",
        how: How::Alike(|text| without(text, &["# <percentile> <wss>"])),
    },
    Known {
        words: &["adjust"],
        files: &[],
        reason: "percents and microseconds that follow from the intervals are left out of json, as null",
        how: How::Alike(|text| without(text, &["\"percent\":", "\"usec\":"])),
    },
    Known {
        words: &["validate", "--allow_error"],
        files: &[],
        reason: "the peer breaks off: it takes the number for a text",
        how: How::TheyFail("unsupported operand"),
    },
    Known {
        words: &["report record_info"],
        files: &[],
        reason: "record_info says more, of all targets together, in a form of its own",
        how: How::OwnForm,
    },
    Known {
        words: &["convert_record_format", "--format perf_script"],
        files: &[],
        reason: "an unknown age or target is left out of perf script text: the peer writes None, and cannot read it",
        how: How::Changed(|theirs| {
            let ages = theirs
                .lines()
                .map(|line| line.strip_suffix(" None").unwrap_or(line));
            let text: Vec<&str> = ages.collect();
            text.join("\n").replace("target_id=None ", "target_id=0 ")
        }),
    },
];
