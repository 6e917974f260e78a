//! A leaf's lines: the one spelling of its fields. Version 1.

use std::fmt::Display;
use std::str::{FromStr, Split};

use super::leaf::{Kind, LeafError, LeafFields};
use super::values::{NotAValue, parse_decimal, parse_digest};
use crate::digest::Sha256;
use crate::names::{LeafIndex, MemberId, PluginName, RefName, RepositoryId, TenantId, Version};

/// The longest leaf, in bytes.
pub const LEAF_BYTES_MAX: usize = 8192;

const FIRST_LINE: &str = "skill-pool/leaf/v1";

/// Writes the lines.
pub(super) fn print(fields: &LeafFields) -> String {
    let mut out = String::with_capacity(1024);
    out.push_str(FIRST_LINE);
    out.push('\n');
    let mut line = |key: &str, value: Option<&dyn Display>| {
        use std::fmt::Write as _;
        let _ = match value {
            Some(value) => writeln!(out, "{key} {value}"),
            None => writeln!(out, "{key} -"),
        };
    };
    fn shown<T: Display>(value: &Option<T>) -> Option<&dyn Display> {
        value.as_ref().map(|value| value as &dyn Display)
    }
    let digest = |digest: &Option<Sha256>| digest.map(|digest| format!("sha256:{digest}"));
    line("kind", Some(&fields.kind.as_str()));
    line("tenant", Some(&fields.tenant));
    line("seq", Some(&fields.seq));
    line("time", Some(&fields.time));
    line("repo", shown(&fields.repo));
    line("name", shown(&fields.name));
    line("ref", shown(&fields.ref_name));
    line("old", shown(&fields.old));
    line("new", shown(&fields.new));
    line("tree", shown(&digest(&fields.tree)));
    line("version", shown(&fields.version));
    line("prev", shown(&fields.prev));
    line("policy", shown(&fields.policy));
    line("cert", shown(&digest(&fields.cert)));
    line("signer", shown(&fields.signer));
    line("actor", shown(&fields.actor.as_ref().map(|member| format!("u:{member}"))));
    line("review", shown(&fields.review));
    line("gate", shown(&fields.gate));
    line("caps", shown(&digest(&fields.caps)));
    line("ext", shown(&fields.ext));
    out
}

/// Reads the lines; whether the fields fit the kind is decided by [`super::Leaf::new`].
pub(super) fn parse(bytes: &[u8]) -> Result<LeafFields, LeafError> {
    if bytes.len() > LEAF_BYTES_MAX {
        return Err(LeafError::TooLong);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| LeafError::NotUtf8)?;
    let body = text.strip_suffix('\n').ok_or(LeafError::Lines)?;
    if body.chars().any(|c| c.is_control() && c != '\n') {
        return Err(LeafError::Lines);
    }
    let mut split = body.split('\n');
    if split.next() != Some(FIRST_LINE) {
        return Err(LeafError::Version);
    }
    let mut lines = Lines { split, line: 1 };
    let kind = lines.needed("kind", |word| Kind::parse(word).ok_or(NotAValue("a kind of leaf")))?;
    let tenant = lines.needed("tenant", parse_uuid::<TenantId>)?;
    let seq = LeafIndex(lines.needed("seq", parse_decimal)?);
    let time = lines.needed("time", parse_decimal)?;
    let fields = LeafFields {
        kind,
        tenant,
        seq,
        time,
        repo: lines.value("repo", parse_uuid::<RepositoryId>)?,
        name: lines.value("name", |text| PluginName::parse(text).map_err(|_| NotAValue("a plugin's name")))?,
        ref_name: lines
            .value("ref", |text| RefName::parse(text.as_bytes()).map_err(|_| NotAValue("a full ref name")))?,
        old: lines.value("old", str::parse)?,
        new: lines.value("new", str::parse)?,
        tree: lines.value("tree", parse_digest)?,
        version: lines.value("version", |text| Version::parse(text).map_err(|_| NotAValue("a semantic version")))?,
        prev: lines.value("prev", parse_decimal)?.map(LeafIndex),
        policy: lines.value("policy", parse_decimal)?.map(LeafIndex),
        cert: lines.value("cert", parse_digest)?,
        signer: lines.value("signer", str::parse)?,
        actor: lines.value("actor", |text| {
            let id = text.strip_prefix("u:").and_then(|id| MemberId::parse(id).ok());
            id.ok_or(NotAValue("`u:` and a member's id"))
        })?,
        review: lines.value("review", str::parse)?,
        gate: lines.value("gate", str::parse)?,
        caps: lines.value("caps", parse_digest)?,
        ext: lines.value("ext", str::parse)?,
    };
    match lines.split.next() {
        Some(_) => Err(LeafError::Trailing),
        None => Ok(fields),
    }
}

/// A UUID in lower case with hyphens, which is how it is printed.
fn parse_uuid<T: FromStr + Display>(text: &str) -> Result<T, NotAValue> {
    let id = text.parse::<T>().ok().filter(|id| id.to_string() == text);
    id.ok_or(NotAValue("a UUID in lower case with hyphens"))
}

struct Lines<'a> {
    split: Split<'a, char>,
    line: usize,
}

impl<'a> Lines<'a> {
    /// The value of the next line, whose key must be `key`. `-` is `None`.
    fn value<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&'a str) -> Result<T, NotAValue>,
    ) -> Result<Option<T>, LeafError> {
        self.line += 1;
        let found = self.split.next().and_then(|line| line.strip_prefix(key)?.strip_prefix(' '));
        let text = found.ok_or(LeafError::Line { line: self.line, expected: key })?;
        if text == "-" {
            return Ok(None);
        }
        read(text).map(Some).map_err(|reason| LeafError::Value { key, reason })
    }

    fn needed<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&'a str) -> Result<T, NotAValue>,
    ) -> Result<T, LeafError> {
        self.value(key, read)?.ok_or(LeafError::Value { key, reason: NotAValue("a value that every leaf has") })
    }
}
