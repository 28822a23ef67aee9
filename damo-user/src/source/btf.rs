//! Where members of the running kernel's structures lie, from its BTF
//! (`/sys/kernel/btf/vmlinux`).
//!
//! Aya has a parser too: it makes an object of each of the 150,000 types, for
//! which a recorder that stays in memory would pay. This one looks at the bytes.

use std::io;
use std::path::Path;

use damo_ebpf::Offsets;

/// Where the kernel describes its types.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// A description of more bytes is none.
const MOST_BYTES: u64 = 256 << 20;

/// How deep structures may be within each other.
const DEPTH: u32 = 8;

const MAGIC: u16 = 0xeb9f;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;

/// A kernel's types.
struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// Where each type begins in `types`; ids count from 1.
    starts: Vec<u32>,
}

/// Where to find what [`Offsets`] name; `None` where this kernel does not tell,
/// or has other structures.
pub fn offsets() -> Option<Offsets> {
    let bytes = read(Path::new(VMLINUX)).ok()?;
    Btf::parse(&bytes)?.offsets()
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    use io::Read as _;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl<'a> Btf<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Btf<'a>> {
        if u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?) != MAGIC {
            return None;
        }
        let [header, type_off, type_len, str_off, str_len] =
            [4, 8, 12, 16, 20].map(|at| number(bytes, at));
        let body = bytes.get(header? as usize..)?;
        let part =
            |from: Option<u32>, len: Option<u32>| body.get(from? as usize..)?.get(..len? as usize);
        let mut btf = Btf {
            types: part(type_off, type_len)?,
            strings: part(str_off, str_len)?,
            starts: Vec::new(),
        };
        let mut at = 0;
        while at < btf.types.len() {
            btf.starts.push(u32::try_from(at).ok()?);
            let info = number(btf.types, at + 4)?;
            let count = (info & 0xffff) as usize;
            let more = match kind(info) {
                // Of an integer, a variable and a tag, of an array, of each
                // enumerator or parameter, of each member or 64-bit enumerator.
                1 | 14 | 17 => 4,
                ARRAY => 12,
                6 | 13 => 8 * count,
                STRUCT | UNION | 15 | 19 => 12 * count,
                2 | 7..=12 | 16 | 18 => 0,
                _ => return None,
            };
            at += 12 + more;
        }
        Some(btf)
    }

    fn offsets(&self) -> Option<Offsets> {
        let context = self.structure("damon_ctx")?;
        let of = |structure, path: &[&str]| self.member(structure, path, DEPTH);
        Some(Offsets {
            known: 1,
            worker_private: of(self.structure("task_struct")?, &["worker_private"])?,
            data: of(self.structure("kthread")?, &["data"])?,
            kdamond: of(context, &["kdamond"])?,
            sample: of(context, &["attrs", "sample_interval"])?,
            aggr: of(context, &["attrs", "aggr_interval"])?,
            update: of(context, &["attrs", "ops_update_interval"])?,
            min_regions: of(context, &["attrs", "min_nr_regions"])?,
            max_regions: of(context, &["attrs", "max_nr_regions"])?,
            ops: of(context, &["ops", "id"])?,
            addr_unit: of(context, &["addr_unit"]).unwrap_or(0),
            targets: of(context, &["adaptive_targets"])?,
            list: of(self.structure("damon_target")?, &["list"])?,
            pid: of(self.structure("damon_target")?, &["pid"])?,
            nr: of(self.structure("pid")?, &["numbers", "nr"])?,
        })
    }

    /// The structure of that name, by its id.
    fn structure(&self, name: &str) -> Option<u32> {
        let found = (1..).zip(&self.starts).find(|&(_, &start)| {
            let at = start as usize;
            let is = |info| kind(info) == STRUCT && info & 0xffff > 0;
            number(self.types, at + 4).is_some_and(is) && self.is_named(at, name)
        });
        found.map(|(id, _)| id)
    }

    fn is_named(&self, at: usize, name: &str) -> bool {
        let text = number(self.types, at).and_then(|at| self.strings.get(at as usize..));
        text.and_then(|text| text.strip_prefix(name.as_bytes()))
            .is_some_and(|rest| rest.first() == Some(&0))
    }

    /// Offset, in bytes, of a member of a member … of a type; arrays are those
    /// of their first element, and members without a name are looked into.
    fn member(&self, id: u32, path: &[&str], depth: u32) -> Option<u32> {
        let Some((name, rest)) = path.split_first() else {
            return Some(0);
        };
        let depth = depth.checked_sub(1)?;
        let start = *self.starts.get(id.checked_sub(1)? as usize)? as usize;
        let info = number(self.types, start + 4)?;
        match kind(info) {
            ARRAY => return self.member(number(self.types, start + 12)?, path, depth),
            // Names for types, and what they are qualified with.
            8..=11 | 18 => return self.member(number(self.types, start + 8)?, path, depth),
            STRUCT | UNION => {}
            _ => return None,
        }
        for index in 0..(info & 0xffff) as usize {
            let at = start + 12 + 12 * index;
            let [of, bits] = [4, 8].map(|field| number(self.types, at + field));
            let (of, mut bits) = (of?, bits?);
            if info >> 31 == 1 {
                // The upper byte is a bit field's width.
                bits &= 0x00ff_ffff;
            }
            let within = if self.is_named(at, name) {
                self.member(of, rest, depth)
            } else if self.is_named(at, "") {
                self.member(of, path, depth)
            } else {
                None
            };
            if let Some(within) = within {
                return (bits / 8).checked_add(within);
            }
        }
        None
    }
}

fn kind(info: u32) -> u32 {
    info >> 24 & 0x1f
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Types as a compiler would describe them: name, kind, members.
    #[derive(Default)]
    struct Made {
        types: Vec<u8>,
        strings: Vec<u8>,
    }

    impl Made {
        fn new() -> Made {
            Made {
                types: Vec::new(),
                strings: vec![0],
            }
        }

        fn name(&mut self, name: &str) -> u32 {
            if name.is_empty() {
                return 0;
            }
            let at = self.strings.len() as u32;
            self.strings.extend(name.bytes());
            self.strings.push(0);
            at
        }

        fn put(&mut self, numbers: &[u32]) {
            for number in numbers {
                self.types.extend(number.to_ne_bytes());
            }
        }

        /// Members: name, type, offset in bytes.
        fn structure(&mut self, name: &str, members: &[(&str, u32, u32)]) {
            let name = self.name(name);
            self.put(&[name, STRUCT << 24 | members.len() as u32, 0]);
            for &(name, of, offset) in members {
                let name = self.name(name);
                self.put(&[name, of, offset * 8]);
            }
        }

        fn finish(&self) -> Vec<u8> {
            let mut bytes = MAGIC.to_ne_bytes().to_vec();
            bytes.extend([1, 0]);
            let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
            for number in [24, 0, types, types, strings] {
                bytes.extend(number.to_ne_bytes());
            }
            bytes.extend(&self.types);
            bytes.extend(&self.strings);
            bytes
        }
    }

    /// As a kernel's, with a decoy before each thing that matters.
    fn kernel() -> Vec<u8> {
        let mut made = Made::new();
        // 1: an integer.
        let int = made.name("unsigned long");
        made.put(&[int, 1 << 24, 8, 64]);
        // 2: the intervals.
        made.structure(
            "damon_attrs",
            &[
                ("sample_interval", 1, 0),
                ("aggr_interval", 1, 8),
                ("ops_update_interval", 1, 16),
                ("min_nr_regions", 1, 48),
                ("max_nr_regions", 1, 56),
            ],
        );
        // 3: operations, 4: a name for them.
        made.structure("damon_operations", &[("id", 1, 0)]);
        let name = made.name("ops_t");
        made.put(&[name, 8 << 24, 3]);
        // 5: without a name.
        made.structure("", &[("adaptive_targets", 1, 8), ("addr_unit", 1, 32)]);
        // 6: a shorter name, 7: the context.
        made.structure("damon_ct", &[("kdamond", 1, 0)]);
        made.structure(
            "damon_ctx",
            &[
                ("attrs", 2, 0),
                ("kdamond", 1, 104),
                ("ops", 4, 144),
                ("", 5, 200),
            ],
        );
        // 8, 9.
        made.structure("damon_target", &[("pid", 1, 4), ("list", 1, 32)]);
        made.structure("upid", &[("nr", 1, 4)]);
        // 10: an array of them, 11: the process id.
        made.put(&[0, ARRAY << 24, 0, 9, 1, 1]);
        made.structure("pid", &[("count", 1, 0), ("numbers", 10, 80)]);
        made.structure("task_struct", &[("worker_private", 1, 2648)]);
        made.structure("kthread", &[("data", 1, 24)]);
        made.finish()
    }

    fn found(bytes: &[u8]) -> Option<Offsets> {
        Btf::parse(bytes)?.offsets()
    }

    #[test]
    fn finds_members_of_members() {
        let expected = Offsets {
            known: 1,
            worker_private: 2648,
            data: 24,
            kdamond: 104,
            sample: 0,
            aggr: 8,
            update: 16,
            min_regions: 48,
            max_regions: 56,
            ops: 144,
            addr_unit: 232,
            targets: 208,
            list: 32,
            pid: 4,
            nr: 84,
        };
        assert_eq!(found(&kernel()), Some(expected));
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_it_ends(at in 0usize..4096, with: u8, len in 0usize..4096) {
            let mut bytes = kernel();
            let place = at % bytes.len();
            if let Some(byte) = bytes.get_mut(place) {
                *byte = with;
            }
            let len = len.min(bytes.len());
            let _ = found(&bytes);
            let _ = found(bytes.get(..len).unwrap_or_default());
        }
    }
}
