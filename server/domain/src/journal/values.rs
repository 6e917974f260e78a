//! The values that stand in a leaf's lines. Each has one spelling.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use gix_hash::ObjectId;

use crate::digest::{Sha256, hex, unhex};

/// The longest percent-encoded reason, in bytes.
pub const REASON_BYTES_MAX: usize = 256;

/// A text that is not a value of its kind in its one spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not {0}")]
pub struct NotAValue(pub &'static str);

/// An object id of git in a leaf: `sha1:` and 40 digits, or `sha256:` and 64. All zeros stands for "no such ref".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GitId {
    /// An id of a SHA-1 repository.
    Sha1([u8; 20]),
    /// An id of a SHA-256 repository.
    Sha256([u8; 32]),
}

impl GitId {
    /// "No such ref" in a SHA-1 repository.
    pub const ABSENT: Self = Self::Sha1([0; 20]);

    /// A ref's value, where `None` is "no such ref".
    pub fn of(value: Option<ObjectId>) -> Self {
        value.map_or(Self::ABSENT, |id| Self::Sha1(sha1_bytes(&id)))
    }

    /// True for "no such ref".
    pub fn is_absent(&self) -> bool {
        match self {
            Self::Sha1(bytes) => bytes == &[0; 20],
            Self::Sha256(bytes) => bytes == &[0; 32],
        }
    }

    /// The ref's value; `None` when it does not exist, and for ids of SHA-256 repositories, which this registry has not.
    pub fn object(&self) -> Option<ObjectId> {
        match self {
            Self::Sha1(bytes) if !self.is_absent() => Some(ObjectId::from(*bytes)),
            Self::Sha1(_) | Self::Sha256(_) => None,
        }
    }
}

fn sha1_bytes(id: &ObjectId) -> [u8; 20] {
    let mut bytes = [0; 20];
    let found = id.as_bytes();
    // The workspace builds gix with SHA-1 alone, so that every id has 20 bytes.
    bytes.copy_from_slice(&found[..20]);
    bytes
}

impl fmt::Display for GitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha1(bytes) => write!(f, "sha1:{}", hex(bytes)),
            Self::Sha256(bytes) => write!(f, "sha256:{}", hex(bytes)),
        }
    }
}

impl fmt::Debug for GitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for GitId {
    type Err = NotAValue;
    fn from_str(text: &str) -> Result<Self, NotAValue> {
        const WHAT: NotAValue = NotAValue("an object id such as `sha1:` and 40 digits");
        if let Some(digits) = text.strip_prefix("sha1:") {
            return unhex(digits).and_then(|b| b.try_into().ok()).map(Self::Sha1).ok_or(WHAT);
        }
        let digits = text.strip_prefix("sha256:").ok_or(WHAT)?;
        unhex(digits).and_then(|b| b.try_into().ok()).map(Self::Sha256).ok_or(WHAT)
    }
}

/// `sha256:` and 64 digits.
pub(super) fn parse_digest(text: &str) -> Result<Sha256, NotAValue> {
    let what = NotAValue("a digest of the form `sha256:` and 64 digits");
    text.strip_prefix("sha256:").and_then(|digits| digits.parse().ok()).ok_or(what)
}

/// A decimal number without leading zeros.
pub(super) fn parse_decimal(text: &str) -> Result<u64, NotAValue> {
    let plain = text == "0" || !text.starts_with('0');
    if !plain || text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NotAValue("a decimal number without leading zeros"));
    }
    text.parse().map_err(|_| NotAValue("a number below 2^64"))
}

/// The key that signed a certificate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signer {
    /// `ssh:SHA256:<base64 of the key's SHA-256>`: as ssh-keygen prints it.
    Ssh([u8; 32]),
    /// `pgp:v4:<40 hex>`.
    PgpV4([u8; 20]),
    /// `pgp:v6:<64 hex>`.
    PgpV6([u8; 32]),
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ssh(digest) => write!(f, "ssh:SHA256:{}", STANDARD_NO_PAD.encode(digest)),
            Self::PgpV4(fingerprint) => write!(f, "pgp:v4:{}", hex(fingerprint)),
            Self::PgpV6(fingerprint) => write!(f, "pgp:v6:{}", hex(fingerprint)),
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Signer {
    type Err = NotAValue;
    fn from_str(text: &str) -> Result<Self, NotAValue> {
        const WHAT: NotAValue = NotAValue("a signer such as `ssh:SHA256:…`, `pgp:v4:…` or `pgp:v6:…`");
        let signer = if let Some(digest) = text.strip_prefix("ssh:SHA256:") {
            STANDARD_NO_PAD.decode(digest).ok().and_then(|b| b.try_into().ok()).map(Self::Ssh)
        } else if let Some(digits) = text.strip_prefix("pgp:v4:") {
            unhex(digits).and_then(|b| b.try_into().ok()).map(Self::PgpV4)
        } else {
            text.strip_prefix("pgp:v6:").and_then(unhex).and_then(|b| b.try_into().ok()).map(Self::PgpV6)
        };
        signer.ok_or(WHAT)
    }
}

/// `mr:<n>:sha256:<digest of the sorted signed approvals>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Review {
    /// The merge request's number in its repository.
    pub merge_request: u64,
    /// Digest of the approvals.
    pub approvals: Sha256,
}

impl fmt::Display for Review {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mr:{}:sha256:{}", self.merge_request, self.approvals)
    }
}

impl FromStr for Review {
    type Err = NotAValue;
    fn from_str(text: &str) -> Result<Self, NotAValue> {
        const WHAT: NotAValue = NotAValue("a review of the form `mr:<number>:sha256:<digest>`");
        let (number, digest) = text.strip_prefix("mr:").and_then(|rest| rest.split_once(':')).ok_or(WHAT)?;
        let merge_request = parse_decimal(number).map_err(|_| WHAT)?;
        Ok(Self { merge_request, approvals: parse_digest(digest).map_err(|_| WHAT)? })
    }
}

/// What the gate said.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum GateOutcome {
    /// No finding that matters.
    Pass,
    /// Accepted with findings.
    Warn,
    /// A person overrode a finding of a heuristic.
    Forced,
}

impl GateOutcome {
    /// The word in a leaf.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Forced => "forced",
        }
    }

    /// Reads the word; `None` for any other.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Pass, Self::Warn, Self::Forced].into_iter().find(|outcome| outcome.as_str() == word)
    }
}

/// `pass:sha256:<digest of the gate report>`, or with `warn` or `forced`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Gate {
    /// What the gate said.
    pub outcome: GateOutcome,
    /// Digest of its report.
    pub report: Sha256,
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:sha256:{}", self.outcome.as_str(), self.report)
    }
}

impl FromStr for Gate {
    type Err = NotAValue;
    fn from_str(text: &str) -> Result<Self, NotAValue> {
        const WHAT: NotAValue = NotAValue("a verdict of the form `pass:sha256:<digest>`, or with `warn` or `forced`");
        let (word, digest) = text.split_once(':').ok_or(WHAT)?;
        let outcome = GateOutcome::parse(word).ok_or(WHAT)?;
        Ok(Self { outcome, report: parse_digest(digest).map_err(|_| WHAT)? })
    }
}

/// What else a leaf says: one of a closed set.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Ext {
    /// `reason:` and a percent-encoded text of at most [`REASON_BYTES_MAX`] encoded bytes. Held decoded.
    Reason(Reason),
    /// `sha256:` of a side document.
    Digest(Sha256),
}

/// The text of a reason, short enough for a leaf.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Reason(Box<str>);

impl Reason {
    /// The text, decoded.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Ext {
    /// The reason `text`; what is too long for a leaf is cut at its end.
    pub fn reason(text: &str) -> Self {
        let mut encoded_bytes = 0;
        let fits = |c: &char| {
            let mut utf8 = [0; 4];
            encoded_bytes += c.encode_utf8(&mut utf8).bytes().map(|b| if unreserved(b) { 1 } else { 3 }).sum::<usize>();
            encoded_bytes <= REASON_BYTES_MAX
        };
        Self::Reason(Reason(text.chars().take_while(fits).collect()))
    }

    /// The reason's text, if this is one.
    pub fn as_reason(&self) -> Option<&str> {
        match self {
            Self::Reason(reason) => Some(reason.as_str()),
            Self::Digest(_) => None,
        }
    }
}

/// Source: RFC 3986, 2.3.
fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

impl fmt::Display for Ext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest(digest) => write!(f, "sha256:{digest}"),
            Self::Reason(reason) => {
                f.write_str("reason:")?;
                for byte in reason.0.bytes() {
                    if unreserved(byte) { write!(f, "{}", char::from(byte))? } else { write!(f, "%{byte:02X}")? }
                }
                Ok(())
            }
        }
    }
}

impl FromStr for Ext {
    type Err = NotAValue;
    fn from_str(text: &str) -> Result<Self, NotAValue> {
        const WHAT: NotAValue = NotAValue("a reason in its one percent-encoding of at most 256 bytes");
        let Some(encoded) = text.strip_prefix("reason:") else {
            return parse_digest(text)
                .map(Self::Digest)
                .map_err(|_| NotAValue("`reason:…` or `sha256:` and 64 digits"));
        };
        if encoded.len() > REASON_BYTES_MAX {
            return Err(WHAT);
        }
        let mut bytes = Vec::with_capacity(encoded.len());
        let mut rest = encoded.as_bytes();
        while let Some((&first, after)) = rest.split_first() {
            if first == b'%' {
                let digits = after.get(..2).and_then(|d| std::str::from_utf8(d).ok()).ok_or(WHAT)?;
                bytes.push(unhex(&digits.to_ascii_lowercase()).ok_or(WHAT)?[0]);
                rest = &after[2..];
            } else {
                bytes.push(first);
                rest = after;
            }
        }
        let decoded = Self::Reason(Reason(String::from_utf8(bytes).map_err(|_| WHAT)?.into()));
        // Lower-case digits, and characters that need none, would be a second spelling.
        if decoded.to_string() == text { Ok(decoded) } else { Err(WHAT) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_value_has_one_spelling() {
        let digest = "0123456789abcdef".repeat(4);
        for text in [format!("sha1:{}", &digest[..40]), format!("sha256:{digest}"), format!("sha1:{}", "0".repeat(40))]
        {
            assert_eq!(text.parse::<GitId>().expect("an id").to_string(), text);
        }
        for text in [
            "ssh:SHA256:uJ1rW0e5iVZ5c4nJ9V0S3k1mEw8n2N3tY7a6cQ0bXyE".to_owned(),
            format!("pgp:v4:{}", &digest[..40]),
            format!("pgp:v6:{digest}"),
        ] {
            assert_eq!(text.parse::<Signer>().expect(&text).to_string(), text);
        }
        for wrong in [
            "ssh:SHA256:uJ1rW0e5iVZ5c4nJ9V0S3k1mEw8n2N3tY7a6cQ0bXyE=",
            "ssh:SHA256:uJ1rW0e5iVZ5c4nJ9V0S3k1mEw8n2N3tY7a6cQ0bXyF",
            "ssh:MD5:uJ1rW0e5iVZ5c4nJ9V0S3k1mEw8n2N3tY7a6cQ0bXyE",
            "pgp:v4:ABCDEF",
            "pgp:v5:0123",
        ] {
            assert!(wrong.parse::<Signer>().is_err(), "{wrong}");
        }
        for wrong in ["mr:07:sha256:", "mr:7", &format!("mr:07:sha256:{digest}"), &format!("mr:+7:sha256:{digest}")] {
            assert!(wrong.parse::<Review>().is_err(), "{wrong}");
        }
        assert!(format!("fail:sha256:{digest}").parse::<Gate>().is_err());
        for wrong in ["007", "", "-1", "+1", "1 ", "18446744073709551616"] {
            assert!(parse_decimal(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_decimal("18446744073709551615"), Ok(u64::MAX));
    }

    #[test]
    fn a_reason_is_encoded_in_one_way() {
        assert_eq!(Ext::reason("leaks a key: see #4").to_string(), "reason:leaks%20a%20key%3A%20see%20%234");
        for wrong in ["reason:a%2dfoo", "reason:%61", "reason:a b", "reason:%zz", "reason:%2", "reason:%FF", "note:x"] {
            assert!(wrong.parse::<Ext>().is_err(), "{wrong}");
        }
        assert_eq!("reason:".parse::<Ext>(), Ok(Ext::reason("")));
        assert_eq!(Ext::reason(&"ü".repeat(100)).to_string().len(), "reason:".len() + 42 * 6);
        assert!(format!("reason:{}", "x".repeat(257)).parse::<Ext>().is_err());
    }

    proptest! {
        #[test]
        fn reasons_are_read_as_written(text in "\\PC{0,90}") {
            let ext = Ext::reason(&text);
            prop_assert!(text.starts_with(ext.as_reason().unwrap_or("no reason")));
            prop_assert_eq!(ext.to_string().parse::<Ext>(), Ok(ext));
        }

        #[test]
        fn what_is_read_is_written_alike(text in "reason:[a-z %A-F0-9.]{0,20}") {
            if let Ok(ext) = text.parse::<Ext>() {
                prop_assert_eq!(ext.to_string(), text);
            }
        }
    }
}
