//! One result of one rule.

use std::fmt;

use serde::Serialize;

use crate::plugin::node::Position;

/// What a rule looks at, and thereby what its findings mean.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
pub enum Layer {
    /// What may not exist at all. Refuses, and nobody can force it.
    L0,
    /// Capabilities; they are listed, not found fault with.
    L1,
    /// Heuristics: secrets, injection, exfiltration.
    L2,
    /// Advice on form.
    #[serde(rename = "lint")]
    Lint,
}

/// How much a finding matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; changes no outcome.
    Info,
    /// Should be mended.
    Low,
    /// Should be looked at before merging.
    Medium,
    /// Stops the push, or needs a named reviewer's decision.
    High,
    /// As high, and already dangerous where it stands.
    Critical,
}

/// What the gate says about a tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing to say above info.
    Accept,
    /// Accepted with findings.
    Warn,
    /// Not accepted.
    Refuse,
}

impl Outcome {
    /// `accept`, `warn` or `refuse`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Warn => "warn",
            Self::Refuse => "refuse",
        }
    }

    /// The word of a leaf's `gate` field. `None` for a refusal, which makes no leaf.
    pub fn leaf_word(self) -> Option<&'static str> {
        match self {
            Self::Accept => Some("pass"),
            Self::Warn => Some("warn"),
            Self::Refuse => None,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One result of one rule. Texts may quote what a stranger wrote; who prints them escapes control and invisible
/// characters (`gate::render` does).
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// The rule's stable id, such as `frontmatter-yaml`.
    pub rule: &'static str,
    /// The rule's layer, after policy.
    pub layer: Layer,
    /// What the rule belongs to, such as `format` or `name`.
    pub family: &'static str,
    /// How much it matters, after policy.
    pub severity: Severity,
    /// The file, as text; bytes that are not UTF-8 show as `\xNN`. Empty for the tree as a whole.
    pub path: String,
    /// The line, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column in characters, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// What is wrong and why it matters, without a full stop.
    pub message: String,
    /// What to do: a command, or a line to paste. Never empty.
    pub fix: String,
}

impl Finding {
    /// The place as `path:line:column`, as far as it is known.
    pub fn place(&self) -> String {
        match (self.line, self.column) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}", self.path),
            (Some(line), None) => format!("{}:{line}", self.path),
            _ => self.path.clone(),
        }
    }

    /// True when it stops the push by itself.
    pub fn refuses(&self) -> bool {
        self.layer == Layer::L0
    }

    /// The order in which findings are told: what refuses first, then by file and place.
    pub(super) fn order(&self, other: &Self) -> std::cmp::Ordering {
        (self.layer, std::cmp::Reverse(self.severity), &self.path, self.line, self.column, self.rule, &self.message)
            .cmp(&(
                other.layer,
                std::cmp::Reverse(other.severity),
                &other.path,
                other.line,
                other.column,
                other.rule,
                &other.message,
            ))
    }

    pub(super) fn at(mut self, at: Option<Position>) -> Self {
        self.line = at.map(|at| at.line);
        self.column = at.map(|at| at.column);
        self
    }
}
