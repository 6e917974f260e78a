//! Inflating zlib streams into memory of a known size, with one decoder a thread.

use std::cell::RefCell;

use flate2::{Decompress, FlushDecompress, Status};

thread_local! {
    // A decoder is 40 KiB; making one costs more than inflating a small tree.
    static INFLATER: RefCell<Decompress> = RefCell::new(Decompress::new(true));
}

/// Runs `work` with this thread's decoder, ready for a new stream. Does not nest.
fn with_decoder<T>(work: impl FnOnce(&mut Decompress) -> T) -> T {
    INFLATER.with(|decoder| {
        let mut decoder = decoder.borrow_mut();
        decoder.reset(true);
        work(&mut decoder)
    })
}

/// Inflates the stream at the start of `input` into all of `out` and returns how many bytes of `input` it took.
///
/// # Errors
/// A few words when the stream is damaged, or holds fewer or more bytes than `out`.
pub fn exact(input: &[u8], out: &mut [u8]) -> Result<usize, &'static str> {
    with_decoder(|decoder| {
        let mut spare = [0u8; 1];
        loop {
            let taken = decoder.total_in() as usize;
            let made = decoder.total_out() as usize;
            let target = if made < out.len() { &mut out[made..] } else { &mut spare[..] };
            let status = decoder
                .decompress(&input[taken..], target, FlushDecompress::Finish)
                .map_err(|_| "its compressed data is damaged")?;
            let now = decoder.total_out() as usize;
            if now > out.len() {
                return Err("it is longer than declared");
            }
            if status == Status::StreamEnd {
                return if now == out.len() {
                    Ok(decoder.total_in() as usize)
                } else {
                    Err("it is shorter than declared")
                };
            }
            if now == made && decoder.total_in() as usize == taken {
                return Err("its compressed data is cut off");
            }
        }
    })
}

/// Inflates at most `out.len()` bytes from the start of a stream and returns how many there were.
///
/// # Errors
/// A few words when the stream is damaged.
pub fn prefix(input: &[u8], out: &mut [u8]) -> Result<usize, &'static str> {
    with_decoder(|decoder| {
        loop {
            let taken = decoder.total_in() as usize;
            let made = decoder.total_out() as usize;
            if made == out.len() {
                return Ok(made);
            }
            let status = decoder
                .decompress(&input[taken..], &mut out[made..], FlushDecompress::None)
                .map_err(|_| "its compressed data is damaged")?;
            let stuck = decoder.total_out() as usize == made && decoder.total_in() as usize == taken;
            if status == Status::StreamEnd || stuck {
                return Ok(decoder.total_out() as usize);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn the_size_must_be_exactly_as_declared() {
        for content in [&b""[..], b"x", &[7; 100_000]] {
            let stream = deflated(content);
            let mut longer = stream.clone();
            longer.extend_from_slice(b"next entry");
            let mut out = vec![0; content.len()];
            assert_eq!(exact(&longer, &mut out), Ok(stream.len()));
            assert_eq!(out, content);
            assert!(exact(&stream, &mut vec![0; content.len() + 1]).is_err());
            if !content.is_empty() {
                assert!(exact(&stream, &mut vec![0; content.len() - 1]).is_err());
            }
            assert!(exact(&stream[..stream.len() - 1], &mut out).is_err(), "the checksum is part of the stream");
        }
    }

    #[test]
    fn a_prefix_is_what_there_is() {
        let stream = deflated(b"hello");
        let mut out = [0; 3];
        assert_eq!(prefix(&stream, &mut out), Ok(3));
        assert_eq!(&out, b"hel");
        assert_eq!(prefix(&stream, &mut [0; 64]), Ok(5));
        assert!(prefix(b"not zlib", &mut [0; 64]).is_err());
    }
}
