//! Parameters as text, in the peer's form.

use std::fmt::{Display, Write as _};

use super::{
    AccessPattern, Age, AgeRange, Context, Filter, FilterKind, GoalTuner, Params, Quotas, Region,
    Scheme, Target, Watermarks, text,
};
use crate::control::results::{ContextResults, Results};
use crate::model::printable;
use crate::model::units::{format_number, format_size, format_time};

impl Params {
    /// The parameters for people; `raw` without units and commas.
    pub fn report(&self, raw: bool) -> String {
        self.page(&Results::default(), raw, false)
    }

    /// The same without a scheme's pattern, quotas and watermarks that are as
    /// by default.
    pub fn report_without_defaults(&self, raw: bool) -> String {
        self.page(&Results::default(), raw, true)
    }

    /// The parameters, each with the results that belong to it.
    pub fn report_with(&self, results: &Results, raw: bool) -> String {
        self.page(results, raw, false)
    }

    fn page(&self, results: &Results, raw: bool, omit_defaults: bool) -> String {
        let mut page = Page {
            text: String::new(),
            depth: 0,
            raw,
            omit_defaults,
            addr_unit: 1,
        };
        for (k, kdamond) in self.kdamonds.iter().enumerate() {
            let results = results.kdamonds.get(k);
            page.section(format_args!("kdamond {k}"), |page| {
                if let Some(results) = results {
                    page.kdamond_results(results);
                }
                if kdamond.refresh_ms > 0 {
                    let refresh = page.ms(kdamond.refresh_ms);
                    page.line(format_args!("refresh: {refresh}"));
                }
                for (c, context) in kdamond.contexts.iter().enumerate() {
                    let results = results.and_then(|results| results.contexts.get(c));
                    page.section(format_args!("context {c}"), |page| {
                        page.context(context, results);
                    });
                }
            });
        }
        page.text
    }
}

impl Filter {
    /// The filter as a line of text; `raw` without units and commas.
    pub fn text(&self, raw: bool) -> String {
        let page = Page {
            text: String::new(),
            depth: 0,
            raw,
            omit_defaults: false,
            addr_unit: 1,
        };
        page.filter(self)
    }
}

pub(super) struct Page {
    text: String,
    depth: usize,
    raw: bool,
    omit_defaults: bool,
    /// Of the context that is being written.
    addr_unit: u64,
}

impl Page {
    pub(super) fn line(&mut self, line: impl Display) {
        // Paths of control groups may hold anything.
        let line = line.to_string();
        let line = printable(&line);
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{:1$}{line}", "", 4 * self.depth);
    }

    pub(super) fn section(&mut self, title: impl Display, content: impl FnOnce(&mut Page)) {
        self.line(title);
        self.depth += 1;
        content(self);
        self.depth -= 1;
    }

    pub(super) fn number(&self, number: u64) -> String {
        if self.raw {
            number.to_string()
        } else {
            format_number(number)
        }
    }

    pub(super) fn size(&self, bytes: u64) -> String {
        if self.raw {
            bytes.to_string()
        } else {
            format_size(bytes as f64)
        }
    }

    fn us(&self, us: u64) -> String {
        self.time(us, 1_000)
    }

    fn ms(&self, ms: u64) -> String {
        self.time(ms, 1_000_000)
    }

    /// Raw times are in their own unit: nanoseconds of a maximum do not exist.
    fn time(&self, time: u64, ns: u64) -> String {
        if self.raw {
            time.to_string()
        } else {
            format_time(time.saturating_mul(ns))
        }
    }

    fn permil(&self, permil: u64) -> String {
        if self.raw {
            permil.to_string()
        } else {
            text::of_permil(permil)
        }
    }

    fn bp(&self, bp: u64) -> String {
        if self.raw {
            bp.to_string()
        } else {
            text::of_bp(bp)
        }
    }

    pub(super) fn region(&self, region: &Region) -> String {
        let (start, end) = (self.number(region.start), self.number(region.end));
        let units = region.end.saturating_sub(region.start);
        let size = self.size(units.saturating_mul(self.addr_unit));
        format!("[{start}, {end}) ({size})")
    }

    fn context(&mut self, context: &Context, results: Option<&ContextResults>) {
        self.addr_unit = context.addr_unit;
        self.line(format_args!("ops: {}", context.ops.keyword()));
        if context.addr_unit != 1 {
            let unit = self.size(context.addr_unit);
            self.line(format_args!("addr_unit: {unit}"));
        }
        if context.pause {
            self.line("paused");
        }
        for (t, target) in context.targets.iter().enumerate() {
            self.section(format_args!("target {t}"), |page| page.target(target));
        }
        let intervals = &context.intervals;
        let (sample, aggr) = (self.us(intervals.sample_us), self.us(intervals.aggr_us));
        let update = self.us(intervals.ops_update_us);
        let line = format!("sample {sample}, aggr {aggr}, update {update}");
        let goal = &intervals.intervals_goal;
        if goal.aggrs == 0 {
            self.line(format_args!("intervals: {line}"));
        } else {
            let (access, aggrs) = (self.bp(goal.access_bp), self.number(goal.aggrs));
            let (min, max) = (self.us(goal.min_sample_us), self.us(goal.max_sample_us));
            self.section("intervals", |page| {
                page.line(line);
                page.line(format_args!(
                    "target {access} accesses per {aggrs} aggrs, [{min}, {max}] sampling interval"
                ));
            });
        }
        let (min, max) = (
            self.number(context.nr_regions.min),
            self.number(context.nr_regions.max),
        );
        self.line(format_args!("nr_regions: [{min}, {max}]"));
        for (p, probe) in context.probes.iter().enumerate() {
            self.section(format_args!("probe {p}"), |page| {
                let weight = page.number(probe.weight);
                page.line(format_args!("weight: {weight}"));
                page.filters(&probe.filters);
            });
        }
        for (s, scheme) in context.schemes.iter().enumerate() {
            let results = results.and_then(|results| results.schemes.get(s));
            self.section(format_args!("scheme {s}"), |page| {
                page.scheme(scheme);
                if let Some(results) = results {
                    page.scheme_results(scheme, results);
                }
            });
        }
    }

    fn target(&mut self, target: &Target) {
        if let Some(pid) = target.pid {
            self.line(format_args!("pid: {pid}"));
        }
        for region in &target.regions {
            let region = self.region(region);
            self.line(format_args!("region {region}"));
        }
        if target.obsolete {
            self.line("obsolete");
        }
    }

    fn scheme(&mut self, scheme: &Scheme) {
        let mut action = format!("action: {}", scheme.action);
        if scheme.action.migrates() && scheme.dests.is_empty() {
            let _ = write!(action, " to node {}", scheme.target_nid);
        }
        match scheme.apply_interval_us {
            0 => action.push_str(" per aggr interval"),
            us => {
                let _ = write!(action, " per {}", self.us(us));
            }
        }
        self.line(action);
        if !(self.omit_defaults && scheme.access_pattern == AccessPattern::default()) {
            self.pattern(&scheme.access_pattern);
        }
        for dest in &scheme.dests {
            self.line(format_args!("dest {} weight {}", dest.id, dest.weight));
        }
        if !(self.omit_defaults && scheme.quotas == Quotas::default()) {
            self.section("quotas", |page| page.quotas(&scheme.quotas));
        }
        if !(self.omit_defaults && scheme.watermarks == Watermarks::default()) {
            self.watermarks(&scheme.watermarks);
        }
        self.filters(&scheme.filters);
        if scheme.max_nr_snapshots > 0 {
            let most = self.number(scheme.max_nr_snapshots);
            self.line(format_args!("max_nr_snapshots: {most}"));
        }
    }

    fn pattern(&mut self, pattern: &AccessPattern) {
        self.section("target access pattern", |page| {
            let (min, max) = (
                page.size(pattern.sz_bytes.min),
                page.size(pattern.sz_bytes.max),
            );
            page.line(format_args!("sz: [{min}, {max}]"));
            page.line(format_args!(
                "nr_accesses: [{}, {}]",
                page.plain(&pattern.nr_accesses.min),
                page.plain(&pattern.nr_accesses.max)
            ));
            let AgeRange { min, max } = pattern.age;
            page.line(format_args!("age: [{}, {}]", page.age(min), page.age(max)));
        });
    }

    fn watermarks(&mut self, marks: &Watermarks) {
        self.section("watermarks", |page| {
            let interval = page.us(marks.interval_us);
            page.line(format_args!("metric {}, interval {interval}", marks.metric));
            let (high, mid) = (
                page.permil(marks.high_permil),
                page.permil(marks.mid_permil),
            );
            page.line(format_args!(
                "{high}, {mid}, {}",
                page.permil(marks.low_permil)
            ));
        });
    }

    fn plain(&self, value: &dyn Display) -> String {
        let text = value.to_string();
        if self.raw {
            text.replace(',', "")
        } else {
            text
        }
    }

    fn age(&self, age: Age) -> String {
        match age {
            Age::Us(us) => self.us(us),
            age => self.plain(&age),
        }
    }

    fn quotas(&mut self, quotas: &Quotas) {
        let (time, size) = (self.ms(quotas.time_ms), self.size(quotas.sz_bytes));
        let (effective, reset) = (
            self.size(quotas.effective_sz_bytes),
            self.ms(quotas.reset_interval_ms),
        );
        self.line(format_args!("{time} / {size} / {effective} per {reset}"));
        for (g, goal) in quotas.goals.iter().enumerate() {
            let mut metric = goal.metric.to_string();
            if goal.metric.of_node() {
                let _ = write!(metric, " (nid {})", goal.nid);
            }
            if goal.metric.of_memcg() {
                let _ = write!(metric, " ({})", goal.path);
            }
            let (target, current) = (
                self.number(goal.target_value),
                self.number(goal.current_value),
            );
            self.line(format_args!(
                "goal {g}: metric {metric} target {target} current {current}"
            ));
        }
        if quotas.goal_tuner != GoalTuner::Consist {
            self.line(format_args!("goal_tuner: {}", quotas.goal_tuner));
        }
        if quotas.fail_charge_denom > 0 {
            let (num, denom) = (quotas.fail_charge_num, quotas.fail_charge_denom);
            self.line(format_args!("fail_charge_ratio: {num}/{denom}"));
        }
        let weights = &quotas.weights;
        let (sz, rate) = (
            self.permil(weights.sz_permil),
            self.permil(weights.nr_accesses_permil),
        );
        let age = self.permil(weights.age_permil);
        self.line(format_args!(
            "priority: sz {sz}, nr_accesses {rate}, age {age}"
        ));
    }

    fn filters(&mut self, filters: &[Filter]) {
        for (f, filter) in filters.iter().enumerate() {
            self.section(format_args!("filter {f}"), |page| {
                let line = page.filter(filter);
                page.line(line);
            });
        }
    }

    fn filter(&self, filter: &Filter) -> String {
        let mut line = String::from(if filter.allow { "allow " } else { "reject " });
        if !filter.matching {
            line.push_str("none ");
        }
        line.push_str(filter.kind.keyword());
        let argument = match &filter.kind {
            FilterKind::Memcg(path) => path.escape_debug().to_string(),
            FilterKind::Addr(range) => self.region(range),
            FilterKind::Target(index) => self.number(*index),
            FilterKind::HugepageSize { min, max } => {
                format!("[{}, {}]", self.size(*min), self.size(*max))
            }
            _ => return line,
        };
        format!("{line} {argument}")
    }
}
