//! Records of every kind, for both readers.

use std::collections::BTreeMap;

use damo_user::model::{
    Applied, CpuTime, Extra, Figure, Gap, Happened, Happening, Intervals, Item, KdamondInfo, Known,
    LossCause, Mapping, Meta, Note, Ops, Origin, ProcessMemory, Quota, Region, SchemeCounts,
    Summed, SystemMemory, TargetInfo, TargetKey, Tuned,
};
use damo_user::store::{Options, Writer};
use serde_json::json;

use crate::store_sample::{giant, snapshot};

fn tuned(time_ns: u64, kdamond: u32, n: u64) -> Item {
    let intervals = Intervals {
        sample_us: n,
        aggr_us: n.wrapping_mul(20),
        update_us: u64::MAX - n,
    };
    let what = Known::Tuned(Tuned { kdamond, intervals });
    Item::Note(Note { time_ns, what })
}

/// All kinds of notes, with several rows of each and the largest numbers.
pub fn notes(time_ns: u64) -> Vec<Item> {
    let mut notes = vec![tuned(time_ns, 1, 5000), tuned(time_ns + 1, u32::MAX, 0)];
    let mut add = |what| notes.push(Item::Note(Note { time_ns, what }));
    for n in [0, 7, u64::MAX] {
        let small = n as u32;
        add(Known::Clock(n));
        add(Known::ProcessMemory(ProcessMemory {
            pid: small,
            virtual_bytes: n,
            resident_bytes: n / 2,
            shared_bytes: n / 3,
        }));
        add(Known::SystemMemory(SystemMemory {
            total_bytes: n,
            free_bytes: n / 2,
            available_bytes: n / 3,
            buffers_bytes: 1,
            cached_bytes: n / 5,
            swap_total_bytes: n / 6,
            swap_free_bytes: n / 7,
        }));
        add(Known::CpuTime(CpuTime {
            pid: 5,
            kdamond: n == 7,
            user_us: n,
            system_us: n / 2,
        }));
        add(Known::Applied(Applied {
            target: TargetKey {
                kdamond: 5,
                target_id: n,
            },
            context: small,
            scheme: small / 2,
            region: Region {
                start: n / 2,
                end: n,
                nr_accesses: small,
                age: (n != 7).then_some(small),
            },
        }));
        add(Known::Scheme(SchemeCounts {
            kdamond: 5,
            context: small,
            scheme: 1,
            nr_tried: n,
            sz_tried: n / 2,
            nr_applied: n / 3,
            sz_applied: n / 4,
            sz_ops_filter_passed: n / 5,
            qt_exceeds: n / 6,
            nr_snapshots: n / 7,
        }));
        add(Known::Quota(Quota {
            kdamond: small,
            context: small,
            scheme: 1,
            bytes: n,
        }));
        add(Known::Summed(Summed {
            target: TargetKey {
                kdamond: small,
                target_id: n,
            },
            figure: Figure::of_code(small as u8),
            step: small,
            value: n,
        }));
        add(Known::Happened(Happened {
            kdamond: 5,
            target_id: (n == 7).then_some(n),
            what: Happening::of_code(small as u8),
            value: n,
        }));
        for name in ["", "[heap]", "/usr/lib/\u{fc}ber.so"] {
            add(Known::Mapping(Mapping {
                pid: 5,
                start: n / 3,
                end: n,
                permissions: small as u8,
                offset: n,
                name: name.into(),
            }));
        }
    }
    notes
}

/// What only tried regions tell, of `regions` regions.
fn extra(i: u64, regions: usize) -> Option<Box<Extra>> {
    let stats = || BTreeMap::from([("nr_tried".to_owned(), i), ("sz".to_owned(), u64::MAX)]);
    let extra = Extra {
        filter_passed: match i % 3 {
            0 => Vec::new(),
            _ => (0..regions as u64)
                .map(|n| (n % 4 != 1).then_some(n * i))
                .collect(),
        },
        probe_hits: match i % 4 {
            0 => Vec::new(),
            _ => (0..regions)
                .map(|n| vec![u32::MAX - n as u32; n % 3])
                .collect(),
        },
        age_unit_us: (i % 7 < 3).then_some(i + 1),
        total_bytes: (i % 2 == 1).then_some(u64::MAX - i),
        scheme_stats: (i % 3 != 1).then(|| {
            if i.is_multiple_of(2) {
                stats()
            } else {
                BTreeMap::new()
            }
        }),
    };
    (i % 5 != 4 && extra != Extra::default()).then(|| Box::new(extra))
}

/// Several targets of several kdamonds, with all that can be told of them.
pub fn varied(seed: u64) -> Vec<Item> {
    let mut items = Vec::new();
    for i in 0..60u64 {
        let n = seed + i;
        let mut it = snapshot(i);
        it.target = TargetKey {
            kdamond: (n % 3) as u32 * 1000,
            target_id: [0, 1, u64::MAX, 0xffff_8880_0000_0000][n as usize % 4],
        };
        it.regions.truncate((n * 5 % 11) as usize);
        if n % 7 == 3 {
            it.regions = vec![
                Region {
                    start: 0,
                    end: 0,
                    nr_accesses: 0,
                    age: Some(u32::MAX),
                },
                Region {
                    start: 1,
                    end: u64::MAX,
                    nr_accesses: u32::MAX,
                    age: None,
                },
            ];
        }
        if n % 13 == 5 {
            (it.start_ns, it.end_ns) = (u64::MAX - i, u64::MAX);
        }
        if n % 17 == 6 {
            (it.start_ns, it.end_ns) = (1000 + i * 100, 10);
        }
        it.missing = [0, 0, 3, u32::MAX][n as usize % 4];
        it.intervals = (!n.is_multiple_of(5)).then_some(Intervals {
            sample_us: 5000 + n / 9,
            aggr_us: 100_000,
            update_us: u64::MAX,
        });
        it.extra = extra(n, it.regions.len());
        if n % 6 == 2 {
            let causes = [
                LossCause::RingFull,
                LossCause::Unseen,
                LossCause::Damaged,
                LossCause::Unwritten,
            ];
            items.push(Item::Gap(Gap {
                target: (n % 4 > 1).then_some(TargetKey {
                    kdamond: 9,
                    target_id: n,
                }),
                start_ns: it.start_ns.wrapping_sub(n),
                end_ns: it.start_ns,
                events: [None, Some(0), Some(n), Some(u64::MAX)][n as usize / 6 % 4],
                cause: causes[n as usize / 6 % 4],
            }));
        }
        items.push(Item::Snapshot(it));
        if i % 20 == 11 {
            items.extend(notes(1000 + i * 100));
        }
    }
    items
}

fn meta() -> Meta {
    Meta {
        tool: "a \"test\" \u{1F600}".to_owned(),
        command: vec!["damo".to_owned(), "record".to_owned()],
        boot_id: "3f2504e0-4f89-11d3-9a0c-0305e82c3301".to_owned(),
        ops: Some(Ops::Fvaddr),
        kdamond: Some(7),
        nr_regions: Some((10, u64::MAX)),
        intervals: Some(Intervals {
            sample_us: 1,
            aggr_us: 2,
            update_us: 3,
        }),
        targets: vec![target(1, None), target(0, Some(3))],
        wall_ns: u64::MAX,
        mono_ns: 1000,
        ..Meta::default()
    }
}

fn target(kdamond: u32, pid: Option<u32>) -> TargetInfo {
    TargetInfo {
        target_id: 0,
        pid,
        comm: pid.map(|pid| format!("process {pid}")),
        kdamond,
        origin: pid.is_none().then(|| Origin {
            kdamond_idx: Some(kdamond as i32),
            intervals_goal: Some(json!({"access_bp": 400, "aggrs": [1, 2.5]})),
            ..Origin::default()
        }),
    }
}

/// Some items of a recording of a boot of its own, as a segment.
pub fn segment(segment: u32, recording: u8, boot: u8, times: [u64; 2], finish: bool) -> Vec<u8> {
    let [wall_ns, mono_ns] = times;
    let options = Options {
        uuid: Some([recording; 16]),
        segment,
        page_shift: 12,
    };
    let meta = Meta {
        boot_id: format!("{boot:02x}000000-0000-0000-0000-000000000000"),
        targets: vec![
            target(u32::from(recording), Some(3)),
            target(9, Some(boot.into())),
        ],
        kdamonds: vec![KdamondInfo {
            tid: recording.into(),
            ..KdamondInfo::default()
        }],
        wall_ns,
        mono_ns,
        ..meta()
    };
    let mut writer = Writer::with_options(Vec::new(), &meta, options).unwrap();
    for i in 0..30 {
        let Item::Snapshot(mut it) = Item::Snapshot(snapshot(i)) else {
            continue;
        };
        (it.start_ns, it.end_ns) = (mono_ns + i * 100, mono_ns + i * 100 + 100);
        writer.item(&Item::Snapshot(it)).unwrap();
    }
    for what in [Happening::Began, Happening::Silent] {
        let happened = Happened {
            kdamond: 7,
            target_id: None,
            what,
            value: mono_ns + 50,
        };
        writer
            .item(&Item::Note(Note {
                time_ns: mono_ns + 1000,
                what: Known::Happened(happened),
            }))
            .unwrap();
    }
    match finish {
        true => drop(writer.finish().unwrap()),
        false => writer.flush().unwrap(),
    }
    writer.into_sink()
}

/// A record of `items`, in frames of about `each` of them.
pub fn write(items: &[Item], each: usize, finish: bool, segment: u32) -> Vec<u8> {
    let options = Options {
        uuid: Some([segment as u8 / 16; 16]),
        segment,
        page_shift: 14,
    };
    let mut writer = Writer::with_options(Vec::new(), &meta(), options).unwrap();
    for (n, item) in items.iter().enumerate() {
        writer.item(item).unwrap();
        if n % each == each - 1 {
            writer.flush().unwrap();
        }
        // The same process under another name; another kdamond's.
        if n == 30 {
            let comm = Some("renamed".to_owned());
            writer
                .target(&TargetInfo {
                    comm,
                    ..target(0, Some(3))
                })
                .unwrap();
            writer.target(&target(2, None)).unwrap();
        }
    }
    match finish {
        true => drop(writer.finish().unwrap()),
        false => writer.flush().unwrap(),
    }
    writer.into_sink()
}

pub fn split(regions: u64, i: u64) -> Item {
    let mut it = giant(regions);
    (it.start_ns, it.end_ns, it.missing) = (1000 + i * 100, 1100 + i * 100, 5);
    it.extra = extra(i, it.regions.len());
    Item::Snapshot(it)
}
