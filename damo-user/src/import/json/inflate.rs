//! Decompresses zlib data: all that it gives before an error, and an error for
//! what follows its end. flate2's own readers keep both to themselves.

use std::io::{self, BufRead, Read};

use flate2::{Decompress, FlushDecompress, Status};

pub struct Inflate<R> {
    input: R,
    state: Decompress,
    ended: bool,
    /// Comes after what was decompressed before it.
    failed: Option<io::Error>,
}

impl<R: BufRead> Inflate<R> {
    pub fn new(input: R) -> Self {
        Inflate {
            input,
            state: Decompress::new(true),
            ended: false,
            failed: None,
        }
    }

    /// Some more bytes; 0 with `failed` or `ended` set when there are none.
    fn step(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let packed = self.input.fill_buf()?;
        let is_last = packed.is_empty();
        let (taken, given) = (self.state.total_in(), self.state.total_out());
        let status = self.state.decompress(packed, out, FlushDecompress::None);
        let taken = self.state.total_in() - taken;
        let given = self.state.total_out() - given;
        self.input
            .consume(usize::try_from(taken).unwrap_or(usize::MAX));
        match status {
            Ok(Status::StreamEnd) => self.ended = true,
            Ok(_) if is_last && given == 0 => {
                self.failed = Some(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(_) => {}
            Err(error) => self.failed = Some(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
        Ok(usize::try_from(given).unwrap_or(usize::MAX))
    }
}

impl<R: BufRead> Read for Inflate<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(error) = self.failed.take() {
                self.ended = true;
                return Err(error);
            }
            if self.ended {
                return match self.input.fill_buf()?.is_empty() {
                    true => Ok(0),
                    false => Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "bytes follow the end of the compressed data",
                    )),
                };
            }
            match self.step(out)? {
                0 => {}
                given => return Ok(given),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    /// What it gives, and how that ends.
    fn inflated(packed: &[u8]) -> (Vec<u8>, Option<io::ErrorKind>) {
        let mut bytes = Vec::new();
        let end = Inflate::new(packed).read_to_end(&mut bytes);
        (bytes, end.err().map(|error| error.kind()))
    }

    #[test]
    fn gives_all_and_tells_how_it_ends() {
        let text: Vec<u8> = (0..300_000u32)
            .flat_map(|i| (i % 1000).to_string().into_bytes())
            .collect();
        let whole = packed(&text);
        assert_eq!(inflated(&whole), (text.clone(), None));
        assert_eq!(inflated(&packed(b"")), (Vec::new(), None));
        // A wrong checksum: everything came before it.
        let mut wrong = whole.clone();
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(
            inflated(&wrong),
            (text.clone(), Some(io::ErrorKind::InvalidData))
        );
        let cut = inflated(&whole[..whole.len() - 1]);
        assert_eq!(cut, (text.clone(), Some(io::ErrorKind::UnexpectedEof)));
        // What follows is no part of it.
        let twice = [&whole[..], &whole[..]].concat();
        assert_eq!(inflated(&twice), (text, Some(io::ErrorKind::InvalidData)));
    }
}
