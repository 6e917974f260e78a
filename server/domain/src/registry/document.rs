//! One TOML file of `registry.git`, with the places of its keys, and the findings about it.

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::gate::{Finding, Layer, Severity};
use crate::nearest::nearest;
use crate::tree::Shown;

/// The longest TOML file, in bytes.
const FILE_BYTES_MAX: usize = 64 << 10;
/// After so many findings the rest is not told.
const FINDINGS_MAX: usize = 100;

/// Findings about one state of `registry.git`. Each refuses it: a state that is read in part could be in force in part.
#[derive(Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn add(
        &mut self,
        rule: &'static str,
        place: (&str, Option<usize>),
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        if self.0.len() < FINDINGS_MAX {
            self.0.push(finding(rule, place, message, fix));
        }
    }

    pub(super) fn into_vec(self) -> Vec<Finding> {
        self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A finding that refuses.
pub(super) fn finding(
    rule: &'static str,
    (path, line): (&str, Option<usize>),
    message: impl Into<String>,
    fix: impl Into<String>,
) -> Finding {
    Finding {
        rule,
        layer: Layer::L0,
        family: "registry",
        severity: Severity::High,
        path: path.to_owned(),
        line: line.and_then(|line| u32::try_from(line).ok()),
        column: None,
        message: message.into(),
        fix: fix.into(),
    }
}

/// One parsed file.
pub(super) struct Document<'a> {
    path: &'a str,
    text: &'a str,
    table: DeTable<'a>,
}

impl<'a> Document<'a> {
    /// Parses a file. `None` after a finding.
    pub(super) fn parse(path: &'a str, bytes: Option<&'a [u8]>, findings: &mut Findings) -> Option<Self> {
        let whole = bytes.filter(|bytes| bytes.len() <= FILE_BYTES_MAX);
        let Some(bytes) = whole else {
            let message = format!("this file is larger than {FILE_BYTES_MAX} bytes");
            findings.add("registry-size", (path, None), message, "keep to the keys that the registry reads");
            return None;
        };
        let Ok(text) = std::str::from_utf8(bytes) else {
            findings.add("registry-syntax", (path, None), "this file is not UTF-8 text", "save it as UTF-8");
            return None;
        };
        match DeTable::parse(text) {
            Ok(table) => Some(Self { path, text, table: table.into_inner() }),
            Err(error) => {
                let line = error.span().map(|span| line_of(text, span.start));
                let message = format!("this is not TOML: {}", error.message().replace('\n', " "));
                findings.add("registry-syntax", (path, line), message, "see https://toml.io for the form");
                None
            }
        }
    }

    /// Finds fault with every key that is not among `known`.
    pub(super) fn only(&self, known: &[&str], findings: &mut Findings) {
        for (key, _) in &self.table {
            self.known_key("", key, known, findings);
        }
    }

    /// As [`Self::only`] for the keys of one table.
    pub(super) fn only_in(&self, section: &str, known: &[&str], findings: &mut Findings) {
        let Some(DeValue::Table(table)) = self.table.get(section).map(Spanned::get_ref) else { return };
        for (key, _) in table {
            self.known_key(section, key, known, findings);
        }
    }

    fn known_key(&self, section: &str, key: &Spanned<DeString<'_>>, known: &[&str], findings: &mut Findings) {
        let name = key.get_ref().as_ref();
        if known.contains(&name) {
            return;
        }
        let shown: String = name.chars().take(60).collect();
        let within = if section.is_empty() { String::new() } else { format!(" in [{section}]") };
        let fix = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "leave it out".to_owned(),
            None => format!("the keys here are {}", listed(known)),
        };
        let message = format!("`{}` is not a key{within}", Shown(shown.as_bytes()));
        findings.add("registry-key", (self.path, Some(self.line(key))), message, fix);
    }

    /// The text of `key`. `None` when it is absent, or, after a finding, when it is something else or longer than
    /// `bytes_max`.
    pub(super) fn text_of(&self, key: &str, bytes_max: usize, findings: &mut Findings) -> Option<&str> {
        let value = self.table.get(key)?;
        match value.get_ref() {
            DeValue::String(text) if text.len() <= bytes_max && !text.chars().any(is_control) => Some(text),
            DeValue::String(text) if text.len() > bytes_max => {
                let message = format!("`{key}` has {} bytes", text.len());
                let fix = format!("at most {bytes_max} are kept");
                findings.add("registry-value", (self.path, Some(self.line(value))), message, fix);
                None
            }
            DeValue::String(_) => {
                let message = format!("`{key}` has control characters");
                findings.add("registry-value", (self.path, Some(self.line(value))), message, "leave them out");
                None
            }
            _ => {
                self.wrong(key, "a text in quotes", findings);
                None
            }
        }
    }

    /// The texts of a list. `None` when it is absent or, after a finding, when it is something else.
    pub(super) fn texts_of(&self, key: &str, findings: &mut Findings) -> Option<Vec<&str>> {
        let value = self.table.get(key)?;
        let texts = texts(value.get_ref());
        if texts.is_none() {
            self.wrong(key, "a list of texts, such as [\"security\"]", findings);
        }
        texts
    }

    /// The value of `key` in a table.
    pub(super) fn value_in(&self, section: &str, key: &str) -> Option<&Spanned<DeValue<'a>>> {
        match self.table.get(section)?.get_ref() {
            DeValue::Table(table) => table.get(key),
            _ => None,
        }
    }

    /// Says that `key` holds something else than expected.
    pub(super) fn wrong(&self, key: &str, expected: &str, findings: &mut Findings) {
        let line = self.table.get(key).map(|value| self.line(value));
        findings.add(
            "registry-value",
            (self.path, line),
            format!("`{key}` is not {expected}"),
            format!("write {expected}"),
        );
    }

    /// The line of `key`, or of a key in a table.
    pub(super) fn line_of(&self, section: &str, key: &str) -> Option<usize> {
        if section.is_empty() {
            return self.table.get(key).map(|value| self.line(value));
        }
        let value = self.value_in(section, key).or_else(|| self.table.get(section))?;
        Some(self.line(value))
    }

    /// True when `key` is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// True when `key` is a table.
    pub(super) fn is_table(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|value| matches!(value.get_ref(), DeValue::Table(_)))
    }

    /// The bytes at which the value of `key` stands in the file.
    pub(super) fn span_of(&self, key: &str) -> Option<std::ops::Range<usize>> {
        self.table.get(key).map(Spanned::span)
    }

    /// The file.
    pub(super) fn path(&self) -> &'a str {
        self.path
    }

    /// The text of the file.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    fn line<T>(&self, at: &Spanned<T>) -> usize {
        line_of(self.text, at.span().start)
    }
}

/// The texts of a list value; `None` for anything else.
pub(super) fn texts<'a>(value: &'a DeValue<'_>) -> Option<Vec<&'a str>> {
    let DeValue::Array(items) = value else { return None };
    let text = |item: &'a Spanned<DeValue<'_>>| match item.get_ref() {
        DeValue::String(text) => Some(text.as_ref()),
        _ => None,
    };
    items.iter().map(text).collect()
}

/// `a`, `b` and `c`.
pub(super) fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

fn is_control(c: char) -> bool {
    c.is_control() && c != '\n'
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|b| **b == b'\n').count()
}

/// `text` as a TOML string.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
