//! ASCII armour, in the form that OpenPGP programs write. Source: RFC 9580, section 6.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Why an armour cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArmorError {
    /// The text is not one block of the expected kind.
    #[error("expected one `-----BEGIN {label}-----` block and nothing else")]
    Block {
        /// The expected kind.
        label: &'static str,
    },
    /// The block holds something else than armour headers and base64.
    #[error("the armour of the `{label}` block is damaged")]
    Damaged {
        /// The kind.
        label: &'static str,
    },
}

/// The bytes inside one armoured block. `text` is the block and nothing else.
pub(super) fn decode(text: &str, label: &'static str) -> Result<Vec<u8>, ArmorError> {
    let damaged = || ArmorError::Damaged { label };
    let body = text
        .strip_prefix(&format!("-----BEGIN {label}-----\n"))
        .and_then(|t| t.strip_suffix(&format!("-----END {label}-----\n")))
        .filter(|body| !body.contains("-----"))
        .ok_or(ArmorError::Block { label })?;
    let (headers, data) = match body.strip_prefix('\n') {
        Some(data) => ("", data),
        None => body.split_once("\n\n").ok_or_else(damaged)?,
    };
    // Headers such as `Version: …` and `Comment: …` are not signed and say nothing to us.
    if headers.lines().any(|line| !line.contains(": ")) || !data.ends_with('\n') {
        return Err(damaged());
    }
    let mut base64 = String::with_capacity(data.len());
    let mut lines = data.lines().peekable();
    while let Some(line) = lines.next() {
        // The last line may be a checksum of 24 bits, which finds damage that the signature finds too.
        let is_checksum = lines.peek().is_none() && line.len() == 5 && line.starts_with('=');
        if !is_checksum {
            base64.push_str(line);
        }
    }
    STANDARD.decode(base64).map_err(|_| damaged())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_block_is_read_with_and_without_headers_and_checksum() {
        let block = |inner: &str| format!("-----BEGIN PGP SIGNATURE-----\n{inner}-----END PGP SIGNATURE-----\n");
        let read = |inner: &str| decode(&block(inner), "PGP SIGNATURE");
        assert_eq!(read("\naGVs\nbG8=\n=abcd\n"), Ok(b"hello".to_vec()));
        assert_eq!(read("Comment: x\nVersion: y\n\naGVsbG8=\n"), Ok(b"hello".to_vec()));
        let damaged = Err(ArmorError::Damaged { label: "PGP SIGNATURE" });
        for wrong in ["", "aGVsbG8=\n", "\naGVsbG8\n", "\naGVs bG8=\n", "nonsense\n\naGVsbG8=\n", "\n=abcd\naGVsbG8=\n"]
        {
            assert_eq!(read(wrong), damaged, "{wrong:?}");
        }
        let other = Err(ArmorError::Block { label: "PGP SIGNATURE" });
        assert_eq!(decode(&block("\naGVs\n").repeat(2), "PGP SIGNATURE"), other);
        assert_eq!(decode(&block("\naGVs\n").replace("SIGNATURE", "MESSAGE"), "PGP SIGNATURE"), other);
        assert_eq!(decode(&format!("x\n{}", block("\naGVs\n")), "PGP SIGNATURE"), other);
    }
}
