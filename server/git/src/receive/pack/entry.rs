//! The numbers of a pack: entry headers, distances, the sizes at the start of a delta.
//!
//! Numbers are read in their shortest form only: a longer one has no use but to confuse.
//!
//! Source: gitformat-pack(5).

use gix_hash::ObjectId;
use gix_object::Kind;

/// The longest entry header with its base: ten bytes of size and twenty of an id.
pub const HEADER_BYTES_MAX: usize = 32;

/// What an entry's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whole object or delta.
    pub form: Form,
    /// Bytes of the inflated stream that follows.
    pub size: u64,
}

/// How an entry holds its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Whole(Kind),
    /// As a delta of the entry that begins this many bytes earlier.
    OfsDelta(u64),
    /// As a delta of the object of this id.
    RefDelta(ObjectId),
}

/// Why bytes are not a number or header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Types 0 and 5.
    #[error("object type {0} does not exist")]
    Type(u8),
    /// More than 64 bits.
    #[error("a number does not fit into 64 bits")]
    Overflow,
    /// Needless bytes.
    #[error("a number is written with more bytes than it needs")]
    Padded,
}

/// Reads a header byte by byte from `next`, whose own errors pass through.
///
/// # Errors
/// [`HeaderError`], or what `next` says.
pub fn read_header<E: From<HeaderError>>(mut next: impl FnMut() -> Result<u8, E>) -> Result<Header, E> {
    let first = next()?;
    let mut size = u64::from(first & 15);
    let (mut shift, mut byte) = (4u32, first);
    while byte & 0x80 != 0 {
        byte = next()?;
        let part = u64::from(byte & 0x7f);
        if shift > 63 || (part << shift) >> shift != part {
            return Err(HeaderError::Overflow.into());
        }
        size |= part << shift;
        shift += 7;
        if byte == 0 {
            return Err(HeaderError::Padded.into());
        }
    }
    let form = match (first >> 4) & 7 {
        1 => Form::Whole(Kind::Commit),
        2 => Form::Whole(Kind::Tree),
        3 => Form::Whole(Kind::Blob),
        4 => Form::Whole(Kind::Tag),
        6 => {
            let mut byte = next()?;
            let mut distance = u64::from(byte & 0x7f);
            while byte & 0x80 != 0 {
                byte = next()?;
                if distance >= 1 << 56 {
                    return Err(HeaderError::Overflow.into());
                }
                distance = (distance + 1) << 7 | u64::from(byte & 0x7f);
            }
            Form::OfsDelta(distance)
        }
        7 => {
            let mut id = [0; 20];
            for byte in &mut id {
                *byte = next()?;
            }
            Form::RefDelta(ObjectId::Sha1(id))
        }
        other => return Err(HeaderError::Type(other).into()),
    };
    Ok(Header { form, size })
}

/// Appends a header.
pub fn write_header(out: &mut Vec<u8>, header: &Header) {
    let number = match header.form {
        Form::Whole(Kind::Commit) => 1u8,
        Form::Whole(Kind::Tree) => 2,
        Form::Whole(Kind::Blob) => 3,
        Form::Whole(Kind::Tag) => 4,
        Form::OfsDelta(_) => 6,
        Form::RefDelta(_) => 7,
    };
    let mut size = header.size >> 4;
    let mut byte = number << 4 | (header.size & 15) as u8;
    while size != 0 {
        out.push(byte | 0x80);
        byte = (size & 0x7f) as u8;
        size >>= 7;
    }
    out.push(byte);
    match header.form {
        Form::Whole(_) => {}
        Form::OfsDelta(mut distance) => {
            let mut bytes = [0; 10];
            let mut at = bytes.len() - 1;
            bytes[at] = (distance & 0x7f) as u8;
            distance >>= 7;
            while distance != 0 {
                distance -= 1;
                at -= 1;
                bytes[at] = 0x80 | (distance & 0x7f) as u8;
                distance >>= 7;
            }
            out.extend_from_slice(&bytes[at..]);
        }
        Form::RefDelta(id) => out.extend_from_slice(id.as_bytes()),
    }
}

/// Reads one size at the start of a delta: the number and the bytes that it took. `None`: the bytes end before it does.
///
/// # Errors
/// [`HeaderError`].
pub fn read_delta_size(bytes: &[u8]) -> Result<Option<(u64, usize)>, HeaderError> {
    let mut size = 0u64;
    for (index, byte) in bytes.iter().enumerate() {
        let (part, shift) = (u64::from(byte & 0x7f), index as u32 * 7);
        if shift > 63 || (part << shift) >> shift != part {
            return Err(HeaderError::Overflow);
        }
        size |= part << shift;
        if byte & 0x80 == 0 {
            return if index > 0 && *byte == 0 { Err(HeaderError::Padded) } else { Ok(Some((size, index + 1))) };
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<(Header, usize), HeaderError> {
        let mut at = 0;
        let header = read_header::<HeaderError>(|| {
            at += 1;
            Ok(bytes.get(at - 1).copied().unwrap_or(0x7f))
        })?;
        Ok((header, at))
    }

    #[test]
    fn only_the_shortest_form_is_read() {
        assert_eq!(read(&[0x30]), Ok((Header { form: Form::Whole(Kind::Blob), size: 0 }, 1)));
        assert_eq!(read(&[0x00]), Err(HeaderError::Type(0)));
        assert_eq!(read(&[0x50]), Err(HeaderError::Type(5)));
        assert_eq!(read(&[0xb1, 0x00]), Err(HeaderError::Padded));
        assert_eq!(read(&[0xbf; 40]), Err(HeaderError::Overflow));
        assert_eq!(read(&[&[0x61][..], &[0xff; 20]].concat()), Err(HeaderError::Overflow));
        assert_eq!(read_delta_size(&[0x80, 0x00]), Err(HeaderError::Padded));
        assert_eq!(read_delta_size(&[0x80; 11]), Err(HeaderError::Overflow));
        assert_eq!(read_delta_size(&[0x80; 3]), Ok(None));
        assert_eq!(read_delta_size(&[0xe5, 0x8e, 0x26]), Ok(Some((624_485, 3))));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(size in any::<u64>(), distance in 1u64..1 << 60, kind in 0..3) {
            let form = match kind {
                0 => Form::Whole(Kind::Tag),
                1 => Form::OfsDelta(distance),
                _ => Form::RefDelta(ObjectId::Sha1([7; 20])),
            };
            let header = Header { form, size };
            let mut out = Vec::new();
            write_header(&mut out, &header);
            prop_assert_eq!(read(&out), Ok((header, out.len())));
            prop_assert!(out.len() <= HEADER_BYTES_MAX);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = read(&bytes);
            let _ = read_delta_size(&bytes);
        }
    }
}
