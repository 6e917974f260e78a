//! A request's path: decoded once, refused when two readers could see different things in it.

use std::borrow::Cow;

/// The longest path that is read, in bytes as sent.
const PATH_BYTES_MAX: usize = 2048;

/// Why a path is not looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Too long.
    #[error("this address is longer than 2048 bytes")]
    TooLong,
    /// `%` without two hexadecimal digits behind it, or bytes that are not UTF-8 once decoded.
    #[error("this address is not UTF-8 text with `%` escapes")]
    Encoding,
    /// `.`, `..` or nothing between two slashes.
    #[error("this address has an empty part, or `.` or `..` as a part")]
    Segment,
    /// A control character or a backslash; also a slash or percent sign that was escaped.
    #[error("this address has a control character, a backslash, or an escaped `/` or `%`")]
    Character,
}

/// Decodes a request's path, which begins with `/`. What is returned has no empty part but possibly the last, no `.`
/// or `..`, no control character and no backslash, so that splitting it at `/` gives what was meant. Escaped slashes and
/// percent signs are refused: no address of ours has one, and whoever decodes a second time would see another path.
///
/// # Errors
/// [`PathError`] names the broken rule.
pub fn decode_path(path: &str) -> Result<Cow<'_, str>, PathError> {
    if path.len() > PATH_BYTES_MAX {
        return Err(PathError::TooLong);
    }
    let decoded = if path.contains('%') { Cow::Owned(decode(path)?) } else { Cow::Borrowed(path) };
    if decoded.chars().any(|c| c.is_control() || c == '\\') {
        return Err(PathError::Character);
    }
    let inside = decoded.strip_prefix('/').ok_or(PathError::Segment)?;
    let last = inside.bytes().filter(|b| *b == b'/').count();
    for (index, segment) in inside.split('/').enumerate() {
        if segment == "." || segment == ".." || (segment.is_empty() && index < last) {
            return Err(PathError::Segment);
        }
    }
    Ok(decoded)
}

fn decode(path: &str) -> Result<String, PathError> {
    let mut out = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16)).ok_or(PathError::Encoding);
        let value = digit()? << 4 | digit()?;
        let decoded = u8::try_from(value).map_err(|_| PathError::Encoding)?;
        if matches!(decoded, b'/' | b'%') {
            return Err(PathError::Character);
        }
        out.push(decoded);
    }
    String::from_utf8(out).map_err(|_| PathError::Encoding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_decoded_once() {
        for (path, decoded) in [
            ("/", "/"),
            ("/t/acme", "/t/acme"),
            ("/t/acme/", "/t/acme/"),
            ("/t/%61cme", "/t/acme"),
            ("/t/acme/plugins/%C3%BC", "/t/acme/plugins/ü"),
            ("/a.b/..c/d..", "/a.b/..c/d.."),
        ] {
            assert_eq!(decode_path(path).as_deref(), Ok(decoded));
        }
    }

    #[test]
    fn a_path_that_could_mean_two_things_is_refused() {
        for (path, error) in [
            ("", PathError::Segment),
            ("t/acme", PathError::Segment),
            ("//", PathError::Segment),
            ("/t//acme", PathError::Segment),
            ("/t/../acme", PathError::Segment),
            ("/t/..", PathError::Segment),
            ("/.", PathError::Segment),
            ("/t/%2e%2e/acme", PathError::Segment),
            ("/t/%2E./acme", PathError::Segment),
            ("/t/a%2fb", PathError::Character),
            ("/t/a%252e", PathError::Character),
            ("/t/a%5cb", PathError::Character),
            ("/t/a\\b", PathError::Character),
            ("/t/a%00", PathError::Character),
            ("/t/a%0ab", PathError::Character),
            ("/t/a%7f", PathError::Character),
            ("/t/a%c2%85", PathError::Character),
            ("/t/a%", PathError::Encoding),
            ("/t/a%2", PathError::Encoding),
            ("/t/a%zz", PathError::Encoding),
            ("/t/a%ff", PathError::Encoding),
            ("/t/a%c0%af", PathError::Encoding),
            ("/t/a%+1", PathError::Encoding),
        ] {
            assert_eq!(decode_path(path), Err(error), "{path}");
        }
        assert_eq!(decode_path(&format!("/{}", "a".repeat(2048))), Err(PathError::TooLong));
    }

    proptest! {
        #[test]
        fn what_is_decoded_leads_nowhere_else(path in "(/([a-z.%0-9\\\\]|%2e|%2f|%5c){0,6}){0,5}") {
            if let Ok(decoded) = decode_path(&path) {
                prop_assert!(decoded.starts_with('/'));
                prop_assert!(!decoded.split('/').any(|part| part == "." || part == ".."));
                prop_assert!(!decoded.contains("//") && !decoded.contains('\\') && !decoded.contains('%'));
            }
        }
    }
}
