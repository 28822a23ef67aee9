//! What is compared: command lines of the peer's, each with every file.

use crate::records::Kind;

/// A command line; `record` is the file to read, `written` one to write.
#[derive(Clone)]
pub struct Case {
    /// As the peer takes it.
    pub line: String,
    small: bool,
    long: bool,
}

/// `(a|b)` stands for each of them. S: with files of a few snapshots, L: of many.
const LINES: &[(&str, &str)] = &[
    // All of the regions, and in other forms.
    (
        "SL",
        "report access --input record (|--raw_number|--total_sz_only|--total_sz_only --raw_number)",
    ),
    (
        "SL",
        "report access --input record --raw_form (|--raw_number)",
    ),
    ("S", "report access --input record --json (|--raw_number)"),
    // Styles.
    (
        "S",
        "report access --input record --style (simple-boxes|hot|cold) (|--raw_number)",
    ),
    (
        "SL",
        "report access --input record --style (temperature-sz-hist|recency-sz-hist|recency-percentiles|temperature-percentiles)",
    ),
    (
        "S",
        "report access --input record --raw_number --style (temperature-sz-hist|cold-memory-tail|idle-time-percentiles|temperature-percentiles)",
    ),
    (
        "S",
        "report access --input record --style (recency-percentiles|temperature-percentiles) --percentiles_range (0 101 10|5 50|1 2 3 4 99)",
    ),
    (
        "S",
        "report access --input record --style (temperature-sz-hist|recency-sz-hist) (--hist_logscale|--hist_cumulate)",
    ),
    (
        "S",
        "report access --input record --style temperature-sz-hist --temperature_weights (1 0 0|0 1 0|0 0 1|1 100 1)",
    ),
    // Order.
    (
        "S",
        "report access --input record --sort_regions_by (address|access_rate|age|size|temperature) (|--sort_regions_dsc all)",
    ),
    (
        "S",
        "report access --input record --sort_regions_by (size age|age size|access_rate address) (|--sort_regions_dsc age)",
    ),
    // What a line looks like.
    (
        "S",
        "report access --input record --snapshot_heatmap_width (1|40|200)",
    ),
    (
        "S",
        "report access --input record --snapshot_heatmap_colorset (gray|flame|emotion)",
    ),
    (
        "S",
        "report access --input record --snapshot_heatmap_static",
    ),
    ("S", "report access --input record --region_box"),
    (
        "S",
        "report access --input record --region_box (--region_box_values size age access_rate|--region_box_values none age size|--region_box_colorset flame|--region_box_align right|--region_box_scales linear linear linear|--region_box_min_max_length 5 10|--region_box_min_max_height 2 8)",
    ),
    (
        "S",
        "report access --input record --format set region '<index>: <start address> <end address> <size> <access rate> <age>\\n'",
    ),
    (
        "S",
        "report access --input record --format append region ' <box> <temperature>\\n'",
    ),
    (
        "S",
        "report access --input record --format set snapshot_tail 'sum <total bytes>\\n' --format set record_head 'k <kdamond index>\\n'",
    ),
    (
        "S",
        "report access --input record --min_chars_for '<size>' 20",
    ),
    ("S", "report access --input record --dont_merge_regions"),
    // Which regions.
    (
        "S",
        "report access --input record (--sz_region 4K 1M|--sz_region 1M max|--access_rate 0 0|--access_rate 5 100|--age 0 1|--age 10 max|--temperature 0 max|--temperature min 0)",
    ),
    (
        "S",
        "report access --input record --address 0 4294967296 --address 8589934592 17179869184",
    ),
    (
        "SL",
        "report access --input record --raw_form (--snapshot_idx 0 2|--snapshot_idx 1 3|--snapshot_idx 1 -1|--snapshot_idx -1 1|--sz_snapshot 1G max|--snapshot_time 540000000000 550000000000)",
    ),
    (
        "SL",
        "report access --input record --raw_form --sz_region 64K 100M --access_rate 10 100",
    ),
    // Heat.
    (
        "L",
        "report heatmap --input record --output raw (|--resol 10 10|--resol 7 31 --abs_time|--resol 5 5 --abs_addr|--resol 5 5 --abs_time --abs_addr)",
    ),
    (
        "L",
        "report heatmap --input record --output raw --resol 6 9 (--draw_range hottest|--draw_range all|--sort_temperature|--df_passed|--tid 0|--kdamond_idx 0)",
    ),
    (
        "L",
        "report heatmap --input record --output raw --resol 6 9 (--time_range 1000000000 3000000000 guided|--time_range 541000000000 543000000000)",
    ),
    (
        "L",
        "report heatmap --input record --output raw --resol 6 9 --address_range 0 100000000 guided",
    ),
    (
        "L",
        "report heatmap --input record --output stdout (|--resol 4 20|--resol 20 40) (|--stdout_colorset flame|--stdout_colorset emotion|--stdout_skip_colorset_example)",
    ),
    (
        "SL",
        "report heatmap --input record (--guide|--guide_human)",
    ),
    // Distributions.
    (
        "L",
        "report wss --input record (|--raw_number|--range 0 101 10|--range 1 101 1 --raw_number|--sortby time|--sortby time --raw_number|--all_wss|--all_wss --raw_number)",
    ),
    (
        "L",
        "report wss --input record (--acc_thres 5|--acc_thres 19|--sz_thres 1048576|--work_time 500000|--work_time 2000000 --raw_number|--nr_cols_bar 0|--nr_cols_bar 10|--exclude_samples 0|--exclude_samples 50|--collapse_targets|--per_target)",
    ),
    (
        "L",
        "report nr_regions --input record (|--range 0 101 5|--sortby time|--range 0 100 50 --sortby size)",
    ),
    ("SL", "report record_info --input record (|--raw_numbers)"),
    // Records out of records.
    (
        "SL",
        "convert_record_format --record_file record --format (json|json_compressed|perf_script) --output_file written",
    ),
    (
        "L",
        "adjust --input record --output written --aggregate_interval (200000|1000000) --skip (0|20)",
    ),
    (
        "L",
        "adjust --input record --output written --aggregate_interval 500000 --output_type (json|perf_script)",
    ),
    (
        "L",
        "adjust --input record --output written --aggregate_interval 500000 (--sz_region 64K max|--access_rate 10 100|--address 0 140000000000000)",
    ),
    (
        "SL",
        "adjust --input record --output written --output_type json (|--sz_region 64K max|--access_rate 10 100|--snapshot_idx 0 1|--snapshot_idx 1 -1)",
    ),
    (
        "SL",
        "validate --input record (|--aggr 1 200000|--nr_regions 3 1000|--nr_accesses 0 24|--allow_error 100|--aggr 1000000 2000000)",
    ),
];

impl Case {
    /// Whether files of this kind are for it.
    pub fn takes(&self, kind: Kind) -> bool {
        match kind {
            Kind::Small => self.small,
            Kind::Long => self.long,
        }
    }

    /// As we take it, where our default is another form.
    pub fn ours(&self) -> String {
        let mut line = self.line.clone();
        let is = |report: &str| self.line.starts_with(&format!("report {report} "));
        // Damo 1.7.3's form is ours without it.
        if is("wss") && !line.contains("_target") {
            line += " --collapse_targets";
        }
        // Its mistakes, too, as far as we make them.
        if ["access", "heatmap", "wss", "nr_regions"]
            .into_iter()
            .any(is)
        {
            line += " --compat damo";
        }
        // Its ages are microseconds here, against its help.
        if is("access") {
            line = line
                .replace("--age 0 1", "--age 0us 1us")
                .replace("--age 10 ", "--age 10us ");
        }
        // The peer writes colours wherever it writes to.
        if is("access") {
            line += " --color always";
        }
        line
    }
}

/// Every case.
pub fn all() -> Vec<Case> {
    let expanded = |(kinds, line): &(&str, &str)| {
        let (small, long) = (kinds.contains('S'), kinds.contains('L'));
        expand(line)
            .into_iter()
            .map(move |line| Case { line, small, long })
    };
    LINES.iter().flat_map(expanded).collect()
}

/// A line for each choice of what is in parentheses.
fn expand(line: &str) -> Vec<String> {
    let Some((before, rest)) = line.split_once('(') else {
        return vec![line.trim_end().to_owned()];
    };
    let (choices, after) = rest.split_once(')').expect("it is closed");
    let choices = choices.split('|');
    choices
        .flat_map(|choice| {
            // No two spaces where the choice is none.
            let before = if choice.is_empty() {
                before.trim_end()
            } else {
                before
            };
            expand(&format!("{before}{choice}{after}"))
        })
        .collect()
}
