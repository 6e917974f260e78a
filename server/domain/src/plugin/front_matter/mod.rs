//! The front matter of a Markdown file: found as the client finds it, read strictly, then recovered by lines.
//!
//! In: the text of a file. Out: its fields with places, where the body begins, and every problem on the way; what a
//! problem means is for the gate to say. The block is bounded before it is parsed.

mod fence;
mod recover;

use super::node::{Node, Position, Value};
use super::source;
use super::yaml::{self, YamlProblem};
use fence::Fence;
pub use recover::quote;

/// The longest block that is parsed, in bytes.
pub const FRONT_MATTER_BYTES_MAX: usize = 16 << 10;

/// What stands before the body.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FrontMatter {
    /// The fields, a [`Value::Map`]; `None` where there is no block or none of it can be read.
    pub fields: Option<Node>,
    /// Problems in order of their places.
    pub problems: Vec<Problem>,
    /// Byte offset of the body in the text.
    pub body: usize,
    /// The lines of the block in the file, without its markers: first, and the one after the last. Equal when there
    /// is none.
    pub lines: (u32, u32),
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// What it is.
    pub kind: ProblemKind,
    /// Where it is.
    pub at: Position,
}

/// What can be wrong with front matter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProblemKind {
    /// There is no block, or an empty one.
    Missing,
    /// A block begins behind other text, so the client takes it for body.
    NotFirst,
    /// The first line opens a block that no line closes.
    Unclosed {
        /// The last line that looks like a field.
        after: u32,
    },
    /// Three dashes inside the block, where the client ends it.
    InnerMarker {
        /// The fields behind them, which the client does not see.
        lost: Vec<String>,
    },
    /// No YAML, but the client reads it as text.
    Recovered {
        /// What is wrong.
        message: String,
        /// The line to write.
        fix: String,
    },
    /// No YAML, and the client loses all fields.
    Yaml {
        /// What is wrong.
        message: String,
        /// The line to write, where one is known.
        fix: Option<String>,
    },
    /// A list or a text instead of fields.
    NotMapping(&'static str),
    /// A key occurs twice.
    DuplicateKey(String),
    /// An anchor, alias or merge key.
    Alias(String),
    /// A tag.
    Tag(String),
    /// Longer than [`FRONT_MATTER_BYTES_MAX`].
    TooLarge {
        /// Its bytes.
        bytes: usize,
    },
    /// Nested too deep.
    TooDeep,
}

impl From<(YamlProblem, Position)> for Problem {
    fn from((problem, at): (YamlProblem, Position)) -> Self {
        let kind = match problem {
            YamlProblem::Syntax(message) => ProblemKind::Yaml { message, fix: None },
            YamlProblem::Alias(what) => ProblemKind::Alias(what),
            YamlProblem::Tag(tag) => ProblemKind::Tag(tag),
            YamlProblem::DuplicateKey(key) => ProblemKind::DuplicateKey(key),
            YamlProblem::TooDeep => ProblemKind::TooDeep,
        };
        Self { kind, at }
    }
}

impl FrontMatter {
    /// Reads the front matter of `text`, which has no byte order mark.
    pub fn read(text: &str) -> Self {
        let (from, to, body) = match fence::find(text) {
            Fence::Closed { from, to, body } => (from, to, body),
            Fence::None => {
                let kind = fence::hidden_block(text).map(|line| (ProblemKind::NotFirst, line));
                let (kind, line) = kind.unwrap_or((ProblemKind::Missing, 1));
                return Self::without_fields(kind, Position { line, column: 1 }, 0);
            }
            Fence::Unclosed => {
                let fields =
                    text.lines().skip(1).take_while(|line| !line.trim().is_empty() && !line.starts_with("..."));
                let after = u32::try_from(1 + fields.take(1_000).count()).unwrap_or(1);
                return Self::without_fields(ProblemKind::Unclosed { after }, Position::START, 0);
            }
        };
        if to - from > FRONT_MATTER_BYTES_MAX {
            return Self::without_fields(ProblemKind::TooLarge { bytes: to - from }, Position::START, body);
        }
        let raw = &text[from..to];
        let lines = (2, 2 + u32::try_from(raw.lines().count()).unwrap_or(0));
        let mut this = Self { body, lines, ..read_block(raw) };
        if let Some(at) = raw.find("---") {
            let at = source::position(text, from + at);
            let keys = this.fields.as_ref().and_then(Node::map).unwrap_or_default().iter();
            let lost = keys.filter(|entry| entry.key_at.line > at.line).map(|entry| entry.key.clone()).collect();
            this.problems.push(Problem { kind: ProblemKind::InnerMarker { lost }, at });
        }
        this.problems.sort_by_key(|problem| problem.at);
        this
    }

    fn without_fields(kind: ProblemKind, at: Position, body: usize) -> Self {
        Self { problems: vec![Problem { kind, at }], body, lines: (2, 2), fields: None }
    }

    /// What `key` holds.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.fields.as_ref()?.get(key)
    }
}

fn read_block(raw: &str) -> FrontMatter {
    let mut out = FrontMatter::default();
    let block = blanks_after_keys(&raw.replace("\r\n", "\n"));
    if let Some(at) = block.find('\r') {
        let message = "a carriage return without a line feed: some readers see a new line here".to_owned();
        let mut at = source::position(&block, at);
        at.line += 1;
        out.problems.push(Problem { kind: ProblemKind::Yaml { message, fix: None }, at });
    }
    let whole = yaml::read(&block, 2);
    let failed = whole.root.is_none();
    let (syntax, other): (Vec<_>, Vec<_>) =
        whole.problems.into_iter().partition(|(problem, _)| matches!(problem, YamlProblem::Syntax(_)));
    let defined_anchor = other.iter().any(|(problem, _)| matches!(problem, YamlProblem::Alias(_)));
    let too_deep = other.iter().any(|(problem, _)| *problem == YamlProblem::TooDeep);
    out.problems.extend(other.into_iter().map(Problem::from));
    if !failed {
        match whole.root.map(|root| (root.kind(), root)) {
            Some((_, root @ Node { value: Value::Map(_), .. })) => out.fields = Some(root),
            Some((_, Node { value: Value::Null, at })) => out.problems.push(Problem { kind: ProblemKind::Missing, at }),
            Some((kind, node)) => out.problems.push(Problem { kind: ProblemKind::NotMapping(kind), at: node.at }),
            None => {}
        }
        if let Some(line) = recover::tabs_in_flow(&block, 2) {
            let message = "a tab as indentation inside brackets, which the client does not read".to_owned();
            let fix = None;
            out.problems.push(Problem { kind: ProblemKind::Yaml { message, fix }, at: Position { line, column: 1 } });
        }
        return out;
    }
    let ends: Vec<bool> = raw.split('\n').map(|line| line.ends_with('\r')).collect();
    let crlf = |line: u32| ends.get((line as usize).saturating_sub(2)).copied().unwrap_or(false);
    let (entries, recovered) = recover::fields(&block, 2, &crlf);
    // A block that is too deep is read on for its other fields only; one with an anchor hides which text is meant.
    let told = |problem: &Problem| {
        let guessed = matches!(problem.kind, ProblemKind::Recovered { .. });
        let known = too_deep || (defined_anchor && guessed) || out.problems.contains(problem);
        !known
    };
    let recovered: Vec<Problem> = recovered.into_iter().filter(told).collect();
    let explained = recovered
        .iter()
        .any(|problem| matches!(problem.kind, ProblemKind::Recovered { .. } | ProblemKind::Yaml { .. }));
    if !explained && !too_deep {
        out.problems.extend(syntax.into_iter().map(Problem::from));
    }
    out.problems.extend(recovered);
    if !entries.is_empty() {
        let at = entries[0].key_at;
        out.fields = Some(Node { at, value: Value::Map(entries) });
    }
    out
}

/// The block with tabs between a key's colon and its value as blanks. They are YAML, but our parser refuses them; columns
/// stay what they were.
fn blanks_after_keys(block: &str) -> String {
    let mut out = String::with_capacity(block.len());
    for line in block.split_inclusive('\n') {
        let colon = field_key(line).and_then(|key| line[key.len()..].find(':').map(|at| key.len() + at + 1));
        let Some(from) = colon.filter(|from| line[*from..].starts_with('\t')) else {
            out.push_str(line);
            continue;
        };
        let value = line[from..].trim_start_matches(['\t', ' ']);
        out.push_str(&line[..from]);
        out.extend(std::iter::repeat_n(' ', line.len() - from - value.len()));
        out.push_str(value);
    }
    out
}

/// The key of a line `key: …` or `key :…` at its start.
fn field_key(line: &str) -> Option<&str> {
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))).unwrap_or(line.len());
    let key = &line[..end];
    let begins = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (begins && line[end..].trim_start_matches([' ', '\t']).starts_with(':')).then_some(key)
}

#[cfg(test)]
mod tests;
