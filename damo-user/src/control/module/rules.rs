//! What DAMON refuses, or takes and dies of. Checked on all values together,
//! before the first is written.

use std::collections::BTreeMap;

/// Values of a module's inputs by name, as they are and as they are to be.
#[derive(Clone, Debug, Default)]
pub struct Values(pub BTreeMap<&'static str, u64>);

/// A rule that the values break.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {rule}", listed(.values))]
pub struct Broken {
    /// The parameters that break it, and their values in the kernel's units.
    pub values: Vec<(&'static str, u64)>,
    /// What must be.
    pub rule: &'static str,
}

fn listed(values: &[(&'static str, u64)]) -> String {
    let values: Vec<String> = values
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    values.join(" ")
}

impl Values {
    /// Checks what is there; a rule about an input that the kernel does not
    /// have is kept.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), Broken> {
        let at_least = |name, least, rule| self.rule(&[name], rule, |v| one(v) >= least);
        let at_most = |name, most, rule| self.rule(&[name], rule, |v| one(v) <= most);
        let ordered = |names: &[&'static str], rule| self.rule(names, rule, <[u64]>::is_sorted);

        at_least("sample_interval", 1, "it must be at least 1 us")?;
        at_least("aggr_interval", 1, "it must be at least 1 us")?;
        ordered(
            &["sample_interval", "aggr_interval"],
            "the sampling interval must not exceed the aggregation interval; set both at once",
        )?;
        at_least("min_nr_regions", 3, "at least 3 regions are needed")?;
        ordered(
            &["min_nr_regions", "max_nr_regions"],
            "the minimum must not exceed the maximum; set both at once",
        )?;
        for name in ["wmarks_high", "wmarks_mid", "wmarks_low"] {
            at_most(name, 1000, "a part of the memory is at most 1000 permil")?;
        }
        ordered(
            &["wmarks_low", "wmarks_mid", "wmarks_high"],
            "the watermarks must be in order: high, mid, low; set them at once",
        )?;
        at_most(
            "hot_thres_access_freq",
            1000,
            "an access frequency is at most 1000 permil",
        )?;
        at_most(
            "active_mem_bp",
            10_000,
            "a part of the memory is at most 10000 hundredths of a percent",
        )?;
        self.rule(
            &["addr_unit"],
            "it must be above 0, and 4096 divided by it a power of two",
            |v| one(v) > 0 && (4096 / one(v).max(1)).max(1).is_power_of_two(),
        )?;
        self.rule(
            &["monitor_region_start", "monitor_region_end"],
            "the region's start must be below its end, or both 0 for the default; set both at once",
            |v| v.iter().all(|&value| value == 0) || v.is_sorted_by(|a, b| a < b),
        )?;
        for age in ["min_age", "cold_min_age"] {
            self.rule(
                &[age, "aggr_interval"],
                "DAMON counts ages in aggregation intervals, of which 4294967295 are the most",
                |v| match v {
                    [age, interval] => age / (*interval).max(1) <= u64::from(u32::MAX),
                    _ => true,
                },
            )?;
        }
        Ok(())
    }

    /// `holds` is asked if all `names` are known.
    fn rule(
        &self,
        names: &[&'static str],
        rule: &'static str,
        holds: impl FnOnce(&[u64]) -> bool,
    ) -> Result<(), Broken> {
        let values: Option<Vec<u64>> = names.iter().map(|name| self.0.get(name).copied()).collect();
        match values {
            Some(values) if !holds(&values) => Err(Broken {
                values: names.iter().copied().zip(values).collect(),
                rule,
            }),
            _ => Ok(()),
        }
    }
}

fn one(values: &[u64]) -> u64 {
    values.first().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[(&'static str, u64)]) -> Result<(), String> {
        let values = Values(values.iter().copied().collect());
        values.check().map_err(|broken| broken.to_string())
    }

    #[test]
    fn each_rule_has_its_two_sides() {
        let good: &[&[(&str, u64)]] = &[
            &[],
            &[("sample_interval", 5000), ("aggr_interval", 5000)],
            &[("min_nr_regions", 3), ("max_nr_regions", 3)],
            &[
                ("wmarks_high", 500),
                ("wmarks_mid", 400),
                ("wmarks_low", 200),
            ],
            &[("active_mem_bp", 10_000)],
            &[("addr_unit", 4)],
            &[("addr_unit", 8192)],
            &[("monitor_region_start", 0), ("monitor_region_end", 0)],
            &[("min_age", u64::from(u32::MAX)), ("aggr_interval", 1)],
            &[("hot_thres_access_freq", 1000)],
        ];
        for values in good {
            assert_eq!(check(values), Ok(()), "{values:?}");
        }
        let bad: &[(&[(&str, u64)], &str)] = &[
            (&[("sample_interval", 0)], "sample_interval=0"),
            (&[("aggr_interval", 0)], "aggr_interval=0"),
            (
                &[("sample_interval", 2), ("aggr_interval", 1)],
                "sample_interval=2 aggr_interval=1",
            ),
            (&[("min_nr_regions", 2)], "min_nr_regions=2"),
            (
                &[("min_nr_regions", 9), ("max_nr_regions", 8)],
                "min_nr_regions=9 max_nr_regions=8",
            ),
            (&[("wmarks_high", 1001)], "wmarks_high=1001"),
            (
                &[
                    ("wmarks_high", 300),
                    ("wmarks_mid", 400),
                    ("wmarks_low", 200),
                ],
                "wmarks_low=200 wmarks_mid=400 wmarks_high=300",
            ),
            (&[("active_mem_bp", 10_001)], "active_mem_bp=10001"),
            (&[("hot_thres_access_freq", 1001)], "hot_thres"),
            (&[("addr_unit", 0)], "addr_unit=0"),
            (&[("addr_unit", 3)], "addr_unit=3"),
            (
                &[("monitor_region_start", 8), ("monitor_region_end", 8)],
                "monitor_region_start=8",
            ),
            (
                &[("cold_min_age", 1 << 32), ("aggr_interval", 1)],
                "cold_min_age=4294967296",
            ),
        ];
        for (values, names) in bad {
            let error = check(values).unwrap_err();
            assert!(error.starts_with(names), "{error}");
        }
    }
}
