//! Values read from JSON or YAML with the place where each began, so that a finding can point at it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A place in a text file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Position {
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1, in characters (not bytes, not UTF-16 units).
    pub column: u32,
}

impl Position {
    /// The first character of a file.
    pub const START: Self = Self { line: 1, column: 1 };

    /// A place from counts that begin at 1.
    pub fn new(line: usize, column: usize) -> Self {
        let clip = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { line: clip(line), column: clip(column) }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A value and where it began.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// The first character of the value.
    pub at: Position,
    /// The value.
    pub value: Value,
}

/// What JSON and YAML 1.2 (core schema) can say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// `null`, or nothing after a colon in YAML.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it was written; no range is imposed, for JSON has none.
    Number(String),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map in the order of the file. A key may occur twice: the readers report that, and keep both.
    Map(Vec<Entry>),
}

/// One key of a map.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_at: Position,
    /// What it holds.
    pub node: Node,
}

impl Node {
    /// The text, when this is text.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The scalar as a person wrote it: text, number or boolean.
    pub fn scalar(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) | Value::Number(text) => Some(text.clone()),
            Value::Bool(value) => Some(value.to_string()),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The entries, when this is a map.
    pub fn map(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The elements, when this is a list.
    pub fn list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(nodes) => Some(nodes),
            _ => None,
        }
    }

    /// True for `null`.
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// What `key` holds, when this is a map that has it. Of a repeated key the last, as the client takes it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The entry called `key`; of a repeated key the last.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.map()?.iter().rev().find(|entry| entry.key == key)
    }

    /// The text that `key` holds.
    pub fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    /// The kind of value in words, with its article: for "expected …, found …".
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// Every text below this node with its place, keys excluded, in the order of the file.
    pub fn texts(&self) -> Vec<(&str, Position)> {
        let mut out = Vec::new();
        let mut stack = vec![self];
        while let Some(node) = stack.pop() {
            match &node.value {
                Value::Text(text) => out.push((text.as_str(), node.at)),
                Value::List(nodes) => stack.extend(nodes.iter().rev()),
                Value::Map(entries) => stack.extend(entries.iter().rev().map(|entry| &entry.node)),
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
        out
    }
}
