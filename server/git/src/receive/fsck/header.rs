//! What the headers of commits and tags have in common.

use super::Fault;
use crate::receive::text::quote_bytes;

/// The longest line of an identity.
const IDENTITY_BYTES_MAX: usize = 4096;
/// The last second of the year 9999: beyond it dates cannot be written down.
const SECONDS_MAX: u64 = 253_402_300_799;

/// What to do about an object that no ordinary program makes.
pub(super) const REWRITE: &str =
    "write the commit again: git commit --amend, or git rebase --force-rebase for older ones; git fsck lists them";
pub(in crate::receive) const RETAG: &str = "make the tag again: git tag -f -a <name> <commit>";

/// The lines of a header, and the body behind the empty line that ends it.
pub(super) struct Header<'a> {
    rest: &'a [u8],
}

impl<'a> Header<'a> {
    /// Splits header from body.
    ///
    /// # Errors
    /// A NUL in the header, or no end to it.
    pub fn split(content: &'a [u8], remedy: &'static str) -> Result<(Self, &'a [u8]), Fault> {
        // The header ends at the first empty line; an object may begin with none of its lines at all.
        let end = if content.first() == Some(&b'\n') {
            Some(0)
        } else {
            content.windows(2).position(|pair| pair == b"\n\n").map(|at| at + 1)
        };
        let head = &content[..end.unwrap_or(content.len())];
        if head.contains(&0) {
            return Err(Fault::new("nul-in-header", "there is a NUL in its header", remedy));
        }
        let Some(end) = end else {
            return Err(Fault::new("unterminated-header", "its header does not end in an empty line", remedy));
        };
        Ok((Self { rest: head }, &content[end + 1..]))
    }

    /// The value of the next line if its key is `key`.
    pub fn take(&mut self, key: &str) -> Option<&'a [u8]> {
        let rest = self.rest.strip_prefix(key.as_bytes())?.strip_prefix(b" ")?;
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        self.rest = &rest[end + 1..];
        Some(&rest[..end])
    }

    /// The key of the next line; empty for a continuation or at the end.
    pub fn next_key(&self) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| matches!(byte, b' ' | b'\n')).unwrap_or(self.rest.len());
        &self.rest[..end]
    }

    /// Skips the next line. False at the end.
    pub fn skip(&mut self) -> bool {
        let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') else { return false };
        self.rest = &self.rest[end + 1..];
        true
    }
}

/// Checks `Name <mail> 1700000000 +0100`, which stands behind `who`.
pub(super) fn check_identity(who: &str, line: &[u8], remedy: &'static str) -> Result<(), Fault> {
    let fault = |code, what: &str| Err(Fault::new(code, format!("its {who} {}: {what}", quote_bytes(line)), remedy));
    if line.len() > IDENTITY_BYTES_MAX {
        return Err(Fault::new("bad-name", format!("its {who} has more than {IDENTITY_BYTES_MAX} bytes"), remedy));
    }
    if line.iter().any(|byte| byte.is_ascii_control()) {
        return fault("bad-name", "there is a control character in it");
    }
    if line.first() == Some(&b'<') {
        return fault("missing-name-before-email", "there is no name");
    }
    let Some(open) = line.iter().position(|byte| matches!(byte, b'<' | b'>')) else {
        return fault("missing-email", "there is no `<mail address>`");
    };
    if line[open] == b'>' {
        return fault("bad-name", "there is a `>` in the name");
    }
    if line[..open].last() != Some(&b' ') {
        return fault("missing-space-before-email", "there is no space before `<`");
    }
    let rest = &line[open + 1..];
    let Some(close) = rest.iter().position(|byte| matches!(byte, b'<' | b'>')).filter(|at| rest[*at] == b'>') else {
        return fault("bad-email", "the mail address is not closed by `>`");
    };
    let Some(date) = rest[close + 1..].strip_prefix(b" ") else {
        return fault("missing-space-before-date", "there is no space before the date");
    };
    let digits = date.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits > 1 && date[0] == b'0' {
        return fault("zero-padded-date", "the date begins with a zero");
    }
    let Some(zone) = date[digits..].strip_prefix(b" ").filter(|_| digits > 0) else {
        return fault("bad-date", "the date is not a number of seconds");
    };
    let seconds = std::str::from_utf8(&date[..digits]).ok().and_then(|text| text.parse::<u64>().ok());
    if seconds.is_none_or(|seconds| seconds > SECONDS_MAX) {
        return fault("bad-date-overflow", "the date is after the year 9999");
    }
    let sound = zone.len() == 5 && matches!(zone[0], b'+' | b'-') && zone[1..].iter().all(u8::is_ascii_digit);
    if !sound {
        return fault("bad-timezone", "the time zone is not a sign and four digits");
    }
    Ok(())
}
