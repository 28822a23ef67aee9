//! A ring as the kernel's, and what fills it.

use damo_ebpf::{Kdamond, RECORD_BYTES, RingEvent};

/// The default of `damo record --ring`.
pub const DEFAULT: usize = 4 << 20;

/// Bytes before each item in the kernel's ring (BPF_RINGBUF_HDR_SZ).
const HEADER: usize = 8;

/// What an item takes in the kernel's ring.
pub fn framed(bytes: usize) -> usize {
    (bytes + HEADER).next_multiple_of(8)
}

/// Items of one size, framed as in the kernel's ring.
pub struct Ring {
    bytes: Vec<u8>,
    /// Positions that only grow.
    written: usize,
    read: usize,
}

impl Ring {
    /// Of so many bytes, a power of two.
    pub fn new(bytes: usize) -> Ring {
        Ring {
            bytes: vec![0; bytes],
            written: 0,
            read: 0,
        }
    }

    /// Adds an item; `false` if it has no room.
    pub fn push(&mut self, item: &[u8]) -> bool {
        let after = self.written + framed(item.len());
        // As the kernel: one byte is never used.
        if after - self.read > self.bytes.len() - 1 {
            return false;
        }
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&(item.len() as u32).to_ne_bytes());
        self.put(self.written, &header);
        self.put(self.written + HEADER, item);
        self.written = after;
        true
    }

    /// Takes an item out.
    pub fn pop<const N: usize>(&mut self) -> Option<[u8; N]> {
        if self.read == self.written {
            return None;
        }
        let header: [u8; HEADER] = self.get(self.read);
        let [a, b, c, d, ..] = header;
        assert_eq!(u32::from_ne_bytes([a, b, c, d]) as usize, N);
        let item = self.get(self.read + HEADER);
        self.read += framed(N);
        Some(item)
    }

    /// The kernel maps its pages twice; here, what goes over the end is cut.
    fn put(&mut self, at: usize, from: &[u8]) {
        let at = at & (self.bytes.len() - 1);
        let until = self.bytes.len().min(at + from.len());
        let (head, tail) = from.split_at(until - at);
        self.bytes[at..until].copy_from_slice(head);
        self.bytes[..tail.len()].copy_from_slice(tail);
    }

    fn get<const N: usize>(&self, at: usize) -> [u8; N] {
        let at = at & (self.bytes.len() - 1);
        let until = self.bytes.len().min(at + N);
        let mut item = [0; N];
        let (head, tail) = item.split_at_mut(until - at);
        head.copy_from_slice(&self.bytes[at..until]);
        tail.copy_from_slice(&self.bytes[..tail.len()]);
        item
    }
}

/// A kdamond and the BPF program on its tracepoint.
pub struct Kernel {
    pub counters: Kdamond,
    nr_regions: u64,
    snapshots: u64,
}

/// Its thread.
pub const KDAMOND: u32 = 4242;

impl Kernel {
    /// With so many regions in each snapshot.
    pub fn new(nr_regions: u64) -> Kernel {
        Kernel {
            counters: Kdamond::default(),
            nr_regions,
            snapshots: 0,
        }
    }

    /// Reports a snapshot, all at once. In each, one region in 16 is another than
    /// before: its access count and its border.
    pub fn snapshot(&mut self, ring: &mut Ring, time_ns: u64) {
        self.snapshots += 1;
        for n in 0..self.nr_regions {
            let since = (self.snapshots + n * 7) % 16;
            let epoch = (self.snapshots + n * 7) / 16;
            let noise = (n ^ epoch << 20).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            let start = (n << 24) + (noise % 64) * 4096;
            let counters = &mut self.counters;
            counters.follow(0, self.nr_regions as u32, start);
            let item = bytes(&RingEvent {
                time_ns,
                kdamond: KDAMOND,
                snapshot: counters.snapshot,
                lost: counters.lost as u32,
                left: counters.left,
                record: record(self.nr_regions, start, noise, since),
            });
            if !ring.push(&item) {
                counters.lost += 1;
            }
        }
    }
}

/// What the kernel's tracepoint would have: see [`FORMAT`].
fn record(nr_regions: u64, start: u64, noise: u64, since: u64) -> [u8; RECORD_BYTES] {
    let mut record = [0; RECORD_BYTES];
    record[8..12].copy_from_slice(&(nr_regions as u32).to_ne_bytes());
    record[16..24].copy_from_slice(&start.to_ne_bytes());
    let end = start + (1 << 23) + (noise % 512) * 4096;
    record[24..32].copy_from_slice(&end.to_ne_bytes());
    record[32..36].copy_from_slice(&((noise % 21) as u32).to_ne_bytes());
    record[36..40].copy_from_slice(&(since as u32).to_ne_bytes());
    record
}

/// A region as it lies in the ring.
pub const REGION: usize = size_of::<RingEvent>();

fn bytes(event: &RingEvent) -> [u8; REGION] {
    let mut bytes = [0; REGION];
    bytes[..8].copy_from_slice(&event.time_ns.to_ne_bytes());
    let numbers = [event.kdamond, event.snapshot, event.lost, event.left];
    for (place, number) in bytes[8..24].chunks_exact_mut(4).zip(numbers) {
        place.copy_from_slice(&number.to_ne_bytes());
    }
    bytes[24..].copy_from_slice(&event.record);
    bytes
}

/// tracefs's description of the tracepoint.
pub const FORMAT: &str = include_str!("../../src/source/damon_aggregated.format");
