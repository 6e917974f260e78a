//! Reads one YAML 1.2 document (core schema) into nodes with places, from the events of a parser that follows the
//! specification. What could make two readers differ, or one of them stall, is reported: anchors, aliases, merge keys, tags,
//! repeated keys, keys that are no text, a second document, deep nesting.

use std::collections::HashSet;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::node::{Entry, Node, Position, Value};

/// The deepest nesting of lists and maps that is read.
pub const YAML_DEPTH_MAX: usize = 16;
/// After so many problems in one text the rest is not reported.
const PROBLEMS_MAX: usize = 20;

/// What is wrong with a YAML text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum YamlProblem {
    /// Not YAML, or not the part of it that is read; the words say why.
    Syntax(String),
    /// An anchor, an alias or a merge key; as it was written.
    Alias(String),
    /// A tag; as it was written.
    Tag(String),
    /// A key occurs twice in one map.
    DuplicateKey(String),
    /// Nested deeper than [`YAML_DEPTH_MAX`].
    TooDeep,
}

/// What was read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct YamlText {
    /// The value; `None` when the text could not be read to its end. A text without any value is [`Value::Null`].
    pub root: Option<Node>,
    /// Problems in order of their places.
    pub problems: Vec<(YamlProblem, Position)>,
}

/// Reads `text`, whose lines end in LF and which the caller has bounded. Its first line is line `first_line` of the file.
pub fn read(text: &str, first_line: u32) -> YamlText {
    let mut builder = Builder { first_line, ..Builder::default() };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let result = match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => {
                let mark = error.marker();
                let at = builder.position(mark.line(), mark.col());
                // The scanner looks ahead and has a bound of its own, beyond ours.
                let too_deep = error.info() == "recursion limit exceeded";
                let problem =
                    if too_deep { YamlProblem::TooDeep } else { YamlProblem::Syntax(error.info().to_owned()) };
                Err((problem, at))
            }
        };
        if let Err((problem, at)) = result {
            builder.note(problem, at);
            return YamlText { root: None, problems: builder.problems };
        }
    }
    let nothing = Node { at: Position { line: first_line, column: 1 }, value: Value::Null };
    YamlText { root: Some(builder.root.unwrap_or(nothing)), problems: builder.problems }
}

/// A list or map that is not closed yet.
struct Open {
    at: Position,
    what: Collection,
}

enum Collection {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, seen: HashSet<String>, key: Option<(String, Position)> },
}

type Stop = (YamlProblem, Position);

#[derive(Default)]
struct Builder {
    first_line: u32,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    problems: Vec<(YamlProblem, Position)>,
}

impl Builder {
    fn position(&self, line: usize, column: usize) -> Position {
        // The parser counts lines from 1 and columns from 0; at the end of a text it may say line 0.
        Position::new(line.max(1) + self.first_line as usize - 1, column + 1)
    }

    fn note(&mut self, problem: YamlProblem, at: Position) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push((problem, at));
        }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        let at = self.position(span.start.line(), span.start.col());
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err((YamlProblem::Syntax("a second document begins here".into()), at));
                }
                Ok(())
            }
            Event::DocumentEnd => Ok(()),
            Event::Alias(_) => {
                self.note(YamlProblem::Alias("an alias".into()), at);
                self.put(Node { at, value: Value::Null }, true)
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.properties(anchor, tag.as_deref(), at);
                let plain = style == ScalarStyle::Plain && tag.is_none();
                if plain && text == "<<" && self.awaits_key() {
                    self.note(YamlProblem::Alias("a merge key `<<`".into()), at);
                }
                if self.awaits_key() {
                    return self.key(text.into_owned(), at);
                }
                let value = if plain { plain_value(&text) } else { Value::Text(text.into_owned()) };
                self.put(Node { at, value }, false)
            }
            Event::SequenceStart(anchor, tag) => {
                self.properties(anchor, tag.as_deref(), at);
                self.begin(at, Collection::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.properties(anchor, tag.as_deref(), at);
                self.begin(at, Collection::Map { entries: Vec::new(), seen: HashSet::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                let value = match open.what {
                    Collection::List(nodes) => Value::List(nodes),
                    Collection::Map { entries, .. } => Value::Map(entries),
                };
                self.put(Node { at: open.at, value }, false)
            }
        }
    }

    fn properties(&mut self, anchor: usize, tag: Option<&saphyr_parser::Tag>, at: Position) {
        if anchor > 0 {
            self.note(YamlProblem::Alias("an anchor".into()), at);
        }
        if let Some(tag) = tag {
            self.note(YamlProblem::Tag(format!("{}{}", tag.handle, tag.suffix)), at);
        }
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { what: Collection::Map { key: None, .. }, .. }))
    }

    fn begin(&mut self, at: Position, what: Collection) -> Result<(), Stop> {
        if self.awaits_key() {
            return Err((YamlProblem::Syntax("a key must be plain text".into()), at));
        }
        if self.open.len() >= YAML_DEPTH_MAX {
            return Err((YamlProblem::TooDeep, at));
        }
        self.open.push(Open { at, what });
        Ok(())
    }

    fn key(&mut self, text: String, at: Position) -> Result<(), Stop> {
        let Some(Open { what: Collection::Map { seen, key, .. }, .. }) = self.open.last_mut() else {
            return Ok(());
        };
        let repeated = !seen.insert(text.clone());
        *key = Some((text.clone(), at));
        if repeated {
            self.note(YamlProblem::DuplicateKey(text), at);
        }
        Ok(())
    }

    fn put(&mut self, node: Node, alias: bool) -> Result<(), Stop> {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open { what: Collection::List(nodes), .. }) => nodes.push(node),
            Some(Open { what: Collection::Map { entries, key, .. }, .. }) => match key.take() {
                Some((text, key_at)) => entries.push(Entry { key: text, key_at, node }),
                None if alias => return Err((YamlProblem::Alias("an alias as a key".into()), node.at)),
                None => return Err((YamlProblem::Syntax("a key must be plain text".into()), node.at)),
            },
        }
        Ok(())
    }
}

/// What a plain scalar means. Source: YAML 1.2.2, 10.3.2, core schema.
fn plain_value(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if is_number(text) => Value::Number(text.to_owned()),
        _ => Value::Text(text.to_owned()),
    }
}

fn is_number(text: &str) -> bool {
    let all = |digits: &str, f: fn(&u8) -> bool| !digits.is_empty() && digits.bytes().all(|b| f(&b));
    if let Some(digits) = text.strip_prefix("0x") {
        return all(digits, u8::is_ascii_hexdigit);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return all(digits, |b| (b'0'..=b'7').contains(b));
    }
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return true;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|e| all(e.strip_prefix(['-', '+']).unwrap_or(e), u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn first_problem(text: &str) -> YamlProblem {
        read(text, 1).problems.into_iter().next().unwrap_or_else(|| panic!("no problem in {text:?}")).0
    }

    #[test]
    fn values_are_read_by_the_core_schema_with_their_places() {
        let root = read("name: tidy\nn: [1, 0x1F, -.5e3, 1.10]\nno: no\ndate: 2026-01-02\nt: true\nz: ~\n", 5).root;
        let root = root.expect("YAML");
        assert_eq!(root.text_of("name"), Some("tidy"));
        assert_eq!(root.get("name").expect("name").at, Position { line: 5, column: 7 });
        assert!(root.get("n").and_then(Node::list).expect("list").iter().all(|n| matches!(n.value, Value::Number(_))));
        assert_eq!(root.text_of("no"), Some("no"));
        assert_eq!(root.text_of("date"), Some("2026-01-02"));
        assert_eq!(root.get("t").map(|n| &n.value), Some(&Value::Bool(true)));
        assert!(root.get("z").expect("z").is_null());
        assert_eq!(read("# only a comment\n", 1).root.map(|n| n.value), Some(Value::Null));
        for text in ["1.2.3", "+", "e3", ".", "0xg", "12:30", "1_000"] {
            assert!(!is_number(text), "{text}");
        }
    }

    #[test]
    fn what_readers_disagree_on_is_reported() {
        assert!(matches!(first_problem("a: &x 1\nb: *x\n"), YamlProblem::Alias(_)));
        assert!(matches!(first_problem("<<: {a: 1}\n"), YamlProblem::Alias(_)));
        assert!(matches!(first_problem("a: !!str 1\n"), YamlProblem::Tag(_)));
        assert!(matches!(first_problem("a: !x/y:Z 1\n"), YamlProblem::Tag(_)));
        assert_eq!(first_problem("a: 1\nb: 2\na: 3\n"), YamlProblem::DuplicateKey("a".into()));
        assert!(matches!(first_problem("? [a]\n: b\n"), YamlProblem::Syntax(_)));
        assert!(matches!(first_problem("a: 1\n...\n- b\n"), YamlProblem::Syntax(_)));
        assert!(matches!(first_problem("a: *nothing\n"), YamlProblem::Syntax(_)));
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(YAML_DEPTH_MAX), 1).root.is_some());
        assert_eq!(first_problem(&nested(YAML_DEPTH_MAX + 1)), YamlProblem::TooDeep);
        assert_eq!(first_problem(&"[".repeat(16_000)), YamlProblem::TooDeep);
        assert_eq!(first_problem(&"{a: ".repeat(4_000)), YamlProblem::TooDeep);
        assert_eq!(first_problem(&"- ".repeat(8_000)), YamlProblem::TooDeep);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]{}:,\"'&*!|>%@`#?\\\\~a-c0-9 \n\t.é-]{0,80}") {
            let _ = read(&text, 1);
        }

        #[test]
        fn no_lines_make_it_panic(lines in proptest::collection::vec("( {0,3}|\t)[-?:&*!|>a-b]{0,3}[: ]{0,2}[a-b'\"\\[{]{0,3}", 0..8)) {
            let _ = read(&lines.join("\n"), 1);
        }
    }
}
