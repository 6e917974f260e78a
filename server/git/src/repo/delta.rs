//! Git's delta format: a result made of copies from a base and of new bytes.
//!
//! Source: gitformat-pack(5), "Deltified representation".

/// Sizes that a delta declares in its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeltaSizes {
    /// Bytes of the object that it is applied to.
    pub base_bytes: u64,
    /// Bytes of the object that it makes.
    pub result_bytes: u64,
    /// Where the instructions begin.
    pub at: usize,
}

/// The longest form of the two sizes at the start of a delta: enough bytes to inflate for [`sizes`].
pub const SIZES_BYTES_MAX: usize = 20;

/// Reads the sizes at the start of `delta`.
///
/// # Errors
/// A few words when they are cut off or do not fit 64 bits.
pub fn sizes(delta: &[u8]) -> Result<DeltaSizes, &'static str> {
    let (base_bytes, first) = size(delta)?;
    let (result_bytes, second) = size(&delta[first..])?;
    Ok(DeltaSizes { base_bytes, result_bytes, at: first + second })
}

fn size(bytes: &[u8]) -> Result<(u64, usize), &'static str> {
    let mut value = 0u64;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        let part = u64::from(byte & 0x7f);
        let shift = 7 * at as u32;
        if shift > 63 || (part << shift) >> shift != part {
            return Err("a size in its delta does not fit 64 bits");
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            return Ok((value, at + 1));
        }
    }
    Err("its delta ends within a size")
}

/// Appends to `out` what `delta` makes of `base`. `out` never grows by more than the declared result size, which the
/// caller has checked against its limit.
///
/// # Errors
/// A few words when the delta is not for this base, or says anything that does not fit.
pub fn apply(base: &[u8], delta: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    let sizes = sizes(delta)?;
    if sizes.base_bytes != base.len() as u64 {
        return Err("its delta is for a base of another size");
    }
    let result = usize::try_from(sizes.result_bytes).map_err(|_| "its delta makes too much")?;
    let end = out.len().checked_add(result).ok_or("its delta makes too much")?;
    out.reserve(result);
    let mut rest = &delta[sizes.at..];
    while let Some((&code, after)) = rest.split_first() {
        rest = after;
        if code & 0x80 != 0 {
            let mut field = |count: u32, first_bit: u32| -> Result<usize, &'static str> {
                let mut value = 0usize;
                for at in 0..count {
                    if code & (1 << (first_bit + at)) != 0 {
                        let (&byte, after) = rest.split_first().ok_or("its delta ends within a copy")?;
                        rest = after;
                        value |= usize::from(byte) << (8 * at);
                    }
                }
                Ok(value)
            };
            let from = field(4, 0)?;
            let length = match field(3, 4)? {
                0 => 0x10000,
                length => length,
            };
            let part = from.checked_add(length).and_then(|to| base.get(from..to));
            let part = part.ok_or("its delta copies from beyond its base")?;
            if out.len() + part.len() > end {
                return Err("its delta makes more than it declares");
            }
            out.extend_from_slice(part);
        } else if code != 0 {
            let length = usize::from(code);
            let part = rest.get(..length).ok_or("its delta ends within new bytes")?;
            rest = &rest[length..];
            if out.len() + length > end {
                return Err("its delta makes more than it declares");
            }
            out.extend_from_slice(part);
        } else {
            return Err("its delta has an instruction that does not exist");
        }
    }
    if out.len() != end {
        return Err("its delta makes less than it declares");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(base: &[u8], delta: &[u8], expect: Result<&[u8], &'static str>) {
        let mut out = b"kept".to_vec();
        let got = apply(base, delta, &mut out);
        assert_eq!(got.map(|()| &out[4..]), expect);
    }

    #[test]
    fn copies_and_insertions_are_exact() {
        check(b"hello world", &[11, 8, 0x91, 6, 5, 3, b'a', b'b', b'c'], Ok(b"worldabc"));
        check(b"", &[0, 0], Ok(b""));
        let base = vec![9u8; 0x10001];
        check(&base, &[0x81, 0x80, 4, 0x80, 0x80, 4, 0x81, 1], Ok(&base[1..]));
        check(b"abc", &[3, 3, 0x90, 4], Err("its delta copies from beyond its base"));
        check(b"abc", &[2, 3, 0x90, 3], Err("its delta is for a base of another size"));
        check(b"abc", &[3, 2, 0x90, 3], Err("its delta makes more than it declares"));
        check(b"abc", &[3, 4, 0x90, 3], Err("its delta makes less than it declares"));
        check(b"abc", &[3, 4, 0], Err("its delta has an instruction that does not exist"));
        check(b"abc", &[3, 4, 5, b'a'], Err("its delta ends within new bytes"));
        check(b"abc", &[3, 4, 0x91], Err("its delta ends within a copy"));
        check(b"abc", &[3, 0x80], Err("its delta ends within a size"));
        check(b"abc", &[0xff; 12], Err("a size in its delta does not fit 64 bits"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_grow(
            base in proptest::collection::vec(any::<u8>(), 0..300),
            mut delta in proptest::collection::vec(any::<u8>(), 0..60),
            fit in any::<bool>(),
        ) {
            if fit && base.len() < 128 && !delta.is_empty() {
                delta[0] = base.len() as u8;
            }
            let bound = sizes(&delta).map(|sizes| sizes.result_bytes).unwrap_or(0);
            prop_assume!(bound < 1 << 20);
            let mut out = Vec::new();
            let _ = apply(&base, &delta, &mut out);
            prop_assert!(out.len() as u64 <= bound);
        }
    }
}
