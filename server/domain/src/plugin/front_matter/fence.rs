//! Where the front matter of a Markdown file begins and ends.
//!
//! Source: Claude Code 2.1.329 as it behaves: the block begins on the first line and ends at the first three dashes anywhere.

/// The block and what is after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fence {
    /// The first line is not `---`.
    None,
    /// The first line is `---`, and no later line is.
    Unclosed,
    /// A whole block.
    Closed {
        /// Byte offset of the first line of the block.
        from: usize,
        /// Byte offset of the closing line.
        to: usize,
        /// Byte offset behind the closing line.
        body: usize,
    },
}

/// Finds the block. `text` has no byte order mark. Blanks after the dashes are allowed, as is CRLF.
pub fn find(text: &str) -> Fence {
    let from = match text.find('\n') {
        Some(end) if is_marker(&text[..end]) => end + 1,
        None if is_marker(text) => return Fence::Unclosed,
        // Old Mac line ends: one single line for every reader, and so a block that never ends.
        _ if text.starts_with("---\r") => return Fence::Unclosed,
        _ => return Fence::None,
    };
    let mut to = from;
    for line in text[from..].split_inclusive('\n') {
        if is_marker(line.strip_suffix('\n').unwrap_or(line)) {
            return Fence::Closed { from, to, body: to + line.len() };
        }
        to += line.len();
    }
    Fence::Unclosed
}

fn is_marker(line: &str) -> bool {
    let line = line.strip_suffix('\r').unwrap_or(line);
    line.strip_prefix("---").is_some_and(|rest| rest.bytes().all(|b| b == b' ' || b == b'\t'))
}

/// The line, counted from 1, of a block that begins behind blank lines, comments or a code fence, which hide it.
pub fn hidden_block(text: &str) -> Option<u32> {
    const LOOKED_AT: usize = 12;
    let mut in_comment = false;
    for (at, line) in text.lines().take(LOOKED_AT).enumerate() {
        let trimmed = line.trim();
        if !in_comment && trimmed == "---" {
            let next = text.lines().nth(at + 1)?;
            let closed = text.lines().skip(at + 2).take(200).any(|line| line.trim() == "---");
            return (super::field_key(next.trim_start()).is_some() && closed)
                .then(|| u32::try_from(at + 1).unwrap_or(1));
        }
        if trimmed.starts_with("<!--") {
            in_comment = true;
        }
        if in_comment {
            in_comment = !trimmed.contains("-->");
            continue;
        }
        if !(trimmed.is_empty() || trimmed.starts_with('#') || trimmed.starts_with("```") || trimmed.starts_with("~~~"))
        {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_stands_between_two_lines_of_dashes() {
        let block = |text: &'static str| match find(text) {
            Fence::Closed { from, to, body } => (&text[from..to], &text[body..]),
            other => panic!("{other:?} in {text:?}"),
        };
        assert_eq!(block("---\na: b\n---\nbody"), ("a: b\n", "body"));
        assert_eq!(block("--- \t\r\na: b\r\n---  \r\nbody"), ("a: b\r\n", "body"));
        assert_eq!(block("---\na: b\n---"), ("a: b\n", ""));
        assert_eq!(block("---\n---\n"), ("", ""));
        assert_eq!(block("---\na: |\n  x\n  ---\n---\n"), ("a: |\n  x\n  ---\n", ""));
    }

    #[test]
    fn other_first_lines_begin_no_block() {
        for text in ["", "\n---\na: b\n---\n", " ---\n---\n", "----\n----\n", "--- yaml\n---\n", "+++\n+++\n", "# x\n"]
        {
            assert_eq!(find(text), Fence::None, "{text:?}");
        }
        for text in [
            "---",
            "---\n",
            "---\na: b\n",
            "---\na: b\n...\n",
            "---\na: b\n ---\n",
            "---\ra: b\r---\r",
            "---\na: b\n----\n",
        ] {
            assert_eq!(find(text), Fence::Unclosed, "{text:?}");
        }
    }

    #[test]
    fn a_block_behind_something_is_found() {
        assert_eq!(hidden_block("\n---\nname: x\n---\n"), Some(2));
        assert_eq!(hidden_block("<!-- made\nby hand -->\n---\nname: x\n---\n"), Some(3));
        assert_eq!(hidden_block("```md\n---\nname: x\n---\n```\n"), Some(2));
        assert_eq!(hidden_block(" ---\nname: x\n---\n"), Some(1));
        assert_eq!(hidden_block("# Title\n\nText\n\n---\nname: x\n---\n"), None);
        assert_eq!(hidden_block("\n---\n\nA rule\n"), None);
    }
}
