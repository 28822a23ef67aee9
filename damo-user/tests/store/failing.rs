//! A sink that fails, at every write in turn: the file stays readable, and
//! seen = stored + lost, by the writer's counts and by what a reader finds.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where something is wrong"
)]

use std::io::{self, Cursor, ErrorKind, Write};

use damo_user::model::{Item, LossCause, Meta, Record, Region, Snapshot, TargetInfo, TargetKey};
use damo_user::store::{Reader, Sink, Stats, WriteError, Writer};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// An errno, at one write, of which nothing is written.
    Errno(i32),
    /// The same, after some bytes of the write.
    Short(i32, usize),
    /// The same, when the half frame cannot be taken back either.
    Stuck(i32, usize),
    /// Every write takes one byte, or is interrupted first.
    Trickle,
    /// All writes from this one on fail.
    Full,
    /// Nothing but interruptions.
    Interrupted,
}

struct FailingSink<'a> {
    file: &'a mut Vec<u8>,
    fault: Fault,
    at: usize,
    calls: usize,
    /// Bytes still to be taken before the error, within the faulty write.
    short: Option<usize>,
}

impl<'a> FailingSink<'a> {
    fn new(file: &'a mut Vec<u8>, fault: Fault, at: usize) -> Self {
        FailingSink {
            file,
            fault,
            at,
            calls: 0,
            short: None,
        }
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.extend_from_slice(bytes);
        Ok(bytes.len())
    }
}

impl Write for FailingSink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let call = self.calls;
        self.calls += 1;
        match self.fault {
            Fault::Trickle if call.is_multiple_of(2) => Err(ErrorKind::Interrupted.into()),
            Fault::Trickle => self.take(&bytes[..1]),
            Fault::Full if call >= self.at => Err(io::Error::from_raw_os_error(28)),
            Fault::Interrupted if call >= self.at => Err(ErrorKind::Interrupted.into()),
            Fault::Errno(errno) if call == self.at => Err(io::Error::from_raw_os_error(errno)),
            Fault::Short(_, len) | Fault::Stuck(_, len) if call == self.at => {
                self.short = Some(len);
                self.take(&bytes[..len.min(bytes.len())])
            }
            Fault::Short(errno, _) | Fault::Stuck(errno, _) if self.short.take().is_some() => {
                Err(io::Error::from_raw_os_error(errno))
            }
            _ => self.take(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for FailingSink<'_> {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        if matches!(self.fault, Fault::Stuck(..)) {
            return Err(ErrorKind::Unsupported.into());
        }
        Sink::truncate(self.file, len)
    }
}

fn snapshot(i: u64, regions: u64) -> Snapshot {
    let region = |j| Region {
        start: j * 0x5000 + i * 0x1000,
        end: j * 0x5000 + i * 0x1000 + 0x3000,
        nr_accesses: (i * j % 21) as u32,
        age: Some(i as u32),
    };
    Snapshot {
        target: TargetKey {
            kdamond: 7,
            target_id: 0,
        },
        start_ns: i * 100,
        end_ns: (i + 1) * 100,
        intervals: None,
        missing: u32::from(i == 3),
        regions: (0..regions).map(region).collect(),
        extra: None,
    }
}

const SEEN: u64 = 9 * 20 + 40_000;

/// Records ten snapshots, one a giant, going on after errors.
fn record(sink: impl Sink) -> Option<(Stats, Vec<WriteError>)> {
    let mut writer = Writer::new(sink, &Meta::default()).ok()?;
    let mut errors = Vec::new();
    for i in 0..10 {
        let regions = if i == 5 { 40_000 } else { 20 };
        errors.extend(writer.snapshot(&snapshot(i, regions)).err());
        if i % 2 == 1 {
            errors.extend(writer.flush().err());
        }
    }
    errors.extend(writer.finish().err());
    errors.extend(writer.finish().err());
    Some((writer.stats(), errors))
}

/// Samples and lost samples that a reader finds, and the causes.
fn found(file: &[u8]) -> (u64, u64, Vec<(LossCause, Option<TargetKey>)>) {
    let mut reader = Reader::from_source(Cursor::new(file), "memory").unwrap();
    let (mut samples, mut lost, mut causes) = (0, 0, Vec::new());
    for item in reader.items().unwrap() {
        match item.unwrap() {
            Item::Snapshot(it) => {
                let i = it.start_ns / 100;
                assert!(
                    it == snapshot(i, it.regions.len() as u64),
                    "another snapshot {i}"
                );
                samples += it.regions.len() as u64;
                lost += u64::from(it.missing);
            }
            Item::Gap(gap) => {
                assert!(gap.start_ns <= gap.end_ns && gap.end_ns <= 1000, "{gap:?}");
                lost += gap.events.unwrap_or(0);
                causes.push((gap.cause, gap.target));
            }
            Item::Note(note) => panic!("{note:?}"),
        }
    }
    (samples, lost, causes)
}

fn each_write(fault: impl Fn(usize) -> Fault) {
    let mut calls = 0;
    for at in 0.. {
        let mut file = Vec::new();
        let mut sink = FailingSink::new(&mut file, fault(at), at);
        let Some((stats, errors)) = record(&mut sink) else {
            assert!(at < 2, "{:?} at write {at}: not even begun", fault(at));
            continue;
        };
        let reached = sink.calls > at;
        assert_eq!(
            stats.bytes,
            file.len() as u64,
            "{:?} at write {at}",
            fault(at)
        );
        let context = format!("{:?} at write {at}: {stats:?}, {errors:?}", fault(at));
        assert_eq!(stats.samples + stats.lost, SEEN + 1, "{context}");
        assert_eq!(!reached, errors.is_empty(), "{context}");
        assert!(
            errors
                .iter()
                .all(|error| matches!(error, WriteError::Io { .. })),
            "{context}"
        );
        let (samples, lost, causes) = found(&file);
        assert_eq!(samples, stats.samples, "{context}");
        // All loss stands in the file, unless nothing could be written later.
        let ended = Reader::from_source(Cursor::new(&file), "memory")
            .unwrap()
            .was_clean();
        if ended {
            assert_eq!(lost, stats.lost, "{context}, {causes:?}");
        }
        // What could be taken back leaves no damage; though of the giant there
        // may be parts that lack the rest, which is damage to a target.
        if !matches!(fault(at), Fault::Stuck(..)) {
            assert!(!causes.contains(&(LossCause::Damaged, None)), "{context}");
        }
        if !reached {
            assert!(ended && causes.is_empty(), "{context}");
            break;
        }
        calls += 1;
    }
    assert!(calls > 8, "only {calls} writes were made to fail");
}

#[test]
fn an_error_at_every_write() {
    for errno in [28, 5, 122, 27] {
        each_write(|_| Fault::Errno(errno));
    }
}

#[test]
fn a_short_write_and_an_error_at_every_write() {
    for len in [1, 71, 72, 73, 100] {
        each_write(|_| Fault::Short(28, len));
    }
}

#[test]
fn half_frames_that_stay() {
    for len in [1, 71, 72, 73, 100] {
        each_write(|_| Fault::Stuck(5, len));
    }
}

#[test]
fn a_full_disk_for_good() {
    each_write(|_| Fault::Full);
}

#[test]
fn endless_interruptions_end() {
    each_write(|_| Fault::Interrupted);
}

#[test]
fn single_bytes_and_interruptions_do_no_harm() {
    let mut file = Vec::new();
    let (stats, errors) = record(FailingSink::new(&mut file, Fault::Trickle, 0)).unwrap();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!((stats.samples, stats.lost), (SEEN, 1));
    assert_eq!(found(&file), (SEEN, 1, Vec::new()));
}

#[test]
fn targets_are_found_although_the_last_meta_is_not_there() {
    let mut file = Vec::new();
    // Written before: file header, META, TARGET.
    let sink = FailingSink::new(&mut file, Fault::Errno(28), 3);
    let mut writer = Writer::new(sink, &Meta::default()).unwrap();
    writer
        .target(&TargetInfo {
            target_id: 5,
            pid: None,
            comm: None,
            ..TargetInfo::default()
        })
        .unwrap();
    writer.finish().unwrap_err();
    drop(writer);
    let reader = Reader::from_source(Cursor::new(&file), "memory").unwrap();
    assert!(reader.was_clean());
    assert_eq!(reader.meta().targets.len(), 1);
}

/// Counts syncs, and remembers how much was there at the last one.
#[derive(Default)]
struct Syncing {
    file: Vec<u8>,
    syncs: usize,
    safe: usize,
    failing: bool,
}

impl Write for Syncing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Syncing {
    fn sync(&mut self) -> io::Result<()> {
        self.syncs += 1;
        if self.failing {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.safe = self.file.len();
        Ok(())
    }
}

const SECOND: u64 = 1_000_000_000;

#[test]
fn frames_each_second_and_syncs_each_five() {
    let mut sink = Syncing::default();
    let mut writer = Writer::new(&mut sink, &Meta::default()).unwrap();
    let start = 1000 * SECOND;
    let mut frames = Vec::new();
    for tenth in 0..=110 {
        writer.tick(start + tenth * SECOND / 10).unwrap();
        frames.push(writer.stats().frames);
        writer.snapshot(&snapshot(tenth, 3)).unwrap();
    }
    // META at once, then a frame whenever the first snapshot is a second old.
    assert_eq!(
        (frames[9], frames[10], frames[19], frames[20]),
        (1, 2, 2, 3)
    );
    assert_eq!(frames[110], 12);
    drop(writer);
    assert_eq!(sink.syncs, 2);
    let (samples, ..) = found(&sink.file[..sink.safe]);
    assert_eq!(samples, 100 * 3);
}

#[test]
fn a_failing_sync_is_told_once_each_five_seconds() {
    let mut sink = Syncing {
        failing: true,
        ..Syncing::default()
    };
    let mut writer = Writer::new(&mut sink, &Meta::default()).unwrap();
    let failures = (0..=110)
        .filter(|tenth| writer.tick(tenth * SECOND / 10).is_err())
        .count();
    assert_eq!(failures, 2);
    let error = writer.finish().unwrap_err();
    assert!(
        matches!(error, WriteError::Io { doing: "sync", .. }),
        "{error}"
    );
    drop(writer);
    assert!(
        Reader::from_source(Cursor::new(&sink.file), "memory")
            .unwrap()
            .was_clean()
    );
}

#[test]
fn nothing_comes_after_the_end() {
    let mut writer = Writer::new(Vec::new(), &Meta::default()).unwrap();
    writer.finish().unwrap();
    let refused = |result| matches!(result, Err(WriteError::Invalid(_)));
    assert!(refused(writer.snapshot(&snapshot(1, 1))));
    assert!(refused(writer.snapshot(&Snapshot {
        regions: vec![snapshot(1, 1).regions[0]; 2],
        ..snapshot(1, 0)
    })));
    assert!(refused(writer.clock(1, 2)));
    assert!(refused(writer.meta(&Meta::default())));
    let stats = writer.finish().unwrap();
    assert_eq!((stats.samples, stats.lost), (0, 0));
}
