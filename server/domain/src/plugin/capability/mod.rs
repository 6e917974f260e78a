//! What a plugin can do on a machine: a list that is exact, complete and the same for the same bytes. No judgement in it.

mod fetch;
mod files;
mod list;
mod markdown;
mod notes;
#[cfg(test)]
mod tests;
mod tools;
mod words;

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

pub use list::list;

use super::node::Position;
use crate::digest::Sha256;

/// One thing that a plugin can do.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Capability {
    /// What kind of thing, such as `hook.command`. Stable; a hook of a type that we do not know is `hook.<type>`.
    pub id: String,
    /// The file that says so.
    pub path: String,
    /// Where it says so, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The exact thing: the command, the address, the pattern. At most [`DETAIL_CHARACTERS_MAX`] characters.
    pub detail: String,
    /// One sentence for people, without a full stop.
    pub says: String,
    /// Who has to look at it.
    pub class: Class,
}

/// How far a capability reaches, and so who reviews it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Runs or reaches out without being asked: hooks, servers, monitors, commands run on load, what lies on the path.
    Runs,
    /// Scripts, tools granted beforehand, downloads.
    Scripts,
    /// Text only.
    Text,
}

/// A longer detail is cut, with its digest behind it so that lists of different plugins differ.
pub const DETAIL_CHARACTERS_MAX: usize = 300;

impl Capability {
    /// A capability; a detail that is too long is cut, with the digest of the whole behind it.
    fn new(class: Class, id: &str, path: &str, at: Option<Position>, detail: &str, says: impl Into<String>) -> Self {
        let detail = match detail.char_indices().nth(DETAIL_CHARACTERS_MAX) {
            Some((cut, _)) => format!("{}… sha256:{}", &detail[..cut], Sha256::of(detail.as_bytes())),
            None => detail.to_owned(),
        };
        let says = says.into();
        let says = match says.char_indices().nth(DETAIL_CHARACTERS_MAX) {
            Some((cut, _)) => format!("{}…", &says[..cut]),
            None => says,
        };
        Self { id: id.to_owned(), path: path.to_owned(), line: at.map(|at| at.line), detail, says, class }
    }
}

/// The text that the leaf's `caps` digest covers: `skill-pool/caps/v1`, then one line `id SP path SP detail` per
/// capability, sorted, each once. Control characters, blanks in paths and backslashes are escaped, so that a line is a
/// line. Line numbers are left out: moving a hook down a line changes nothing that it can do.
pub fn text(capabilities: &[Capability]) -> String {
    let mut lines: Vec<String> = capabilities
        .iter()
        .map(|c| format!("{} {} {}\n", c.id, field(&c.path, true), field(&c.detail, false)))
        .collect();
    lines.sort();
    lines.dedup();
    let mut out = String::from("skill-pool/caps/v1\n");
    for line in lines {
        out.push_str(&line);
    }
    out
}

fn field(text: &str, blanks: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\\' {
            out.push_str("\\\\");
        } else if c.is_control() || (blanks && c == ' ') {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}
