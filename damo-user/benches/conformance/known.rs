//! What is known to differ, and why.

use crate::adjusted;
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
    /// Ours has a form of its own, but says each of these of theirs.
    Says(fn(&str) -> Vec<String>),
    /// They are the same, both changed like this.
    Alike(fn(&str) -> String),
    /// Ours is the peer's, changed like this.
    Changed(fn(&str) -> String),
    /// Theirs and ours differ in lines that this says may be.
    Lines(fn(&str, &str) -> bool),
}

impl Known {
    /// Whether it is of this case.
    pub fn is_of(&self, line: &str, file: &str) -> bool {
        self.words.iter().all(|word| line.contains(word))
            && (self.files.is_empty() || self.files.contains(&file))
    }

    /// Whether it is what differs, and all of it.
    pub fn explains(&self, theirs: &Printed, ours: &Printed) -> bool {
        if let How::TheyFail(said) = self.how {
            return theirs.code != 0 && ours.code == 0 && theirs.err.contains(said);
        }
        let (they, we) = (theirs.out.as_str(), ours.out.as_str());
        theirs.code == 0
            && ours.code == 0
            && match self.how {
                How::TheyFail(_) => false,
                How::Says(facts) => {
                    let facts = facts(they);
                    !facts.is_empty() && facts.iter().all(|fact| we.contains(fact))
                }
                How::Alike(change) => change(they) == change(we),
                How::Changed(change) => change(they) == we,
                How::Lines(may_differ) => may_differ(they, we),
            }
    }
}

/// Text without the statistics of a scheme: a heading and six lines.
fn without_stats(text: &str) -> String {
    const STATS: [&str; 7] = [
        "scheme stats",
        "tried ",
        "applied ",
        "",
        "quota exceeded ",
        "",
        "tried ",
    ];
    let lines: Vec<&str> = text.lines().collect();
    let begins = |(line, head): (&&str, &&str)| line.starts_with(head);
    let is_here = |lines: &[&str]| lines.iter().zip(&STATS).all(begins);
    match lines.windows(STATS.len()).position(is_here) {
        Some(at) => [&lines[..at], &lines[at + STATS.len()..]]
            .concat()
            .join("\n"),
        None => text.to_owned(),
    }
}

/// Text without what passed filters of the first and the last region, and of all.
fn without_passed_at_ends(text: &str) -> String {
    let is_region = |line: &&str| line.contains(" addr ") && line.contains(" df-passed ");
    let count = text.lines().filter(is_region).count();
    let (mut kept, mut region) = (Vec::new(), 0);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("df-pass: ") {
            // And what its digits mean.
            lines.next();
            continue;
        }
        region += usize::from(is_region(&line));
        let is_sum = ["memory bw estimate", "total size"]
            .iter()
            .any(|it| line.starts_with(it));
        let cut = is_sum || (is_region(&line) && [1, count].contains(&region));
        let before = line.split_once("df-passed").filter(|_| cut);
        kept.push(before.map_or(line, |(before, _)| before));
    }
    kept.join("\n")
}

/// With the heading of columns once, before all.
fn with_one_heading(theirs: &str) -> String {
    const HEADING: &str = "# <percentile> <wss>";
    let others = theirs.lines().filter(|line| *line != HEADING);
    let lines: Vec<&str> = std::iter::once(HEADING).chain(others).collect();
    lines.join("\n")
}

/// The peer's `None` left out of perf script text.
fn without_none(theirs: &str) -> String {
    let ages = theirs.lines();
    let ages = ages.map(|line| line.strip_suffix(" None").unwrap_or(line));
    let text: Vec<&str> = ages.collect();
    text.join("\n").replace("target_id=None ", "target_id=0 ")
}

/// What `report raw` prints, without regions of no access.
fn without_idle_lines(theirs: &str) -> String {
    let is_idle = |line: &str| {
        let counts = line
            .split_once(')')
            .map(|(_, counts)| counts.split_whitespace());
        counts.and_then(|mut it| it.next()) == Some("0")
    };
    let (mut lines, mut head): (Vec<String>, usize) = (Vec::new(), 0);
    let mut left = 0;
    for line in theirs.lines().filter(|line| !is_idle(line)) {
        if line.starts_with("nr_regions: ") {
            (head, left) = (lines.len(), 0);
        }
        lines.push(line.to_owned());
        left += usize::from(line.contains('('));
        if let Some(head) = lines
            .get_mut(head)
            .filter(|it| it.starts_with("nr_regions: "))
        {
            *head = format!("nr_regions: {left}");
        }
    }
    lines.join("\n")
}

/// Where regions are, of which target, and when the record ends.
fn facts(theirs: &str) -> Vec<String> {
    let regions = theirs
        .lines()
        .filter_map(|line| line.strip_prefix("region\t"));
    let regions = regions.filter_map(|it| Some(it.split_once(": ")?.1.to_owned()));
    let targets = theirs
        .lines()
        .filter_map(|line| line.strip_prefix("target_id: "));
    let targets = targets.map(|id| format!("target {id}"));
    let mut times = theirs
        .lines()
        .filter_map(|line| line.strip_prefix("time: ["));
    // Ours says when the last of them ends.
    let end = match (times.next(), times.next()) {
        (Some(one), None) => one
            .split_once(", ")
            .and_then(|(_, end)| end.split_once(')')),
        _ => None,
    };
    let end = end.map(|(end, _)| format!(" to {end} of the record's clock"));
    regions.chain(targets).chain(end).collect()
}

pub const KNOWN: &[Known] = &[
    Known {
        words: &["report access"],
        files: &["snapshot.anon"],
        reason: "statistics of a scheme are printed where a format asks for them, as in 3.3",
        how: How::Changed(without_stats),
    },
    Known {
        words: &["report access", "--address"],
        files: &["snapshot.anon"],
        reason: "of a region that --address cuts, a part in proportion passed filters, and not all that did",
        how: How::Alike(|text| without_passed_at_ends(&without_stats(text))),
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
        how: How::Changed(with_one_heading),
    },
    Known {
        words: &["report access --input record --raw_form", "--access_rate"],
        files: &["zigzag.json_compressed"],
        reason: "without intervals no rate is known, except of what had no access: ours leaves that out",
        how: How::Changed(without_idle_lines),
    },
    Known {
        words: &["adjust", "--aggregate_interval", "--access_rate"],
        files: &["zigzag.json_compressed"],
        reason: "the same, before regions are joined",
        how: How::Lines(adjusted::same_snapshots),
    },
    Known {
        words: &["adjust", "--access_rate"],
        files: &["zigzag.json_compressed"],
        reason: "the same, and a snapshot is as large as what is left of it",
        how: How::Lines(adjusted::without_idle),
    },
    Known {
        words: &["adjust", "--aggregate_interval"],
        files: &[],
        reason: "joined regions ascend, percents follow from their samples (the peer has those of the first), and ages of cut regions are told in time, too",
        how: How::Lines(adjusted::joined),
    },
    Known {
        words: &["adjust", "--output_type json -"],
        files: &[],
        reason: "a snapshot is as large as what a filter leaves of it, to the peer as large as it was",
        how: How::Lines(adjusted::narrowed),
    },
    Known {
        words: &["adjust", "--output_type perf_script"],
        files: &["zigzag.json_compressed"],
        reason: "an unknown age is left out of perf script text, here too",
        how: How::Changed(without_none),
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
        how: How::Says(facts),
    },
    Known {
        words: &["convert_record_format", "--format perf_script"],
        files: &[],
        reason: "an unknown age or target is left out of perf script text: the peer writes None, and cannot read it",
        how: How::Changed(without_none),
    },
];
