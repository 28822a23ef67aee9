//! What a file is, from its first bytes.

use std::fmt;

use super::legacy::Layout;
use super::perf_data;

/// First bytes of our own record files.
pub const OWN_MAGIC: &[u8; 8] = b"\x89DMOR\r\n\x1a";

/// What a file without bytes looks like.
pub const EMPTY: &str = "an empty file";
/// What editors put before text; json has none, but readers pass over it.
pub const BYTE_ORDER_MARK: &[u8; 3] = b"\xef\xbb\xbf";

/// What a file's first bytes say.
#[derive(Debug, PartialEq, Eq)]
pub enum Format {
    /// Our own record file.
    Own,
    /// v1.7.3's binary record.
    Legacy(Layout),
    /// damo 3's json.
    Json,
    /// zlib data, perhaps damo 3's compressed json.
    ZlibJson,
    /// perf.data.
    PerfData,
    /// Text, perhaps of perf or trace-cmd.
    Text,
    /// Anything, compressed.
    Compressed(Compression),
    /// Nothing that can be read.
    Other {
        /// What it looks like.
        looks: String,
        /// What to do.
        hint: &'static str,
    },
}

/// A compression that is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Compression {
    fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            // A frame, or one to skip, with which pzstd's files begin.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            _ => None,
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

fn other(looks: impl Into<String>, hint: &'static str) -> Format {
    Format::Other {
        looks: looks.into(),
        hint,
    }
}

/// Known formats of others, by first bytes.
const OTHERS: [(&[u8], &str, &str); 5] = [
    (
        &perf_data::SWAPPED,
        "perf.data of a machine with another byte order",
        "convert it there with `perf script -i FILE > FILE.txt`",
    ),
    (
        b"\x17\x08\x44tracing",
        "trace-cmd's trace.dat",
        "convert it with `trace-cmd report FILE > FILE.txt`",
    ),
    (b"BZh", "bzip2", "decompress it with `bzip2 -d` first"),
    (
        b"\x04\x22\x4d\x18",
        "lz4",
        "decompress it with `lz4 -d` first",
    ),
    (b"\xfd7zXZ", "xz", "decompress it with `xz -d` first"),
];

/// Decides on a file's format from (at least) its first few hundred bytes.
pub fn sniff(head: &[u8]) -> Format {
    if head.is_empty() {
        return other(EMPTY, "was the recorder stopped before it wrote?");
    }
    if head.starts_with(OWN_MAGIC) {
        return Format::Own;
    }
    if head.starts_with(&perf_data::MAGIC) {
        return Format::PerfData;
    }
    if let Some(layout) = Layout::of_header(head) {
        return match layout {
            Ok(layout) => Format::Legacy(layout),
            Err(version) => other(
                format!("a binary record of version {version}"),
                "versions 0 to 2 of little-endian machines are known",
            ),
        };
    }
    // A headerless record may begin with any byte, so it goes before magics
    // as short as zlib's.
    if Layout::fits_headerless(head) {
        return Format::Legacy(Layout::V0);
    }
    if let Some(compression) = Compression::of(head) {
        return Format::Compressed(compression);
    }
    if let Some((_, looks, hint)) = OTHERS.iter().find(|(magic, ..)| head.starts_with(magic)) {
        return other(*looks, hint);
    }
    if is_zlib(head) {
        return Format::ZlibJson;
    }
    if !is_text(head) {
        let first: Vec<String> = head.iter().take(8).map(|b| format!("{b:02x}")).collect();
        return other(
            format!("unknown binary data (it begins with {})", first.join(" ")),
            "is it the right file?",
        );
    }
    let text = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head);
    match text.iter().find(|b| !b.is_ascii_whitespace()) {
        Some(b'[' | b'{') => Format::Json,
        _ => Format::Text,
    }
}

/// Whether it begins as zlib data does: deflate, a window of up to 32 KiB, no
/// dictionary, and a sum that holds. Text may do so with two graphic letters.
fn is_zlib(head: &[u8]) -> bool {
    match head {
        [method, flags, ..] => {
            let sum = u16::from_be_bytes([*method, *flags]);
            let zlib = method & 0x0f == 8 && method >> 4 <= 7 && flags & 0x20 == 0 && sum % 31 == 0;
            zlib && !(flags.is_ascii_graphic() && is_text(head))
        }
        _ => false,
    }
}

/// Whether there are no control characters but white space.
fn is_text(head: &[u8]) -> bool {
    head.iter()
        .all(|b| *b >= b' ' && *b != 0x7f || matches!(b, b'\t' | b'\n' | b'\r' | 0x1b))
}
