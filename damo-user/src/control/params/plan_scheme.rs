//! A scheme's writes.

use super::features::Feature;
use super::plan::{At, Plan, Unplanned, yes};
use super::{Filter, FilterKind, Goal, Layer, Scheme};

impl Plan<'_> {
    pub(super) fn scheme(&mut self, at: At<'_>, scheme: &Scheme) -> Result<(), Unplanned> {
        self.keyword(
            at,
            "--damos_action",
            "action",
            &scheme.action,
            scheme.action.since(),
        )?;
        self.put(format!("{}/action", at.dir), scheme.action);
        self.maybe(
            Feature::TargetNid,
            at,
            "target_nid",
            ("--damos_action", "target_nid"),
            &scheme.target_nid,
            &-1,
        )?;
        self.maybe(
            Feature::ApplyInterval,
            at,
            "apply_interval_us",
            ("--damos_apply_interval", "apply_interval_us"),
            &scheme.apply_interval_us,
            &0,
        )?;
        let pattern = scheme.access_pattern.files();
        for (file, value) in pattern {
            self.set(at, &format!("access_pattern/{file}"), value, 0);
        }
        self.quotas(at, scheme)?;
        let marks = &scheme.watermarks;
        self.set(at, "watermarks/metric", marks.metric.keyword(), "none");
        self.set(at, "watermarks/interval_us", marks.interval_us, 0);
        self.set(at, "watermarks/high", marks.high_permil, 0);
        self.set(at, "watermarks/mid", marks.mid_permil, 0);
        self.set(at, "watermarks/low", marks.low_permil, 0);
        self.filters(at, &scheme.filters)?;
        self.maybe(
            Feature::Dests,
            at,
            "dests/nr_dests",
            ("--damos_action", "dests"),
            &scheme.dests.len(),
            &0,
        )?;
        for (d, dest) in scheme.dests.iter().enumerate() {
            self.set(at, &format!("dests/{d}/id"), dest.id, 0);
            self.set(at, &format!("dests/{d}/weight"), dest.weight, 0);
        }
        self.maybe(
            Feature::MaxNrSnapshots,
            at,
            "stats/max_nr_snapshots",
            ("--damos_max_nr_snapshots", "max_nr_snapshots"),
            &scheme.max_nr_snapshots,
            &0,
        )
    }

    fn quotas(&mut self, at: At<'_>, scheme: &Scheme) -> Result<(), Unplanned> {
        let quotas = &scheme.quotas;
        self.set(at, "quotas/ms", quotas.time_ms, 0);
        self.set(at, "quotas/bytes", quotas.sz_bytes, 0);
        self.set(at, "quotas/reset_interval_ms", quotas.reset_interval_ms, 0);
        self.set(at, "quotas/weights/sz_permil", quotas.weights.sz_permil, 0);
        self.set(
            at,
            "quotas/weights/nr_accesses_permil",
            quotas.weights.nr_accesses_permil,
            0,
        );
        self.set(
            at,
            "quotas/weights/age_permil",
            quotas.weights.age_permil,
            0,
        );
        self.maybe(
            Feature::GoalTuner,
            at,
            "quotas/goal_tuner",
            ("--damos_quota_goal_tuner", "quotas.goal_tuner"),
            &quotas.goal_tuner.keyword(),
            &"consist",
        )?;
        let ratio = "--damos_quota_fail_charge_ratio";
        self.maybe(
            Feature::FailCharge,
            at,
            "quotas/fail_charge_num",
            (ratio, "quotas.fail_charge_num"),
            &quotas.fail_charge_num,
            &0,
        )?;
        self.maybe(
            Feature::FailCharge,
            at,
            "quotas/fail_charge_denom",
            (ratio, "quotas.fail_charge_denom"),
            &quotas.fail_charge_denom,
            &0,
        )?;
        self.maybe(
            Feature::Goals,
            at,
            "quotas/goals/nr_goals",
            ("--damos_quota_goal", "quotas.goals"),
            &quotas.goals.len(),
            &0,
        )?;
        for (g, goal) in quotas.goals.iter().enumerate() {
            let (dir, path) = (
                format!("{}/quotas/goals/{g}", at.dir),
                format!("{}.quotas.goals[{g}]", at.path),
            );
            self.goal(
                At {
                    dir: &dir,
                    path: &path,
                },
                goal,
            )?;
        }
        Ok(())
    }

    fn goal(&mut self, at: At<'_>, goal: &Goal) -> Result<(), Unplanned> {
        const OPTION: &str = "--damos_quota_goal";
        self.keyword(at, OPTION, "metric", &goal.metric, goal.metric.since())?;
        self.maybe(
            Feature::GoalMetric,
            at,
            "target_metric",
            (OPTION, "metric"),
            &goal.metric.keyword(),
            &"user_input",
        )?;
        self.set(at, "target_value", goal.target_value, 0);
        self.set(at, "current_value", goal.current_value, 0);
        self.maybe(Feature::GoalNid, at, "nid", (OPTION, "nid"), &goal.nid, &0)?;
        self.maybe(
            Feature::GoalPath,
            at,
            "path",
            (OPTION, "path"),
            &goal.path.as_str(),
            &"",
        )
    }

    fn filters(&mut self, at: At<'_>, filters: &[Filter]) -> Result<(), Unplanned> {
        let layered = self.features.has(Feature::LayeredFilters) != Some(false);
        let folders: &[(&str, Option<Layer>)] = if layered {
            &[
                ("core_filters", Some(Layer::Core)),
                ("ops_filters", Some(Layer::Ops)),
            ]
        } else {
            &[("filters", None)]
        };
        for (folder, layer) in folders {
            let here = filters
                .iter()
                .enumerate()
                .filter(|(_, filter)| layer.is_none_or(|layer| filter.kind.layer() == layer));
            let feature = if layered {
                Feature::LayeredFilters
            } else {
                Feature::Filters
            };
            let count = here.clone().count();
            self.maybe(
                feature,
                at,
                &format!("{folder}/nr_filters"),
                ("--damos_filter", "filters"),
                &count,
                &0,
            )?;
            for (in_folder, (f, filter)) in here.enumerate() {
                let dir = format!("{}/{folder}/{in_folder}", at.dir);
                let path = format!("{}.filters[{f}]", at.path);
                self.filter(
                    At {
                        dir: &dir,
                        path: &path,
                    },
                    filter,
                )?;
            }
        }
        Ok(())
    }

    fn filter(&mut self, at: At<'_>, filter: &Filter) -> Result<(), Unplanned> {
        const OPTION: &str = "--damos_filter";
        let word = filter.kind.keyword();
        self.keyword(at, OPTION, "filter_type", &word, filter.kind.since())?;
        // What a new filter's type is depends on its layer: always said.
        self.put(format!("{}/type", at.dir), word);
        self.set(at, "matching", yes(filter.matching), "N");
        self.maybe(
            Feature::FilterAllow,
            at,
            "allow",
            (OPTION, "allow"),
            &yes(filter.allow),
            &"N",
        )?;
        match &filter.kind {
            FilterKind::Memcg(path) => self.set(at, "memcg_path", path.as_str(), ""),
            FilterKind::Addr(range) => {
                self.maybe(
                    Feature::FilterAddr,
                    at,
                    "addr_start",
                    (OPTION, "address_range"),
                    &range.start,
                    &0,
                )?;
                self.maybe(
                    Feature::FilterAddr,
                    at,
                    "addr_end",
                    (OPTION, "address_range"),
                    &range.end,
                    &0,
                )?;
            }
            FilterKind::Target(index) => {
                self.maybe(
                    Feature::FilterAddr,
                    at,
                    "damon_target_idx",
                    (OPTION, "damon_target_idx"),
                    index,
                    &0,
                )?;
            }
            FilterKind::HugepageSize { min, max } => {
                self.maybe(
                    Feature::FilterSize,
                    at,
                    "min",
                    (OPTION, "hugepage_size"),
                    min,
                    &0,
                )?;
                self.maybe(
                    Feature::FilterSize,
                    at,
                    "max",
                    (OPTION, "hugepage_size"),
                    max,
                    &0,
                )?;
            }
            FilterKind::Anon | FilterKind::Active | FilterKind::Young | FilterKind::Unmapped => {}
        }
        Ok(())
    }
}
