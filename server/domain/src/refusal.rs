//! How the registry says no: one value for git's output, the terminal and the page.

use std::fmt;

use serde::Serialize;

/// A refusal: what was refused, where, why, and the command that mends it.
///
/// Every field is one line or several lines of plain text; who prints them escapes control characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct Refusal {
    /// A stable word in kebab case for scripts and documentation, such as `version-not-bumped`.
    pub code: &'static str,
    /// The place, such as `.claude-plugin/plugin.json:3` or `refs/heads/main`. Empty when there is none.
    pub place: String,
    /// One sentence that says what is wrong, without a full stop.
    pub message: String,
    /// What to do now: a command where there is one, else a sentence. Never empty.
    pub remedy: String,
}

impl Refusal {
    /// A refusal without a place.
    pub fn new(code: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code, place: String::new(), message: message.into(), remedy: remedy.into() }
    }

    /// The same refusal at `place`.
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.place = place.into();
        self
    }
}

/// One line: code, place, message.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)?;
        if !self.place.is_empty() {
            write!(f, " at {}", self.place)?;
        }
        write!(f, ": {}", self.message)
    }
}
