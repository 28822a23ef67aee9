//! The formats that styles consist of.

use super::Look;
use super::boxes::Align;
use crate::analyze::access::SortKey;

/// What a report consists of; empty for no line, `None` for what is usual.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Formats {
    /// Before each record.
    pub record_head: Option<String>,
    /// Before the regions of each snapshot.
    pub snapshot_head: Option<String>,
    /// Of each region.
    pub region: Option<String>,
    /// After them.
    pub snapshot_tail: Option<String>,
    /// After each record.
    pub record_tail: Option<String>,
}

/// A ready-made choice of formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// A line for each region.
    #[default]
    Detailed,
    /// A box for each region.
    SimpleBoxes,
    /// The hottest first.
    Hot,
    /// The coldest first.
    Cold,
    /// Bytes by idle time.
    RecencyHistogram,
    /// Idle times by bytes.
    RecencyPercentiles,
    /// Bytes by temperature.
    TemperatureHistogram,
    /// Temperatures by bytes.
    TemperaturePercentiles,
}

/// What formats depend on, of all records that are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// There is more than one record.
    pub many_records: bool,
    /// One of them has more than one snapshot.
    pub many_snapshots: bool,
    /// A scheme with filters gave one of them.
    pub filters: bool,
    /// One with filters on pages.
    pub page_filters: bool,
    /// Regions tell of probes.
    pub probes: bool,
    /// DAMON tunes intervals.
    pub tuned: bool,
    /// One is made of DAMON_STAT's numbers.
    pub damon_stat: bool,
}

const SNAPSHOT_TIME: &str = "snapshot time: [<start time>, <end time>] (<duration>)";

impl Formats {
    /// What a style sets, before what is usual is filled in.
    pub fn style(&mut self, style: Style, look: &mut Look, known: &Known) {
        match style {
            Style::Detailed => {}
            Style::SimpleBoxes => {
                self.snapshot_head = Some(SNAPSHOT_TIME.to_owned());
                self.region = Some("<box> size <size> access <access hz> age <age>".to_owned());
                wide_boxes(look);
            }
            Style::Hot | Style::Cold => {
                self.region = Some("<box> <size> access <access hz> <age>".to_owned());
                wide_boxes(look);
                look.sort = vec![(SortKey::Temperature, style == Style::Hot)];
            }
            Style::RecencyHistogram | Style::TemperatureHistogram => {
                let (legend, what) = match style {
                    Style::RecencyHistogram => ("<idle time (us)>", "recency"),
                    _ => ("<temperature>", "temperature"),
                };
                let mut lines = Vec::new();
                if known.page_filters {
                    lines.push("# damos filters (df): <filters passed type>".to_owned());
                    lines.push(format!("{legend} <df-passed size>"));
                    lines.push(format!("<{what}-df-passed-sz histogram>"));
                    lines.push(String::new());
                }
                lines.push(format!("{legend} <total size>"));
                lines.push(format!("<{what}-sz histogram>"));
                self.only(lines);
            }
            Style::RecencyPercentiles | Style::TemperaturePercentiles => {
                let what = match style {
                    Style::RecencyPercentiles => "recency",
                    _ => "temperature",
                };
                let mut lines = Vec::new();
                if known.many_snapshots {
                    lines.push(SNAPSHOT_TIME.to_owned());
                }
                if known.page_filters {
                    lines.push("# damos filters (df): <filters passed type>".to_owned());
                    lines.push(format!("# df-passed {what} percentiles"));
                    lines.push(format!("<df-passed {what} percentiles>"));
                    lines.push(String::new());
                }
                lines.push(format!("# total {what} percentiles"));
                lines.push(format!("<{what} percentiles>"));
                self.only(lines);
            }
        }
    }

    /// Nothing but this of each snapshot.
    fn only(&mut self, lines: Vec<String>) {
        self.snapshot_head = Some(lines.join("\n"));
        self.region = Some(String::new());
    }

    /// Nothing but the size of each snapshot.
    pub fn total_only(&mut self) {
        self.snapshot_head = Some(String::new());
        self.region = Some(String::new());
        self.snapshot_tail = Some("<total bytes>".to_owned());
    }

    /// Whether it is [`Formats::total_only`].
    pub fn is_total_only(&self) -> bool {
        let is = |format: &Option<String>, text| format.as_deref() == Some(text);
        is(&self.snapshot_head, "")
            && is(&self.region, "")
            && is(&self.snapshot_tail, "<total bytes>")
    }

    /// Fills in what is usual. `boxes`: a box is asked for with each region.
    pub fn complete(&mut self, look: &Look, known: &Known, boxes: bool) {
        let own_region = self.region.is_some();
        self.record_head.get_or_insert_with(|| record_head(known));
        let record_tail = self.record_tail.get_or_insert_with(|| record_tail(known));
        self.snapshot_head
            .get_or_insert_with(|| snapshot_head(known, own_region, look));
        let tail = self
            .snapshot_tail
            .get_or_insert_with(|| snapshot_tail(known));
        const BOXES: &str = "<region box description>";
        if boxes && !tail.contains(BOXES) {
            // The peer puts the record's tail there instead, and not its values.
            let before = if look.compat { &*record_tail } else { &*tail };
            *tail = format!("{before}\n{BOXES}");
        }
        let region = region(known);
        if boxes {
            let after = if look.boxes.height.1 > 1 { "" } else { "\n" };
            self.region = Some(format!("<box>{after}{region}"));
        }
        self.region.get_or_insert_with(|| match known.filters {
            true => format!("{region} df-passed <filters passed bytes>"),
            false => region.to_owned(),
        });
    }
}

fn wide_boxes(look: &mut Look) {
    let boxes = &mut look.boxes;
    (boxes.height, boxes.length) = ((1, 1), (1, 40));
    boxes.align = Align::Right;
    boxes.palette = look.emotion;
}

fn record_head(known: &Known) -> String {
    match known.many_records {
        true => "kdamond <kdamond index> / context <context index> / scheme <scheme index> / target id <target id> / recorded for <duration> from <abs start time>",
        false => "",
    }
    .to_owned()
}

fn record_tail(known: &Known) -> String {
    let mut lines = vec!["record DAMON intervals: <intervals>"];
    lines.extend(known.tuned.then_some("# <intervals goal>"));
    lines.extend(known.damon_stat.then_some("# data source: <data source>"));
    lines.join("\n")
}

fn snapshot_head(known: &Known, own_region: bool, look: &Look) -> String {
    let mut lines = Vec::new();
    lines.extend(known.many_snapshots.then(|| SNAPSHOT_TIME.to_owned()));
    lines.push("heatmap: <heatmap>".to_owned());
    lines.push("intervals: <snapshot intervals>".to_owned());
    if known.filters {
        lines.push("# damos filters (df): <filters passed type>".to_owned());
        lines.push("df-pass: <filters passed heatmap>".to_owned());
    }
    if known.probes && !own_region {
        lines.extend(probe_legend(look));
    }
    lines.join("\n")
}

fn snapshot_tail(known: &Known) -> String {
    match known.filters {
        true => "memory bw estimate: <estimated memory bandwidth>  df-passed: <filters passed estimated memory bandwidth>\ntotal size: <total bytes>  df-passed <filters passed bytes>",
        false => "memory bw estimate: <estimated memory bandwidth>\ntotal size: <total bytes>",
    }
    .to_owned()
}

fn region(known: &Known) -> &'static str {
    match known.probes {
        true => "<index> <start address> <size>  <access hz> <age> <probe hits> ",
        false => "<index> addr <start address> size <size> access <access hz> age <age>",
    }
}

/// Titles above the columns of regions with probes.
fn probe_legend(look: &Look) -> [String; 2] {
    let least = |name| look.least_chars(name);
    let index = least("<index>");
    let (address, size) = (least("<start address>") + 1, least("<size>") + 2);
    let (hz, age) = (least("<access hz>") + 1, least("<age>") + 1);
    let first = format!(
        "#{:index$}{:address$}{:size$}{:hz$}{:age$}probe_hits",
        "", "addr", "size", "", "age"
    );
    let before = index + 1 + address + size - 1;
    [first, format!("#{:before$}access_hz", "")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(style: Style, known: Known, boxes: bool) -> Formats {
        let mut look = Look::default();
        let mut formats = Formats::default();
        formats.style(style, &mut look, &known);
        formats.complete(&look, &known, boxes);
        formats
    }

    #[test]
    fn what_is_usual_depends_on_what_there_is() {
        let plain = completed(Style::Detailed, Known::default(), false);
        assert_eq!(plain.record_head.as_deref(), Some(""));
        assert_eq!(
            plain.snapshot_head.as_deref(),
            Some("heatmap: <heatmap>\nintervals: <snapshot intervals>")
        );
        assert!(!plain.region.unwrap().contains("df-passed"));
        let known = Known {
            many_records: true,
            many_snapshots: true,
            filters: true,
            page_filters: true,
            probes: true,
            tuned: true,
            damon_stat: true,
        };
        let all = completed(Style::Detailed, known, false);
        assert!(
            all.record_head
                .unwrap()
                .starts_with("kdamond <kdamond index>")
        );
        let head = all.snapshot_head.unwrap();
        assert!(
            head.starts_with(SNAPSHOT_TIME) && head.contains("\ndf-pass: "),
            "{head}"
        );
        assert!(head.ends_with("access_hz"), "{head}");
        assert!(
            all.region
                .unwrap()
                .ends_with(" df-passed <filters passed bytes>")
        );
        let tail = all.record_tail.unwrap();
        assert_eq!(tail.lines().count(), 3, "{tail}");
        let table = completed(Style::RecencyHistogram, known, false);
        assert_eq!(table.region.as_deref(), Some(""));
        assert_eq!(table.snapshot_head.unwrap().lines().count(), 6);
    }

    #[test]
    fn boxes_stand_above_or_before_the_line_and_are_explained_behind() {
        let boxes = completed(Style::Detailed, Known::default(), true);
        assert!(boxes.region.unwrap().starts_with("<box><index>"));
        let tail = boxes.snapshot_tail.unwrap();
        assert!(tail.starts_with("memory bw") && tail.ends_with("\n<region box description>"));
        let mut formats = Formats::default();
        formats.total_only();
        assert!(formats.is_total_only() && !Formats::default().is_total_only());
    }

    #[test]
    fn titles_stand_above_their_columns() {
        let [first, second] = probe_legend(&Look::default());
        assert_eq!(first.find("addr"), Some(4));
        assert_eq!(first.find("size"), Some(17));
        assert_eq!(first.find("age"), Some(37));
        assert_eq!(first.find("probe_hits"), Some(51));
        assert_eq!(second.find("access_hz"), Some(30));
    }
}
