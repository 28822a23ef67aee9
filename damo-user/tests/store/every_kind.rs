//! A record with frames of every kind, cut at every length and with every bit
//! flipped: whole frames are recovered, damage is told, one frame is lost.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where something is wrong"
)]

use std::collections::BTreeMap;

use damo_user::model::{
    Applied, CpuTime, Extra, Figure, Happened, Happening, Intervals, Item, Known, Mapping, Meta,
    Note, ProcessMemory, Quota, Record, SchemeCounts, Summed, SystemMemory, TargetInfo, TargetKey,
    Tuned,
};
use damo_user::store::Writer;

use crate::store_sample;
use store_sample::{HEADER, frames, is_damage, items, open, ring_full, snapshot};

fn notes(time_ns: u64) -> Vec<Item> {
    let n = time_ns;
    let intervals = Intervals {
        sample_us: n,
        aggr_us: 2,
        update_us: 3,
    };
    let target = TargetKey {
        kdamond: 7,
        target_id: n,
    };
    [
        Known::Tuned(Tuned {
            kdamond: 7,
            intervals,
        }),
        Known::Scheme(SchemeCounts {
            kdamond: 7,
            nr_tried: n,
            ..SchemeCounts::default()
        }),
        Known::ProcessMemory(ProcessMemory {
            pid: 5,
            virtual_bytes: n,
            ..ProcessMemory::default()
        }),
        Known::SystemMemory(SystemMemory {
            total_bytes: n,
            ..SystemMemory::default()
        }),
        Known::Mapping(Mapping {
            pid: 5,
            start: n,
            end: n + 4096,
            permissions: 5,
            offset: 0,
            name: "/usr/bin/true".into(),
        }),
        Known::CpuTime(CpuTime {
            pid: 5,
            user_us: n,
            ..CpuTime::default()
        }),
        Known::Applied(Applied {
            target,
            context: 0,
            scheme: 1,
            region: snapshot(1).regions[0],
        }),
        Known::Happened(Happened {
            kdamond: 7,
            target_id: Some(n),
            what: Happening::TargetGone,
            value: n,
        }),
        Known::Quota(Quota {
            kdamond: 7,
            bytes: n,
            ..Quota::default()
        }),
        Known::Summed(Summed {
            target,
            figure: Figure::Idle,
            step: 3,
            value: n,
        }),
    ]
    .map(|what| Item::Note(Note { time_ns, what }))
    .to_vec()
}

/// META, TARGET, CLOCK, ten kinds of notes, two of DATA, META, INDEX, END.
fn sample() -> Vec<u8> {
    let meta = Meta {
        tool: "damo".to_owned(),
        mono_ns: 1000,
        ..Meta::default()
    };
    let mut writer = Writer::new(Vec::new(), &meta).unwrap();
    writer.target(&TargetInfo::default()).unwrap();
    writer.clock(1000, 5000).unwrap();
    for item in [notes(1000), notes(1001)].concat() {
        writer.item(&item).unwrap();
    }
    for i in 0..4 {
        let mut it = snapshot(i);
        it.extra = Some(Box::new(Extra {
            filter_passed: vec![Some(i); it.regions.len()],
            probe_hits: vec![vec![1, 2]; it.regions.len()],
            age_unit_us: Some(i + 1),
            total_bytes: Some(5),
            scheme_stats: Some(BTreeMap::from([("nr_tried".to_owned(), i)])),
        }));
        writer.snapshot(&it).unwrap();
        if i == 1 {
            writer.gap(&ring_full()).unwrap();
            writer.flush().unwrap();
        }
    }
    writer.finish().unwrap();
    writer.into_sink()
}

/// How many items each frame holds.
fn held(file: &[u8]) -> Vec<usize> {
    let upto: Vec<usize> = frames(file)
        .iter()
        .map(|end| items(&file[..*end]).len())
        .collect();
    upto.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn it_is_what_it_should_be() {
    let file = sample();
    assert!(file.len() <= 16 << 10, "{}", file.len());
    let frames = frames(&file);
    let kinds: Vec<u8> = frames
        .split_last()
        .unwrap()
        .1
        .iter()
        .map(|at| file[at + 8])
        .collect();
    assert_eq!(
        kinds,
        [
            1, 2, 5, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 3, 3, 1, 6, 7
        ]
    );
    assert_eq!(
        held(&file),
        [0, 0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 0, 0, 0]
    );
}

#[test]
fn cut_at_every_length() {
    let file = sample();
    let (whole, frames, held) = (items(&file), frames(&file), held(&file));
    for len in HEADER..file.len() {
        let got = items(&file[..len]);
        let complete = frames[1..].iter().filter(|end| **end <= len).count();
        let count: usize = held[..complete].iter().sum();
        assert_eq!(got[..count], whole[..count], "{len}");
        let damage = usize::from(!frames.contains(&len));
        assert_eq!(got.len(), count + damage, "{len}");
        assert!(got[count..].iter().all(is_damage), "{len}");
    }
}

#[test]
fn every_bit_flipped() {
    let mut file = sample();
    let (whole, frames, held) = (items(&file), frames(&file), held(&file));
    for bit in 0..file.len() * 8 {
        file[bit / 8] ^= 1 << (bit % 8);
        let got: Vec<Item> = open(&file)
            .unwrap()
            .items()
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let places: Vec<usize> = (0..got.len()).filter(|n| is_damage(&got[*n])).collect();
        let [at] = places[..] else {
            panic!("bit {bit}: {places:?}")
        };
        // It is told where it is, and costs that frame's items and no others.
        let frame = frames.iter().rposition(|start| *start <= bit / 8);
        let before = frame.map_or(0, |frame| held[..frame].iter().sum());
        let lost = frame.map_or(0, |frame| held[frame]);
        assert_eq!(at, before, "bit {bit}");
        assert_eq!(got[..at], whole[..at], "bit {bit}");
        assert_eq!(got[at + 1..], whole[at + lost..], "bit {bit}");
        file[bit / 8] ^= 1 << (bit % 8);
    }
}
