//! Results between the lines of the parameters that they belong to.

use super::report::Page;
use super::{Region, Scheme};
use crate::control::results::{KdamondResults, SchemeResults, Stats, TriedRegions};

impl Page {
    pub(super) fn kdamond_results(&mut self, results: &KdamondResults) {
        self.line(results);
    }

    pub(super) fn scheme_results(&mut self, scheme: &Scheme, results: &SchemeResults) {
        if let Some(stats) = &results.stats {
            self.section("statistics", |page| page.stats(scheme, stats));
        }
        if let Some(tried) = &results.tried_regions {
            self.tried_regions(tried);
        }
    }

    fn stats(&mut self, scheme: &Scheme, stats: &Stats) {
        let number = |page: &Page, number: Option<u64>| page.number(number.unwrap_or(0));
        let size = |page: &Page, bytes: Option<u64>| page.size(bytes.unwrap_or(0));
        for (verb, times, bytes) in [
            ("tried", stats.nr_tried, stats.sz_tried_bytes),
            ("applied", stats.nr_applied, stats.sz_applied_bytes),
        ] {
            let (times, bytes) = (number(self, times), size(self, bytes));
            self.line(format_args!("{verb} {times} times ({bytes})"));
        }
        if let Some(bytes) = stats.sz_ops_filter_passed_bytes {
            let bytes = self.size(bytes);
            self.line(format_args!("{bytes} passed filters"));
        }
        let times = number(self, stats.qt_exceeds);
        self.line(format_args!("quota exceeded {times} times"));
        if let Some(snapshots) = stats.nr_snapshots {
            let (snapshots, most) = (self.number(snapshots), self.number(scheme.max_nr_snapshots));
            self.line(format_args!("tried {snapshots} snapshots (max {most})"));
        }
    }

    fn tried_regions(&mut self, tried: &TriedRegions) {
        let total = self.size(tried.total_bytes);
        self.section(format_args!("tried regions ({total})"), |page| {
            for tried in &tried.regions {
                let region = page.region(&Region {
                    start: tried.start,
                    end: tried.end,
                });
                let samples = page.number(tried.nr_accesses_samples);
                let age = page.number(tried.age_aggr_intervals);
                let mut line =
                    format!("{region}: nr_accesses: {samples} samples, age: {age} aggr_intervals");
                if !tried.probe_hits.is_empty() {
                    let hits: Vec<_> = tried.probe_hits.iter().map(u64::to_string).collect();
                    line.push_str(&format!(", probe_hits: {}", hits.join(" ")));
                }
                if let Some(bytes) = tried.sz_filter_passed_bytes {
                    line.push_str(&format!(", filter_passed: {}", page.size(bytes)));
                }
                page.line(line);
            }
        });
    }
}
