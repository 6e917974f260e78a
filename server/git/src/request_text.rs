//! Bytes of a client, made safe to be told back to it.

use std::fmt;

use skill_pool_domain::tree::Shown;

/// Bytes that are told back at most.
const SHOWN_BYTES_MAX: usize = 120;

/// `bytes` without control characters and cut to a length that fits a line.
pub fn shown(bytes: &[u8]) -> impl fmt::Display + '_ {
    let cut = bytes.len().min(SHOWN_BYTES_MAX);
    let end = if cut < bytes.len() { "…" } else { "" };
    DisplayCut(&bytes[..cut], end)
}

struct DisplayCut<'a>(&'a [u8], &'static str);

impl fmt::Display for DisplayCut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Shown(self.0), self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_length_are_bounded() {
        assert_eq!(shown(b"a\x1b[31m\xff").to_string(), "a\\u{1b}[31m\\xff");
        assert_eq!(shown(&[b'x'; 500]).to_string(), format!("{}…", "x".repeat(120)));
    }
}
