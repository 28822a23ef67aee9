//! Records within gzip and zstd, and from standard input.

// Clippy knows only functions marked #[test] as tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use damo_user::import;
use damo_user::model::{Item, LossCause, Meta, Region, Snapshot, TargetKey};
use damo_user::store::Writer;

const DAMO: &str = env!("CARGO_BIN_EXE_damo");

/// A record of ours, and its snapshots.
fn own(folder: &Path) -> (PathBuf, Vec<Snapshot>) {
    let path = folder.join("own");
    let mut file = File::create(&path).unwrap();
    let mut writer = Writer::new(&mut file, &Meta::default()).unwrap();
    let mut snapshots = Vec::new();
    for number in 1..200u64 {
        let regions = (0..50).map(|index| Region {
            start: index << 20,
            end: (index << 20) + ((number * 7919 * (index + 1)) % 255 + 1) * 4096,
            nr_accesses: ((number * index * 31) % 21) as u32,
            age: Some(number as u32),
        });
        let snapshot = Snapshot {
            target: TargetKey {
                kdamond: 1,
                target_id: 0,
            },
            start_ns: (number - 1) * 100_000_000,
            end_ns: number * 100_000_000,
            intervals: None,
            missing: 0,
            regions: regions.collect(),
            extra: None,
        };
        writer.snapshot(&snapshot).unwrap();
        snapshots.push(snapshot);
    }
    writer.finish().unwrap();
    (path, snapshots)
}

/// The same as perf script's text.
fn text(snapshots: &[Snapshot]) -> Vec<u8> {
    let mut text = Vec::new();
    for snapshot in snapshots {
        for region in &snapshot.regions {
            writeln!(
                text,
                "kdamond.0 1 [000] {}.{:09}: damon:damon_aggregated: target_id=0 nr_regions={} {}-{}: {} {}",
                snapshot.end_ns / 1_000_000_000,
                snapshot.end_ns % 1_000_000_000,
                snapshot.regions.len(),
                region.start,
                region.end,
                region.nr_accesses,
                region.age.unwrap(),
            )
            .unwrap();
        }
    }
    text
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// As the program does it: with a checksum.
fn zstd_checked(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

type Contents = (Vec<Snapshot>, Vec<Item>);

fn open(path: &Path) -> Result<Contents, String> {
    let mut record = import::open(path).map_err(|error| error.to_string())?;
    let (mut snapshots, mut others) = (Vec::new(), Vec::new());
    // Each pass anew.
    for _ in 0..2 {
        (snapshots, others) = (Vec::new(), Vec::new());
        for item in record.items().unwrap() {
            match item.map_err(|error| error.to_string())? {
                Item::Snapshot(snapshot) => snapshots.push(snapshot),
                other => others.push(other),
            }
        }
    }
    Ok((snapshots, others))
}

fn open_bytes(bytes: &[u8]) -> Result<Contents, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    open(file.path()).map_err(|error| error.replace(file.path().to_str().unwrap(), "FILE"))
}

fn refused(bytes: &[u8]) -> String {
    match open_bytes(bytes) {
        Ok((snapshots, _)) => panic!("{} snapshots were read", snapshots.len()),
        Err(error) => error,
    }
}

#[test]
fn wrapped_records_are_as_unwrapped_ones() {
    let folder = tempfile::tempdir().unwrap();
    let (path, snapshots) = own(folder.path());
    let own = fs::read(&path).unwrap();
    let text = text(&snapshots);
    let (half, other_half) = text.split_at(text.len() / 2);
    for bytes in [
        gzip(&own),
        zstd(&own),
        gzip(&text),
        zstd(&text),
        gzip(&zstd(&gzip(&own))),
        [gzip(half), gzip(&[]), gzip(other_half)].concat(),
        [
            zstd(half),
            b"\x50\x2a\x4d\x18\x02\0\0\0ab".to_vec(),
            zstd(other_half),
        ]
        .concat(),
        [b"\x50\x2a\x4d\x18\x02\0\0\0ab".to_vec(), zstd(&text)].concat(),
    ] {
        let (found, others) = open_bytes(&bytes).unwrap();
        assert_eq!(found, snapshots);
        assert_eq!(others, []);
    }
    let error = refused(&gzip(&gzip(&gzip(&gzip(&own)))));
    assert!(
        error.starts_with("FILE: compressed more than 3 times over"),
        "{error}"
    );
}

fn is_damage(item: &Item) -> bool {
    matches!(item, Item::Gap(gap) if gap.cause == LossCause::Damaged && gap.events.is_none())
}

#[test]
fn a_stream_that_is_cut_off_is_read_as_far_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let (_, snapshots) = own(folder.path());
    let text = text(&snapshots);
    for whole in [gzip(&text), zstd(&text), zstd(&gzip(&text))] {
        let mut most = 0;
        for part in [10, 40, 70, 99] {
            let cut = &whole[..whole.len() * part / 100];
            let Ok((found, others)) = open_bytes(cut) else {
                // zstd's blocks are large: of the first one nothing is there.
                assert!(part < 70);
                continue;
            };
            assert!(is_damage(others.last().unwrap()), "{others:?}");
            let intact = found.len().saturating_sub(1);
            assert_eq!(found[..intact], snapshots[..intact]);
            assert!(found.len() >= most);
            most = found.len();
        }
        assert!(most > 50, "{most}");
        // The last byte is of a checksum or the like.
        let (found, others) = open_bytes(&whole[..whole.len() - 1]).unwrap();
        assert!(found.len() > most || found.len() == snapshots.len());
        assert!(is_damage(others.last().unwrap()));
    }
    // What follows and is no stream.
    let (found, others) = open_bytes(&[gzip(&text), vec![0; 512]].concat()).unwrap();
    assert_eq!(found, snapshots);
    assert!(others.len() == 1 && is_damage(&others[0]));
}

#[test]
fn errors_say_what_is_bad() {
    let folder = tempfile::tempdir().unwrap();
    let (_, snapshots) = own(folder.path());
    let text = text(&snapshots);
    let mut bad = gzip(&text);
    let middle = bad.len() / 2;
    bad[middle..middle + 64].fill(0xff);
    let error = refused(&bad);
    assert!(
        error.starts_with("FILE: its gzip stream is damaged at offset "),
        "{error}"
    );
    let mut bad = zstd_checked(&text);
    let middle = bad.len() / 2;
    bad[middle..middle + 64].fill(0xff);
    let error = refused(&gzip(&bad));
    assert!(
        error.starts_with("FILE: its zstd stream is damaged at offset "),
        "{error}"
    );
    let error = refused(&gzip(b"MZ\x90\x00\x03\x00\x00\x00"));
    assert!(
        error.starts_with("FILE (decompressed): looks like unknown binary data"),
        "{error}"
    );
    for (bytes, hint) in [
        (&b"\xfd7zXZ\0\0"[..], "xz -d"),
        (b"BZh91AY", "bzip2 -d"),
        (b"\x17\x08\x44tracing6\0", "trace-cmd report"),
        (b"2ELIFREP\0\0", "perf script"),
    ] {
        let error = refused(bytes);
        assert!(error.contains(hint), "{error}");
        assert!(error.contains("Readable are damo record files"), "{error}");
    }
}

/// `damo report wss -i INPUT`, with `stdin`.
fn report(input: &str, stdin: Stdio, tmpdir: &Path) -> Output {
    Command::new(DAMO)
        .args(["report", "wss", "-i", input])
        .env("TMPDIR", tmpdir)
        .stdin(stdin)
        .output()
        .unwrap()
}

fn piped(input: &str, bytes: &[u8], tmpdir: &Path) -> Output {
    let mut child = Command::new(DAMO)
        .args(["report", "wss", "-i", input])
        .env("TMPDIR", tmpdir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may end before it has read all.
    let _ = stdin.write_all(bytes);
    drop(stdin);
    child.wait_with_output().unwrap()
}

#[test]
fn standard_input_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (path, snapshots) = own(folder.path());
    let tmpdir = folder.path().join("tmp");
    fs::create_dir(&tmpdir).unwrap();
    let expected = report(path.to_str().unwrap(), Stdio::null(), &tmpdir);
    assert!(expected.status.success() && expected.stdout.len() > 100);
    let own = fs::read(&path).unwrap();
    for name in ["-", "/dev/stdin"] {
        let mut outputs = vec![report(name, File::open(&path).unwrap().into(), &tmpdir)];
        for bytes in [own.clone(), gzip(&own), zstd(&own)] {
            let file = folder.path().join("wrapped");
            fs::write(&file, &bytes).unwrap();
            outputs.push(piped(name, &bytes, &tmpdir));
            outputs.push(report(name, File::open(&file).unwrap().into(), &tmpdir));
        }
        for output in outputs {
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.stdout, expected.stdout, "{stderr}");
            assert!(output.status.success(), "{stderr}");
        }
    }
    let output = piped("-", &text(&snapshots), &tmpdir);
    assert_eq!(output.stdout, expected.stdout);
    // Nothing is left behind.
    assert_eq!(fs::read_dir(&tmpdir).unwrap().count(), 0);

    let stderr = |output: Output| String::from_utf8(output.stderr).unwrap();
    let error = stderr(piped("-", b"", &tmpdir));
    assert!(
        error.starts_with("damo: standard input: looks like an empty file"),
        "{error}"
    );
    // Whatever is in the way of a temporary file.
    let gone = folder.path().join("gone");
    let error = stderr(piped("-", &gzip(&own), &gone));
    let begin = format!(
        "damo: standard input: cannot keep what is read of it in {} (",
        gone.display()
    );
    assert!(
        error.starts_with(&begin) && error.contains("TMPDIR"),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1);
    // It is not the record that was not found, be it json either.
    let json = folder.path().join("json");
    fs::write(
        &json,
        r#"[{"snapshots": [{"start_time": 0, "end_time": 5, "regions": []}]}]"#,
    )
    .unwrap();
    let error = stderr(report(json.to_str().unwrap(), Stdio::null(), &gone));
    assert!(
        error.contains("TMPDIR") && !error.contains("does not exist"),
        "{error}"
    );
}

#[test]
fn what_is_no_record_is_not_kept() {
    // A pipe that never ends: it is refused by its beginning.
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone");
    let zeros = vec![0; 1 << 20];
    for (bytes, name) in [
        (zeros.clone(), "standard input"),
        (gzip(&zeros), "standard input (decompressed)"),
    ] {
        let error = String::from_utf8(piped("-", &bytes, &gone).stderr).unwrap();
        let begin = format!("damo: {name}: looks like unknown binary data");
        assert!(error.starts_with(&begin), "{error}");
        assert!(error.contains("right file? Readable are"), "{error}");
    }
    let error = refused(b"");
    assert!(error.ends_with("before it wrote?"), "{error}");
}

#[test]
fn a_cut_is_one_gap() {
    // Both the stream and the json in it say that there is more.
    let json = br#"[{"target_id": 0, "snapshots": [{"start_time": "1", "end_time": "5", "regions": []}, {"start"#;
    let bytes = gzip(json);
    let (found, others) = open_bytes(&bytes[..bytes.len() - 8]).unwrap();
    assert_eq!(found.len(), 1, "{others:?}");
    assert!(others.len() == 1 && is_damage(&others[0]), "{others:?}");
}

#[test]
fn a_full_disk_is_told() {
    // The limit on a file's size stands in for the disk's: EFBIG.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("zeros.gz");
    fs::write(&file, gzip(&vec![b' '; 4 << 20])).unwrap();
    let script = format!(
        "trap '' XFSZ; ulimit -f 512; exec {DAMO} report wss -i {}",
        file.display()
    );
    let output = Command::new("sh")
        .args(["-c", &script])
        .env("TMPDIR", folder.path())
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("make room there"), "{error}");
    assert!(error.contains(folder.path().to_str().unwrap()), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}
