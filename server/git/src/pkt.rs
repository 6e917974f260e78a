//! Packet lines, read from and written to memory. No I/O here.
//!
//! Source: gitprotocol-common(5), "pkt-line format".

/// The longest data that one packet carries.
pub const DATA_BYTES_MAX: usize = 65_516;
/// The longest data of one side-band-64k packet, after its band byte.
pub const BAND_BYTES_MAX: usize = 65_515;
/// A flush packet.
pub const FLUSH: &[u8] = b"0000";
/// A delimiter packet (protocol v2).
pub const DELIM: &[u8] = b"0001";
/// A response-end packet (protocol v2).
pub const RESPONSE_END: &[u8] = b"0002";

/// One packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// Data, possibly empty, as sent: a final LF is still there.
    Data(&'a [u8]),
    /// `0000`
    Flush,
    /// `0001`
    Delim,
    /// `0002`
    ResponseEnd,
}

/// Bytes that are not packets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// The four length bytes are not hexadecimal digits.
    #[error("a packet's length is four hexadecimal digits")]
    Length,
    /// `0003`.
    #[error("packet length 3 does not exist")]
    Reserved,
    /// More than 65,520 bytes.
    #[error("a packet of {bytes} bytes is longer than 65520")]
    TooLong {
        /// The length that it claims.
        bytes: usize,
    },
    /// The bytes end within a packet.
    #[error("the request ends in the middle of a packet")]
    Truncated,
}

/// What [`decode`] found at the start of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// A packet and how many bytes it took.
    Packet(Packet<'a>, usize),
    /// The packet is not complete; at least this many more bytes are needed.
    Incomplete(usize),
}

/// Reads the packet at the start of `bytes`.
///
/// # Errors
/// [`PacketError`] as soon as the first four bytes show it; never [`PacketError::Truncated`].
pub fn decode(bytes: &[u8]) -> Result<Decoded<'_>, PacketError> {
    let Some(prefix) = bytes.get(..4) else {
        return Ok(Decoded::Incomplete(4 - bytes.len()));
    };
    let mut length = 0usize;
    for byte in prefix {
        let digit = char::from(*byte).to_digit(16).ok_or(PacketError::Length)?;
        length = length * 16 + digit as usize;
    }
    let packet = match length {
        0 => return Ok(Decoded::Packet(Packet::Flush, 4)),
        1 => return Ok(Decoded::Packet(Packet::Delim, 4)),
        2 => return Ok(Decoded::Packet(Packet::ResponseEnd, 4)),
        3 => return Err(PacketError::Reserved),
        length if length > DATA_BYTES_MAX + 4 => {
            return Err(PacketError::TooLong { bytes: length });
        }
        length => bytes.get(4..length),
    };
    Ok(match packet {
        Some(data) => Decoded::Packet(Packet::Data(data), length),
        None => Decoded::Incomplete(length - bytes.len()),
    })
}

/// Walks the packets of a complete request.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next packet, `None` at the end of the bytes.
    ///
    /// # Errors
    /// [`PacketError`]; the reader stays where it is.
    pub fn next_packet(&mut self) -> Result<Option<Packet<'a>>, PacketError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        match decode(self.rest)? {
            Decoded::Packet(packet, taken) => {
                self.rest = &self.rest[taken..];
                Ok(Some(packet))
            }
            Decoded::Incomplete(_) => Err(PacketError::Truncated),
        }
    }

    /// The bytes that were not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// `data` without one final LF, as most lines are read.
pub fn line(data: &[u8]) -> &[u8] {
    data.strip_suffix(b"\n").unwrap_or(data)
}

/// Appends one data packet. `data` has at most [`DATA_BYTES_MAX`] bytes; a longer one is cut.
pub fn write(out: &mut Vec<u8>, data: &[u8]) {
    let data = &data[..data.len().min(DATA_BYTES_MAX)];
    write_length(out, data.len() + 4);
    out.extend_from_slice(data);
}

/// Appends one data packet of text with its LF.
pub fn write_line(out: &mut Vec<u8>, text: &str) {
    let text = &text.as_bytes()[..text.len().min(DATA_BYTES_MAX - 1)];
    write_length(out, text.len() + 5);
    out.extend_from_slice(text);
    out.push(b'\n');
}

/// Appends `data` on a side band, in as many packets as it takes.
pub fn write_band(out: &mut Vec<u8>, band: Band, data: &[u8]) {
    for chunk in data.chunks(BAND_BYTES_MAX) {
        write_length(out, chunk.len() + 5);
        out.push(band as u8);
        out.extend_from_slice(chunk);
    }
}

/// A side band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Band {
    /// The pack, or the report of a push.
    Data = 1,
    /// Words for the person, shown as `remote: …`.
    Progress = 2,
    /// A fatal error.
    Error = 3,
}

fn write_length(out: &mut Vec<u8>, length: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for shift in [12, 8, 4, 0] {
        out.push(DIGITS[(length >> shift) & 15]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn special_packets_and_lengths_follow_the_protocol() {
        assert_eq!(decode(b"0000x"), Ok(Decoded::Packet(Packet::Flush, 4)));
        assert_eq!(decode(b"0001"), Ok(Decoded::Packet(Packet::Delim, 4)));
        assert_eq!(decode(b"0004"), Ok(Decoded::Packet(Packet::Data(b""), 4)));
        assert_eq!(decode(b"000Ahello\n"), Ok(Decoded::Packet(Packet::Data(b"hello\n"), 10)));
        assert_eq!(decode(b"0003"), Err(PacketError::Reserved));
        assert_eq!(decode(b"00g0"), Err(PacketError::Length));
        assert_eq!(decode(b"fff1"), Err(PacketError::TooLong { bytes: 65_521 }));
        assert_eq!(decode(b"00"), Ok(Decoded::Incomplete(2)));
        assert_eq!(decode(b"0009abc"), Ok(Decoded::Incomplete(2)));
        assert_eq!(Reader::new(b"0009abc").next_packet(), Err(PacketError::Truncated));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(data in proptest::collection::vec(any::<u8>(), 0..70_000)) {
            let mut out = Vec::new();
            write_band(&mut out, Band::Progress, &data);
            let mut reader = Reader::new(&out);
            let mut back = Vec::new();
            while let Some(packet) = reader.next_packet().expect("packets") {
                let Packet::Data(data) = packet else { panic!("only data") };
                prop_assert_eq!(data[0], 2);
                back.extend_from_slice(&data[1..]);
            }
            prop_assert_eq!(back, data);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode(&bytes);
        }
    }
}
