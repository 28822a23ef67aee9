//! gzip and zstd streams, several of which may follow each other.

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use flate2::bufread::GzDecoder;

use super::sniff::Compression;

/// A compressed stream that is not one.
#[derive(Debug, thiserror::Error)]
#[error("its {compression} stream is damaged at offset {offset}: {source}")]
pub struct BadStream {
    compression: Compression,
    /// Into what is compressed.
    offset: u64,
    source: io::Error,
}

/// Decompresses `input`. A stream that is cut off, or followed by something
/// else, ends like any other, but sets `cut`. A damaged one is an error that
/// holds a [`BadStream`].
pub struct Decompress<R> {
    compression: Compression,
    state: State<Counted<R>>,
    /// Streams that were whole.
    whole: u64,
    /// Whether this one has given something.
    begun: bool,
    cut: Rc<Cell<bool>>,
}

enum State<R> {
    Between(R),
    Gzip(Box<GzDecoder<R>>),
    Zstd(zstd::Decoder<'static, R>),
    Ended,
}

impl<R: BufRead> Decompress<R> {
    /// Of the beginning of a stream.
    pub fn new(compression: Compression, input: R, cut: Rc<Cell<bool>>) -> Self {
        Self {
            compression,
            state: State::Between(Counted { input, offset: 0 }),
            whole: 0,
            begun: false,
            cut,
        }
    }

    fn offset(&self) -> u64 {
        match &self.state {
            State::Between(input) => input.offset,
            State::Gzip(decoder) => decoder.get_ref().offset,
            State::Zstd(decoder) => decoder.get_ref().offset,
            State::Ended => 0,
        }
    }

    /// Begins the next stream; false if there is none.
    fn begin(&mut self, mut input: Counted<R>) -> io::Result<bool> {
        if input.fill_buf()?.is_empty() {
            return Ok(false);
        }
        self.begun = false;
        self.state = match self.compression {
            Compression::Gzip => State::Gzip(Box::new(GzDecoder::new(input))),
            Compression::Zstd => State::Zstd(zstd::Decoder::with_buffer(input)?.single_frame()),
        };
        Ok(true)
    }

    /// What a decoder's error means.
    fn failed(&mut self, error: io::Error) -> io::Result<usize> {
        // From below: of the system, or of a stream around this one.
        let foreign = error.raw_os_error().is_some()
            || error.get_ref().is_some_and(|inner| inner.is::<BadStream>());
        if foreign {
            return Err(error);
        }
        let offset = self.offset();
        self.state = State::Ended;
        let cut_off = error.kind() == io::ErrorKind::UnexpectedEof;
        if cut_off || (self.whole > 0 && !self.begun) {
            self.cut.set(true);
            return Ok(0);
        }
        let bad = BadStream {
            compression: self.compression,
            offset,
            source: error,
        };
        Err(io::Error::new(io::ErrorKind::InvalidData, bad))
    }
}

impl<R: BufRead> Read for Decompress<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            let result = match &mut self.state {
                State::Ended => return Ok(0),
                State::Gzip(decoder) => decoder.read(into),
                State::Zstd(decoder) => decoder.read(into),
                State::Between(_) => Ok(0),
            };
            match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return self.failed(error),
                Ok(0) => {}
                Ok(read) => {
                    self.begun = true;
                    return Ok(read);
                }
            }
            let input = match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Ok(0),
                State::Between(input) => input,
                State::Gzip(decoder) => {
                    self.whole += 1;
                    decoder.into_inner()
                }
                State::Zstd(decoder) => {
                    self.whole += 1;
                    decoder.finish()
                }
            };
            if !self.begin(input)? {
                return Ok(0);
            }
        }
    }
}

/// Knows how far it was read.
struct Counted<R> {
    input: R,
    offset: u64,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(into)?;
        self.offset += read as u64;
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.offset += amount as u64;
        self.input.consume(amount);
    }
}
