//! Columns' raw bytes, in frames in which everything else holds.
//!
//! The input is frames: type, flags, number of columns, numbers of snapshots,
//! samples and gaps (16 bits each), first and last time (16 bits each); then
//! columns: id, length (16 bits), bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn word(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?))
    }

    fn frame(&mut self, seq: u64) -> Option<Vec<u8>> {
        let mut frame = vec![0; 72];
        (frame[8], frame[9]) = (self.byte()?, self.byte()?);
        let columns = self.byte()?;
        for at in [20, 24, 28, 40, 48] {
            frame[at..at + 2].copy_from_slice(&self.word()?.to_le_bytes());
        }
        let (mut body, mut raw_len) = (Vec::<u8>::new(), 0u32);
        let mut done = 0u16;
        for _ in 0..columns {
            let Some((id, len)) = self.byte().zip(self.word()) else {
                break;
            };
            let bytes = self
                .take(usize::from(len))
                .or_else(|| self.take(self.0.len()))?;
            // Codec 0; both lengths.
            frame.extend_from_slice(&[id, 0]);
            for _ in 0..2 {
                let len = bytes.len();
                frame.extend([len as u8 | 0x80, (len >> 7) as u8 | 0x80, (len >> 14) as u8]);
            }
            body.extend(bytes);
            raw_len += bytes.len() as u32;
            done += 1;
        }
        frame.extend(body);
        frame[10..12].copy_from_slice(&done.to_le_bytes());
        frame[16..20].copy_from_slice(&raw_len.to_le_bytes());
        damo_fuzz::seal_frame(&mut frame, seq);
        Some(frame)
    }
}

fuzz_target!(|input: &[u8]| {
    let (mut file, mut input) = (vec![0; 72], Input(input));
    damo_fuzz::seal(&mut file);
    for seq in 0.. {
        let Some(frame) = input.frame(seq) else { break };
        file.extend(frame);
    }
    damo_fuzz::read(&file);
});
