//! Deltas: applied exactly as git does, and refused where git would.
//!
//! Source: gitformat-pack(5), "Deltified representation".

use super::entry::{HeaderError, read_delta_size};

/// Git itself cannot read a shorter delta.
pub const DELTA_BYTES_MIN: u64 = 4;
/// Bytes that always hold both sizes.
pub const SIZES_BYTES_MAX: usize = 20;

/// Why a delta cannot be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeltaError {
    /// Fewer than four bytes.
    #[error("a delta has at least four bytes")]
    TooShort,
    /// A size is no number.
    #[error(transparent)]
    Size(#[from] HeaderError),
    /// The base has another size.
    #[error("the delta is for a base of {expected_bytes} bytes; its base has {actual_bytes}")]
    BaseSize {
        /// What the delta says.
        expected_bytes: u64,
        /// What the base has.
        actual_bytes: u64,
    },
    /// Instruction 0.
    #[error("the delta has the reserved instruction 0")]
    Reserved,
    /// An instruction without its arguments.
    #[error("the delta ends within an instruction")]
    Truncated,
    /// A copy from beyond the base.
    #[error("the delta copies from behind the end of its base")]
    CopyBeyondBase,
    /// More or fewer bytes than promised.
    #[error("the delta makes another number of bytes than the {expected_bytes} that it promises")]
    ResultSize {
        /// The promise.
        expected_bytes: u64,
    },
}

/// The sizes that a delta declares, and where its instructions begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes of the base.
    pub base: u64,
    /// Bytes of the result.
    pub result: u64,
    /// Bytes that the sizes take.
    pub taken: usize,
}

/// Reads both sizes from the first bytes of a delta.
///
/// # Errors
/// [`DeltaError::Size`], [`DeltaError::Truncated`].
pub fn sizes(start: &[u8]) -> Result<Sizes, DeltaError> {
    let (base, first) = read_delta_size(start)?.ok_or(DeltaError::Truncated)?;
    let (result, second) = read_delta_size(&start[first..])?.ok_or(DeltaError::Truncated)?;
    Ok(Sizes { base, result, taken: first + second })
}

/// Applies `delta` to `base`; `out` is emptied first. The caller has checked the promised size against its limit.
///
/// # Errors
/// [`DeltaError`]; `out` never grows beyond the promised size.
pub fn apply(base: &[u8], delta: &[u8], out: &mut Vec<u8>) -> Result<(), DeltaError> {
    let sizes = sizes(delta)?;
    if sizes.base != base.len() as u64 {
        return Err(DeltaError::BaseSize { expected_bytes: sizes.base, actual_bytes: base.len() as u64 });
    }
    let wrong_size = DeltaError::ResultSize { expected_bytes: sizes.result };
    let limit = usize::try_from(sizes.result).map_err(|_| wrong_size)?;
    out.clear();
    out.reserve_exact(limit);
    let mut rest = &delta[sizes.taken..];
    while let Some((&instruction, after)) = rest.split_first() {
        rest = after;
        let bytes = if instruction & 0x80 != 0 {
            let mut argument = |bits: std::ops::Range<u32>| {
                let mut value = 0usize;
                for (place, bit) in bits.enumerate() {
                    if instruction & (1 << bit) != 0 {
                        let (&byte, after) = rest.split_first().ok_or(DeltaError::Truncated)?;
                        rest = after;
                        value |= usize::from(byte) << (8 * place);
                    }
                }
                Ok::<_, DeltaError>(value)
            };
            let offset = argument(0..4)?;
            let size = match argument(4..7)? {
                0 => 0x10000,
                size => size,
            };
            let end = offset.checked_add(size).ok_or(DeltaError::CopyBeyondBase)?;
            base.get(offset..end).ok_or(DeltaError::CopyBeyondBase)?
        } else if instruction != 0 {
            let (literal, after) = rest.split_at_checked(usize::from(instruction)).ok_or(DeltaError::Truncated)?;
            rest = after;
            literal
        } else {
            return Err(DeltaError::Reserved);
        };
        if out.len() + bytes.len() > limit {
            return Err(wrong_size);
        }
        out.extend_from_slice(bytes);
    }
    if out.len() != limit { Err(wrong_size) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(base: &[u8], delta: &[u8]) -> Result<Vec<u8>, DeltaError> {
        let mut out = Vec::new();
        apply(base, delta, &mut out)?;
        Ok(out)
    }

    #[test]
    fn copies_and_inserts_make_the_result() {
        assert_eq!(run(b"hello world", b"\x0b\x0c\x91\x06\x05\x01-\x90\x06"), Ok(b"world-hello ".to_vec()));
        let base = vec![b'x'; 0x10000];
        assert_eq!(run(&base, b"\x80\x80\x04\x80\x80\x04\x80").map(|out| out.len()), Ok(0x10000));
        assert_eq!(run(b"", b"\x00\x00"), Ok(vec![]));
    }

    #[test]
    fn what_git_refuses_is_refused() {
        let wrong = |expected_bytes| Err(DeltaError::ResultSize { expected_bytes });
        assert_eq!(run(b"abc", b"\x04\x01\x01x"), Err(DeltaError::BaseSize { expected_bytes: 4, actual_bytes: 3 }));
        assert_eq!(run(b"abc", b"\x03\x01\x00"), Err(DeltaError::Reserved));
        assert_eq!(run(b"abc", b"\x03\x05\x05xy"), Err(DeltaError::Truncated));
        assert_eq!(run(b"abc", b"\x03\x05\x91\x00"), Err(DeltaError::Truncated));
        assert_eq!(run(b"abc", b"\x03\x04\x90\x04"), Err(DeltaError::CopyBeyondBase));
        assert_eq!(run(b"abc", b"\x03\x01\xff\xff\xff\xff\xff\xff\xff\xff"), Err(DeltaError::CopyBeyondBase));
        assert_eq!(run(b"abc", b"\x03\x02\x90\x03"), wrong(2));
        assert_eq!(run(b"abc", b"\x03\x04\x90\x03"), wrong(4));
        assert_eq!(run(b"abc", b"\x03\x03\x90\x03\x01x"), wrong(3));
        assert_eq!(run(b"abc", b"\x03"), Err(DeltaError::Truncated));
        assert_eq!(run(b"abc", b""), Err(DeltaError::Truncated));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_grow(base in proptest::collection::vec(any::<u8>(), 0..20),
                                          delta in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut start = vec![base.len() as u8, 50];
            start.extend(delta);
            if let Ok(out) = run(&base, &start) {
                prop_assert_eq!(out.len(), 50);
            }
        }
    }
}
