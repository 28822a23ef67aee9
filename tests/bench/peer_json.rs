//! A record as the peer's json_compressed has it, to compare sizes: a zlib
//! stream of JSON indented by four, addresses with thousands commas.

use std::io::{self, Write};

use damo_user::model::units::format_number;
use damo_user::model::{Intervals, Snapshot};
use flate2::Compression;
use flate2::write::ZlibEncoder;

/// How many bytes the snapshots take in that form.
pub fn compressed_len(snapshots: &[Snapshot]) -> io::Result<u64> {
    // Python's zlib compresses at level 6 unless told otherwise.
    let mut out = ZlibEncoder::new(Vec::new(), Compression::new(6));
    write!(
        out,
        "[\n    {{\n        \"target_id\": 0,\n        \"snapshots\": ["
    )?;
    for (index, snapshot) in snapshots.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        write!(
            out,
            "{comma}\n            {{\n                \"start_time\": \"{}\",\n                \"end_time\": \"{}\",\n                \"regions\": [",
            snapshot.start_ns, snapshot.end_ns
        )?;
        for (index, region) in snapshot.regions.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let age = u64::from(region.age.unwrap_or(0));
            let (most, aggr_us) = snapshot.intervals.map_or((1, 1), |i: Intervals| {
                (i.max_nr_accesses().max(1), i.aggr_us)
            });
            write!(
                out,
                "{comma}\n{p}{{\n{f}\"start\": \"{}\",\n{f}\"end\": \"{}\",\n{f}\"nr_accesses\": {{\n{f}    \"samples\": {},\n{f}    \"percent\": {:?}\n{f}}},\n{f}\"age\": {{\n{f}    \"usec\": {},\n{f}    \"aggr_intervals\": \"{}\"\n{f}}}\n{p}}}",
                format_number(region.start),
                format_number(region.end),
                region.nr_accesses,
                f64::from(region.nr_accesses) * 100.0 / most as f64,
                age * aggr_us,
                format_number(age),
                p = " ".repeat(20),
                f = " ".repeat(24),
            )?;
        }
        write!(out, "\n                ]\n            }}")?;
    }
    write!(out, "\n        ]\n    }}\n]")?;
    Ok(out.finish()?.len() as u64)
}
