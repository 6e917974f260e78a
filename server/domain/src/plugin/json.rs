//! Reads JSON (RFC 8259) strictly, with places. Stricter than most readers where two of them would see different things:
//! repeated keys and lone surrogates are reported, and nesting is bounded before it costs stack.

use std::collections::HashSet;

use super::node::{Entry, Node, Position, Value};

/// The deepest nesting of lists and maps that is read.
pub const JSON_DEPTH_MAX: usize = 32;
/// The longest file that is read, in bytes.
pub const JSON_BYTES_MAX: usize = 1 << 20;
/// After so many problems in one file the rest is not reported.
const PROBLEMS_MAX: usize = 20;

/// What is wrong with a JSON text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JsonProblem {
    /// Not JSON; the words say what stands there or is missing.
    Syntax(String),
    /// A key occurs twice in one map.
    DuplicateKey(String),
    /// Half of a surrogate pair in `\uXXXX` escapes.
    LoneSurrogate,
    /// Nested deeper than [`JSON_DEPTH_MAX`].
    TooDeep,
}

/// What was read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct JsonText {
    /// The value; `None` when the text is not JSON or too deep.
    pub root: Option<Node>,
    /// Problems in order of their places.
    pub problems: Vec<(JsonProblem, Position)>,
}

/// Reads `text`, which has no byte order mark and at most [`JSON_BYTES_MAX`] bytes; the caller has looked.
pub fn read(text: &str) -> JsonText {
    let mut reader = Reader { text, at: 0, counted: 0, here: Position::START, problems: Vec::new() };
    let root = reader.document();
    JsonText { root: root.ok(), problems: reader.problems }
}

/// Reading stopped; the problem is noted.
struct Stop;

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Bytes that `here` has counted: positions are asked for in order only, so that a long line costs linear time.
    counted: usize,
    here: Position,
    problems: Vec<(JsonProblem, Position)>,
}

impl Reader<'_> {
    fn position(&mut self) -> Position {
        for c in self.text[self.counted..self.at].chars() {
            if c == '\n' {
                self.here = Position { line: self.here.line.saturating_add(1), column: 1 };
            } else {
                self.here.column = self.here.column.saturating_add(1);
            }
        }
        self.counted = self.at;
        self.here
    }

    fn note(&mut self, problem: JsonProblem, at: Position) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push((problem, at));
        }
    }

    fn stop<T>(&mut self, expected: &str) -> Result<T, Stop> {
        let at = self.position();
        let found = match self.text[self.at..].chars().next() {
            None => "the file ends here".to_owned(),
            Some('/') => "found `/`: JSON has no comments".to_owned(),
            Some('\'') => "found `'`: JSON texts stand in double quotes".to_owned(),
            Some(c) if c.is_control() || !c.is_ascii() => format!("found U+{:04X}", u32::from(c)),
            Some(c) => format!("found `{c}`"),
        };
        self.note(JsonProblem::Syntax(format!("expected {expected}, {found}")), at);
        Err(Stop)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn document(&mut self) -> Result<Node, Stop> {
        let root = self.value(0)?;
        self.blanks();
        if self.at < self.text.len() {
            return self.stop("nothing after the value");
        }
        Ok(root)
    }

    fn value(&mut self, depth: usize) -> Result<Node, Stop> {
        self.blanks();
        let at = self.position();
        let value = match self.peek() {
            Some(b'{' | b'[') if depth >= JSON_DEPTH_MAX => {
                self.note(JsonProblem::TooDeep, at);
                return Err(Stop);
            }
            Some(b'{') => self.map(depth + 1)?,
            Some(b'[') => self.list(depth + 1)?,
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => {
                let word = |word: &str| self.text[self.at..].starts_with(word);
                let (length, value) = if word("true") {
                    (4, Value::Bool(true))
                } else if word("false") {
                    (5, Value::Bool(false))
                } else if word("null") {
                    (4, Value::Null)
                } else {
                    return self.stop("a value");
                };
                self.at += length;
                value
            }
        };
        Ok(Node { at, value })
    }

    fn map(&mut self, depth: usize) -> Result<Value, Stop> {
        self.at += 1;
        let mut entries = Vec::new();
        let mut seen = HashSet::new();
        self.blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Map(entries));
        }
        loop {
            self.blanks();
            let key_at = self.position();
            if self.peek() != Some(b'"') {
                return self.stop("a key in double quotes");
            }
            let key = self.string()?;
            if !seen.insert(key.clone()) {
                self.note(JsonProblem::DuplicateKey(key.clone()), key_at);
            }
            self.blanks();
            if self.peek() != Some(b':') {
                return self.stop("`:` after the key");
            }
            self.at += 1;
            let node = self.value(depth)?;
            entries.push(Entry { key, key_at, node });
            self.blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Map(entries));
                }
                _ => return self.stop("`,` or `}`"),
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, Stop> {
        self.at += 1;
        let mut nodes = Vec::new();
        self.blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::List(nodes));
        }
        loop {
            nodes.push(self.value(depth)?);
            self.blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::List(nodes));
                }
                _ => return self.stop("`,` or `]`"),
            }
        }
    }

    fn number(&mut self) -> Result<Value, Stop> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Value::Number(self.text[start..self.at].to_owned()))
    }

    fn digits(&mut self) -> Result<(), Stop> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { self.stop("a digit") } else { Ok(()) }
    }

    fn string(&mut self) -> Result<String, Stop> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(|c: char| c == '"' || c == '\\' || c < ' ').unwrap_or(rest.len());
            out.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => self.escape(&mut out)?,
                Some(_) => return self.stop("no raw control character inside a text (write it as \\u00XX)"),
                None => return self.stop("`\"` at the end of the text"),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<(), Stop> {
        let at = self.position();
        self.at += 1;
        let simple = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                let first = self.hex4()?;
                let c = match first {
                    0xD800..0xDC00 if self.text[self.at..].starts_with("\\u") => {
                        let before = self.at;
                        self.at += 2;
                        let second = self.hex4()?;
                        if (0xDC00..0xE000).contains(&second) {
                            char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
                        } else {
                            self.at = before;
                            None
                        }
                    }
                    _ => char::from_u32(first),
                };
                if c.is_none() {
                    self.note(JsonProblem::LoneSurrogate, at);
                }
                out.push(c.unwrap_or(char::REPLACEMENT_CHARACTER));
                return Ok(());
            }
            _ => return self.stop("one of \" \\ / b f n r t u after a backslash"),
        };
        self.at += 1;
        out.push(simple);
        Ok(())
    }

    fn hex4(&mut self) -> Result<u32, Stop> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4).unwrap_or_default();
        let mut value = 0;
        for digit in digits {
            match char::from(*digit).to_digit(16) {
                Some(digit) => value = value * 16 + digit,
                None => return self.stop("four hexadecimal digits after \\u"),
            }
        }
        if digits.len() < 4 {
            return self.stop("four hexadecimal digits after \\u");
        }
        self.at += 4;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn problem(text: &str) -> String {
        let read = read(text);
        let (problem, at) = read.problems.first().unwrap_or_else(|| panic!("no problem in {text}"));
        format!("{at} {problem:?}")
    }

    #[test]
    fn values_are_read_with_their_places() {
        let root = read("{\n  \"a\": [1e999, -0.5, true, null],\n  \"ü\": \"x\\n\\ud83d\\ude80\\u00e9\"\n}").root;
        let root = root.expect("JSON");
        assert_eq!(root.text_of("ü"), Some("x\n🚀é"));
        let list = root.get("a").and_then(Node::list).expect("a list");
        assert_eq!(list[0].value, Value::Number("1e999".into()));
        assert_eq!(list[1].at, Position { line: 2, column: 16 });
        assert_eq!(root.entry("ü").expect("ü").key_at, Position { line: 3, column: 3 });
    }

    #[test]
    fn what_is_no_json_is_named_with_its_place() {
        assert_eq!(problem(""), "1:1 Syntax(\"expected a value, the file ends here\")");
        assert_eq!(problem("{\"a\":1,}"), "1:8 Syntax(\"expected a key in double quotes, found `}`\")");
        assert_eq!(
            problem("{\n // x\n}"),
            "2:2 Syntax(\"expected a key in double quotes, found `/`: JSON has no comments\")"
        );
        for wrong in [
            "nul",
            "01",
            "1.",
            "-",
            "[1 2]",
            "{\"a\" 1}",
            "\"a\tb\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u12é4\"",
            "[1]]",
            "NaN",
            "\"a",
            "{'a':1}",
            "\u{feff}1",
        ] {
            let read = read(wrong);
            assert!(read.root.is_none() && matches!(read.problems[..], [(JsonProblem::Syntax(_), _)]), "{wrong}");
        }
    }

    #[test]
    fn what_readers_disagree_on_is_reported_and_still_read() {
        let twice = read("{\"a\":1,\"b\":{\"a\":2},\"a\":3}");
        let third = Position { line: 1, column: 20 };
        assert_eq!(twice.problems, [(JsonProblem::DuplicateKey("a".into()), third)]);
        assert_eq!(twice.root.expect("a map").get("a").map(|n| n.value.clone()), Some(Value::Number("3".into())));
        for lone in ["\"\\ud800\"", "\"\\udc00x\"", "\"\\ud800\\u0041\""] {
            assert!(problem(lone).ends_with("LoneSurrogate"), "{lone}");
        }
        assert_eq!(read("\"\\ud800\\u0041\"").root.expect("text").text(), Some("\u{fffd}A"));
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(JSON_DEPTH_MAX)).root.is_some());
        assert_eq!(problem(&nested(JSON_DEPTH_MAX + 1)), "1:33 TooDeep");
        assert_eq!(problem(&"[{\"a\":".repeat(100_000)), "1:97 TooDeep");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]{}:,\"\\\\u0-9a-fédD \n.-]{0,60}") {
            let _ = read(&text);
        }

        #[test]
        fn whatever_serde_accepts_is_read_alike(text in "[\\[\\]{}:,\"\\\\n0-9a \n.-]{0,16}") {
            let ours = read(&text);
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            // Numbers beyond serde's range and repeated keys are the known differences.
            if theirs.is_ok() {
                prop_assert!(ours.root.is_some(), "{:?}", ours.problems);
            } else if !text.contains(|c: char| c.is_ascii_digit()) {
                prop_assert!(!ours.problems.is_empty());
            }
        }
    }
}
