//! The client's bytes: counted, hashed and kept as they are used up.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use super::error::ReceiveError;
use super::spool::Spool;

const BUFFER_BYTES: usize = 32 << 10;

/// When the work on one push must be over.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    end: Instant,
    limit: Duration,
}

impl Deadline {
    /// `limit` from now.
    pub fn after(limit: Duration) -> Self {
        Self { end: Instant::now() + limit, limit }
    }

    /// True when it has passed.
    pub fn passed(&self) -> bool {
        Instant::now() > self.end
    }

    /// # Errors
    /// [`ReceiveError::TooSlow`] when it has passed.
    pub fn check(&self) -> Result<(), ReceiveError> {
        if self.passed() {
            return Err(ReceiveError::TooSlow { limit_seconds: self.limit.as_secs() });
        }
        Ok(())
    }
}

/// A reader whose bytes are looked at first and used up later.
pub struct Source<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    used: u64,
    limit_bytes: u64,
    deadline: Deadline,
    checksum: ring::digest::Context,
    crc: crc32fast::Hasher,
    /// Where used bytes go.
    pub spool: Spool,
}

impl<R: Read> Source<R> {
    /// Reads at most `limit_bytes` until `deadline`.
    pub fn new(reader: R, limit_bytes: u64, deadline: Deadline, spool: Spool) -> Self {
        Self {
            reader,
            buffer: vec![0; BUFFER_BYTES],
            start: 0,
            end: 0,
            used: 0,
            limit_bytes,
            deadline,
            checksum: ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY),
            crc: crc32fast::Hasher::new(),
            spool,
        }
    }

    /// Bytes used up so far.
    pub fn offset(&self) -> u64 {
        self.used
    }

    /// At least one byte that was not used up yet, or none at the end of the request.
    ///
    /// # Errors
    /// When the client cannot be read or sent too much, or time is over.
    pub fn peek(&mut self) -> Result<&[u8], ReceiveError> {
        if self.start == self.end {
            self.deadline.check()?;
            (self.start, self.end) = (0, 0);
            self.end = loop {
                match self.reader.read(&mut self.buffer) {
                    Ok(count) => break count,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(ReceiveError::Truncated),
                    Err(source) => return Err(ReceiveError::Request { source }),
                }
            };
            if self.used + self.end as u64 > self.limit_bytes {
                return Err(ReceiveError::TooLarge { limit_bytes: self.limit_bytes });
            }
        }
        Ok(&self.buffer[self.start..self.end])
    }

    /// Uses up `count` bytes of what [`Source::peek`] showed: they count for the checksum and go to the spool.
    ///
    /// # Errors
    /// When the spool cannot be written.
    pub fn consume(&mut self, count: usize) -> Result<(), ReceiveError> {
        let bytes = &self.buffer[self.start..self.start + count];
        self.checksum.update(bytes);
        self.crc.update(bytes);
        self.spool.append(bytes).map_err(|source| ReceiveError::Spool { source })?;
        self.start += count;
        self.used += count as u64;
        Ok(())
    }

    /// The next byte, used up.
    ///
    /// # Errors
    /// As [`Source::peek`] and [`Source::consume`]; [`ReceiveError::Truncated`] at the end.
    pub fn byte(&mut self) -> Result<u8, ReceiveError> {
        let byte = *self.peek()?.first().ok_or(ReceiveError::Truncated)?;
        self.consume(1)?;
        Ok(byte)
    }

    /// The CRC-32 of what was used up since the last call.
    pub fn take_crc(&mut self) -> u32 {
        std::mem::take(&mut self.crc).finalize()
    }

    /// Reads the checksum behind the last entry and the end of the request. Gives the spool, which lacks the checksum, and the checksum.
    ///
    /// # Errors
    /// [`ReceiveError::Checksum`], [`ReceiveError::Trailing`], [`ReceiveError::Truncated`].
    pub fn finish(mut self) -> Result<(Spool, [u8; 20]), ReceiveError> {
        let mut trailer = [0u8; 20];
        for byte in &mut trailer {
            *byte = *self.peek()?.first().ok_or(ReceiveError::Truncated)?;
            self.start += 1;
        }
        if self.checksum.clone().finish().as_ref() != trailer {
            return Err(ReceiveError::Checksum);
        }
        if !self.peek()?.is_empty() {
            return Err(ReceiveError::Trailing);
        }
        self.spool.flush().map_err(|source| ReceiveError::Spool { source })?;
        Ok((self.spool, trailer))
    }
}
