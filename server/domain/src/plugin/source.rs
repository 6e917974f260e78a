//! Files of the tree as text: what stands in the way of reading them is a value.

use super::json::{self, JSON_BYTES_MAX, JsonText};
use super::node::{Node, Position};
use crate::tree::{Mode, Tree, TreeFile};

/// A file as text, or why it is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Text<'t> {
    /// Text; one byte order mark at the start is taken off.
    Read {
        /// The text.
        text: &'t str,
        /// It had a byte order mark.
        bom: bool,
    },
    /// Not UTF-8 from here on.
    NotUtf8(Position),
    /// The entry is no file: a link, a submodule, an empty folder.
    NotAFile,
    /// Larger than the reader of the tree reads.
    TooLarge,
}

/// Reads `file`.
pub fn text(file: &TreeFile) -> Text<'_> {
    if !matches!(file.mode, Mode::File | Mode::Executable) {
        return Text::NotAFile;
    }
    let Some(content) = &file.content else {
        return Text::TooLarge;
    };
    match std::str::from_utf8(content) {
        Ok(text) => match text.strip_prefix('\u{feff}') {
            Some(text) => Text::Read { text, bom: true },
            None => Text::Read { text, bom: false },
        },
        Err(error) => {
            let good = String::from_utf8_lossy(&content[..error.valid_up_to()]);
            Text::NotUtf8(position(&good, good.len()))
        }
    }
}

/// The place of the byte offset `at` in `text`.
pub fn position(text: &str, at: usize) -> Position {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let line = 1 + before.iter().filter(|b| **b == b'\n').count();
    // Characters, counted by the bytes that begin one.
    let column = 1 + before[line_start..].iter().filter(|b| (**b & 0xc0) != 0x80).count();
    Position::new(line, column)
}

/// Turns byte offsets that come in order into places, in linear time.
pub struct Positions<'t> {
    text: &'t str,
    counted: usize,
    here: Position,
}

impl<'t> Positions<'t> {
    /// Starts at the beginning of `text`.
    pub fn new(text: &'t str) -> Self {
        Self { text, counted: 0, here: Position::START }
    }

    /// The place of the byte offset `at`, which is not before the one asked for last.
    pub fn of(&mut self, at: usize) -> Position {
        for byte in &self.text.as_bytes()[self.counted.min(at)..at.min(self.text.len())] {
            match byte {
                b'\n' => self.here = Position { line: self.here.line.saturating_add(1), column: 1 },
                byte if (byte & 0xc0) != 0x80 => self.here.column = self.here.column.saturating_add(1),
                _ => {}
            }
        }
        self.counted = self.counted.max(at);
        self.here
    }
}

/// A JSON file of a plugin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JsonFile {
    /// Where it lies.
    pub path: String,
    /// It has a byte order mark.
    pub bom: bool,
    /// What was read, or why nothing was.
    pub state: JsonState,
}

/// What became of reading a JSON file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JsonState {
    /// Read; problems may stand beside the value.
    Read(JsonText),
    /// Not UTF-8 from here on.
    NotUtf8(Position),
    /// The entry is no file.
    NotAFile,
    /// Over [`JSON_BYTES_MAX`].
    TooLarge,
}

impl JsonFile {
    /// The value, when there is one.
    pub fn root(&self) -> Option<&Node> {
        match &self.state {
            JsonState::Read(read) => read.root.as_ref(),
            _ => None,
        }
    }
}

/// Reads the JSON file at `path`; `None` when the tree has no entry of that name.
pub fn json_file(tree: &Tree, path: &str) -> Option<JsonFile> {
    let file = tree.get(path)?;
    let mut bom = false;
    let state = if file.size_bytes > JSON_BYTES_MAX as u64 && file.mode != Mode::Link {
        JsonState::TooLarge
    } else {
        match text(file) {
            Text::Read { text, bom: has_bom } => {
                bom = has_bom;
                JsonState::Read(json::read(text))
            }
            Text::NotUtf8(at) => JsonState::NotUtf8(at),
            Text::NotAFile => JsonState::NotAFile,
            Text::TooLarge => JsonState::TooLarge,
        }
    };
    Some(JsonFile { path: path.to_owned(), bom, state })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters() {
        let text = "äb\nc\u{1f680}d";
        assert_eq!(position(text, 2), Position { line: 1, column: 2 });
        assert_eq!(position(text, text.len() - 1), Position { line: 2, column: 3 });
        let mut positions = Positions::new(text);
        for (at, _) in text.char_indices() {
            assert_eq!(positions.of(at), position(text, at), "{at}");
        }
    }
}
