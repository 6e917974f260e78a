//! SSH's wire encoding (RFC 4251, section 5), read without copying.

/// Appends a `string`: its length as four bytes, then its bytes.
pub fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("what we frame is bounded far below 4 GiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Reads a blob from front to back; every method answers `None` when the blob ends early.
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    pub fn byte(&mut self) -> Option<u8> {
        self.bytes(1).map(|b| b[0])
    }

    pub fn uint32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.bytes(4)?.try_into().ok()?))
    }

    pub fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.uint32()?).ok()?;
        self.bytes(length)
    }

    /// A positive `mpint` without its sign byte. `None` also for zero, negative and needlessly long numbers, so that a
    /// number has one spelling.
    pub fn positive_mpint(&mut self) -> Option<&'a [u8]> {
        match self.string()? {
            [0, rest @ ..] => rest.first().is_some_and(|b| *b >= 0x80).then_some(rest),
            bytes => bytes.first().is_some_and(|b| *b < 0x80).then_some(bytes),
        }
    }

    /// True when everything was read.
    pub fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }
}
