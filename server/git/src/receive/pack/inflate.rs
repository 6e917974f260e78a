//! Inflating: never beyond the size that was declared, never less.

use flate2::{Decompress, FlushDecompress, Status};

/// Why a stream is not the promised object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// Not a zlib stream, or a damaged one.
    #[error("its compressed data is damaged")]
    Damaged,
    /// More bytes than declared.
    #[error("it is longer than the {declared_bytes} bytes that it declares")]
    TooLong {
        /// The declared size.
        declared_bytes: u64,
    },
    /// Fewer bytes than declared.
    #[error("it is shorter than the {declared_bytes} bytes that it declares")]
    TooShort {
        /// The declared size.
        declared_bytes: u64,
    },
}

/// Progress of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Bytes of input that were used.
    pub consumed: usize,
    /// Bytes that were written to the window.
    pub produced: usize,
    /// The stream is complete, and so is the object.
    pub done: bool,
}

/// Inflates one stream after the other; made once, for its tables are large.
pub struct Inflater {
    state: Decompress,
    declared: u64,
    made: u64,
}

impl Inflater {
    /// Makes one, ready for [`Inflater::start`].
    pub fn new() -> Self {
        Self { state: Decompress::new(true), declared: 0, made: 0 }
    }

    /// Begins a stream that declares `declared` bytes.
    pub fn start(&mut self, declared: u64) {
        self.state.reset(true);
        (self.declared, self.made) = (declared, 0);
    }

    /// Goes on with `input`, writing to `window`, which is not empty. With `input` empty nothing happens.
    ///
    /// # Errors
    /// [`InflateError`] as soon as it is known.
    pub fn step(&mut self, input: &[u8], window: &mut [u8]) -> Result<Step, InflateError> {
        let left = usize::try_from(self.declared - self.made).unwrap_or(usize::MAX);
        // When everything declared is there, one more byte of room shows whether the stream wants to write more.
        let room = left.clamp(1, window.len());
        let (before_in, before_out) = (self.state.total_in(), self.state.total_out());
        let status = self
            .state
            .decompress(input, &mut window[..room], FlushDecompress::None)
            .map_err(|_| InflateError::Damaged)?;
        let consumed = (self.state.total_in() - before_in) as usize;
        let produced = (self.state.total_out() - before_out) as usize;
        self.made += produced as u64;
        if self.made > self.declared {
            return Err(InflateError::TooLong { declared_bytes: self.declared });
        }
        let done = status == Status::StreamEnd;
        if done && self.made < self.declared {
            return Err(InflateError::TooShort { declared_bytes: self.declared });
        }
        if !done && consumed == 0 && produced == 0 && !input.is_empty() {
            return Err(InflateError::Damaged);
        }
        Ok(Step { consumed, produced, done })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn deflate(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(data).expect("memory");
        encoder.finish().expect("memory")
    }

    fn run(stream: &[u8], declared: u64, piece: usize, window: usize) -> Result<(Vec<u8>, usize), InflateError> {
        let mut inflater = Inflater::new();
        inflater.start(declared);
        let (mut out, mut at, mut window) = (Vec::new(), 0, vec![0; window]);
        loop {
            let end = (at + piece).min(stream.len());
            let step = inflater.step(&stream[at..end], &mut window)?;
            out.extend_from_slice(&window[..step.produced]);
            at += step.consumed;
            if step.done {
                return Ok((out, at));
            }
            if at == stream.len() && step.produced == 0 {
                return Err(InflateError::Damaged);
            }
        }
    }

    #[test]
    fn the_declared_size_is_what_comes_out_or_nothing() {
        let data = b"some text, some text, some text, and more".repeat(20);
        let stream = deflate(&data);
        let size = data.len() as u64;
        let mut longer = stream.clone();
        longer.extend_from_slice(b"next entry");
        for (piece, window) in [(1, 1), (7, 3), (10_000, 10_000), (1, 10_000), (10_000, 1)] {
            assert_eq!(run(&longer, size, piece, window), Ok((data.clone(), stream.len())), "{piece} {window}");
            for declared in [0, size - 1] {
                let error = InflateError::TooLong { declared_bytes: declared };
                assert_eq!(run(&stream, declared, piece, window), Err(error));
            }
            let error = InflateError::TooShort { declared_bytes: size + 1 };
            assert_eq!(run(&stream, size + 1, piece, window), Err(error));
        }
        assert_eq!(run(&deflate(b""), 0, 1, 1), Ok((vec![], deflate(b"").len())));
        let mut broken = stream.clone();
        let last = broken.len() - 1;
        broken[last] ^= 1;
        assert_eq!(run(&broken, size, 100, 100), Err(InflateError::Damaged));
        assert_eq!(run(&stream[2..], size, 100, 100), Err(InflateError::Damaged));
        assert_eq!(run(&stream[..stream.len() - 4], size, 100, 100), Err(InflateError::Damaged));
    }
}
