//! Reads a block that is not YAML line by line, as the client does for the commonest slips: a value that needs quotes.
//!
//! Every field that can be read alone is read, so that no restriction is lost with a bad neighbour.

use super::{Problem, ProblemKind, field_key};
use crate::plugin::node::{Entry, Node, Position, Value};
use crate::plugin::yaml::{self, YamlProblem};

/// Reads the fields of `block` (LF line ends) one by one. Its first line is `first_line` of the file;
/// `crlf(line)` tells of a file's line whether it ends in CRLF, where the client repairs nothing.
///
/// The entries, in order, and the problems. Without a problem of kind `Yaml` the client reads the block too.
pub fn fields(block: &str, first_line: u32, crlf: &dyn Fn(u32) -> bool) -> (Vec<Entry>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut entries: Vec<Entry> = Vec::new();
    for chunk in chunks(block, first_line, &mut problems) {
        let Some(entry) = chunk.entry(crlf(chunk.line), &mut problems) else { continue };
        if entries.iter().any(|known| known.key == entry.key) {
            problems.push(Problem { kind: ProblemKind::DuplicateKey(entry.key.clone()), at: entry.key_at });
        }
        entries.push(entry);
    }
    (entries, problems)
}

/// Lines that begin with a tab inside brackets or braces, where readers differ: the parser takes them, the client does not.
pub fn tabs_in_flow(block: &str, first_line: u32) -> Option<u32> {
    if !block.contains("\n\t") {
        return None;
    }
    chunks(block, first_line, &mut Vec::new()).into_iter().find_map(|chunk| {
        let flow = chunk.inline_value().0.starts_with(['[', '{']);
        let tab = chunk.text.lines().position(|line| line.starts_with('\t'))?;
        flow.then(|| chunk.line + u32::try_from(tab).unwrap_or(0))
    })
}

/// One field: its line and the lines that belong to it.
struct Chunk<'a> {
    key: &'a str,
    /// The line of the key in the file.
    line: u32,
    text: &'a str,
}

fn chunks<'a>(block: &'a str, first_line: u32, problems: &mut Vec<Problem>) -> Vec<Chunk<'a>> {
    let mut chunks: Vec<Chunk<'a>> = Vec::new();
    let mut start = 0;
    let mut at = 0;
    for (line_number, line) in (first_line..).zip(block.split_inclusive('\n')) {
        let bare = line.trim_end();
        let end = at + line.len();
        let continues = bare.is_empty() || line.starts_with([' ', '\t']) || {
            // A list may stand at the column of its key.
            let list_item = bare == "-" || line.starts_with("- ");
            list_item && chunks.last().is_some_and(Chunk::has_no_inline_value)
        };
        if line.starts_with('#') || (bare.is_empty() && chunks.is_empty()) {
            // A comment, or nothing yet.
        } else if let Some(key) = field_key(line) {
            start = at;
            chunks.push(Chunk { key, line: line_number, text: &block[start..end] });
        } else if let (true, Some(chunk)) = (continues, chunks.last_mut()) {
            chunk.text = &block[start..end];
        } else if problems.len() < 10 {
            let message = "this line is no `key: value` pair".to_owned();
            let at = Position { line: line_number, column: 1 };
            problems.push(Problem { kind: ProblemKind::Yaml { message, fix: None }, at });
        }
        at = end;
    }
    chunks
}

impl Chunk<'_> {
    fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// What stands behind the colon on the first line, and its column, counted from 1.
    fn inline_value(&self) -> (&str, usize) {
        let line = self.first_line();
        let rest = line[self.key.len()..].trim_start().strip_prefix(':').unwrap_or_default();
        let value = rest.trim();
        let column = line.chars().count() - rest.trim_start().chars().count() + 1;
        (value, column)
    }

    fn has_no_inline_value(&self) -> bool {
        let (value, _) = self.inline_value();
        value.is_empty() || value.starts_with('#')
    }

    fn entry(&self, crlf: bool, problems: &mut Vec<Problem>) -> Option<Entry> {
        let alone = yaml::read(self.text, self.line);
        let syntax = alone.problems.iter().find(|(problem, _)| matches!(problem, YamlProblem::Syntax(_)));
        let (message, error_at) = match syntax {
            Some((YamlProblem::Syntax(message), at)) => (message.clone(), *at),
            _ => (String::new(), Position { line: self.line, column: 1 }),
        };
        if let Some(Value::Map(mut entries)) = alone.root.map(|root| root.value)
            && entries.len() == 1
            && entries[0].key == self.key
        {
            problems.extend(alone.problems.into_iter().map(Problem::from));
            return entries.pop();
        }
        if alone.problems.iter().any(|(problem, _)| *problem == YamlProblem::TooDeep) {
            problems.extend(alone.problems.into_iter().map(Problem::from));
            return None;
        }
        let key_at = Position { line: self.line, column: 1 };
        let (value, column) = self.inline_value();
        let value_at = Position::new(self.line as usize, column);
        let more = self.text.lines().skip(1).any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
        if more {
            return self.with_tabs_as_blanks(problems).or_else(|| {
                let kind = ProblemKind::Yaml { message: explain(value, &message), fix: None };
                problems.push(Problem { kind, at: error_at });
                None
            });
        }
        let quoted = format!("{}: {}", self.key, quote(value));
        let text = unquoted(value);
        let repaired = self.colon_follows_key() && client_repairs(self.key, value) && (!crlf || value.starts_with(','));
        let kind = if repaired && self.has_blank_after_colon() {
            ProblemKind::Recovered { message: format!("the value of `{}` needs quotes", self.key), fix: quoted }
        } else if self.has_blank_after_colon() {
            ProblemKind::Yaml { message: explain(value, &message), fix: Some(quoted) }
        } else {
            let message = format!("`{}` has no blank after its colon", self.key);
            problems.push(Problem { kind: ProblemKind::Yaml { message, fix: Some(quoted) }, at: key_at });
            return None;
        };
        problems.push(Problem { kind, at: value_at });
        Some(Entry { key: self.key.to_owned(), key_at, node: Node { at: value_at, value: Value::Text(text) } })
    }

    fn has_blank_after_colon(&self) -> bool {
        let rest = self.first_line()[self.key.len()..].trim_start().strip_prefix(':').unwrap_or_default();
        rest.is_empty() || rest.starts_with([' ', '\t'])
    }

    fn colon_follows_key(&self) -> bool {
        self.first_line()[self.key.len()..].starts_with(':')
    }

    /// YAML forbids tabs as indentation; the client lets them be in nested fields and continued lines, but not in block
    /// texts, brackets and braces.
    fn with_tabs_as_blanks(&self, problems: &mut Vec<Problem>) -> Option<Entry> {
        if self.inline_value().0.starts_with(['|', '>', '[', '{']) {
            return None;
        }
        let mut first = None;
        let mut text = String::with_capacity(self.text.len() + 16);
        for (number, line) in self.text.split_inclusive('\n').enumerate() {
            let content = line.trim_start_matches([' ', '\t']);
            let indent = &line[..line.len() - content.len()];
            if indent.contains('\t') && first.is_none() {
                first = Some(self.line + u32::try_from(number).unwrap_or(0));
            }
            text.push_str(&indent.replace('\t', "  "));
            text.push_str(content);
        }
        let line = first?;
        let read = yaml::read(&text, self.line);
        let Some(Value::Map(mut entries)) = read.root.map(|root| root.value) else { return None };
        if entries.len() != 1 || !read.problems.is_empty() {
            return None;
        }
        let message = "a tab as indentation, which YAML forbids".to_owned();
        let fix = format!("indent line {line} with two blanks");
        problems.push(Problem { kind: ProblemKind::Recovered { message, fix }, at: Position { line, column: 1 } });
        entries.pop()
    }
}

/// True for a field that is no YAML and whose value the client reads as text all the same: it puts quotes around the values
/// of plain keys that hold one of YAML's signs, and reads again.
///
/// Source: Claude Code 2.1.329 as it behaves. Where two readers would take different texts for the value, false: an opened
/// bracket or quote, a tag, an anchor, the start of a list.
fn client_repairs(key: &str, value: &str) -> bool {
    if !key.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'-')) {
        return false;
    }
    if value.starts_with("- ") || value.starts_with("? ") || matches!(value, "-" | "?") {
        return false;
    }
    let sign = |text: &str| text.contains(": ") || text.contains(|c: char| "{}[]*&#!|>%@`".contains(c));
    let mut rest = value.chars();
    match rest.next() {
        Some(quote @ ('"' | '\'')) => {
            let closed = if quote == '"' { closing_quote(value) } else { value[1..].find('\'').map(|at| at + 1) };
            !(value.len() > 1 && value.ends_with(quote)) && closed.is_some() && sign(value)
        }
        Some('[') => closing_bracket(value).is_some_and(|at| !value[at + 1..].trim().is_empty()),
        Some('!' | '&') => rest.next().is_none_or(char::is_whitespace),
        Some(',') => true,
        _ => sign(value),
    }
}

/// The byte offset of the quote that closes a text in double quotes.
fn closing_quote(value: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in value.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at),
            _ => {}
        }
    }
    None
}

/// The byte offset of the bracket that closes the first one.
fn closing_bracket(value: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, c) in value.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// What is wrong, in words that name the habit behind it where we know it.
fn explain(value: &str, parser: &str) -> String {
    if value.starts_with('"') && closing_quote(value).is_none() {
        "a double quote is opened and not closed".into()
    } else if value.starts_with('"') && value.ends_with('"') {
        "an escape or a quote inside the double quotes is none that YAML knows".into()
    } else if value.starts_with('"') {
        "text follows the closing quote".into()
    } else if value.starts_with('\'') {
        "an apostrophe inside single quotes ends them; write it twice".into()
    } else if value.starts_with("- ") || value.starts_with("? ") {
        "a list or a key cannot begin behind the colon; put quotes around the value".into()
    } else if value.ends_with(':') {
        "a colon at the end of the line needs quotes around the value".into()
    } else if value.starts_with('[') && closing_bracket(value).is_none() {
        "a bracket is opened and not closed".into()
    } else if value.contains(": ") {
        "a colon followed by a blank needs quotes around the value".into()
    } else if parser.is_empty() {
        "this is no YAML".into()
    } else {
        format!("this is no YAML: {parser}")
    }
}

/// What the person probably meant as the text.
fn unquoted(value: &str) -> String {
    match value.strip_prefix('"') {
        Some(rest) if closing_quote(value).is_none() => rest.trim().to_owned(),
        _ => value.to_owned(),
    }
}

/// `value` as YAML in double quotes.
pub fn quote(value: &str) -> String {
    let inner = match value.strip_prefix('"') {
        Some(rest) if closing_quote(value).is_none() => rest,
        _ => value,
    };
    let mut out = String::with_capacity(inner.len() + 2);
    out.push('"');
    for c in inner.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
