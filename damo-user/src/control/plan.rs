//! The ordered list of writes that makes DAMON's files say what a [`Spec`] says.

use super::spec::Spec;

/// One write, by a path below DAMON's `admin` folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The file.
    pub path: String,
    /// Its value.
    pub value: String,
}

/// The writes for a single kdamond, top-down: a count creates the folders that
/// the writes after it need, with defaults in every file that is not named.
pub fn plan(spec: &Spec) -> Vec<Write> {
    const CONTEXT: &str = "kdamonds/0/contexts/0";
    let mut writes = Vec::new();
    let mut write = |path: String, value: &dyn ToString| {
        let value = value.to_string();
        writes.push(Write { path, value });
    };

    write("kdamonds/nr_kdamonds".into(), &1);
    write("kdamonds/0/contexts/nr_contexts".into(), &1);
    write(format!("{CONTEXT}/operations"), &spec.ops.keyword());

    let attrs = format!("{CONTEXT}/monitoring_attrs");
    write(
        format!("{attrs}/intervals/sample_us"),
        &spec.intervals.sample_us,
    );
    write(
        format!("{attrs}/intervals/aggr_us"),
        &spec.intervals.aggr_us,
    );
    write(
        format!("{attrs}/intervals/update_us"),
        &spec.intervals.update_us,
    );
    write(format!("{attrs}/nr_regions/min"), &spec.nr_regions.0);
    write(format!("{attrs}/nr_regions/max"), &spec.nr_regions.1);

    let targets = format!("{CONTEXT}/targets");
    write(format!("{targets}/nr_targets"), &spec.targets.len());
    for (index, target) in spec.targets.iter().enumerate() {
        let target_dir = format!("{targets}/{index}");
        if let Some(pid) = target.pid {
            write(format!("{target_dir}/pid_target"), &pid);
        }
        if target.regions.is_empty() {
            continue;
        }
        let regions = format!("{target_dir}/regions");
        write(format!("{regions}/nr_regions"), &target.regions.len());
        for (index, (start, end)) in target.regions.iter().enumerate() {
            write(format!("{regions}/{index}/start"), start);
            write(format!("{regions}/{index}/end"), end);
        }
    }
    writes
}
