//! Lines of a text as the words and operators that a shell would see, near enough for prose and code alike.

/// A logical line: lines joined by a backslash at their end are one.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Byte offset of the line in the text.
    pub at: usize,
    /// The line, without its end.
    pub text: &'a str,
}

/// What a word is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A word.
    Plain,
    /// `|` (also `|&`).
    Pipe,
    /// `;`, `&`, `&&` or `||`: another command begins.
    End,
    /// `$(`, `<(`, `>(` or `(`.
    Open,
    /// `)`.
    Close,
    /// A back-tick: code in Markdown, substitution in a shell.
    Tick,
    /// `<` or `>`.
    Redirect,
}

/// One word, without quotes at its ends.
#[derive(Clone, Copy, Debug)]
pub struct Word<'a> {
    /// Byte offset in the line.
    pub at: usize,
    /// Its text; empty for operators.
    pub text: &'a str,
    /// What it is.
    pub kind: Kind,
}

impl<'a> Word<'a> {
    /// The word as the name of a program: without the folders before it. `None` for operators.
    pub fn command(&self) -> Option<&'a str> {
        if self.kind != Kind::Plain {
            return None;
        }
        // An address keeps its slashes, and so does `git+https://…`.
        if self.text.contains("://") {
            Some(self.text)
        } else {
            self.text.rsplit('/').next().filter(|name| !name.is_empty()).or(Some(self.text))
        }
    }
}

/// Lines longer than this are cut into pieces, so that one word list stays small.
const LINE_BYTES_MAX: usize = 16 << 10;

/// The logical lines of `text`.
pub fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut rest = text;
    let mut at = 0;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = 0;
        loop {
            match rest[end..].find('\n') {
                Some(offset) => {
                    let line_end = end + offset;
                    end = line_end + 1;
                    let before = rest[..line_end].trim_end_matches('\r');
                    if !before.ends_with('\\') || end >= LINE_BYTES_MAX {
                        break;
                    }
                }
                None => {
                    end = rest.len();
                    break;
                }
            }
        }
        if end > LINE_BYTES_MAX {
            end = rest.floor_char_boundary(LINE_BYTES_MAX);
        }
        let line = Line { at, text: &rest[..end] };
        rest = &rest[end..];
        at += end;
        Some(line)
    })
}

impl<'a> Line<'a> {
    /// False when no command that fetches can stand in the line: most lines are passed over so.
    pub fn may_fetch(&self) -> bool {
        const NEEDLES: &[&[u8]] = &[
            b"curl",
            b"wget",
            b"iwr",
            b"irm",
            b"invoke-",
            b"downloadstring",
            b"aria2c",
            b"fetch",
            b"npx",
            b"pnpx",
            b"bunx",
            b"uvx",
            b"uv ",
            b"pip",
            b"dlx",
            b"bun ",
            b"npm",
            b"yarn",
            b"deno",
            b"git+",
        ];
        let bytes = self.text.as_bytes();
        bytes.iter().enumerate().any(|(at, first)| {
            // Letters only, so that lowering by one bit is exact enough to choose which needles to compare.
            matches!(first | 0x20, b'c' | b'w' | b'i' | b'd' | b'a' | b'f' | b'n' | b'p' | b'b' | b'u' | b'y' | b'g')
                && NEEDLES.iter().any(|needle| {
                    needle[0] == first | 0x20
                        && bytes.get(at..at + needle.len()).is_some_and(|here| here.eq_ignore_ascii_case(needle))
                })
        })
    }

    /// The words of the line.
    pub fn words(&self) -> Vec<Word<'a>> {
        let text = self.text;
        let mut words: Vec<Word<'a>> = Vec::new();
        let mut start = None;
        let mut chars = text.char_indices().peekable();
        let mut previous = ' ';
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, c)| *c);
            let operator = match c {
                '|' if next == Some('|') => {
                    chars.next();
                    Some((Kind::End, at))
                }
                '|' => Some((Kind::Pipe, at)),
                ';' | '&' => Some((Kind::End, at)),
                '`' => Some((Kind::Tick, at)),
                '$' | '<' | '>' if next == Some('(') => {
                    chars.next();
                    Some((Kind::Open, at))
                }
                '(' => Some((Kind::Open, at)),
                ')' => Some((Kind::Close, at)),
                // `<` inside a package's version range is part of the word.
                '<' | '>' if !(start.is_some() && matches!(next, Some('=' | '0'..='9'))) => Some((Kind::Redirect, at)),
                _ => None,
            };
            let separator = c.is_whitespace()
                || matches!(c, '"' | '\'')
                || (c == ',' && next.is_none_or(|next| next.is_whitespace() || matches!(next, '"' | '\'')))
                || (c == '[' && matches!(next, Some('"' | '\'')))
                || (c == ']' && matches!(previous, '"' | '\''))
                || (c == '\\' && matches!(next, None | Some('\n' | '\r' | '"' | '\'')));
            if operator.is_some() || separator {
                if let Some(from) = start.take() {
                    words.push(Word { at: from, text: &text[from..at], kind: Kind::Plain });
                }
                if let Some((kind, at)) = operator {
                    words.push(Word { at, text: "", kind });
                }
            } else if start.is_none() {
                start = Some(at);
            }
            previous = c;
        }
        if let Some(from) = start {
            words.push(Word { at: from, text: &text[from..], kind: Kind::Plain });
        }
        words
    }
}
