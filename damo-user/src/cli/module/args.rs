//! The options of `damo module`, as typed.

use clap::Subcommand;

use crate::cli::UsageError;

/// Look at DAMON's modules in the kernel and change them
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    pub module: Kind,
}

#[derive(Debug, Subcommand)]
pub enum Kind {
    /// DAMON_STAT: access statistics of the whole machine
    #[command(alias = "damon_stat")]
    Stat {
        #[command(subcommand)]
        action: Option<Action<NoInputs>>,
    },
    /// DAMON_RECLAIM: reclaims memory that is not accessed, ahead of time
    #[command(alias = "damon_reclaim")]
    Reclaim {
        #[command(subcommand)]
        action: Option<Action<ReclaimInputs>>,
    },
    /// DAMON_LRU_SORT: sorts the lists that reclaim goes by
    #[command(name = "lru_sort", alias = "damon_lru_sort")]
    LruSort {
        #[command(subcommand)]
        action: Option<Action<LruSortInputs>>,
    },
}

/// Look at DAMON_RECLAIM and change it
#[derive(Debug, clap::Args)]
pub struct Reclaim {
    #[command(subcommand)]
    pub action: Option<Action<ReclaimInputs>>,
}

/// Look at DAMON_LRU_SORT and change it
#[derive(Debug, clap::Args)]
pub struct LruSort {
    #[command(subcommand)]
    pub action: Option<Action<LruSortInputs>>,
}

#[derive(Debug, Subcommand)]
pub enum Action<I: clap::Args> {
    /// Whether it runs, all parameters and statistics [default]
    Status(StatusArgs),
    /// Print parameters
    Read(ReadArgs),
    /// Set parameters; a module that runs takes them with `commit`
    #[command(alias = "write")]
    Set {
        /// Parameters with their values: min_age=30s quota_sz=1G wmarks_high=50%
        #[arg(required = true, value_name = "NAME=VALUE")]
        assignments: Vec<String>,
        /// Even if it runs and damo did not enable it
        #[arg(long)]
        force: bool,
    },
    /// Set parameters and start it; what is not named stays as it is
    Enable {
        #[command(flatten)]
        inputs: I,
        /// Any parameters
        #[arg(value_name = "NAME=VALUE")]
        assignments: Vec<String>,
    },
    /// Stop it
    Disable {
        /// Even if damo did not enable it
        #[arg(long)]
        force: bool,
    },
    /// Set parameters and make it take all that are set
    Commit {
        #[command(flatten)]
        inputs: I,
        /// Any parameters
        #[arg(value_name = "NAME=VALUE")]
        assignments: Vec<String>,
        /// Even if damo did not enable it
        #[arg(long)]
        force: bool,
    },
}

impl<I: clap::Args> Default for Action<I> {
    fn default() -> Self {
        Action::Status(StatusArgs::default())
    }
}

#[derive(Debug, Default, clap::Args)]
pub struct StatusArgs {
    /// As the kernel spells it
    #[arg(long, conflicts_with = "json")]
    pub raw: bool,
    /// As json, with numbers in the kernel's units
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
pub struct ReadArgs {
    /// Which [default: all]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// As the kernel spells it
    #[arg(long)]
    pub raw: bool,
}

/// Options that set inputs.
pub trait Inputs: clap::Args {
    /// Parameters' names with values as typed.
    fn inputs(&self) -> Vec<(String, String)>;
}

/// A module without inputs.
#[derive(Debug, clap::Args)]
pub struct NoInputs {}

impl Inputs for NoInputs {
    fn inputs(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

#[derive(Debug, clap::Args)]
pub struct ReclaimInputs {
    /// Reclaim what is not accessed for so long; a number is in microseconds
    #[arg(long = "min_age", value_name = "TIME")]
    min_age: Option<String>,
    /// Most time (a number is in ms) and most bytes, in each reset interval
    #[arg(long, num_args = 3, value_names = ["MS", "BYTES", "RESET_MS"])]
    quota: Vec<String>,
    #[command(flatten)]
    common: CommonInputs,
    /// Leave anonymous pages alone
    #[arg(long = "skip_anon", num_args = 0..=1, default_missing_value = "Y", value_name = "Y|N")]
    skip_anon: Option<String>,
}

impl Inputs for ReclaimInputs {
    fn inputs(&self) -> Vec<(String, String)> {
        let mut inputs = named(&["min_age"], self.min_age.as_slice());
        let quota = ["quota_ms", "quota_sz", "quota_reset_interval_ms"];
        inputs.extend(named(&quota, &self.quota));
        inputs.extend(self.common.inputs());
        inputs.extend(named(&["skip_anon"], self.skip_anon.as_slice()));
        inputs
    }
}

#[derive(Debug, clap::Args)]
pub struct LruSortInputs {
    /// Memory is hot from this access frequency on; a number is in permil
    #[arg(long = "hot_thres_access_freq", value_name = "PERMIL")]
    hot_thres_access_freq: Option<String>,
    /// Memory is cold that is not accessed for so long; a number is in microseconds
    #[arg(long = "cold_min_age", value_name = "TIME")]
    cold_min_age: Option<String>,
    /// Most time in each reset interval; numbers are in ms
    #[arg(long, num_args = 2, value_names = ["MS", "RESET_MS"])]
    quota: Vec<String>,
    #[command(flatten)]
    common: CommonInputs,
}

impl Inputs for LruSortInputs {
    fn inputs(&self) -> Vec<(String, String)> {
        let hot = self.hot_thres_access_freq.as_slice();
        let mut inputs = named(&["hot_thres_access_freq"], hot);
        inputs.extend(named(&["cold_min_age"], self.cold_min_age.as_slice()));
        let quota = ["quota_ms", "quota_reset_interval_ms"];
        inputs.extend(named(&quota, &self.quota));
        inputs.extend(self.common.inputs());
        inputs
    }
}

#[derive(Debug, clap::Args)]
struct CommonInputs {
    /// Watermarks of the free memory: active from below MID until above HIGH
    /// or below LOW, checked every INTERVAL (us; the others permil)
    #[arg(long, num_args = 4, value_names = ["INTERVAL", "HIGH", "MID", "LOW"])]
    wmarks: Vec<String>,
    /// Sampling and aggregation interval; numbers are in microseconds
    #[arg(long = "monitor_intervals", num_args = 2, value_names = ["SAMPLE", "AGGR"])]
    monitor_intervals: Vec<String>,
    /// Fewest and most regions
    #[arg(long = "nr_regions", num_args = 2, value_names = ["MIN", "MAX"])]
    nr_regions: Vec<String>,
    /// Physical addresses to work on
    #[arg(long = "monitor_region", num_args = 2, value_names = ["START", "END"])]
    monitor_region: Vec<String>,
}

impl CommonInputs {
    fn inputs(&self) -> Vec<(String, String)> {
        let wmarks = ["wmarks_interval", "wmarks_high", "wmarks_mid", "wmarks_low"];
        let mut inputs = named(&wmarks, &self.wmarks);
        let intervals = ["sample_interval", "aggr_interval"];
        inputs.extend(named(&intervals, &self.monitor_intervals));
        let nr_regions = ["min_nr_regions", "max_nr_regions"];
        inputs.extend(named(&nr_regions, &self.nr_regions));
        let region = ["monitor_region_start", "monitor_region_end"];
        inputs.extend(named(&region, &self.monitor_region));
        inputs
    }
}

/// Names with an option's values, if it was given.
fn named(names: &[&str], values: &[String]) -> Vec<(String, String)> {
    let pairs = names.iter().zip(values);
    pairs
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

/// `NAME=VALUE`, or `NAME VALUE` as the peer's `write` takes it.
///
/// # Errors
/// A name has no value.
pub fn pairs(typed: &[String]) -> Result<Vec<(String, String)>, UsageError> {
    let mut pairs = Vec::new();
    let mut words = typed.iter();
    while let Some(word) = words.next() {
        pairs.push(match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => {
                let value = words
                    .next()
                    .ok_or_else(|| UsageError(format!("{word}: no value; give {word}=VALUE")))?;
                (word.clone(), value.clone())
            }
        });
    }
    Ok(pairs)
}
